"""Rows that were found in one piece of text, and their columns cut out of it at once: as literals, as they are written, and as text.

What a literal means, and what array a column becomes, is the dialect's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from platform_assets.formats.cells import Flags, Places, cut, is_high, moved_places, without
from platform_assets.formats.sql.plain_rows import BLANK, Found

_MEANT = np.arange(256, dtype=np.uint8)
_MEANT[list(b"0bnrtZ")] = list(b"\0\b\n\r\t\x1a")
"""What the byte behind a backslash stands for."""
_QUOTE, _N, _ZERO, _X = b"'N0x"


def _counts(firsts: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How often each byte occurs; mostly it is one alone."""
    if len(firsts) and firsts.min() == firsts.max():
        counts = np.zeros(256, np.int64)
        counts[firsts[0]] = len(firsts)
        return counts
    return np.bincount(firsts, minlength=256)


@dataclass(frozen=True)
class Forms:
    """One column's cells by their form: where they are, their first bytes, how many are NULL, quoted, with the form's prefix and 0x..

    The others are numbers, and the form's words and calls.
    """

    starts: Places
    stops: Places
    firsts: npt.NDArray[np.uint8]
    null: int
    quoted: int
    introduced: int
    hexadecimal: int

    @property
    def count(self) -> int:
        """Cells that are not NULL."""
        return len(self.starts) - self.null

    @property
    def numbers(self) -> int:
        return self.count - self.quoted - self.introduced - self.hexadecimal

    @property
    def valid(self) -> Flags | None:
        """False for a NULL; None when there is none."""
        return self.firsts != _N if self.null else None


class RowBlock:
    """Plain rows of one table. `rows` are their numbers, `lines` their lines; `data` is the text in which `found` counts."""

    def __init__(
        self, data: bytes, found: Found, rows: npt.NDArray[np.int64], lines: npt.NDArray[np.int64], edges: Places | None = None
    ) -> None:
        self.data = data
        self.rows = rows
        self.lines = lines
        self._found = found
        self._prefix = found.form.prefix
        self._edges = np.ascontiguousarray(found.edges.T) if edges is None else edges
        self._text = np.frombuffer(data, np.uint8)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self._edges) - 2

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, flags: Flags) -> RowBlock:
        """Some of the rows."""
        return RowBlock(self.data, self._found, self.rows[flags], self.lines[flags], self._edges[:, flags])

    @cached_property
    def ascii(self) -> bool:
        return not is_high(self._text)

    def forms(self, column: int) -> Forms:
        starts, stops = self._edges[column] + 1, self._edges[column + 1]
        firsts = self._text[starts]
        if self._found.blanks:
            while (blank := BLANK[firsts]).any():
                starts += blank
                firsts = self._text[starts]
        counts = _counts(firsts)
        hexadecimal = self._hexadecimal(starts, firsts) if self._found.hexadecimal and counts[_ZERO] else None
        found = 0 if hexadecimal is None else int(np.count_nonzero(hexadecimal))
        return Forms(
            starts, stops, firsts, int(counts[_N]), int(counts[_QUOTE]), int(counts[self._prefix[0]]) if self._prefix else 0, found
        )

    def hexadecimal(self, forms: Forms) -> Flags:
        return self._hexadecimal(forms.starts, forms.firsts)

    def _hexadecimal(self, starts: Places, firsts: npt.NDArray[np.uint8]) -> Flags:
        return (firsts == _ZERO) & (self._text[starts + 1] == _X)

    def literals(self, forms: Forms) -> pa.Array:
        """The column as it is written, NULLs as such."""
        return cut(pa.py_buffer(self.data), forms.starts, forms.stops, forms.valid)

    def text(self, column: int, forms: Forms) -> pa.Array:
        """What the quoted cells stand for, others as they are written, as binary."""
        data, starts, stops = self._unescaped(column, forms)
        if forms.quoted == len(forms.starts):
            return cut(data, starts + 1, stops - 1)
        quoted = (forms.firsts == _QUOTE).view(np.int8)
        if not forms.introduced:
            return cut(data, starts + quoted, stops - quoted, forms.valid)
        introduced = (forms.firsts == self._prefix[0]).view(np.int8)
        return cut(data, starts + quoted + introduced * np.int8(len(self._prefix)), stops - quoted - introduced, forms.valid)

    def _unescaped(self, column: int, forms: Forms) -> tuple[pa.Buffer, Places, Places]:
        if not len(self._found.dropped) and not len(self._found.escaped):
            return pa.py_buffer(self.data), forms.starts, forms.stops
        data, edges = self._meant
        starts = edges[column] + 1
        if self._found.blanks:
            starts += forms.starts - self._edges[column] - 1
        return data, starts, edges[column + 1]

    @cached_property
    def _meant(self) -> tuple[pa.Buffer, Places]:
        """The text with its escapes undone, and the edges in it."""
        meant = self._text.copy()
        escaped = self._found.escaped
        meant[escaped] = _MEANT[meant[escaped]]
        edges = np.ascontiguousarray(self._edges.T)
        edges = edges - moved_places(edges.reshape(-1), self._found.dropped).reshape(edges.shape)
        return without(meant, self._found.dropped), np.ascontiguousarray(edges.T)

    def raw(self, row: int) -> bytes:
        """The row as it is shown: its literals between commas."""
        cells = (self.forms(column) for column in range(self.width))
        return b"(" + b",".join(self.data[forms.starts[row] : forms.stops[row]] for forms in cells) + b")"
