"""Rows of an INSERT into the buffer of their table: columns that the table has, what an INSERT leaves out, the server's own numbers.

How an INSERT is read is mssql.inserts'.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.mssql.file import FileReading
from platform_assets.formats.mssql.tables import KnownTable
from platform_assets.formats.mssql.values import Rows
from platform_assets.formats.sql.inserts import InsertReading
from platform_assets.formats.sql.rows import Cells, shown_raw
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token
from platform_assets.formats.sql.tuples import DEFAULT, Problem


@dataclass
class Insert:
    """An INSERT whose rows are being read."""

    table: KnownTable
    rows: Rows
    names: tuple[str, ...] | None
    head: bytes | None = None
    """Its text up to the first tuple; the next statement mostly begins with the same."""


class RowTaking(FileReading, InsertReading):
    """Takes rows into the tables' buffers."""

    def _opened(self, insert: Insert, first: Token) -> Generator[Event, None, bool]:
        """Makes the table's buffer ready. False when the INSERT names a column that the table has not."""
        table = insert.table
        try:
            yield from self.tables.buffered(table, insert.names, self.session, self.member)
        except KeyError:
            return False
        assert table.buffer is not None
        plan = table.buffer.plan
        insert.rows.width = len(plan.columns)
        if self.flow.condition and "condition" not in table.said:
            table.said.add("condition")
            message = "Rows stand behind IF NOT EXISTS: whether the server would add them cannot be told; they are taken."
            yield Notice("conditional-rows", message, self.member, first.line, table.name, data_bearing=True)
        if "filled" not in table.said:
            yield from self._filled(insert, first)
        return True

    def _filled(self, insert: Insert, first: Token) -> Iterator[Event]:
        """Which columns get what the INSERT does not say."""
        table = insert.table
        assert table.buffer is not None
        plan = table.buffer.plan
        listed = {column.name for column in plan.columns}
        computed = [one.name for one in table.definition.columns if one.computed_default and one.name not in listed and one.default is None]
        filled = [one.name for one in plan.filled]
        numbered = [f"{plan.identity.name}: numbered as the server does in an empty table"] if plan.identity is not None else []
        if (filled or computed or numbered) and table.once("filled"):
            yield self._left_out(table.name, first.line, filled, computed, more=numbered)

    def _first_width(self) -> int:
        """How many values the next row has; the place stays. Raises DdlError when that cannot be told."""
        self.tokens.mark()
        depth, width = 0, 1
        token = self.tokens.next()
        selects = not token.punct(b"(")
        while token.kind not in (END, EOF):
            if token.kind == PUNCT:
                depth += (token.text == b"(") - (token.text == b")")
                width += token.text == b"," and depth == (0 if selects else 1)
            if depth <= 0 and (not selects or token.is_(b"UNION", b"FROM", b"INSERT", b"SELECT")):
                break
            token = self.tokens.next()
        if not self.tokens.rewind():
            raise DdlError("the first row is too long to count its values")
        return width

    def _plain_rows(self, insert: Insert) -> Iterator[Event]:
        """Rows in the buffer that are plain."""
        table = insert.table
        assert table.buffer is not None
        begun, full = self.tokens.offset, True
        while full:
            buffer = table.buffer
            before, limit = len(buffer.cells), len(buffer.cells) + buffer.room
            insert.rows.run(insert.head, buffer.cells, buffer.lines, limit)
            full = len(buffer.cells) == limit
            added = len(buffer.cells) - before
            if not added:
                return
            self._counted(table, added)
            self.statements += insert.rows.heads
            if insert.rows.heads:
                self._good = insert.rows.again
                insert.rows.heads = 0
            size, begun = self.tokens.offset - begun, self.tokens.offset
            yield from self.tables.grown(table, size)

    def _counted(self, table: KnownTable, added: int) -> None:
        """Numbers for rows that stand in the buffer already."""
        buffer = table.buffer
        assert buffer is not None
        buffer.rows.extend(range(table.rows + 1, table.rows + added + 1))
        table.rows += added
        self.flow.rows_in_batch += added
        if buffer.plan.identity is not None:
            buffer.numbers.extend(self._numbers(table, added))

    def _numbers(self, table: KnownTable, count: int) -> range:
        identity = table.identity
        assert identity is not None and identity.identity is not None
        seed, step = identity.identity
        start = seed if table.next_number is None else table.next_number
        table.next_number = start + step * count
        return range(start, start + step * count, step) if step else range(start, start + count)

    def _take_row(self, insert: Insert, row: Cells | Problem, opening: Token) -> Iterator[Event]:
        """One row that was read token by token."""
        table, buffer = insert.table, insert.table.buffer
        assert buffer is not None
        if isinstance(row, Problem):
            table.rows += 1
            self.flow.rows_in_batch += 1
            if buffer.plan.identity is not None:
                self._numbers(table, 1)
            yield from self.tables.announce(table)
            raw = shown_raw(row.raw)
            yield Unreadable(table.name, self.member, row.line, table.rows, raw, row.code, row.message, row.offset)
            return
        # The other way of reading tuples gives a group more, for the next statement's head.
        buffer.cells.append((*row, None))
        buffer.lines.append(opening.line)
        self._counted(table, 1)
        computed = [column.name for column, cell in zip(buffer.plan.columns, row, strict=True) if cell == DEFAULT and column.computed]
        if computed and "default" not in table.said:
            table.said.add("default")
            message = f"DEFAULT stands for values that only the server computes ({', '.join(computed)}); they are NULL."
            yield Notice("columns-filled", message, self.member, opening.line, table.name)
        yield from self.tables.grown(table, self.tokens.offset - opening.offset)

    def _refuse_all(self, insert: Insert, first: Token) -> Iterator[Event]:
        """Rows for columns that the table has not: each is told, none is taken."""
        yield from self.tables.announce(insert.table)
        known = {column.name.lower() for column in insert.table.definition.columns if not column.computed}
        strange = [name for name in insert.names or () if name.lower() not in known] or ["one of them twice"]
        reason = f"the INSERT names columns that the table has not: {', '.join(strange)}"
        rows = Rows(self.tokens, len(insert.names or ()))
        while True:
            self.tokens.mark()
            opening = self.tokens.next()
            if not opening.punct(b"("):
                self.tokens.unmark()
                self.tokens.back(opening)
                return
            row = rows.one(opening)
            yield self._refused_row(insert.table, row, opening, reason)
            if isinstance(row, Problem) and (row.cut or row.ended):
                if row.cut:
                    self._cut(first)
                return
            following = self.tokens.next()
            if not following.punct(b","):
                self.tokens.back(following)
                return
