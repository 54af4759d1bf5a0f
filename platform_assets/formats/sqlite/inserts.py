"""INSERT and REPLACE in all their forms up to the first row (taking reads those), and rows for SQLite's own tables."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.mysql.rows import shown_raw
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token
from platform_assets.formats.sqlite.ddl import DdlError, Statement
from platform_assets.formats.sqlite.file import MAX_TOKENS, RAW_BYTES, shown
from platform_assets.formats.sqlite.rows import RowBuffer
from platform_assets.formats.sqlite.tables import KnownTable
from platform_assets.formats.sqlite.taking import Insert, RowReading
from platform_assets.formats.sqlite.tuples import Problem, Tuples
from platform_assets.formats.sqlite.values import Undecodable, value_of
from platform_assets.formats.sqlite.virtual import is_internal

_CONFLICTS = (b"ABORT", b"FAIL", b"IGNORE", b"REPLACE", b"ROLLBACK")
_SCHEMA_TABLES = ("sqlite_schema", "sqlite_master")
_SCHEMA_COLUMNS = ("type", "name", "tbl_name", "rootpage", "sql")

Name = tuple[str | None, str]


class InsertReading(RowReading):
    """What stands between INSERT and its first row."""

    facts: dict[str, str]

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
        raw = shown((self._skip_whole(first) or b"")[:RAW_BYTES])
        yield from self._skipped("INSERT", first, "skipped-data-statement", f"An INSERT {what} was not run.", raw)

    def _not_understood(self, first: Token, error: DdlError) -> Iterator[Event]:
        raw = (self._skip_whole(first) or b"")[:RAW_BYTES]
        if self.tokens.peek_byte() >= 0 or not self.reasons:
            yield Notice(
                "not-a-statement", f"An INSERT is not understood: {error}.", self.member, first.line, raw=shown(raw), data_bearing=True
            )

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
            insert = Insert(table, Tuples(self.tokens, len(names or table.definition.implicit)), first, head)
            yield from self._buffered(table, names, first)
        except DdlError as error:
            yield from self._not_understood(first, error)
        except KeyError as error:
            yield from self._refuse(insert, f"column {error.args[0]!r} of the INSERT is not in the table, or stands twice")
        else:
            yield from self._rows(insert)

    def _orphan(self, name: Name, names: tuple[str, ...] | None, first: Token) -> Generator[Event, None, KnownTable]:
        """A table for rows without a CREATE TABLE. Without names its columns are counted in the first row, looked at in advance."""
        told = "those of its column list"
        if names is None and self.tables.name_of(name) not in self.tables.dictionary:
            names = tuple(f"c{number + 1}" for number in range(self._first_width()))
            told = "made up"
        table = self.tables.orphan(name, names or (), self.member)
        told = "the dictionary's" if table.dictionary is not None else told
        message = f"Rows come before any CREATE TABLE of {table.name!r}; the names of their columns are {told}, types go by the values."
        yield Notice("no-create-table", message, self.member, first.line, table.name)
        return table

    def _first_width(self) -> int:
        """How many values the next row has; the place stays. Raises DdlError when that cannot be told."""
        self.tokens.mark()
        depth, width = 0, 1
        while (token := self.tokens.next()).kind not in (END, EOF):
            if token.kind == PUNCT:
                depth += (token.text == b"(") - (token.text == b")")
                width += token.text == b"," and depth == 1
            if depth <= 0:
                break
        if not self.tokens.rewind():
            raise DdlError("the first row is too long to count its values")
        return width

    def _buffered(self, table: KnownTable, names: tuple[str, ...] | None, first: Token) -> Iterator[Event]:
        """Sees to a buffer for the INSERT's columns. Raises KeyError for a column that the table has not."""
        plan = self.tables.plan(table, names)
        buffer = table.buffer
        if buffer is not None and buffer.plan is plan and buffer.member == self.member:
            return
        yield from self.tables.flush(table)
        table.buffer = RowBuffer(plan, self.member)
        yield from self._filled(table, {name for name in plan.columns if name is not None}, first)

    def _filled(self, table: KnownTable, listed: set[str], first: Token) -> Iterator[Event]:
        """Says once which columns get their default, or NULL where only SQLite could compute the value."""
        left = [column for column in table.definition.columns if column.name not in listed and column.name != table.definition.rowid]
        constants = [column.name for column in left if column.default is not None]
        computed = [column.name for column in left if column.computed or column.generated]
        if "filled" in table.said or not (constants or computed):
            return
        table.said.add("filled")
        parts = [f"{', '.join(constants)}: the default of the table"] if constants else []
        parts += [f"{', '.join(computed)}: NULL, since only SQLite computes it"] if computed else []
        yield Notice("columns-filled", f"Rows come without some columns ({'; '.join(parts)}).", self.member, first.line, table.name)

    def _default_row(self, first: Token, name: Name) -> Iterator[Event]:
        """INSERT ... DEFAULT VALUES: one row."""
        rest = yield from self._rest(first)
        self.tokens.raw()
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
        table.buffer.add(tuple(column.default if column else None for column in implicit), table.rows, first.line)
        yield from self.tables.grown(table, 16)

    def _refuse(self, insert: Insert, reason: str) -> Iterator[Event]:
        """Rows for columns that the table has not: each is told, none is taken."""
        yield from self.tables.flush(insert.table)
        yield from self.tables.announce(insert.table)
        ended: bool | None = False
        while not ended and ended is not None:
            self.tokens.mark()
            opening = self.tokens.next()
            if not opening.punct(b"("):
                ended = yield from self._tail(insert, opening)
                return
            row = insert.tuples.one(opening)
            problem = row if isinstance(row, Problem) else None
            raw = problem.raw if problem else self.tokens.raw()
            insert.table.rows += 1
            code = problem.code if problem else "extra-cell"
            yield Unreadable(insert.table.name, self.member, opening.line, insert.table.rows, shown_raw(raw), code, reason, opening.offset)
            if problem and (problem.cut or problem.ended):
                if problem.cut:
                    self._cut(insert.first)
                return
            following = self.tokens.next()
            ended = False if following.punct(b",") else (yield from self._tail(insert, following))

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
            self.tokens.raw()
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
        self.tokens.raw()
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
