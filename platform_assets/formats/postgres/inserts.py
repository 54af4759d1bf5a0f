"""INSERT ... VALUES in all its forms. A plain tuple is taken by one regular expression, every other one token by token.

Source: PostgreSQL 18 manual, INSERT and chapter 4.1.2 (constants). Values that only a server can compute are no rows.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache

from platform_assets.formats.base import Event, Unreadable
from platform_assets.formats.postgres.catalog import Key
from platform_assets.formats.postgres.cursor import DdlError, QualifiedName
from platform_assets.formats.postgres.rows import BATCH_BYTES, Cells, Plan, PlannedColumn, RowBuffer, shown_raw
from platform_assets.formats.postgres.tables import KnownTable
from platform_assets.formats.postgres.tuples import DEFAULT, Problem, TupleReading
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token


@lru_cache(maxsize=256)
def tuple_pattern(width: int, backslash: bool) -> re.Pattern[bytes]:
    """Takes one plain tuple and the comma or semicolon behind it. A group per value, None for NULL; a last one for the semicolon."""
    string = rb"'(?:[^'" + (rb"\\" if backslash else b"") + rb"]++|'')*+'(?!')"
    number = rb"-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
    value = rb"(?:NULL|(" + string + rb"|" + number + rb"|true|false))"
    return re.compile(rb"\(\s*+" + rb"\s*+,\s*+".join([value] * width) + rb"\s*+\)\s*+(?:,\s*+|(;))", re.DOTALL)


def _passed_plain(backslash: bool) -> re.Pattern[bytes]:
    """Takes what can be passed by without a look; each part is followed by a byte, so that none goes on behind the buffer."""
    string = rb"'(?:[^'" + (rb"\\" if backslash else b"") + rb"]++|'')*+'(?!')"
    parts = (rb"[^;'\"$/\-A-Za-z_0-9\x80-\xff]++", rb"[A-Za-z_0-9\x80-\xff]++(?!['&$])", rb"-(?!-)", rb"/(?!\*)", string)
    return re.compile(rb"(?:" + rb"|".join(part + rb"(?=.)" for part in parts) + rb")*+", re.DOTALL)


_PASSED_PLAIN = {backslash: _passed_plain(backslash) for backslash in (False, True)}


@dataclass
class Insert:
    """An INSERT whose rows are being read. `head` is its text up to the first tuple: the next statement mostly begins with the same."""

    table: KnownTable
    names: tuple[str, ...]
    head: bytes | None = None


class InsertReading(TupleReading):
    """Reads tuples into the tables' buffers."""

    def _insert_statement(self, first: Token) -> Iterator[Event]:
        """The mark stands at the statement's beginning."""
        token = self.tokens.next()
        token = self.tokens.next() if token.is_(b"INTO") else token
        try:
            name, token = self._table_name(token)
            if token.is_(b"AS"):
                self.tokens.next()
                token = self.tokens.next()
            names, token = self._column_list(token)
            while token.is_(b"OVERRIDING", b"SYSTEM", b"USER", b"VALUE"):
                token = self.tokens.next()
        except DdlError as error:
            yield from self._not_understood(first, str(error), token)
            return
        key = self.tables.now.key(name, self.session)
        if token.kind == EOF:
            self._cut(first)
        elif self.copy_only:
            self.tables.now.touch(key)
            if token.kind != END:
                self._pass_statement(first)
        elif token.is_(b"VALUES") and key not in self.tables.now.views:
            yield from self._values(first, key, names)
        elif token.is_(b"DEFAULT") and key not in self.tables.now.views:
            yield from self._default_row(first, key)
        else:
            into = f"into the view {name[1]!r}" if key in self.tables.now.views else f"into {name[1]!r} of rows that are no literals"
            raw = self._excerpt(first)
            self.tokens.raw()
            self._skip(first)
            yield from self._notice("skipped-data-statement", f"An INSERT {into} was not run.", first.line, raw=raw, bears=True)

    def _pass_statement(self, first: Token) -> None:
        """Goes behind the statement's end, and behind those that follow and begin with the same text; no row is looked at."""
        self.tokens.peek_byte()
        head = self.tokens.raw()
        while True:
            self._skip_values(first)
            again = self._again(head, first)
            if again is None:
                return
            first = again

    def _skip_values(self, first: Token) -> None:
        tokens = self.tokens
        pattern = _PASSED_PLAIN[tokens.lexis.backslash]
        while True:
            found = pattern.match(tokens.buffer, tokens.position)
            tokens.position = found.end() if found is not None else tokens.position
            token = tokens.next()
            if token.kind == END:
                return
            if token.kind == EOF:
                self._cut(first)
                return

    def _not_understood(self, first: Token, error: str, token: Token) -> Iterator[Event]:
        raw = self._excerpt(first)
        self.tokens.raw()
        if token.kind not in (END, EOF):
            self._skip(first)
        elif token.kind == EOF:
            self._cut(first)
        message = f"An INSERT is not understood: {error}."
        yield from self._notice("not-a-statement", message, first.line, raw=raw, bears=True)

    def _table_name(self, token: Token) -> tuple[QualifiedName, Token]:
        names = [self.session.cursor([token]).name()]
        while (token := self.tokens.next()).punct(b"."):
            names.append(self.session.cursor([self.tokens.next()]).name())
        return (names[-2] if len(names) > 1 else None, names[-1]), token

    def _column_list(self, token: Token) -> tuple[tuple[str, ...] | None, Token]:
        """The names in parentheses before VALUES, None without them; and the token behind."""
        if not token.punct(b"("):
            return None, token
        names: list[str] = []
        while (token := self.tokens.next()).kind not in (END, EOF):
            if token.punct(b")"):
                return tuple(names), self.tokens.next()
            if token.is_(b"SELECT", b"WITH", b"TABLE", b"VALUES"):
                return None, token._replace(text=b"SELECT")
            if token.kind != PUNCT:
                names.append(self.session.cursor([token]).name())
        raise DdlError("a parenthesis is not closed")

    def _values(self, first: Token, key: Key, names: tuple[str, ...] | None) -> Iterator[Event]:
        self.tokens.peek_byte()
        head = self.tokens.raw()
        try:
            width = len(names) if names is not None else self._first_width()
        except DdlError as error:
            yield from self._not_understood(first, str(error), self._token)
            return
        listed = names
        names = names if names is not None else (self.tables.columns(key) or tuple(f"c{at + 1}" for at in range(width)))[:width]
        table = yield from self._known(key, first)
        if table is None:
            table = yield from self._orphan(key, names, first, made_up=listed is None)
        insert = Insert(table, names, head)
        unknown = [name for name in names if name not in table.schema.column_names]
        if unknown or len(set(names)) != len(names) or width > len(names):
            reason = f"{width} values for {len(names)} columns" if width > len(names) else f"no column {', '.join(unknown) or 'twice'}"
            yield from self._refuse(insert, first, reason, width)
            return
        yield from self._buffered(insert, first)
        yield from self._rows(insert, first)

    def _first_width(self) -> int:
        """How many values the next tuple has; the place stays. Raises DdlError when that cannot be told."""
        self.tokens.mark()
        depth, width = 0, 1
        while (token := self.tokens.next()).kind not in (END, EOF):
            if token.kind == PUNCT:
                depth += (token.text in (b"(", b"[")) - (token.text in (b")", b"]"))
                width += token.text == b"," and depth == 1
            if depth <= 0:
                break
        self._token = token
        if not self.tokens.rewind():
            raise DdlError("the first row is too long to count its values")
        return width

    def _default_row(self, first: Token, key: Key) -> Iterator[Event]:
        """INSERT ... DEFAULT VALUES: one row of defaults."""
        self.tokens.raw()
        self._skip(first)
        table = yield from self._known(key, first)
        if table is None:
            table = yield from self._orphan(key, (), first, made_up=True)
        insert = Insert(table, ())
        yield from self._buffered(insert, first)
        yield from self._take(insert, (), first)

    def _buffered(self, insert: Insert, first: Token) -> Iterator[Event]:
        """Sees to a buffer for the INSERT's columns under the encoding in force."""
        table = insert.table
        encoding = "utf-8" if self.session.utf8 else self.session.encoding
        buffer = table.buffer
        same = buffer is not None and buffer.member == self.member and buffer.plan.encoding == encoding
        if same and buffer is not None and tuple(one.name for one in buffer.plan.columns) == insert.names:
            return
        yield from self.tables.flush(table)
        filled = yield from self._left_out(table, set(insert.names), first)
        columns = []
        for name in insert.names:
            native = table.natives.get(name)
            columns.append(PlannedColumn(name, table.target(name), table.native(name), native.default if native is not None else None))
        table.buffer = RowBuffer(Plan(table.name, tuple(columns), tuple(filled), encoding), self.member)

    def _rows(self, insert: Insert, first: Token) -> Iterator[Event]:
        """All rows of this INSERT, and of those right behind that begin with the same text."""
        tokens = self.tokens
        while True:
            ended: bool | None = yield from self._plain_rows(insert)
            if not ended:
                ended = yield from self._next_row(insert, first)
            if ended is None:
                return
            if ended:
                self._good = (tokens.line, tokens.offset)
                again = self._again(insert.head, first)
                if again is None:
                    return
                first = again

    def _again(self, head: bytes | None, first: Token) -> Token | None:
        """Goes behind the head of the next statement when it is that of this one; the next one's first token."""
        tokens = self.tokens
        self._between = True
        if head is None or tokens.peek_byte() < 0:
            return None
        self._between = False
        if not tokens.buffer.startswith(head, tokens.position):
            return None
        again = first._replace(offset=tokens.offset, line=tokens.line)
        tokens.position += len(head)
        self.statements += 1
        return again

    def _plain_rows(self, insert: Insert) -> Generator[Event, None, bool]:
        """Rows in the buffer that are plain; True when the statement ended with them."""
        table, buffer, tokens = insert.table, insert.table.buffer, self.tokens
        assert buffer is not None
        width = len(insert.names)
        if not width:
            return False
        tokens.peek_byte()
        match = tuple_pattern(width, tokens.lexis.backslash).match
        text, position, begun = tokens.buffer, tokens.position, tokens.position
        line, counted, count = tokens.line, tokens.position, tokens.buffer.count
        before, ended, limit = len(buffer.cells), False, len(buffer.cells) + buffer.room
        while len(buffer.cells) < limit and (found := match(text, position)) is not None:
            line += count(b"\n", counted, position)
            counted = position
            buffer.cells.append(found.groups())
            buffer.lines.append(line)
            position = found.end()
            if found.lastindex == width + 1:
                ended = True
                break
        tokens.position = position
        added = len(buffer.cells) - before
        buffer.rows.extend(range(table.rows + 1, table.rows + added + 1))
        table.rows += added
        yield from self._grown(table, position - begun)
        return ended

    def _grown(self, table: KnownTable, size: int) -> Iterator[Event]:
        """Rows of this many bytes were added: flushes the table when its batch is full, all when together they are as much as a batch."""
        assert table.buffer is not None
        table.buffer.bytes += size
        self.tables.waiting += size
        if self.tables.waiting >= BATCH_BYTES:
            yield from self.tables.flush_all()
        elif table.buffer.room <= 0:
            yield from self.tables.flush(table)

    def _next_row(self, insert: Insert, first: Token) -> Generator[Event, None, bool | None]:
        """One row of any form, and what stands behind it. True: the statement ended; None: it ended and no row follows it."""
        self.tokens.mark()
        opening = self.tokens.next()
        if opening.punct(b"("):
            row = self._one(opening, len(insert.names))
            yield from self._take(insert, row, opening)
            if isinstance(row, Problem) and (row.cut or row.ended):
                if row.cut:
                    self._cut(first)
                return None if row.cut else True
            opening = self.tokens.next()
        self.tokens.raw()
        if opening.punct(b","):
            return False
        return (yield from self._tail(insert, opening, first))

    def _tail(self, insert: Insert, token: Token, first: Token) -> Generator[Event, None, bool | None]:
        """What stands behind the last row."""
        if token.kind == END:
            return True
        if token.kind == EOF:
            self._cut(first)
            return None
        conflict, name = token.is_(b"ON"), insert.table.name
        self._skip(first)
        if not token.is_(b"ON", b"RETURNING"):
            shown = self.session.text(token.text or b"")[:60]
            message = f"What stands behind a row of {name!r} is no SQL ({shown!r}); the rest of the statement was skipped."
            yield from self._notice("not-a-statement", message, token.line, table=name, bears=True)
        elif conflict and "conflict" not in insert.table.said:
            insert.table.said.add("conflict")
            message = "INSERT ... ON CONFLICT: its rows are taken as they stand; the merge decides between two with one key."
            yield from self._notice("on-conflict", message, token.line, table=name)
        return None

    def _take(self, insert: Insert, row: Cells | Problem, opening: Token) -> Iterator[Event]:
        """One row that was read token by token."""
        table, buffer = insert.table, insert.table.buffer
        assert buffer is not None
        table.rows += 1
        if isinstance(row, Problem):
            yield from table.announce()
            raw = shown_raw(row.raw)
            yield Unreadable(table.name, self.member, row.line, table.rows, raw, row.code, row.message, row.offset)
            return
        cells = []
        for cell, column in zip(row, buffer.plan.columns, strict=True):
            cells.append(_quoted(column.default) if cell == DEFAULT else cell)
            known = table.natives.get(column.name)
            if cell == DEFAULT and known is not None and known.computed and "computed" not in table.said:
                table.said.add("computed")
                message = f"DEFAULT stands for values that only the server computes ({column.name}); they are NULL."
                yield from self._notice("columns-filled", message, opening.line, table=table.name)
        # The other way of reading tuples gives a group more, for the semicolon.
        buffer.cells.append((*cells, None))
        buffer.lines.append(opening.line)
        buffer.rows.append(table.rows)
        yield from self._grown(table, self.tokens.offset - opening.offset)

    def _refuse(self, insert: Insert, first: Token, reason: str, width: int) -> Iterator[Event]:
        """Rows for columns that the table has not: each is told, none is taken."""
        table = insert.table
        yield from self.tables.flush(table)
        yield from table.announce()
        while True:
            self.tokens.mark()
            opening = self.tokens.next()
            if not opening.punct(b"("):
                self.tokens.raw()
                yield from self._tail(insert, opening, first)
                return
            row = self._one(opening, width)
            raw = row.raw if isinstance(row, Problem) else self.tokens.raw()
            table.rows += 1
            code = row.code if isinstance(row, Problem) else "extra-cell"
            yield Unreadable(table.name, self.member, opening.line, table.rows, shown_raw(raw), code, reason, opening.offset)
            if isinstance(row, Problem) and (row.cut or row.ended):
                if row.cut:
                    self._cut(first)
                return
            following = self.tokens.next()
            if not following.punct(b","):
                yield from self._tail(insert, following, first)
                return


def _quoted(text: bytes | None) -> bytes | None:
    return None if text is None else b"'" + text.replace(b"'", b"''") + b"'"
