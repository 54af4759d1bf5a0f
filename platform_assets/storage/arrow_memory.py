"""The memory of Arrow columns as NumPy arrays and back, without a copy where that can be.

Array.to_numpy() and pyarrow.array() would do as well, but they import pandas, which costs more than a small command takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

EMPTY: pa.Scalar = pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(bytes(8)), pa.py_buffer(b"")])[0]
"""No bytes, as a scalar: kernels make one of Python's bytes by way of pandas."""


def numbers(column: pa.Array, dtype: Any) -> npt.NDArray[Any]:
    """The values' own memory, whatever stands under a NULL: to_numpy() would turn integers with gaps into floats."""
    width = np.dtype(dtype).itemsize
    return np.frombuffer(column.buffers()[1], dtype=dtype, count=len(column), offset=column.offset * width)


def valid(column: pa.Array) -> npt.NDArray[np.bool_]:
    """True where the column has a value."""
    bits = column.buffers()[0]
    if bits is None:
        return np.ones(len(column), dtype=np.bool_)
    whole = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=column.offset + len(column), bitorder="little")
    return whole[column.offset :].astype(np.bool_)


def lengths(column: pa.Array) -> npt.NDArray[np.int32]:
    """Of texts or bytes, in bytes."""
    if not len(column):
        return np.zeros(0, dtype=np.int32)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32, count=len(column) + 1, offset=column.offset * 4)
    return offsets[1:] - offsets[:-1]


def bits(true: npt.NDArray[np.bool_]) -> pa.Buffer:
    """What Arrow keeps of which values there are."""
    return pa.py_buffer(np.packbits(true, bitorder="little"))


def int32s(values: npt.NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, dtype=np.int32))])


def at(data: bytes | bytearray, form: str, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """The values of the dtype `form` that begin at these bytes, whole ones wherever they begin."""
    width = np.dtype(form).itemsize
    return np.ndarray((len(data) - width + 1,), form, data, strides=(1,))[places]
