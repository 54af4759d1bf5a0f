"""Rows that were found in one piece of text, and their columns cut out of it at once: as literals, as they are written, and as text.

What a literal means is mysql_literals', which way a column goes mysql_columns'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from platform_assets.formats.cells import Flags, Places, cut, is_high, moved_places, without
from platform_assets.formats.mysql.plain_rows import BLANK, Found

_MEANT = np.arange(256, dtype=np.uint8)
_MEANT[list(b"0bnrtZ")] = list(b"\0\b\n\r\t\x1a")
"""What the byte behind a backslash stands for."""
_QUOTE, _N, _ZERO, _X, _INTRODUCER = b"'N0x_"
_INTRODUCED = len(b"_binary ")


@dataclass(frozen=True)
class Forms:
    """One column's cells by their form. A cell of none of these is a number."""

    starts: Places
    stops: Places
    valid: Flags
    quoted: Flags
    introduced: Flags
    """_binary '..'"""
    hexadecimal: Flags

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self.valid))

    @cached_property
    def has_null(self) -> bool:
        return self.count < len(self.valid)

    def all_in(self, *forms: Flags) -> bool:
        """Whether all cells but the NULLs are of these forms."""
        return sum(int(np.count_nonzero(form)) for form in forms) == self.count

    @property
    def all_numbers(self) -> bool:
        return not (self.quoted.any() or self.introduced.any() or self.hexadecimal.any())


class RowBlock:
    """Plain rows of one table. `rows` are their numbers, `lines` their lines; `data` is the text in which `edges` count."""

    def __init__(self, data: bytes, found: Found, rows: npt.NDArray[np.int64], lines: npt.NDArray[np.int64]) -> None:
        self.data = data
        self.rows = rows
        self.lines = lines
        self._found = found
        self._edges = found.edges
        self._text = np.frombuffer(data, np.uint8)
        self._columns: dict[int, Forms] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, flags: Flags) -> RowBlock:
        """Some of the rows."""
        block = RowBlock(self.data, self._found, self.rows[flags], self.lines[flags])
        block._edges = self._edges[flags]
        return block

    @cached_property
    def ascii(self) -> bool:
        return not is_high(self._text)

    def forms(self, column: int) -> Forms:
        known = self._columns.get(column)
        if known is None:
            known = self._columns[column] = self._forms(column)
        return known

    def _forms(self, column: int) -> Forms:
        text = self._text
        starts, stops = self._edges[:, column] + 1, self._edges[:, column + 1]
        firsts = text[starts]
        if self._found.blanks:
            while (blank := BLANK[firsts]).any():
                starts = starts + blank
                firsts = text[starts]
        hexadecimal = firsts == _ZERO
        if hexadecimal.any():
            hexadecimal &= text[starts + 1] == _X
        return Forms(starts, stops, firsts != _N, firsts == _QUOTE, firsts == _INTRODUCER, hexadecimal)

    def literals(self, column: int) -> pa.Array:
        """The column as it is written, NULLs as such."""
        forms = self.forms(column)
        return cut(pa.py_buffer(self.data), forms.starts, forms.stops, forms.valid if forms.has_null else None)

    def text(self, column: int) -> pa.Array:
        """What the quoted cells stand for, others as they are written, as binary."""
        forms = self.forms(column)
        data, starts, stops = self._unescaped(column)
        starts = starts + forms.quoted
        if forms.introduced.any():
            starts = starts + forms.introduced * np.int32(_INTRODUCED + 1)
        stops = stops - (forms.quoted | forms.introduced)
        return cut(data, starts, stops, forms.valid if forms.has_null else None)

    def _unescaped(self, column: int) -> tuple[pa.Buffer, Places, Places]:
        forms = self.forms(column)
        if not len(self._found.dropped) and not len(self._found.escaped):
            return pa.py_buffer(self.data), forms.starts, forms.stops
        data, shifts = self._meant
        return data, forms.starts - shifts[:, column], forms.stops - shifts[:, column + 1]

    @cached_property
    def _meant(self) -> tuple[pa.Buffer, Places]:
        """The text with its escapes undone, and by how many bytes each edge moved to the left."""
        meant = self._text.copy()
        escaped = self._found.escaped
        meant[escaped] = _MEANT[meant[escaped]]
        shifts = moved_places(self._edges.reshape(-1), self._found.dropped).reshape(self._edges.shape)
        return pa.py_buffer(without(meant, self._found.dropped)), shifts

    def raw(self, row: int) -> bytes:
        """The row as it is shown: its literals between commas."""
        width = self._edges.shape[1] - 2
        cells = (self.forms(column) for column in range(width))
        return b"(" + b",".join(self.data[forms.starts[row] : forms.stops[row]] for forms in cells) + b")"
