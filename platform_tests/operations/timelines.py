"""Timelines made of rows written in a test: real snapshots in a temporary folder, places as the test says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.storage.rows.row_store import store_schema
from platform_assets.storage.rows.snapshots import SNAPSHOT_META, Snapshot, SnapshotWriter
from platform_assets.versions.order import Place

Rows = Sequence[tuple[Any, ...]]
FIRST_DAY = datetime(2024, 1, 1)


def snapshot_of(root: Path, table: Table, version: str, rows: Rows, *, instance: str = "default", rejected: Sequence[int] = ()) -> Snapshot:
    """A committed snapshot with these rows under the table's columns, numbered from 1."""
    folder = root / "store" / "snapshots" / "s" / version / table.name
    writer = SnapshotWriter(folder, source="s", version=version, instance=instance, table_name=table.name)
    if rows:
        schema = store_schema(table, SNAPSHOT_META)
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), table.arrow_schema(), strict=True)]
        numbers = pa.array(range(1, len(rows) + 1), pa.int64())
        writer.add(pa.RecordBatch.from_arrays([*columns, numbers, numbers, pa.nulls(len(rows), pa.string())], schema=schema))
    return writer.finish(table, rejected_rows=rejected).commit()


def version_of(snapshot: Snapshot, place: int, *, full: bool = False, confirmed: bool = False) -> TableVersion:
    moment = FIRST_DAY + timedelta(days=place)
    where = Place(snapshot.version, snapshot.instance, place, "declared", False, moment)
    return TableVersion(snapshot, where, "complete", full, confirmed)


def timeline_over(root: Path, table: Table, versions: Sequence[tuple[Rows, bool]]) -> Timeline:
    """One instance whose versions, oldest first, hold these rows; True says that a version is a full dump."""
    made = [version_of(snapshot_of(root, table, f"s.v{n}.00000000", rows), n, full=full) for n, (rows, full) in enumerate(versions)]
    return Timeline("s", table.name, tuple(made))
