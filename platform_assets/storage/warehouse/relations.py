"""Tables in PostgreSQL as they stand: finding ours, their columns, making them, marking them as ours.

A table of ours bears a mark as the last line of its comment; what has no mark belongs to somebody else and is never touched.
The mark survives pg_dump and names the dump's table exactly, so that two tables never share one relation. Not here: rows (bulk).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Literal

from platform_assets.dictionary.model import Table
from platform_assets.errors import Conflict
from platform_assets.storage.server.sessions import Connection, lock_number, one_line
from platform_assets.storage.warehouse.names import column_names, qualified, quoted

_MARK = "[platform-assets "


@dataclass(frozen=True)
class Relation:
    """Something that bears a name in a schema. `mark` is None when it is not ours."""

    oid: int
    name: str
    kind: str
    mark: str | None


def mark(kind: str, *identity: str) -> str:
    """The mark of a table of ours, as in `[platform-assets latest ["users"]]`. ASCII, one line."""
    return f"{_MARK}{kind} {json.dumps(list(identity))}]"


def marked(comment: str | None) -> str | None:
    """The mark in a comment, if there is one."""
    last = (comment or "").rsplit("\n", 1)[-1]
    return last if last.startswith(_MARK) else None


def find(connection: Connection, schema: str, name: str) -> Relation | None:
    row = connection.execute(
        """SELECT c.oid, c.relname, c.relkind::text, obj_description(c.oid, 'pg_class') FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s""",
        (schema, name),
    ).fetchone()
    return Relation(row[0], row[1], row[2], marked(row[3])) if row else None


def place(connection: Connection, schema: str, mark: str, named: Callable[[set[str]], str]) -> tuple[str, Relation | None]:
    """The name for a table of ours, and the table when it stands already. `named` gives a name that is none of those passed to it.

    Raises Conflict when somebody else's relation bears the name.
    """
    taken: set[str] = set()
    while True:
        name = named(taken)
        relation = find(connection, schema, name)
        if relation is None or relation.mark == mark:
            return name, relation
        if relation.mark is None:
            raise Conflict(
                f"{schema}.{name} stands in the database and was not made by this platform (its comment has no mark). "
                "It was not touched: rename it or move it to another schema.",
                schema=schema,
                relation=name,
            )
        taken.add(name)


def ensure_schema(connection: Connection, schema: str) -> None:
    """Creates the schema if there is none; two transactions at once do not trip over each other."""
    if _schema_stands(connection, schema):
        return
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(f"schema:{schema}"),))
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")


def _schema_stands(connection: Connection, schema: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is not None


def columns_of(connection: Connection, oid: int) -> dict[str, str]:
    """Column types as format_type() spells them, by name, in order."""
    rows = connection.execute(
        """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
        (oid,),
    ).fetchall()
    return dict(rows)


def key_of(connection: Connection, oid: int) -> tuple[str | None, tuple[str, ...]]:
    """Name and columns of the primary key."""
    row = connection.execute(
        """SELECT conname, ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k(number, place)
             JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place)
           FROM pg_constraint WHERE conrelid = %s AND contype = 'p'""",
        (oid,),
    ).fetchone()
    return (row[0], tuple(row[1])) if row else (None, ())


def held_still(connection: Connection, schema: str, relation: str) -> bool:
    """In sessions.one_moment: locks a table, or a view and what it reads, unless it was rewritten since that moment."""
    if _rewritten(connection, schema, relation):
        return False
    connection.execute(f"LOCK TABLE {qualified(schema, relation)} IN ACCESS SHARE MODE")
    return not _rewritten(connection, schema, relation)


def _rewritten(connection: Connection, schema: str, relation: str) -> bool:
    """A query sees pg_class as it was at the moment; to_regclass() and pg_relation_filenode() tell what is."""
    row = connection.execute(
        """SELECT c.oid = to_regclass(format('%%I.%%I', n.nspname, c.relname))
             AND (c.relkind = 'v' OR c.relfilenode = pg_relation_filenode(c.oid))
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s""",
        (schema, relation),
    ).fetchone()
    return not (row and row[0])


def create_table(connection: Connection, schema: str, name: str, columns: Mapping[str, str], clauses: Sequence[str] = ()) -> None:
    """Creates a table from column definitions (type and what may follow it) and table clauses. Raises Conflict when the name is taken."""
    body = ", ".join([*(f"{quoted(column)} {definition}" for column, definition in columns.items()), *clauses])
    with refused(f"{schema}.{name} cannot be created"):
        try:
            connection.execute(f"CREATE TABLE {qualified(schema, name)} ({body})")
        except psycopg.errors.TooManyColumns as error:
            raise Conflict(
                f"{schema}.{name} would have {len(columns)} columns: {one_line(error)}. Nothing was changed: split the table, with fewer "
                "columns in each dump.",
                sqlstate=error.sqlstate,
            ) from error


def describe(
    connection: Connection, schema: str, name: str, table: Table, mark: str, columns: Sequence[str], *, kind: str = "TABLE"
) -> None:
    """Sets the comments: the table's description and the mark, and the description of each of `columns` that has one."""
    comment(connection, f"{kind} {qualified(schema, name)}", f"{table.description}\n{mark}".lstrip("\n"))
    names = column_names(table)
    for column in table.columns:
        if column.description and names[column.name] in columns:
            comment(connection, f"COLUMN {qualified(schema, name)}.{quoted(names[column.name])}", column.description)


def comment(connection: Connection, target: str, text: str | None) -> None:
    """`COMMENT ON target`; the target is SQL made of quoted names."""
    body = Literal(text.replace("\0", "\\x00")) if text else SQL("NULL")
    connection.execute(SQL("COMMENT ON {} IS {}").format(SQL(target), body))


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Turns the server's refusal of a change that something else stands in the way of into a Conflict that names it."""
    try:
        yield
    except (
        psycopg.errors.DependentObjectsStillExist,
        psycopg.errors.FeatureNotSupported,
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.DuplicateTable,
        psycopg.errors.DuplicateObject,
        psycopg.errors.TooManyColumns,
        psycopg.errors.InvalidTableDefinition,
    ) as error:
        raise Conflict(f"{what}: {_told(error)}. Nothing was changed.", sqlstate=error.sqlstate) from error


def _told(error: psycopg.Error) -> str:
    detail = error.diag.message_detail
    return one_line(error) if not detail or detail in str(error) else f"{one_line(error)}: {' '.join(detail.split())}"
