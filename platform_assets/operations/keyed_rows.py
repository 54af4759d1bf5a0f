"""The rows of a version as contest and history compare them: key, row-version value, row number. Not here: who wins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from platform_assets.engines.duckdb import Engine
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.versions.merge import repetitions_sql


class KeyedRows:
    """Reads the keys of a timeline's versions. Without a key a row is its digest, and which of its repetitions it is."""

    def __init__(self, engine: Engine, timeline: Timeline) -> None:
        self._engine, self._timeline = engine, timeline
        row_version = timeline.row_version
        self._rv = timeline.compared.column_names.index(row_version) if row_version else None
        self.width = len(timeline.union.key) or 3
        """How many columns `k0`, `k1`, ... the key has."""

    def of(self, version: TableVersion, numbers: np.ndarray | None = None) -> pa.Table:
        """(`row`, `k0`, ..., `rv`) per accepted row, or per row number of `numbers`; ascending by row."""
        rows = self._all(version)
        if numbers is None:
            return rows
        return rows.take(np.searchsorted(rows.column("row").to_numpy(), numbers))

    def _all(self, version: TableVersion) -> pa.Table:
        index = version.keys(self._timeline.compared)
        keys = [index.column(n + 1) for n in range(len(self._timeline.union.key))] or self._repetitions(version)
        rv = pa.nulls(index.num_rows, pa.int64()) if self._rv is None else index.column(self._rv + 1)
        return pa.table([index.column("row"), *keys, rv], names=["row", *(f"k{n}" for n in range(len(keys))), "rv"])

    def _repetitions(self, version: TableVersion) -> list[pa.ChunkedArray]:
        self._engine.register("digests", version.digests(self._timeline.union))
        found: pa.Table = self._engine.sql(f'SELECT * FROM ({repetitions_sql("digests")}) AS r ORDER BY "row"').to_arrow_table()
        self._engine.unregister("digests")
        return list(found.columns[1:])


def proven_unique(timeline: Timeline, version: TableVersion) -> bool:
    """Whether every accepted row of the version is a key of its own."""
    return not timeline.union.key or version.table.key == timeline.union.key
