"""What a column of SQL Server is to us: its native type, the Arrow type, and the kind of values it stores.

Source: Transact-SQL reference, Data types; Precision, scale, and length. Names that a script makes itself (CREATE TYPE, sp_addtype) are
resolved in mssql.tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

from platform_assets.dictionary.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INSTANT,
    INT32,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
    decimal,
)
from platform_assets.formats.type_names import overridden


class Kind(Enum):
    """What the server stores."""

    TEXT = "text"
    GUID = "guid"
    INTEGER = "integer"
    BIT = "bit"
    DECIMAL = "decimal"
    FLOAT = "float"
    DATE = "date"
    TIME = "time"
    MOMENT = "moment"
    OFFSET = "offset"
    BYTES = "bytes"
    OPEN = "open"
    """Anything: sql_variant, CLR types, and columns that no CREATE TABLE told of. Kept as text."""


_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("char", "varchar", "nchar", "nvarchar", "text", "ntext", "sysname", "xml", "json", "character"), Kind.TEXT),
    **dict.fromkeys(("char varying", "character varying", "national char", "national character", "national text"), Kind.TEXT),
    **dict.fromkeys(("national char varying", "national character varying"), Kind.TEXT),
    "uniqueidentifier": Kind.GUID,
    **dict.fromkeys(("int", "integer", "smallint", "tinyint", "bigint"), Kind.INTEGER),
    "bit": Kind.BIT,
    **dict.fromkeys(("decimal", "dec", "numeric", "money", "smallmoney"), Kind.DECIMAL),
    **dict.fromkeys(("float", "real", "double precision"), Kind.FLOAT),
    "date": Kind.DATE,
    "time": Kind.TIME,
    **dict.fromkeys(("datetime", "smalldatetime", "datetime2"), Kind.MOMENT),
    "datetimeoffset": Kind.OFFSET,
    **dict.fromkeys(("binary", "varbinary", "image", "timestamp", "rowversion", "binary varying"), Kind.BYTES),
}
_PADDED = {"char", "nchar", "character", "national char", "national character"}
_INTEGERS = {"bigint": INT64}
_TYPES = {
    Kind.TEXT: STRING,
    Kind.GUID: STRING,
    Kind.OPEN: STRING,
    Kind.BIT: BOOLEAN,
    Kind.FLOAT: FLOAT64,
    Kind.DATE: DATE,
    Kind.TIME: TIME,
    Kind.MOMENT: TIMESTAMP,
    Kind.OFFSET: INSTANT,
    Kind.BYTES: BINARY,
}


@dataclass(frozen=True)
class NativeType:
    """A type as the script wrote it: `word` in lower case without brackets, `args` its numbers or `max`, `text` for people."""

    word: str
    args: tuple[str, ...] = ()
    text: str = ""

    @property
    def kind(self) -> Kind:
        return _KINDS.get(self.word, Kind.OPEN)

    @property
    def known(self) -> bool:
        """False for a name that is no type of the server: one that the script or a library defines."""
        return self.word in _KINDS or self.word in ("sql_variant", "hierarchyid", "geography", "geometry", "cursor", "vector")

    @property
    def row_version(self) -> bool:
        return self.word in ("timestamp", "rowversion")

    def number(self, position: int, default: int) -> int:
        given = self.args[position] if position < len(self.args) else ""
        return int(given) if given.isdigit() and len(given) < 6 else default

    @property
    def scale(self) -> int:
        """Digits behind the point of a decimal, or of the seconds."""
        if self.word in ("money", "smallmoney"):
            return 4
        if self.word in ("time", "datetime2", "datetimeoffset"):
            return self.number(0, 7)
        return self.number(1, 0)

    @property
    def padded(self) -> int | None:
        """The length to which the server fills: char and nchar with blanks, binary with zeros."""
        if self.word in _PADDED or self.word == "binary":
            return self.number(0, 1)
        return 8 if self.row_version else None


def arrow_type(native: NativeType, overrides: Sequence[tuple[str, str]] = ()) -> pa.DataType:
    """Our type for a native one. `overrides` are (native, ours) from platform.yaml, tried on the whole text, then on the bare word.

    Raises SettingsError for a name that is none of ours.
    """
    own = overridden(native.text, native.word, overrides)
    if own is not None:
        return own
    if native.kind is Kind.INTEGER:
        return _INTEGERS.get(native.word, INT32)
    if native.kind is Kind.DECIMAL:
        fixed = {"money": 19, "smallmoney": 10}
        return decimal(fixed.get(native.word, 0) or native.number(0, 18), native.scale)
    return _TYPES[native.kind]
