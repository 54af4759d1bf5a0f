"""One script of T-SQL, statement by statement: what each does to the session, the tables and the rows. Nothing is executed.

Statements that carry rows but are no literals are told as such; everything else that the platform does not need is passed by.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.mssql.ddl import (
    Call,
    DdlError,
    Definition,
    Name,
    Statement,
    alter_table,
    call,
    column_type,
    create_table,
    name_of,
)
from platform_assets.formats.mssql.file import MAX_NOTICES
from platform_assets.formats.mssql.inserts import InsertReading
from platform_assets.formats.mssql.literals import native_of
from platform_assets.formats.mssql.tables import KnownTable
from platform_assets.formats.sql_tokens import END, EOF, WORD, Token

_PASSED = {
    "CHECKPOINT", "CLOSE", "DBCC", "DEALLOCATE", "DECLARE", "DENY", "DISABLE", "ENABLE", "GOTO", "GRANT", "OPEN", "PRINT", "RAISERROR",
    "READTEXT", "RECONFIGURE", "RETURN", "REVERT", "REVOKE", "SAVE", "THROW", "USE", "WAITFOR", "BACKUP", "KILL", "SHUTDOWN",
}  # fmt: skip
_DATA = {"BULK", "FETCH", "LOAD", "MERGE", "RESTORE", "UPDATETEXT", "WITH", "WRITETEXT"}
_BODIES = ("PROC", "PROCEDURE", "FUNCTION", "TRIGGER", "VIEW")
_SECRETS = ("LOGIN", "USER", "CREDENTIAL", "ROLE", "KEY", "CERTIFICATE")
_LANGUAGES = {
    **dict.fromkeys(("us_english", "english"), "mdy"),
    **dict.fromkeys(("british", "british english", "french", "français", "german", "deutsch", "italian", "italiano", "spanish"), "dmy"),
    **dict.fromkeys(
        ("español", "dutch", "nederlands", "danish", "dansk", "norwegian", "norsk", "portuguese", "português", "brazilian"), "dmy"
    ),
    **dict.fromkeys(
        ("português (brasil)", "finnish", "suomi", "polish", "polski", "czech", "čeština", "turkish", "türkçe", "russian"), "dmy"
    ),
    **dict.fromkeys(("русский", "greek", "ελληνικά", "romanian", "română"), "dmy"),
    **dict.fromkeys(("japanese", "日本語", "korean", "한국어", "simplified chinese", "简体中文", "traditional chinese", "繁體中文"), "ymd"),
    **dict.fromkeys(("swedish", "svenska", "hungarian", "magyar", "lithuanian", "lietuvių"), "ymd"),
}
"""sys.syslanguages.dateformat."""
_HARMLESS = ("sp_", "xp_")
_CREATES = tuple(f"{verb} {kind}" for verb in ("CREATE", "ALTER", "CREATE OR ALTER") for kind in _BODIES)


class Script(InsertReading):
    """Reads one member: `events()` gives everything but the verdict."""

    def events(self) -> Iterator[Event]:
        """Everything of this file but the verdict; waiting rows stay in the tables' buffers."""
        while (first := self.tokens.next()).kind != EOF:
            if first.kind == END:
                yield from self._batch_ended(first)
            else:
                self.statements += 1
                self.flow.statements_in_batch += 1
                yield from self._statement(first)
            if not self.tokens.waiting:
                self._good = (self.tokens.line, self.tokens.offset)
        yield from self._close()

    def _close(self) -> Iterator[Event]:
        line, offset = self._good
        place = f"the last whole statement ends at line {line}, byte {offset}"
        if self.tokens.broken:
            self.reasons.insert(0, f"{self.member}: the stream breaks off ({self.tokens.broken}); {place}")
        elif self.tokens.unterminated is not None and not self.reasons:
            self.reasons.append(
                f"{self.member}: a text, name or comment that begins at byte {self.tokens.unterminated} is not closed; {place}"
            )
        elif self.flow.blocks or self.flow.pending is not None:
            self.reasons.append(f"{self.member}: the file ends inside BEGIN ... END or behind IF; {place}")
        elif self.flow.transactions > 0:
            self.reasons.append(f"{self.member}: the file ends inside a transaction, which the server would take back; {place}")
        elif self.flow.managed and self.session.identity_insert is not None:
            name = self.session.identity_insert.table
            self.reasons.append(f"{self.member}: the file ends while IDENTITY_INSERT of {name!r} is on, so more rows were to come; {place}")
        for (kind, code), count in self._counts.items():
            if count > MAX_NOTICES:
                bears = code == "skipped-data-statement"
                yield Notice(code, f"{count - MAX_NOTICES} more {kind} statements were skipped.", self.member, data_bearing=bears)

    def _batch_ended(self, token: Token) -> Iterator[Event]:
        if token.text == b";":
            return
        times = (token.text or b"")[3:]
        if times and int(times) != 1 and self.flow.rows_in_batch:
            message = f"{(token.text or b'').decode()}: the client runs this batch {int(times)} times; its rows were taken once."
            yield Notice("batch-repeated", message, self.member, token.line, data_bearing=True)
        self.flow.rows_in_batch = self.flow.statements_in_batch = 0
        self.flow.blocks, self.flow.pending = [], None

    def _statement(self, first: Token) -> Iterator[Event]:
        word = first.text.upper().decode("latin-1") if first.kind == WORD and first.text else ""
        if word in ("IF", "ELSE", "BEGIN", "END", "WHILE"):
            yield from self._flow(word, first)
            return
        if word == "INSERT":
            yield from self._insert_statement(first)
        elif word in ("CREATE", "ALTER") and (yield from self._object(first)):
            pass
        else:
            head = self._excerpt(first)
            tokens = self._rest(first)
            raw = self._shown(head, first)
            yield from self._by_word(word, tokens, raw)
        self.flow.pending = None

    def _flow(self, word: str, first: Token) -> Iterator[Event]:
        """IF, ELSE, BEGIN, END and WHILE: what the next statement depends on."""
        flow = self.flow
        if word == "IF":
            condition = self._rest(first)[1:]
            missing = bool(condition) and condition[0].is_(b"NOT") and any(one.is_(b"EXISTS") for one in condition[:3])
            flow.pending = "missing" if missing and not flow.pending else "other"
        elif word in ("ELSE", "WHILE"):
            if word == "WHILE":
                self._rest(first)
            flow.pending = "other"
        elif word == "BEGIN":
            yield from self._begin()
        else:
            token = self.tokens.next()
            if not token.is_(b"TRY", b"CATCH", b"CONVERSATION"):
                self.tokens.back(token)
            if flow.blocks:
                flow.blocks.pop()
            flow.pending = None

    def _begin(self) -> Iterator[Event]:
        flow = self.flow
        token = self.tokens.next()
        if token.is_(b"TRAN", b"TRANSACTION", b"DISTRIBUTED"):
            flow.transactions += 1
            self._rest(token)
            flow.pending = None
        elif token.is_(b"TRY", b"CATCH"):
            flow.blocks.append("other" if token.is_(b"CATCH") else "")
        else:
            self.tokens.back(token)
            flow.blocks.append(flow.pending or "")
            flow.pending = None
        yield from ()

    def _by_word(self, word: str, tokens: list[Token], raw: str) -> Iterator[Event]:
        first, statement = tokens[0], Statement(tokens)
        statement.at = 1
        try:
            if word == "SET":
                yield from self._set(statement)
            elif word == "USE":
                self.session.database = statement.name()
            elif word in ("DROP", "TRUNCATE", "DELETE", "ALTER"):
                yield from {"DROP": self._drop, "TRUNCATE": self._empty, "DELETE": self._empty, "ALTER": self._alter}[word](statement, raw)
            elif word in ("COMMIT", "ROLLBACK"):
                yield from self._transaction(word, first, raw)
            elif word in ("EXEC", "EXECUTE"):
                yield from self._call(statement, first, raw)
            else:
                yield from self._other(word, statement, raw)
        except DdlError as error:
            if self._at_end:
                self._cut(first)
            yield Notice("unreadable-definition", f"{word}: {error}; it was skipped.", self.member, first.line, raw=raw)

    def _other(self, word: str, statement: Statement, raw: str) -> Iterator[Event]:
        first = statement.tokens[0]
        if word == "UPDATE" and statement.word(b"STATISTICS"):
            return
        selects_into = word == "SELECT" and any(token.is_(b"INTO") for token in statement.tokens)
        if word in _DATA or word == "UPDATE" or selects_into:
            message = f"{word}{' INTO' * selects_into} changes rows by more than literals; it was not run."
            yield from self._skipped(word, first, "skipped-data-statement", message, raw)
        elif word == "CREATE":
            yield from self._created(statement, raw)
        elif first.punct(b":") or first.punct(b"!"):
            bears = statement.word(b"R")
            code = "skipped-data-statement" if bears else "skipped-statement"
            yield from self._skipped("sqlcmd command", first, code, f"A command of sqlcmd was not run: {raw[:80]!r}.", raw)
        elif word in _PASSED or word == "SELECT":
            return
        elif self.flow.statements_in_batch == 1 and word and not self._at_end:
            statement.at = 0
            yield from self._call(statement, first, raw)
        elif not (first.kind == WORD and len(statement.tokens) == 2 and statement.punct(b":")):
            message = f"This is no statement of T-SQL, and no row: {raw[:80]!r}."
            yield Notice("not-a-statement", message, self.member, first.line, raw=raw, data_bearing=True)

    def _set(self, statement: Statement) -> Iterator[Event]:
        if statement.word(b"IDENTITY_INSERT"):
            name = statement.qualified()
            self.session.identity_insert = name if statement.word(b"ON") else None
        elif statement.word(b"DATEFORMAT"):
            order = statement.name().lower()
            self.session.order = order if sorted(order) == ["d", "m", "y"] else self.session.order
        elif statement.word(b"LANGUAGE"):
            if statement.here is not None and statement.here.is_(b"N"):
                statement.skip()
            language = statement.name().lower()
            if language in _LANGUAGES:
                self.session.order = _LANGUAGES[language]
            else:
                message = f"SET LANGUAGE {language}: its order of day and month is not known; the one in force stays."
                yield Notice("unknown-language", message, self.member, statement.tokens[0].line)
        elif statement.tokens[-1].is_(b"ON", b"OFF") and any(one.is_(b"QUOTED_IDENTIFIER", b"ANSI_DEFAULTS") for one in statement.tokens):
            self.tokens.lexis.ansi_quotes = statement.tokens[-1].is_(b"ON")

    def _object(self, first: Token) -> Generator[Event, None, bool]:
        """CREATE or ALTER of what has a body that reaches to the batch's end; its value says whether that was it."""
        head = self._excerpt(first)
        token = self.tokens.next()
        held: list[Token] = []
        while token.is_(b"OR", b"ALTER") and len(held) < 2:
            held.append(token)
            token = self.tokens.next()
        kind = (token.text or b"").upper().decode("latin-1") if token.kind == WORD else ""
        if kind not in _BODIES:
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
        kind = next((name_of(one) for one in statement.tokens[1:4] if one.kind == WORD), "object").lower()
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
        columns = statement.column_list()
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
            yield self._restarted(known, first)
        elif known is not None and known.orphan:
            message = "The table is created after its rows came; they stay texts under the names they have."
            yield Notice("table-exists", message, self.member, first.line, known.name, data_bearing=True)
            return
        self.tables.create(known.key if known is not None else key, definition, self.member)

    def _restarted(self, known: KnownTable, first: Token) -> Notice:
        """The consumer drops what it had of the table."""
        if known.buffer is not None:
            self.tables.waiting -= known.buffer.bytes
            known.buffer = None
        message = f"The file empties or replaces this table after {known.rows} rows; as on the server, the later rows are what it holds."
        return Notice("table-restarted", message, self.member, first.line, known.name)

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
            yield self._restarted(table, first)
            table.rows, table.announced, table.changed = 0, None, True
            if word == "TRUNCATE":
                table.next_number = None

    def _transaction(self, word: str, first: Token, raw: str) -> Iterator[Event]:
        flow = self.flow
        if word == "COMMIT":
            flow.transactions = max(flow.transactions - 1, 0)
        elif not flow.condition:
            flow.transactions = 0
            yield from self._skipped(word, first, "skipped-data-statement", "ROLLBACK takes rows back; it was not run.", raw)

    def _call(self, statement: Statement, first: Token, raw: str) -> Iterator[Event]:
        """Stored descriptions and types of procedures that everybody has; other calls may change rows."""
        found = call(statement)
        name = found.procedure if found is not None else ""
        if found is not None and name in ("sp_addextendedproperty", "sp_updateextendedproperty"):
            self._describe(found)
            return
        if found is not None and name == "sp_addtype":
            alias, base = found.argument("typename", 0), found.argument("phystype", 1)
            if alias and base:
                self.tables.aliases[alias.lower()] = native_of(base.encode("utf-8"))[0]
            return
        code_text = (
            (found.argument("statement", 0) or found.argument("stmt", 0) or "") if found is not None and name == "sp_executesql" else ""
        )
        creates = " ".join(code_text.split()[:4]).upper().startswith(_CREATES)
        harmless = name.startswith(_HARMLESS) and name not in (
            "sp_executesql",
            "sp_rename",
            "sp_msforeachtable",
            "sp_executeexternalscript",
        )
        code = "skipped-statement" if creates or harmless else "skipped-data-statement"
        message = f"A call of {name or 'text as code'} was not run."
        yield from self._skipped("EXEC", first, code, message, raw)

    def _describe(self, found: Call) -> None:
        """sp_addextendedproperty N'MS_Description': what a table or column is for."""
        if (found.argument("name", 0) or "").lower() != "ms_description":
            return
        value = found.argument("value", 1) or ""
        schema, kind, name = found.argument("level0name", 3), found.argument("level1type", 4), found.argument("level1name", 5)
        if name is None or (kind or "").upper() != "TABLE":
            return
        table = self.tables.find(self._key(Name(None, schema, name)))
        if table is None:
            return
        column = found.argument("level2name", 7)
        if column is None:
            self._redefined(table, replace(table.definition, comment=value))
        elif (found.argument("level2type", 6) or "").upper() == "COLUMN":
            self._redefined(table, table.definition.with_column(column, comment=value))
