"""Arrow's many types -> the platform's few, without loss: what a cell's column cannot hold becomes text, which the caster keeps in `_raw`.

Not here: nested values, which become JSON text (json_texts).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
from platform_assets.formats.columnar.json_texts import json_texts

_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""0001-01-01 and 9999-12-31 in microseconds of 1970: what Python and PostgreSQL both hold."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_SMALL = (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16())


def plain_type(arrow: pa.DataType) -> pa.DataType:
    """The storage of an extension, the values of a dictionary or of runs."""
    while isinstance(arrow, pa.BaseExtensionType) or pa.types.is_dictionary(arrow) or pa.types.is_run_end_encoded(arrow):
        arrow = arrow.storage_type if isinstance(arrow, pa.BaseExtensionType) else arrow.value_type
    return arrow


def target_type(arrow: pa.DataType) -> pa.DataType:
    """Our type for a column of Arrow's type. Whatever is nested, or has no type of ours, is text."""
    arrow = plain_type(arrow)
    if pa.types.is_boolean(arrow):
        return BOOLEAN
    if arrow in _SMALL:
        return INT32
    if arrow in (pa.uint32(), pa.int64()) or pa.types.is_duration(arrow):
        return INT64
    if arrow == pa.uint64():
        return decimal(20, 0)
    if pa.types.is_floating(arrow):
        return FLOAT64
    if pa.types.is_decimal(arrow):
        scale = max(arrow.scale, 0)
        return decimal(arrow.precision + max(-arrow.scale, 0), scale)
    if _is_bytes(arrow):
        return BINARY
    if pa.types.is_date(arrow):
        return DATE
    if pa.types.is_timestamp(arrow):
        return INSTANT if arrow.tz else TIMESTAMP
    return TIME if pa.types.is_time(arrow) else STRING


def _is_bytes(arrow: pa.DataType) -> bool:
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(kind(arrow) for kind in kinds)


def converted(array: pa.Array) -> pa.Array:
    """The array in its target type, or as text when one of its cells does not fit: then those cells alone will fail in the caster."""
    array = plain_array(array)
    arrow = array.type
    if pa.types.is_timestamp(arrow):
        return _timestamps(array)
    if pa.types.is_time(arrow):
        return _times(array)
    if pa.types.is_date64(arrow):
        return _timestamps(array.cast(pa.int64()).cast(pa.timestamp("ms")), DATE)
    if pa.types.is_date32(arrow):
        return _timestamps(array.cast(pa.timestamp("s")), DATE)
    if pa.types.is_duration(arrow):
        return array.cast(pa.int64())
    if pa.types.is_decimal(arrow):
        return array if arrow == target_type(arrow) else array.cast(STRING) if arrow.scale >= 0 else _plain_decimals(array)
    if pa.types.is_nested(arrow) or pa.types.is_union(arrow):
        return pa.array(json_texts(array), STRING)
    if pa.types.is_null(arrow):
        return array.cast(STRING)
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow):
        return _valid_text(array)
    target = target_type(arrow)
    if arrow == target:
        return array
    return array.cast(pa.decimal128(20, 0)) if arrow == pa.uint64() else array.cast(target)


def plain_array(array: pa.Array) -> pa.Array:
    while array.type != plain_type(array.type):
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        else:
            array = pc.run_end_decode(array)
    return array


def _plain_decimals(array: pa.Array) -> pa.Array:
    """Negative scales: 12E+3 is written as 12000."""
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], STRING)


def _timestamps(array: pa.Array, target: pa.DataType | None = None) -> pa.Array:
    unit, zone = array.type.unit, array.type.tz
    wanted = target or (INSTANT if zone else TIMESTAMP)
    numbers = array.cast(pa.int64())
    per = _PER_SECOND[unit]
    values = numbers.drop_null().to_numpy(zero_copy_only=False)
    micros = np.empty(0, np.int64)
    if per > 1_000_000:
        fits = not (values % 1000).any()
        micros = values // 1000
    else:
        fits = not len(values) or bool(np.abs(values.astype(np.float64)).max() < 9.2e18 * per / 1_000_000)
        micros = values * (1_000_000 // per) if fits else micros
    if fits and len(micros):
        fits = bool(micros.min() >= _FIRST and micros.max() <= _LAST)
        fits = fits and (wanted != DATE or not (micros % 86_400_000_000).any())
    if not fits:
        texts = iso_texts(numbers, unit, "Z" if zone else "")
        return texts if wanted != DATE else pc.replace_substring_regex(texts, r"T00:00:00(\.0+)?$", "")
    counts = array.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
    return counts.cast(INSTANT) if wanted == INSTANT else counts.cast(TIMESTAMP).cast(wanted)


def iso_texts(numbers: pa.Array, unit: str, zone: str) -> pa.StringArray:
    """Counts of `unit` since 1970 as ISO 8601 text with all their digits, whatever the year."""
    valid = numbers.is_valid().to_numpy(zero_copy_only=False)
    texts = np.datetime_as_string(numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(f"datetime64[{unit}]"))
    return pa.array([f"{text}{zone}" if there else None for text, there in zip(texts.tolist(), valid.tolist(), strict=True)], STRING)


def _times(array: pa.Array) -> pa.Array:
    width = pa.int32() if array.type.bit_width == 32 else pa.int64()
    counts = array.cast(width).cast(pa.int64())
    numbers = counts.drop_null().to_numpy(zero_copy_only=False)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < 86_400 * _PER_SECOND[array.type.unit]:
        return counts.cast(STRING)
    if array.type.unit != "ns":
        return array.cast(TIME)
    if not (numbers % 1000).any():
        return array.cast(TIME)
    return array.cast(STRING)


def _valid_text(array: pa.Array) -> pa.Array:
    """Text as it is; as bytes when a cell of it is no UTF-8, which Parquet's readers do not look at."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return array.cast(pa.large_binary() if pa.types.is_large_string(array.type) else BINARY)
    return array.cast(STRING)
