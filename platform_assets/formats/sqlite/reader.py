"""The format `sqlite`: SQL text for SQLite, recognized by content, read as a stream. Database files are database's business.

What a file's statements do is statements'; here is the door: which members are read, and the verdict on the whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.sql.dump import Door, dump_events, recognized
from platform_assets.formats.sql.text import Losses, open_text, shown_head
from platform_assets.formats.sql.tokens import END, EOF, NAME, PUNCT, WORD, Token
from platform_assets.formats.sqlite.evidence import Evidence
from platform_assets.formats.sqlite.statements import SqlFile
from platform_assets.formats.sqlite.tables import Tables
from platform_assets.formats.sqlite.tokens import SqliteTokens

_OTHERS = ("mysql", "mariadb", "phpmyadmin", "postgresql", "pg_dump", "microsoft sql", "sql server", "oracle", "heidisql", "adminer", "db2")
_FOREIGN = (b"GO", b"SET", b"COPY", b"USE", b"LOCK", b"UNLOCK", b"DELIMITER", b"EXEC", b"GRANT", b"DECLARE", b"IF")
_PRAGMAS = (
    *(b"FOREIGN_KEYS", b"WRITABLE_SCHEMA", b"ENCODING", b"JOURNAL_MODE", b"SYNCHRONOUS", b"USER_VERSION", b"AUTO_VACUUM"),
    *(b"RECURSIVE_TRIGGERS", b"DEFER_FOREIGN_KEYS", b"LEGACY_ALTER_TABLE", b"CASE_SENSITIVE_LIKE", b"PAGE_SIZE"),
)
_FOREIGN_TYPES = (
    b"AUTO_INCREMENT",
    b"ENGINE",
    b"UNSIGNED",
    b"ENUM",
    b"IDENTITY",
    b"SERIAL",
    b"BIGSERIAL",
    b"VARCHAR2",
    b"NUMBER",
    b"CLUSTERED",
)


class SqliteDump:
    """The Format of SQL text that the sqlite3 program would load."""

    name = "sqlite"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why this is SQL of SQLite: its pragmas, its heading, or what only its CREATE TABLE has. Never by file names."""
        return recognized(dump, _reason)

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base).

        Tables are announced with their first rows or at the end, and again when a key came later. After a Notice `table-restarted` the
        consumer drops what it had of the table. Raises UnreadableDump when no member holds a byte that can be read, SettingsError for a
        type of platform.yaml that does not exist.

        Codes of notices: table-restarted, table-exists, table-dropped, no-create-table, columns-filled, key-numbered, storage-class,
        on-conflict, virtual-table, line-ends, not-a-statement, skipped-statement, skipped-data-statement, unreadable-definition,
        member-ignored.
        Codes of rows: missing-cell, extra-cell, not-a-literal, encoding-error, syntax-error, cut-row.
        """
        verdict, tables = _Verdict(), Tables(source, dictionary)
        door = Door(
            open_text,
            related=lambda opened: _related(shown_head(opened.head)),
            ignored=_ignored,
            events=lambda opened, member: _member_events(opened.stream, opened.head, member, tables, verdict),
        )
        yield from dump_events(dump, source, tables, verdict, door)


def _member_events(text: BinaryIO, head: bytes, member: Member, tables: Tables, verdict: _Verdict) -> Iterator[Event]:
    evidence = Evidence()
    tokens = SqliteTokens(text, lambda *comment: file.comment(*comment), windows=shown_head(head).partition(b"\n")[0].endswith(b"\r"))
    file = SqlFile(tokens, member.name, tables, evidence)
    yield from file.events()
    yield from tables.flush_all()
    if tokens.turned:
        message = "The lines of this script end with CR LF. As in SQLite's shell, such an end within a text is read as a line feed."
        yield Notice("line-ends", message, member.name, 1)
    verdict.file(file, evidence)


def _ignored(member: Member) -> Notice:
    message = f"{member.name!r} is not SQL of SQLite; it was not read."
    return Notice("member-ignored", message, member.name, data_bearing=member.name.lower().endswith(".sql"))


def _related(head: bytes) -> bool:
    """A member of a dump of several that goes with one that was recognized: SQL without another server's marks."""
    look = _Look(head)
    return not look.foreign and (look.sure is not None or look.statements > 0)


def _reason(head: bytes) -> str | None:
    look = _Look(head)
    return None if look.foreign else look.sure


class _Look:
    """What in first bytes tells SQLite (`sure`), and whether another server's marks stand there (`foreign`)."""

    def __init__(self, head: bytes) -> None:
        self.sure: str | None = None
        self.foreign = b"\0" in head
        self.statements = 0
        self._begun = False
        comments: list[str] = []
        if self.foreign:
            return
        tokens = SqliteTokens(io.BytesIO(head), lambda text, *_: comments.append(text.decode("utf-8", "replace").lower()[:1000]))
        statement: list[Token] = []
        while (token := tokens.next()).kind != EOF and not self.foreign:
            if token.kind == END:
                statement = []
                continue
            self.foreign = not statement and (token.is_(*_FOREIGN) or token.punct(b"\\"))
            statement.append(token)
            self._statement(statement)
            del statement[8:-3]
        named = next((line for text in comments[:5] for line in text.splitlines() if "sqlite" in line), None)
        if named is not None and self.statements:
            self.sure = self.sure or f"its heading says {' '.join(named.split())[:60]!r}"
        self.foreign |= named is None and any(other in text[:300] for text in comments[:5] for other in _OTHERS)

    def _statement(self, statement: list[Token]) -> None:
        first, last = statement[0], statement[-1]
        if first.is_(b"BEGIN") and last.is_(b"TRANSACTION") and self.statements <= 1:
            self._begun = True
        self.statements += len(statement) == 2 and first.is_(b"CREATE", b"INSERT", b"PRAGMA", b"BEGIN", b"REPLACE", b"DROP")
        if self.sure is not None:
            return
        if first.is_(b"PRAGMA"):
            if len(statement) == 2 and last.is_(*_PRAGMAS):
                self.sure = f"PRAGMA {(last.text or b'').decode('ascii').lower()}"
        elif first.is_(b"CREATE"):
            self._create(statement, last)
        elif first.is_(b"INSERT") and len(statement) == 4 and last.kind == WORD:
            self._insert(statement[2].text or b"", statement[2].kind)

    def _insert(self, name: bytes, kind: int) -> None:
        if kind in (NAME, WORD) and name.strip(b'"').lower().startswith(b"sqlite_"):
            self.sure = "rows for sqlite's own tables"
        elif self._begun and kind == NAME and name[:1] == b'"':
            self.sure = "BEGIN TRANSACTION before all, and INSERT with the name in double quotes, as iterdump writes"

    def _create(self, statement: list[Token], last: Token) -> None:
        if last.is_(*_FOREIGN_TYPES) and statement[-2].kind != PUNCT:
            self.foreign = True
        elif last.is_(b"AUTOINCREMENT"):
            self.sure = "AUTOINCREMENT in CREATE TABLE"
        elif last.is_(b"ROWID") and statement[-2].is_(b"WITHOUT"):
            self.sure = "WITHOUT ROWID behind CREATE TABLE"
        elif last.is_(b"VIRTUAL") and len(statement) == 2:
            self.sure = "CREATE VIRTUAL TABLE"


class _Verdict:
    """What was seen on the way that decides whether the dump is whole."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.files: list[Evidence] = []
        self.facts: dict[str, str] = {}
        self.read_any = False

    def file(self, file: SqlFile, evidence: Evidence) -> None:
        self.read_any |= bool(file.tokens.offset)
        self.reasons += file.reasons
        self.reasons += [f"{file.member}: {reason}" for reason in evidence.missing()]
        if file.reasons or evidence.missing():
            self.facts["last_good"] = f"{file.member} {file.last_good}"
        self.facts.update(file.facts)
        self.files.append(evidence)

    def finished(self, losses: Losses) -> Finished:
        reasons = (*self.reasons, *losses.reasons())
        proven = bool(self.files) and all(evidence.proven for evidence in self.files)
        return Finished(
            "partial" if reasons else "complete" if proven else "unknown",
            reasons,
            tool="; ".join(dict.fromkeys(evidence.tool for evidence in self.files if evidence.tool)),
            facts=self.facts,
        )
