"""INSERT and REPLACE in all their forms up to the first row (taking reads those), and rows for SQLite's own tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import Event
from platform_assets.formats.cells import Flags
from platform_assets.formats.sql import inserts
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.file import MAX_TOKENS, RAW_BYTES
from platform_assets.formats.sql.plain_rows import Form, Found
from platform_assets.formats.sql.row_reading import Insert
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token
from platform_assets.formats.sql.tuples import Problem
from platform_assets.formats.sqlite.calls import CALLS, has_calls, without_calls
from platform_assets.formats.sqlite.ddl import Statement
from platform_assets.formats.sqlite.file import FileReading
from platform_assets.formats.sqlite.rows import RowBuffer
from platform_assets.formats.sqlite.tables import KnownTable
from platform_assets.formats.sqlite.tuples import Tuples
from platform_assets.formats.sqlite.values import Undecodable, value_of
from platform_assets.formats.sqlite.virtual import is_internal

_CONFLICTS = (b"ABORT", b"FAIL", b"IGNORE", b"REPLACE", b"ROLLBACK")
_SCHEMA_TABLES = ("sqlite_schema", "sqlite_master")
_SCHEMA_COLUMNS = ("type", "name", "tbl_name", "rootpage", "sql")

Name = tuple[str | None, str]


class InsertReading(FileReading, inserts.InsertReading):
    """What stands between INSERT and its first row."""

    kept_as = "types go by the values"
    problems_cut = True
    row_form = Form(0, False, prefix=b"X'", fatal=b'"`[/*-', calls=CALLS)

    def _before_problem(self, insert: Insert) -> Iterator[Event]:
        """The rows before it decide the types with which the table is announced."""
        yield from self.tables.flush(insert.table)
        yield from self.tables.announce(insert.table)

    def _plain(self, insert: Insert, block: RowBlock, found: Found) -> Flags:
        """Not those with a blob that is none, or a unistr that SQLite refuses."""
        plain = found.plain
        for column in range(block.width):
            forms = block.forms(column)
            if forms.introduced:
                plain = plain & ~_odd_blobs(block.literals(forms))
            if has_calls(forms.firsts):
                plain = plain & ~without_calls(block.literals(forms), forms.firsts)[1]
        return plain

    def _insert_statement(self, first: Token) -> Iterator[Event]:
        token = self.tokens.next()
        while token.is_(b"INTO", b"OR", *_CONFLICTS):
            token = self.tokens.next()
        try:
            name, token = self._table_name(token)
            names, token = self._column_list(token)
        except DdlError as error:
            yield from self._not_understood(first, error)
            return
        view = self.tables.key(name) in self.tables.views
        if token.kind == EOF:
            self._cut(first)
        elif is_internal(name[1]):
            yield from self._internal(first, name, names, token)
        elif name[1].lower() in self.tables.virtual.modules:
            yield from self._refused(first, f"into the virtual table {name[1]!r}")
        elif token.is_(b"VALUES") and not view:
            yield from self._values(first, name, names)
        elif token.is_(b"DEFAULT") and not view and names is None:
            yield from self._default_row(first, name)
        else:
            yield from self._refused(first, f"into the view {name[1]!r}" if view else "of rows that are no literals")

    def _refused(self, first: Token, what: str) -> Iterator[Event]:
        raw = self.text((self._skip_whole(first) or b"")[:RAW_BYTES])
        yield from self._skipped("INSERT", first, "skipped-data-statement", f"An INSERT {what} was not run.", raw)

    def _table_name(self, token: Token) -> tuple[Name, Token]:
        name: Name = (None, Statement([token]).name())
        following = self.tokens.next()
        if following.punct(b"."):
            name, following = (name[1], Statement([self.tokens.next()]).name()), self.tokens.next()
        if following.is_(b"AS"):
            self.tokens.next()
            following = self.tokens.next()
        return name, following

    def _column_list(self, token: Token) -> tuple[tuple[str, ...] | None, Token]:
        """The names in parentheses before VALUES, None without them; and the token behind."""
        if not token.punct(b"("):
            return None, token
        group: list[Token] = []
        while not (token := self.tokens.next()).punct(b")"):
            if token.kind in (END, EOF) or len(group) > MAX_TOKENS:
                raise DdlError("a parenthesis is not closed")
            group.append(token)
        return tuple(Statement([one]).name() for one in group if one.kind != PUNCT), self.tokens.next()

    def _values(self, first: Token, name: Name, names: tuple[str, ...] | None) -> Iterator[Event]:
        self.tokens.peek_byte()
        head = self.tokens.raw()
        table = self.tables.known.get(self.tables.key(name))
        try:
            if table is None:
                table = yield from self._orphan(name, names, first)
            table.dropped = False
            insert = Insert(table, Tuples(self.tokens, len(names or table.definition.implicit)), names, first, head)
            yield from self._buffered(table, names, first)
        except DdlError as error:
            yield from self._not_understood(first, error)
        except KeyError as error:
            yield from self._refuse(insert, f"column {error.args[0]!r} of the INSERT is not in the table, or stands twice")
        else:
            yield from self._rows(insert)

    def _buffered(self, table: KnownTable, names: tuple[str, ...] | None, first: Token) -> Iterator[Event]:
        """Sees to a buffer for the INSERT's columns. Raises KeyError for a column that the table has not."""
        plan = self.tables.plan(table, names)
        buffer = table.buffer
        if buffer is not None and buffer.plan is plan and buffer.member == self.member:
            return
        yield from self.tables.flush(table)
        table.buffer = RowBuffer(plan, self.member, tokens=self.tokens)
        yield from self._filled(table, {name for name in plan.columns if name is not None}, first)

    def _filled(self, table: KnownTable, listed: set[str], first: Token) -> Iterator[Event]:
        """Says once which columns get their default, or NULL where only SQLite could compute the value."""
        left = [column for column in table.definition.columns if column.name not in listed and column.name != table.definition.rowid]
        constants = [column.name for column in left if column.default is not None]
        computed = [column.name for column in left if column.computed or column.generated]
        if (constants or computed) and table.once("filled"):
            yield self._left_out(table.name, first.line, constants, computed, computer="SQLite")

    def _default_row(self, first: Token, name: Name) -> Iterator[Event]:
        """INSERT ... DEFAULT VALUES: one row."""
        rest = yield from self._rest(first)
        self.tokens.unmark()
        table = self.tables.known.get(self.tables.key(name))
        if rest is None:
            return
        if table is None:
            yield from self._skipped(
                "INSERT", first, "skipped-data-statement", f"DEFAULT VALUES for {name[1]!r}, whose CREATE TABLE is not in the file."
            )
            return
        yield from self._buffered(table, tuple(table.definition.implicit), first)
        assert table.buffer is not None
        table.rows += 1
        implicit = (table.definition.column(one) for one in table.definition.implicit)
        table.buffer.add_row(tuple(column.default if column else None for column in implicit), table.rows, first.line)
        yield from self.tables.grown(table, 16)

    def _internal(self, first: Token, name: Name, names: tuple[str, ...] | None, token: Token) -> Iterator[Event]:
        """Rows of SQLite's own tables are no rows of the application: counters become facts, virtual tables are noted, the rest is told."""
        rows = self._own_rows(first, token, len(names) if names else 5 if name[1].lower() in _SCHEMA_TABLES else 2)
        if name[1].lower() == "sqlite_sequence" and rows:
            for table, number, *_ in rows:
                self.facts[f"auto_increment.{table}"] = str(number)
        elif name[1].lower() in _SCHEMA_TABLES and rows:
            for row in rows:
                yield from self._schema_row(first, dict(zip(names or _SCHEMA_COLUMNS, row, strict=False)))
            return
        else:
            message = f"{name[1]!r} is SQLite's own table; its rows are no rows of the application."
            yield from self._skipped(f"row of {name[1]}", first, "skipped-statement", message)

    def _own_rows(self, first: Token, token: Token, width: int) -> list[tuple[object, ...]]:
        """The rows of a short INSERT; empty when they are no literals. Goes behind the statement's end."""
        tuples, found, last = Tuples(self.tokens, width), list[tuple[object, ...]](), token
        while (last.is_(b"VALUES") or last.punct(b",")) and len(found) < MAX_TOKENS:
            self.tokens.unmark()
            self.tokens.mark()
            last = self.tokens.next()
            row = tuples.one(last) if last.punct(b"(") else None
            if isinstance(row, Problem) and (row.cut or row.ended):
                if row.cut:
                    self._cut(first)
                return []
            if not isinstance(row, tuple):
                break
            try:
                found.append(tuple(map(value_of, row)))
            except Undecodable:
                break
            last = self.tokens.next()
        if last.kind == EOF:
            self._cut(first)
        elif last.kind != END:
            self._skip(first)
        self.tokens.unmark()
        return found

    def _schema_row(self, first: Token, row: dict[str, object]) -> Iterator[Event]:
        """An object that writable_schema puts into the schema; `.dump` writes virtual tables so."""
        words = str(row.get("sql") or "").split()
        sql = " ".join(words)
        if [word.upper() for word in words[:3]] == ["CREATE", "VIRTUAL", "TABLE"]:
            yield from self._virtual(first, str(row.get("name")), sql)
            return
        message = f"The {row.get('type')} {row.get('name')!r} is written straight into the schema; it is not created."
        yield from self._skipped("schema row", first, "skipped-statement", message, sql[:RAW_BYTES])

    def _virtual(self, first: Token, name: str, sql: str) -> Iterator[Event]:
        upper = sql.upper()
        rest = sql[upper.index(" USING ") + 7 :].split("(")[0].split() if " USING " in upper else []
        module = rest[0].strip("\"'`[]") if rest else "?"
        self.tables.virtual.add(name, module)
        message = f"{name!r} is a virtual table of the module {module}; it is not run. The tables in which it keeps its rows are read."
        yield from self._skipped("virtual table", first, "virtual-table", message, sql[:RAW_BYTES])


def _odd_blobs(literals: pa.Array) -> Flags:
    """Which of the literals are X'..' with anything but pairs of digits."""
    well = pc.match_substring_regex(literals, "^X'(?:[0-9A-Fa-f][0-9A-Fa-f])*'$")
    wrong = pc.and_(pc.starts_with(literals, b"X"), pc.invert(well))
    return np.asarray(pc.fill_null(wrong, False).to_numpy(zero_copy_only=False))
