"""Rows that were posted, in the latest state before they have landed: written row by key, and held while a merged state replaces the table.

Until its batch is a version, such a row bears the batch's id as `_version`. Called inside a transaction under the table's lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.bulk import copy_rows
from platform_assets.storage.warehouse.latest_tables import META, META_TYPES
from platform_assets.storage.warehouse.names import column_names, pg_type, qualified, quoted
from platform_assets.storage.warehouse.relations import columns_of, key_of

_HELD = ("pg_temp", "held_posted")


def put_rows(connection: Connection, relation: tuple[str, str], table: Table, row_version: str | None, batch: pa.RecordBatch) -> int:
    """Puts rows into the latest state `relation` of `table` as the newest; returns how many keys are new.

    `batch` has all columns of the table by name and `_instance`, `_version`, `_row`, `_raw`, and no key twice. A row whose key is there
    replaces the whole row, unless its row version is lower or missing where the other has one.
    """
    names = column_names(table)
    columns = {names[column.name]: pg_type(column.type) for column in table.columns} | META
    incoming = _incoming(connection, columns)
    copied = [(names[column.name], column.type) for column in table.columns] + list(META_TYPES.items())
    wanted = [*table.column_names, *META]
    arrays = [batch.column(name) for name in wanted]
    copy_rows(connection, incoming, copied, [pa.RecordBatch.from_arrays(arrays, names=wanted)], raw="_raw", beside=False)
    key = [*(names[name] for name in table.key), "_instance"]
    return _upsert(connection, qualified(*relation), qualified(*incoming), list(columns), key, names.get(row_version or ""))


def _incoming(connection: Connection, columns: Mapping[str, str]) -> tuple[str, str]:
    """A table of this session that is empty after each transaction: making one costs more than filling it."""
    defined = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    name = f"posted_{hashlib.sha256(defined.encode()).hexdigest()[:16]}"
    connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {quoted(name)} ({defined}) ON COMMIT DELETE ROWS")
    return "pg_temp", name


def _upsert(connection: Connection, relation: str, rows: str, columns: Sequence[str], key: Sequence[str], row_version: str | None) -> int:
    """`relation` and `rows` are quoted names."""
    listed = ", ".join(map(quoted, columns))
    plain = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if name not in key)
    older = f" WHERE t.{quoted(row_version)} IS NULL OR excluded.{quoted(row_version)} >= t.{quoted(row_version)}" if row_version else ""
    found = connection.execute(
        f"""WITH put AS (
              INSERT INTO {relation} AS t ({listed}) SELECT {listed} FROM {rows}
              ON CONFLICT ({", ".join(map(quoted, key))}) DO UPDATE SET {plain}{older} RETURNING (t.xmax = 0) AS fresh)
            SELECT count(*) FILTER (WHERE fresh) FROM put"""
    ).fetchone()
    return int(found[0]) if found else 0


def hold(connection: Connection, oid: int, batches: Sequence[str]) -> bool:
    """Copies the rows that the latest state has of these batches aside. False when there is none of them."""
    if "_version" not in columns_of(connection, oid):
        return False
    connection.execute(
        f"CREATE TEMP TABLE held_posted ON COMMIT DROP AS SELECT * FROM {_named(connection, oid)} WHERE _version = ANY(%s)",
        (list(batches),),
    )
    found = connection.execute("SELECT EXISTS (SELECT 1 FROM pg_temp.held_posted)").fetchone()
    return bool(found and found[0])


def put_back(connection: Connection, oid: int, row_version: str | None) -> int:
    """Puts the held rows over the state that was published; returns how many keys it did not have.

    Columns that the table does not have any more are left out. When its key is another now nothing is put back: the rows come
    with the version that they land as.
    """
    there, held = columns_of(connection, oid), columns_of(connection, _oid_of_held(connection))
    key = key_of(connection, oid)[1]
    common = [name for name in there if held.get(name) == there[name]]
    if not key or not set(key) <= set(common):
        return 0
    return _upsert(connection, _named(connection, oid), qualified(*_HELD), common, key, row_version if row_version in common else None)


def _named(connection: Connection, oid: int) -> str:
    row = connection.execute("SELECT %s::oid::regclass::text", (oid,)).fetchone()
    assert row is not None
    return str(row[0])


def _oid_of_held(connection: Connection) -> int:
    row = connection.execute("SELECT 'pg_temp.held_posted'::regclass::oid").fetchone()
    assert row is not None
    return int(row[0])
