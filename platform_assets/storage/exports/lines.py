"""Rows as lines of text: columns of texts are joined by one Arrow kernel, no row is touched in Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def lines(pieces: Sequence[pa.Array | str]) -> memoryview:
    """The pieces of every row side by side, row behind row; at least one piece is an array, and the last one ends the line.

    A batch may come to 2 GiB of text at most: the caller cuts its batches.
    """
    joined = pc.binary_join_element_wise(*pieces, "")
    offsets = np.frombuffer(joined.buffers()[1], dtype=np.int32, count=len(joined) + 1, offset=joined.offset * 4)
    data = joined.buffers()[2]
    return memoryview(data or b"")[int(offsets[0]) : int(offsets[-1])]


def separated(cells: Sequence[pa.Array], separator: str, *, first: str = "", last: str = "\n") -> memoryview:
    """Lines of cells with a separator between them."""
    pieces: list[pa.Array | str] = [first] if first else []
    for place, column in enumerate(cells):
        pieces += [separator, column] if place else [column]
    return lines([*pieces, last])


def contains(texts: pa.StringArray, pattern: str) -> bool:
    """Whether any text matches a regular expression; NULLs do not."""
    return bool(pc.any(pc.match_substring_regex(texts, pattern), min_count=0).as_py())
