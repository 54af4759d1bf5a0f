"""The column types of the platform: a small set of Arrow types, their names in stored files, and how two of them widen to one.

Not here: how a database writes them (storage) or how text becomes them (formats.cast).
"""

from __future__ import annotations

import re

import pyarrow as pa

BOOLEAN = pa.bool_()
INT32 = pa.int32()
INT64 = pa.int64()
FLOAT64 = pa.float64()
STRING = pa.string()
BINARY = pa.binary()
DATE = pa.date32()
TIMESTAMP = pa.timestamp("us")
INSTANT = pa.timestamp("us", tz="UTC")
TIME = pa.time64("us")
MAX_PRECISION = 38

_NAMES: dict[str, pa.DataType] = {
    "boolean": BOOLEAN,
    "int32": INT32,
    "int64": INT64,
    "float64": FLOAT64,
    "string": STRING,
    "binary": BINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "instant": INSTANT,
    "time": TIME,
}
_BY_TYPE = {arrow: name for name, arrow in _NAMES.items()}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def decimal(precision: int, scale: int) -> pa.DataType:
    """A decimal of at most 38 digits; wider declarations are cut to 38 and their overflow is kept in `_raw`."""
    precision = max(1, min(precision, MAX_PRECISION))
    return pa.decimal128(precision, max(0, min(scale, precision)))


def type_name(arrow: pa.DataType) -> str:
    """The name under which a type is stored, as in `decimal(15,3)`. Raises KeyError for a type outside the set."""
    if pa.types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    return _BY_TYPE[arrow]


def type_named(name: str) -> pa.DataType:
    """The inverse of type_name. Raises KeyError with the name when it is none of ours."""
    found = _DECIMAL.fullmatch(name)
    if found:
        return decimal(int(found[1]), int(found[2]))
    return _NAMES[name]


def _digits(arrow: pa.DataType) -> tuple[int, int] | None:
    """Integer digits and scale of an exact number type; None for everything else."""
    if arrow == INT32:
        return 10, 0
    if arrow == INT64:
        return 19, 0
    if pa.types.is_decimal(arrow):
        return arrow.precision - arrow.scale, arrow.scale
    return None


def common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """The narrowest type that holds every value of both without loss; text where nothing else does.

    int32 -> int64 -> decimal -> text, date -> timestamp; float64 takes int32 only, since 2**53 is its last exact integer.
    """
    if left == right:
        return left
    pair = {left, right}
    exact = _digits(left), _digits(right)
    if exact[0] and exact[1]:
        if pair == {INT32, INT64}:
            return INT64
        whole, scale = max(exact[0][0], exact[1][0]), max(exact[0][1], exact[1][1])
        return pa.decimal128(whole + scale, scale) if whole + scale <= MAX_PRECISION else STRING
    if pair == {FLOAT64, INT32}:
        return FLOAT64
    if pair == {DATE, TIMESTAMP}:
        return TIMESTAMP
    return STRING


class Number(str):
    """The digits of a number as JSON had them, which are not taken for a text in quotes."""

    __slots__ = ()
