"""Columns of bare values -> Arrow arrays and events. Here a value's bytes stand without quotes, as --tab and --xml write them.

What a value means is literals'; whatever is not of the plain form that the server writes goes there, as a quoted literal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import Event, Rows, Unreadable
from platform_assets.formats.mysql.columns import Converted, convert
from platform_assets.formats.mysql.literals import Reading
from platform_assets.formats.mysql.rows import Plan
from platform_assets.formats.mysql.types import Kind
from platform_assets.formats.sql.rows import shown_raw

Int64s = npt.NDArray[np.int64]

_DIGITS = np.zeros(256, np.bool_)
_DIGITS[list(b"0123456789")] = True
_WHOLE = _DIGITS.copy()
_WHOLE[ord("-")] = True
_NUMERIC = _WHOLE.copy()
_NUMERIC[list(b".e")] = True
_LAYOUTS = {
    Kind.YEAR: (b"0000",),
    Kind.DATE: (b"0000-00-00",),
    Kind.DATETIME: (b"0000-00-00 00:00:00", *(b"0000-00-00 00:00:00." + b"0" * digits for digits in range(1, 7))),
}
"""The texts that the server writes; 0 stands for a digit."""


def convert_bodies(bodies: pa.Array, reading: Reading, target: pa.DataType) -> Converted:
    """A binary array of values as an array of `binary` when that is the column's type, of `string` otherwise."""
    wants_bytes = pa.types.is_binary(target)
    if bodies.null_count == len(bodies):
        return Converted(pa.nulls(len(bodies), target if wants_bytes else pa.string()))
    fast = _fast(bodies, reading, wants_bytes=wants_bytes)
    if fast is not None:
        return Converted(fast)
    literals = [None if body is None else b"'" + body.replace(b"'", b"''") + b"'" for body in bodies.to_pylist()]
    return convert(literals, replace(reading, backslash=False), target)


def _fast(bodies: pa.Array, reading: Reading, *, wants_bytes: bool) -> pa.Array | None:
    """None when the values are not all of one plain form."""
    kind = reading.native.kind
    if kind in (Kind.BYTES, Kind.BITS):
        width = reading.native.padded
        plain = width is None or all_long(bodies, width)
        return bodies if wants_bytes and plain else None
    if wants_bytes or (kind is Kind.NUMBER and not _numbers(bodies)):
        return None
    if kind in _LAYOUTS and (reading.shift or not _laid_out(bodies, _LAYOUTS[kind])):
        return None
    octets = _octets(bodies)
    if not reading.utf8 and (octets >= 0x80).any():
        return None
    try:
        return bodies.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def _octets(bodies: pa.Array) -> npt.NDArray[np.uint8]:
    """The bytes of all values in one piece."""
    _, _, data = bodies.buffers()
    edges = _edges(bodies)
    return np.frombuffer(data, np.uint8)[edges[0] : edges[-1]] if data is not None else np.empty(0, np.uint8)


def _edges(bodies: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(bodies.buffers()[1], np.int32)[bodies.offset : bodies.offset + len(bodies) + 1]


def _lengths(bodies: pa.Array) -> npt.NDArray[np.int32]:
    """Of the values that are not NULL."""
    lengths = np.diff(_edges(bodies))
    return lengths if not bodies.null_count else lengths[bodies.is_valid().to_numpy(zero_copy_only=False)]


def all_long(bodies: pa.Array, width: int) -> bool:
    """Whether all values but NULLs have this many bytes."""
    return bool((_lengths(bodies) == width).all())


def _numbers(bodies: pa.Array) -> bool:
    """Whether all are numbers as the server writes them: nothing that number_text would change, at the cost of a look at each byte."""
    octets = _octets(bodies)
    if _WHOLE[octets].all():
        return True
    if not _NUMERIC[octets].all():
        return False
    edges = _edges(bodies)
    starts, stops = edges[:-1] - edges[0], edges[1:] - edges[0]
    first, last = np.zeros(len(octets) + 1, np.bool_), np.zeros(len(octets) + 1, np.bool_)
    first[starts], last[stops] = True, True
    dots = np.flatnonzero(octets == ord("."))
    return bool((~first[dots] & ~last[dots + 1] & _DIGITS[octets[dots - 1]]).all()) and bool(_DIGITS[octets[dots + 1]].all())


def _laid_out(bodies: pa.Array, layouts: Sequence[bytes]) -> bool:
    lengths, octets = _lengths(bodies), _octets(bodies)
    layout = next((one for one in layouts if lengths[0] == len(one)), None)
    if layout is None or not (lengths == len(layout)).all() or len(octets) != len(lengths) * len(layout):
        return False
    table = octets.reshape(-1, len(layout))
    digits = [at for at, byte in enumerate(layout) if byte == ord("0")]
    marks = [at for at, byte in enumerate(layout) if byte != ord("0")]
    return bool(_DIGITS[table[:, digits]].all()) and bool((table[:, marks] == np.frombuffer(layout, np.uint8)[marks]).all())


@dataclass(frozen=True)
class BodyRows:
    """Rows of one table: a binary array for each planned column, the rows' numbers and lines, and the text of the row at a position."""

    columns: Sequence[pa.Array]
    rows: Int64s
    lines: Int64s
    raw: Callable[[int], bytes]


def body_events(plan: Plan, member: str, given: BodyRows) -> Iterator[Event]:
    """One Rows event with all rows that can be read, an Unreadable for each that cannot."""
    if not len(given.rows):
        return
    arrays: dict[str, Converted] = {}
    for column, values in zip(plan.columns, given.columns, strict=True):
        arrays[column.name] = convert_bodies(values, column.reading, column.target)
    for column in plan.filled:
        arrays[column.name] = convert([column.default] * len(given.rows), column.reading, column.target)
    bad: dict[int, str] = {}
    for name, converted in arrays.items():
        for position, reason in converted.bad.items():
            bad.setdefault(position, f"column {name}: {reason}")
    batch = pa.RecordBatch.from_arrays([one.values for one in arrays.values()], names=list(arrays))
    rows, lines = pa.array(given.rows, pa.int64()), pa.array(given.lines, pa.int64())
    if bad:
        kept = np.ones(len(rows), np.bool_)
        kept[list(bad)] = False
        mask = pa.array(kept)
        batch, rows, lines = batch.filter(mask), pc.filter(rows, mask), pc.filter(lines, mask)
    if batch.num_rows:
        yield Rows(plan.table, member, batch, rows, lines)
    for position, reason in sorted(bad.items()):
        raw = shown_raw(given.raw(position))
        yield Unreadable(plan.table, member, int(given.lines[position]), int(given.rows[position]), raw, "encoding-error", reason)
