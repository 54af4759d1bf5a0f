"""One file of SQL text, statement by statement: what each does to the tables and the rows. Nothing is executed.

Statements that carry rows but are no literals are told as such; everything else that the platform does not need is passed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.sql.file import RAW_BYTES
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import END, EOF, WORD, Token
from platform_assets.formats.sqlite.ddl import Definition, Statement, column_definition, create_table, key_columns
from platform_assets.formats.sqlite.inserts import InsertReading, Name
from platform_assets.formats.sqlite.tables import KnownTable, renamed

_PASSED = {
    "ANALYZE", "BEGIN", "COMMIT", "DETACH", "END", "EXPLAIN", "REINDEX", "RELEASE", "ROLLBACK",
    "SAVEPOINT", "SELECT", "VACUUM", "VALUES", "WITH",
}  # fmt: skip
_DATA = {"ATTACH", "UPDATE"}
_DATA_COMMANDS = (".import", ".read", ".restore", ".open", ".load", ".clone", ".recover", ".archive", ".shell", ".system")


class SqlFile(InsertReading):
    """Reads one member: `events()` gives everything but the verdict."""

    def _statement(self, first: Token) -> Iterator[Event]:
        word = first.text.upper().decode("latin-1") if first.kind == WORD and first.text else ""
        if first.punct(b"."):
            yield from self._command(first)
            return
        self.evidence.statement(word, first.line)
        if word in ("INSERT", "REPLACE"):
            yield from self._insert_statement(first)
        elif word == "CREATE":
            yield from self._create(first)
        elif word in ("DROP", "ALTER", "DELETE", "PRAGMA"):
            tokens = yield from self._rest(first)
            if tokens is not None:
                yield from self._by_word(word, first, tokens)
        else:
            yield from self._other(first, word)

    def _command(self, first: Token) -> Iterator[Event]:
        """A command of the sqlite3 program, ended by its line: never run."""
        self.tokens.unmark()
        raw = "." + self.text(self.tokens.rest_of_line()).strip()
        code = "skipped-data-statement" if raw.startswith(_DATA_COMMANDS) else "skipped-statement"
        yield from self._skipped("command", first, code, f"The command {raw[:80]!r} of the sqlite3 program was not run.", raw[:RAW_BYTES])

    def _other(self, first: Token, word: str) -> Iterator[Event]:
        head = self._excerpt(first)
        before = len(self.reasons)
        self._skip(first)
        raw = self._raw(head, first)
        if word in ("COMMIT", "END", "RELEASE") and len(self.reasons) > before:
            return
        if word in _DATA:
            yield from self._skipped(word, first, "skipped-data-statement", f"{word} is not run: what it changes is missing.", raw)
        elif word not in _PASSED:
            message = f"This is no statement of SQLite: {raw[:80]!r}."
            yield Notice("not-a-statement", message, self.member, first.line, raw=raw, data_bearing=True)

    def _by_word(self, word: str, first: Token, tokens: list[Token]) -> Iterator[Event]:
        raw = self.text((self.tokens.raw() or b"")[:RAW_BYTES])
        statement = Statement(tokens, 1)
        try:
            if word == "DROP":
                self._drop(statement)
            elif word == "ALTER":
                yield from self._alter(statement, first, raw)
            elif word == "DELETE":
                yield from self._delete(statement, first, raw)
            elif statement.word(b"FOREIGN_KEYS") and statement.punct(b"=") and statement.word(b"OFF"):
                self.evidence.foreign_keys_off()
        except DdlError as error:
            bears = word == "ALTER"
            yield Notice("unreadable-definition", f"{word}: {error}; it was skipped.", self.member, first.line, raw=raw, data_bearing=bears)

    def _create(self, first: Token) -> Iterator[Event]:
        head = self._excerpt(first)
        token = self.tokens.next()
        while token.is_(b"TEMP", b"TEMPORARY", b"UNIQUE"):
            token = self.tokens.next()
        kind = token.text.upper().decode("latin-1") if token.kind == WORD and token.text else ""
        if token.kind in (END, EOF):
            raw = self.text((self._skip_whole(first) or b"")[:RAW_BYTES])
            yield from self._skipped("object", first, "skipped-statement", f"What this creates is not known: {raw[:80]!r}.", raw)
        elif kind in ("TABLE", "INDEX", "VIEW", "VIRTUAL"):
            self.tokens.rewind()
            self.tokens.mark()
            rest = yield from self._rest(self.tokens.next())
            if rest is not None:
                yield from self._defined(kind, rest)
        else:
            (self._skip_trigger if kind == "TRIGGER" else self._skip)(first)
            shown_kind = kind.lower() or "object"
            yield from self._skipped(shown_kind, first, "skipped-statement", f"A {shown_kind} was skipped.", self._raw(head, first))

    def _defined(self, kind: str, tokens: list[Token]) -> Iterator[Event]:
        text = self.tokens.raw() or b""
        raw, first = self.text(text[:RAW_BYTES]), tokens[0]
        try:
            if kind == "INDEX":
                self._index(tokens)
            elif kind == "TABLE":
                yield from self._table(tokens, first)
            else:
                name = self._object_name(tokens)
                if kind == "VIEW":
                    self.tables.views.add(self.tables.key(name))
                    message = f"The view {name[1]!r} is not a table; it was skipped."
                    yield from self._skipped("view", first, "skipped-statement", message, raw)
                else:
                    yield from self._virtual(first, name[1], " ".join(self.text(text).split()))
        except DdlError as error:
            message = f"A CREATE {kind} is not understood: {error}."
            yield Notice("unreadable-definition", message, self.member, first.line, raw=raw)

    @staticmethod
    def _object_name(tokens: list[Token]) -> Name:
        statement = Statement(tokens, 1)
        while statement.word(b"TEMP", b"TEMPORARY", b"VIEW", b"VIRTUAL", b"TABLE"):
            pass
        statement.words(b"IF", b"NOT", b"EXISTS")
        return statement.qualified()

    def _table(self, tokens: list[Token], first: Token) -> Iterator[Event]:
        name = self._object_name(tokens)
        definition = create_table(tokens)
        known = self.tables.known.get(self.tables.key(name))
        if definition.selects:
            message = f"CREATE TABLE {name[1]!r} AS SELECT: its rows are no literals."
            yield Notice("skipped-data-statement", message, self.member, first.line, data_bearing=True)
            return
        if known is not None and not known.dropped:
            if not any(token.is_(b"EXISTS") for token in tokens[:6]):
                message = "The table is created twice without DROP TABLE. SQLite would refuse that; rows are read into the first one."
                yield Notice("table-exists", message, self.member, first.line, known.name, data_bearing=True)
            return
        if known is not None and known.rows:
            yield self.tables.restarted(known, first.line, self.member)
        self.tables.create(name, definition, self.member)

    def _index(self, tokens: list[Token]) -> None:
        """CREATE UNIQUE INDEX over plain columns and all rows states a rule."""
        statement = Statement(tokens, 1)
        if not statement.word(b"UNIQUE"):
            return
        while statement.here is not None and not statement.word(b"ON"):
            statement.at += 1
        table = self.tables.known.get(self.tables.key((None, statement.name())))
        columns = key_columns(statement)
        partial = statement.here is not None and statement.here.is_(b"WHERE")
        if table is not None and not partial:
            table.definition = table.definition.with_unique(columns)

    def _drop(self, statement: Statement) -> None:
        if not statement.word(b"TABLE"):
            return
        statement.words(b"IF", b"EXISTS")
        known = self.tables.known.get(self.tables.key(statement.qualified()))
        if known is not None:
            known.dropped = True

    def _delete(self, statement: Statement, first: Token, raw: str) -> Iterator[Event]:
        """DELETE without a condition: what came before is gone. One with a condition is not followed."""
        statement.word(b"FROM")
        name = statement.qualified()
        table = self.tables.known.get(self.tables.key(name))
        if name[1].lower().startswith("sqlite_"):
            return
        if statement.here is not None:
            yield from self._skipped("DELETE", first, "skipped-data-statement", "DELETE with a condition was not run.", raw)
        elif table is not None and table.rows:
            yield self.tables.restarted(table, first.line, self.member)

    def _alter(self, statement: Statement, first: Token, raw: str) -> Iterator[Event]:
        """ADD COLUMN and RENAME of a table that has no rows yet are followed; everything else is told."""
        if not statement.word(b"TABLE"):
            return
        name = statement.qualified()
        table = self.tables.known.get(self.tables.key(name))
        if table is not None and not table.rows and self._followed(statement, table, name):
            table.plans.clear()
            return
        message = "ALTER TABLE of a table that has rows is not followed: columns and rows stay as CREATE TABLE and INSERT gave them."
        named = table.name if table is not None else None
        yield Notice("skipped-data-statement", message, self.member, first.line, named, raw=raw, data_bearing=True)

    def _followed(self, statement: Statement, table: KnownTable, name: Name) -> bool:
        if statement.word(b"ADD"):
            statement.word(b"COLUMN")
            column, definition = column_definition(statement, table.definition)
            table.definition = replace(definition, columns=(*definition.columns, column))
            return True
        if statement.words(b"RENAME", b"TO"):
            new = (name[0], statement.name())
            del self.tables.known[self.tables.key(name)]
            renamed(table, new[1], self.tables.name_of(new))
            self.tables.known[self.tables.key(new)] = table
            return True
        statement.word(b"RENAME")
        statement.word(b"COLUMN")
        old = statement.name()
        if not statement.word(b"TO") or table.definition.column(old) is None:
            return False
        table.definition = _renamed_column(table.definition, old, statement.name())
        return True


def _renamed_column(definition: Definition, old: str, new: str) -> Definition:
    def name(one: str) -> str:
        return new if one.lower() == old.lower() else one

    return replace(
        definition,
        columns=tuple(replace(column, name=name(column.name)) for column in definition.columns),
        key=tuple(map(name, definition.key)),
        unique=tuple(tuple(map(name, columns)) for columns in definition.unique),
        foreign=tuple(replace(one, columns=tuple(map(name, one.columns))) for one in definition.foreign),
    )
