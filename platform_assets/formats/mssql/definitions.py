"""What a script says of tables and other objects: CREATE, ALTER, DROP, TRUNCATE and DELETE. How a definition reads is mssql.ddl's."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.mssql.ddl import Definition, Name, Statement, alter_table, column_type, create_table
from platform_assets.formats.mssql.inserts import InsertReading
from platform_assets.formats.mssql.tables import KnownTable
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import END, EOF, WORD, Token

BODIES = ("PROC", "PROCEDURE", "FUNCTION", "TRIGGER", "VIEW")
"""Objects whose text reaches to the end of their batch."""
_SECRETS = ("LOGIN", "USER", "CREDENTIAL", "ROLE", "KEY", "CERTIFICATE")
"""Whose definition may hold a password."""


class DefinitionReading(InsertReading):
    """Follows definitions into the tables."""

    def _object(self, first: Token) -> Generator[Event, None, bool]:
        """CREATE or ALTER of what has a body that reaches to the batch's end; its value says whether that was it."""
        head = self._excerpt(first)
        token = self.tokens.next()
        held: list[Token] = []
        while token.is_(b"OR", b"ALTER") and len(held) < 2:
            held.append(token)
            token = self.tokens.next()
        kind = (token.text or b"").upper().decode("latin-1") if token.kind == WORD else ""
        if kind not in BODIES:
            self.tokens.back(token)
            return False
        parts: list[Token] = []
        while (token := self.tokens.next()).kind not in (END, EOF) and (token.punct(b".") or len(parts) % 2 == 0):
            parts.append(token)
        self.tokens.back(token)
        try:
            name = Statement(parts).qualified()
        except DdlError:
            name = None
        if name is not None and kind == "VIEW":
            self.tables.views.add(self._key(name))
        self._skip_batch()
        if self.tokens.unterminated is not None:
            self._cut(first)
        of = f" {name.table!r}" if name is not None else ""
        yield from self._skipped(
            kind.lower(), first, "skipped-statement", f"The {kind.lower()}{of} is not a table; it was skipped.", self._shown(head, first)
        )
        return True

    def _created(self, statement: Statement, raw: str) -> Iterator[Event]:
        first = statement.tokens[0]
        if statement.word(b"TABLE"):
            if statement.here is not None and (statement.here.punct(b"#") or (statement.here.text or b"")[:2] == b"[#"):
                return
            yield from self._create_table(statement)
            return
        if statement.word(b"TYPE"):
            name = statement.qualified()
            if statement.word(b"FROM"):
                self.tables.aliases[name.table.lower()] = column_type(statement)
                return
        unique = statement.word(b"UNIQUE")
        if unique or (statement.here is not None and statement.here.is_(b"INDEX", b"CLUSTERED", b"NONCLUSTERED")):
            if unique:
                self._unique_index(statement)
            return
        kind = next((statement.named(one) for one in statement.tokens[1:4] if one.kind == WORD), "object").lower()
        if kind in ("schema", "database"):
            return
        secret = any(one.is_(*(word.encode() for word in _SECRETS)) for one in statement.tokens[1:5])
        message = f"The {kind} is not a table; it was skipped."
        yield from self._skipped(kind, first, "skipped-statement", message, None if secret else raw)

    def _unique_index(self, statement: Statement) -> None:
        """CREATE UNIQUE INDEX states a rule, unless it holds for some rows only."""
        while not statement.word(b"INDEX") and statement.skip() is not None:
            pass
        statement.name()
        if not statement.word(b"ON"):
            return
        table = self.tables.find(self._key(statement.qualified()))
        columns = statement.names()
        filtered = any(one.is_(b"WHERE") for one in statement.tokens)
        if table is not None and columns and not filtered and columns not in table.definition.unique:
            self._redefined(table, replace(table.definition, unique=(*table.definition.unique, columns)))

    def _create_table(self, statement: Statement) -> Iterator[Event]:
        first = statement.tokens[0]
        definition = create_table(statement)
        key = self._key(definition.name, settle=True)
        known = self.tables.find(key)
        if known is not None and not known.dropped and not known.orphan:
            if not self.flow.condition:
                message = "The table is created twice without DROP TABLE. The server would refuse that; rows are read into the first one."
                yield Notice("table-exists", message, self.member, first.line, known.name, data_bearing=True)
            return
        if known is not None and known.rows and known.dropped:
            yield self.tables.restarted(known, first.line, self.member)
        elif known is not None and known.orphan:
            message = "The table is created after its rows came; they stay texts under the names they have."
            yield Notice("table-exists", message, self.member, first.line, known.name, data_bearing=True)
            return
        self.tables.create(known.key if known is not None else key, definition, self.member)

    def _redefined(self, table: KnownTable, definition: Definition) -> None:
        if definition != table.definition:
            table.definition, table.changed = definition, True
            table.plans.clear()

    def _drop(self, statement: Statement, raw: str) -> Iterator[Event]:
        if statement.word(b"TABLE"):
            statement.words(b"IF", b"EXISTS")
            while statement.here is not None and not statement.here.punct(b"#"):
                known = self.tables.find(self._key(statement.qualified()))
                if known is not None:
                    known.dropped = True
                if not statement.punct(b","):
                    break
        elif statement.word(b"DATABASE"):
            statement.words(b"IF", b"EXISTS")
            name = statement.name()
            gone = self._key(Name(name, None, ""))
            for known in self.tables.known.values():
                known.dropped |= known.key.database == gone.database
        yield from ()

    def _alter(self, statement: Statement, raw: str) -> Iterator[Event]:
        first = statement.tokens[0]
        if not statement.word(b"TABLE"):
            return
        name = statement.qualified()
        table = self.tables.find(self._key(name))
        done = alter_table(statement, table.definition if table is not None else Definition(name))
        if done.ignored:
            message = f"ALTER TABLE {done.ignored} is not followed: columns and rows stay as CREATE TABLE and INSERT gave them."
            shown = table.name if table is not None else None
            yield Notice("skipped-data-statement", message, self.member, first.line, shown, raw=raw, data_bearing=True)
        if table is not None:
            self._redefined(table, done.definition)

    def _empty(self, statement: Statement, raw: str) -> Iterator[Event]:
        """TRUNCATE and DELETE without a condition: what came before is gone. A DELETE with a condition is not followed."""
        first = statement.tokens[0]
        word = (first.text or b"").decode("latin-1").upper()
        statement.word(b"TABLE", b"FROM")
        if statement.here is None and self._at_end:
            raise DdlError("a table is missing")
        table = None
        if statement.here is not None and not statement.here.punct(b"#"):
            table = self.tables.find(self._key(statement.qualified()))
        if (statement.here is not None or self.flow.condition) and (table is None or table.rows):
            yield from self._skipped(word, first, "skipped-data-statement", f"{word} with a condition was not run.", raw)
        elif table is not None and table.rows:
            yield self.tables.restarted(table, first.line, self.member)
            table.rows, table.announced, table.changed = 0, None, True
            if word == "TRUNCATE":
                table.next_number = None
