"""Version tables: one child per version with all its columns, under a mother with the columns common to all, by inheritance.

Called inside a publication. What each step locks: the rows go into a table that nobody knows yet; only then, and only until
COMMIT, the mother is locked: for an attachment so that readers go on, for a changed column or a replaced child so that they wait.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from psycopg.sql import Literal

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.storage.server.sessions import Connection, lock_number
from platform_assets.storage.warehouse.bulk import copy_rows
from platform_assets.storage.warehouse.mothers import META, Mother, common_columns, read_mother
from platform_assets.storage.warehouse.names import (
    child_name,
    column_names,
    pg_type,
    qualified,
    quoted,
    relation_name,
    versions_schema,
)
from platform_assets.storage.warehouse.protocol import table_lock
from platform_assets.storage.warehouse.relations import create_table, describe, ensure_schema, mark, place
from platform_assets.storage.warehouse.views import refuse_used, with_views_kept


@dataclass(frozen=True)
class PublishedVersion:
    """Where a version's rows are. `common_columns` are the mother's data columns by their PostgreSQL names."""

    schema: str
    mother: str
    child: str
    rows: int
    common_columns: tuple[str, ...]


@dataclass(frozen=True)
class _Arrival:
    """The loaded child before it has its name."""

    staged: str
    columns: Mapping[str, str]
    rows: int


def publish_version(
    connection: Connection, *, source: str, version: str, label: str, table: Table, batches: Iterable[pa.RecordBatch]
) -> PublishedVersion:
    """Loads one table of one version and attaches it; a child that the version has already is replaced.

    `batches` have the table's columns by the dump's names (a missing one is NULL), `_row`, and `_raw` where a row needs it.
    Columns that are not in every version leave the mother and stay in the children; types widen by dictionary.types.common_type.
    Raises Conflict, and the transaction must be rolled back, when a view reads a column that would go or when somebody else's table
    bears the name.
    """
    schema = versions_schema(source)
    ensure_schema(connection, schema)
    arrival = _load(connection, schema, version, table, batches)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(table_lock(source, table.name)),))
    mother = _mother(connection, schema, table, arrival.columns)
    own = mark("version", table.name, version)
    child = _child_name(connection, mother, label, version, own)
    common = common_columns([arrival.columns, *(c.columns for c in mother.children if c.mark != own)])

    def attach() -> None:
        _adjust(connection, mother, own, common, arrival)
        connection.execute(f"ALTER TABLE {qualified(schema, arrival.staged)} RENAME TO {quoted(child)}")
        connection.execute(f"ALTER TABLE {qualified(schema, child)} INHERIT {qualified(schema, mother.name)}")

    what = f"{schema}.{mother.name} cannot take version {version}"
    refuse_used(connection, mother.oid, [name for name in mother.columns if name not in common], what=what)
    with_views_kept(connection, [mother.oid, *(c.oid for c in mother.children)], attach, what=what)
    describe(connection, schema, child, table, own, list(arrival.columns))
    describe(connection, schema, mother.name, table, mark("mother", table.name), list(common))
    return PublishedVersion(schema, mother.name, child, arrival.rows, tuple(common))


def drop_version(connection: Connection, *, source: str, version: str, table: str) -> bool:
    """Drops a version's child, and the mother with its last child; False when there is none. Raises Conflict for a view in the way.

    A column that the version alone lacked comes back to the mother. Widened types stay wide.
    """
    schema = versions_schema(source)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(table_lock(source, table)),))
    name, relation = place(connection, schema, mark("mother", table), lambda taken: relation_name(table, taken))
    own = mark("version", table, version)
    if relation is None:
        return False
    mother = read_mother(connection, schema, name, relation.oid)
    if own not in [child.mark for child in mother.children]:
        return False

    others = [child.columns for child in mother.children if child.mark != own]

    def detach() -> None:
        _adjust(connection, mother, own, common_columns(others) if others else mother.columns, None)
        if not others:
            connection.execute(f"DROP TABLE {qualified(schema, name)}")

    with_views_kept(connection, [mother.oid, *(c.oid for c in mother.children)], detach, what=f"Version {version} cannot be dropped")
    return True


def _load(connection: Connection, schema: str, version: str, table: Table, batches: Iterable[pa.RecordBatch]) -> _Arrival:
    """Creates and fills the child before it has its name: in a table of this transaction, COPY writes no log."""
    names = column_names(table)
    staged = f"_loading_{secrets.token_hex(6)}"
    literal = Literal(version).as_string(connection)
    columns = {names[column.name]: pg_type(column.type) for column in table.columns}
    definitions = columns | META | {"_version": f"text NOT NULL DEFAULT {literal}"}
    create_table(connection, schema, staged, definitions, [f"CONSTRAINT _one_version CHECK (_version = {literal})"])
    wanted = [(names[column.name], column.type) for column in table.columns] + [("_row", INT64), ("_raw", STRING)]
    fields = [*table.column_names, "_row", "_raw"]
    rows = copy_rows(connection, (schema, staged), wanted, shaped(batches, fields, [kind for _, kind in wanted]), raw="_raw", freeze=True)
    return _Arrival(staged, columns, rows)


def shaped(batches: Iterable[pa.RecordBatch], fields: Sequence[str], types: Sequence[pa.DataType]) -> Iterator[pa.RecordBatch]:
    """The batches with exactly these columns in this order; one that a batch does not have is NULL."""
    for batch in batches:
        places = {name: place for place, name in enumerate(batch.schema.names)}
        arrays = [batch.column(places[f]) if f in places else pa.nulls(len(batch), t) for f, t in zip(fields, types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=list(fields))


def _mother(connection: Connection, schema: str, table: Table, columns: Mapping[str, str]) -> Mother:
    own = mark("mother", table.name)
    name, relation = place(connection, schema, own, lambda taken: relation_name(table.name, taken))
    if relation is None:
        # the mother never has rows of its own; the constraint also spares the planner looking
        create_table(connection, schema, name, {**columns, **META}, ["CONSTRAINT _no_rows CHECK (false) NO INHERIT"])
        describe(connection, schema, name, table, own, list(columns))
        name, relation = place(connection, schema, own, lambda taken: relation_name(table.name, taken))
    assert relation is not None
    return read_mother(connection, schema, name, relation.oid)


def _child_name(connection: Connection, mother: Mother, label: str, version: str, own: str) -> str:
    standing = [child.name for child in mother.children if child.mark == own]
    if standing:
        return standing[0]
    return place(connection, mother.schema, own, lambda taken: child_name(mother.name, label, version, taken))[0]


def _adjust(connection: Connection, mother: Mother, own: str, common: Mapping[str, str], arrival: _Arrival | None) -> None:
    """Drops the version's old child and brings the mother, the other children and the arriving one to the common columns.

    Each child is brought to the common type before the mother gets the column, since they merge only when the types are equal.
    """
    others = [child for child in mother.children if child.mark != own]
    for child in mother.children:
        if child.mark == own:
            connection.execute(f"DROP TABLE {qualified(mother.schema, child.name)}")
    whole = qualified(mother.schema, mother.name)
    for name in mother.columns:
        if name not in common:
            connection.execute(f"ALTER TABLE ONLY {whole} DROP COLUMN {quoted(name)}")
    _retype(connection, mother.schema, mother.name, mother.columns, common, empty=not others)
    for name, kind in common.items():
        if name not in mother.columns:
            for child in others:
                _retype(connection, mother.schema, child.name, child.columns, {name: kind})
            connection.execute(f"ALTER TABLE {whole} ADD COLUMN {quoted(name)} {kind}")
    if arrival is not None:
        _retype(connection, mother.schema, arrival.staged, arrival.columns, common)


def _retype(
    connection: Connection, schema: str, name: str, standing: Mapping[str, str], wanted: Mapping[str, str], *, empty: bool = False
) -> None:
    """One ALTER TABLE for all columns whose type differs: the rows are written again once. Children of the table follow it.

    An empty table's column may become of any type, also one that the old type has no cast to.
    """
    changes = [
        f"ALTER COLUMN {quoted(column)} TYPE {kind} USING {'NULL' if empty else quoted(column)}::{kind}"
        for column, kind in wanted.items()
        if standing.get(column, kind) != kind
    ]
    if changes:
        connection.execute(f"ALTER TABLE {qualified(schema, name)} {', '.join(changes)}")
