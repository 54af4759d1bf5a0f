"""One script, statement by statement: what each does to the session, the tables and the rows. Nothing is executed.

Statements that carry rows but are no literals are told as such; everything else that the platform does not need is passed by, counted by
kind. psql's own commands (a backslash between statements) are never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.postgres.catalog import Effect
from platform_assets.formats.postgres.cursor import Cursor
from platform_assets.formats.postgres.inserts import InsertReading
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import PUNCT, STRING, WORD, Token

_PASSED = {
    "ABORT", "ANALYZE", "BEGIN", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMIT", "DEALLOCATE", "DECLARE", "DISCARD", "END", "EXPLAIN", "FETCH",
    "LISTEN", "LOCK", "NOTIFY", "PREPARE", "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RESET", "SAVEPOINT", "SECURITY", "SHOW",
    "START", "TABLE", "UNLISTEN", "VACUUM", "VALUES",
}  # fmt: skip
_RIGHTS = ("GRANT", "REVOKE")
_DATA = {"CALL", "EXECUTE", "LOAD", "MERGE", "ROLLBACK", "UPDATE", "IMPORT"}
_WRITES = re.compile(rb"\b(?:insert|update|delete|merge|copy|truncate|lo_import|lowrite|lo_put|lo_from_bytea)\b", re.IGNORECASE)
_LARGE_OBJECTS = ("lowrite", "lo_put", "lo_import", "lo_from_bytea")
_READING_COMMANDS = ("i", "ir", "include", "include_relative", "copy", "gexec", "lo_import")
_OPENING = (
    b"OR",
    b"REPLACE",
    b"TEMP",
    b"TEMPORARY",
    b"UNLOGGED",
    b"GLOBAL",
    b"LOCAL",
    b"UNIQUE",
    b"MATERIALIZED",
    b"RECURSIVE",
    b"TRUSTED",
)
_MAX_SEQUENCES = 200


class SqlFile(InsertReading):
    """Reads one member: `events()` gives everything but the verdict."""

    @property
    def _whole(self) -> bool:
        return not self.tokens.broken or self.tokens.position < len(self.tokens.buffer)

    def _close(self) -> Iterator[Event]:
        for kind, (count, line, name) in self.created.items():
            message = f"{count} x {kind} skipped, the first at line {line}{f' ({name})' if name else ''}."
            yield Notice("skipped-statement", message, self.member, line)
        self._break_told()

    def _statement(self, first: Token) -> Iterator[Event]:
        if first.is_(b"INSERT"):
            yield from self._insert_statement(first)
            return
        self.tokens.unmark()
        if first.is_(b"COPY"):
            yield from self._copy_statement(first)
        elif first.punct(b"\\"):
            yield from self._command(first)
        else:
            yield from self._other(first)

    def _other(self, first: Token) -> Iterator[Event]:
        word = (first.text or b"").decode("latin-1").upper() if first.kind == WORD else ""
        tokens = yield from (self._body if word == "CREATE" else self._rest)(first)
        if tokens is None:
            return
        cursor = self.session.cursor(tokens[1:])
        try:
            yield from self._run(word, cursor, tokens)
        except DdlError as error:
            bears = word in ("CREATE", "ALTER") and any(token.is_(b"TABLE") for token in tokens[:5])
            message = f"{word} is not understood: {error}."
            yield from self._notice("unreadable-definition", message, first.line, bears=bears)

    def _run(self, word: str, cursor: Cursor, tokens: list[Token]) -> Iterator[Event]:
        now, session, first = self.tables.now, self.session, tokens[0]
        if word == "SET":
            session.set(tokens[1:])
            if session.unknown_encoding:
                message = f"The encoding {session.unknown_encoding!r} is not known; what follows is read as {session.encoding}."
                session.unknown_encoding = None
                yield from self._notice("unknown-encoding", message, first.line, bears=True)
        elif word == "SELECT":
            yield from self._select(cursor, tokens)
        elif word == "CREATE":
            self._count("CREATE", tokens)
            yield from self._effects(now.create(cursor, session), first)
        elif word == "ALTER":
            now.alter(cursor, session)
        elif word == "DROP":
            yield from self._effects(now.drop(cursor, session), first)
        elif word == "TRUNCATE":
            yield from self._effects(now.truncate(cursor, session), first)
        elif word == "COMMENT":
            now.comment(cursor, session)
        elif word in _RIGHTS:
            self._counted(word, first.line)
        elif word == "DELETE":
            yield from self._delete(cursor, first)
        elif word in ("DO", "WITH") or word in _DATA:
            writes = word in _DATA or any(token.text and _WRITES.search(token.text) for token in tokens)
            code = "skipped-data-statement" if writes else "skipped-statement"
            yield from self._notice(code, f"{word} was not run.", first.line, bears=writes)
        elif word not in _PASSED:
            shown = session.text(b" ".join(token.text or b"" for token in tokens[:8]))[:200]
            message = f"No statement of PostgreSQL begins with {shown.split()[0] if shown.split() else shown!r}."
            yield from self._notice("not-a-statement", message, first.line, raw=shown, bears=True)

    def _count(self, word: str, tokens: list[Token]) -> None:
        """Counts what is created and is no table. Names of roles may stand beside passwords: only the kind is kept of those."""
        rest = [token for token in tokens[1:8] if not token.is_(*_OPENING)]
        kind = (rest[0].text or b"").decode("latin-1").upper() if rest and rest[0].kind == WORD else "?"
        if kind in ("TABLE", "FOREIGN"):
            return
        named = kind not in ("ROLE", "USER", "SUBSCRIPTION", "SERVER")
        end = next((at for at in range(2, len(rest)) if not rest[at].punct(b".") and not rest[at - 1].punct(b".")), len(rest))
        name = self.session.text(b"".join(token.text or b"" for token in rest[1:end])) if named else ""
        self._counted(f"{word} {kind}", tokens[0].line, name[:100])

    def _counted(self, kind: str, line: int, name: str = "") -> None:
        count, first_line, first_name = self.created.get(kind, (0, line, name))
        self.created[kind] = (count + 1, first_line, first_name)

    def _effects(self, effects: Iterator[Effect], first: Token) -> Iterator[Event]:
        for effect in effects:
            known = self.tables.known.get(effect.key)
            if effect.kind == "selects":
                message = f"CREATE TABLE {effect.key[2]} AS: its rows are those of a query, which was not run."
                yield from self._notice("skipped-data-statement", message, first.line, table=self.tables.name_of(effect.key), bears=True)
            elif known is None or self.copy_only:
                continue
            elif effect.kind == "dropped":
                known.dropped = True
                yield from self.tables.flush(known)
            elif effect.kind == "created" and known.early:
                known.early = False
            elif effect.kind == "created":
                yield from self._restarted(known, "The file creates this table anew; the rows before are gone.", first.line)
                del self.tables.known[effect.key]
            elif effect.kind == "emptied" and known.rows:
                yield from self._restarted(known, "The file empties this table; the rows before are gone.", first.line)

    def _delete(self, cursor: Cursor, first: Token) -> Iterator[Event]:
        """DELETE of all rows empties a table; one with a condition cannot be followed, unless there is no row yet."""
        cursor.word(b"FROM")
        cursor.word(b"ONLY")
        key = self.tables.now.key(cursor.qualified(), self.session)
        known = self.tables.known.get(key)
        if known is None or not known.rows:
            return
        if cursor.here is None:
            yield from self._restarted(known, "The file deletes all rows of this table; the rows before are gone.", first.line)
        else:
            message = f"DELETE FROM {known.name} with a condition was not run."
            yield from self._notice("skipped-data-statement", message, first.line, table=known.name, bears=True)

    def _select(self, cursor: Cursor, tokens: list[Token]) -> Iterator[Event]:
        self.session.select(tokens[1:])
        try:
            function = cursor.path()[-1] if cursor.here is not None and cursor.here.kind not in (PUNCT, STRING) else ""
        except DdlError:
            function = ""
        if function in _LARGE_OBJECTS:
            yield from self._notice(
                "large-object", "The content of a large object was not read: no table holds it.", tokens[0].line, bears=True
            )
        elif function == "setval":
            self._sequence(tokens)
        elif any(token.is_(b"INTO") for token in tokens):
            yield from self._notice("skipped-data-statement", "SELECT INTO was not run.", tokens[0].line, bears=True)

    def _sequence(self, tokens: list[Token]) -> None:
        """`SELECT pg_catalog.setval('public.t_id_seq', 5, true)`: a fact, no row."""
        words = [self.session.text(token.text or b"") for token in tokens if token.kind != PUNCT]
        at = next((i for i, word in enumerate(words) if word.lower() == "setval"), None)
        sequences = self.evidence.sequences
        if at is not None and len(words) > at + 2 and len(sequences) < _MAX_SEQUENCES:
            sequences[words[at + 1].strip("'")] = words[at + 2]

    def _command(self, first: Token) -> Iterator[Event]:
        """A command of psql: up to the line's end."""
        line = self.session.text(self.tokens.rest_of_line()).strip()
        name, _, rest = line.partition(" ")
        name, rest = name.rstrip(";"), rest.strip()
        if name in ("connect", "c"):
            database = _database(rest)
            if database and database != "-":
                self.session.connect(database)
        elif name == "restrict":
            self.evidence.restrict(rest, first.line)
        elif name == "unrestrict":
            self.evidence.unrestrict(rest)
        elif name == "encoding" and rest:
            self.session.use_encoding(rest.strip("'\";"))
        elif name != ".":
            bears = name in _READING_COMMANDS
            what = "It may bring rows from elsewhere." if bears else "It is no SQL."
            yield from self._notice("psql-command", f"\\{name} was not run. {what}", first.line, bears=bears)


def _database(rest: str) -> str:
    """The name behind \\connect: `db`, `"My db"`, `-reuse-previous=on "dbname='db'"` (pg_dump for odd names), `postgres://.../db`."""
    rest = rest.strip().rstrip(";")
    found = re.search(r"dbname\s*=\s*'((?:[^'\\]|\\.|'')*)'", rest)
    if found:
        return re.sub(r"\\(.)|''", lambda one: one[1] or "'", found[1])
    found = re.match(r'"((?:[^"]|"")*)"|\'((?:[^\']|\'\')*)\'', rest)
    if found:
        return found[1].replace('""', '"') if found[1] is not None else found[2].replace("''", "'")
    word = rest.partition(" ")[0]
    return word.rpartition("/")[2].partition("?")[0] if "://" in word else word
