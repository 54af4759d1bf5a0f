"""Arrow columns as the text that PostgreSQL writes for them, whole columns at once; and rows of Python values for people.

Bytes are `\\x` and hexadecimal digits, instants are in UTC, numbers have all their digits. A date or time that the calendar of the
years 1 to 9999 does not hold is its number of days or microseconds, as in the JSON form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIMESTAMP
from platform_assets.storage.rows.json_cells import CALENDAR
from platform_assets.versions.drift import widen

_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def cell_texts(column: pa.Array) -> pa.StringArray:
    """One text per value, NULL for NULL."""
    kind = column.type
    if kind == STRING:
        return column
    if kind == BINARY:
        return widen(column, STRING)
    if kind in CALENDAR:
        return _moments(column)
    texts = column.cast(STRING)
    if kind == FLOAT64:
        return texts if pc.all(pc.is_finite(column), min_count=0).as_py() else _words(texts)
    if pa.types.is_decimal(kind) and pc.any(pc.match_substring(texts, "E")).as_py():
        return pa.array([None if value is None else format(value, "f") for value in column.to_pylist()], STRING)
    return texts


def _words(texts: pa.StringArray) -> pa.StringArray:
    for found, wanted in _WORDS.items():
        texts = pc.if_else(pc.equal(texts, found), wanted, texts)
    return pc.if_else(pc.equal(texts, "-nan"), "NaN", texts)


def _moments(column: pa.Array) -> pa.StringArray:
    low, high = CALENDAR[column.type]
    numbers = column.view(INT32 if column.type == DATE else INT64)
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is None or (low <= bounds["min"] and bounds["max"] <= high):
        return _calendar_texts(column)
    fits = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    return pc.coalesce(_calendar_texts(pc.if_else(fits, column, pa.scalar(None, column.type))), numbers.cast(STRING))


def _calendar_texts(column: pa.Array) -> pa.StringArray:
    """Without zeros at the end of a fraction."""
    if column.type == DATE:
        return column.cast(STRING)
    texts = (column.cast(TIMESTAMP) if column.type == INSTANT else column).cast(STRING)
    texts = pc.replace_substring_regex(pc.replace_substring_regex(texts, r"(\.\d*?)0+$", r"\1"), r"\.$", "")
    return pc.binary_join_element_wise(texts, "+00", "") if column.type == INSTANT else texts


def shown_rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Rows of None, bool, int, finite float, Decimal, bytes, and text for the rest: what a query to the warehouse gives."""
    return zip(*(_shown(column) for column in batch.columns), strict=True)


def _shown(column: pa.Array) -> list[Any]:
    kind = column.type
    if kind in (BOOLEAN, INT32, INT64, BINARY) or pa.types.is_decimal(kind):
        return column.to_pylist()
    if kind == FLOAT64:
        return [value if value is None or math.isfinite(value) else _WORDS[str(value)] for value in column.to_pylist()]
    return cell_texts(column).to_pylist()
