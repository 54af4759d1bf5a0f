"""Nested Arrow values as JSON text: exact numbers, bytes as \\x and hexadecimal digits, times as ISO 8601, maps as objects.

The text of a value depends on the value alone, so that equal values of two dumps are equal text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

Texts = list[str | None]


def json_texts(array: pa.Array) -> Texts:
    """One JSON text per value, None where it is NULL (within a value NULL is `null`)."""
    arrow = array.type
    if isinstance(array, pa.ExtensionArray):
        return json_texts(array.storage)
    if pa.types.is_dictionary(arrow):
        return json_texts(array.dictionary_decode())
    if pa.types.is_run_end_encoded(arrow):
        return json_texts(pc.run_end_decode(array))
    if pa.types.is_map(arrow):
        return _maps(array)
    if pa.types.is_struct(arrow):
        return _structs(array)
    if pa.types.is_union(arrow):
        return _unions(array)
    if pa.types.is_list_view(arrow) or pa.types.is_large_list_view(arrow):
        array = array.cast(pa.large_list(arrow.value_type))
        return _lists(array)
    if pa.types.is_fixed_size_list(arrow):
        array = array.cast(pa.large_list(arrow.value_type))
        return _lists(array)
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return _lists(array)
    return _leaves(array)


def _lists(array: pa.Array) -> Texts:
    inner = json_texts(array.values)
    return [None if at is None else f"[{_joined(inner[at[0] : at[1]])}]" for at in _ranges(array)]


def _ranges(array: pa.Array) -> list[tuple[int, int] | None]:
    offsets = array.offsets.to_pylist()
    valid = array.is_valid().to_pylist()
    return [(begin, end) if there else None for begin, end, there in zip(offsets, offsets[1:], valid, strict=False)]


def _joined(texts: Sequence[str | None]) -> str:
    return ",".join("null" if text is None else text for text in texts)


def _maps(array: pa.MapArray) -> Texts:
    """Objects; the keys as text, twins included as they stand."""
    keys = [text if text is not None and text.startswith('"') else json.dumps(text or "null") for text in json_texts(array.keys)]
    items = ["null" if text is None else text for text in json_texts(array.items)]
    pairs = [f"{key}:{item}" for key, item in zip(keys, items, strict=True)]
    return [None if at is None else "{" + ",".join(pairs[at[0] : at[1]]) + "}" for at in _ranges(array)]


def _structs(array: pa.StructArray) -> Texts:
    names = [json.dumps(array.type.field(at).name, ensure_ascii=False) for at in range(array.type.num_fields)]
    columns = [json_texts(array.field(at)) for at in range(array.type.num_fields)]
    texts: Texts = []
    for at, there in enumerate(array.is_valid().to_pylist()):
        pairs = (f"{name}:{'null' if column[at] is None else column[at]}" for name, column in zip(names, columns, strict=True))
        texts.append("{" + ",".join(pairs) + "}" if there else None)
    return texts


def _unions(array: pa.UnionArray) -> Texts:
    return [json_texts(pa.array([scalar.value.as_py()], scalar.value.type))[0] if scalar.is_valid else None for scalar in array]


def _leaves(array: pa.Array) -> Texts:
    arrow = array.type
    if pa.types.is_null(arrow):
        return [None] * len(array)
    if pa.types.is_boolean(arrow):
        return [None if value is None else "true" if value else "false" for value in array.to_pylist()]
    if pa.types.is_floating(arrow):
        return [None if value is None else _float(value) for value in array.cast(pa.float64()).to_pylist()]
    if pa.types.is_integer(arrow):
        return array.cast(pa.string()).to_pylist()
    if pa.types.is_duration(arrow):
        return array.cast(pa.int64()).cast(pa.string()).to_pylist()
    if pa.types.is_decimal(arrow):
        return [None if value is None else format(value, "f") for value in array.to_pylist()]
    if pa.types.is_temporal(arrow):
        zone = "Z" if pa.types.is_timestamp(arrow) and arrow.tz else ""
        local = array.cast(pa.int64()).cast(pa.timestamp(arrow.unit)) if zone else array
        return [None if text is None else json.dumps(_iso(text) + zone) for text in local.cast(pa.string()).to_pylist()]
    return [None if value is None else _text(value) for value in array.to_pylist()]


def _iso(text: str) -> str:
    """Zeros behind a decimal point come from the unit, not from the value."""
    text = text.replace(" ", "T")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else json.dumps(str(value))


def _text(value: object) -> str:
    return json.dumps("\\x" + value.hex() if isinstance(value, bytes) else value, ensure_ascii=False)
