"""One script of T-SQL, statement by statement: what each does to the session, the tables and the rows. Nothing is executed.

Statements that carry rows but are no literals are told as such; everything else that the platform does not need is passed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.mssql.calls import Call, call, literal_text, text_name
from platform_assets.formats.mssql.ddl import Name, Statement
from platform_assets.formats.mssql.definitions import BODIES, DefinitionReading
from platform_assets.formats.mssql.literals import native_of
from platform_assets.formats.sql.statement import DdlError, split_commas
from platform_assets.formats.sql.tokens import END, EOF, STRING, WORD, Token

_PASSED = {
    "CHECKPOINT", "CLOSE", "DBCC", "DEALLOCATE", "DECLARE", "DISABLE", "ENABLE", "GOTO", "OPEN", "PRINT", "RAISERROR",
    "READTEXT", "RECONFIGURE", "RETURN", "REVERT", "SAVE", "THROW", "USE", "WAITFOR", "BACKUP", "KILL", "SHUTDOWN",
}  # fmt: skip
_RIGHTS = {"DENY", "GRANT", "REVOKE"}
_DATA = {"BULK", "FETCH", "LOAD", "MERGE", "RESTORE", "UPDATETEXT", "WITH", "WRITETEXT"}
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
_CREATES = (
    *("CREATE DATABASE", "ALTER DATABASE", "DROP DATABASE"),
    *(f"{verb} {kind}" for verb in ("CREATE", "ALTER", "CREATE OR ALTER") for kind in BODIES),
)


class Script(DefinitionReading):
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
            self._good = self.tokens.reached
        yield from self._close()

    def _close(self) -> Iterator[Event]:
        place = f"the last whole statement ends at {self._place}"
        if self._break_told():
            pass
        elif self.flow.blocks or self.flow.pending is not None:
            self.reasons.append(f"{self.member}: the file ends inside BEGIN ... END or behind IF; {place}")
        elif self.flow.transactions > 0:
            self.reasons.append(f"{self.member}: the file ends inside a transaction, which the server would take back; {place}")
        elif self.flow.managed and self.session.identity_insert is not None:
            name = self.session.identity_insert.table
            self.reasons.append(f"{self.member}: the file ends while IDENTITY_INSERT of {name!r} is on, so more rows were to come; {place}")
        yield from self._more_skipped()

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
            tokens = self._statement_tokens(first)
            raw = self._shown(head, first)
            yield from self._by_word(word, tokens, raw)
        self.flow.pending = None

    def _flow(self, word: str, first: Token) -> Iterator[Event]:
        """IF, ELSE, BEGIN, END and WHILE: what the next statement depends on."""
        flow = self.flow
        if word == "IF":
            condition = self._statement_tokens(first)[1:]
            missing = bool(condition) and condition[0].is_(b"NOT") and any(one.is_(b"EXISTS") for one in condition[:3])
            flow.pending = "missing" if missing and not flow.pending else "other"
        elif word in ("ELSE", "WHILE"):
            if word == "WHILE":
                self._statement_tokens(first)
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
            self._statement_tokens(token)
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
        elif word in _RIGHTS:
            yield from self._skipped(word, first, "skipped-statement", f"{word}: rights are not taken over; it was skipped.", raw)
        elif word == "CREATE":
            yield from self._created(statement, raw)
        elif first.punct(b":") or first.punct(b"!"):
            bears = statement.word(b"R")
            code = "skipped-data-statement" if bears else "skipped-statement"
            yield from self._skipped("sqlcmd command", first, code, f"A command of sqlcmd was not run: {raw[:80]!r}.", raw)
        elif word == "DBCC" and statement.word(b"CHECKIDENT"):
            yield from self._reseed(statement.group())
        elif word in _PASSED or word == "SELECT":
            return
        elif self.flow.statements_in_batch == 1 and word and not self._at_end:
            statement.at = 0
            yield from self._call(statement, first, raw)
        elif not (first.kind == WORD and len(statement.tokens) == 2 and statement.punct(b":")):
            message = f"This is no statement of T-SQL, and no row: {raw[:80]!r}."
            yield Notice("not-a-statement", message, self.member, first.line, raw=raw, data_bearing=True)

    def _reseed(self, arguments: list[Token]) -> Iterator[Event]:
        """DBCC CHECKIDENT ('t', RESEED, n): the next number of a table's identity column is n + step, n where it never had rows."""
        parts = list(filter(None, split_commas(arguments)))
        if len(parts) < 3 or not parts[1][0].is_(b"RESEED"):
            return
        text = literal_text(parts[0])
        table = self.tables.find(self._key(text_name(text) if text is not None else Statement(parts[0]).qualified()))
        identity = table.identity if table is not None else None
        if table is None or identity is None or identity.identity is None:
            return
        yield from self.tables.flush(table)
        try:
            number = int(b"".join(token.text or b"" for token in parts[2]))
        except ValueError:
            return
        table.next_number = number + (identity.identity[1] if table.rows else 0)

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
        code_text = found.argument("statement", 0) or found.argument("stmt", 0) or "" if found is not None else _quoted_code(statement)
        if found is not None and name != "sp_executesql":
            code_text = ""
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


def _quoted_code(statement: Statement) -> str:
    """The first text of EXEC ('...' + @x)."""
    text = next((token.text or b"" for token in statement.tokens if token.kind == STRING), b"")
    return text[1:-1].decode("utf-8", "backslashreplace")
