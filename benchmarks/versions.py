"""Generated versions of one table, as snapshots in a home: what the benchmarks of merge and history work on. Not here: what is measured."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import FLOAT64, INT32, INT64, STRING, TIMESTAMP
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.storage.home import Home
from platform_assets.storage.rows.row_store import store_schema
from platform_assets.storage.rows.snapshots import SNAPSHOT_META, SnapshotWriter
from platform_assets.versions.order import Place

TABLE = Table(
    "orders",
    (
        *(Column("id", INT64), Column("customer", INT32), Column("status", STRING), Column("note", STRING), Column("total", FLOAT64)),
        *(Column("quantity", INT32), Column("region", STRING), Column("created_at", TIMESTAMP), Column("updated_at", TIMESTAMP)),
        Column("code", STRING),
    ),
    key=("id",),
    row_version="updated_at",
)
FIRST_DAY = datetime(2024, 1, 1)
CHANGED, NEW, GONE = 0.10, 0.01, 0.01
"""The shares of rows that a version changes, adds and no longer has."""
_BATCH = 1 << 16
_STATES = pa.array(["new", "paid", "sent", "back"])
_REGIONS = pa.array(["north", "south", "east", "west", "middle"])


def timeline(home: Home, versions: int, rows: int) -> Timeline:
    """Makes what is not there yet of `versions` full dumps of `rows` keys, written in no order, and reads them as a timeline."""
    return Timeline("bench", TABLE.name, tuple(_version(home, number, rows) for number in range(versions)))


def _version(home: Home, number: int, rows: int) -> TableVersion:
    name = f"bench.v{number:04d}.00000000"
    folder = home.snapshot("bench", name, TABLE.name)
    writer = SnapshotWriter(folder, source="bench", version=name, instance="default", table_name=TABLE.name)
    keys = np.random.default_rng(0).permutation(rows) + int(number * rows * GONE)
    for start in range(0, rows, _BATCH):
        writer.add(_rows(keys[start : start + _BATCH], number, start))
    place = Place(name, "default", number, "declared", False, FIRST_DAY + timedelta(days=number))
    return TableVersion(writer.finish(TABLE).commit(), place, "complete", True)


def _rows(keys: np.ndarray, version: int, start: int) -> pa.RecordBatch:
    """The content of a key changes with the last version, up to this one, that its number draws."""
    drawn = np.zeros(len(keys), np.int64)
    for earlier in range(1, version + 1):
        changed = (keys * 2654435761 + earlier * 40503) % 1000 < CHANGED * 1000
        drawn[changed] = earlier
    texts = pa.array(keys).cast(pa.string())
    moment = np.datetime64(FIRST_DAY, "us") + drawn * np.timedelta64(1, "D") + (keys % 86400) * np.timedelta64(1, "s")
    numbers = pa.array(np.arange(start + 1, start + 1 + len(keys)))
    columns = [
        *(pa.array(keys), pa.array((keys % 50_000).astype(np.int32)), _STATES.take(pa.array((keys + drawn) % 4))),
        *(pc.binary_join_element_wise("note on order ", texts, ""), pa.array((keys % 9973) / 100 + drawn)),
        *(pa.array((keys % 17).astype(np.int32)), _REGIONS.take(pa.array(keys % 5))),
        *(pa.array(np.full(len(keys), np.datetime64(FIRST_DAY, "us"))), pa.array(moment)),
        *(pc.binary_join_element_wise("C-", texts, ""), numbers, numbers, pa.nulls(len(keys), pa.string())),
    ]
    schema = store_schema(TABLE, SNAPSHOT_META)
    return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
