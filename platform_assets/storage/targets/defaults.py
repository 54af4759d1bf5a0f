"""What a column's default (dictionary.model.Column.default) is in another database's SQL: literals, and the present moment.

Not here: which columns have one (operations.copy), and how it is put on (database).
"""

from __future__ import annotations

import re
from datetime import time
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, STRING, TIME, TIMESTAMP

_TEXT = re.compile(r"'((?:[^']|'')*)'")
_BYTES = re.compile(r"x'((?:[0-9a-f]{2})*)'")
_CAST = r"\)*(?:::timestamp(?:\([0-6]\))?(?: with(?:out)? time zone)?)?\)*"
_NOW = re.compile(
    rf"\(*(?:current_timestamp|localtimestamp|now|getdate|sysdatetime|statement_timestamp|clock_timestamp)(?:\([0-6]?\))?{_CAST}",
    re.IGNORECASE,
)
"""The server's own time; what gives UTC is not the same where a column has no zone."""
_TODAY = re.compile(r"\(*(?:current_date|curdate)(?:\(\))?\)*(?:::date)?\)*", re.IGNORECASE)
_MOMENTS: dict[str, dict[pa.DataType, str]] = {
    "postgresql": {TIMESTAMP: "LOCALTIMESTAMP", INSTANT: "CURRENT_TIMESTAMP", DATE: "CURRENT_DATE"},
    "mysql": {TIMESTAMP: "(CURRENT_TIMESTAMP(6))", INSTANT: "(UTC_TIMESTAMP(6))", DATE: "(CURRENT_DATE)"},
    "sqlite": {TIMESTAMP: "(datetime('now', 'localtime'))", INSTANT: "CURRENT_TIMESTAMP", DATE: "CURRENT_DATE"},
    "mssql": {TIMESTAMP: "SYSDATETIME()", INSTANT: "SYSUTCDATETIME()", DATE: "(CAST(SYSDATETIME() AS date))"},
}
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")


def translated(default: str, kind: pa.DataType, dialect: sa.Dialect, product: str, *, as_text: bool = False) -> str | None:
    """The expression behind DEFAULT for a column of one of our types; None where there is none that means the same there.

    `product` is one of types.DIALECTS; `as_text`: the column holds decimals as text over there.
    """
    if found := _BYTES.fullmatch(default):
        return _bytes(bytes.fromhex(found[1]), product) if kind == BINARY else None
    if found := _TEXT.fullmatch(default):
        return _literal(found[1].replace("''", "'"), kind, dialect, product, as_text)
    if kind in (TIMESTAMP, INSTANT) and _NOW.fullmatch(default):
        return _MOMENTS[product][kind]
    if kind == DATE and (_TODAY.fullmatch(default) or _NOW.fullmatch(default)):
        return _MOMENTS[product][kind]
    return None


def _literal(text: str, kind: pa.DataType, dialect: sa.Dialect, product: str, as_text: bool) -> str | None:
    if kind == BINARY:
        return _bytes(bytes.fromhex(text[2:]), product) if re.fullmatch(r"\\x(?:[0-9a-fA-F]{2})*", text) else None
    if kind == STRING:
        quoted = _quoted(text, dialect)
        return f"({quoted})" if product == "mysql" else quoted  # its texts of any length take expressions only
    if kind == BOOLEAN:
        word = text.strip().lower()
        value = True if word in _TRUE else False if word in _FALSE else None
        return None if value is None else (str(value).lower() if product == "postgresql" else str(int(value)))
    try:
        value = pa.scalar(time.fromisoformat(text.strip()), TIME) if kind == TIME else pa.array([text.strip()], STRING).cast(kind)[0]
    except (pa.ArrowInvalid, ValueError):
        return None
    if kind in (DATE, TIME, TIMESTAMP, INSTANT):
        return _moment(value, kind, dialect, product)
    shown = repr(value.as_py()) if kind == FLOAT64 else format(value.as_py(), "f") if pa.types.is_decimal(kind) else str(value.as_py())
    if kind == FLOAT64 and not re.fullmatch(r"[-+.0-9e]+", shown):
        return None
    return _quoted(shown, dialect) if as_text else shown


def _moment(value: Any, kind: pa.DataType, dialect: sa.Dialect, product: str) -> str:
    text = str(value.cast(TIMESTAMP).cast(STRING) if kind == INSTANT else value.cast(STRING))
    return _quoted(f"{text}+00" if kind == INSTANT and product == "postgresql" else text, dialect)


def _bytes(data: bytes, product: str) -> str:
    forms = {"postgresql": "'\\x{}'", "mysql": "(x'{}')", "sqlite": "x'{}'", "mssql": "0x{}"}
    return forms[product].format(data.hex())


def _quoted(text: str, dialect: sa.Dialect) -> str:
    """As the dialect writes a text, backslashes, and percent signs for its driver, included."""
    return str(sa.literal(text, sa.String()).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
