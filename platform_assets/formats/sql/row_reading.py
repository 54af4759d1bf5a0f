"""The rows behind VALUES, by three ways to one result: many at once (plain_rows), one plain row after the other, token by token.

Each way takes what it can prove and leaves the rest to the next. Dumps that write an INSERT per row are read as if they were one, as long
as each begins with the same text. Which statement and which columns the rows belong to is inserts', what a value is the dialect's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.cells import Flags, is_high
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.file import FileReading
from platform_assets.formats.sql.plain_rows import BLANK, Form, Found, find_rows
from platform_assets.formats.sql.rows import BATCH_BYTES, Cells, shown_raw
from platform_assets.formats.sql.tokens import END, EOF, Token
from platform_assets.formats.sql.tuples import DEFAULT, Problem, Tuples

FIRST_ROWS = 32
"""Rows of a run that are read one by one before it is worth to look at many: a look costs as much as some hundred of them."""
LEAST_LOOK, MOST_LOOK = 32 << 10, 1 << 20
"""Bytes looked at for rows at once. With less, calls for each column take longer than their work; more brings nothing."""
MOST_SINGLE = 512
_TOLD = b"'\\"
"""Bytes that a joint must not have: in it they would be taken for those of a string."""


@dataclass
class Pace:
    """How the next rows are read: `single` of them one by one, then `look` bytes at once. `penalty` grows while looks find little."""

    single: int = field(default_factory=lambda: FIRST_ROWS)
    look: int = field(default_factory=lambda: LEAST_LOOK)
    penalty: int = 1

    def looked(self, taken: int, *, stopped: bool) -> None:
        """A look took so many bytes; `stopped` by a row that is not of the plain form."""
        if not stopped:
            self.look, self.penalty = min(self.look * 4, MOST_LOOK), 1
            return
        self.penalty = 1 if taken >= LEAST_LOOK else min(self.penalty * 2, MOST_SINGLE)
        self.single, self.look = self.penalty, LEAST_LOOK


@dataclass
class Insert:
    """An INSERT or REPLACE whose rows are being read. `table` is a sql.tables.Known, `first` the statement's first token."""

    table: Any
    tuples: Tuples
    names: tuple[str, ...] | None
    first: Token
    head: bytes | None = None
    """Its text up to the first tuple; the next statement mostly begins with the same."""
    joint: bytes = b""
    """The text from a semicolon to the first tuple behind it, as it stood between the last two statements with this head."""
    pace: Pace = field(default_factory=Pace)


class RowReading(FileReading):
    """Reads rows into the tables' buffers. `last_insert` is the INSERT that the statement before was, if it was one."""

    last_insert: Insert | None = None
    row_form = Form(0, False)
    """What plain rows look like; width, backslash and joint are those of the statement."""
    tail_words: tuple[bytes, ...] = (b"ON", b"RETURNING")
    """Words that may stand behind the last row."""
    conflict = ("on-conflict", "INSERT ... ON CONFLICT")
    problems_cut = False
    """Whether a row that cannot be read ends the batch of the rows before it."""

    def _rows(self, insert: Insert) -> Iterator[Event]:
        """All rows of this INSERT, and of those right behind that begin with the same text."""
        tokens = self.tokens
        while True:
            ended: bool | None = yield from self._single_rows(insert)
            if not ended and insert.pace.single <= 0:
                found = self._look(insert)
                if found is not None:
                    ended = yield from self._block(insert, found)
                    if ended is False:
                        continue
            if ended is False:
                ended = yield from self._next_row(insert)
            if ended is None:
                return
            if ended:
                self.last_insert = insert
                self._good = (tokens.line, tokens.offset)
                again = self._again(insert)
                if again is None:
                    return
                insert.first = again

    def _again(self, insert: Insert) -> Token | None:
        """Goes behind the head of the next statement when it is that of this one; the next one's first token."""
        tokens = self.tokens
        self._between, ended = True, tokens.offset
        if insert.head is None or tokens.depth or tokens.peek_byte() < 0:
            return None
        self._between = False
        if not tokens.buffer.startswith(insert.head, tokens.position):
            return None
        between = tokens.buffer[max(tokens.position - (tokens.offset - ended), 0) : tokens.position]
        plain = len(between) == tokens.offset - ended and all(BLANK[byte] for byte in between)
        insert.joint = b";" + between + insert.head if plain and not any(byte in insert.head for byte in _TOLD) else b""
        again = insert.first._replace(offset=tokens.offset, line=tokens.line)
        tokens.position += len(insert.head)
        self._began(again)
        return again

    def _single_rows(self, insert: Insert) -> Generator[Event, None, bool]:
        """Plain rows in the buffer one after the other, as many as the pace wants; True when the statement ended with them."""
        table, buffer, pace = insert.table, insert.table.buffer, insert.pace
        assert buffer is not None
        before, begun = len(buffer.cells), self.tokens.offset
        ended = insert.tuples.plain(buffer.cells, buffer.lines, before + min(buffer.room, pace.single), insert.joint)
        added = len(buffer.cells) - before
        if added:
            if insert.tuples.semicolon >= 0:
                self._passed(insert, insert.tuples.semicolon)
            pace.single -= added
            buffer.rows.extend(range(table.rows + 1, table.rows + added + 1))
            table.rows += added
            yield from self.tables.grown(table, self.tokens.offset - begun)
        return ended

    def _look(self, insert: Insert) -> Found | None:
        """The rows at the place where the tokens stand; None when there is not one that is whole and of the plain form."""
        tokens, lexis, pace = self.tokens, self.tokens.lexis, insert.pace
        if lexis.delimiter != b";" or insert.tuples.width <= 0 or tokens.peek_byte() != ord("("):
            pace.looked(0, stopped=True)
            return None
        form = replace(self.row_form, width=insert.tuples.width, backslash=lexis.backslash, joint=insert.joint)
        while True:
            size = min(pace.look, len(tokens.buffer) - tokens.position)
            text = np.frombuffer(tokens.buffer, np.uint8, size, tokens.position)
            if lexis.lead and is_high(text):
                pace.looked(0, stopped=True)
                return None
            found = find_rows(text, form)
            if len(found.edges):
                pace.looked(found.size, stopped=found.stopped)
                return found
            if found.stopped or size < pace.look:
                pace.looked(0, stopped=found.stopped)
                return None
            pace.look *= 4

    def _block(self, insert: Insert, found: Found) -> Generator[Event, None, bool | None]:
        """Takes the rows that were found, those that are not plain token by token. True when the statement ended with them."""
        tokens, table, buffer = self.tokens, insert.table, insert.table.buffer
        assert buffer is not None
        begun, before, line = tokens.offset, table.rows, tokens.line
        done = before
        data = tokens.buffer[tokens.position : tokens.position + found.size]
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == 0x0A) if b"\n" in data else np.empty(0, np.int64)
        rows = np.arange(before + 1, before + len(found.edges) + 1)
        block = RowBlock(data, found, rows, line + np.searchsorted(newlines, found.edges[:, 0]))
        plain = self._plain(insert, block, found)
        odd = np.flatnonzero(~plain).tolist()
        for at in odd:
            tokens.go_to(begun + int(found.edges[at, 0]))
            self._joined(insert, found.joints[found.joints < found.edges[at, 0]], begun, line, newlines)
            table.rows = before + at
            if self._single_row(insert):
                continue
            row, opening = self._read_row(insert)
            if self.problems_cut and isinstance(row, Problem):
                buffer.add(block.only(plain & (rows > done) & (rows <= before + at)))
                done = before + at
            yield from self._take(insert, row, opening)
            if tokens.offset != begun + int(found.edges[at, -2]) + 1:
                # A row that only looked regular, such as ('a' COLLATE): the tokens are right.
                buffer.add(block.only(plain & (rows > done) & (rows <= before + at)))
                yield from self.tables.grown(table, tokens.offset - begun)
                return (yield from self._behind_row(insert, row if isinstance(row, Problem) else None))
        tokens.go_to(begun + found.size)
        self._joined(insert, found.joints, begun, line, newlines)
        table.rows = before + len(rows)
        buffer.add(block.only(plain & (rows > done)) if odd else block)
        yield from self.tables.grown(table, found.size)
        return found.ended

    def _plain(self, insert: Insert, block: RowBlock, found: Found) -> Flags:
        """Which of the rows that were found are plain indeed."""
        return found.plain

    def _joined(self, insert: Insert, joints: npt.NDArray[np.int64], begun: int, line: int, newlines: npt.NDArray[np.int64]) -> None:
        """The semicolons at `joints`, counted from the offset `begun` on `line`, were passed: another statement is being read."""
        assert insert.head is not None or not len(joints)
        last = begun + int(joints[-1]) if len(joints) else 0
        if last <= insert.first.offset:
            return
        first = last + len(insert.joint) - len(insert.head or b"")
        lines = line + np.searchsorted(newlines, (last + 1 - begun, first - begun))
        self._good = (int(lines[0]), last + 1)
        insert.first = insert.first._replace(offset=first, line=int(lines[1]))
        self._began(insert.first)

    def _passed(self, insert: Insert, semicolon: int) -> None:
        """The joint behind the semicolon at this offset was passed: another statement is being read."""
        tokens = self.tokens
        at = tokens.position - (tokens.offset - semicolon)
        first = at + len(insert.joint) - len(insert.head or b"")
        line = tokens.line - tokens.buffer.count(b"\n", first, tokens.position)
        self._good = (line - tokens.buffer.count(b"\n", at, first), semicolon + 1)
        insert.first = insert.first._replace(offset=semicolon + first - at, line=line)
        self._began(insert.first)

    def _next_row(self, insert: Insert) -> Generator[Event, None, bool | None]:
        """One row of any form, and what stands behind it. True: the statement ended; None: it ended and no row follows it."""
        begun = self.tokens.offset
        if self.tokens.peek_byte() != ord("("):
            self.tokens.mark()
            return (yield from self._behind(insert, self.tokens.next()))
        insert.pace.single -= 1
        row, opening = self._read_row(insert)
        yield from self._take(insert, row, opening)
        problem = row if isinstance(row, Problem) else None
        del row  # its values are the buffer's alone
        size = self.tokens.offset - begun
        if size > BATCH_BYTES:
            self.tokens.unmark()
            self.tokens.let_go()
        yield from self.tables.grown(insert.table, size)
        return (yield from self._behind_row(insert, problem))

    def _single_row(self, insert: Insert) -> bool:
        """Takes one plain row if there is one."""
        buffer = insert.table.buffer
        assert buffer is not None
        before = len(buffer.cells)
        insert.tuples.plain(buffer.cells, buffer.lines, before + 1)
        if len(buffer.cells) == before:
            return False
        insert.table.rows += 1
        buffer.rows.append(insert.table.rows)
        return True

    def _read_row(self, insert: Insert) -> tuple[Cells | Problem, Token]:
        """One row token by token, and its parenthesis, which is the next token."""
        self.tokens.mark()
        opening = self.tokens.next()
        return insert.tuples.one(opening), opening

    def _behind_row(self, insert: Insert, row: Problem | None) -> Generator[Event, None, bool | None]:
        if row is not None and (row.cut or row.ended):
            if row.cut:
                self._cut(insert.first)
            return None if row.cut else True
        return (yield from self._behind(insert, self.tokens.next()))

    def _behind(self, insert: Insert, token: Token) -> Generator[Event, None, bool | None]:
        self.tokens.unmark()
        if token.punct(b","):
            return False
        return (yield from self._tail(insert, token, insert.first))

    def _tail(self, insert: Insert, token: Token, first: Token) -> Generator[Event, None, bool | None]:
        """What stands behind the last row."""
        if token.kind == END:
            return True
        if token.kind == EOF:
            self._cut(first)
            return None
        head = self._excerpt(token)
        self._skip(first)
        if not token.is_(*self.tail_words):
            message = f"What stands behind a row of {insert.table.name!r} is no SQL; the rest of the statement was skipped."
            yield Notice(
                "not-a-statement", message, self.member, token.line, insert.table.name, raw=self._raw(head, token), data_bearing=True
            )
        elif not token.is_(b"RETURNING") and insert.table.once("conflict"):
            code, what = self.conflict
            message = f"{what}: its rows are taken as they stand; the merge decides between two with one key."
            yield Notice(code, message, self.member, token.line, insert.table.name)
        return None

    def _before_problem(self, insert: Insert) -> Iterator[Event]:
        """What is told before a row that cannot be read: its table."""
        yield from self.tables.announce(insert.table)

    def _take(self, insert: Insert, row: Cells | Problem, opening: Token) -> Iterator[Event]:
        """One row that was read token by token, without the size of the buffer being looked at."""
        table = insert.table
        table.rows += 1
        if isinstance(row, Problem):
            yield from self._before_problem(insert)
            raw = shown_raw(row.raw)
            yield Unreadable(table.name, self.member, row.line, table.rows, raw, row.code, row.message, row.offset)
            return
        if DEFAULT in row:
            row = yield from self._with_defaults(insert, row, opening)
        table.buffer.add_row(row, table.rows, opening.line)

    def _with_defaults(self, insert: Insert, row: Cells, opening: Token) -> Generator[Event, None, Cells]:
        """The row with what the word DEFAULT stands for: NULL where only the server could tell, which is said once."""
        columns = insert.table.buffer.plan.columns
        computed = [column.name for column, cell in zip(columns, row, strict=True) if cell == DEFAULT and column.computed]
        if computed and insert.table.once("default"):
            message = f"DEFAULT stands for values that only the server computes ({', '.join(computed)}); they are NULL."
            yield Notice("columns-filled", message, self.member, opening.line, insert.table.name)
        return tuple(column.literal if cell == DEFAULT else cell for column, cell in zip(columns, row, strict=True))
