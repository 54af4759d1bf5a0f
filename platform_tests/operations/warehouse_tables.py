"""Tables in a warehouse, published from rows, for the tests of backups and restores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pyarrow as pa

from platform_assets.dictionary.model import Column, ForeignKey, Table
from platform_assets.dictionary.types import INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.operations.restore import Restored, Target, restore
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.rows.backups import Backup
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.latest_tables import publish_latest
from platform_assets.versions.keys import table_key

DISCONNECTED = """SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()"""
USERS = Table(
    "users",
    (Column("id", INT32), Column("name", STRING), Column("paid", decimal(10, 2)), Column("seen", TIMESTAMP)),
    key=("id",),
)
OLD = [{"id": 1, "name": "ann", "paid": None}, {"id": 2, "name": "bob"}, {"id": 3, "name": 'c"\n|é'}]
NEW = [{"id": 1, "name": "changed"}, {"id": 4, "name": "dora"}]
NAMES = "SELECT id, name FROM {} ORDER BY id"
OLD_NAMES = [(row["id"], row["name"]) for row in OLD]
NEW_NAMES = [(row["id"], row["name"]) for row in NEW]
PARENT = Table("courses", (Column("id", INT64), Column("title", STRING)), key=("id",))
CHILD = Table(
    "marks",
    (Column("id", INT64), Column("course", INT64)),
    key=("id",),
    foreign_keys=(ForeignKey(("course",), "courses", ("id",)),),
)
META = {"_instance": "default", "_version": "v1", "_row": 0, "_raw": None}
META_TYPES = {"_instance": STRING, "_version": STRING, "_row": INT64, "_raw": STRING}


def batch_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    columns = {column.name: column.type for column in table.columns} | META_TYPES
    full = [META | {"_row": number + 1} | dict(row) for number, row in enumerate(rows)]
    arrays = [pa.array([row.get(name) for row in full], kind) for name, kind in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def put(catalog: Catalog, source: str, table: Table, rows: Sequence[Mapping[str, Any]]) -> TableRecord:
    """Publishes the rows as the latest state of the table, and says so in the catalog."""
    with connected(catalog.url) as connection:
        done = publish_latest(connection, source=source, table=table, key=table.key, batches=[batch_of(table, rows)])
        load = connection.execute("SELECT coalesce(max(published_load_id), 0) + 1 FROM catalog.tables").fetchone()
        catalog.record_table(
            TableRecord(
                source=source,
                table_name=table.name,
                table_key=table_key(source, table.name),
                schema_name=done.schema,
                relation=done.relation,
                key=table.key,
                schema=table.to_json(),
                rows=len(rows),
                published_load_id=load[0] if load else 1,
            ),
            connection=connection,
        )
    return catalog.table(f"{source}.{table.name}")


def query(url: str, text: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text, values or None)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def restored(catalog: Catalog, backup: Backup, target: Target | None = None, *, dry_run: bool = False) -> Restored:
    (done,) = restore(catalog, [backup], target or Target(), run_id="test", dry_run=dry_run)
    return done
