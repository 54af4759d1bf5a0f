"""PostgreSQL names and column types for what dumps call their tables and columns.

The only place that turns text from outside into a database name. Not here: folder names and partition keys (versions.keys).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from platform_assets.dictionary.model import Table

MAX_BYTES = 63
_HASH_DIGITS = 6
SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
"""Names that PostgreSQL keeps for itself in every table (documentation, "System Columns"; `oid` is free since version 12)."""
OUR_COLUMNS = frozenset(
    {
        *("_instance", "_version", "_row", "_line", "_raw"),
        *("_valid_from", "_valid_to", "_operation", "_until_version", "_closed_by", "_known_from"),
    }
)

_PG_TYPES = {
    "boolean": "boolean",
    "int32": "integer",
    "int64": "bigint",
    "float64": "double precision",
    "string": "text",
    "binary": "bytea",
    "date": "date",
    "timestamp": "timestamp without time zone",
    "instant": "timestamp with time zone",
    "time": "time without time zone",
}
_TYPE_NAMES = {pg: name for name, pg in _PG_TYPES.items()}


def quoted(name: str) -> str:
    """The name as a quoted identifier. Raises ValueError for what PostgreSQL would cut or refuse: relation_name comes first.

    psycopg.sql.Identifier is not used: it cuts a name at a NUL and lets the server cut it at 63 bytes, both in silence.
    """
    if not name or "\0" in name or len(name.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ValueError(f"{name!r} is not a legal PostgreSQL name (1 to {MAX_BYTES} bytes, no NUL).")
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """`"schema"."name"`."""
    return f"{quoted(schema)}.{quoted(name)}"


def relation_name(text: str, taken: Collection[str] = ()) -> str:
    """A legal name of at most 63 bytes for any text, none of `taken`.

    Printable text that fits stays as it is, with its case, quotes and dots: identifiers are always quoted. Everything else is
    cut and gets six digits of the hash of the whole text, so that the result does not depend on what else there is.
    """
    if text and text.isprintable() and text == text.strip() and len(text.encode()) <= MAX_BYTES and text not in taken:
        return text
    clean = "".join(c if c.isprintable() else "_" for c in text).strip()
    salt = 0
    while True:
        candidate = _cut(clean or "unnamed", MAX_BYTES - _HASH_DIGITS - 1) + "_" + _digest(text, salt)
        if candidate not in taken:
            return candidate
        salt += 1


def column_names(table: Table) -> dict[str, str]:
    """The PostgreSQL name of each column by its name in the dump, in the order of the columns.

    The same column has the same name in every version of a table, whatever columns stand beside it, but for a clash with a column
    that bears a hashed name literally.
    """
    reserved = SYSTEM_COLUMNS | OUR_COLUMNS
    plain = {name for name in table.column_names if relation_name(name, reserved) == name}
    taken = set(reserved) | plain
    names: dict[str, str] = {}
    for name in table.column_names:
        names[name] = name if name in plain else relation_name(name, taken)
        taken.add(names[name])
    return names


def column_name(name: str) -> str:
    """The PostgreSQL name of a column, but for a clash as column_names tells."""
    return relation_name(name, SYSTEM_COLUMNS | OUR_COLUMNS)


def child_name(table: str, label: str, version: str, taken: Collection[str] = ()) -> str:
    """The version table's name: `users__<label>`, with the hash of the version's key when that is taken or too long.

    `table` is the mother's name in PostgreSQL.
    """
    plain = f"{table}__{label}"
    if relation_name(plain) == plain and plain not in taken:
        return plain
    tail = f"__{_cut(relation_name(label), 20)}_{_digest(version, 0)}"
    return relation_name(_cut(table, MAX_BYTES - len(tail.encode())) + tail, taken)


def versions_schema(source: str) -> str:
    """The schema of a source's mother and version tables."""
    return f"{source}_versions"


def history_schema(source: str) -> str:
    """The schema of the histories of a source's tables."""
    return f"{source}_history"


def pg_type(arrow: pa.DataType) -> str:
    """The column type, spelled as PostgreSQL's format_type() spells it. Raises KeyError for a type outside dictionary.types."""
    from platform_assets.dictionary.types import type_name

    name = type_name(arrow)
    return name.replace("decimal", "numeric") if name.startswith("decimal") else _PG_TYPES[name]


def arrow_type(pg: str) -> pa.DataType | None:
    """The inverse of pg_type; None for a column type that is none of ours."""
    from platform_assets.dictionary.types import type_named

    if pg.startswith("numeric("):
        return type_named(pg.replace("numeric", "decimal"))
    return type_named(_TYPE_NAMES[pg]) if pg in _TYPE_NAMES else None


def _cut(text: str, size: int) -> str:
    """The longest beginning of at most `size` bytes that ends between two characters."""
    return text.encode("utf-8", "ignore")[:size].decode("utf-8", "ignore")


def _digest(text: str, salt: int) -> str:
    body = text.encode("utf-8", "surrogatepass") + (f"\0{salt}".encode() if salt else b"")
    return hashlib.sha256(body).hexdigest()[:_HASH_DIGITS]
