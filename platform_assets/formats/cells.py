"""Text as bits and cells: which bytes of a buffer are of a kind, which lie in strings, and cells cut out of it as Arrow arrays.

A mask is held as words of 64 bits, bit i of word w for byte 64 w + i: rules between neighbours become shifts, and a rule over a buffer
costs a few operations on an eighth of its size. No dialect is known here: what quotes, escapes or separates is the caller's.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Octets = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.signedinteger]

_ONE, _LAST = np.uint64(1), np.uint64(63)
_UNCHECKED = pc.TakeOptions(boundscheck=False)
_STEPS = tuple(np.uint64(step) for step in (1, 2, 4, 8, 16, 32))


def words_of(flags: Flags) -> Words:
    """A flag per byte as words; the bits behind the last byte are 0."""
    packed = np.packbits(flags, bitorder="little")
    whole = -(-len(flags) // 64) * 8
    if len(packed) < whole:
        packed = np.concatenate((packed, np.zeros(whole - len(packed), np.uint8)))
    return packed.view("<u8")


def words_at(places: Places, size: int) -> Words:
    """Words over `size` bytes with the bits at these places."""
    flags = np.zeros(size, bool)
    flags[places] = True
    return words_of(flags)


def first_bytes(count: int, size: int) -> Words:
    """Words over `size` bytes with the bits of the first `count`."""
    words = np.zeros(-(-size // 64), np.uint64)
    words[: count // 64] = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
    if count % 64:
        words[count // 64] = np.uint64((1 << count % 64) - 1)
    return words


def count_of(words: Words) -> int:
    """How many bits are set."""
    return int(np.bitwise_count(words).sum())


def places_of(words: Words) -> npt.NDArray[np.int64]:
    """The places of the bits, ascending."""
    if not words.any():
        return np.empty(0, np.int64)
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little").view(bool))


def behind(words: Words) -> Words:
    """The bytes right behind those of the mask."""
    moved = words << _ONE
    moved[1:] |= words[:-1] >> _LAST
    return moved


def before(words: Words) -> Words:
    """The bytes right before those of the mask."""
    moved = words >> _ONE
    moved[:-1] |= words[1:] << _LAST
    return moved


def odd(words: Words) -> Words:
    """The bytes up to which, themselves included, an odd number of bits is set: with quotes, an opening one and what it opens."""
    sums = words.copy()
    for step in _STEPS:
        sums ^= sums << step
    carries = np.bitwise_xor.accumulate((sums >> _LAST).astype(np.uint8))
    carries[1:] = carries[:-1].copy()
    carries[:1] = 0
    sums ^= np.uint64(0) - carries
    return sums


def spans(starts: Places, stops: Places, size: int) -> Words:
    """The bytes of the spans [start, stop), which do not overlap; one may begin where another ends."""
    edges = np.zeros(size + 1, bool)
    edges[starts] = True
    edges[stops] ^= True
    return odd(words_of(edges[:size]))


def escapes(marks: Places) -> Places:
    """Of the places of an escape character, ascending, those that begin an escape: every other one of each unbroken run."""
    if not len(marks):
        return marks
    number = np.arange(len(marks))
    begins = np.ones(len(marks), bool)
    begins[1:] = marks[1:] != marks[:-1] + 1
    first = np.maximum.accumulate(np.where(begins, number, 0))
    return marks[(number - first) % 2 == 0]


def stands_at(text: Octets, places: Places, wanted: bytes) -> Flags:
    """At which of the places the wanted bytes stand."""
    size = len(wanted)
    fits = places + size <= len(text)
    inside = np.where(fits, places, 0)
    if size > len(text):
        return np.zeros(len(places), bool)
    for at, byte in enumerate(wanted):
        hits = text[inside + at] == byte
        fits &= hits
        if not fits.any():
            break
    return fits


@lru_cache(maxsize=4)
def _every_other(count: int) -> pa.Array:
    return pa.array(np.arange(0, 2 * count, 2, dtype=np.int32))


def cut(text: pa.Buffer, starts: Places, stops: Places, valid: Flags | None = None, kind: pa.DataType | None = None) -> pa.Array:
    """The cells [start, stop) of a text as an array of `kind` (binary, or string for text known to be UTF-8).

    Cells follow each other without overlap; `valid` is False for those that are NULL.
    """
    count = len(starts)
    edges = np.empty(2 * count, np.int32)
    edges[0::2] = starts
    edges[1::2] = stops if valid is None else np.where(valid, stops, starts)
    if not count:
        return pa.array([], kind or pa.binary())
    between = pa.BinaryArray.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(edges), text])
    cells = pc.call_function("array_take", [between, _every_other(count)], _UNCHECKED)
    _, offsets, data = cells.buffers()
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind or pa.binary(), count, [bits, offsets, data])


def without(text: Octets, dropped: Places) -> pa.Buffer:
    """The text without the bytes at these places."""
    size = len(text)
    kept = pa.BooleanArray.from_buffers(pa.bool_(), size, [None, pa.py_buffer(~words_at(dropped, size))])
    octets = pa.Array.from_buffers(pa.uint8(), size, [None, pa.py_buffer(text)])
    return octets.filter(kept).buffers()[1]


def moved_places(places: Places, dropped: Places) -> npt.NDArray[np.int32]:
    """By how many bytes ascending places move to the left when the bytes at `dropped`, which are none of them, are taken out."""
    steps = np.bincount(np.searchsorted(places, dropped), minlength=len(places))[: len(places)]
    return np.cumsum(steps, dtype=np.int32)


def is_high(text: Octets) -> bool:
    """Whether a byte is beyond ASCII."""
    return bool(len(text)) and int(text.max()) >= 0x80


def high_cells(cells: pa.Array) -> npt.NDArray[np.int64]:
    """The numbers of the cells that hold a byte beyond ASCII. The array begins at its buffers' beginning."""
    _, offsets, data = cells.buffers()
    if data is None or not len(cells):
        return np.empty(0, np.int64)
    edges = np.frombuffer(offsets, np.int32)[: len(cells) + 1]
    text = np.frombuffer(data, np.uint8)[: edges[-1]]
    return np.unique(np.searchsorted(edges, np.flatnonzero(text >= 0x80), side="right") - 1)


def fixed_cells(cells: pa.Array, width: int) -> Octets | None:
    """The cells that are not NULL as a matrix of their bytes, when each of them has `width`; None otherwise."""
    _, offsets, data = cells.buffers()
    edges = np.frombuffer(offsets, np.int32)[: len(cells) + 1]
    lengths = np.diff(edges)
    there = len(cells) - cells.null_count
    if edges[0] or edges[-1] != there * width or int(np.count_nonzero(lengths == width)) != there:
        return None
    return np.frombuffer(data, np.uint8)[: edges[-1]].reshape(there, width)
