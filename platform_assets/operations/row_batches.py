"""Batches of rows that other programs post: judged like any dump, in the latest state when the caller is answered.

The flow: the rows are read and judged in memory, by the way that a dump of the form `pull` goes; then one transaction keeps the batch,
its rejects and the answer, and puts the accepted rows into the latest state. Batches land among the dumps a little later, many at a time
(landing). Where the table is not yet as the rows need it, the batch lands before the answer. A request may bring rows for several tables:
a batch each, judged together per source as the tables of one dump are, all in the one transaction.
Not here: HTTP, and how bodies become rows (api).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.engines.duckdb import Engine
from platform_assets.errors import Conflict, RefusedQuery
from platform_assets.formats.base import Dump, Event, Rows
from platform_assets.formats.cast import CastBatch
from platform_assets.formats.posted import Cells, posted_events
from platform_assets.formats.pull import MANIFEST, Pull
from platform_assets.operations.judge import VersionJudge
from platform_assets.operations.landing import land
from platform_assets.operations.lending import Lender, is_waiting, waiting_rules
from platform_assets.operations.posted_tables import dictionary_of
from platform_assets.operations.reading import DumpReading, OpenedDump
from platform_assets.operations.reference_order import reference_groups
from platform_assets.settings import Settings
from platform_assets.storage.catalog import api_requests, posted_batches
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.posted_batches import BatchRecord, RejectedLine
from platform_assets.storage.catalog.records import TableRecord, VersionRecord
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.row_hash import row_hashes
from platform_assets.storage.server.sessions import Connection, connected
from platform_assets.storage.warehouse.posted_rows import put_rows
from platform_assets.storage.warehouse.protocol import hold_posted
from platform_assets.versions.merge import find_row_version


@dataclass(frozen=True)
class Refused:
    """What stands in the place of a row and cannot be one; `raw` is its text as it came."""

    index: int
    code: str
    message: str
    raw: str


@dataclass(frozen=True)
class PostedRows:
    """The rows of one request: each a line of JSON and its cells; `places` are their indexes in the request."""

    lines: tuple[str, ...]
    cells: tuple[Cells, ...]
    places: tuple[int, ...]
    refused: tuple[Refused, ...] = ()

    @property
    def count(self) -> int:
        return len(self.lines) + len(self.refused)


@dataclass(frozen=True)
class Posting:
    """Rows for one table; `instance` says whose they are."""

    source: str
    table: Table
    rows: PostedRows
    instance: str = "default"

    @property
    def name(self) -> str:
        return f"{self.source}.{self.table.name}"


@dataclass(frozen=True)
class BatchVerdict:
    """What became of a batch. `table` is `source.table`; `kept` is False for a dry run, and for an atomic batch with a row that is wrong.

    `errors`: index of a rejected row to the rules that it broke, as Violation.to_json objects.
    """

    batch_id: str
    table: str
    kept: bool
    rows: int
    errors: Mapping[int, Sequence[Mapping[str, Any]]]

    @property
    def rejected(self) -> int:
        return len(self.errors)

    @property
    def accepted(self) -> int:
        return self.rows - self.rejected


def new_batch_id() -> str:
    """Sortable by time, free of clashes."""
    return f"api-{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(6)}"


@dataclass(frozen=True)
class Repeat:
    """A request that may come again: whose key it is, its own key, and the hash of all that was asked."""

    key_id: str
    key: str
    request: str


@dataclass(frozen=True)
class Answer:
    """`body` is JSON. `repeated`: it was given before."""

    status: int
    body: str
    repeated: bool = False


def post_rows(
    settings: Settings,
    catalog: Catalog,
    engine: Engine,
    postings: Sequence[Posting],
    answer: Callable[[str, Sequence[BatchVerdict]], tuple[int, str]],
    *,
    atomic: bool = False,
    dry_run: bool = False,
    repeat: Repeat | None = None,
) -> Answer:
    """One request to its end, each of its tables once. `engine` is the caller's for as long as this runs; `answer` says, by the id of the
    request and the verdicts in the order of `postings`, what is to be told: a status and JSON.

    `atomic`: nothing is kept when a row is wrong. `repeat`: the same request again gets the same answer, stored with the rows. Raises
    Conflict while that request is at work elsewhere, RefusedQuery when its key came with another one.
    """
    if repeat is not None and (before := _answered(settings, catalog, repeat)) is not None:
        return before
    judged = _judged(settings, catalog, engine, postings)
    request = judged[postings[0].name].batch_id if len(postings) == 1 else new_batch_id()
    keeping = not (dry_run or (atomic and any(one.errors for one in judged.values())))
    told = [BatchVerdict(judged[one.name].batch_id, one.name, keeping, one.rows.count, judged[one.name].errors) for one in postings]
    status, body = answer(request, told)
    if not keeping and repeat is None:
        return Answer(status, body)
    late: list[str] = []
    with connected(catalog.url) as connection:
        if repeat is not None:
            if not api_requests.take_turn(connection, repeat.key_id, repeat.key):
                raise Conflict("The request of this Idempotency-Key is still at work; ask again for its answer.")
            standing = api_requests.standing(connection, repeat.key_id, repeat.key)
            if standing is not None:  # it came to its end while this one was judged
                return _again(standing, repeat)
        if keeping:
            late = _keep(connection, postings, judged, request if len(postings) > 1 else None)
        if repeat is not None:
            api_requests.answered(connection, repeat.key_id, repeat.key, repeat.request, request, status, body)
    for source in late:
        land(settings, catalog, source)
    return Answer(status, body)


def _answered(settings: Settings, catalog: Catalog, repeat: Repeat) -> Answer | None:
    """The answer that was given before, after what it promised was made true."""
    with connected(catalog.url, autocommit=True) as connection:
        standing = api_requests.standing(connection, repeat.key_id, repeat.key)
    if standing is None:
        return None
    found = _again(standing, repeat)
    batches = posted_batches.batches_of(catalog, standing.batch_id)
    for source in sorted({one.source for one in batches if one.waiting and not one.applied}):
        land(settings, catalog, source)
    return found


def _again(standing: api_requests.RequestRecord, repeat: Repeat) -> Answer:
    if standing.request != repeat.request:
        raise RefusedQuery("This Idempotency-Key came before with another request; a new request needs a new one.")
    return Answer(standing.status or 500, json.dumps(standing.answer or {}, separators=(",", ":")), repeated=True)


def _keep(connection: Connection, postings: Sequence[Posting], judged: Mapping[str, _Judged], request: str | None) -> list[str]:
    """All batches of a request in the caller's transaction, parents first; the sources of which some table does not take them yet."""
    for one in sorted(postings, key=lambda one: one.name):  # in one order for all requests: none waits for another that waits for it
        hold_posted(connection, one.source, one.table.name)
    applied = {one.name: _keep_batch(connection, one, judged[one.name], request) for one in _parents_first(postings)}
    return sorted({one.source for one in postings if not applied[one.name]})


def _parents_first(postings: Sequence[Posting]) -> list[Posting]:
    named = {one.name: one for one in postings}
    refers = {
        name: {key.table if key.source else f"{one.source}.{key.table}" for key in one.table.foreign_keys} & named.keys()
        for name, one in named.items()
    }
    return [named[name] for group in reference_groups(refers) for name in group]


def _keep_batch(connection: Connection, posting: Posting, judged: _Judged, request: str | None) -> bool:
    """The batch, its rejects and, where the table takes them as they are, its rows, under the table's lock. Whether it did."""
    source, table = posting.source, judged.table
    record, waits = posted_batches.latest_of(connection, source, table.name), waiting_rules(table)
    applied = record is not None and _takes(record, table)
    posted_batches.add_batch(
        connection,
        BatchRecord(
            batch_id=judged.batch_id,
            source=source,
            table_name=table.name,
            instance=posting.instance,
            rows=posting.rows.count,
            rejected=len(judged.errors),
            size=len(judged.lines),
            definition=judged.definition,
            refused=[one.__dict__ for one in posting.rows.refused],
            identities=judged.identities,
            applied=applied,
            request=request,
        ),
        judged.lines,
        [
            RejectedLine(one.member, one.line, one.row, one.raw, one.violations, "waiting" if is_waiting(waits, one.violations) else "open")
            for one in judged.rejects
        ],
        judged.dictionary_version,
    )
    if applied and len(judged.accepted):
        assert record is not None
        assert record.schema_name is not None and record.relation is not None
        latest = Table.from_json(dict(record.schema))
        rows = _as_latest(latest, judged.accepted, posting.instance, judged.batch_id)
        fresh = put_rows(connection, (record.schema_name, record.relation), latest, record.row_version, rows)
        posted_batches.count_posted(connection, source, table.name, fresh)
    return applied


def _takes(record: TableRecord, table: Table) -> bool:
    """Whether the latest state can take rows of this table as they are: the same key, and every column there with the same type."""
    if record.relation is None or not record.key or record.key != table.key or record.row_version != find_row_version(table):
        return False
    latest = Table.from_json(dict(record.schema))
    types = {column.name: column.type for column in latest.columns}
    return all(types.get(column.name) == column.type for column in table.columns)


def _as_latest(latest: Table, accepted: pa.RecordBatch, instance: str, batch_id: str) -> pa.RecordBatch:
    """Accepted rows under the columns of the latest state; those that they lack are NULL."""
    count = accepted.num_rows
    there = set(accepted.schema.names)
    columns = [accepted.column(c.name) if c.name in there else pa.nulls(count, c.type) for c in latest.columns]
    said = [pa.repeat(pa.scalar(text), count) for text in (instance, batch_id)]
    names = [*latest.column_names, "_instance", "_version", "_row", "_raw"]
    return pa.RecordBatch.from_arrays([*columns, *said, accepted.column("_row"), accepted.column("_raw")], names=names)


@dataclass(frozen=True)
class _Judged:
    """A batch in memory. `table` is the table under its contract, `definition` the one that was stated; `lines` are its readable rows,
    as JSON lines.

    `accepted`: the columns of the table, `_row` and `_raw`. `identities`: see catalog.posted_batches.
    """

    batch_id: str
    table: Table
    definition: Mapping[str, Any]
    lines: bytes
    accepted: pa.RecordBatch
    rejects: Sequence[RejectRecord]
    errors: Mapping[int, list[dict[str, Any]]]
    identities: bytes
    dictionary_version: str


@dataclass
class _Held:
    """The sink that keeps rows and what is wrong in memory, by table: a batch is small."""

    batches: dict[str, list[pa.RecordBatch]] = field(default_factory=dict)
    found: dict[str, list[RejectRecord]] = field(default_factory=dict)

    def begin(self, table: Table) -> None:
        self.restart(table.name)

    def restart(self, name: str) -> None:
        self.batches[name], self.found[name] = [], []

    def rows(self, event: Rows, cast: CastBatch) -> None:
        names = [*cast.batch.schema.names, "_row", "_raw"]
        self.batches[event.table].append(pa.RecordBatch.from_arrays([*cast.batch.columns, event.rows, cast.raw], names=names))

    def reject(self, name: str, record: RejectRecord) -> None:
        self.found[name].append(record)


def _judged(settings: Settings, catalog: Catalog, engine: Engine, postings: Sequence[Posting]) -> dict[str, _Judged]:
    """The verdict on every table of a request, by `source.table`; the tables of a source are judged together."""
    by_source: dict[str, list[Posting]] = {}
    for one in postings:
        by_source.setdefault(one.source, []).append(one)
    return {name: one for source, mine in by_source.items() for name, one in _judged_dump(settings, catalog, engine, source, mine)}


def _judged_dump(
    settings: Settings, catalog: Catalog, engine: Engine, source: str, postings: Sequence[Posting]
) -> Iterator[tuple[str, _Judged]]:
    """Rows for tables of one source, by the same way that they go as a dump."""
    dictionary, dictionary_version = dictionary_of(settings, source)
    ids = [new_batch_id() for _ in postings]
    version = VersionRecord(ids[0], source, postings[0].instance, label=ids[0], sha256="", path="", bytes=0)
    found = _Posted(Dump("rows", ()), Pull(), "rows were posted", settings.source(source), dictionary, postings)
    held = _Held()
    judge = VersionJudge(engine, dictionary, None, Lender(settings, catalog, version))
    reading = DumpReading(found, judge, held, place="the rows")
    reading.read()
    verdicts = reading.judged()
    for batch_id, one in zip(ids, postings, strict=True):
        name = one.table.name
        judged = reading.tables[name].table
        rows = _together(judged, held.batches[name])
        good = ~np.isin(rows.column("_row").to_numpy(), verdicts[name].rejected_rows)
        yield (
            one.name,
            _Judged(
                batch_id=batch_id,
                table=judged,
                definition=one.table.to_json(),
                lines="".join(f"{line}\n" for line in one.rows.lines).encode(),
                accepted=rows.filter(pa.array(good)),
                rejects=held.found[name],
                errors=_by_index(held.found[name], one.rows),
                identities=_identities(judged, rows),
                dictionary_version=dictionary_version,
            ),
        )


@dataclass(frozen=True)
class _Posted(OpenedDump):
    """Rows in memory in the place of a dump."""

    postings: Sequence[Posting]
    told: list[Event] = field(default_factory=list)
    """The events, made once: where a row is rejected they are asked for again."""

    def coming(self) -> Generator[Event, None, None]:
        yield from self.events()

    def events(self) -> Iterator[Event]:
        if not self.told:
            for one in self.postings:
                refused = [bad.__dict__ for bad in one.rows.refused]
                self.told.extend(posted_events(one.table, one.rows.cells, refused, self.source, self.dictionary))
        yield from self.told


def _together(table: Table, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if not batches:
        more = [pa.field("_row", pa.int64()), pa.field("_raw", pa.string())]
        return pa.RecordBatch.from_pylist([], pa.schema([*table.arrow_schema(), *more]))
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _identities(table: Table, rows: pa.RecordBatch) -> bytes:
    """What must not meet another batch's in one dump, since a dump's rows are judged together: key and unique columns, hashed."""
    found = []
    for rule in rules_of(table):
        if rule.kind in ("primaryKey", "unique") and set(rule.columns) <= set(rows.schema.names):
            whole = rows.filter(reduce(pc.and_, (pc.is_valid(rows.column(name)) for name in rule.columns)))  # a NULL is equal to nothing
            found.append(row_hashes(_comparable(whole.select(rule.columns))).tobytes())
    return b"".join(found)


def _comparable(rows: pa.RecordBatch) -> pa.RecordBatch:
    """0.0 and -0.0 are one value in a key, and two for a hash."""
    columns = [pc.add(column, 0.0) if pa.types.is_floating(column.type) else column for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _by_index(rejects: Sequence[RejectRecord], posted: PostedRows) -> dict[int, list[dict[str, Any]]]:
    errors: dict[int, list[dict[str, Any]]] = {}
    for reject in rejects:
        at = (reject.line or 1) - 1 if reject.member == MANIFEST else posted.places[(reject.row or 1) - 1]
        errors[at] = json.loads(reject.violations)
    return dict(sorted(errors.items()))
