"""Rows of PostgreSQL's binary COPY format as Arrow columns, without touching a cell in Python: the way back of copy_binary.

A row is an int16 count and per cell an int32 length (-1 is NULL) and the value, big-endian, at any byte. Column by column, the places of
all rows' cells follow from the places and lengths before; values of fixed size are then gathered by NumPy, others by one Arrow kernel.
Not here: connections (bulk).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.abc import Buffer

from platform_assets.errors import PlatformError
from platform_assets.storage.arrow_memory import bits, int32s
from platform_assets.storage.warehouse.copy_binary import EPOCH_DAYS, EPOCH_MICROS

_DAY = 86_400_000_000
_DAYS = (-719_162, 2_932_896)
"""The first and the last day of the years 1 to 9999, counted from 1970: what calendars of others hold as well."""
_SIZES = {"bool": "u1", "int32": ">i4", "int64": ">i8", "double": ">f8", "date32[day]": ">i4", "time64[us]": ">i8"}
Places = npt.NDArray[np.int64]


def as_read(quoted: str, kind: pa.DataType, sql_type: str) -> str:
    """The SELECT item whose binary form `decode` takes: the column cast to its own type; exact numbers travel as text."""
    return f"{quoted}::text" if pa.types.is_string(kind) or pa.types.is_decimal(kind) else f"{quoted}::{sql_type}"


def decode(rows: Sequence[Buffer], columns: Sequence[tuple[str, pa.DataType]]) -> pa.RecordBatch:
    """Whole rows, as the server sent them, to a batch. Raises PlatformError naming a column with a value that its type cannot hold."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    data = b"".join((*rows, bytes(16)))  # gathering under a NULL may look a few bytes beyond the last cell
    places = np.cumsum(lengths) - lengths + 2
    arrays = []
    for name, kind in columns:
        sizes = _at(data, ">i4", places).astype(np.int64)
        valid = sizes >= 0
        try:
            arrays.append(_column(data, kind, places + 4, np.maximum(sizes, 0), valid))
        except (pa.ArrowInvalid, OverflowError) as error:
            raise PlatformError(f"A row of the warehouse cannot be read back exactly: {error} (column {name!r}).", column=name) from error
        places = places + 4 + np.maximum(sizes, 0)
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])


def _at(data: bytes, dtype: str, places: Places) -> npt.NDArray[Any]:
    """The numbers that begin at these bytes."""
    width = np.dtype(dtype).itemsize
    return np.ndarray((len(data) - width + 1,), dtype, data, strides=(1,))[places]


def _column(data: bytes, kind: pa.DataType, places: Places, sizes: Places, valid: npt.NDArray[np.bool_]) -> pa.Array:
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_decimal(kind):
        cells = _slices(data, places, sizes, valid)
        return cells if pa.types.is_binary(kind) else cells.cast(pa.string()).cast(kind)
    moment = pa.types.is_timestamp(kind)
    values = _at(data, ">i8" if moment else _SIZES[str(kind)], places)
    there = None if valid.all() else bits(valid)
    if pa.types.is_boolean(kind):
        return pa.Array.from_buffers(kind, len(values), [there, bits(values != 0)])
    native = np.ascontiguousarray(values, dtype=np.dtype(values.dtype.newbyteorder("=")))
    if moment or pa.types.is_date32(kind):
        native = _calendar(native, valid, moment=moment)
    return pa.Array.from_buffers(kind, len(native), [there, pa.py_buffer(native)])


def _calendar(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], *, moment: bool) -> npt.NDArray[Any]:
    """Counted from 1970 instead of 2000. Raises OverflowError for infinity and for years outside 1 to 9999."""
    epoch, unit = (EPOCH_MICROS, _DAY) if moment else (EPOCH_DAYS, 1)
    wrong = valid & ((values < _DAYS[0] * unit - epoch) | (values >= (_DAYS[1] + 1) * unit - epoch))
    if wrong.any():
        raise OverflowError(f"row {int(np.flatnonzero(wrong)[0]) + 1} of its block has infinity or a year outside 1 to 9999")
    return values + values.dtype.type(epoch)


def _slices(data: bytes, places: Places, sizes: Places, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """The bytes themselves: cells and the gaps between them make one array over the rows' memory, of which every second value is taken."""
    offsets = np.empty(2 * len(places) + 1, dtype=np.int32)
    offsets[0:-1:2], offsets[1::2], offsets[-1] = places, places + sizes, places[-1] + sizes[-1] if len(places) else 0
    there = None
    if not valid.all():
        both = np.ones(2 * len(places), dtype=np.bool_)
        both[0::2] = valid
        there = bits(both)
    woven = pa.Array.from_buffers(pa.binary(), 2 * len(places), [there, pa.py_buffer(offsets), pa.py_buffer(data)])
    return pc.take(woven, int32s(np.arange(0, 2 * len(places), 2)), boundscheck=False)
