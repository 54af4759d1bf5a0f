"""Arrow columns as texts of JSON values, whole columns at once, and rows as JSON objects. RFC 8259.

Numbers have all their digits, as JSON allows (a reader that keeps numbers in floats would round them: the JSON form of json_form.py
is for that). Dates, times and bytes are texts as PostgreSQL writes them, and so are NaN and the infinities.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BOOLEAN, FLOAT64, INT32, INT64, STRING
from platform_assets.storage.exports.cell_texts import cell_texts
from platform_assets.storage.exports.lines import contains

_ESCAPED = r'["\\\x00-\x1f]'
encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_values(column: pa.Array) -> pa.StringArray:
    """The JSON text of each value, `null` for NULL."""
    texts, kind = cell_texts(column), column.type
    if kind == FLOAT64:
        quotes = pc.invert(pc.is_finite(column))
        if pc.any(quotes, min_count=0).as_py():
            texts = pc.if_else(quotes, pc.binary_join_element_wise('"', texts, '"', ""), texts)
    elif kind not in (BOOLEAN, INT32, INT64) and not pa.types.is_decimal(kind):
        texts = _quoted(texts)
    return pc.fill_null(texts, "null")


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    if contains(texts, _ESCAPED):
        return pa.array([None if text is None else encoded(text) for text in texts.to_pylist()], STRING)
    return pc.binary_join_element_wise('"', texts, '"', "")


def object_pieces(batch: pa.RecordBatch, names: Sequence[str]) -> list[pa.Array | str]:
    """The pieces of one JSON object per row with these columns, for lines()."""
    pieces: list[pa.Array | str] = []
    for place, name in enumerate(names):
        pieces += [f"{',' if place else '{'}{encoded(name)}:", json_values(batch.column(batch.schema.get_field_index(name)))]
    return [*pieces, "}"] if names else ["{}"]


def list_pieces(batch: pa.RecordBatch, names: Sequence[str]) -> list[pa.Array | str]:
    """The pieces of one JSON list per row with the values of these columns."""
    pieces: list[pa.Array | str] = []
    for place, name in enumerate(names):
        pieces += ["," if place else "[", json_values(batch.column(batch.schema.get_field_index(name)))]
    return [*pieces, "]"] if names else ["[]"]
