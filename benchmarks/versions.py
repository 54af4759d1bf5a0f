"""Generated versions of one table, published in a home: what the benchmarks of merge and history work on. Not here: what is measured."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import FLOAT64, INT32, INT64, STRING, TIMESTAMP
from platform_assets.operations.publish import INDEXED_ROWS, index_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import SnapshotRecord, VersionRecord
from platform_assets.storage.home import Home
from platform_assets.storage.rows.row_store import store_schema
from platform_assets.storage.rows.snapshots import SNAPSHOT_META, SnapshotWriter
from platform_assets.storage.warehouse.version_tables import publish_version

SOURCE = "bench"
SETTINGS = "format_version: 1\nsources:\n  bench: {dumps: full}\nengine: {memory_limit: 400MB}\n"
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
FIRST_DAY = datetime(2020, 1, 1)
CHANGED, GONE = 0.10, 0.01
"""The shares of rows that a version changes, and that it no longer has (as many are new)."""
_BATCH = 1 << 16
_STATES = pa.array(["new", "paid", "sent", "back"])
_REGIONS = pa.array(["north", "south", "east", "west", "middle"])


def add_version(settings: Settings, catalog: Catalog, number: int, rows: int) -> None:
    """A complete full dump of `rows` keys in no order as `ingest` leaves it: its snapshot, its version table, its place in the catalog."""
    version = f"{SOURCE}.v{number:04d}.{hashlib.sha256(str(number).encode()).hexdigest()[:8]}"
    folder = Home(settings.home).snapshot(SOURCE, version, TABLE.name)
    writer = SnapshotWriter(folder, source=SOURCE, version=version, instance="default", table_name=TABLE.name, keep_hot=True)
    keys = np.random.default_rng(0).permutation(rows) + int(number * rows * GONE)
    for start in range(0, rows, _BATCH):
        writer.add(_rows(keys[start : start + _BATCH], number, start))
    snapshot = writer.finish(TABLE).commit()
    day = FIRST_DAY + timedelta(days=number)
    digest = hashlib.sha256(version.encode()).hexdigest()
    catalog.register(VersionRecord(version, SOURCE, "default", f"v{number:04d}", digest, f"dumps/{version}", 1, dump_time=day))
    catalog.update_version(version, completeness="complete", state="published")
    with psycopg.connect(catalog.url) as connection:
        batches = snapshot.batches([*TABLE.column_names, "_row", "_raw"])
        done = publish_version(connection, source=SOURCE, version=version, label=f"v{number:04d}", table=TABLE, batches=batches)
        record = SnapshotRecord(
            *(version, SOURCE, TABLE.name, rows, rows),
            schema=TABLE.to_json(),
            key=TABLE.key,
            child_schema=done.schema,
            child_table=done.child,
            content=snapshot.content,
        )
        catalog.record_snapshots(connection, version, [record], number + 1)
    if rows >= INDEXED_ROWS:
        index_version(settings, catalog, SOURCE, version, TABLE.name)
    snapshot.cool()


def _rows(keys: np.ndarray, version: int, start: int) -> pa.RecordBatch:
    """The content of a key is that of the last version, up to this one, that its number draws."""
    drawn = np.zeros(len(keys), np.int64)
    for earlier in range(max(1, version - 50), version + 1):
        drawn[(keys * 2654435761 + earlier * 40503) % 1000 < CHANGED * 1000] = earlier
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
