"""INSERT and REPLACE in all their forms, and rows that lost their statement. Every other statement is mysql_statements'."""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.mysql.ddl import Statement
from platform_assets.formats.mysql.file import FileReading
from platform_assets.formats.mysql.rows import RowBuffer
from platform_assets.formats.mysql.tables import KnownTable
from platform_assets.formats.mysql.values import Tuples
from platform_assets.formats.sql import inserts
from platform_assets.formats.sql.file import MAX_TOKENS
from platform_assets.formats.sql.plain_rows import Form
from platform_assets.formats.sql.row_reading import Insert
from platform_assets.formats.sql.rows import shown_raw
from platform_assets.formats.sql.statement import DdlError, QualifiedName
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token
from platform_assets.formats.sql.tuples import NotLiteral, Problem

_INSERT_WORDS = (b"LOW_PRIORITY", b"DELAYED", b"HIGH_PRIORITY", b"IGNORE", b"INTO")


class InsertReading(FileReading, inserts.InsertReading):
    """Reads statements that carry rows."""

    row_form = Form(0, True, prefix=b"_binary '", hexadecimal=True)
    tail_words = (b"ON", b"AS", b"RETURNING")
    conflict = ("on-duplicate-key", "INSERT ... ON DUPLICATE KEY UPDATE")

    def _insert_statement(self, first: Token) -> Iterator[Event]:
        self.last_insert, self.standing_in = None, False
        token = self.tokens.next()
        while token.is_(*_INSERT_WORDS):
            token = self.tokens.next()
        try:
            name, token = self._table_name(token)
            names, token = self._column_list(token)
        except DdlError as error:
            yield from self._not_understood(first, error)
            return
        key = self._key(name)
        if token.kind == EOF:
            self._cut(first)
        elif key in self.tables.sequences:
            self._skip_whole(first)
            yield from self._skipped(
                "sequence row", first, "skipped-statement", f"{name[1]!r} is a sequence, not a table; its row was skipped."
            )
        elif token.is_(b"VALUES", b"VALUE") and key not in self.tables.views:
            yield from self._values(first, key, names)
        elif token.is_(b"SET") and key not in self.tables.views:
            yield from self._assignments(first, key)
        else:
            into = f"into the view {name[1]!r}" if key in self.tables.views else "of rows that are no literals"
            message = f"An INSERT {into} was not run."
            self._skip_whole(first)
            yield from self._skipped("INSERT", first, "skipped-data-statement", message)

    def _table_name(self, token: Token) -> tuple[QualifiedName, Token]:
        name = Statement([token], self.session).name()
        following = self.tokens.next()
        if not following.punct(b"."):
            return (None, name), following
        return (name, Statement([self.tokens.next()], self.session).name()), self.tokens.next()

    def _column_list(self, token: Token) -> tuple[tuple[str, ...] | None, Token]:
        """The names in parentheses before VALUES, None without them; and the token behind. A PARTITION (...) is passed by."""
        if token.is_(b"PARTITION"):
            self._group(self.tokens.next())
            token = self.tokens.next()
        if not token.punct(b"("):
            return None, token
        group = self._group(token)
        if group and group[0].is_(b"SELECT", b"WITH", b"TABLE"):
            return None, group[0]
        names = [Statement([one], self.session).name() for one in group if one.kind != PUNCT]
        return tuple(names), self.tokens.next()

    def _group(self, token: Token) -> list[Token]:
        """The tokens up to the closing parenthesis."""
        group: list[Token] = []
        while token.kind not in (END, EOF) and len(group) < MAX_TOKENS:
            token = self.tokens.next()
            if token.punct(b")"):
                return group
            group.append(token)
        raise DdlError("a parenthesis is not closed")

    def _values(self, first: Token, key: QualifiedName, names: tuple[str, ...] | None) -> Iterator[Event]:
        self.tokens.peek_byte()
        head = self.tokens.raw() if not self.tokens.depth else None
        table = self.tables.find(key)
        try:
            table = table or (yield from self._orphan(key, names, first))
        except DdlError as error:
            yield from self._not_understood(first, error)
            return
        insert = Insert(table, Tuples(self.tokens, -1), names, first, head)
        try:
            yield from self._buffered(insert, first)
        except KeyError as error:
            insert.tuples.width = len(insert.names or ())
            yield from self._refuse(insert, f"column {error.args[0]!r} of the INSERT is not in the table, or stands twice")
            return
        yield from self._rows(insert)

    def _buffered(self, insert: Insert, first: Token) -> Iterator[Event]:
        """Sees to a buffer for the INSERT's columns under the settings in force. Raises KeyError for a column that the table has not."""
        table = insert.table
        table.dropped = False
        yield from self._zone(table, first)
        plan = self.tables.plan(table, insert.names, self.session)
        insert.tuples.width = len(plan.columns)
        buffer = table.buffer
        if buffer is None or buffer.plan is not plan or buffer.member != self.member:
            yield from self.tables.flush(table)
            table.buffer = RowBuffer(plan, self.member)
            yield from self._filled(table, {column.name for column in plan.columns}, first)

    def _zone(self, table: KnownTable, first: Token) -> Iterator[Event]:
        """A TIMESTAMP is a moment only when the zone is known in which its rows are written."""
        known = self.session.zone_minutes is not None
        if known == table.instants or table.dictionary is not None:
            return
        if not table.rows:
            table.instants, table.changed = known, True
        elif "zone" not in table.said and any(column.native.word == "timestamp" for column in table.definition.columns):
            table.said.add("zone")
            read = "taken for UTC" if table.instants else "kept as written, without a zone"
            message = f"The time zone changes between rows of this table; the TIMESTAMP values from here on are {read}."
            yield Notice("time-zone-changed", message, self.member, first.line, table.name)

    def _filled(self, table: KnownTable, listed: set[str], first: Token) -> Iterator[Event]:
        """Says once which columns get their default, or NULL where only a server could compute the value."""
        left = [column for column in table.definition.columns if column.name not in listed]
        constants = [column.name for column in left if column.default is not None]
        computed = [column.name for column in left if column.default is None and (column.computed_default or column.generated)]
        if (constants or computed) and table.once("filled"):
            yield self._left_out(table.name, first.line, constants, computed)

    def _stray_rows(self, insert: Insert, opening: Token) -> Iterator[Event]:
        """Rows behind the semicolon that ended their INSERT: the native client refuses them, here they are recovered."""
        first = opening
        while True:
            row = insert.tuples.one(opening)
            raw = self.tokens.raw()
            if isinstance(row, Problem):
                shown = shown_raw(row.raw)
                message = f"A row outside any statement that does not fit {insert.table.name!r}: {row.message}."
                yield Notice("not-a-statement", message, self.member, row.line, insert.table.name, raw=shown, data_bearing=True)
                if row.cut:
                    self._cut(first)
                elif not row.ended:
                    self._skip(first)
                return
            yield from self._take(insert, row, opening)
            yield from self.tables.grown(insert.table, self.tokens.offset - opening.offset)
            message = (
                "This row stands behind the semicolon that ended its INSERT. The native client would have refused it; it is among the rows."
            )
            table = insert.table
            shown = shown_raw(raw)
            yield Notice("row-outside-statement", message, self.member, opening.line, table.name, table.rows, shown, True, True)
            following = self.tokens.next()
            if following.punct(b","):
                self.tokens.mark()
                opening = self.tokens.next()
                if opening.punct(b"("):
                    continue
                following = opening
            self.tokens.unmark()
            yield from self._tail(insert, following, first)
            return

    def _assignments(self, first: Token, key: QualifiedName) -> Iterator[Event]:
        """INSERT ... SET a = 1: one row."""
        tuples = Tuples(self.tokens, -1)
        try:
            assigned, cells = tuples.assigned()
            names = tuple(Statement([one], self.session).name() for one in assigned)
        except (NotLiteral, DdlError) as error:
            table = self.tables.find(key)
            if table is not None:
                table.rows += 1
            raw = shown_raw(self._skip_whole(first))
            name, row = (table.name, table.rows) if table is not None else (None, None)
            message = f"a value is no literal: {error}; only a server could compute it"
            yield Unreadable(name, self.member, first.line, row, raw, "not-a-literal", message, first.offset)
            return
        known = self.tables.find(key)
        if known is None:
            known = yield from self._orphan(key, names, first)
        insert = Insert(known, tuples, names, first)
        try:
            yield from self._buffered(insert, first)
        except KeyError as error:
            known.rows += 1
            reason = f"column {error.args[0]!r} of the INSERT is not in the table, or stands twice"
            raw = shown_raw(self._skip_whole(first))
            yield from self.tables.announce(known)
            yield Unreadable(known.name, self.member, first.line, known.rows, raw, "extra-cell", reason, first.offset)
            return
        yield from self._take(insert, tuple(cells), first)
        yield from self.tables.grown(known, self.tokens.offset - first.offset)
        self.tokens.unmark()
        yield from self._tail(insert, tuples.token, first)
