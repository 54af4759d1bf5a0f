"""INSERT in all its forms. Every other statement is mssql.statements'."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.mssql.ddl import Name, Statement
from platform_assets.formats.mssql.file import STARTERS
from platform_assets.formats.mssql.taking import Insert, RowTaking
from platform_assets.formats.mssql.values import Rows
from platform_assets.formats.sql.file import MAX_TOKENS
from platform_assets.formats.sql.statement import DdlError, split_commas
from platform_assets.formats.sql.tokens import END, EOF, NAME, PUNCT, STRING, WORD, Token
from platform_assets.formats.sql.tuples import NotLiteral, Problem

_NO_ROWS = (b"EXEC", b"EXECUTE", b"WITH", b"SELECT", b"MERGE")


class InsertReading(RowTaking):
    """Reads rows into the tables' buffers."""

    def _insert_statement(self, first: Token) -> Iterator[Event]:
        token = self.tokens.next()
        if token.is_(b"TOP"):
            token = self._behind_group(self.tokens.next())
        if token.is_(b"INTO"):
            token = self.tokens.next()
        if (
            token.punct(b"#")
            or (token.kind == WORD and (token.text or b"")[:1] == b"@")
            or (token.kind == NAME and (token.text or b"")[1:2] == b"#")
        ):
            yield from self._into_temporary(first)
            return
        try:
            name, token = self._table_name(token)
            names, token = self._column_list(token)
        except DdlError as error:
            yield from self._not_read(first, error)
            return
        if token.is_(b"OUTPUT"):
            while not token.is_(b"VALUES", b"DEFAULT", *_NO_ROWS) and token.kind not in (END, EOF):
                token = self.tokens.next()
        yield from self._by_source(first, name, names, token)

    def _by_source(self, first: Token, name: Name, names: tuple[str, ...] | None, token: Token) -> Iterator[Event]:
        key = self._key(name, settle=True)
        if token.kind == EOF:
            self._cut(first)
        elif self.tables.is_view(key) or self.flow.condition == "other":
            self.tokens.back(token)
            why = f"into the view {name.table!r}" if self.tables.is_view(key) else "under a condition or in a loop"
            yield from self._not_run(first, f"An INSERT {why} was not run.")
        elif token.is_(b"VALUES"):
            yield from self._values(first, key, names)
        elif token.is_(b"DEFAULT"):
            yield from self._defaults_only(first, key)
        elif token.is_(b"SELECT"):
            yield from self._selects(first, key, names)
        elif token.is_(*_NO_ROWS) or token.punct(b"("):
            yield from self._not_run(first, f"An INSERT into {name.table!r} of rows that are no literals was not run.")
        else:
            self.tokens.back(token)
            yield from self._not_read(first, DdlError(f"no VALUES behind {name.table!r}"))

    def _not_run(self, first: Token, message: str) -> Iterator[Event]:
        head = self._excerpt(first)
        self._statement_tokens(first)
        yield from self._skipped("INSERT", first, "skipped-data-statement", message, self._shown(head, first))

    def _into_temporary(self, first: Token) -> Iterator[Event]:
        """Rows of a temporary table or variable are no table's; a statement that takes them from there is told as such."""
        head = self._excerpt(first)
        self._statement_tokens(first)
        message = "Rows of a temporary table or a variable are not kept."
        yield from self._skipped("temporary rows", first, "skipped-statement", message, self._shown(head, first))

    def _not_read(self, first: Token, error: DdlError) -> Iterator[Event]:
        head = self._excerpt(first)
        self._statement_tokens(first)
        if self._at_end:
            self._cut(first)
        message = f"An INSERT is not understood: {error}."
        yield Notice("not-a-statement", message, self.member, first.line, raw=self._shown(head, first), data_bearing=True)

    def _table_name(self, token: Token) -> tuple[Name, Token]:
        """The name that begins with `token`, and the token behind it. What is no name is given back."""
        parts: list[Token] = []
        while token.kind in (NAME, WORD, STRING) or (token.punct(b".") and parts):
            if parts and token.kind != PUNCT and parts[-1].kind != PUNCT:
                break
            parts.append(token)
            token = self.tokens.next()
        try:
            return Statement(parts).qualified(), token
        except DdlError:
            self.tokens.back(token)
            raise

    def _column_list(self, token: Token) -> tuple[tuple[str, ...] | None, Token]:
        """The names in parentheses before VALUES, None without them; and the token behind. Hints behind WITH are passed by."""
        if token.is_(b"WITH"):
            token = self._behind_group(self.tokens.next())
        if not token.punct(b"("):
            return None, token
        group = self._group(token)
        if group and group[0].is_(b"SELECT", b"WITH", b"VALUES"):
            return None, token
        names = tuple(Statement(part).qualified().table for part in split_commas(group) if part)
        return names, self.tokens.next()

    def _behind_group(self, token: Token) -> Token:
        if token.punct(b"("):
            self._group(token)
            return self.tokens.next()
        return token

    def _group(self, token: Token) -> list[Token]:
        """The tokens up to the closing parenthesis."""
        group: list[Token] = []
        depth = 1
        while token.kind not in (END, EOF) and len(group) < MAX_TOKENS:
            token = self.tokens.next()
            depth += (token.kind == PUNCT) * ((token.text == b"(") - (token.text == b")"))
            if not depth:
                return group
            group.append(token)
        self.tokens.back(token)
        raise DdlError("a parenthesis is not closed")

    def _values(self, first: Token, key: Name, names: tuple[str, ...] | None) -> Iterator[Event]:
        self.tokens.peek_byte()
        at = self.tokens.position - (self.tokens.offset - first.offset)
        head = self.tokens.buffer[at : self.tokens.position] if at >= 0 and not self.flow.condition else None
        table = self.tables.find(key)
        try:
            table = table or (yield from self._orphan(key, names, first))
        except DdlError as error:
            yield from self._not_read(first, error)
            return
        insert = Insert(table, Rows(self.tokens, -1), names, head)
        if (yield from self._opened(insert, first)):
            yield from self._all_rows(insert, first)
        else:
            yield from self._refuse_all(insert, first)

    def _all_rows(self, insert: Insert, first: Token) -> Iterator[Event]:
        """All rows of this INSERT, and of those right behind that begin with the same text."""
        tokens = self.tokens
        while True:
            yield from self._plain_rows(insert)
            tokens.mark()
            opening = tokens.next()
            if not opening.punct(b"("):
                tokens.unmark()
                tokens.back(opening)
                yield from self._no_row(insert, opening, first)
                return
            row = insert.rows.one(opening)
            yield from self._take_row(insert, row, opening)
            if isinstance(row, Problem) and (row.cut or row.ended):
                if row.cut:
                    self._cut(first)
                return
            tokens.unmark()
            following = tokens.next()
            if not following.punct(b","):
                if following.text != b";" or following.kind != END:
                    tokens.back(following)
                return

    def _no_row(self, insert: Insert, token: Token, first: Token) -> Iterator[Event]:
        if token.kind == EOF:
            self._cut(first)
            return
        message = f"No row stands behind VALUES or a comma of an INSERT into {insert.table.name!r}."
        yield Notice("not-a-statement", message, self.member, token.line, insert.table.name, data_bearing=True)

    def _defaults_only(self, first: Token, key: Name) -> Iterator[Event]:
        """INSERT t DEFAULT VALUES: one row."""
        self.tokens.next()
        table = self.tables.find(key)
        if table is None:
            yield from self._skipped(
                "INSERT", first, "skipped-data-statement", f"A row of defaults for {key.table!r}, of which nothing is known."
            )
            return
        insert = Insert(table, Rows(self.tokens, 0), ())
        if (yield from self._opened(insert, first)):
            yield from self._take_row(insert, (), first)

    def _selects(self, first: Token, key: Name, names: tuple[str, ...] | None) -> Iterator[Event]:
        """INSERT ... SELECT 1, N'a' UNION ALL SELECT 2, N'b': rows, as long as all are literals. `SELECT` was taken."""
        insert: Insert | None = None
        while True:
            rows = Rows(self.tokens, -1)
            self.tokens.mark()
            try:
                cells = rows.selected()
                following = rows.value.token
                if following.kind not in (END, EOF) and not following.is_(b"UNION", *STARTERS):
                    raise NotLiteral(rows.value.shown())
            except NotLiteral as error:
                self.tokens.unmark()
                self.tokens.back(rows.value.token)
                more = "The rest of an" if insert is not None else "An"
                message = f"{more} INSERT into {key.table!r} selects what is no literal ({error}); it was not run."
                yield from self._not_run(first, message)
                return
            self.tokens.unmark()
            if insert is None:
                insert = yield from self._selecting(first, key, names, rows, len(cells))
                if insert is None:
                    self.tokens.back(following)
                    yield from self._not_run(first, f"An INSERT into {key.table!r} names columns that the table has not.")
                    return
            rows.width = insert.rows.width
            yield from self._take_row(insert, rows.counted(list(cells), first), first)
            if not following.is_(b"UNION"):
                if following.text != b";":
                    self.tokens.back(following)
                return
            if not (yield from self._another(first, key)):
                return

    def _selecting(
        self, first: Token, key: Name, names: tuple[str, ...] | None, rows: Rows, width: int
    ) -> Generator[Event, None, Insert | None]:
        """The INSERT of a SELECT whose first row has so many values; None when it names columns that the table has not."""
        table = self.tables.find(key)
        if table is None:
            table = yield from self._orphan(key, names or tuple(f"c{number + 1}" for number in range(width)), first)
        insert = Insert(table, rows, names)
        return insert if (yield from self._opened(insert, first)) else None

    def _another(self, first: Token, key: Name) -> Generator[Event, None, bool]:
        """Goes behind ALL SELECT. UNION alone would take equal rows together, which is not done here."""
        every = self.tokens.next()
        token = self.tokens.next() if every.is_(b"ALL") else every
        if every.is_(b"ALL") and token.is_(b"SELECT"):
            return True
        self.tokens.back(token)
        if token.kind == EOF:
            self._cut(first)
        yield from self._not_run(first, f"The rest of an INSERT into {key.table!r} is no UNION ALL of literals; it was not run.")
        return False
