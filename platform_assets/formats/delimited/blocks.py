"""Delimited text -> Arrow blocks with exact row and line numbers. All work per cell is vectorised; not here: names and types of columns.

A block of 8 MiB goes to Arrow's parser as far as it is proven that Arrow sees the records that delimited_dialect defines. Where the proof
fails (a quote within plain text, an escape character, a lone CR) the records around that place are read by delimited_exact, and the
fast path goes on behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from platform_assets.formats.delimited.arrow import is_utf8, read_block, renumbered, sliced, undecodable_records, without
from platform_assets.formats.delimited.dialect import Dialect
from platform_assets.formats.delimited.exact import MESSAGES, Record, exact_records
from platform_assets.formats.delimited.proof import Int64s, Spans, proven_end, spans_of
from platform_assets.formats.delimited.text import Utf8Source

BLOCK_BYTES = 8 << 20
MAX_RECORD_BYTES = 256 << 20
"""A record longer than this is taken for a quote that is never closed; memory would not hold it otherwise."""
EXACT_BYTES = 4 << 10
"""What is read exactly around a place that is not safe; doubled while such places lie close together."""


@dataclass(frozen=True)
class Block:
    """Readable rows: text columns c0, c1, ... and, as int64 arrays of the same length, row numbers and 1-based first lines."""

    batch: pa.RecordBatch
    rows: Int64s
    lines: Int64s


@dataclass(frozen=True)
class BadRow:
    """An unreadable row: its code, why, where it begins and its text. `offset` in bytes of the member, None for transcoded text."""

    row: int
    line: int
    offset: int | None
    code: str
    message: str
    raw: str


@dataclass
class Findings:
    """What a splitter saw besides rows. `cut` is the error that ended the stream early, `stopped` why reading was given up."""

    cut: Exception | None = None
    stopped: str | None = None
    good: tuple[int, int | None] = (1, 0)
    """Where the first row that the end of a cut stream leaves unfinished would begin: its line, and its offset in bytes if known."""
    final_newline: bool = True
    blank_lines: int = 0
    first_blank_line: int | None = None
    width: int = 0
    rows: int = 0
    unreadable: int = 0
    first_unreadable: BadRow | None = field(default=None, repr=False)


class Splitter:
    """Reads one member once: `header()` if it has one, then `blocks(width)`; `findings` are complete when the blocks are used up."""

    def __init__(
        self, source: Utf8Source, dialect: Dialect, *, block_bytes: int = BLOCK_BYTES, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        self.findings = Findings()
        self._source = source
        self._dialect = dialect
        self._block_bytes = block_bytes
        self._max_record_bytes = max_record_bytes
        self._buffer = b""
        self._start = 0
        """Where the next record begins in the buffer."""
        self._base = 0
        """Bytes of UTF-8 before the buffer."""
        self._line = 1
        self._ended = False

    def header(self) -> tuple[tuple[str, ...] | None, BadRow | None]:
        """Takes the first record that is no blank line as column names, or says why it is unreadable; (None, None) when there is none."""
        record = next((record for record in self._whole_records() if not record.blank), None)
        if record is None:
            return None, None
        problem = self._problem(record)
        if problem:
            line = self._line + self._count_lines(self._start, record.start)
            return None, self._bad(record, row=0, line=line, problem=problem)
        names = replace(self._dialect, null=(), null_pattern=None).values(self._buffer[record.start : record.stop].decode())
        self._pass(record.following)
        return tuple(name or "" for name in names), None

    def width(self) -> int | None:
        """The number of fields of the first readable record, without taking it; None when the first block has none."""
        for record in self._whole_records():
            if not record.blank and not self._problem(record):
                return len(self._dialect.values(self._buffer[record.start : record.stop].decode()))
        return None

    def blocks(self, width: int) -> Iterator[Block | BadRow]:
        """All further rows, in order up to a block: its readable rows, then its unreadable ones. Rows of other widths are unreadable."""
        self.findings.width = width
        while True:
            yield from self._parse_buffer(width)
            if self._ended:
                yield from self._tail()
                return
            if len(self._buffer) - self._start > self._max_record_bytes:
                yield self._give_up()
                return
            self._fill()

    def _whole_records(self) -> Iterator[Record]:
        """The records of the buffer, of which there is at least one that is not blank unless the member has none."""
        while not self._ended and len(self._buffer) <= self._max_record_bytes:
            if any(not record.blank for record in exact_records(self._buffer, self._start, self._dialect, final=False)):
                break
            self._fill()
        return exact_records(self._buffer, self._start, self._dialect, final=self._final)

    @property
    def _final(self) -> bool:
        return self._ended and self.findings.cut is None

    def _fill(self) -> None:
        """Reads as much as the buffer still holds, at least a block, so that a record of n bytes costs O(n) however long it is."""
        rest = self._buffer[self._start :]
        self._base += self._start
        parts, missing = [rest], max(self._block_bytes - len(rest), len(rest))
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
        self._buffer, self._start = b"".join(parts), 0
        if self._ended and self._buffer:
            self.findings.final_newline = self._buffer.endswith(self._dialect.newline)

    def _parse_buffer(self, width: int) -> Iterator[Block | BadRow]:
        exact, look = EXACT_BYTES, len(self._buffer)
        while self._start < len(self._buffer):
            before = self._start
            stop, clean = proven_end(self._buffer, self._start, look, self._dialect, final=self._final)
            if stop > before:
                yield from self._parse_fast(stop, width)
            if clean and (stop > before or before + look < len(self._buffer)):
                look *= 4
                continue
            exact = exact * 2 if stop - before < 4 * exact else EXACT_BYTES
            before, look = self._start, 16 * exact
            yield from self._parse_exact(exact, width)
            if self._start == before:
                return

    def _parse_fast(self, stop: int, width: int) -> Iterator[Block | BadRow]:
        """Records up to `stop`, which the proof covers. Rows that are not UTF-8 are taken out before Arrow sees the rest."""
        if stop - self._start < width - 1:
            # No row of so many columns fits in: Arrow would make them all for nothing, piece after piece.
            yield from self._parse_exact(stop - self._start, width)
            return
        start, first_line, first_row = self._start, self._line, self.findings.rows
        text = memoryview(self._buffer)[start:stop]
        lines_passed = self._count_lines(start, stop)
        undecodable: list[int] = []
        spans: Spans | None = None
        if not is_utf8(text):
            spans = self._spans(start, stop)
            undecodable = undecodable_records(text, spans)
            text = without(text, spans, undecodable)
        invalid: list[int] = []
        table = read_block(text, self._dialect, width, invalid) if len(text) else None
        count = (table.num_rows if table else 0) + len(invalid) + len(undecodable)
        line_ends = lines_passed + (not self._buffer.endswith(self._dialect.newline, start, stop))
        if count != line_ends or invalid or undecodable:
            spans = spans or self._spans(start, stop)
            if len(spans.starts) != count:
                yield from self._parse_exact(stop - start, width)  # never seen; the exact reading decides
                return
        ragged = renumbered(invalid, undecodable, count)
        bad = sorted([*ragged, *undecodable])
        good = np.delete(np.arange(count, dtype=np.int64), bad) if bad else np.arange(count, dtype=np.int64)
        lines = first_line + (good if spans is None else spans.lines[good])
        if table is not None:
            yield from _blocks(table, first_row + 1 + good, lines)
        if spans is not None:
            self._note_blank(spans)
            for index in bad:
                record = Record(start + int(spans.starts[index]), start + int(spans.stops[index]), 0)
                yield self._bad(
                    record, row=first_row + 1 + index, line=first_line + int(spans.lines[index]), problem=self._problem(record, width)
                )
        self.findings.rows += count
        self._pass(stop)

    def _parse_exact(self, size: int, width: int) -> Iterator[Block | BadRow]:
        """Records one by one until `size` bytes are passed, or the buffer holds no further whole record."""
        start, values, rows, lines, bad = self._start, [], [], [], []
        position, line = start, self._line
        for record in exact_records(self._buffer, start, self._dialect, final=self._final):
            if record.blank:
                self._blank(line)
            else:
                self.findings.rows += 1
                problem = self._problem(record)
                fields = None if problem else self._dialect.values(self._buffer[record.start : record.stop].decode())
                if fields is not None and len(fields) == width:
                    values.append(fields)
                    rows.append(self.findings.rows)
                    lines.append(line)
                else:
                    problem = problem or _ragged(len(fields or ()), width)
                    bad.append(self._bad(record, row=self.findings.rows, line=line, problem=problem))
            line += self._count_lines(record.start, record.following)
            position = record.following
            if position - start >= size:
                break
        self._pass(position)
        if values:
            columns = [pa.array(column, pa.string()) for column in zip(*values, strict=True)]
            table = pa.Table.from_arrays(columns, names=[f"c{index}" for index in range(width)])
            yield from _blocks(table, np.array(rows, np.int64), np.array(lines, np.int64))
        yield from bad

    def _problem(self, record: Record, width: int | None = None) -> tuple[str, str] | None:
        """Code and message of what is wrong with a record; None when it can be read (and has `width` fields, if given)."""
        if record.problem:
            return record.problem, MESSAGES[record.problem]
        try:
            text = self._buffer[record.start : record.stop].decode()
        except UnicodeDecodeError as error:
            what = f"byte {error.start + 1:,} of the row is not {self._source.encoding}; set the source's encoding in platform.yaml"
            return "encoding-error", what
        if width is None:
            return None
        return _ragged(len(self._dialect.values(text)), width)

    def _bad(self, record: Record, *, row: int, line: int, problem: tuple[str, str] | None) -> BadRow:
        code, message = problem or ("unreadable", "Arrow's parser and the exact reading differ on this row")
        offset = self._offset(record.start)
        bad = BadRow(row, line, offset, code, message, self._source.show(self._buffer[record.start : record.stop]))
        if row:
            self.findings.unreadable += 1
            self.findings.first_unreadable = self.findings.first_unreadable or bad
        return bad

    def _offset(self, position: int) -> int | None:
        """A place of the buffer in bytes of the member; None for transcoded text."""
        return None if self._source.transcoded else self._source.mark + self._base + position

    def _tail(self) -> Iterator[BadRow]:
        """What is left when the stream broke off: a row of which nobody knows the end."""
        self.findings.good = (self._line, self._offset(self._start))
        if self._start < len(self._buffer):
            message = "the stream ends within this row; fetch the dump again"
            yield self._lost(("cut-short", message))

    def _give_up(self) -> BadRow:
        size = self._max_record_bytes
        self.findings.stopped = (
            f"the row at line {self._line:,} has no end within {size:,} bytes, most likely a quote that is never closed; "
            "mend the quote in the file, or set the source's delimited.quote in platform.yaml"
        )
        return self._lost(("unterminated-quote", f"{self.findings.stopped}. Nothing behind it was read"))

    def _lost(self, problem: tuple[str, str]) -> BadRow:
        self.findings.rows += 1
        record = Record(self._start, len(self._buffer), len(self._buffer))
        bad = self._bad(record, row=self.findings.rows, line=self._line, problem=problem)
        self._pass(record.following)
        return bad

    def _spans(self, start: int, stop: int) -> Spans:
        return spans_of(np.frombuffer(self._buffer, np.uint8)[start:stop], self._dialect)

    def _note_blank(self, spans: Spans) -> None:
        for line in spans.blank_lines[:1].tolist():
            self._blank(self._line + line)
        self.findings.blank_lines += max(len(spans.blank_lines) - 1, 0)

    def _blank(self, line: int) -> None:
        self.findings.blank_lines += 1
        self.findings.first_blank_line = self.findings.first_blank_line or line

    def _count_lines(self, start: int, stop: int) -> int:
        return self._buffer.count(self._dialect.newline, start, stop)

    def _pass(self, position: int) -> None:
        self._line += self._count_lines(self._start, position)
        self._start = position


def _blocks(table: pa.Table, rows: Int64s, lines: Int64s) -> Iterator[Block]:
    for part in sliced(table, rows, lines):
        yield Block(*part)


def _ragged(found: int, width: int) -> tuple[str, str] | None:
    if found == width:
        return None
    return ("missing-cell" if found < width else "extra-cell"), f"the row has {found} fields where the table has {width}"
