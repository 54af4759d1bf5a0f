"""Cells of the JSON form: whole Arrow columns to JSON values and back, nothing lost. The document around them is json_form.py's."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INSTANT, INT32, INT64, TIME, TIMESTAMP

_SAFE_INTEGER = 1 << 53
_DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""Days since 1970 of 0001-01-01 and 9999-12-31, the dates that ISO 8601 writes in ten characters."""
CALENDAR = {
    DATE: (_FIRST_DAY, _LAST_DAY),
    TIMESTAMP: (_FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1),
    INSTANT: (_FIRST_DAY * _DAY, (_LAST_DAY + 1) * _DAY - 1),
    TIME: (0, _DAY - 1),
}
"""Of each type of dates and times, the first and last number that the years 1 to 9999 and the hours of a day hold."""
_WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_USUAL_NAN = "7ff8000000000000"


def cells_to_json(column: pa.Array) -> list[Any]:
    """JSON values of a column, None for NULL."""
    if column.type in CALENDAR:
        return _moments_to_json(column)
    values = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [None if value is None else format(value, "f") for value in values]
    if column.type == BINARY:
        return [None if value is None else base64.b64encode(value).decode("ascii") for value in values]
    if column.type == INT64 and not _within(column, -_SAFE_INTEGER, _SAFE_INTEGER):
        return [value if value is None or -_SAFE_INTEGER <= value <= _SAFE_INTEGER else str(value) for value in values]
    if column.type == FLOAT64 and not pc.all(pc.is_finite(column), min_count=0).as_py():
        return [value if value is None or math.isfinite(value) else _word(value) for value in values]
    return values


def cells_to_row_batch(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows of JSON values as a typed batch. Raises ArrowException, ValueError, TypeError or OverflowError for a value of no use."""
    columns = zip(*rows, strict=True)
    arrays = [_column(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _within(column: pa.Array, low: int, high: int) -> bool:
    bounds = pc.min_max(column)
    return bounds["min"].as_py() is None or (low <= bounds["min"].as_py() and bounds["max"].as_py() <= high)


def _word(value: float) -> str:
    """A NaN with other bits than the usual one says them, since nothing may be lost."""
    if value == value:
        return "Infinity" if value > 0 else "-Infinity"
    bits = struct.pack(">d", value).hex()
    return "NaN" if bits == _USUAL_NAN else f"NaN:{bits}"


def _integers(column: pa.Array) -> pa.Array:
    return column.view(INT32 if column.type == DATE else INT64)


def _moments_to_json(column: pa.Array) -> list[Any]:
    low, high = CALENDAR[column.type]
    numbers = _integers(column)
    if _within(numbers, low, high):
        return _iso(column)
    fits = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    texts = _iso(pc.if_else(fits, column, pa.scalar(None, column.type)))
    return [text if text is not None else number for text, number in zip(texts, numbers.to_pylist(), strict=True)]


def _iso(column: pa.Array) -> list[Any]:
    text = column.cast(pa.string())
    if column.type in (TIMESTAMP, INSTANT):
        text = pc.replace_substring(text, " ", "T", max_replacements=1)
    return text.to_pylist()


def _column(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    if wanted in CALENDAR:
        return _moments(values, wanted)
    convert = _converter(wanted)
    return pa.array(values if convert is None else [None if value is None else convert(value) for value in values], wanted)


def _converter(wanted: pa.DataType) -> Callable[[Any], Any] | None:
    if pa.types.is_decimal(wanted):
        return _decimal
    return {BINARY: _bytes, INT64: _integer, FLOAT64: _float}.get(wanted)


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a decimal as text")
    return Decimal(value)


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value, validate=True)


def _integer(value: Any) -> int:
    number = int(value)
    if str(number) != str(value):
        raise ValueError(f"{value!r} is not an integer")
    return number


def _float(value: Any) -> float:
    if isinstance(value, str) and len(value) == 20 and value.startswith("NaN:"):
        return float(struct.unpack(">d", bytes.fromhex(value[4:]))[0])
    if (isinstance(value, str) and value not in _WORDS) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return _WORDS[value] if isinstance(value, str) else float(value)


def _moments(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    texts = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
    moments = _times(texts) if wanted == TIME else texts.cast(wanted)
    if not any(isinstance(value, int) for value in values):
        return moments
    numbers = pa.array([value if isinstance(value, int) else None for value in values], INT32 if wanted == DATE else INT64)
    return pc.coalesce(moments, numbers.view(wanted))


def _times(texts: pa.Array) -> pa.Array:
    """Arrow reads no time of day from text, but the time of a day in 1970 is the same number."""
    return pc.binary_join_element_wise("1970-01-01", texts, "T").cast(TIMESTAMP).view(INT64).view(TIME)
