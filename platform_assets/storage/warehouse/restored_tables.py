"""Rows of a backup in PostgreSQL: a table of the shape of another, filled; what hangs on a table, as SQL; the hash of what stands.

Not here: putting it in another's place (swaps), and what may be restored into what (operations.restore_plan).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Literal

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import STRING
from platform_assets.storage.rows.row_hash import hash_of
from platform_assets.storage.server.sessions import Connection, one_line
from platform_assets.storage.warehouse.bulk import copy_rows, read_rows
from platform_assets.storage.warehouse.latest_tables import add_key
from platform_assets.storage.warehouse.names import arrow_type, pg_type, qualified, quoted
from platform_assets.storage.warehouse.relations import comment, create_table, key_of, mark
from platform_assets.storage.warehouse.version_tables import shaped
from platform_assets.storage.warehouse.views import dressing_of

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod), attnotnull, atthasdef OR attidentity <> '' FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@dataclass(frozen=True)
class StandingColumn:
    """A column as it stands. `filled`: it has a default, is computed or counts by itself, so a row need not give a value."""

    name: str
    pg_type: str
    required: bool
    filled: bool

    @property
    def type(self) -> pa.DataType | None:
        """None for a type that is none of ours; `_raw` is json to PostgreSQL and text to us."""
        return STRING if self.pg_type == "json" else arrow_type(self.pg_type)


def standing_columns(connection: Connection, oid: int) -> tuple[StandingColumn, ...]:
    return tuple(StandingColumn(*row) for row in connection.execute(_COLUMNS, (oid,)).fetchall())


def load_like(
    connection: Connection,
    schema: str,
    target: str,
    staged: str,
    columns: Sequence[tuple[str, pa.DataType]],
    fields: Sequence[str],
    batches: Iterable[pa.RecordBatch],
) -> int:
    """A new table `staged` with the columns, defaults, identities and key of `target`, filled with batches; gives their rows.

    `columns` are (PostgreSQL name, type to be stored) for the batches' `fields`; other columns get their default or NULL.
    """
    like = "INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION"
    connection.execute(f"CREATE TABLE {qualified(schema, staged)} (LIKE {qualified(schema, target)} {like})")
    comment(connection, f"TABLE {qualified(schema, staged)}", mark("loaded", target))
    raw = "_raw" if any(name == "_raw" for name, _ in columns) else None
    rows = copy_rows(connection, (schema, staged), columns, shaped(batches, fields, [kind for _, kind in columns]), raw=raw)
    row = connection.execute("SELECT %s::regclass::oid", (qualified(schema, target),)).fetchone()
    assert row is not None
    add_key(connection, (schema, staged), key_of(connection, row[0])[1])
    return rows


def load_plain(connection: Connection, schema: str, name: str, table: Table, own: str, batches: Iterable[pa.RecordBatch]) -> int:
    """A new table of exactly these columns, without a key, filled; `own` is its mark. Gives its rows. Raises Conflict."""
    types = {column.name: "json" if column.name == "_raw" else pg_type(column.type) for column in table.columns}
    create_table(connection, schema, name, types)
    comment(connection, f"TABLE {qualified(schema, name)}", own)
    return copy_rows(connection, (schema, name), [(column.name, column.type) for column in table.columns], batches)


def standing_hash(connection: Connection, relation: tuple[str, str], columns: Sequence[tuple[str, str, pa.DataType]]) -> str:
    """The hash (row_hash) of what stands in a relation: `columns` are (PostgreSQL name, name in the hash, type it is read as)."""
    names, fields = [(name, kind) for name, _, kind in columns], [field for _, field, _ in columns]
    return hash_of(read_rows(connection, relation, names, fields=fields))


def definition(connection: Connection, schema: str, name: str, oid: int) -> dict[str, Any]:
    """A table as SQL: `create` (columns, key), `extras` (indexes, constraints, triggers), `foreign_keys`, `comments`; owner, grants."""
    dressing = dressing_of(connection, oid)
    columns = [_column(connection, oid, column) for column in standing_columns(connection, oid)]
    key = connection.execute(
        "SELECT pg_get_constraintdef(oid), conname FROM pg_constraint WHERE conrelid = %s AND contype = 'p'", (oid,)
    ).fetchone()
    clauses = [*columns, *([f"CONSTRAINT {quoted(key[1])} {key[0]}"] if key else [])]
    target = qualified(schema, name)
    comments = [("TABLE " + target, dressing.comment), *((f"COLUMN {target}.{quoted(c)}", text) for c, text in dressing.column_comments)]
    return {
        "create": f"CREATE TABLE {target} ({', '.join(clauses)})",
        "extras": [statement for statement in dressing.extras if " FOREIGN KEY " not in statement],
        "foreign_keys": [statement for statement in dressing.extras if " FOREIGN KEY " in statement],
        "comments": [SQL("COMMENT ON {} IS {}").format(SQL(on), Literal(text)).as_string(connection) for on, text in comments if text],
        "owner": dressing.owner,
        "grants": list(dressing.grants),
    }


def _column(connection: Connection, oid: int, column: StandingColumn) -> str:
    row = connection.execute(
        """SELECT pg_get_expr(adbin, adrelid), attidentity::text, attgenerated::text FROM pg_attribute
           LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = %s AND attname = %s""",
        (oid, column.name),
    ).fetchone()
    assert row is not None
    value, identity, generated = row
    text = f"{quoted(column.name)} {column.pg_type}"
    if identity:
        text += f" GENERATED {'ALWAYS' if identity == 'a' else 'BY DEFAULT'} AS IDENTITY"
    elif generated:
        text += f" GENERATED ALWAYS AS ({value}) {'STORED' if generated == 's' else 'VIRTUAL'}"
    elif value:
        text += f" DEFAULT {value}"
    return text + (" NOT NULL" if column.required else "")


def put_on(connection: Connection, statements: Iterable[str]) -> list[str]:
    """Runs each statement for itself; gives those that this database refuses, with its reason."""
    refused = []
    for statement in statements:
        try:
            with connection.transaction():
                connection.execute(SQL(statement))
        except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError) as error:
            refused.append(f"not made again: {statement} ({one_line(error)})")
    return refused
