"""The platform's column types in each kind of database, and what one of them holds otherwise than exactly. Not here: values (cells)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP

MYSQL_SCALE = 30
"""MySQL's own bound; MariaDB's is 38."""
KEY_LENGTHS = {"mysql": (768, 3_072), "mssql": (425, 850)}
"""How many characters and bytes a key's column may have (InnoDB's utf8mb4; SQL Server's NVARCHAR in an index)."""
_MSSQL_BINARY = "Latin1_General_100_BIN2"

_EXACT: dict[pa.DataType, Any] = {
    BOOLEAN: sa.Boolean(),
    INT32: sa.Integer(),
    INT64: sa.BigInteger(),
    FLOAT64: sa.Double(),
    STRING: sa.Text(),
    BINARY: sa.LargeBinary(),
    DATE: sa.Date(),
    TIMESTAMP: sa.DateTime(),
    INSTANT: sa.DateTime(timezone=True),
    TIME: sa.Time(),
}
_OWN: dict[str, dict[pa.DataType, Any]] = {
    "postgresql": {},
    "mysql": {BINARY: mysql.LONGBLOB(), TIMESTAMP: mysql.DATETIME(fsp=6), INSTANT: mysql.DATETIME(fsp=6), TIME: mysql.TIME(fsp=6)},
    "sqlite": {INSTANT: sa.DateTime()},
    "mssql": {
        BINARY: mssql.VARBINARY("max"),
        DATE: sa.DATE(),
        TIMESTAMP: mssql.DATETIME2(6),
        INSTANT: mssql.DATETIME2(6),
        TIME: mssql.TIME(6),
        STRING: mssql.NVARCHAR(None, collation=_MSSQL_BINARY),
    },
}
DIALECTS = tuple(_OWN)


@dataclass(frozen=True)
class Held:
    """The type of a column over there; `note` says what of its values is held otherwise, empty when all is exact."""

    type: Any
    note: str = ""


def held(dialect: str, kind: pa.DataType, *, longest: int | None = None, nopad: bool = False) -> Held:
    """The type for one of ours. `longest`: of a column in a key, the length of its longest value in characters, or bytes if binary.

    `nopad`: the server has MariaDB's collations. Raises KeyError for a type outside dictionary.types.
    """
    if pa.types.is_decimal(kind):
        return _decimal(dialect, kind)
    if kind in (STRING, BINARY) and dialect in KEY_LENGTHS and longest is not None:
        return Held(_in_key(dialect, kind, max(1, longest), nopad))
    if kind == STRING and dialect == "mysql":
        return Held(mysql.LONGTEXT(charset="utf8mb4", collation=_collation(nopad)))
    note = "in UTC, without a zone" if kind == INSTANT and dialect != "postgresql" else ""
    return Held(_OWN[dialect].get(kind, _EXACT[kind]), note)


def is_text(found: Held) -> bool:
    return isinstance(found.type, sa.String)


def _decimal(dialect: str, kind: pa.DataType) -> Held:
    if dialect == "sqlite":
        return Held(sa.Text(), "decimals as text: SQLite has floating point numbers only")
    if dialect == "mysql" and kind.scale > MYSQL_SCALE:
        return Held(sa.String(kind.precision + 3), f"decimals of {kind.scale} places as text: MySQL has {MYSQL_SCALE}")
    return Held(sa.Numeric(kind.precision, kind.scale))


def _in_key(dialect: str, kind: pa.DataType, length: int, nopad: bool) -> Any:
    if kind == BINARY:
        return sa.VARBINARY(length)
    if dialect == "mysql":
        return mysql.VARCHAR(length, charset="utf8mb4", collation=_collation(nopad))
    return mssql.NVARCHAR(length, collation=_MSSQL_BINARY)


def _collation(nopad: bool) -> str:
    """Texts that differ in case, accents or spaces at the end are different keys here as well; MySQL's own ignores those spaces."""
    return "utf8mb4_nopad_bin" if nopad else "utf8mb4_bin"
