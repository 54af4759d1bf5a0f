"""Whole records of proven text -> Arrow columns, and the search for the records in it that are not UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from platform_assets.formats.base import BATCH_ROWS
from platform_assets.formats.delimited.dialect import Dialect
from platform_assets.formats.delimited.proof import Int64s, Spans

_WINDOW = 256
"""Records looked at together when a block is not UTF-8: few windows are bad, and only their records are tried one by one."""


def is_utf8(text: memoryview) -> bool:
    if not len(text):
        return True
    offsets = pa.py_buffer(np.array([0, len(text)], np.int32))
    try:
        pa.StringArray.from_buffers(1, offsets, pa.py_buffer(text)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def undecodable_records(text: memoryview, spans: Spans) -> list[int]:
    """Indexes of the records that are not UTF-8."""
    found: list[int] = []
    for first in range(0, len(spans.starts), _WINDOW):
        starts, stops = spans.starts[first : first + _WINDOW].tolist(), spans.stops[first : first + _WINDOW].tolist()
        if not is_utf8(text[starts[0] : stops[-1]]):
            found += [first + n for n, (start, stop) in enumerate(zip(starts, stops, strict=True)) if not is_utf8(text[start:stop])]
    return found


def without(text: memoryview, spans: Spans, indexes: list[int]) -> memoryview:
    parts, position = [], 0
    for index in indexes:
        parts.append(text[position : spans.starts[index]])
        position = int(spans.stops[index])
    parts.append(text[position:])
    return memoryview(b"".join(parts))


def renumbered(invalid: list[int], undecodable: list[int], count: int) -> list[int]:
    """Positions among the records that Arrow saw become positions among all."""
    if not undecodable or not invalid:
        return invalid
    seen = np.delete(np.arange(count), undecodable)
    return seen[np.array(invalid)].tolist()


def read_block(text: memoryview, dialect: Dialect, width: int, invalid: list[int]) -> pa.Table:
    """Arrow's parser on whole records of valid UTF-8. 0-based numbers of records of another width go to `invalid`.

    Arrow knows words for NULL but no pattern: the block is read for the words that the pattern matches, then again with them.
    """
    if dialect.null_pattern is None:
        return _read_block(text, dialect, width, invalid, dialect.null)
    plain = _read_block(text, dialect, width, [], dialect.null)
    matched: set[str] = set()
    for column in plain.columns:
        matched |= dialect.null_tokens(text for text in column.unique().to_pylist() if text is not None)
    return _read_block(text, dialect, width, invalid, (*dialect.null, *sorted(matched)))


def _read_block(text: memoryview, dialect: Dialect, width: int, invalid: list[int], null: Sequence[str]) -> pa.Table:
    def skip(row: Any) -> str:
        invalid.append(row.number - 1)
        return "skip"

    if text[-1:] != dialect.newline:
        text = memoryview(bytes(text) + dialect.newline)  # else Arrow takes the empty last field of `"x",` for a quoted one
    names = [f"c{index}" for index in range(width)]
    return pc.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=pc.ReadOptions(use_threads=False, block_size=len(text) + 16, column_names=names),
        parse_options=pc.ParseOptions(
            delimiter=dialect.separator.decode(),
            quote_char=dialect.quote.decode() if dialect.quote else False,
            newlines_in_values=True,
            invalid_row_handler=skip,
        ),
        convert_options=pc.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.string()),
            null_values=list(null),
            strings_can_be_null=bool(null),
            quoted_strings_can_be_null=False,
        ),
    )


def sliced(table: pa.Table, rows: Int64s, lines: Int64s) -> Iterator[tuple[pa.RecordBatch, Int64s, Int64s]]:
    start = 0
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        stop = start + batch.num_rows
        if batch.num_rows:
            yield batch, rows[start:stop], lines[start:stop]
        start = stop
