"""A mother table and its children as they stand, and what they would have in common. Nothing is changed here (version_tables)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from platform_assets.dictionary.types import common_type
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.names import arrow_type, pg_type
from platform_assets.storage.warehouse.relations import columns_of, marked

META = {"_version": "text", "_row": "bigint", "_raw": "json"}
"""The platform's own columns of version tables."""


@dataclass(frozen=True)
class Child:
    """An attached version table; `columns` are its data columns and their types."""

    oid: int
    name: str
    mark: str | None
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Mother:
    """A mother table with all that is attached to it."""

    schema: str
    name: str
    oid: int
    columns: Mapping[str, str]
    children: tuple[Child, ...]

    @property
    def oids(self) -> list[int]:
        return [self.oid, *(child.oid for child in self.children)]


def read_mother(connection: Connection, schema: str, name: str, oid: int) -> Mother:
    """Two queries, however many children there are."""
    rows = connection.execute(
        """SELECT c.oid, c.relname, obj_description(c.oid, 'pg_class') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = %s ORDER BY c.relname""",
        (oid,),
    ).fetchall()
    columns: dict[int, dict[str, str]] = {child: {} for child, _, _ in rows}
    for child, column, kind in connection.execute(
        """SELECT attrelid, attname, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = ANY(%s) AND attnum > 0 AND NOT attisdropped AND attname <> ALL(%s) ORDER BY attrelid, attnum""",
        (list(columns), list(META)),
    ):
        columns[child][column] = kind
    children = tuple(Child(child, named, marked(text), columns[child]) for child, named, text in rows)
    own = {column: kind for column, kind in columns_of(connection, oid).items() if column not in META}
    return Mother(schema, name, oid, own, children)


def common_columns(schemas: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The columns that all have, in the order of the first, with the type that holds the values of all."""
    distinct = list({tuple(columns.items()): columns for columns in schemas}.values())
    shared = [name for name in distinct[0] if all(name in columns for columns in distinct)] if distinct else []
    return {name: reduce(wider, [columns[name] for columns in distinct]) for name in shared}


def all_columns(schemas: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The columns that any has, as they come, with the type that holds the values of all that have it."""
    found: dict[str, str] = {}
    for columns in {tuple(columns.items()): columns for columns in schemas}.values():
        for name, kind in columns.items():
            found[name] = wider(found[name], kind) if name in found else kind
    return found


def wider(left: str, right: str) -> str:
    """The column type that holds the values of both."""
    if left == right:
        return left
    arrows = arrow_type(left), arrow_type(right)
    return pg_type(common_type(*arrows)) if arrows[0] is not None and arrows[1] is not None else "text"
