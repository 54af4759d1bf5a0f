"""One file of SQL text, statement by statement: what each does to the session, the tables and the rows. Nothing is executed.

Statements that carry rows but are no literals are told as such; everything else that the platform does not need is passed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.mysql.ddl import Definition, Statement, alter_table, create_index, create_table
from platform_assets.formats.mysql.inserts import InsertReading
from platform_assets.formats.mysql.session import decoder
from platform_assets.formats.sql.file import RAW_BYTES
from platform_assets.formats.sql.statement import DdlError, QualifiedName
from platform_assets.formats.sql.tokens import END, EOF, WORD, Token

_VIEW_CONDITION = 50001
"""mysqldump puts the stand-in tables of views, and nothing else that creates a table, into this condition."""
_PASSED = {
    "ANALYZE", "BEGIN", "CHANGE", "CHECK", "CHECKSUM", "COMMIT", "DEALLOCATE", "DESC", "DESCRIBE",
    "DO", "EXPLAIN", "FLUSH", "HELP", "INSTALL", "KILL", "LOCK", "OPTIMIZE", "PREPARE",
    "PURGE", "RELEASE", "REPAIR", "RESET", "SAVEPOINT", "SELECT", "SHOW",
    "START", "STOP", "UNINSTALL", "UNLOCK", "VALUES", "WITH", "XA",
}  # fmt: skip
_DATA = {
    "CALL", "DELETE", "EXECUTE", "HANDLER", "IMPORT", "LOAD", "RENAME", "ROLLBACK", "SOURCE",
    "UPDATE",
}  # fmt: skip
_OBJECTS = {
    "DATABASE", "EVENT", "FUNCTION", "INDEX", "LOGFILE", "PACKAGE", "PROCEDURE", "ROLE", "SCHEMA",
    "SEQUENCE", "SERVER", "TABLE", "TABLESPACE", "TRIGGER", "USER", "VIEW",
}  # fmt: skip
_RIGHTS = ("GRANT", "REVOKE", "RENAME USER")
_OF_ACCOUNTS = ("ALTER", "DROP", "SET")
"""With USER, ROLE, PASSWORD or DEFAULT ROLE behind."""
_BODIES = ("TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE")


class SqlFile(InsertReading):
    """Reads one member: `events()` gives everything but the verdict."""

    @property
    def _whole(self) -> bool:
        return not self.broken_off

    def _close(self) -> Iterator[Event]:
        self.broken_off |= self._break_told()
        yield from self._more_skipped()

    def _statement(self, first: Token) -> Iterator[Event]:
        word = first.text.upper().decode("latin-1") if first.kind == WORD and first.text else ""
        if word in ("INSERT", "REPLACE"):
            yield from self._insert_statement(first)
            return
        if first.punct(b"(") and self.last_insert is not None:
            yield from self._stray_rows(self.last_insert, first)
            return
        self.last_insert = None
        if word == "DELIMITER":
            self._delimiter(first)
        elif word == "CREATE":
            yield from self._create(first)
        elif word in ("SET", "USE", "DROP", "ALTER", "TRUNCATE", "DELETE"):
            tokens = yield from self._rest(first)
            if tokens is not None:
                yield from self._by_word(word, first, tokens)
        else:
            yield from self._other(first, word)

    def _other(self, first: Token, word: str) -> Iterator[Event]:
        head = self._excerpt(first)
        begins = word in ("BEGIN", "START")
        self._skip(first)
        raw = self._raw(head, first)
        if word in ("COMMIT", "BEGIN", "START"):
            self.evidence.transaction(opened=begins)
        elif word == "CHANGE":
            self.evidence.facts_in(raw)
        elif word in _RIGHTS or " ".join(raw.upper().split()[:2]) in _RIGHTS:
            yield from self._account(word, first)
        elif word in _DATA:
            yield from self._skipped(
                word, first, "skipped-data-statement", f"{word} changes rows by more than literals; it was not run.", raw
            )
        elif word not in _PASSED:
            yield Notice(
                "not-a-statement",
                f"This is no statement of SQL, and no row: {raw[:80]!r}.",
                self.member,
                first.line,
                raw=raw,
                data_bearing=True,
            )

    def _account(self, what: str, first: Token) -> Iterator[Event]:
        """A statement about accounts and their rights. It may hold a password, so its text is not shown."""
        message = f"{what}: accounts and their rights are not taken over; it was skipped."
        yield from self._skipped(what, first, "skipped-statement", message)

    def _delimiter(self, first: Token) -> None:
        """A command of the client, ended by its line."""
        self.tokens.unmark()
        words = self.tokens.rest_of_line().split()
        if words:
            self.session.lexis.delimiter = words[0]

    def _by_word(self, word: str, first: Token, tokens: list[Token]) -> Iterator[Event]:
        raw = self.session.text((self.tokens.raw() or b"")[:RAW_BYTES])
        statement = Statement(tokens, self.session)
        statement.at = 1
        try:
            if word in _OF_ACCOUNTS and (statement.word(b"USER", b"ROLE", b"PASSWORD") or statement.words(b"DEFAULT", b"ROLE")):
                yield from self._account(f"{word} {self.session.text(tokens[statement.at - 1].text or b'').upper()}", first)
            elif word == "SET":
                yield from self._set(first, tokens)
            elif word == "USE":
                self.session.database = statement.name()
                self.tables.use(self.session.database)
            elif word == "DROP":
                self._drop(statement)
            elif word == "ALTER":
                yield from self._alter(statement, first, raw)
            else:
                yield from self._empty(word, statement, first, raw)
        except DdlError as error:
            yield Notice("unreadable-definition", f"{word}: {error}; it was skipped.", self.member, first.line, raw=raw)

    def _set(self, first: Token, tokens: list[Token]) -> Iterator[Event]:
        changes = self.session.set(tokens[1:])
        self.evidence.settings(changes, first.line)
        charset = self.session.charset
        if charset != "binary" and decoder(charset) is None:
            message = f"The charset {charset!r} is not known; texts are read as UTF-8, and rows that are no UTF-8 are rejected."
            yield Notice("unknown-charset", message, self.member, first.line)

    def _create(self, first: Token) -> Iterator[Event]:
        stand_in = (self.tokens.depth > 0 and self.tokens.version == _VIEW_CONDITION) or self.standing_in
        head, tokens = self._excerpt(first), [first]
        kind = ""
        while not kind and len(tokens) < 64:
            token = self.tokens.next()
            if token.kind in (END, EOF):
                raw = self.session.text((self._skip_whole(first) or b"")[:RAW_BYTES])
                message = f"What this creates is not known: {raw[:80]!r}."
                yield from self._skipped("object", first, "skipped-statement", message, raw)
                return
            tokens.append(token)
            word = (token.text or b"").upper().decode("latin-1") if token.kind == WORD else ""
            kind = word if word in _OBJECTS else ""
        if kind in ("TABLE", "INDEX"):
            rest = yield from self._rest(first)
            if rest is not None:
                yield from self._defined(kind, [*tokens, *rest[1:]], stand_in=stand_in)
            return
        name = self._object_name() if kind else None
        (self._skip_body if kind in _BODIES else self._skip)(first)
        if name is not None and kind == "VIEW":
            self._is_view(self._key(name))
        elif name is not None and kind == "SEQUENCE":
            self.tables.sequences.add(self._key(name))
        if kind not in ("DATABASE", "SCHEMA"):
            shown = kind.lower() or "object"
            of = f" {name[1]!r}" if name else ""
            # What creates an account or a link to a server holds its password.
            text = None if kind in ("USER", "ROLE", "SERVER") else self._raw(head, first)
            yield from self._skipped(shown, first, "skipped-statement", f"The {shown}{of} is not a table; it was skipped.", text)

    def _object_name(self) -> QualifiedName | None:
        """The name that stands next, which is not taken: the statement may end instead."""
        self.tokens.mark()
        tokens = [self.tokens.next()]
        while tokens[-1].is_(b"IF", b"NOT", b"EXISTS", b"BODY"):
            tokens = [self.tokens.next()]
        tokens += [self.tokens.next(), self.tokens.next()]
        self.tokens.rewind()
        try:
            return Statement(tokens, self.session).qualified()
        except DdlError:
            return None

    def _is_view(self, key: QualifiedName) -> None:
        """A table without rows that a view takes the place of was its stand-in."""
        known = self.tables.known.get(key)
        if known is None or not known.rows:
            self.tables.known.pop(key, None)
            self.tables.views.add(key)

    def _defined(self, kind: str, tokens: list[Token], *, stand_in: bool) -> Iterator[Event]:
        raw = self.session.text((self.tokens.raw() or b"")[:RAW_BYTES])
        first = tokens[0]
        try:
            if kind == "INDEX":
                self._index(tokens)
                return
            definition = create_table(tokens, self.session)
            if definition.like is not None:
                model = self.tables.find(self._key(definition.like))
                if model is None:
                    raise DdlError(f"it is like {definition.like[1]!r}, which is not in the file")
                definition = replace(model.definition, name=definition.name, foreign=(), auto_increment=None)
        except DdlError as error:
            message = f"A CREATE {kind} is not understood: {error}. Its rows are read as texts."
            yield Notice("unreadable-definition", message, self.member, first.line, raw=raw)
            return
        key = self._key(definition.name)
        if stand_in:
            self._is_view(key)
        elif definition.sequence:
            self.tables.sequences.add(key)
            message = f"The sequence {key[1]!r} is not a table; it was skipped."
            yield from self._skipped("sequence", first, "skipped-statement", message, raw)
        else:
            lenient = any(one.is_(b"EXISTS") for one in tokens[:6])
            yield from self._create_table(key, definition, first, replaces=tokens[1].is_(b"OR"), lenient=lenient)

    def _index(self, tokens: list[Token]) -> None:
        found = create_index(tokens, self.session) if any(token.is_(b"UNIQUE") for token in tokens[:4]) else None
        table = self.tables.find(self._key(found[0])) if found else None
        if found and table is not None and found[1] not in table.definition.unique:
            table.definition = replace(table.definition, unique=(*table.definition.unique, found[1]))
            table.changed = True

    def _create_table(self, key: QualifiedName, definition: Definition, first: Token, *, replaces: bool, lenient: bool) -> Iterator[Event]:
        known = self.tables.known.get(key)
        if known is not None and not known.dropped and not replaces:
            if not lenient:
                message = "The table is created twice without DROP TABLE. The server would refuse that; rows are read into the first one."
                yield Notice("table-exists", message, self.member, first.line, known.name, data_bearing=True)
            return
        if known is not None and known.rows:
            yield self.tables.restarted(known, first.line, self.member)
        if definition.selects:
            message = f"CREATE TABLE {definition.name[1]!r} ... SELECT: its rows are no literals."
            yield Notice("skipped-data-statement", message, self.member, first.line, data_bearing=True)
            if not definition.columns:
                return
        table = self.tables.create(key, definition, self.session, self.member)
        if definition.auto_increment is not None:
            self.evidence.facts[f"auto_increment.{table.name}"] = str(definition.auto_increment)

    def _drop(self, statement: Statement) -> None:
        if statement.word(b"DATABASE", b"SCHEMA"):
            statement.words(b"IF", b"EXISTS")
            self.tables.drop_database(statement.name())
            return
        statement.word(b"TEMPORARY")
        if not statement.word(b"TABLE", b"TABLES"):
            return
        statement.words(b"IF", b"EXISTS")
        while statement.here is not None:
            known = self.tables.known.get(self._key(statement.qualified()))
            if known is not None:
                known.dropped = True
            if not statement.punct(b","):
                return

    def _alter(self, statement: Statement, first: Token, raw: str) -> Iterator[Event]:
        statement.word(b"ONLINE", b"OFFLINE", b"IGNORE")
        if not statement.word(b"TABLE"):
            return
        statement.words(b"IF", b"EXISTS")
        table = self.tables.find(self._key(statement.qualified()))
        done = alter_table(statement, table.definition if table is not None else Definition((None, "")))
        if done.ignored:
            message = f"ALTER TABLE {', '.join(done.ignored)} is not followed: columns and rows stay as CREATE TABLE and INSERT gave them."
            name = table.name if table is not None else None
            yield Notice("skipped-data-statement", message, self.member, first.line, name, raw=raw, data_bearing=True)
        if table is not None and done.definition != table.definition:
            table.definition = done.definition
            table.changed = True
            table.plans.clear()
            if done.definition.auto_increment is not None:
                self.evidence.facts[f"auto_increment.{table.name}"] = str(done.definition.auto_increment)

    def _empty(self, word: str, statement: Statement, first: Token, raw: str) -> Iterator[Event]:
        """TRUNCATE and DELETE without a condition: what came before is gone. A DELETE with a condition is not followed."""
        statement.word(b"TABLE", b"FROM")
        table = self.tables.find(self._key(statement.qualified()))
        if statement.here is not None:
            yield from self._skipped(word, first, "skipped-data-statement", f"{word} with a condition was not run.", raw)
        elif table is not None and table.rows:
            yield self.tables.restarted(table, first.line, self.member)
            table.rows, table.announced, table.changed = 0, None, True
