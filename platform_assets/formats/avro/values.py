"""Decoded values of one Avro type (plain: no logical type applied) -> an Arrow array of the column's type, or text; and JSON texts."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.types import STRING
from platform_assets.formats.avro.schema import Node
from platform_assets.formats.columnar.json_texts import json_texts
from platform_assets.formats.columnar.types import converted


def to_array(node: Node, values: Sequence[Any]) -> pa.Array:
    """One array per column. Text where a value is beyond the column's type: then that cell alone fails in the caster."""
    if node.kind == "union":
        return _union(node, values)
    if node.temporal is not None:
        width = pa.int32() if node.kind == "int" else pa.int64()
        return converted(pa.array(values, width).cast(node.temporal))
    if node.kind in ("record", "array", "map"):
        return pa.array([None if value is None else json_text(node, value) for value in values], STRING)
    if node.kind == "null":
        return pa.nulls(len(values), STRING)
    if node.logical or node.kind == "enum":
        return pa.array([None if value is None else _text(node, value) for value in values], STRING)
    return pa.array(values, node.type())


def _union(node: Node, values: Sequence[Any]) -> pa.Array:
    """Several branches: each value is {branch: value}; branches are converted apart and meet in the column's type."""
    choices = node.choices
    if len(choices) < 2:
        return to_array(choices[0] if choices else Node("null"), values)
    wanted = node.type()
    cells: list[Any] = [None] * len(values)
    as_text = wanted == STRING
    parts = []
    for at, branch in enumerate(node.inner):
        where = [row for row, value in enumerate(values) if value is not None and f"b{at}" in value]
        if where:
            parts.append((where, to_array(branch, [values[row][f"b{at}"] for row in where])))
    as_text = as_text or any(array.type != wanted and pa.types.is_string(array.type) for _, array in parts)
    for where, array in parts:
        shown = plain_texts(array) if as_text else array.cast(wanted).to_pylist()
        for row, cell in zip(where, shown, strict=True):
            cells[row] = cell
    return pa.array(cells, STRING if as_text else wanted)


def plain_texts(array: pa.Array) -> list[str | None]:
    """The JSON texts of scalars without quotes."""
    if pa.types.is_string(array.type):
        return array.to_pylist()
    texts = json_texts(array)
    return [json.loads(text) if text is not None and text.startswith('"') else text for text in texts]


def _text(node: Node, value: Any) -> str:
    if node.kind == "enum":
        return node.symbols[int(value[1:])]
    if node.logical == "decimal":
        return format(exact_decimal(value, node.scale), "f")
    if node.logical == "uuid":
        return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) else value
    months, days, millis = (int.from_bytes(value[at : at + 4], "little") for at in (0, 4, 8))
    return f"P{months}M{days}DT{millis // 1000}.{millis % 1000:03d}S"


def exact_decimal(data: bytes, scale: int) -> Decimal:
    """Big-endian two's complement, with all its digits: no context rounds it."""
    number = int.from_bytes(data, "big", signed=True)
    return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))


def json_text(node: Node, value: Any) -> str:
    """A value within a record, array or map as JSON: decimals and numbers exact, bytes as \\x and digits, times as ISO 8601."""
    if value is None:
        return "null"
    if node.kind == "union":
        choices = node.choices
        if len(choices) < 2:
            return json_text(choices[0] if choices else Node("null"), value)
        ((name, inner),) = value.items()
        return json_text(node.inner[int(name[1:])], inner)
    if node.kind == "record":
        pairs = (
            f"{json.dumps(name, ensure_ascii=False)}:{json_text(inner, value[f'f{at}'])}"
            for at, (name, inner) in enumerate(zip(node.names, node.inner, strict=True))
        )
        return "{" + ",".join(pairs) + "}"
    if node.kind == "array":
        return f"[{','.join(json_text(node.inner[0], item) for item in value)}]"
    if node.kind == "map":
        return (
            "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{json_text(node.inner[0], item)}" for key, item in value.items()) + "}"
        )
    return _scalar(node, value)


def _scalar(node: Node, value: Any) -> str:
    if node.temporal is not None:
        text = plain_texts(to_array(node, [value]))[0]
        return json.dumps(text)
    if node.logical == "decimal":
        return _text(node, value)
    if node.logical or node.kind == "enum":
        return json.dumps(_text(node, value), ensure_ascii=False)
    if isinstance(value, bytes):
        return json.dumps("\\x" + value.hex())
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False)
