"""A hash of rows that does not depend on their order: what proves that two bags of rows are the same, wherever they lie.

The law (tests hold it): a cell's hash depends on its column's name and its value; a row's hash is the sum of its cells' hashes, mixed;
the hash of many rows is their count and two sums of the rows' hashes, each modulo 2**64. So neither the order of rows nor that of columns
changes it, equal rows count as often as they stand there, and hashes of parts add up to the hash of the whole. It finds damage and
mistakes; against forgery stand the SHA-256 of the files. All arithmetic is on whole columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.storage.arrow_memory import EMPTY, at, int32s, lengths, numbers, valid

Words = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
"""The golden ratio in 64 bits, odd."""
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_SECOND = np.uint64(0xD1B54A32D192ED03)
_NULL = np.uint64(0xA5A5F00D5EED0001)
_NAN = np.uint64(0x7FF8000000000000)
_SHORT = 128
"""Bytes up to which texts are taken word by word, all rows at once: three times as fast, but each word is a round."""
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype=np.uint64)
"""What of eight bytes belongs to a text of which no, one, ... eight are left."""
_PADS = pa.Array.from_buffers(
    pa.binary(), 8, [None, pa.py_buffer(np.array([0, 0, 1, 3, 6, 10, 15, 21, 28], dtype=np.int32)), pa.py_buffer(bytes(28))]
)
"""No, one, ... seven zeros. Made of buffers: pa.array() would import pandas."""


class RowHash:
    """Adds up batches; `text` is the count and the two sums, as stored in manifests."""

    def __init__(self) -> None:
        self.rows = 0
        self._sums = [0, 0]

    def add(self, hashes: Words) -> None:
        self.rows += len(hashes)
        for place, words in enumerate((hashes, _mixed(hashes ^ _SECOND))):
            self._sums[place] = (self._sums[place] + int(words.sum(dtype=np.uint64))) & 0xFFFFFFFFFFFFFFFF

    @property
    def text(self) -> str:
        return f"{self.rows}-{self._sums[0]:016x}{self._sums[1]:016x}"


def hash_of(batches: Iterable[pa.RecordBatch]) -> str:
    """The text of all rows of the batches."""
    found = RowHash()
    for batch in batches:
        found.add(row_hashes(batch))
    return found.text


def hashed(batches: Iterable[pa.RecordBatch], into: RowHash) -> Iterator[pa.RecordBatch]:
    """The batches as they are; their rows are added on the way."""
    for batch in batches:
        into.add(row_hashes(batch))
        yield batch


def row_hashes(batch: pa.RecordBatch, columns: Sequence[str] | None = None) -> Words:
    """One number per row, over all columns or the named ones. The types are those of dictionary.types."""
    total = np.zeros(len(batch), dtype=np.uint64)
    for name in batch.schema.names if columns is None else columns:
        column = batch.column(batch.schema.get_field_index(name))
        total += _mixed(_cells(column) ^ _seed(name))
    return _mixed(total)


@lru_cache(maxsize=10_000)
def _seed(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big"))


def _mixed(words: Words) -> Words:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of the word."""
    mixed = words + _STEP
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _cells(column: pa.Array) -> Words:
    """A number per cell, or one for all where they are seen to be equal; what stands under a NULL is of no account."""
    if column.null_count == len(column):
        return np.array([_NULL])
    cells = _values(column)
    return np.where(valid(column), cells, _NULL) if column.null_count else cells


def _values(column: pa.Array) -> Words:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _texts(column)
    if pa.types.is_boolean(kind):
        return numbers(column.cast(pa.uint8()), np.uint8).astype(np.uint64)
    if pa.types.is_decimal128(kind):
        pairs = np.frombuffer(column.buffers()[1], np.uint64, 2 * len(column), 16 * column.offset).reshape(-1, 2)
        return _mixed(pairs[:, 0]) + (pairs[:, 1] ^ (pairs[:, 1] << np.uint64(1)))
    if pa.types.is_float64(kind):
        bits = numbers(column, np.uint64)
        return np.where(np.isnan(bits.view(np.float64)), _NAN, bits)
    width = np.int32 if kind.bit_width == 32 else np.int64
    return numbers(column, width).astype(np.int64).view(np.uint64)


def _texts(column: pa.Array) -> Words:
    """Each text filled up with zeros to whole words; a polynomial over its mixed words, and its length."""
    sizes = np.where(valid(column), lengths(column), 0).astype(np.int32) if column.null_count else lengths(column)
    places = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, 4 * column.offset).astype(np.int64)
    data = memoryview(column.buffers()[2] or b"")[places[0] : places[-1]]
    if _all_equal(data, sizes):
        return _polynomial(column.slice(0, 1))
    places = places[:-1] - places[0]
    cells = sizes.astype(np.uint64) * _SECOND
    padded = b"".join((data, bytes(8)))
    for number in range(min(_SHORT, int(sizes.max()) + 7) // 8):
        rest = sizes - np.int32(8 * number)
        rows = slice(None) if rest.min() > 0 else np.flatnonzero(rest > 0)
        words = at(padded, "<u8", places[rows] + 8 * number) & _MASKS[np.minimum(rest[rows], 8)]
        cells[rows] += _mixed(words) * _powers(_STEP, number + 1)[number]
    if sizes.max() > _SHORT:
        long = np.flatnonzero(sizes > _SHORT)
        cells[long] = _polynomial(column.take(int32s(long)))
    return cells


def _all_equal(data: memoryview, sizes: npt.NDArray[np.int32]) -> bool:
    """What the platform adds to rows is often the same in all of a batch."""
    size = int(sizes[0])
    same = len(data) == size * len(sizes) and data[:size] == data[len(data) - size :] and bool((sizes == size).all())
    return same and np.array_equal(np.frombuffer(data[size:], np.uint8), np.frombuffer(data[: len(data) - size], np.uint8))


def _polynomial(column: pa.Array) -> Words:
    """The same for texts of any length at once: the powers run on from text to text; multiplying by the inverse power at a text's begin
    makes them start anew in each.
    """
    data = column.cast(pa.binary())
    sizes = np.where(valid(data), lengths(data), 0).astype(np.int32) if data.null_count else lengths(data)
    padded = pc.binary_join_element_wise(data, _PADS.take(int32s(-sizes & 7)), EMPTY, null_handling="replace", null_replacement=b"")
    counts = (sizes + 7) >> 3
    starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    words = np.frombuffer(padded.buffers()[2] or b"", dtype=np.uint64, count=int(starts[-1]))
    sums = np.zeros(len(words) + 1, dtype=np.uint64)
    np.cumsum(_mixed(words) * _powers(_STEP, len(words)), dtype=np.uint64, out=sums[1:])
    polynomial = (sums[starts[1:]] - sums[starts[:-1]]) * _powers(_INVERSE, len(words) + 1)[starts[:-1]]
    return polynomial + sizes.astype(np.uint64) * _SECOND


_POWERS: dict[int, Words] = {}


def _powers(base: np.uint64, count: int) -> Words:
    """base**0, base**1, ... modulo 2**64, at least `count` of them kept for the next time, cut to `count`."""
    known = _POWERS.get(int(base))
    if known is None or len(known) < count:
        known = np.full(max(count, 1 << 16), base, dtype=np.uint64)
        known[0] = 1
        np.cumprod(known, dtype=np.uint64, out=known)
        if count <= 1 << 22:  # else a few huge texts would hold memory for ever
            _POWERS[int(base)] = known
    return known[:count]
