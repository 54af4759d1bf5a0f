"""What a column of MySQL or MariaDB is to us: its native type's text and the Arrow type, and how its literals are to be read.

The rest of a column's definition (keys, defaults, comments) is mysql_ddl's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.formats.type_names import overridden

_INTEGERS = {
    "tinyint": INT32, "int1": INT32, "smallint": INT32, "int2": INT32, "mediumint": INT32, "middleint": INT32, "int3": INT32,
    "bool": INT32, "boolean": INT32, "year": INT32, "int": INT32, "integer": INT32, "int4": INT32, "bigint": INT64, "int8": INT64,
    "serial": INT64,
}  # fmt: skip
_WIDE = {"int", "integer", "int4"}
_DECIMALS = {"decimal", "dec", "numeric", "fixed", "number"}
_FLOATS = {"float", "double", "double precision", "real", "float4", "float8"}
_BYTES = {
    "tinyblob", "blob", "mediumblob", "longblob", "binary", "varbinary", "long varbinary", "char byte", "raw", "vector",
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection",
}  # fmt: skip


class Kind(Enum):
    """How a literal becomes the text or bytes that the server would store."""

    NUMBER = "number"
    YEAR = "year"
    DATE = "date"
    DATETIME = "datetime"
    TEXT = "text"
    ENUM = "enum"
    SET = "set"
    BYTES = "bytes"
    BITS = "bits"


@dataclass(frozen=True)
class NativeType:
    """A type as the dump wrote it: `word` in lower case, `args` as texts (members of an enum unquoted), `text` verbatim."""

    word: str
    args: tuple[str, ...] = ()
    unsigned: bool = False
    text: str = ""
    binary_charset: bool = False
    """char, varchar or text with CHARACTER SET binary: bytes, as the server makes them."""

    @property
    def length(self) -> int | None:
        """The first argument as a number: digits, characters, bits or bytes."""
        return int(self.args[0]) if self.args and self.args[0].isdigit() else None

    @property
    def kind(self) -> Kind:
        if self.binary_charset or self.word in _BYTES:
            return Kind.BYTES
        special = {"bit": Kind.BITS, "enum": Kind.ENUM, "set": Kind.SET, "year": Kind.YEAR, "date": Kind.DATE}
        special |= {"datetime": Kind.DATETIME, "timestamp": Kind.DATETIME}
        if self.word in special:
            return special[self.word]
        return Kind.NUMBER if self.word in _INTEGERS or self.word in _DECIMALS or self.word in _FLOATS else Kind.TEXT

    @property
    def padded(self) -> int | None:
        """Bytes to which the server fills a BINARY(n) with zeros, or a BIT(n) from the left."""
        if self.word == "bit":
            return ((self.length or 1) + 7) // 8
        return (1 if self.length is None else self.length) if self.word == "binary" else None


def arrow_type(native: NativeType, *, instants: bool = False, overrides: Sequence[tuple[str, str]] = ()) -> pa.DataType:
    """Our type for a native one.

    `instants`: a TIMESTAMP is a moment, since the zone its text is written in is known; otherwise it stays naive. `overrides` are
    (native, ours) from platform.yaml, tried on the whole text (`tinyint(1)`) and then on the bare word; SettingsError for a name
    that is none of ours. TIME is text: MySQL's goes from -838 to 838 hours.
    """
    own = overridden(native.text, native.word, overrides)
    if own is not None:
        return own
    if native.kind in (Kind.BYTES, Kind.BITS):
        return BINARY
    if native.word in _INTEGERS:
        return _integer(native)
    if native.word in _DECIMALS:
        numbers = [int(text) for text in native.args if text.isdigit()]
        return decimal(*(numbers + [10, 0][len(numbers) :])[:2])
    if native.word == "timestamp":
        return INSTANT if instants else TIMESTAMP
    return {"date": DATE, "datetime": TIMESTAMP}.get(native.word, FLOAT64 if native.word in _FLOATS else STRING)


def _integer(native: NativeType) -> pa.DataType:
    plain = _INTEGERS[native.word]
    if native.word == "serial" or (plain == INT64 and native.unsigned):
        return decimal(20, 0)
    return INT64 if native.unsigned and native.word in _WIDE else plain
