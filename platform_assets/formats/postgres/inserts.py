"""INSERT ... VALUES in all its forms up to the first tuple (sql.row_reading takes it from there).

Source: PostgreSQL 18 manual, INSERT and chapter 4.1.2 (constants). Values that only a server can compute are no rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from platform_assets.formats.base import Event
from platform_assets.formats.cells import Flags
from platform_assets.formats.postgres.catalog import Key
from platform_assets.formats.postgres.copying import CopyReading
from platform_assets.formats.postgres.rows import Plan, PlannedColumn, RowBuffer
from platform_assets.formats.postgres.tables import KnownTable
from platform_assets.formats.postgres.tuples import Tuples, plain_string
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.passing import passed_rows
from platform_assets.formats.sql.plain_rows import Form, Found
from platform_assets.formats.sql.row_reading import Insert
from platform_assets.formats.sql.statement import DdlError, QualifiedName
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token


def _passed_plain(backslash: bool) -> re.Pattern[bytes]:
    """Takes what can be passed by without a look; each part is followed by a byte, so that none goes on behind the buffer."""
    parts = (rb"[^;'\"$/\-A-Za-z_0-9\x80-\xff]++", rb"[A-Za-z_0-9\x80-\xff]++(?!['&$])", rb"-(?!-)", rb"/(?!\*)", plain_string(backslash))
    return re.compile(rb"(?:" + rb"|".join(part + rb"(?=.)" for part in parts) + rb")*+", re.DOTALL)


_PASSED_PLAIN = {backslash: _passed_plain(backslash) for backslash in (False, True)}


class InsertReading(CopyReading):
    """Reads tuples into the tables' buffers."""

    row_form = Form(0, False, fatal=b"\"'$`/*\\-", words=(b"true", b"false", b"DEFAULT"))

    def _plain(self, insert: Insert, block: RowBlock, found: Found) -> Flags:
        """Not those with an escape (standard_conforming_strings off), nor DEFAULT before it was told what becomes of it."""
        plain = found.plain
        if len(found.escaped):
            plain = plain.copy()
            plain[np.searchsorted(found.edges[:, -1], found.escaped)] = False
        if "default" not in insert.table.said and b"DEFAULT" in block.data:
            for at, column in enumerate(insert.table.buffer.plan.columns):
                plain = plain & (block.forms(at).firsts != ord("D")) if column.computed else plain
        return plain

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
            yield from self._not_read(first, error, token)
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
            raw = self._shown(first)
            self.tokens.unmark()
            self._skip(first)
            yield from self._notice("skipped-data-statement", f"An INSERT {into} was not run.", first.line, raw=raw, bears=True)

    def _pass_statement(self, first: Token) -> None:
        """Goes behind the statement's end, and behind those that follow and begin with the same text; no row is looked at."""
        self.tokens.peek_byte()
        insert = Insert(None, Tuples(self.tokens, 0), None, first, self.tokens.raw())
        while True:
            self._pass_rows(insert)
            self._skip_values(insert.first)
            again = self._again(insert)
            if again is None:
                return
            insert.first = again

    def _pass_rows(self, insert: Insert) -> None:
        """Goes over rows, and over statements that begin alike, as far as that is sure."""
        tokens, pace = self.tokens, insert.pace
        form = replace(self.row_form, backslash=tokens.lexis.backslash, joint=insert.joint)
        while (size := min(pace.look, len(tokens.buffer) - tokens.position)) > 0:
            passed = passed_rows(np.frombuffer(tokens.buffer, np.uint8, size, tokens.position), form)
            tokens.position += passed
            pace.looked(passed, stopped=passed < size // 2)
            if size < pace.look or passed < size // 2:
                return

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

    def _not_read(self, first: Token, error: DdlError, token: Token) -> Iterator[Event]:
        """An INSERT that is not understood; `token` is the last one that was taken of it."""
        raw = self._shown(first)
        self.tokens.unmark()
        if token.kind not in (END, EOF):
            self._skip(first)
        elif token.kind == EOF:
            self._cut(first)
        yield from self._notice("not-a-statement", f"An INSERT is not understood: {error}.", first.line, raw=raw, bears=True)

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
            yield from self._not_read(first, error, self._reached)
            return
        listed = names
        names = names if names is not None else (self.tables.columns(key) or tuple(f"c{at + 1}" for at in range(width)))[:width]
        table = yield from self._known(key, first)
        if table is None:
            table = yield from self._without_definition(key, names, first, made_up=listed is None)
        insert = Insert(table, Tuples(self.tokens, width), names, first, head)
        unknown = [name for name in names if name not in table.schema.column_names]
        if unknown or len(set(names)) != len(names) or width > len(names):
            reason = f"{width} values for {len(names)} columns" if width > len(names) else f"no column {', '.join(unknown) or 'twice'}"
            yield from self._refuse(insert, reason)
            return
        insert.tuples.width = len(names)
        yield from self._buffered(table, names, first)
        yield from self._rows(insert)

    def _default_row(self, first: Token, key: Key) -> Iterator[Event]:
        """INSERT ... DEFAULT VALUES: one row of defaults."""
        self.tokens.unmark()
        self._skip(first)
        table = yield from self._known(key, first)
        if table is None:
            table = yield from self._without_definition(key, (), first, made_up=True)
        yield from self._buffered(table, (), first)
        yield from self._take(Insert(table, Tuples(self.tokens, 0), (), first), (), first)
        yield from self.tables.grown(table, self.tokens.offset - first.offset)

    def _buffered(self, table: KnownTable, names: tuple[str, ...], first: Token) -> Iterator[Event]:
        """Sees to a buffer for the INSERT's columns under the encoding in force."""
        encoding = "utf-8" if self.session.utf8 else self.session.encoding
        buffer = table.buffer
        same = buffer is not None and buffer.member == self.member and buffer.plan.encoding == encoding
        if same and buffer is not None and tuple(one.name for one in buffer.plan.columns) == names:
            return
        yield from self.tables.flush(table)
        filled = yield from self._filled(table, set(names), first)
        columns = tuple(self._planned(table, name) for name in names)
        table.buffer = RowBuffer(Plan(table.name, columns, tuple(filled), encoding), self.member)

    @staticmethod
    def _planned(table: KnownTable, name: str) -> PlannedColumn:
        known = table.natives.get(name)
        default, computed = (known.default, known.computed) if known is not None else (None, False)
        return PlannedColumn(name, table.target(name), table.native(name), default, computed)
