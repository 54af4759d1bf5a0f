"""SQLite's dynamic typing: what a column's declared type does to the values that are stored in it.

Source: https://sqlite.org/datatype3.html, sections 3 (type affinity), 3.1 (how it is determined) and 4.2 (conversions before storage);
https://sqlite.org/stricttables.html. Not here: which of the platform's types a column gets (choice).
"""

from __future__ import annotations

import re
from enum import Enum

Value = int | float | str | bytes | None
"""A value as SQLite stores it: INTEGER, REAL, TEXT, BLOB or NULL."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\n\v\f\r]*", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class Affinity(Enum):
    """What a column prefers to store; BLOB prefers nothing."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"
    NUMERIC = "NUMERIC"
    BLOB = "BLOB"


def affinity_of(declared: str, *, strict: bool = False) -> Affinity:
    """Section 3.1, rules 1 to 5 in their order; `declared` is the type as written. ANY of a STRICT table prefers nothing."""
    word = declared.upper()
    if strict and word == "ANY":
        return Affinity.BLOB
    if "INT" in word:
        return Affinity.INTEGER
    if "CHAR" in word or "CLOB" in word or "TEXT" in word:
        return Affinity.TEXT
    if "BLOB" in word or not word:
        return Affinity.BLOB
    if "REAL" in word or "FLOA" in word or "DOUB" in word:
        return Affinity.REAL
    return Affinity.NUMERIC


def stored(value: Value, affinity: Affinity) -> Value:
    """The value that SQLite stores when this one is inserted into a column of this affinity."""
    if value is None or isinstance(value, bytes) or affinity is Affinity.BLOB:
        return value
    if affinity is Affinity.TEXT:
        return value if isinstance(value, str) else number_text(value)
    if isinstance(value, str):
        number = number_in(value)
        if number is None:
            return value
        value = number
    if affinity is Affinity.REAL:
        return float(value) + 0.0  # -0.0 is stored as the integer 0
    return _whole(value) if isinstance(value, float) else value


def number_in(text: str) -> int | float | None:
    """The number that a text is through and through, blanks around it aside; None for any other text."""
    found = _NUMBER.fullmatch(text)
    return None if found is None else number_of(found[1])


def number_of(literal: str) -> int | float:
    """A decimal literal: an integer of 64 bits, otherwise a float (1e999 is infinite, as in SQLite)."""
    if _INTEGER.fullmatch(literal) and len(literal) <= 40:
        number = int(literal)
        if INT_MIN <= number <= INT_MAX:
            return number
    return float(literal)


def _whole(value: float) -> int | float:
    """Floats that are whole become integers where that loses nothing (sqlite3VdbeIntegerAffinity leaves out the outermost two)."""
    if value.is_integer() and INT_MIN < value < INT_MAX:
        number = int(value)
        return number if INT_MIN < number < INT_MAX else value
    return value


def number_text(value: int | float) -> str:
    """A number as SQLite turns it into text: floats by 15 digits, with a point (printf %!.15g)."""
    if isinstance(value, int):
        return str(value)
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    text = f"{value:.15g}"
    mantissa, mark, exponent = text.partition("e")
    return (mantissa if "." in mantissa else f"{mantissa}.0") + mark + exponent
