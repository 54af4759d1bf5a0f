"""Rows of PostgreSQL's binary COPY format as Arrow columns, without touching a cell in Python: the way back of copy_binary.

A row is an int16 count and per cell an int32 length (-1 is NULL) and the value, big-endian, at any byte. From left to right, the places of
all rows' cells follow from the places and lengths before; runs of cells of fixed size are gathered by NumPy at once, which is why they are
asked for first (sending_order), texts by one Arrow kernel, exact numbers by arithmetic on their digits (copy_binary_numeric).
Not here: connections (bulk).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, TIME, TIMESTAMP
from platform_assets.errors import PlatformError
from platform_assets.storage.arrow_memory import at, bits, int32s
from platform_assets.storage.warehouse.copy_binary import EPOCH_DAYS, EPOCH_MICROS
from platform_assets.storage.warehouse.copy_binary_numeric import decimals, fits, longest

_DAY = 86_400_000_000
_DAYS = (-719_162, 2_932_896)
"""The first and the last day of the years 1 to 9999, counted from 1970: what calendars of others hold as well."""
_FORMS: dict[pa.DataType, str] = {
    BOOLEAN: "u1",
    INT32: ">i4",
    INT64: ">i8",
    FLOAT64: ">f8",
    DATE: ">i4",
    TIME: ">i8",
    TIMESTAMP: ">i8",
    INSTANT: ">i8",
}
"""The types whose values all have the same size."""
_RUN = 64
"""Bytes of a row that are taken at once: a line of the processor's cache."""
Rows = tuple[bytearray, list[int]]
"""Whole rows one behind the other, and their lengths."""
Columns = Sequence[tuple[str, pa.DataType]]
Places = npt.NDArray[np.int64]


def as_read(quoted: str, kind: pa.DataType, sql_type: str) -> str:
    """The SELECT item whose binary form `decode` takes: the column cast to its own type.

    An exact number is not cast to its precision, which would round; one that has too many digits for 64 bits travels as text.
    """
    if pa.types.is_decimal(kind) and fits(kind):
        return f"{quoted}::numeric"
    return f"{quoted}::text" if pa.types.is_string(kind) or pa.types.is_decimal(kind) else f"{quoted}::{sql_type}"


def sending_order(kinds: Sequence[pa.DataType]) -> list[int]:
    """The positions of columns in the order in which their cells cost least: those of fixed size first, side by side."""
    return sorted(range(len(kinds)), key=lambda place: kinds[place] not in _FORMS)


def decode(rows: Rows, columns: Columns) -> pa.RecordBatch:
    """Whole rows, as the server sent them, to a batch. Raises PlatformError naming a column with a value that its type cannot hold."""
    data, lengths = rows[0], np.array(rows[1], dtype=np.int64)
    data += bytes(_RUN)  # gathering may look as far beyond the last cell
    places = np.cumsum(lengths) - lengths + 2
    arrays: list[pa.Array] = []
    while len(arrays) < len(columns):
        run = _run(data, columns[len(arrays) :], places)
        for values in run.values:
            arrays.append(_read(columns[len(arrays)], partial(_numbers, values, None)))
        places = places + run.width
        if len(arrays) < len(columns):
            sizes, valid = np.maximum(run.next_sizes, 0), run.next_sizes >= 0
            arrays.append(_read(columns[len(arrays)], partial(_cells, data, places + 4, sizes, valid)))
            places = places + 4 + sizes
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])


@dataclass(frozen=True)
class _Run:
    """The first columns up to one that has NULLs or values of varying size: the others' values, their bytes per row, that one's sizes."""

    values: tuple[npt.NDArray[Any], ...]
    width: int
    next_sizes: Places


def _run(data: bytearray, columns: Columns, places: Places) -> _Run:
    """Takes as many bytes of every row at once as there may be cells of fixed size: gathers of 4 and of 64 bytes cost nearly the same."""
    if columns[0][1] not in _FORMS:
        return _Run((), 0, at(data, ">i4", places).astype(np.int64))
    block = at(data, f"V{_RUN}", places)
    values, place = [], 0
    sizes = _field(block, ">i4", 0)
    for _, kind in columns:
        form = _FORMS.get(kind)
        width = np.dtype(form).itemsize if form else 0
        if form is None or place + 8 + width > _RUN or not (sizes == width).all():
            break
        values.append(_field(block, form, place + 4))
        place += 4 + width
        sizes = _field(block, ">i4", place)
    return _Run(tuple(values), place, sizes.astype(np.int64))


def _field(block: npt.NDArray[Any], form: str, place: int) -> npt.NDArray[Any]:
    return np.ndarray((len(block),), form, block, place, (_RUN,))


def _read(column: tuple[str, pa.DataType], make: Callable[[pa.DataType], pa.Array]) -> pa.Array:
    name, kind = column
    try:
        return make(kind)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise PlatformError(f"A row of the warehouse cannot be read back exactly: {error} (column {name!r}).", column=name) from error


def _cells(data: bytearray, places: Places, sizes: Places, valid: npt.NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    form = _FORMS.get(kind)
    if form is None:
        if not valid.any():
            return pa.nulls(len(valid), kind)
        if pa.types.is_decimal(kind) and fits(kind):
            return decimals(at(data, f"V{longest(kind)}", places), valid, kind)
        cells = _same(data, places, sizes) if valid.all() else None
        cells = _slices(data, places, sizes, valid) if cells is None else cells
        return cells if pa.types.is_binary(kind) else _text(cells).cast(kind)
    return _numbers(at(data, form, places), None if valid.all() else valid, kind)


def _numbers(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, kind: pa.DataType) -> pa.Array:
    there = None if valid is None else bits(valid)
    if pa.types.is_boolean(kind):
        return pa.Array.from_buffers(kind, len(values), [there, bits(values != 0)])
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        native = _calendar(native, valid, moment=pa.types.is_timestamp(kind))
    return pa.Array.from_buffers(kind, len(native), [there, pa.py_buffer(native)])


def _calendar(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, *, moment: bool) -> npt.NDArray[Any]:
    """Counted from 1970 instead of 2000. Raises OverflowError for infinity and for years outside 1 to 9999."""
    epoch, unit = (EPOCH_MICROS, _DAY) if moment else (EPOCH_DAYS, 1)
    low, high = _DAYS[0] * unit - epoch, (_DAYS[1] + 1) * unit - epoch
    if len(values) and (values.min() < low or values.max() >= high):
        wrong = ((values < low) | (values >= high)) & (True if valid is None else valid)
        if wrong.any():
            raise OverflowError(f"row {int(np.flatnonzero(wrong)[0]) + 1} of its block has infinity or a year outside 1 to 9999")
    return values + values.dtype.type(epoch)


def _text(cells: pa.Array) -> pa.Array:
    """ASCII is seen at once to be what it is; Arrow would look at text by text, which costs as much as cutting them out."""
    there, offsets, data = cells.buffers()
    if not cells.offset and data is not None and data.size and np.frombuffer(data, np.uint8).max() < 0x80:
        return pa.Array.from_buffers(pa.string(), len(cells), [there, offsets, data])
    return cells.cast(pa.string())


def _same(data: bytearray, places: Places, sizes: Places) -> pa.Array | None:
    """The bytes of cells that are all of one short length, as codes are and what the platform adds to rows."""
    size = int(sizes[0])
    if not 0 < size <= _RUN or not (sizes == size).all():
        return None
    offsets = np.arange(0, (len(places) + 1) * size, size, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(places), [None, pa.py_buffer(offsets), pa.py_buffer(at(data, f"V{size}", places))])


def _slices(data: bytearray, places: Places, sizes: Places, valid: npt.NDArray[np.bool_]) -> pa.Array:
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
