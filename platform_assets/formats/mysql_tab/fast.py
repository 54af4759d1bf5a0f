"""Whole buffers of rows -> one binary array of all fields, with numpy alone: no row and no field is touched one by one.

Only for dialects that are `simple`. Escapes are undone for the whole buffer at once, and only where there are any but `\\N`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from platform_assets.formats.mysql.bodies import Int64s
from platform_assets.formats.mysql_tab.dialect import ESCAPES, TabDialect

Octets = npt.NDArray[np.uint8]

_MEANT = np.arange(256, dtype=np.uint8)
for _written, _octet in ESCAPES.items():
    _MEANT[_written[0]] = _octet[0]


@dataclass(frozen=True)
class Split:
    """The rows of a buffer. `starts` and `stops` of each row, its terminator left out; `widths` its number of fields.

    `fields` has two entries for each field, itself and what stands behind it; `nulls` one flag for each field.
    """

    stop: int
    starts: Int64s
    stops: Int64s
    lines: Int64s
    widths: Int64s
    fields: pa.Array
    nulls: npt.NDArray[np.bool_]
    firsts: Int64s

    def column(self, rows: Int64s, at: int) -> pa.Array:
        """The field at a position of these rows, which must have it; NULL where it is NULL."""
        index = self.firsts[rows] + at
        return self.fields.take(pa.array(2 * index, mask=self.nulls[index]))


def split(buffer: bytes, dialect: TabDialect) -> Split | None:
    """All whole rows of a buffer that begins with a row; None when it has none."""
    octets = np.frombuffer(buffer, np.uint8)
    escapes = _escapes(octets, dialect)
    ends, is_line = _ends(octets, escapes, dialect)
    last = np.flatnonzero(is_line)
    if not len(last):
        return None
    ends, is_line = ends[: last[-1] + 1], is_line[: last[-1] + 1]
    stop = int(ends[-1]) + len(dialect.line_end)
    escapes = escapes[: np.searchsorted(escapes, stop)]
    begins = np.empty_like(ends)
    begins[0] = 0
    begins[1:] = ends[:-1] + np.where(is_line[:-1], len(dialect.line_end), 1)
    nulls = _nulls(octets, begins, ends, dialect)
    firsts = np.concatenate(([0], last[:-1] + 1))
    feeds = ends[last] if dialect.line_end == b"\n" and not len(escapes) else np.flatnonzero(octets[:stop] == 0x0A)
    starts = begins[firsts]
    return Split(
        stop,
        starts,
        ends[last],
        np.searchsorted(feeds, starts).astype(np.int64),
        np.diff(last, prepend=-1),
        _array(octets[:stop], begins, ends, escapes, int(nulls.sum()) if dialect.escaped else 0),
        nulls,
        firsts,
    )


def _escapes(octets: Octets, dialect: TabDialect) -> Int64s:
    """Where an escape character stands that is not itself escaped: in a run of them, every other one."""
    if not dialect.escaped:
        return np.empty(0, np.int64)
    found = np.flatnonzero(octets == dialect.escaped[0])
    if not len(found):
        return found
    heads = np.flatnonzero(np.diff(found, prepend=-2) != 1)
    if len(heads) == len(found):
        return found
    within = np.arange(len(found)) - np.repeat(heads, np.diff(heads, append=len(found)))
    return found[within % 2 == 0]


def _ends(octets: Octets, escapes: Int64s, dialect: TabDialect) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """Where fields end, and which of them end their row too."""
    field, line = dialect.field_end[0], dialect.line_end
    hits = octets == line[0]
    if len(line) == 2:
        hits[:-1] &= octets[1:] == line[1]
        hits[-1:] = False
    hits |= octets == field
    behind = escapes + 1
    hits[behind[behind < len(octets)]] = False
    ends = np.flatnonzero(hits)
    return ends, octets[ends] == line[0]


def _nulls(octets: Octets, begins: Int64s, ends: Int64s, dialect: TabDialect) -> npt.NDArray[np.bool_]:
    """A field that is the escape and an N is NULL; without an escape character it is the word."""
    mark = dialect.escaped + b"N" if dialect.escaped else b"NULL"
    flags = np.zeros(len(begins), np.bool_)
    likely = np.flatnonzero(ends - begins == len(mark))
    for at, byte in enumerate(mark):
        likely = likely[octets[begins[likely] + at] == byte]
    flags[likely] = True
    return flags


def _array(octets: Octets, begins: Int64s, ends: Int64s, escapes: Int64s, nulls: int) -> pa.Array:
    """Fields and what is between them, in turn. The bytes are the buffer's own where no escape but those of NULLs is in it."""
    if len(escapes) > nulls:
        meant = octets.copy()
        meant[escapes + 1] = _MEANT[octets[escapes + 1]]
        kept = np.ones(len(octets), np.bool_)
        kept[escapes] = False
        octets = meant[kept]
        begins, ends = begins - np.searchsorted(escapes, begins), ends - np.searchsorted(escapes, ends)
    edges = np.empty(2 * len(begins) + 1, np.int32)
    edges[0:-1:2], edges[1::2], edges[-1] = begins, ends, ends[-1]
    return pa.Array.from_buffers(pa.binary(), len(edges) - 1, [None, pa.py_buffer(edges), pa.py_buffer(np.ascontiguousarray(octets))])
