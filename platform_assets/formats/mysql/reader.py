"""SQL text dumps of MySQL and MariaDB: recognized by content, read as a stream.

What a file's statements do is mysql_statements'; here is the door: which members are read, and the verdict on the whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.statements import SqlFile
from platform_assets.formats.mysql.tables import Tables
from platform_assets.formats.mysql.tools import Evidence, heading_in
from platform_assets.formats.sql.dump import Door, dump_events, recognized
from platform_assets.formats.sql.text import MARKS, Losses, SqlText, open_text, shown_head
from platform_assets.formats.sql.tokens import END, EOF, NAME, PUNCT, WORD, Lexis, Token, Tokens

_OTHERS = ("postgresql database", "sqlite", "microsoft sql", "oracle", "pg_dump")
_FOREIGN = (b"PRAGMA", b"COPY", b"GO", b"\\connect")


class MySqlDump:
    """The Format of SQL dumps that the client of MySQL or MariaDB would load."""

    name = "mysql"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why this is a dump of MySQL: a program's heading, or backticks and options that only MySQL has. Never by file names."""
        return recognized(dump, reason_in)

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base).

        Tables are announced with their first row or at the end, and again when a key came later. After a Notice `table-restarted` the
        consumer drops what it had of that table: the file emptied it, or dropped and created it anew. The first database that is used
        gives plain names, every other one `database.table`. Raises UnreadableDump when no member holds a byte that can be read,
        SettingsError for a type of platform.yaml that does not exist.

        Codes of notices: table-restarted, table-exists, table-dropped, no-create-table, columns-filled, time-zone-changed,
        on-duplicate-key, row-outside-statement, not-a-statement, skipped-statement, skipped-data-statement, unreadable-definition,
        unknown-charset, member-ignored. Codes of rows: missing-cell, extra-cell, not-a-literal, encoding-error, syntax-error, cut-row.
        """
        verdict, tables = Verdict(), Tables(source, dictionary)

        def events(opened: SqlText, member: Member) -> Iterator[Event]:
            session = Session(charset=source.encoding or "utf8mb4", fixed="utf8mb4" if opened.recoded else None)
            verdict.session(session, MARKS.get(opened.head[:2]))
            return member_events(opened.stream, member, session, tables, verdict)

        door = Door(
            open_text,
            related=lambda opened: reason_in(shown_head(opened.head)) is not None,
            ignored=lambda member: _ignored(member, dump),
            events=events,
        )
        yield from dump_events(dump, source, tables, verdict, door)


def member_events(text: BinaryIO, member: Member, session: Session, tables: Tables, verdict: Verdict) -> Iterator[Event]:
    evidence = Evidence()
    tokens = Tokens(text, session.lexis, lambda *comment: file.comment(*comment))
    file = SqlFile(tokens, member.name, session, tables, evidence)
    yield from file.events()
    yield from tables.flush_all()
    verdict.file(file, evidence, empty=not tokens.offset and tokens.broken is not None)


def _ignored(member: Member, dump: Dump) -> Notice:
    """A member that is not SQL. It bears rows when it is named like SQL, or lies beside its table as mysqldump --tab writes them."""
    name, stem = member.name, member.name.rpartition(".")[0]
    beside = name.endswith(".txt") and any(other.name == f"{stem}.sql" for other in dump.members)
    message = f"{name!r} is not SQL of MySQL; it was not read."
    if beside:
        message = f"{name!r} holds rows of mysqldump --tab; they are not read here (the format mysql-tab reads them)."
    return Notice("member-ignored", message, name, data_bearing=beside or name.lower().endswith(".sql"))


def reason_in(head: bytes) -> str | None:
    """What in the first bytes tells MySQL; None when nothing does, or when another server's marks stand there."""
    comments: list[str] = []
    lexis = Lexis(conditional=lambda marker, version: True)
    tokens = Tokens(io.BytesIO(head), lexis, lambda text, *_: comments.append(text.decode("utf-8", "replace")))
    found = _syntax(tokens)
    if any(other in comment.lower()[:200] for comment in comments for other in _OTHERS):
        return None
    heading = heading_in(comments)
    return f"its heading says {heading!r}" if heading else found


def _syntax(tokens: Tokens) -> str | None:
    """Marks of MySQL's own syntax in statements that create or fill tables."""
    found: str | None = None
    statement: list[Token] = []
    while (token := tokens.next()).kind != EOF:
        if not statement and token.is_(*_FOREIGN):
            return None
        if token.kind == END:
            statement = []
            continue
        statement.append(token)
        if len(statement) > 1 and found is None and statement[0].is_(b"CREATE", b"INSERT", b"REPLACE"):
            found = _mark(statement)
        del statement[6:-2]
    return found


def _mark(statement: list[Token]) -> str | None:
    first, before, token = statement[0], statement[-2], statement[-1]
    if before.is_(b"ENGINE", b"TYPE") and token.punct(b"=") and first.is_(b"CREATE"):
        return f"{(before.text or b'').decode().upper()}= behind CREATE TABLE"
    names = [one for one in statement[:6] if one.kind == NAME and one.text and one.text[:1] == b"`"]
    if names and token.kind in (PUNCT, WORD) and any(one.is_(b"TABLE", b"INTO") for one in statement[:4]):
        return f"{(first.text or b'').decode().upper()} with names in backticks"
    return None


class Verdict:
    """What was seen on the way that decides whether the dump is whole."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.files: list[Evidence] = []
        self.sessions: list[tuple[Session, str | None]] = []
        self.good: list[str] = []
        self.read_any = False

    def session(self, session: Session, mark: str | None) -> None:
        """The next file's session, and the encoding that the file's byte order mark states."""
        self.sessions.append((session, mark))

    def file(self, file: SqlFile, evidence: Evidence, *, empty: bool) -> None:
        self.read_any |= not empty and (file.statements > 0 or bool(file.tokens.offset))
        self.reasons += file.reasons
        self.reasons += [f"{file.member}: {reason}" for reason in evidence.missing()]
        self.files.append(evidence)
        self.good += [file.last_good] if file.last_good else []

    def finished(self, losses: Losses) -> Finished:
        reasons = (*self.reasons, *losses.reasons())
        proven = bool(self.files) and all(evidence.proven for evidence in self.files)
        facts: dict[str, str] = {}
        for evidence in self.files:
            facts.update(evidence.facts)
        encodings = [name for session, mark in self.sessions for name in ([mark] if mark else session.named or [session.charset])]
        facts |= {"encoding": ", ".join(dict.fromkeys(encodings))} | ({"last_good": "; ".join(self.good)} if self.good else {})
        times = [evidence.dump_time for evidence in self.files if evidence.dump_time is not None]
        return Finished(
            "partial" if reasons else "complete" if proven else "unknown",
            reasons,
            dump_time=times[-1] if times else None,
            tool="; ".join(dict.fromkeys(evidence.tool for evidence in self.files if evidence.tool)),
            facts=facts,
        )
