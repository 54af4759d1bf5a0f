"""Judge again: the verdict on a version under the dictionary of today, from its stored snapshots. The dump is not read.

Only where nothing but rules changed: another type, format or separator needs the bytes (parse). Not here: which versions it is due for
(stale_verdicts).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.dictionary.source import SourceSettings
from platform_assets.engines.duckdb import Engine, open_engine, part_of_limit
from platform_assets.errors import StoredFileError
from platform_assets.formats.base import Notice
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.governing import governed, reading_version
from platform_assets.operations.high_water import HighWater
from platform_assets.operations.judge import Verdict, VersionJudge
from platform_assets.operations.lending import Lender
from platform_assets.operations.measuring import measured
from platform_assets.operations.mended import standing_rows
from platform_assets.operations.parse import ParsedVersion, high_water_facts, parse_version
from platform_assets.operations.reading import Progress, cells_text, newer, of_few_cells, places_among, reject_of, row_version_of, silent
from platform_assets.operations.renaming import contract_version
from platform_assets.operations.stale_verdicts import judged_otherwise
from platform_assets.operations.stored_version import StoredVersion, stored_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.home import Home
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.snapshots import Snapshot, VerdictWriter
from platform_assets.versions.merge import find_row_version

_Seen = tuple[datetime | None, HighWater]
"""The highest row version of a table, and how far its keys have grown."""


def parse_or_judge(
    settings: Settings, catalog: Catalog, version: VersionRecord, path: Path, *, progress: Progress = silent
) -> ParsedVersion:
    """What parse_version gives; from the stored snapshots where only what rows are judged by changed since they were made."""
    home, source = Home(settings.home), settings.source(version.source)
    dictionary = usable_dictionary(home.dictionary, version.source)
    dictionary_version = contract_version(home, version.source)
    stored = _standing(home, version)
    lender = Lender(settings, catalog, version)
    if (
        stored is not None
        and stored.facts.get("reading") == reading_version(source, dictionary)
        and judged_otherwise(stored.facts, dictionary_version, source, lender)
        and _proves_true(stored)
    ):
        return judge_again(settings, stored, dictionary, dictionary_version, lender=lender, progress=progress)
    return parse_version(settings, version, path, catalog=catalog, progress=progress)


def _standing(home: Home, version: VersionRecord) -> StoredVersion | None:
    """The version as it lies in the store; None when it was never parsed or is damaged: then it is parsed."""
    try:
        return stored_version(home, version.source, version.version)
    except StoredFileError:
        return None


def _proves_true(stored: StoredVersion) -> bool:
    try:
        for snapshot in stored.snapshots:
            snapshot.verify()
    except StoredFileError:
        return False
    return True


def judge_again(
    settings: Settings,
    stored: StoredVersion,
    dictionary: Mapping[str, Table],
    dictionary_version: str,
    *,
    lender: Lender | None = None,
    progress: Progress = silent,
) -> ParsedVersion:
    """A version whose snapshots have the verdict of a dictionary, pending until commit_version. Raises SettingsError, StoredFileError.

    A row that was rejected before keeps its text as it came; of one that is rejected now the values are shown as they were understood.
    """
    with judged(settings, stored, dictionary, lender=lender, progress=progress) as found:
        writers: list[VerdictWriter] = []
        try:
            snapshots = []
            waits_for = lender.waits_for((table, found.verdicts[name]) for name, table in found.tables.items()) if lender else None
            for snapshot in stored.snapshots:
                name = snapshot.table.name
                writers.append(VerdictWriter(snapshot))
                written = _written(writers[-1], snapshot, found.tables[name], found.verdicts[name], dictionary_version, found.seen[name])
                snapshots.append(replace(written, facts={**written.facts, "measures": measured(found.engine, written)}))
        except BaseException:
            for writer in writers:
                writer.discard()
            raise
    seen = found.seen
    version = _version(stored, tuple(snapshots), dictionary_version, max((at for at, _ in seen.values() if at), default=None))
    source = settings.source(stored.source)
    return replace(version, references=source.references, thresholds=source.thresholds, waits_for=waits_for)


@dataclass(frozen=True)
class Judged:
    """What a dictionary says of the stored rows of a version; valid while the engine is open."""

    engine: Engine
    tables: Mapping[str, Table]
    verdicts: Mapping[str, Verdict]
    seen: Mapping[str, _Seen]


@contextmanager
def judged(
    settings: Settings,
    stored: StoredVersion,
    dictionary: Mapping[str, Table],
    *,
    lender: Lender | None = None,
    progress: Progress = silent,
) -> Iterator[Judged]:
    """The verdicts of a dictionary on a stored version; nothing is written. Raises SettingsError, StoredFileError."""
    home, source = Home(settings.home), settings.source(stored.source)
    tables = {snapshot.table.name: _governed(snapshot, dictionary, source) for snapshot in stored.snapshots}
    with open_engine(home.store / "work", memory_limit=part_of_limit(settings.memory_limit), threads=settings.threads) as engine:
        judge = VersionJudge(engine, tables, standing_rows(home, stored.source, stored.facts["facts"].get("replays")), lender)
        seen = {one.table.name: _feed(judge, one, tables[one.table.name], tables, progress) for one in stored.snapshots}
        yield Judged(engine, tables, judge.verdicts(), seen)


def _governed(snapshot: Snapshot, dictionary: Mapping[str, Table], source: SourceSettings) -> Table:
    told = snapshot.facts.get("declared")
    declared = Table.from_json(told) if told else snapshot.table
    return governed(declared, dictionary.get(declared.name), source)


def _feed(judge: VersionJudge, snapshot: Snapshot, table: Table, tables: Mapping[str, Table], progress: Progress) -> _Seen:
    """Gives the judge the columns that rules look at; the highest row version among the rows, and how far the keys have grown."""
    judge.table(table)
    row_version = find_row_version(table)
    looked_at = {name for rule in rules_of(table) for name in rule.columns}
    looked_at |= {name for other in tables.values() for key in other.foreign_keys if key.table == table.name for name in key.references}
    looked_at |= {row_version} if row_version else set()
    columns = [name for name in table.column_names if name in looked_at]
    highest: datetime | None = None
    high_water = HighWater()
    for batch in snapshot.batches([*columns, "_row", "_raw"], accepted_only=False):
        highest = newer(highest, row_version_of(table, batch))
        high_water.add(batch.select(columns), table.key)
        judge.add(table.name, batch, batch.column("_row"), batch.column("_raw"), strict=snapshot.facts["strict"])
        progress(table.name, batch.num_rows)
    return highest, high_water


def _written(writer: VerdictWriter, snapshot: Snapshot, table: Table, verdict: Verdict, dictionary_version: str, seen: _Seen) -> Snapshot:
    before = snapshot.rejected_rows()
    highest, high_water = seen
    for record in _unjudged(snapshot, before):
        writer.reject(record)
    shown = heapq.merge(
        _shown_before(snapshot, before), _shown_now(snapshot, np.setdiff1d(verdict.rejected_rows, before)), key=attrgetter("row")
    )
    for row, violations in verdict.violations():
        record = next(record for record in shown if record.row == row)
        writer.reject(reject_of(record, violations))
    facts = dict(snapshot.facts) | {
        "row_version": find_row_version(table),
        "row_version_max": highest.isoformat() if highest else None,
    }
    facts |= high_water_facts(high_water, table.key)
    return writer.finish(
        table,
        rejected_rows=verdict.rejected_rows,
        rule_counts=verdict.rule_counts,
        dictionary_version=dictionary_version,
        facts=facts,
    )


def _unjudged(snapshot: Snapshot, rejected: np.ndarray) -> Iterator[RejectRecord]:
    """Rows that could not be read and recovered rows: no dictionary changes what is told of them."""
    judged = _Rows(rejected)
    return (record for record in snapshot.rejects() if record.recovered or record.row not in judged)


def _shown_before(snapshot: Snapshot, rejected: np.ndarray) -> Iterator[RejectRecord]:
    judged = _Rows(rejected)
    return (record for record in snapshot.rejects() if not record.recovered and record.row in judged)


class _Rows:
    """Row numbers as a bit each: a set of a million takes a hundred times as much."""

    def __init__(self, rows: np.ndarray) -> None:
        bits = np.zeros(int(rows.max()) // 8 + 1 if len(rows) else 0, np.uint8)
        np.bitwise_or.at(bits, rows >> 3, (1 << (rows & 7)).astype(np.uint8))
        self._bits = bits.tobytes()

    def __contains__(self, row: int | None) -> bool:
        return row is not None and row >> 3 < len(self._bits) and bool(self._bits[row >> 3] >> (row & 7) & 1)


def _shown_now(snapshot: Snapshot, rows: np.ndarray) -> Iterator[RejectRecord]:
    """The rows with these numbers as the snapshot holds them, ascending."""
    if not len(rows):
        return
    for batch in snapshot.batches(accepted_only=False):
        for part in of_few_cells(places_among(batch.column("_row").to_numpy(), rows), batch.num_columns):
            for cells in batch.take(pa.array(part)).to_pylist():
                row, line, raw = cells.pop("_row"), cells.pop("_line"), cells.pop("_raw")
                cells |= json.loads(raw) if raw else {}
                yield RejectRecord(row, snapshot.member, line, None, cells_text(cells))


def _version(
    stored: StoredVersion, snapshots: tuple[Snapshot, ...], dictionary_version: str, row_version_max: datetime | None
) -> ParsedVersion:
    facts = stored.facts
    return ParsedVersion(
        version=stored.version,
        source=stored.source,
        instance=stored.instance,
        snapshots=snapshots,
        completeness=facts["completeness"],
        reasons=tuple(facts["reasons"]),
        format=facts["format"],
        format_reason=facts["format_reason"],
        tool=facts["tool"],
        dump_time=datetime.fromisoformat(facts["dump_time"]) if facts["dump_time"] else None,
        row_version_max=row_version_max,
        notices=tuple(Notice(**notice) for notice in facts["notices"]),
        notice_counts=facts["notice_counts"],
        facts=facts["facts"],
        dictionary_version=dictionary_version,
        reading=facts["reading"],
        judged_again=True,
    )
