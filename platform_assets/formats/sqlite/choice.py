"""Which of the platform's types a column of SQLite gets, so that nothing of its values is lost.

INTEGER, REAL and TEXT columns have their type by declaration. The others may hold anything: their declaration is what is wished for, the
values of the first batch decide whether it can be had. What does not fit later on is NULL and kept in `_raw`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INT64, MAX_PRECISION, STRING, TIMESTAMP, decimal
from platform_assets.formats.sqlite.affinity import Affinity, Value, affinity_of
from platform_assets.formats.type_names import type_of

EXACT_FLOAT = 2**53
_SURE_LENGTH = 15
"""Bytes of a number up to which the shortest text of its float has its own digits."""
_DAY = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])", re.ASCII)
_MOMENT = re.compile(_DAY.pattern + r"(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?)?", re.ASCII)
_SIZE = re.compile(r"\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\)")
_NUMBERS = {"NUMERIC", "DECIMAL", "DEC", "NUMBER", "FIXED", "MONEY", "BOOLEAN", "BOOL"}
_MOMENTS = {"DATETIME", "TIMESTAMP", "DATETIME2", "SMALLDATETIME"}


MIXED = "Values of several storage classes as text: numbers as they are, blobs as X'..', a text that could be taken for either in quotes."


@dataclass(frozen=True)
class Choice:
    """A column's type. `mixed`: a text that holds values of several classes, each recognizable (values.shown)."""

    type: pa.DataType
    mixed: bool = False


def by_declaration(declared: str, *, strict: bool, overrides: Sequence[tuple[str, str]] = ()) -> Choice | None:
    """The type where the declaration alone decides it; None where the values must be seen."""
    own = type_of(declared, overrides) if overrides and _overridden(declared, overrides) else None
    if own is not None:
        return Choice(own)
    fixed = {Affinity.INTEGER: INT64, Affinity.REAL: FLOAT64, Affinity.TEXT: STRING}.get(affinity_of(declared, strict=strict))
    return None if fixed is None else Choice(fixed)


def _overridden(declared: str, overrides: Sequence[tuple[str, str]]) -> bool:
    text = " ".join(declared.lower().split())
    return bool({text, text.replace(" ", ""), text.partition("(")[0].strip()} & dict(overrides).keys())


def by_values(declared: str, values: Sequence[Value], *, strict: bool) -> Choice:
    """The type of a column of NUMERIC or BLOB affinity whose first values, as stored, are these."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {bytes}:
        return Choice(BINARY)
    if affinity_of(declared, strict=strict) is Affinity.BLOB:
        return _untyped(declared, kinds)
    word = declared.upper().partition("(")[0].split()
    wish = word[0] if word else ""
    if not kinds:
        return Choice(_wished(wish, declared))
    if kinds == {str}:
        return Choice(_texts(wish, [value for value in values if isinstance(value, str)]))
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers:
        return Choice(STRING, mixed=True)
    if wish == "DATE" or wish in _MOMENTS or wish in _NUMBERS:
        return _typed(_numbers(wish, declared, numbers))
    if str in kinds or bytes in kinds:
        return Choice(STRING, mixed=True)
    return _typed(INT64 if float not in kinds else _numbers(wish, declared, numbers))


def by_literals(declared: str, literals: pa.Array, *, strict: bool) -> Choice | None:
    """What by_values gives for the values of these literals, where their form alone tells it: dates, moments, decimals that fit."""
    if affinity_of(declared, strict=strict) is not Affinity.NUMERIC or literals.null_count == len(literals):
        return None
    word = declared.upper().partition("(")[0].split()
    wish = word[0] if word else ""
    if wish == "DATE" and _all_match(literals, f"^'{_DAY.pattern}'$"):
        return Choice(DATE)
    if wish in _MOMENTS and _all_match(literals, f"^'{_MOMENT.pattern}'$"):
        return Choice(TIMESTAMP)
    sized = _sized(declared) if wish in _NUMBERS else None
    if sized is None or pc.max(pc.binary_length(literals)).as_py() > _SURE_LENGTH:
        return None
    whole, fraction = sized.precision - sized.scale, rf"(?:\.[0-9]{{1,{sized.scale}}})?" if sized.scale else ""
    return Choice(sized) if whole and _all_match(literals, rf"^-?[0-9]{{1,{whole}}}{fraction}$") else None


def _all_match(literals: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(literals, pattern)).as_py())


def _typed(kind: pa.DataType) -> Choice:
    """Numbers that only a text holds need to be told from texts."""
    return Choice(kind, mixed=kind == STRING)


def _untyped(declared: str, kinds: set[type]) -> Choice:
    if len(kinds) > 1:
        return Choice(STRING, mixed=True)
    if not kinds:
        return Choice(BINARY if declared else STRING)
    return Choice({int: INT64, float: FLOAT64, str: STRING}[next(iter(kinds))])


def _wished(wish: str, declared: str) -> pa.DataType:
    """For a column without any value."""
    if wish == "DATE":
        return DATE
    if wish in _MOMENTS:
        return TIMESTAMP
    if wish in ("BOOLEAN", "BOOL"):
        return INT64
    return _sized(declared) or (FLOAT64 if wish in _NUMBERS else STRING)


def _texts(wish: str, texts: list[str]) -> pa.DataType:
    if wish == "DATE" and all(map(_DAY.fullmatch, texts)):
        return DATE
    if (wish == "DATE" or wish in _MOMENTS) and all(map(_MOMENT.fullmatch, texts)):
        return TIMESTAMP
    return STRING


def _numbers(wish: str, declared: str, numbers: list[int | float]) -> pa.DataType:
    whole = all(isinstance(number, int) for number in numbers)
    if whole and (wish not in _NUMBERS or wish in ("BOOLEAN", "BOOL")):
        return INT64
    sized = _sized(declared)
    if sized is not None and all(fits(number, sized) for number in numbers):
        return sized
    if all(isinstance(number, float) or abs(number) <= EXACT_FLOAT for number in numbers):
        return FLOAT64
    return INT64 if whole else STRING


def _sized(declared: str) -> pa.DataType | None:
    """decimal(p,s) for a declaration with a size; one of more digits than a decimal has is no type of ours."""
    found = _SIZE.search(declared)
    if found is None or not 0 < int(found[1]) <= MAX_PRECISION or int(found[2] or 0) > int(found[1]):
        return None
    return decimal(int(found[1]), int(found[2] or 0))


def fits(number: int | float, kind: pa.DataType) -> bool:
    """Whether the shortest text of a number is exactly a decimal of this type."""
    digits = Decimal(repr(number))
    if not digits.is_finite():
        return False
    scaled = digits.scaleb(kind.scale)
    return scaled == scaled.to_integral_value() and abs(scaled) < 10**kind.precision
