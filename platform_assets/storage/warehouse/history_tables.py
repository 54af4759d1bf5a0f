"""The history of a table in PostgreSQL: one row per state of a key, brought up to date in one transaction under its own name.

Called inside a publication. What stands is kept as far as the versions are those that it was made from; ended states are closed, new
ones inserted from the version tables. While every instance has a single version, the history is a view over the version tables and
costs nothing. Views that people put on it stay. Not here: which states there are (operations.history).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
from psycopg.sql import Literal

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import BOOLEAN, INT32, INT64, STRING, TIMESTAMP
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.bulk import copy_rows
from platform_assets.storage.warehouse.column_changes import change_columns, rename_columns
from platform_assets.storage.warehouse.history_relations import history_place, put
from platform_assets.storage.warehouse.names import column_names, history_schema, pg_type, qualified, quoted, relation_name
from platform_assets.storage.warehouse.relations import Relation, create_table, describe, ensure_schema, mark
from platform_assets.storage.warehouse.version_rows import cells
from platform_assets.storage.warehouse.version_tables import shaped

META = {
    "_instance": "text",
    "_version": "text",
    "_row": "bigint",
    "_raw": "json",
    "_operation": "text",
    "_valid_from": "timestamp without time zone",
    "_valid_to": "timestamp without time zone",
    "_until_version": "text",
    "_closed_by": "text",
    "_known_from": "timestamp with time zone",
}
_ENDED = ("_valid_to", "_until_version", "_closed_by")
_GROWN = 0.2
"""By this part of what the server counted last a history may grow before it is counted again."""
_SPANS, _VERSIONS, _ROWS = ("pg_temp", "history_spans"), ("pg_temp", "history_of"), ("pg_temp", "history_rows")
_SPAN_COLUMNS = (("from_place", INT32), ("row", INT64), ("until_place", INT32), ("inserted", BOOLEAN), ("deleted", BOOLEAN))
_VERSION_COLUMNS = (("place", INT32), ("version", STRING), ("valid_from", TIMESTAMP))


@dataclass(frozen=True)
class HistoryVersion:
    """One version of an instance. `relation` is its version table, or None: then `batches` gives its rows with `_row` and `_raw`."""

    version: str
    table: Table
    states: int
    """How many states of keys begin with it."""
    valid_from: datetime | None
    known_from: datetime | None
    relation: tuple[str, str] | None
    batches: Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class HistoryInstance:
    """One instance, its versions oldest first; the first `held` of them are in the warehouse already.

    `spans` are those (columns of stored_history.SPANS) that begin or end at place `held` or later; None: every row of the only version
    is an open one.
    """

    instance: str
    versions: Sequence[HistoryVersion]
    held: int
    spans: Iterable[pa.RecordBatch] | None


@dataclass(frozen=True)
class HistoryCounts:
    """What a publication did. A view has no rows of its own."""

    schema: str
    relation: str
    view: bool
    inserted: int = 0
    closed: int = 0


@dataclass(frozen=True)
class _Layout:
    table: Table
    columns: Mapping[str, str]
    key: tuple[str, ...]


def publish_history(
    connection: Connection,
    *,
    source: str,
    table: Table,
    instances: Sequence[HistoryInstance],
    gone: Sequence[str],
    dated: Mapping[str, datetime | None],
    renames: Mapping[str, str] | None = None,
) -> HistoryCounts:
    """Makes `<source>_history.<table>` the history of these instances. `table` is the union of the versions' columns with today's key.

    `gone` are the versions that the table was made from and that are not among those held, also where they come again behind others.
    `dated` has the versions held whose rows bear another time than they should, with the right one. `renames` maps old column names to
    those of today: a column that stands under an old one, and whoever reads it, goes on under the new. Raises Conflict when a view reads
    a column that would go, or when somebody else's table bears the name; the transaction must then be rolled back.
    """
    schema, own = history_schema(source), mark("history", table.name)
    ensure_schema(connection, schema)
    names = column_names(table)
    columns = {names[column.name]: pg_type(column.type) for column in table.columns} | META
    layout = _Layout(table, columns, tuple(names[column] for column in table.key))
    name, standing = history_place(connection, source, table.name)
    if standing is not None:
        rename_columns(connection, (schema, name), standing.oid, columns, (), renames or {})
    view = all(one.spans is None and one.versions[0].relation is not None for one in instances)
    if view:
        query = _view_sql(layout, instances)
        put(connection, (schema, name), standing, "VIEW", f"CREATE VIEW {qualified(schema, name)} AS {query}")
        counts = HistoryCounts(schema, name, True)
    else:
        counts = _put_rows(connection, (schema, name), standing, layout, instances, gone, dated)
    describe(connection, schema, name, table, own, list(columns), kind="VIEW" if view else "TABLE")
    return counts


def _put_rows(
    connection: Connection,
    relation: tuple[str, str],
    standing: Relation | None,
    layout: _Layout,
    instances: Sequence[HistoryInstance],
    gone: Sequence[str],
    dated: Mapping[str, datetime | None],
) -> HistoryCounts:
    if standing is None or standing.kind != "r":
        instances, dated = [replace(one, held=0) for one in instances], {}
        body = ", ".join(f"{quoted(column)} {kind}" for column, kind in layout.columns.items())
        put(connection, relation, standing, "TABLE", f"CREATE TABLE {qualified(*relation)} ({body})")
    else:
        emptied = _forget(connection, relation, instances, gone)
        change_columns(connection, relation, standing.oid, layout.columns, empty=emptied)
    counts = _fill(connection, relation, layout, instances)
    _count(connection, relation, counts.inserted)
    _date(connection, relation, dated)
    _index(connection, relation, layout)
    return counts


def _view_sql(layout: _Layout, instances: Sequence[HistoryInstance]) -> str:
    parts = []
    for one in instances:
        (version,) = one.versions
        assert version.relation is not None
        given = _origin(one.instance, version) | {"_operation": "'insert'"} | dict.fromkeys(_ENDED, "NULL")
        parts.append(f"SELECT {cells(version.table, layout.table, layout.columns, given)} FROM {qualified(*version.relation)} AS r")
    return " UNION ALL ".join(parts)


def _origin(instance: str, version: HistoryVersion) -> dict[str, str]:
    facts = {
        "_instance": instance,
        "_version": version.version,
        "_valid_from": version.valid_from,
        "_known_from": version.known_from,
    }
    return {name: Literal(value).as_string() for name, value in facts.items()}


def _forget(connection: Connection, relation: tuple[str, str], instances: Sequence[HistoryInstance], gone: Sequence[str]) -> bool:
    """Takes back what versions did that are gone: their states go, those that they ended are open again. True when no row stays."""
    target = qualified(*relation)
    if not any(one.held for one in instances):
        connection.execute(f"DELETE FROM {target}")
        return True
    if gone:
        connection.execute(f"DELETE FROM {target} WHERE _version = ANY(%s)", (list(gone),))
        reopened = ", ".join(f"{column} = NULL" for column in _ENDED)
        connection.execute(f"UPDATE {target} SET {reopened} WHERE _until_version = ANY(%s)", (list(gone),))
    return False


def _fill(connection: Connection, relation: tuple[str, str], layout: _Layout, instances: Sequence[HistoryInstance]) -> HistoryCounts:
    inserted = closed = 0
    for one in instances:
        if one.held < len(one.versions):
            _load_spans(connection, one)
            closed += _close(connection, relation, one) if one.held else 0
            for number in range(one.held, len(one.versions)):
                inserted += _insert(connection, relation, layout, one, number) if one.versions[number].states else 0
    return HistoryCounts(*relation, False, inserted, closed)


def _load_spans(connection: Connection, one: HistoryInstance) -> None:
    for temporary, columns in ((_SPANS, _SPAN_COLUMNS), (_VERSIONS, _VERSION_COLUMNS)):
        connection.execute(f"DROP TABLE IF EXISTS {qualified(*temporary)}")
        create_table(connection, *temporary, {name: pg_type(kind) for name, kind in columns})
    names, types = zip(*_SPAN_COLUMNS, strict=True)
    copy_rows(connection, _SPANS, _SPAN_COLUMNS, shaped(one.spans or (), names, types))
    versions = [range(len(one.versions)), [v.version for v in one.versions], [v.valid_from for v in one.versions]]
    arrays = [pa.array(values, kind) for values, (_, kind) in zip(versions, _VERSION_COLUMNS, strict=True)]
    copy_rows(connection, _VERSIONS, _VERSION_COLUMNS, [pa.RecordBatch.from_arrays(arrays, names=["place", "version", "valid_from"])])
    for temporary in (_SPANS, _VERSIONS):
        connection.execute(f"ANALYZE {qualified(*temporary)}")


def _close(connection: Connection, relation: tuple[str, str], one: HistoryInstance) -> int:
    """States that stood and that a version beyond those held ended."""
    return connection.execute(
        f"""UPDATE {qualified(*relation)} AS t
            SET _valid_to = u.valid_from, _until_version = u.version, _closed_by = CASE WHEN s.deleted THEN 'delete' ELSE 'update' END
            FROM {qualified(*_SPANS)} AS s JOIN {qualified(*_VERSIONS)} AS v ON v.place = s.from_place
            JOIN {qualified(*_VERSIONS)} AS u ON u.place = s.until_place
            WHERE s.from_place < %s AND t._instance = %s AND t._version = v.version AND t._row = s.row AND t._until_version IS NULL""",
        (one.held, one.instance),
    ).rowcount


def _insert(connection: Connection, relation: tuple[str, str], layout: _Layout, one: HistoryInstance, number: int) -> int:
    """The states that begin with one version."""
    version = one.versions[number]
    rows = version.relation or _staged(connection, version)
    given = _origin(one.instance, version) | {
        "_operation": "CASE WHEN s.inserted THEN 'insert' ELSE 'update' END",
        "_valid_to": "u.valid_from",
        "_until_version": "u.version",
        "_closed_by": "CASE WHEN s.deleted THEN 'delete' WHEN NOT s.deleted THEN 'update' END",
    }
    spans = f" JOIN {qualified(*_SPANS)} AS s ON s.from_place = {number} AND s.row = r._row"
    if one.spans is None:
        spans = " CROSS JOIN (SELECT true AS inserted, NULL::boolean AS deleted, NULL::integer AS until_place) AS s"
    listed = ", ".join(quoted(name) for name in layout.columns)
    done = connection.execute(
        f"""INSERT INTO {qualified(*relation)} ({listed}) SELECT {cells(version.table, layout.table, layout.columns, given)}
            FROM {qualified(*rows)} AS r{spans} LEFT JOIN {qualified(*_VERSIONS)} AS u ON u.place = s.until_place"""
    ).rowcount
    if done != version.states:
        raise AssertionError(f"{relation}: {done} of {version.states} states of {version.version} were found in {rows}")
    return done


def _staged(connection: Connection, version: HistoryVersion) -> tuple[str, str]:
    """The version's rows in a table like its version table, for this transaction."""
    names = column_names(version.table)
    columns = [(names[column.name], column.type) for column in version.table.columns] + [("_row", INT64), ("_raw", STRING)]
    connection.execute(f"DROP TABLE IF EXISTS {qualified(*_ROWS)}")
    create_table(connection, *_ROWS, {name: "json" if name == "_raw" else pg_type(kind) for name, kind in columns})
    fields = [*version.table.column_names, "_row", "_raw"]
    copy_rows(connection, _ROWS, columns, shaped(version.batches(), fields, [kind for _, kind in columns]), raw="_raw")
    return _ROWS


def _count(connection: Connection, relation: tuple[str, str], inserted: int) -> None:
    """The server learns of a table's size when it grew: until its own round comes, a minute, it would take the next versions row by row."""
    name = qualified(*relation)
    row = connection.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", (name,)).fetchone()
    if inserted and row is not None and (row[0] < 0 or inserted > _GROWN * row[0]):
        connection.execute(f"ANALYZE {name} (_instance, _version, _row, _until_version)")


def _date(connection: Connection, relation: tuple[str, str], dated: Mapping[str, datetime | None]) -> None:
    """A version counts from another time than before: a late dump came behind it, or the order was declared anew."""
    for version, moment in dated.items():
        for column, of in (("_valid_from", "_version"), ("_valid_to", "_until_version")):
            connection.execute(f"UPDATE {qualified(*relation)} SET {column} = %s WHERE {of} = %s", (moment, version))


def _index(connection: Connection, relation: tuple[str, str], layout: _Layout) -> None:
    """An index by key and time; made again when the key is another one."""
    name = relation_name(f"{relation[1]}_life")
    wanted = [*layout.key, "_valid_from"]
    standing = connection.execute(
        """SELECT ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid ORDER BY attnum) FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'i'""",
        (relation[0], name),
    ).fetchone()
    if standing is None or standing[0] != wanted:
        connection.execute(f"DROP INDEX IF EXISTS {qualified(relation[0], name)}")
        connection.execute(f"CREATE INDEX {quoted(name)} ON {qualified(*relation)} ({', '.join(map(quoted, wanted))})")
