"""PostgreSQL's column types by name, and ours for them. Source: PostgreSQL 18 manual, chapter 8.

Nothing is lost by the choice: what has no type of ours is text, and so is `numeric` without precision, whose digits have no bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
)
from platform_assets.formats.type_names import overridden

_ALIASES = {
    **dict.fromkeys(("int2", "smallserial", "serial2"), "smallint"),
    **dict.fromkeys(("int", "int4", "serial", "serial4"), "integer"),
    **dict.fromkeys(("int8", "bigserial", "serial8"), "bigint"),
    **dict.fromkeys(("float4",), "real"),
    **dict.fromkeys(("float8", "float"), "double precision"),
    **dict.fromkeys(("decimal", "dec"), "numeric"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("char", "bpchar", "nchar", "national character", "national char"), "character"),
    **dict.fromkeys(("varchar", "char varying", "national character varying", "national char varying"), "character varying"),
    **dict.fromkeys(("timestamp",), "timestamp without time zone"),
    **dict.fromkeys(("timestamptz",), "timestamp with time zone"),
    **dict.fromkeys(("time",), "time without time zone"),
    **dict.fromkeys(("timetz",), "time with time zone"),
    **dict.fromkeys(("varbit",), "bit varying"),
}
_TYPES: dict[str, pa.DataType] = {
    "smallint": INT32,
    "integer": INT32,
    "bigint": INT64,
    "oid": INT64,
    "real": FLOAT64,
    "double precision": FLOAT64,
    "boolean": BOOLEAN,
    "bytea": BINARY,
    "date": DATE,
    "timestamp without time zone": TIMESTAMP,
    "timestamp with time zone": INSTANT,
    "time without time zone": TIME,
}
_SERIALS = ("serial", "serial2", "serial4", "serial8", "smallserial", "bigserial")


@dataclass(frozen=True)
class NativeType:
    """`word` is the type's canonical name without schema pg_catalog and arguments, `text` as it was written."""

    word: str
    args: tuple[int, ...] = ()
    array: bool = False
    text: str = ""

    @property
    def serial(self) -> bool:
        return self.text.lower() in _SERIALS

    @property
    def padded(self) -> int | None:
        """Characters to which the server fills a character(n)."""
        return (self.args[0] if self.args else 1) if self.word == "character" and not self.array else None


def native_type(text: str) -> NativeType:
    """A type's name as a script writes it, quotes around names included."""
    plain = re.sub(r'"([^"]*)"', r"\1", text)
    array = bool(re.search(r"\[\d*\]|\bARRAY\b", plain, re.IGNORECASE))
    arguments = re.search(r"\(([^()]*)\)", plain)
    word = re.sub(r"\([^()]*\)|\[\d*\]|\bARRAY\b", " ", plain, flags=re.IGNORECASE)
    word = " ".join((word if '"' in text else word.lower()).split()).removeprefix("pg_catalog.")
    parts = arguments[1].replace(" ", "").split(",") if arguments else []
    args = tuple(int(part) for part in parts if re.fullmatch(r"-?\d+", part))
    if text.strip() == '"char"':
        return NativeType('"char"', (), array, text)
    return NativeType(_ALIASES.get(word, word), args, array, text)


def arrow_type(
    native: NativeType, domains: Mapping[str, NativeType] | None = None, overrides: Sequence[tuple[str, str]] = ()
) -> pa.DataType:
    """Our type. `domains` are base types by the names of domains; `overrides` are (native, ours) from platform.yaml, tried on the whole
    text in lower case and then on the bare word. Raises SettingsError for an override to a type that is none of ours."""
    own = overridden(native.text, native.word, overrides)
    if own is not None:
        return own
    if native.array:
        return STRING
    if native.word == "numeric":
        return _numeric(native.args)
    base = (domains or {}).get(native.word)
    if base is not None and native.word not in _TYPES:
        return arrow_type(base, {name: one for name, one in (domains or {}).items() if name != native.word}, overrides)
    return _TYPES.get(native.word, STRING)


def _numeric(args: tuple[int, ...]) -> pa.DataType:
    """numeric(p,s) exactly; text where no decimal of 38 digits holds every value (no precision, more digits, a negative scale)."""
    precision, scale = (*args, 0)[:2] if args else (0, 0)
    return decimal(precision, scale) if 0 < precision <= MAX_PRECISION and 0 <= scale <= precision else STRING
