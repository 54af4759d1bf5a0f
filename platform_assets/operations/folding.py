"""The fold of one instance: version after version, what each does to the states of the keys. Built upon what was folded before.

The same decisions as the contest (operations.contest), which keeps only the newest state: who wins, what a full dump deletes, whom the
guard spares. A version costs its own rows and the states that are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from platform_assets.engines.duckdb import Engine
from platform_assets.operations.keyed_rows import KeyedRows, proven_unique
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.storage.rows.stored_history import SPANS, FoldedVersion, InstanceWriter
from platform_assets.versions.history import Fold

_BATCH_ROWS = 1 << 16


class Folding:
    """Tables in the engine: `open`, the states of all keys; `arriving` with the version at hand, `change` and `gone`."""

    def __init__(self, engine: Engine, timeline: Timeline, versions: Sequence[TableVersion], guard: float) -> None:
        self._engine, self._timeline, self._versions, self._guard = engine, timeline, versions, guard
        self._keyed = KeyedRows(engine, timeline)
        self._sql = Fold(self._keyed.width)

    def run(self, writer: InstanceWriter, before: Sequence[FoldedVersion], identities: Sequence[str]) -> None:
        """Folds the versions that come after those of `before`; `identities` are those of all versions."""
        self._stand(writer.stand(), len(before))
        folded = list(before)
        for place in range(len(before), len(self._versions)):
            rows = folded[-1].rows if folded else 0
            folded.append(self._step(writer, place, rows, identities[place]))
        writer.finish(folded, self._batches(self._sql.standing()))
        self._engine.execute("DROP TABLE open")

    def _stand(self, spans: Iterable[pa.RecordBatch], held: int) -> None:
        """`open` as it was after the versions held: keys and row versions are found again in the snapshots."""
        table = pa.Table.from_batches(spans, SPANS).sort_by([("from_place", "ascending"), ("row", "ascending")])
        borders = np.searchsorted(table.column("from_place").to_numpy(), np.arange(held + 1))
        pieces = [self._keyed.of(self._versions[0]).slice(0, 0)]
        for place in range(held):
            start, end = int(borders[place]), int(borders[place + 1])
            if end > start:
                pieces.append(self._keyed.of(self._versions[place], table.column("row").slice(start, end - start).to_numpy()))
        states = pa.concat_tables(pieces).combine_chunks()
        for name, column in (("place", "from_place"), ("inserted", "inserted"), ("h0", "h0"), ("h1", "h1")):
            states = states.append_column(name, table.column(column))
        self._engine.register("arriving", states)
        self._engine.execute(f"CREATE OR REPLACE TEMP TABLE open AS {self._sql.begin()}")
        self._engine.unregister("arriving")

    def _step(self, writer: InstanceWriter, place: int, standing: int, identity: str) -> FoldedVersion:
        version = self._versions[place]
        arriving = self._arrive(version)
        self._make("change", self._sql.change(arriving, full=version.full))
        changed, updates = self._count("SELECT count(*), count(was_row) FROM change")
        gone, spared = self._leave(arriving, version, standing)
        self._engine.unregister("arriving")
        if updates or gone:
            for batch in self._batches(self._sql.ended(place)):
                writer.ended(batch)
        if changed or gone:
            self._make("next_open", self._sql.stand(place))
            self._engine.execute("DROP TABLE open; ALTER TABLE next_open RENAME TO open")
        inserts = changed - updates
        return FoldedVersion(version.version, identity, standing + inserts - gone, inserts, updates, gone, spared)

    def _arrive(self, version: TableVersion) -> str:
        """The relation with the version's rows, one per key."""
        rows, digests = self._keyed.of(version), version.digests(self._timeline.union)
        self._engine.register("arriving", rows.append_column("h0", digests.column("h0")).append_column("h1", digests.column("h1")))
        if proven_unique(self._timeline, version):
            return "arriving"
        self._make("best", self._sql.unique())
        return "best"

    def _leave(self, arriving: str, version: TableVersion, standing: int) -> tuple[int, int]:
        """Fills `gone`: how many keys a full dump deletes, and how many it lacks that stay."""
        self._make("gone", self._sql.gone(arriving) if version.full else "SELECT * FROM open WHERE false")
        (vanished,) = self._count("SELECT count(*) FROM gone")
        if vanished > self._guard * standing and not version.deletes_confirmed:
            self._engine.execute("DELETE FROM gone")
            return 0, vanished
        return vanished, 0

    def _make(self, name: str, sql: str) -> None:
        self._engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def _count(self, sql: str) -> tuple[int, ...]:
        found: list[tuple[int, ...]] = self._engine.execute(sql).fetchall()
        return found[0]

    def _batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        for batch in self._engine.sql(sql).to_arrow_reader(_BATCH_ROWS):
            yield pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(batch.columns, SPANS, strict=True)], schema=SPANS)
