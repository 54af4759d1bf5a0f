"""Columns of text to typed columns by our own strict rules: nothing is trimmed, rounded, guessed or taken for `now`.

A cell that its type cannot hold becomes NULL and is reported with its text; whether that rejects the row is the judge's business.
Whole columns are cast at once, Python sees the failing cells only (and the distinct words of a boolean column).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions
from platform_assets.dictionary.types import BINARY, BOOLEAN, FLOAT64, INT32, INT64, MAX_PRECISION, STRING
from platform_assets.formats.cast_times import attempt, cast_times, only

_INTEGER = r"^[+-]?[0-9]+$"
_FLOAT = r"^(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:[+-]?(?:inf|infinity)|nan))$"
_INFINITE = r"^(?i:[+-]?(?:inf|infinity))$"
_ZERO = r"^[+-]?[0.]+(?:[eE].*)?$"
_SIDE_BY_SIDE = 4096
"""Rows from which threads pay for themselves; the casts of long columns leave Python's lock."""
_THREADS = min(4, os.cpu_count() or 1)
TRUE, FALSE = DelimitedOptions.true, DelimitedOptions.false


@dataclass(frozen=True)
class CastBatch:
    """A batch under its table's schema. `raw` holds per row a JSON object {column: text as it came} of the cells that failed, or NULL."""

    batch: pa.RecordBatch
    raw: pa.StringArray
    failures: Mapping[str, int]
    """Failed cells per column; columns without any are absent."""


def cast_batch(batch: pa.RecordBatch, table: Table, *, true: Sequence[str] = TRUE, false: Sequence[str] = FALSE) -> CastBatch:
    """All columns of the table in its order; those that the batch lacks are NULL.

    Raises ValueError for a column that the table does not have: dropping it would lose data.
    """
    strangers = sorted(set(batch.schema.names) - set(table.column_names))
    if strangers:
        raise ValueError(f"{table.name}: the batch has columns that the table has not: {', '.join(strangers)}")

    def cast_one(column: Column) -> tuple[pa.Array, pa.BooleanArray | None]:
        at = batch.schema.get_field_index(column.name)
        if at < 0:
            return pa.nulls(batch.num_rows, column.type), None
        return cast_column(batch.column(at), column, true=true, false=false)

    each = map if batch.num_rows < _SIDE_BY_SIDE else _pool().map
    cast = list(each(cast_one, table.columns))
    typed = pa.RecordBatch.from_arrays([values for values, _ in cast], schema=table.arrow_schema())
    failed = {column.name: misses for column, (_, misses) in zip(table.columns, cast, strict=True) if misses is not None}
    return CastBatch(typed, _raw(batch, failed), {name: pc.sum(misses).as_py() for name, misses in failed.items()})


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """One for all batches: threads made anew for each left memory behind, some 70 MB over 3,000,000 rows."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="cast")


def cast_column(
    text: pa.Array | pa.ChunkedArray, column: Column, *, true: Sequence[str] = TRUE, false: Sequence[str] = FALSE
) -> tuple[pa.Array, pa.BooleanArray | None]:
    """The typed column, and which cells failed (True; they are NULL in the typed column), or None when all passed.

    A column of the type passes through; text and bytes are cast: whole numbers `[+-]?[0-9]+` in range; decimals exactly, zeros beyond
    the scale aside; floats in decimal notation with exponent, `inf`, `infinity`, `nan`, but nothing that overflows or vanishes;
    booleans by the words, in either case; dates and times by the column's formats, then ISO 8601 (cast_times). Bytes become text only
    if they are UTF-8. Raises pyarrow.ArrowInvalid when an array that is neither text nor of the type would lose by the cast.
    """
    array = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    if column.words.null and _is_text(array.type):
        array = _without_tokens(array, column.words.null)
    if array.type == column.type:
        return array, None
    if pa.types.is_null(array.type) or not _is_text(array.type):
        return array.cast(column.type), None
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type) or pa.types.is_binary_view(array.type):
        words = _decoded(array)
    else:
        words = array if array.type == STRING else array.cast(STRING)
    said = column.words
    values = _typed(_with_points(words) if said.decimal_comma else words, column, said.true or true, said.false or false)
    if values.null_count == array.null_count:
        return values, None
    return values, pc.and_(pc.is_valid(array), pc.is_null(values))


def _without_tokens(text: pa.Array, tokens: Sequence[str]) -> pa.Array:
    """NULL where the column's declared tokens stand."""
    found = pc.is_in(text, pa.array(tokens, STRING).cast(text.type))
    return pc.if_else(found, pa.scalar(None, text.type), text)


def _with_points(text: pa.StringArray) -> pa.StringArray:
    """Numbers with a decimal comma as Arrow reads them; a point has no place in one, so it stays wrong."""
    return pc.replace_substring(pc.replace_substring(text, ".", "?"), ",", ".")


def _is_text(arrow: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(kind(arrow) for kind in (*kinds, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view))


def _typed(text: pa.StringArray, column: Column, true: Sequence[str], false: Sequence[str]) -> pa.Array:
    target = column.type
    if target == STRING:
        return text
    if target == BINARY:
        return text.cast(BINARY)
    if not len(text) or text.null_count == len(text):
        return pa.nulls(len(text), target)
    if target in (INT32, INT64):
        return _integers(text, target)
    if target == FLOAT64:
        return _floats(text)
    if target == BOOLEAN:
        return _booleans(text, true, false)
    if pa.types.is_decimal(target):
        return _decimals(text, target)
    return cast_times(text, target, column.formats)


def _bytes(text: pa.StringArray) -> np.ndarray:
    """The bytes of all cells in one piece, those under NULLs included."""
    _, offsets, data = text.buffers()
    if data is None:
        return np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int32)[[text.offset, text.offset + len(text)]]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[1]]


def _without_letters(text: pa.StringArray) -> bool:
    """True when no cell has a byte above `9`: so no hexadecimal number and no exponent, which Arrow's casts would take."""
    data = _bytes(text)
    return not data.size or data.max() <= ord("9")


def _integers(text: pa.StringArray, target: pa.DataType) -> pa.Array:
    values = attempt(text, target) if _without_letters(text) else None
    if values is not None:
        return values
    numbers = pl.Series(pl.from_arrow(only(text, _INTEGER)))
    return numbers.cast(pl.Int32 if target == INT32 else pl.Int64, strict=False).to_arrow()


def _decimals(text: pa.StringArray, target: pa.DataType) -> pa.Array:
    # Beyond 38 digits Arrow's cast wraps around without a word.
    fits = _without_letters(text) and pc.max(pc.binary_length(text)).as_py() <= MAX_PRECISION
    values = attempt(text, target) if fits else None
    if values is not None:
        return values
    scale = target.scale
    good = only(only(text, rf"^[+-]?0*[0-9]{{0,{target.precision - scale}}}(?:\.[0-9]{{0,{scale}}}0*)?$"), "[0-9]")
    good = pc.replace_substring_regex(good, r"^([+-]?)\.", r"\10.")
    good = pc.replace_substring_regex(good, rf"(\.[0-9]{{{scale}}})0+$", r"\1") if scale else pc.replace_substring_regex(good, r"\..*$", "")
    return good.cast(target)


def _floats(text: pa.StringArray) -> pa.Array:
    # Arrow takes nan(1) for a number.
    values = attempt(text, FLOAT64) if not (_bytes(text) == ord("(")).any() else None
    if values is None:
        values = only(text, _FLOAT).cast(FLOAT64)
    return _without_overflow(text, values)


def _without_overflow(text: pa.StringArray, values: pa.DoubleArray) -> pa.DoubleArray:
    """1e999 is not infinity and 1e-999 is not zero: only words and zeros may give them."""
    lost = None
    for suspect, honest in ((pc.is_inf(values), _INFINITE), (pc.equal(values, 0.0), _ZERO)):
        if pc.any(suspect).as_py():
            candidates = pc.if_else(suspect, text, pa.scalar(None, STRING))
            wrong = pc.fill_null(pc.invert(pc.match_substring_regex(candidates, honest)), False)
            lost = wrong if lost is None else pc.or_(lost, wrong)
    return values if lost is None else pc.if_else(lost, pa.scalar(None, FLOAT64), values)


def _booleans(text: pa.StringArray, true: Sequence[str], false: Sequence[str]) -> pa.Array:
    meaning = {word.lower(): value for value, words in ((False, false), (True, true)) for word in words}
    encoded = text.dictionary_encode()
    return pa.array([meaning.get(word.lower()) for word in encoded.dictionary.to_pylist()], BOOLEAN).take(encoded.indices)


def _decoded(array: pa.Array) -> pa.StringArray:
    """Bytes as UTF-8 text, NULL where they are none. A batch with a bad cell pays one Python step per cell."""
    try:
        return array.cast(STRING)
    except pa.ArrowInvalid:
        return pa.array([_utf8(value) for value in array.to_pylist()], STRING)


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _raw(batch: pa.RecordBatch, failed: Mapping[str, pa.BooleanArray]) -> pa.StringArray:
    if not failed:
        return pa.nulls(batch.num_rows, STRING)
    rows: dict[int, dict[str, str]] = {}
    for name, misses in failed.items():
        hits = np.flatnonzero(misses.to_numpy(zero_copy_only=False))
        texts = batch.column(batch.schema.get_field_index(name)).take(pa.array(hits)).to_pylist()
        for row, value in zip(hits.tolist(), texts, strict=True):
            rows.setdefault(row, {})[name] = value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
    return pa.array([json.dumps(rows[row], ensure_ascii=False) if row in rows else None for row in range(batch.num_rows)], STRING)
