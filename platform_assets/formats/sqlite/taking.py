"""The rows behind VALUES, by three ways to one result: many at once, one plain row after the other, token by token.

Each way takes what it can prove and leaves the rest to the next. `.dump` writes an INSERT per row: those that begin with the same text are
read as if they were one. Which statement and which columns the rows belong to is inserts'.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.mysql.row_reading import FIRST_ROWS, Pace
from platform_assets.formats.mysql.rows import shown_raw
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.plain_rows import BLANK, Form, Found, find_rows
from platform_assets.formats.sql.tokens import END, EOF, Token
from platform_assets.formats.sqlite.file import FileReading
from platform_assets.formats.sqlite.rows import Part
from platform_assets.formats.sqlite.tables import KnownTable
from platform_assets.formats.sqlite.tuples import Cells, Problem, Tuples

_TOLD = b"'\"`[\\"
"""Bytes that a head must not have for the many-at-once way: there they would be taken for quotes."""


@dataclass
class Insert:
    """An INSERT whose rows are being read. `first` is its first token, `head` its text up to the first row."""

    table: KnownTable
    tuples: Tuples
    first: Token
    head: bytes | None = None
    joint: bytes = b""
    """The text from a semicolon to the first row behind it, as it stood between the last two statements with this head."""
    pace: Pace = field(default_factory=lambda: Pace(single=FIRST_ROWS))


class RowReading(FileReading):
    """Reads rows into the tables' buffers."""

    def _rows(self, insert: Insert) -> Iterator[Event]:
        """All rows of this INSERT, and of those right behind that begin with the same text."""
        while True:
            ended = yield from self._look(insert) if insert.pace.single <= 0 else self._one(insert)
            if ended is None:
                return
            if ended:
                self._good = (self.tokens.line, self.tokens.offset)
                if not self._again(insert):
                    return

    def _again(self, insert: Insert) -> bool:
        """Goes behind the head of the next statement when it is that of this one."""
        tokens = self.tokens
        self._between, ended = True, tokens.offset
        byte = tokens.peek_byte()
        self._between = False
        if insert.head is None or byte < 0 or not tokens.buffer.startswith(insert.head, tokens.position):
            return False
        between = tokens.buffer[max(tokens.position - (tokens.offset - ended), 0) : tokens.position]
        plain = len(between) == tokens.offset - ended and all(BLANK[byte] for byte in between)
        insert.joint = b";" + between + insert.head if plain else b""
        insert.first = insert.first._replace(offset=tokens.offset, line=tokens.line)
        tokens.position += len(insert.head)
        self.evidence.statement("INSERT", insert.first.line)
        return True

    def _one(self, insert: Insert) -> Generator[Event, None, bool | None]:
        """One row and what stands behind it. True: the statement ended; None: it ended and no row follows it."""
        tokens, table, buffer = self.tokens, insert.table, insert.table.buffer
        assert buffer is not None
        insert.pace.single -= 1
        begun, first = tokens.offset, tokens.peek_byte()
        line = tokens.line
        found = insert.tuples.plain() if first == ord("(") else None
        if found is not None:
            table.rows += 1
            buffer.add(found[0], table.rows, line)
            yield from self.tables.grown(table, tokens.offset - begun)
            return found[1]
        tokens.mark()
        opening = tokens.next()
        if not opening.punct(b"("):
            tokens.raw()
            return (yield from self._tail(insert, opening))
        row = insert.tuples.one(opening)
        yield from self._take(insert, row, opening)
        yield from self.tables.grown(table, tokens.offset - begun)
        if isinstance(row, Problem) and row.cut:
            self._cut(insert.first)
            return None
        if isinstance(row, Problem) and row.ended:
            return True
        tokens.raw()
        following = tokens.next()
        return False if following.punct(b",") else (yield from self._tail(insert, following))

    def _take(self, insert: Insert, row: Cells | Problem, opening: Token) -> Iterator[Event]:
        table = insert.table
        assert table.buffer is not None
        table.rows += 1
        if isinstance(row, Problem):
            yield from self.tables.flush(table)
            yield from self.tables.announce(table)
            yield Unreadable(table.name, self.member, row.line, table.rows, shown_raw(row.raw), row.code, row.message, row.offset)
        else:
            table.buffer.add(row, table.rows, opening.line)

    def _tail(self, insert: Insert, token: Token) -> Generator[Event, None, bool | None]:
        """What stands behind the last row."""
        if token.kind == END:
            return True
        if token.kind == EOF:
            self._cut(insert.first)
            return None
        head, table = self._excerpt(token), insert.table
        self._skip(insert.first)
        if not token.is_(b"ON", b"RETURNING"):
            message = f"What stands behind a row of {table.name!r} is no SQL; the rest of the statement was skipped."
            yield Notice("not-a-statement", message, self.member, token.line, table.name, raw=self._raw(head, token), data_bearing=True)
        elif "conflict" not in table.said:
            table.said.add("conflict")
            message = "INSERT ... ON CONFLICT: its rows are taken as they stand; the merge decides between two with one key."
            yield Notice("on-conflict", message, self.member, token.line, table.name)
        return None

    def _look(self, insert: Insert) -> Generator[Event, None, bool | None]:
        """The plain rows at the place where the tokens stand, at once. False: rows may follow; True: the statement ended."""
        tokens, pace = self.tokens, insert.pace
        if not insert.tuples.width or tokens.peek_byte() != ord("("):
            pace.looked(0, stopped=True)
            return False
        usable = insert.joint and not any(byte in insert.joint for byte in _TOLD)
        form = Form(insert.tuples.width, False, insert.joint if usable else b"", b"X'")
        size = min(pace.look, len(tokens.buffer) - tokens.position)
        found = find_rows(np.frombuffer(tokens.buffer, np.uint8, size, tokens.position), form)
        block = self._block(insert, found) if len(found.edges) and not found.hexadecimal else None
        if block is None or not len(block.rows):
            pace.looked(0, stopped=True)
            return False
        whole = len(block.rows) == len(found.edges)
        last = int(found.edges[len(block.rows) - 1, -1])
        size = found.size if whole else last + 1
        if not whole and np.isin(last, found.joints):
            size = last + len(insert.joint)
        pace.looked(size, stopped=found.stopped or not whole)
        yield from self._take_block(insert, found, block, size)
        return whole and found.ended

    def _block(self, insert: Insert, found: Found) -> Part:
        """The plain rows before the first that is not, as literals."""
        tokens, table = self.tokens, insert.table
        count = len(found.plain) if found.plain.all() else int(np.argmin(found.plain))
        data = tokens.buffer[tokens.position : tokens.position + found.size]
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == 0x0A) if b"\n" in data else np.empty(0, np.int64)
        rows = np.arange(table.rows + 1, table.rows + len(found.edges) + 1)
        lines = tokens.line + np.searchsorted(newlines, found.edges[:, 0])
        block = RowBlock(data, found, rows, lines)
        if count < len(rows):
            block = block.only(np.arange(len(rows)) < count)
        columns = [block.literals(block.forms(column)) for column in range(insert.tuples.width)]
        good = min((_well_formed(column) for column in columns), default=count)
        return Part(tuple(column.slice(0, good) for column in columns), block.rows[:good], block.lines[:good])

    def _take_block(self, insert: Insert, found: Found, block: Part, size: int) -> Iterator[Event]:
        tokens, table, buffer = self.tokens, insert.table, insert.table.buffer
        assert buffer is not None
        line, begun, position = tokens.line, tokens.offset, tokens.position
        buffer.add_part(block)
        table.rows += len(block.rows)
        tokens.position += size
        joints = found.joints[found.joints < size]
        if len(joints):
            last = int(joints[-1])
            first = last + len(insert.joint) - len(insert.head or b"")
            self._good = (line + tokens.buffer.count(b"\n", position, position + last + 1), begun + last + 1)
            insert.first = insert.first._replace(offset=begun + first, line=line + tokens.buffer.count(b"\n", position, position + first))
            self.evidence.statement("INSERT", insert.first.line)
        yield from self.tables.grown(table, size)


def _well_formed(literals: pa.Array) -> int:
    """How many literals there are before the first blob that is none."""
    blobs = pc.starts_with(literals, "X")
    if not pc.any(blobs).as_py():
        return len(literals)
    wrong = pc.and_(blobs, pc.invert(pc.match_substring_regex(literals, "^X'(?:[0-9A-Fa-f][0-9A-Fa-f])*'$")))
    places = np.flatnonzero(wrong.fill_null(False).to_numpy(zero_copy_only=False))
    return int(places[0]) if len(places) else len(literals)
