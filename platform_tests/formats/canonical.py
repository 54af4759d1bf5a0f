r"""Rows as the canonical text of truth.tsv, one function per dialect. No test stands here.

A row is its fields in the order of the columns with TABs between them and a LF behind; NULL is \N; backslash, TAB, LF and CR are \\, \t,
\n, \r; bytes are \x and lower-case hexadecimal digits (that backslash doubled as well); all else is the text that the server gives in a UTC
session with ISO dates and the shortest floats. The hash is sha256 over the sorted rows.

A dialect's function gives the text that its server would print for a value; NULL, escaping, sorting and hashing are the same for all.
A new format is one more function in CANONICAL, by the name of the format that reads it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from postgres_reading import server_text

from platform_assets.dictionary.model import Column
from platform_assets.formats.sqlite.affinity import Affinity, affinity_of

Text = Callable[[Column, object], str]
"""(column, value that is not NULL) -> what the dialect's server prints. Values are as a reader gives them, or typed."""
_DIGITS = re.compile(r"\((\d)\)")


def hashed(columns: Sequence[Column], rows: Iterable[Sequence[object]], text: Text) -> tuple[int, int, str]:
    """Rows, columns and the hash of the sorted lines, as a line of truth.tsv has them."""
    lines = sorted(line(columns, row, text) for row in rows)
    return len(lines), len(columns), hashlib.sha256(b"".join(lines)).hexdigest()


def line(columns: Sequence[Column], row: Sequence[object], text: Text) -> bytes:
    return joined(
        [value if value is None or isinstance(value, bytes) else text(column, value) for column, value in zip(columns, row, strict=True)]
    )


def joined(cells: Iterable[str | bytes | None]) -> bytes:
    """A line of cells that are texts as the server prints them, or bytes."""
    return b"\t".join(map(_cell, cells)) + b"\n"


def _cell(value: str | bytes | None) -> bytes:
    if value is None:
        return b"\\N"
    shown = "\\x" + value.hex() if isinstance(value, bytes) else value
    return shown.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").encode("utf-8")


def mysql(column: Column, value: object) -> str:
    """What MySQL's client prints. A reader gives mostly text as the server would print it; the rest are typed values."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + _fraction(column, value.microsecond)
    if isinstance(value, time):
        return f"{value:%H:%M:%S}" + _fraction(column, value.microsecond)
    if isinstance(value, timedelta):
        raise TypeError(f"{column.name}: no reader gives an interval for {column.native}")
    return value.isoformat() if isinstance(value, date) else str(value)


def postgres(column: Column, value: object) -> str:
    """What COPY ... TO STDOUT prints in a session as the README has it."""
    return server_text(value)


def sqlite(column: Column, value: object) -> str:
    """What Python's sqlite3 shows: a column of affinity REAL holds floats, 0.0 too; elsewhere whole numbers are integers."""
    if isinstance(value, float):
        return repr(value) if affinity_of(column.native) is Affinity.REAL else _float(value)
    return str(value)


def _float(value: float) -> str:
    """The shortest digits that give the number back; an exponent as the C library of the server writes it."""
    digits = repr(value).removesuffix(".0")
    return digits.replace("e+", "e")


def _fraction(column: Column, microsecond: int) -> str:
    found = _DIGITS.search(column.native)
    digits = int(found[1]) if found else 0
    return f".{microsecond:06}"[: digits + 1] if digits else ""


CANONICAL: dict[str, Text] = {
    "mysql": mysql,
    "mysql-tab": mysql,
    "mysql-xml": mysql,
    "mydumper": mysql,
    "postgres": postgres,
    "sqlite": sqlite,
    "sqlite-database": sqlite,
}
"""Format name -> its dialect's text. A format that is not here is not judged (test_conformance skips its files and says so).

SQL Server is not: no truth of a server is at hand. Its Chinook is held against MySQL's, value by value (test_mssql)."""
