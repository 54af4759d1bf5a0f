"""Decimals as the bytes that Avro wants: the unscaled number, big-endian, two's complement (Avro 1.11, "Decimal").

polars 2.1 writes them wrong: it drops the leading zero byte of 32768 to 65535 and of its like at 4 and 8 bytes, so that 400.00 is read
back as -255.36 (21,703 of 100,000 amounts below a million). So polars never sees a decimal: it carries these bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.types import BINARY
from platform_assets.storage.arrow_memory import bits, valid

_WIDTH = 16


def byte_width(precision: int) -> int:
    """Bytes that hold every number of so many digits and its sign; all values of a column have this length."""
    return ((10**precision).bit_length() + 8) // 8


def decimals_to_bytes(array: pa.Array) -> pa.Array:
    """A binary array of fixed-length values, NULL where the decimal is NULL."""
    width = byte_width(array.type.precision)
    little = np.frombuffer(array.buffers()[1], np.uint8, len(array) * _WIDTH, array.offset * _WIDTH).reshape(-1, _WIDTH)
    data = np.ascontiguousarray(little[:, width - 1 :: -1])
    offsets = np.arange(len(array) + 1, dtype=np.int32) * width
    return pa.Array.from_buffers(BINARY, len(array), [_validity(array), pa.py_buffer(offsets), pa.py_buffer(data)])


def decimals_from_bytes(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The inverse. Raises ValueError when a value is not of the column's length."""
    width = byte_width(wanted.precision)
    there = valid(array)
    offsets_type = np.int64 if pa.types.is_large_binary(array.type) else np.int32
    buffers: list[Any] = array.buffers()
    offsets: Any = np.frombuffer(buffers[1], offsets_type, len(array) + 1, array.offset * np.dtype(offsets_type).itemsize)
    lengths = np.diff(offsets)
    if not np.all(lengths[there] == width):
        raise ValueError(f"a {wanted} is not of {width} bytes")
    out = np.zeros((len(array), _WIDTH), np.uint8)
    if there.any():
        data = np.frombuffer(buffers[2], np.uint8)
        gaps = lengths[~there].any()
        big = data[offsets[:-1][there][:, None] + np.arange(width)] if gaps else data[offsets[0] : offsets[-1]].reshape(-1, width)
        filled = np.zeros((len(big), _WIDTH), np.uint8)
        filled[:, :width] = big[:, ::-1]
        filled[big[:, 0] > 0x7F, width:] = 0xFF
        out[there] = filled
    return pa.Array.from_buffers(wanted, len(array), [_validity(array), pa.py_buffer(out)])


def _validity(array: pa.Array) -> pa.Buffer | None:
    """The validity bits from bit 0 on, whatever the array's offset."""
    if not array.null_count:
        return None
    return bits(valid(array))
