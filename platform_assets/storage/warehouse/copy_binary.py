"""Arrow columns as rows of PostgreSQL's binary COPY format, without touching a row in Python.

Format: documentation of COPY, "Binary Format": per row an int16 column count, per cell an int32 length (-1 is NULL) and the
value as the type's receive function takes it, all big-endian. Adjacent cells of fixed size become one block of fixed size, a
NumPy record; blocks and values of varying size are then joined row by row by one Arrow kernel. Not here: connections (bulk).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.storage.arrow_memory import EMPTY, bits, lengths, numbers, valid

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

EPOCH_DAYS = 10_957
"""1970-01-01 to 2000-01-01, PostgreSQL's day zero."""
EPOCH_MICROS = EPOCH_DAYS * 86_400_000_000
_POSITIVE, _NEGATIVE = 0x0000, 0x4000
_BASE = 10_000
"""numeric's digits count to 10,000."""

Numbers = npt.NDArray[Any]


@dataclass
class _Stream:
    """The pieces of every row so far: finished binary arrays, and the cells of the fixed block that is still open."""

    rows: int
    pieces: list[pa.Array] = field(default_factory=list)
    cells: list[tuple[Any, Any]] = field(default_factory=list)

    def put(self, dtype: Any, values: Any) -> None:
        self.cells.append((dtype, values))

    def piece(self, values: pa.Array) -> None:
        self._close()
        self.pieces.append(values)

    def _close(self) -> None:
        if not self.cells:
            return
        block = np.empty(self.rows, dtype=np.dtype([(f"f{i}", dtype) for i, (dtype, _) in enumerate(self.cells)]))
        for i, (_, values) in enumerate(self.cells):
            block[f"f{i}"] = values
        self.pieces.append(_fixed(block, None))
        self.cells = []

    def joined(self) -> pa.Array:
        self._close()
        if len(self.pieces) == 1:
            return self.pieces[0]
        return pc.binary_join_element_wise(*self.pieces, EMPTY, null_handling="replace", null_replacement=b"")


def encode(columns: Sequence[pa.Array]) -> memoryview:
    """The rows of some columns of equal length, without header and trailer.

    The columns must be of the types of dictionary.types and hold nothing that PostgreSQL cannot (bulk.held). At most about 1 GiB
    may come out: the caller cuts its batches.
    """
    stream = _Stream(len(columns[0]))
    stream.put(">i2", len(columns))
    for column in columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            _varying(stream, column)
        else:
            _sized(stream, column)
    joined = stream.joined()
    end = int(np.frombuffer(joined.buffers()[1], dtype=np.int32, count=len(joined) + 1)[-1])
    return memoryview(joined.buffers()[2])[:end]


def _varying(stream: _Stream, column: pa.Array) -> None:
    stream.put(">i4", np.where(valid(column), lengths(column), -1) if column.null_count else lengths(column))
    stream.piece(column.cast(pa.binary()))


def _sized(stream: _Stream, column: pa.Array) -> None:
    dtype, values = _value(column)
    size = np.dtype(dtype).itemsize
    if not column.null_count:
        stream.put(">i4", size)
        stream.put(dtype, values)
        return
    there = valid(column)
    stream.put(">i4", np.where(there, size, -1))
    record = np.empty(len(column), dtype=np.dtype([("value", dtype)]))
    record["value"] = values
    stream.piece(_fixed(record, bits(there)))


def _value(column: pa.Array) -> tuple[Any, Numbers]:
    """The dtype on the wire of a fixed-size type, and the values; what stands under a NULL is of no account."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return "u1", numbers(column.cast(pa.uint8()), np.uint8)
    if pa.types.is_int32(kind):
        return ">i4", numbers(column, np.int32)
    if pa.types.is_int64(kind):
        return ">i8", numbers(column, np.int64)
    if pa.types.is_float64(kind):
        return ">f8", numbers(column, np.float64)
    if pa.types.is_date32(kind):
        return ">i4", numbers(column, np.int32) - np.int32(EPOCH_DAYS)
    if pa.types.is_timestamp(kind):
        return ">i8", numbers(column, np.int64) - np.int64(EPOCH_MICROS)
    if pa.types.is_time64(kind):
        return ">i8", numbers(column, np.int64)
    if pa.types.is_decimal128(kind):
        numeric = _numeric(column)
        return (">i2", (numeric.shape[1],)), numeric
    raise TypeError(f"no binary COPY form for {kind}")


def _numeric(column: pa.Array) -> Numbers:
    """Rows of int16: digit count, weight, sign, display scale, digits to the base 10,000, most significant first.

    numeric_recv() strips leading and trailing zeros, so every row may have the same number of digits.
    """
    precision, scale = column.type.precision, column.type.scale
    low, negative, high = _magnitude(column)
    fraction, whole = -(-scale // 4), -(-max(precision - scale, 1) // 4)
    out = np.zeros((len(column), 4 + whole + fraction), dtype=np.int16)
    out[:, 0], out[:, 1], out[:, 2], out[:, 3] = whole + fraction, whole - 1, np.where(negative, _NEGATIVE, _POSITIVE), scale
    place = out.shape[1] - 1
    if scale % 4:
        low, high, rest = _divided(low, high, 10 ** (scale % 4))
        out[:, place] = rest * np.uint64(10 ** (4 - scale % 4))
        place -= 1
    while place >= 4:
        low, high, rest = _divided(low, high, _BASE)
        out[:, place] = rest
        place -= 1
    return out


def _magnitude(column: pa.Array) -> tuple[Numbers, npt.NDArray[np.bool_], Numbers | None]:
    """Low word, sign and high word of the absolute values; no high word when none of them needs it."""
    words = np.frombuffer(column.buffers()[1], dtype=np.uint64, count=2 * len(column), offset=16 * column.offset).reshape(-1, 2)
    if column.null_count:
        words = np.where(valid(column)[:, None], words, np.uint64(0))
    low, high = words[:, 0], words[:, 1]
    negative = high.view(np.int64) < 0
    if negative.any():
        carried = np.where(low == 0, ~high + np.uint64(1), ~high)
        low, high = np.where(negative, ~low + np.uint64(1), low), np.where(negative, carried, high)
    return low, negative, (high if high.any() else None)


def _divided(low: Numbers, high: Numbers | None, divisor: int) -> tuple[Numbers, Numbers | None, Numbers]:
    """Quotient (low, high) and remainder of unsigned 128-bit numbers by a divisor below 2**32: long division in 32-bit limbs."""
    by = np.uint64(divisor)
    if high is None:
        quotient = low // by
        return quotient, None, low - quotient * by
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    rest = np.zeros(len(low), dtype=np.uint64)
    limbs = []
    for limb in (high >> half, high & mask, low >> half, low & mask):
        current = (rest << half) | limb
        quotient = current // by
        rest = current - quotient * by
        limbs.append(quotient)
    return (limbs[2] << half) | limbs[3], (limbs[0] << half) | limbs[1], rest


def _fixed(records: Numbers, there: pa.Buffer | None) -> pa.Array:
    """One binary value per record over the records' own memory."""
    width = records.dtype.itemsize
    offsets = np.arange(0, (len(records) + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(records), [there, pa.py_buffer(offsets), pa.py_buffer(records)])
