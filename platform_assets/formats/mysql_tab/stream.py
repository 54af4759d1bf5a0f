"""A .txt as blocks of whole rows, read once from its stream. Which columns the fields are is not known here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

import numpy as np
import pyarrow as pa

from platform_assets.formats.mysql.bodies import Int64s, all_long
from platform_assets.formats.mysql_tab.dialect import TabDialect
from platform_assets.formats.mysql_tab.exact import Row, next_row
from platform_assets.formats.mysql_tab.fast import split
from platform_assets.formats.sql.tokens import STREAM_ERRORS

BLOCK_BYTES = 4 << 20
MAX_ROW_BYTES = 256 << 20
"""A longer row is taken for a wrong dialect; memory would not hold it otherwise."""
MARK = b"\xef\xbb\xbf"


class Rows(Protocol):
    """Whole rows of a buffer: where each begins and ends in it, line feeds before each, its number of fields, and columns of fields."""

    @property
    def stop(self) -> int: ...
    @property
    def starts(self) -> Int64s: ...
    @property
    def stops(self) -> Int64s: ...
    @property
    def lines(self) -> Int64s: ...
    @property
    def widths(self) -> Int64s: ...
    def column(self, rows: Int64s, at: int) -> pa.Array: ...


@dataclass(frozen=True)
class Block:
    """`line` and `offset` are those of the buffer's beginning in the member."""

    buffer: bytes
    rows: Rows
    line: int
    offset: int

    def raw(self, row: int) -> bytes:
        return self.buffer[int(self.rows.starts[row]) : int(self.rows.stops[row])]


@dataclass(frozen=True)
class _ExactRows:
    """Rows that were taken one by one."""

    rows: list[Row]
    stop: int
    lines: Int64s

    @property
    def starts(self) -> Int64s:
        return np.array([row.start for row in self.rows], np.int64)

    @property
    def stops(self) -> Int64s:
        return np.array([row.stop for row in self.rows], np.int64)

    @property
    def widths(self) -> Int64s:
        return np.array([len(row.cells) for row in self.rows], np.int64)

    def column(self, rows: Int64s, at: int) -> pa.Array:
        return pa.array([self.rows[row].cells[at] for row in rows.tolist()], pa.binary())


class TabStream:
    """`blocks()` gives the rows; afterwards `rest` holds what no terminator ends, `broken` what the stream died of.

    `line` and `offset` stand behind the last whole row. `windows`: lines end with CR LF although the settings do not say so. With
    `settled`, the settings name the line's end.
    """

    def __init__(self, stream: BinaryIO, dialect: TabDialect, bits: Callable[[int], tuple[int, ...]], *, settled: bool, mark: bool) -> None:
        self.dialect = dialect
        self.rest = b""
        self.broken: str | None = None
        self.stopped = False
        self.windows = False
        self.line, self.offset = 1, 0
        self.total = 0
        self._stream = stream
        self._bits_of = bits
        self._bits: tuple[int, ...] | None = None
        self._settled = settled
        self._mark = mark
        self._ended = False

    def blocks(self) -> Iterator[Block]:
        while not self._ended:
            self._fill()
            rows = self._rows()
            if rows is not None:
                block = Block(self.rest, rows, self.line, self.offset)
                self.line += self.rest.count(b"\n", 0, rows.stop)
                self.offset += rows.stop
                self.rest = self.rest[rows.stop :]
                yield block
            elif len(self.rest) > MAX_ROW_BYTES:
                self.stopped = True
                return

    def _fill(self) -> None:
        """At least as many bytes more as are waiting, so that a row of n bytes costs O(n) however long it is."""
        parts, missing = [self.rest], max(BLOCK_BYTES - len(self.rest), len(self.rest))
        try:
            while missing > 0:
                part = self._stream.read(missing)
                if not part:
                    self._ended = True
                    break
                parts.append(part)
                missing -= len(part)
                self.total += len(part)
        except STREAM_ERRORS as error:
            self.broken = f"{type(error).__name__}: {error}"
            self._ended = True
        self.rest = b"".join(parts)
        if self._mark and self.rest.startswith(MARK):
            self.rest = self.rest[len(MARK) :]
            self.offset += len(MARK)
        self._mark = False

    def _rows(self) -> Rows | None:
        found = split(self.rest, self.dialect) if self.dialect.simple else None
        if found is not None and not self._settled:
            self._settled = True
            if self.dialect.line_end == b"\n" and _all_windows(self.rest, found):
                self.windows = True
                self.dialect = replace(self.dialect, line_end=b"\r\n")
                found = split(self.rest, self.dialect)
        if self._bits is None and found is not None:
            self._bits = self._bits_of(int(np.bincount(found.widths).argmax()))
        if self.dialect.simple and (found is None or _fits(found, self._bits or ())):
            return found
        return self._exact_rows()

    def _exact_rows(self) -> Rows | None:
        rows: list[Row] = []
        lines: list[int] = []
        at = line = 0
        bits = self._bits if self._bits is not None else self._bits_of(0)
        while (row := next_row(self.rest, at, self.dialect, bits, final=self._ended)) is not None:
            rows.append(row)
            lines.append(line)
            line += self.rest.count(b"\n", at, row.following)
            at = row.following
        return _ExactRows(rows, at, np.array(lines, np.int64)) if rows else None


def _all_windows(buffer: bytes, rows: Rows) -> bool:
    lasts = np.frombuffer(buffer, np.uint8)[rows.stops - 1]
    return bool(((rows.stops > rows.starts) & (lasts == 0x0D)).all())


def _fits(rows: Rows, bits: tuple[int, ...]) -> bool:
    """Whether every BIT is as long as it must be, and every row: then no byte of a BIT was taken for an end or an escape."""
    if not any(bits):
        return True
    if not (rows.widths == len(bits)).all():
        return False
    every = np.arange(len(rows.widths))
    return all(all_long(rows.column(every, at), width) for at, width in enumerate(bits) if width)
