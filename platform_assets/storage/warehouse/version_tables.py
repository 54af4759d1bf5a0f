"""Version tables: one child per version with all its columns, under a mother with the columns common to all, by inheritance.

Called inside a publication. What each step locks: the rows go into a table that nobody knows yet; only then, and only until
COMMIT, the mother is locked: for an attachment so that readers go on, for a changed column or a replaced child so that they wait.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from psycopg.sql import Literal

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import Conflict
from platform_assets.storage.server.sessions import Connection, lock_number
from platform_assets.storage.warehouse.bulk import copy_rows
from platform_assets.storage.warehouse.history_relations import freeze
from platform_assets.storage.warehouse.mothers import META, Child, Mother, common_columns, read_mother
from platform_assets.storage.warehouse.names import (
    child_name,
    column_name,
    column_names,
    pg_type,
    qualified,
    quoted,
    relation_name,
    versions_schema,
)
from platform_assets.storage.warehouse.protocol import table_lock
from platform_assets.storage.warehouse.relations import create_table, describe, ensure_schema, mark, place
from platform_assets.storage.warehouse.union_views import Branch, union_view_kept
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
    connection: Connection,
    *,
    source: str,
    version: str,
    label: str,
    table: Table,
    batches: Iterable[pa.RecordBatch],
    renames: Mapping[str, str] | None = None,
) -> PublishedVersion:
    """Loads one table of one version and attaches it; a child that the version has already is replaced.

    `batches` have the table's columns by the dump's names (a missing one is NULL), `_row`, and `_raw` where a row needs it.
    Columns that are not in every version leave the mother and stay in the children; types widen by dictionary.types.common_type.
    `renames`, old column names to those of today, are applied to what stands first; the table given has those of today.
    Raises Conflict, and the transaction must be rolled back, when a view reads a column that would go or when somebody else's table
    bears the name.
    """
    schema = versions_schema(source)
    ensure_schema(connection, schema)
    arrival = _load(connection, schema, version, table, batches)
    rename_columns(connection, source=source, table=table.name, renames=renames or {})
    mother = _mother(connection, schema, table, arrival.columns)
    own = mark("version", table.name, version)
    child, replaced = _child_name(connection, mother, label, version, own)
    if replaced:
        freeze(connection, source, table.name)
    others = [c for c in mother.children if c.mark != own]
    common = common_columns([arrival.columns, *(c.columns for c in others)])

    def attach() -> None:
        if replaced:
            connection.execute(f"DROP TABLE {qualified(schema, child)}")
        _adjust(connection, mother, others, common, arrival)
        connection.execute(f"ALTER TABLE {qualified(schema, arrival.staged)} RENAME TO {quoted(child)}")
        connection.execute(f"ALTER TABLE {qualified(schema, child)} INHERIT {qualified(schema, mother.name)}")

    branches = _branches([*others, Branch(child, arrival.columns)], common)
    what = f"{schema}.{mother.name} cannot take version {version}"
    _change(connection, mother, table.name, branches, common, attach, gone=replaced, what=what)
    describe(connection, schema, child, table, own, list(arrival.columns))
    describe(connection, schema, mother.name, table, mark("mother", table.name), list(common))
    return PublishedVersion(schema, mother.name, child, arrival.rows, tuple(common))


def drop_version(connection: Connection, *, source: str, version: str, table: str) -> bool:
    """Drops a version's child, and the mother with its last child; False when there is none. Raises Conflict for a view in the way.

    A column that the version alone lacked comes back to the mother. Widened types stay wide.
    """
    freeze(connection, source, table)
    return _take_out(connection, source, version, table, "DROP TABLE {child}", what=f"Version {version} cannot be dropped")


def detach_version(connection: Connection, *, source: str, version: str, table: str) -> bool:
    """Takes a version's child out of the mother; it stays as a table of its own. Else as drop_version."""
    statement = "ALTER TABLE {child} NO INHERIT {mother}"
    return _take_out(connection, source, version, table, statement, what=f"Version {version} cannot be detached")


def rename_columns(connection: Connection, *, source: str, table: str, renames: Mapping[str, str]) -> None:
    """Gives the columns of a table's mother and children the names of today (`renames`: old to new, as dumps call them).

    Views go on reading them. A column that all have now comes to the mother. Raises Conflict when a child has both.
    """
    schema, changed = versions_schema(source), False
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(table_lock(source, table)),))
    mother = standing_mother(connection, source, table)
    for old, new in ((column_name(old), column_name(new)) for old, new in renames.items()):
        holders = [child for child in mother.children if old in child.columns] if mother else []
        if mother is None or not holders:
            continue
        if both := [child.name for child in holders if new in child.columns]:
            raise Conflict(
                f"{table}: {old} cannot be called {new} (renamedTo in the dictionary): {schema}.{both[0]} has both columns {old} and "
                f"{new}. Nothing was changed: take the renamedTo of {old} back.",
                columns=(old, new),
            )
        for name in [mother.name] if old in mother.columns else [child.name for child in holders]:
            connection.execute(f"ALTER TABLE {qualified(schema, name)} RENAME COLUMN {quoted(old)} TO {quoted(new)}")
        mother, changed = standing_mother(connection, source, table), True
    if mother is not None and changed:
        common, standing = common_columns([child.columns for child in mother.children]), mother
        branches, what = _branches(mother.children, common), f"{schema}.{mother.name} cannot take its new names"
        adjust = partial(_adjust, connection, standing, standing.children, common, None)
        _change(connection, mother, table, branches, common, adjust, gone=False, what=what)


def _take_out(connection: Connection, source: str, version: str, table: str, statement: str, *, what: str) -> bool:
    schema = versions_schema(source)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(table_lock(source, table)),))
    mother, own = standing_mother(connection, source, table), mark("version", table, version)
    gone = next((child for child in mother.children if child.mark == own), None) if mother else None
    if mother is None or gone is None:
        return False
    others = [child for child in mother.children if child.mark != own]
    common = common_columns([child.columns for child in others]) if others else mother.columns
    relations = {"child": qualified(schema, gone.name), "mother": qualified(schema, mother.name)}

    def take_out() -> None:
        connection.execute(statement.format(**relations))
        _adjust(connection, mother, others, common, None)
        if not others:
            connection.execute(f"DROP TABLE {relations['mother']}")

    _change(connection, mother, table, _branches(others, common), common, take_out, gone=True, what=what)
    return True


def _change(
    connection: Connection,
    mother: Mother,
    table: str,
    branches: Sequence[Branch],
    common: Mapping[str, str],
    change: Callable[[], None],
    *,
    gone: bool,
    what: str,
) -> None:
    """Makes a change of the mother and its children, with every view on them there before and after it; `gone`: a child goes."""
    with union_view_kept(connection, mother, table, branches, common, gone=gone):
        refuse_used(connection, mother.oid, [name for name in mother.columns if name not in common], what=what)
        with_views_kept(connection, mother.oids, change, what=what)


def _branches(children: Iterable[Child | Branch], common: Mapping[str, str]) -> list[Branch]:
    """The children with the types that the common columns will have."""
    return [Branch(c.name, {name: common.get(name, kind) for name, kind in c.columns.items()}) for c in children]


def standing_mother(connection: Connection, source: str, table: str) -> Mother | None:
    """A table's mother with its children; None when no version of it is attached."""
    schema = versions_schema(source)
    name, relation = place(connection, schema, mark("mother", table), lambda taken: relation_name(table, taken))
    return read_mother(connection, schema, name, relation.oid) if relation else None


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


def _child_name(connection: Connection, mother: Mother, label: str, version: str, own: str) -> tuple[str, bool]:
    """The child's name, and whether a table of that version, attached or detached, bears it."""
    standing = [child.name for child in mother.children if child.mark == own]
    if standing:
        return standing[0], True
    name, relation = place(connection, mother.schema, own, lambda taken: child_name(mother.name, label, version, taken))
    return name, relation is not None


def _adjust(connection: Connection, mother: Mother, others: Sequence[Child], common: Mapping[str, str], arrival: _Arrival | None) -> None:
    """Brings the mother, the children that stay and the arriving one to the common columns.

    Each child is brought to the common type before the mother gets the column, since they merge only when the types are equal.
    """
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
