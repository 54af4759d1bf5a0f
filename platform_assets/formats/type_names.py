"""Type names as applications and databases write them -> our types. For schemas that travel beside data; DDL has its own readers.

Names from the manuals of MySQL 8.4 (ch. 13), SQL Server 2022 (Transact-SQL data types), PostgreSQL 18 (ch. 8) and the plain words of
JSON and table schemas. Where a name means different things, it gets the type that holds them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from platform_assets.dictionary.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INSTANT,
    INT32,
    INT64,
    MAX_PRECISION,
    STRING,
    TIME,
    TIMESTAMP,
    decimal,
    type_named,
)
from platform_assets.errors import SettingsError

_WORDS: dict[str, pa.DataType] = {
    **dict.fromkeys(("bool", "boolean"), BOOLEAN),
    **dict.fromkeys(("tinyint", "smallint", "int2", "smallserial", "serial2", "mediumint", "middleint", "int3", "int1", "year"), INT32),
    **dict.fromkeys(("int", "integer", "int4", "serial", "serial4", "int32", "int16", "short"), INT32),
    **dict.fromkeys(("bigint", "int8", "bigserial", "serial8", "int64", "long", "oid"), INT64),
    **dict.fromkeys(("float", "float4", "float8", "float32", "float64", "double", "double precision", "real", "binary_double"), FLOAT64),
    **dict.fromkeys(("char", "character", "nchar", "bpchar", "varchar", "nvarchar", "varchar2", "nvarchar2", "character varying"), STRING),
    **dict.fromkeys(("char varying", "national character", "national character varying", "national char", "national varchar"), STRING),
    **dict.fromkeys(("text", "ntext", "tinytext", "mediumtext", "longtext", "clob", "nclob", "citext", "string", "str", "name"), STRING),
    **dict.fromkeys(("enum", "set", "json", "jsonb", "xml", "uuid", "uniqueidentifier", "guid", "sysname", "sql_variant"), STRING),
    **dict.fromkeys(("inet", "cidr", "macaddr", "interval", "timetz", "time with time zone", "bit varying", "varbit"), STRING),
    **dict.fromkeys(("hierarchyid", "geography", "geometry", "point", "tsvector", "hstore", "object", "array", "any"), STRING),
    **dict.fromkeys(("binary", "varbinary", "image", "bytea", "blob", "tinyblob", "mediumblob", "longblob", "rowversion"), BINARY),
    **dict.fromkeys(("bytes", "raw", "long raw"), BINARY),
    "date": DATE,
    **dict.fromkeys(("datetime", "datetime2", "smalldatetime", "timestamp", "timestamp without time zone"), TIMESTAMP),
    **dict.fromkeys(("timestamptz", "timestamp with time zone", "datetimeoffset", "instant"), INSTANT),
    **dict.fromkeys(("time", "time without time zone"), TIME),
    "money": decimal(19, 4),
    "smallmoney": decimal(10, 4),
}
_DECIMALS = {"decimal", "dec", "numeric", "number", "fixed"}
_OPEN_DECIMAL = decimal(MAX_PRECISION, 9)
"""A decimal without precision: 29 digits before the point and 9 behind it. More of them is a type-error, never rounded."""
_ARGUMENTS = re.compile(r"\(([^()]*)\)")
_MODIFIERS = re.compile(r"\b(unsigned|signed|zerofill|identity|auto_increment|not null|null)\b")


def type_of(native: str, overrides: Sequence[tuple[str, str]] = ()) -> pa.DataType | None:
    """Our type for a native name such as `varchar(20)`, `int unsigned`, `decimal(10,2)`; None for a name that nobody knows.

    `overrides` are a source's own (native name in lower case, our name): looked at first, with the arguments, then without. Raises
    SettingsError for an override to a type that is none of ours.
    """
    text = " ".join(native.lower().split())
    arguments = _ARGUMENTS.search(text)
    unsigned = "unsigned" in text
    word = " ".join(_MODIFIERS.sub(" ", _ARGUMENTS.sub(" ", text)).split())
    own = dict(overrides)
    for name in (text, text.replace(" ", ""), word):
        if name in own:
            return _override(name, own[name])
    if word.endswith("[]"):
        return STRING
    if word in _DECIMALS:
        return _decimal(arguments[1] if arguments else "")
    if word == "bit":
        return BOOLEAN if arguments is None or arguments[1].strip() == "1" else STRING
    if unsigned and word in ("int", "integer", "int4"):
        return INT64
    if unsigned and word in ("bigint", "int8"):
        return decimal(20, 0)
    return _WORDS.get(word)


def _decimal(arguments: str) -> pa.DataType | None:
    """`p` or `p,s`; a negative scale (Oracle) has none of our types."""
    parts = [part.strip() for part in arguments.split(",")] if arguments.strip() else []
    if not parts or parts[0] == "*":
        return _OPEN_DECIMAL
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        return None
    precision, scale = int(parts[0]), int(parts[1]) if len(parts) == 2 else 0
    return decimal(precision, scale) if precision else None


def _override(native: str, name: str) -> pa.DataType:
    try:
        return type_named(name)
    except KeyError as error:
        raise SettingsError(
            f"platform.yaml: types: {native}: {name!r} is not a type of this platform. Use boolean, int32, int64, float64, decimal(p,s), "
            "string, binary, date, timestamp, instant or time.",
            native=native,
            type=name,
        ) from error


def overridden(text: str, word: str, overrides: Sequence[tuple[str, str]]) -> pa.DataType | None:
    """The type that platform.yaml gives to a native one, by its whole text in lower case or by its bare word. Raises SettingsError."""
    for wanted, ours in overrides:
        if wanted in (text.lower(), word):
            return _override(wanted, ours)
    return None
