"""The latest state of a table in PostgreSQL, brought up to date in one transaction under its own OID, and loads beside it.

Called inside a publication. Readers see the old rows until COMMIT and are never kept waiting by the rows' change; a change of
columns or of the key locks them out until COMMIT, so the new rows are loaded first. Views, grants, indexes and triggers that people
put on the table stay. Not here: how the latest state is found (operations, versions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import Conflict
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.bulk import copy_rows
from platform_assets.storage.warehouse.column_changes import change_columns, rename_columns, widens
from platform_assets.storage.warehouse.names import column_names, pg_type, qualified, quoted, relation_name
from platform_assets.storage.warehouse.relations import columns_of, create_table, describe, ensure_schema, key_of, mark, place, refused
from platform_assets.storage.warehouse.version_rows import Share, create_from_shares, insert_shares
from platform_assets.storage.warehouse.version_tables import shaped

META = {"_instance": "text", "_version": "text", "_row": "bigint", "_raw": "json"}
META_TYPES: dict[str, pa.DataType] = {"_instance": STRING, "_version": STRING, "_row": INT64, "_raw": STRING}
_INCOMING = ("pg_temp", "incoming_latest")


@dataclass(frozen=True)
class Shares:
    """Rows that version tables of this database hold; in their stead come batches."""

    shares: tuple[Share, ...]


Rows = Iterable[pa.RecordBatch] | Shares


@dataclass(frozen=True)
class LatestCounts:
    """What a publication did. Without a key, all rows count as deleted and inserted."""

    rows: int
    inserted: int
    updated: int
    deleted: int
    schema: str
    relation: str


@dataclass(frozen=True)
class _Layout:
    """A table as it is to be: PostgreSQL columns in order, meta columns last, and the primary key."""

    columns: Mapping[str, str]
    key: tuple[str, ...]
    copied: tuple[tuple[str, pa.DataType], ...]
    fields: tuple[str, ...]
    table: Table

    def fill(self, connection: Connection, relation: tuple[str, str], rows: Rows) -> int:
        """Raises Conflict when the relation has the key already and the rows break it."""
        with _proper_key(relation, self.key):
            if isinstance(rows, Shares):
                return insert_shares(connection, relation, self.table, self.columns, rows.shares)
            types = [kind for _, kind in self.copied]
            return copy_rows(connection, relation, self.copied, shaped(rows, self.fields, types), raw="_raw")


def publish_latest(
    connection: Connection,
    *,
    source: str,
    table: Table,
    key: Sequence[str],
    batches: Rows,
    renames: Mapping[str, str] | None = None,
    changing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> LatestCounts:
    """Makes `<source>.<table>` equal to the batches, or to what Shares name: the union of the table's columns, then `_instance`,
    `_version`, `_row`, `_raw`.

    `key` are columns of the table by the dump's names; with one, (key, _instance) is the primary key. An empty or new table is
    filled by COPY alone. `renames` maps old column names to those of today: a column that stands under an old one, and whoever reads it,
    goes on under the new. `changing` is entered before the table is changed, when the new rows have been loaded beside it already, and left
    after. Raises Conflict when the key is not unique, when a view reads a column that would go, or when somebody
    else's table bears the name; the transaction must then be rolled back.
    """
    ensure_schema(connection, source)
    layout, own = _layout(table, key), mark("latest", table.name)
    name, standing = place(connection, source, own, lambda taken: relation_name(table.name, taken))
    if standing is None:
        with changing():
            rows = _create_filled(connection, (source, name), layout, batches)
        counts = LatestCounts(rows, rows, 0, 0, source, name)
    else:
        counts = _update(connection, (source, name), standing.oid, layout, batches, renames or {}, changing)
    describe(connection, source, name, table, own, list(layout.columns))
    return counts


def standing_oid(connection: Connection, source: str, table: str) -> int | None:
    """The latest state of a table as PostgreSQL numbers it, under whatever name it stands; None when there is none."""
    standing = place(connection, source, mark("latest", table), lambda taken: relation_name(table, taken))[1]
    return standing.oid if standing is not None else None


def drop_latest(connection: Connection, *, source: str, table: str) -> None:
    """Drops the latest state of a table that goes by another name now. Raises Conflict, naming them, when views read it."""
    name, standing = place(connection, source, mark("latest", table), lambda taken: relation_name(table, taken))
    if standing is not None:
        with refused(f"{source}.{name} goes by another name now, but cannot be dropped"):
            connection.execute(f"DROP TABLE {qualified(source, name)}")


def load_table(
    connection: Connection,
    schema: str,
    name: str,
    table: Table,
    key: Sequence[str],
    batches: Iterable[pa.RecordBatch],
    kind: str = "loaded",
) -> int:
    """Loads batches, as publish_latest takes them, into a new table of that name and returns their number. `kind` is that of its mark.

    Raises Conflict when something of that name stands there or PostgreSQL does not take the name as it is.
    """
    if relation_name(name) != name:
        raise Conflict(f"{name!r} cannot be a table's name in PostgreSQL; choose one of at most 63 printable bytes.", name=name)
    ensure_schema(connection, schema)
    layout = _layout(table, key)
    rows = _create_filled(connection, (schema, name), layout, batches)
    describe(connection, schema, name, table, mark(kind, table.name), list(layout.columns))
    return rows


def _layout(table: Table, key: Sequence[str]) -> _Layout:
    names = column_names(table)
    columns = {names[column.name]: pg_type(column.type) for column in table.columns}
    copied = [(names[column.name], column.type) for column in table.columns] + list(META_TYPES.items())
    primary = (*(names[column] for column in key), "_instance") if key else ()  # keys first: who looks for a row knows its key
    return _Layout(columns | META, primary, tuple(copied), (*table.column_names, *META), table)


def _create_filled(connection: Connection, relation: tuple[str, str], layout: _Layout, batches: Rows) -> int:
    """A table of this transaction takes rows without log, and an index is built faster over all rows than row by row."""
    if isinstance(batches, Shares) and batches.shares:
        rows = create_from_shares(connection, relation, layout.table, layout.columns, batches.shares)
        add_key(connection, relation, layout.key)
        return rows
    create_table(connection, *relation, {name: f"{kind} NOT NULL" if name in layout.key else kind for name, kind in layout.columns.items()})
    rows = layout.fill(connection, relation, batches)
    add_key(connection, relation, layout.key)
    return rows


def spare_memory(connection: Connection) -> None:
    """Keys that this transaction makes from now on are sorted on the disk sooner. Trade: that of a large table takes longer."""
    connection.execute("SET LOCAL maintenance_work_mem = '32MB'")


def add_key(connection: Connection, relation: tuple[str, str], key: Sequence[str]) -> None:
    """The primary key of a filled table. Raises Conflict naming the key and the row that breaks it."""
    if key:
        with _proper_key(relation, key):
            connection.execute(f"ALTER TABLE {qualified(*relation)} ADD PRIMARY KEY ({_list(key)})")


@contextmanager
def _proper_key(relation: tuple[str, str], key: Sequence[str]) -> Iterator[None]:
    """Rows that are twice there, or have NULL in the key, are a Conflict that names the key and the row."""
    try:
        yield
    except (psycopg.errors.UniqueViolation, psycopg.errors.NotNullViolation) as error:
        named = "The new state" if relation == _INCOMING else f"{relation[0]}.{relation[1]}"
        told = error.diag.message_detail or error.diag.message_primary or ""
        raise Conflict(
            f"{named} cannot have the key ({', '.join(key)}): {told.rstrip('.')}. "
            "Nothing was changed: mend the key in the dictionary, or the merge that gave the row twice.",
            key=tuple(key),
        ) from error


def _update(
    connection: Connection,
    relation: tuple[str, str],
    oid: int,
    layout: _Layout,
    batches: Rows,
    renames: Mapping[str, str],
    changing: Callable[[], AbstractContextManager[None]],
) -> LatestCounts:
    incoming = None if _empty(connection, relation) else _load_incoming(connection, layout, batches)
    with changing():
        rename_columns(connection, relation, oid, layout.columns, layout.key, renames)
        if incoming is None and not _empty(connection, relation):  # rows were posted meanwhile
            incoming = _load_incoming(connection, layout, batches)
        return _change(connection, relation, oid, layout, batches, incoming)


def _change(
    connection: Connection, relation: tuple[str, str], oid: int, layout: _Layout, batches: Rows, incoming: int | None
) -> LatestCounts:
    """`incoming`: how many rows were loaded beside the table; None where it is empty and takes them itself."""
    before = columns_of(connection, oid)
    replaced = key_of(connection, oid)[1] != layout.key or any(
        not widens(before[name], layout.columns[name]) for name in layout.key if name in before
    )
    if incoming is None:
        _evolve(connection, relation, oid, before, layout, rekey=replaced, empty=True)
        rows = layout.fill(connection, relation, batches)
        if replaced:
            add_key(connection, relation, layout.key)
        return LatestCounts(rows, rows, 0, 0, *relation)
    if replaced or not layout.key:
        deleted = connection.execute(f"DELETE FROM {qualified(*relation)}").rowcount
        _evolve(connection, relation, oid, before, layout, rekey=replaced, empty=True)
        _insert_missing(connection, relation, layout, ())
        if replaced:
            add_key(connection, relation, layout.key)
        counts = LatestCounts(incoming, incoming, 0, deleted, *relation)
    else:
        _evolve(connection, relation, oid, before, layout, rekey=False, empty=False)
        counts = _difference(connection, relation, layout, incoming)
    connection.execute(f"DROP TABLE {qualified(*_INCOMING)}")
    return counts


def _load_incoming(connection: Connection, layout: _Layout, batches: Rows) -> int:
    create_table(connection, *_INCOMING, layout.columns)
    rows = layout.fill(connection, _INCOMING, batches)
    add_key(connection, _INCOMING, layout.key)
    if layout.key:
        connection.execute(f"ANALYZE {qualified(*_INCOMING)} ({_list(layout.key)})")  # without it: nested loops, 4 times the time
    return rows


def _difference(connection: Connection, relation: tuple[str, str], layout: _Layout, incoming: int) -> LatestCounts:
    target, new = qualified(*relation), qualified(*_INCOMING)
    same = _same_key(layout.key)
    plain = [name for name in layout.columns if name not in layout.key]
    deleted = connection.execute(f"DELETE FROM {target} AS t WHERE NOT EXISTS (SELECT 1 FROM {new} AS n WHERE {same})").rowcount
    settings = ", ".join(f"{quoted(name)} = n.{quoted(name)}" for name in plain)
    old_row = ", ".join(_comparable("t", name, layout.columns[name]) for name in plain)
    new_row = ", ".join(_comparable("n", name, layout.columns[name]) for name in plain)
    updated = connection.execute(
        f"UPDATE {target} AS t SET {settings} FROM {new} AS n WHERE {same} AND ROW({old_row}) IS DISTINCT FROM ROW({new_row})"
    ).rowcount
    inserted = _insert_missing(connection, relation, layout, layout.key)
    return LatestCounts(incoming, inserted, updated, deleted, *relation)


def _insert_missing(connection: Connection, relation: tuple[str, str], layout: _Layout, key: Sequence[str]) -> int:
    target, new, names = qualified(*relation), qualified(*_INCOMING), _list(layout.columns)
    missing = f" WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {_same_key(key)})" if key else ""
    return connection.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM {new} AS n{missing}").rowcount


def _comparable(alias: str, name: str, kind: str) -> str:
    """json has no equality, and equal floats may differ in the sign of zero: their bytes are compared, ten times as fast as their text."""
    column = f"{alias}.{quoted(name)}"
    return {"json": f"{column}::text", "double precision": f"float8send({column})"}.get(kind, column)


def _same_key(key: Sequence[str]) -> str:
    return " AND ".join(f"t.{quoted(name)} = n.{quoted(name)}" for name in key)


def _list(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _evolve(
    connection: Connection, relation: tuple[str, str], oid: int, before: Mapping[str, str], layout: _Layout, *, rekey: bool, empty: bool
) -> None:
    """Columns and types as they are to be, the old key gone when another comes. `empty`: no row that is to stay is in the table."""
    constraint = key_of(connection, oid)[0] if rekey else None
    first = [f"DROP CONSTRAINT {quoted(constraint)}"] if constraint else []
    # the key's columns lose NOT NULL with it, which a dropped key leaves behind
    change_columns(connection, relation, oid, layout.columns, empty=empty, first=first, last=_nullable(before, layout, rekey))


def _nullable(before: Mapping[str, str], layout: _Layout, rekey: bool) -> list[str]:
    staying = [name for name in before if name in layout.columns and name not in layout.key]
    return [f"ALTER COLUMN {quoted(name)} DROP NOT NULL" for name in staying] if rekey else []


def _empty(connection: Connection, relation: tuple[str, str]) -> bool:
    return connection.execute(f"SELECT 1 FROM {qualified(*relation)} LIMIT 1").fetchone() is None
