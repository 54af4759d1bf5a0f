"""How far a table's keys have grown, found while its rows pass by: the highest number in each key column, and a sketch of the key set.

The sketch is the smallest hashes among the keys (KMV): with it, whether one dump's keys are all among another's is told without reading
either again. The hashes are stored, so how they are made must not change. What they say of two versions' order: versions.evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SKETCH = 64
"""Hashes kept; a key set that lacks a tenth of another's keys passes for a part of it in one case of a thousand."""
_FIRST_LOOK = 4_096
"""Of a batch's hashes so many of the smallest are made distinct: a key that repeats must not fill the sketch."""
MAX_TEXT = 128
"""Bytes of a key's text beyond which no sketch is made."""
_HASH_BITS = np.uint64((1 << 63) - 1)
"""Stored hashes fit into a bigint."""


class HighWater:
    """One table's keys as far as its rows were seen. A key that is told later, or changes, begins its sketch anew."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}
        self._key: tuple[str, ...] = ()
        self._count = 0
        self._sketch: np.ndarray | None = np.empty(0, np.uint64)

    def add(self, batch: pa.RecordBatch, key: Sequence[str]) -> None:
        """Typed rows and the key as known so far; while there is none, every column of integers may become it."""
        for name in key or batch.schema.names:
            place = batch.schema.get_field_index(name)
            if place >= 0 and pa.types.is_integer(batch.schema.field(place).type):
                highest = pc.max(batch.column(place)).as_py()
                if highest is not None:
                    self._highest[name] = max(highest, self._highest.get(name, highest))
        if key:
            self.add_keys(batch, key)

    def add_keys(self, batch: pa.RecordBatch, key: Sequence[str]) -> None:
        """The key set alone: for a table that is read once more, after `forget_keys`."""
        if tuple(key) != self._key:
            self._key, self._count, self._sketch = tuple(key), 0, np.empty(0, np.uint64)
        if self._sketch is None:
            return
        hashes = _hashed(batch, key)
        if hashes is None:
            self._sketch = None
            return
        self._count += len(hashes)
        if len(self._sketch) == SKETCH:
            hashes = hashes[hashes < self._sketch[-1]]
        if len(hashes) > _FIRST_LOOK:
            hashes = np.partition(hashes, _FIRST_LOOK)[:_FIRST_LOOK]
        if len(hashes):
            self._sketch = np.unique(np.concatenate([self._sketch, hashes]))[:SKETCH]

    def forget_keys(self) -> None:
        """What was seen of the key set is void: the key was told behind the rows, and they are read once more."""
        self._key = ()

    def marks(self, key: Sequence[str]) -> dict[str, int]:
        """The highest number in each of the key's columns of integers."""
        return {name: self._highest[name] for name in key if name in self._highest}

    def keys(self) -> tuple[int, list[int]] | None:
        """How many keys, and their smallest hashes, ascending, below 2**63. None: without a key, or of types that are not hashed."""
        if not self._key or self._sketch is None:
            return None
        return self._count, [int(one) for one in self._sketch]


def _hashed(batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray | None:
    """A hash per row whose key has no NULL."""
    places = [batch.schema.get_field_index(name) for name in key]
    if -1 in places:
        return None
    columns = [batch.column(place) for place in places]
    if any(column.null_count for column in columns):
        whole = reduce(pc.and_, [column.is_valid() for column in columns])
        columns = [column.filter(whole) for column in columns]
    words = [found for column in columns if (found := _words(column)) is not None]
    if len(words) < len(columns):
        return None
    mixed = np.zeros(len(columns[0]), np.uint64)
    for part in words:
        for word, present in part:
            mixed = _mix(mixed ^ word) if present is None else np.where(present, _mix(mixed ^ word), mixed)
    return mixed & _HASH_BITS


_Words = list[tuple[np.ndarray, np.ndarray | None]]
"""64-bit words of a column's values, and which rows have that word; None: all."""


def _words(column: pa.Array) -> _Words | None:
    """None for types and lengths that are not hashed."""
    kind = column.type
    if pa.types.is_string(kind):
        return _text_words(column)
    if pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    elif not (pa.types.is_integer(kind) or pa.types.is_timestamp(kind)):
        return None
    return [(column.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64), None)]


def _text_words(column: pa.StringArray) -> _Words | None:
    """The length, then the text by eight bytes, its end filled with zeros."""
    lengths = pc.binary_length(column).to_numpy(zero_copy_only=False).astype(np.uint64)
    longest = int(lengths.max(initial=0))
    if longest > MAX_TEXT:
        return None
    width = -(-longest // 8)
    grid = np.zeros((len(column), width * 8), np.uint8)
    grid[np.arange(width * 8, dtype=np.uint64) < lengths[:, None]] = _text_bytes(column)
    words = grid.view(np.dtype("<u8")).astype(np.uint64)
    return [(lengths, None), *((words[:, n], lengths > np.uint64(8 * n)) for n in range(width))]


def _text_bytes(column: pa.StringArray) -> np.ndarray:
    """The bytes of all texts, one behind the other. A NULL is none of them: there are none here."""
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4)
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]


def _mix(words: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the word moves half of the bits of the hash."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
