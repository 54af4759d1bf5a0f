"""Batches of rows that other programs post: judged like any dump, in the latest state when the caller is answered.

The flow: the rows are read and judged in memory, by the way that a dump of the form `pull` goes; then one transaction keeps the batch,
its rejects and the answer, and puts the accepted rows into the latest state. Batches land among the dumps a little later, many at a time
(landing). Where the table is not yet as the rows need it, the batch lands before the answer.
Not here: HTTP, and how bodies become rows (api).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.engines.duckdb import Engine
from platform_assets.errors import Conflict, NoSuchTable, RefusedQuery, SettingsError
from platform_assets.formats.base import Dump, Event, Rows
from platform_assets.formats.cast import CastBatch
from platform_assets.formats.posted import Cells, posted_events
from platform_assets.formats.pull import MANIFEST, Pull
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.judge import VersionJudge
from platform_assets.operations.landing import land
from platform_assets.operations.lending import Lender
from platform_assets.operations.reading import DumpReading, OpenedDump
from platform_assets.settings import Settings
from platform_assets.storage.catalog import api_requests, posted_batches
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.posted_batches import BatchRecord, RejectedLine
from platform_assets.storage.catalog.records import TableRecord, VersionRecord
from platform_assets.storage.home import Home
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
class BatchVerdict:
    """What became of a batch. `kept` is False for a dry run, and for an atomic batch with a row that is wrong.

    `errors`: index of a rejected row to the rules that it broke, as Violation.to_json objects.
    """

    batch_id: str
    kept: bool
    rows: int
    errors: Mapping[int, Sequence[Mapping[str, Any]]]

    @property
    def rejected(self) -> int:
        return len(self.errors)

    @property
    def accepted(self) -> int:
        return self.rows - self.rejected


def _dictionary(settings: Settings, source: str) -> tuple[Mapping[str, Table], str]:
    """The source's contract and its version (renaming.contract_version). Read at every request, understood once."""
    folder = Home(settings.home).dictionary
    path = folder / f"{source}.odcs.yaml"
    data = path.read_bytes() if path.is_file() else None
    return (_understood(folder, source, data), hashlib.sha256(data).hexdigest()[:12]) if data is not None else ({}, "")


@lru_cache(maxsize=64)
def _understood(folder: Path, source: str, data: bytes) -> Mapping[str, Table]:
    return usable_dictionary(folder, source)


def new_batch_id() -> str:
    """Sortable by time, free of clashes."""
    return f"api-{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(6)}"


def posted_table(settings: Settings, catalog: Catalog, source: str, name: str) -> Table:
    """What rows of the table must look like: its contract's columns and rules, and the columns beyond that its dumps had; without a
    contract all that its dumps said. Raises NoSuchTable, SettingsError."""
    contract = _dictionary(settings, source)[0].get(name)
    if contract is not None and contract.renamed_to is not None:
        contract = None
    standing = next((record for record in catalog.tables(source) if record.table_name == name and record.schema), None)
    known = Table.from_json(dict(standing.schema)) if standing else None
    if contract is None or known is None:
        if contract is None and known is None:
            raise NoSuchTable(f"There is no table {name!r} in {source}.", source=source, table=name)
        return contract or known  # type: ignore[return-value]
    return contract.with_columns([*contract.columns, *(c for c in known.columns if c.name not in contract.column_names)])


def instance_of(settings: Settings, source: str, given: str | None) -> str:
    """Raises SettingsError where a source has instances and the request names none: it cannot be guessed."""
    if given is None and "(?P<instance>" in (settings.source(source).pattern or ""):
        raise SettingsError(f"The tables of {source} are kept per instance: say whose rows these are with ?instance=.")
    return given or "default"


@dataclass(frozen=True)
class Repeat:
    """A request that may come again: whose key it is, its own key, and the hash of all that was asked."""

    key_id: str
    key: str
    request: str


@dataclass(frozen=True)
class Answer:
    """`repeated`: it was given before."""

    status: int
    body: Mapping[str, Any]
    repeated: bool = False


def post_rows(
    settings: Settings,
    catalog: Catalog,
    engine: Engine,
    source: str,
    table: Table,
    posted: PostedRows,
    answer: Callable[[BatchVerdict], tuple[int, Mapping[str, Any]]],
    *,
    instance: str = "default",
    atomic: bool = False,
    dry_run: bool = False,
    repeat: Repeat | None = None,
) -> Answer:
    """One batch to its end. `engine` is the caller's for as long as this runs; `answer` says what the verdict is to be told as.

    `atomic`: nothing is kept when a row is wrong. `repeat`: the same request again gets the same answer, stored with the rows. Raises
    Conflict while that request is at work elsewhere, RefusedQuery when its key came with another one.
    """
    if repeat is not None and (before := _answered(settings, catalog, source, repeat)) is not None:
        return before
    batch_id = new_batch_id()
    lender = Lender(settings, catalog, VersionRecord(batch_id, source, instance, label=batch_id, sha256="", path="", bytes=0))
    judged = _judged(settings, engine, source, table, posted, lender)
    keeping = not (dry_run or (atomic and judged.errors))
    status, body = answer(BatchVerdict(batch_id, keeping, posted.count, judged.errors))
    if not keeping and repeat is None:
        return Answer(status, body)
    with connected(catalog.url) as connection:
        if repeat is not None:
            if not api_requests.take_turn(connection, repeat.key_id, repeat.key):
                raise Conflict("The request of this Idempotency-Key is still at work; ask again for its answer.")
            standing = api_requests.standing(connection, repeat.key_id, repeat.key)
            if standing is not None:  # it came to its end while this one was judged
                return _again(standing, repeat)
        applied = True
        if keeping:
            applied = _keep(settings, catalog, connection, source, instance, batch_id, judged, posted)
        if repeat is not None:
            api_requests.answered(connection, repeat.key_id, repeat.key, repeat.request, batch_id, status, body)
    if not applied:
        land(settings, catalog, source)
    return Answer(status, body)


def _answered(settings: Settings, catalog: Catalog, source: str, repeat: Repeat) -> Answer | None:
    """The answer that was given before, after what it promised was made true."""
    with connected(catalog.url) as connection:
        standing = api_requests.standing(connection, repeat.key_id, repeat.key)
    if standing is None:
        return None
    found = _again(standing, repeat)
    batch = posted_batches.batch(catalog, standing.batch_id)
    if batch is not None and batch.waiting and not batch.applied:
        land(settings, catalog, source)
    return found


def _again(standing: api_requests.RequestRecord, repeat: Repeat) -> Answer:
    if standing.request != repeat.request:
        raise RefusedQuery("This Idempotency-Key came before with another request; a new request needs a new one.")
    return Answer(standing.status or 500, standing.answer or {}, repeated=True)


def _keep(
    settings: Settings,
    catalog: Catalog,
    connection: Connection,
    source: str,
    instance: str,
    batch_id: str,
    judged: _Judged,
    posted: PostedRows,
) -> bool:
    """The batch, its rejects and, where the table takes them as they are, its rows, in the caller's transaction. Whether it did."""
    table = judged.table
    hold_posted(connection, source, table.name)  # batches of a table have one order: that of the numbers that they get now
    record = posted_batches.latest_of(connection, source, table.name)
    applied = record is not None and _takes(record, table)
    posted_batches.add_batch(
        connection,
        BatchRecord(
            batch_id=batch_id,
            source=source,
            table_name=table.name,
            instance=instance,
            rows=posted.count,
            rejected=len(judged.errors),
            size=len(judged.lines),
            definition=judged.definition,
            refused=[one.__dict__ for one in posted.refused],
            identities=judged.identities,
            applied=applied,
        ),
        judged.lines,
        [RejectedLine(one.member, one.line, one.row, one.raw, one.violations) for one in judged.rejects],
        judged.dictionary_version,
    )
    if applied and len(judged.accepted):
        assert record is not None
        assert record.schema_name is not None and record.relation is not None
        latest = Table.from_json(dict(record.schema))
        rows = _as_latest(latest, judged.accepted, instance, batch_id)
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
    """The sink that keeps rows and what is wrong in memory: a batch is small."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    found: list[RejectRecord] = field(default_factory=list)

    def begin(self, table: Table) -> None:
        """One table is all there is."""

    def restart(self, name: str) -> None:
        self.batches.clear()
        self.found.clear()

    def rows(self, event: Rows, cast: CastBatch) -> None:
        names = [*cast.batch.schema.names, "_row", "_raw"]
        self.batches.append(pa.RecordBatch.from_arrays([*cast.batch.columns, event.rows, cast.raw], names=names))

    def reject(self, name: str, record: RejectRecord) -> None:
        self.found.append(record)


def _judged(settings: Settings, engine: Engine, source: str, table: Table, posted: PostedRows, lender: Lender) -> _Judged:
    """The verdict on a batch, by the same way that it goes as a dump."""
    dictionary, dictionary_version = _dictionary(settings, source)
    definition = table.to_json()
    found = _Posted(Dump("rows", ()), Pull(), "rows were posted", settings.source(source), dictionary, table, posted)
    held = _Held()
    reading = DumpReading(found, VersionJudge(engine, dictionary, None, lender), held, place="the rows")
    reading.read()
    rejected = next(iter(reading.judged().values())).rejected_rows
    judged = next(iter(reading.tables.values())).table
    rows = _together(judged, held.batches)
    good = ~np.isin(rows.column("_row").to_numpy(), rejected)
    return _Judged(
        table=judged,
        definition=definition,
        lines="".join(f"{line}\n" for line in posted.lines).encode(),
        accepted=rows.filter(pa.array(good)),
        rejects=held.found,
        errors=_by_index(held.found, posted),
        identities=_identities(judged, rows),
        dictionary_version=dictionary_version,
    )


@dataclass(frozen=True)
class _Posted(OpenedDump):
    """Rows in memory in the place of a dump."""

    table: Table
    posted: PostedRows

    def coming(self) -> Generator[Event, None, None]:
        yield from self.events()

    def events(self) -> Iterator[Event]:
        refused = [one.__dict__ for one in self.posted.refused]
        return posted_events(self.table, self.posted.cells, refused, self.source, self.dictionary)


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
