"""Merge: the latest state of one table from the snapshots of all its published versions.

The contest is over the keys alone (versions.merge, in DuckDB); its result is which rows of which snapshots are the state. An instance
with a single version needs no contest when its keys were proven unique: then its accepted rows are the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.errors import PlatformError, StoredFileError
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import LatestState, LatestWriter
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot
from platform_assets.versions.drift import align, union_table
from platform_assets.versions.keys import table_key
from platform_assets.versions.merge import candidates_sql, contest_sql, find_row_version
from platform_assets.versions.order import Place, VersionFacts, order_versions


@dataclass(frozen=True)
class Contestant:
    """One version of the table, with its place among the versions of its instance."""

    snapshot: Snapshot
    place: Place
    complete: bool


@dataclass(frozen=True)
class MergedTable:
    """A merged state, pending until `state.commit()`."""

    source: str
    table: str
    state: LatestState
    versions: tuple[Place, ...]
    row_version: str | None
    row_version_found: bool
    deleted: int
    guarded: Mapping[str, int]
    """Instances whose newest full dump lost more keys than the guard allows, with how many: nothing was deleted there."""
    load_id: int
    partial: tuple[str, ...] = ()
    """Versions that come from partial dumps."""


def source_order(settings: Settings, catalog: Catalog, source: str) -> list[Place]:
    """The places of all versions of a source that are in the warehouse, oldest first within each instance.

    That a version is being run again, or failed when it was, takes nothing out of the warehouse.
    """
    there = {snapshot.version for snapshot in catalog.snapshots(source=source)}
    facts = [
        VersionFacts(v.version, v.instance, v.label, v.sha256, _naive(v.dump_time), _moment(v.row_version_max))
        for v in catalog.versions(source=source)
        if v.version in there
    ]
    return order_versions(facts, settings.source(source).order)


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def merge_table(settings: Settings, catalog: Catalog, source: str, table: str) -> MergedTable:
    """Merges one table. Raises PlatformError when no published version has it, StoredFileError when a snapshot is gone or damaged."""
    home = Home(settings.home)
    places = {place.version: place for place in source_order(settings, catalog, source)}
    completeness = {v.version: v.completeness for v in catalog.versions(source=source)}
    changed = catalog.table(table_key(source, table)).changed_load_id or 0
    records = [record for record in catalog.snapshots(source=source, table=table) if record.version in places]
    if not records:
        raise PlatformError(f"No published version of {source} has a table {table!r}.", source=source, table=table)
    contestants = []
    for record in records:
        snapshot = open_snapshot(home.snapshot(source, record.version, table))
        if snapshot.table.name != table:
            raise StoredFileError(f"{snapshot.folder} holds table {snapshot.table.name!r}, not {table!r}.", path=str(snapshot.folder))
        contestants.append(Contestant(snapshot, places[record.version], completeness[record.version] == "complete"))
    contestants.sort(key=lambda c: (c.place.instance, c.place.place))
    newest_last = sorted(contestants, key=lambda c: (c.place.moment or datetime.min, c.place.instance, c.place.place))
    union = union_table([c.snapshot.table for c in newest_last])
    row_version = find_row_version(union)
    with open_engine(home.store / "work", memory_limit=settings.memory_limit, threads=settings.threads) as engine:
        contest = _Contest(engine, union, row_version, settings.source(source).dumps == "full", settings.source(source).delete_guard)
        winners = contest.run(contestants)
    writer = LatestWriter(home.latest(source, table), source=source)
    try:
        for contestant, rows in zip(contestants, winners, strict=True):
            writer.choose(contestant.snapshot, rows)
        state = writer.finish(
            union,
            facts={
                "load_id": changed,
                "row_version": row_version,
                "ambiguous": [c.place.version for c in contestants if c.place.ambiguous],
                "guarded": dict(contest.guarded),
                "merged_at": datetime.now(UTC).isoformat(),
            },
        )
    except BaseException:
        writer.discard()
        raise
    return MergedTable(
        source=source,
        table=table,
        state=state,
        versions=tuple(c.place for c in contestants),
        row_version=row_version,
        row_version_found=row_version is not None and not any(c.snapshot.table.row_version for c in contestants),
        deleted=contest.deleted,
        guarded=contest.guarded,
        load_id=changed,
        partial=tuple(c.place.version for c in contestants if completeness[c.place.version] == "partial"),
    )


class _Contest:
    """Who wins each key. Gives per contestant the winning row numbers, sorted, or None when all accepted rows win."""

    def __init__(self, engine: Engine, union: Table, row_version: str | None, full: bool, guard: float) -> None:
        self.engine = engine
        self.union = union
        self.row_version = row_version
        self.full = full
        self.guard = guard
        self.deleted = 0
        self.guarded: dict[str, int] = {}

    def run(self, contestants: Sequence[Contestant]) -> list[np.ndarray | None]:
        by_instance: dict[str, list[int]] = {}
        for number, contestant in enumerate(contestants):
            by_instance.setdefault(contestant.place.instance, []).append(number)
        winners: list[np.ndarray | None] = [None] * len(contestants)
        for instance, numbers in by_instance.items():
            if len(numbers) == 1 and self._proven_unique(contestants[numbers[0]].snapshot.table):
                continue
            for number, rows in self._contest(instance, {n: contestants[n] for n in numbers}).items():
                winners[number] = rows
        return winners

    def _proven_unique(self, table: Table) -> bool:
        return not self.union.key or table.key == self.union.key

    def _contest(self, instance: str, contestants: Mapping[int, Contestant]) -> dict[int, np.ndarray]:
        wanted = [*self.union.key] if self.union.key else list(self.union.column_names)
        if self.row_version and self.row_version not in wanted:
            wanted.append(self.row_version)
        narrow = self.union.with_columns(column for column in self.union.columns if column.name in wanted)
        # names of our own: DuckDB does not tell `Users` from `users`, and a column may be called `version`
        own = {name: f"c{place}" for place, name in enumerate(narrow.column_names)}
        numbered = narrow.with_columns(replace(column, name=own[column.name]) for column in narrow.columns)
        key, row_version = [own[name] for name in self.union.key], own[self.row_version] if self.row_version else None
        relation = '(SELECT *, 0 AS instance, version_number AS version, place_number AS place FROM "arriving") AS a'
        insert = candidates_sql(numbered, key, row_version, relation)
        self.engine.execute(
            "DROP TABLE IF EXISTS candidates; DROP TABLE IF EXISTS floors; CREATE TEMP TABLE floors (instance INT, place INT)"
        )
        created = False
        for number, contestant in contestants.items():
            for batch in self._keys(contestant.snapshot, narrow, number, contestant.place.place):
                self.engine.register("arriving", batch)
                self.engine.execute(f"INSERT INTO candidates {insert}" if created else f"CREATE TEMP TABLE candidates AS {insert}")
                self.engine.unregister("arriving")
                created = True
        if not created:
            return {number: np.array([], np.int64) for number in contestants}
        floor = max((c.place.place for c in contestants.values() if c.complete), default=None) if self.full else None
        if floor is not None:
            self.engine.execute("INSERT INTO floors VALUES (0, ?)", [floor])
        sql = contest_sql(len(self.union.key) or 1, bag=not self.union.key)
        self.engine.execute(f"CREATE OR REPLACE TEMP TABLE contest AS {sql}")
        spare = self._spare(instance)
        condition = "" if spare else "WHERE NOT deleted"
        rows = self.engine.execute(f'SELECT version, "row" FROM contest {condition} ORDER BY version, "row"').fetchnumpy()
        versions, numbers = rows["version"], rows["row"]
        return {number: numbers[versions == number] for number in contestants}

    def _spare(self, instance: str) -> bool:
        """True when more keys vanished than the guard allows: then none is deleted, and the check says so."""
        rows: list[tuple[int, int]] = self.engine.execute("SELECT count(*) FILTER (deleted), count(*) FROM contest").fetchall()
        lost, total = rows[0]
        if lost and lost > self.guard * total:
            self.guarded[instance] = int(lost)
            return True
        self.deleted += int(lost)
        return False

    def _keys(self, snapshot: Snapshot, narrow: Table, number: int, place: int) -> Iterator[pa.RecordBatch]:
        present = [name for name in narrow.column_names if name in snapshot.table.column_names]
        for batch in snapshot.batches([*present, "_row"], accepted_only=True):
            count = batch.num_rows
            keys = align(batch, narrow)
            extra = {
                "_row": batch.column(batch.schema.get_field_index("_row")),
                "version_number": pa.array(np.full(count, number, np.int32)),
                "place_number": pa.array(np.full(count, place, np.int32)),
            }
            yield pa.RecordBatch.from_arrays([*keys.columns, *extra.values()], names=[*(f"c{n}" for n in range(keys.num_columns)), *extra])
