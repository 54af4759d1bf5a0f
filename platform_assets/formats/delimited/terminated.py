"""Text with terminators of several characters -> Arrow blocks with row and line numbers. The counterpart of blocks.Splitter.

Whole rows of a buffer are translated to terminators of one byte and go to Arrow's parser; a buffer with anything unusual in it (rows of
another width, bytes that are no text, empty rows) is read row by row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.delimited.arrow import is_utf8, read_block, sliced
from platform_assets.formats.delimited.blocks import BLOCK_BYTES, MAX_RECORD_BYTES, BadRow, Block, Findings
from platform_assets.formats.delimited.dialect import LF
from platform_assets.formats.delimited.terminators import Terminators, Translated
from platform_assets.formats.delimited.text import Utf8Source


class TerminatedSplitter:
    """Reads one member once: `header()` if it has one, then `blocks(width)`; `findings` are complete when the blocks are used up."""

    def __init__(
        self, source: Utf8Source, terminators: Terminators, *, block_bytes: int = BLOCK_BYTES, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self.findings = Findings()
        self._source = source
        self._terminators = terminators
        self._block_bytes = block_bytes
        self._max_record_bytes = max_record_bytes
        self._buffer = b""
        self._base = 0
        """Bytes of UTF-8 before the buffer."""
        self._line = 1
        self._ended = False

    def header(self) -> tuple[tuple[str, ...] | None, BadRow | None]:
        """Takes the first row that is not empty as column names, or says why it is unreadable; (None, None) when there is none."""
        while (row := self._first_row()) is not None:
            text, size = row
            if text:
                bad = None if is_utf8(memoryview(text)) else self._bad(text, 0, self._line, self._base, self._undecodable(text))
                self._pass(size)
                return (None, bad) if bad else (tuple(text.decode().split(self._terminators.separator.decode())), None)
            self._pass(size)
        return None, None

    def width(self) -> int | None:
        """The number of fields of the first readable row, without taking it; None when there is none."""
        row = self._first_row()
        if row is None:
            return None
        whole = self._buffer[: self._terminators.last_end(self._buffer)] or row[0]
        texts = (text for text in self._terminators.rows(whole) if text and is_utf8(memoryview(text)))
        first = next(texts, None)
        return None if first is None else first.count(self._terminators.separator) + 1

    def blocks(self, width: int) -> Iterator[Block | BadRow]:
        """All further rows, in order up to a block: its readable rows, then its unreadable ones. Rows of other widths are unreadable."""
        self.findings.width = width
        while True:
            stop = self._terminators.last_end(self._buffer)
            if self._ended and self.findings.cut is None:
                stop = len(self._buffer)
            if stop:
                yield from self._parse(self._buffer[:stop], width)
                self._pass(stop)
            if self._ended:
                if self._buffer:
                    yield self._lost(("cut-short", "the stream ends within this row; fetch the dump again"))
                return
            if len(self._buffer) > self._max_record_bytes:
                yield self._give_up()
                return
            self._fill()

    def _first_row(self) -> tuple[bytes, int] | None:
        """The next row and its size with its terminator; None at the end."""
        row = self._terminators.row
        while row not in self._buffer and not self._ended and len(self._buffer) <= self._max_record_bytes:
            self._fill()
        if not self._buffer or (row not in self._buffer and self.findings.cut is not None):
            return None
        text, end, _ = self._buffer.partition(row)
        return self._terminators.rows(text + end)[0], len(text) + len(end)

    def _fill(self) -> None:
        """Reads as much as the buffer still holds, at least a block, so that a row of n bytes costs O(n) however long it is."""
        parts, missing = [self._buffer], max(self._block_bytes - len(self._buffer), len(self._buffer))
        try:
            while missing > 0:
                part = self._source.read(missing)
                if not part:
                    self._ended = True
                    break
                parts.append(part)
                missing -= len(part)
        except (EOFError, OSError) as error:
            self.findings.cut = error
            self._ended = True
        self._buffer = b"".join(parts)
        if self._ended and self._buffer:
            self.findings.final_newline = self._buffer.endswith(self._terminators.row)

    def _parse(self, text: bytes, width: int) -> Iterator[Block | BadRow]:
        found = self._fast(text, width) if width > 1 and is_utf8(memoryview(text)) else None
        if found is None:
            yield from self._exact(text, width)
        else:
            yield from found

    def _fast(self, text: bytes, width: int) -> list[Block] | None:
        """The rows when all of them have this width; None otherwise."""
        translated = self._terminators.translated(text)
        if translated is None:
            return None
        count = translated.text.count(LF) + (not translated.text.endswith(LF))
        invalid: list[int] = []
        table = read_block(memoryview(translated.text), translated.dialect, width, invalid)
        if invalid or table.num_rows != count:
            return None
        rows = np.arange(self.findings.rows + 1, self.findings.rows + 1 + count, dtype=np.int64)
        lines = self._lines(translated, count)
        self.findings.rows += count
        columns = [_as_written(column, translated) for column in table.columns]
        return [Block(*part) for part in sliced(pa.Table.from_arrays(columns, names=table.column_names), rows, lines)]

    def _lines(self, translated: Translated, count: int) -> np.ndarray:
        """The 1-based line on which each row begins: the line ends of the terminators and those in the data before it."""
        lines = self._line + np.arange(count, dtype=np.int64) * self._terminators.row.count(LF)
        octets = np.frombuffer(translated.text, np.uint8)
        inside = np.flatnonzero(octets == translated.line_feed[0])
        if len(inside):
            starts = np.concatenate(([0], np.flatnonzero(octets == LF[0]) + 1))[:count]
            lines += np.searchsorted(inside, starts)
        return lines

    def _exact(self, text: bytes, width: int) -> Iterator[Block | BadRow]:
        """Row by row."""
        terminator, separator = self._terminators.row, self._terminators.separator.decode()
        values, rows, lines, bad = [], list[int](), list[int](), list[BadRow]()
        line, offset, left = self._line, self._base, len(text)
        for row in text.split(terminator):
            content = row.removesuffix(b"\r") if self._terminators.line_ends else row
            if left <= 0:
                break
            if not content and width > 1:
                self.findings.blank_lines += 1
                self.findings.first_blank_line = self.findings.first_blank_line or line
            else:
                self.findings.rows += 1
                fields = content.decode().split(separator) if is_utf8(memoryview(content)) else None
                if fields is not None and len(fields) == width:
                    values.append(self._terminators.dialect.plain_values(fields))
                    rows.append(self.findings.rows)
                    lines.append(line)
                else:
                    problem = self._undecodable(content) if fields is None else _ragged(len(fields), width)
                    bad.append(self._bad(content, self.findings.rows, line, offset, problem))
            line += row.count(LF) + terminator.count(LF)
            offset += len(row) + len(terminator)
            left -= len(row) + len(terminator)
        if values:
            columns = [pa.array(column, pa.string()) for column in zip(*values, strict=True)]
            table = pa.Table.from_arrays(columns, names=[f"c{index}" for index in range(width)])
            for part in sliced(table, np.array(rows, np.int64), np.array(lines, np.int64)):
                yield Block(*part)
        yield from bad

    def _undecodable(self, content: bytes) -> tuple[str, str]:
        try:
            content.decode()
        except UnicodeDecodeError as error:
            what = f"byte {error.start + 1:,} of the row is not {self._source.encoding}; set the source's encoding in platform.yaml"
            return "encoding-error", what
        return "unreadable", "the row cannot be decoded"

    def _bad(self, content: bytes, row: int, line: int, offset: int, problem: tuple[str, str]) -> BadRow:
        place = None if self._source.transcoded else self._source.mark + offset
        bad = BadRow(row, line, place, *problem, self._source.show(content))
        if row:
            self.findings.unreadable += 1
            self.findings.first_unreadable = self.findings.first_unreadable or bad
        return bad

    def _give_up(self) -> BadRow:
        self.findings.stopped = (
            f"the row at line {self._line:,} has no end within {self._max_record_bytes:,} bytes; most likely the source's "
            f"delimited.row_terminator is not the one of the file"
        )
        return self._lost(("unterminated-row", f"{self.findings.stopped}. Nothing behind it was read"))

    def _lost(self, problem: tuple[str, str]) -> BadRow:
        self.findings.rows += 1
        bad = self._bad(self._buffer, self.findings.rows, self._line, self._base, problem)
        self._pass(len(self._buffer))
        return bad

    def _pass(self, size: int) -> None:
        self._line += self._buffer.count(LF, 0, size)
        self._base += size
        self._buffer = self._buffer[size:]


def _as_written(column: pa.ChunkedArray, translated: Translated) -> pa.ChunkedArray:
    """With the line ends that were data."""
    for stand_in, meant in ((translated.line_feed, "\n"), (translated.carriage_return, "\r")):
        if stand_in in translated.text:
            column = pc.replace_substring(column, stand_in.decode(), meant)
    return column


def _ragged(found: int, width: int) -> tuple[str, str]:
    return ("missing-cell" if found < width else "extra-cell"), f"the row has {found} fields where the table has {width}"
