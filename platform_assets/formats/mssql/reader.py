"""Scripts of SQL Server: recognized by content, read as a stream.

What a file's statements do is mssql.statements'; here is the door: which members are read, and the verdict on the whole.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.mssql.encoding import FALLBACK, OpenedScript, open_script
from platform_assets.formats.mssql.statements import Script
from platform_assets.formats.mssql.tables import Session, Tables
from platform_assets.formats.mssql.tokens import TsqlTokens
from platform_assets.formats.sql.dump import Door, dump_events, recognized
from platform_assets.formats.sql.text import Losses, shown_head
from platform_assets.formats.sql.tokens import END, EOF, NAME, STRING, WORD, Token

TOOL = "SQL Server Management Studio"
_OTHERS = ("postgresql database", "pg_dump", "mysql dump", "mariadb dump", "phpmyadmin", "sqlite", "oracle")
_FOREIGN = (b"PRAGMA", b"COPY", b"DELIMITER", b"LOCK")
_HEADING = re.compile(r"\*+ *Object: .*Script Date:", re.DOTALL)
_SCRIPT_DATE = re.compile(r"(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4})\s+(\d{1,2}):(\d\d):(\d\d)(?:\s*([AP])M)?", re.IGNORECASE)
_WORDS = (b"NVARCHAR", b"NCHAR", b"NTEXT", b"IDENTITY", b"CLUSTERED", b"NONCLUSTERED", b"UNIQUEIDENTIFIER", b"DATETIME2", b"DATETIMEOFFSET")
_SETTINGS = (
    b"IDENTITY_INSERT",
    b"QUOTED_IDENTIFIER",
    b"ANSI_NULLS",
    b"ANSI_PADDING",
    b"NOCOUNT",
    b"XACT_ABORT",
    b"ANSI_WARNINGS",
    b"DATEFORMAT",
)


class MsSqlScript:
    """The Format of scripts that sqlcmd or Management Studio would run."""

    name = "mssql"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why this is a script of SQL Server: its tool's headings, or batches and names that only T-SQL has. Never by file names."""
        return recognized(dump, _reason)

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base).

        Tables are announced with their first row or at the end, and again when a key came later. After a Notice `table-restarted` the
        consumer drops what it had of that table. Raises UnreadableDump when no member holds a byte that can be read, SettingsError for
        a type or encoding of platform.yaml that does not exist.

        Codes of notices: table-restarted, table-exists, table-dropped, no-create-table, columns-filled, computed-column,
        conditional-rows, batch-repeated, date-order-assumed, unknown-language, encoding-assumed, not-a-statement, skipped-statement,
        skipped-data-statement, unreadable-definition, member-ignored. Codes of rows: missing-cell, extra-cell, not-a-literal,
        type-error, encoding-error, syntax-error, cut-row.
        """
        verdict, tables = _Verdict(), Tables(source, dictionary)
        door = Door(
            lambda member: open_script(member, source),
            related=lambda script: _reason(shown_head(script.opened.head)) is not None,
            ignored=_ignored,
            events=lambda script, member: _member_events(script, member, Session(), tables, verdict),
        )
        yield from dump_events(dump, source, tables, verdict, door)


def _member_events(script: OpenedScript, member: Member, session: Session, tables: Tables, verdict: _Verdict) -> Iterator[Event]:
    tokens = TsqlTokens(script.stream, lambda *comment: reading.comment(*comment))
    reading = Script(tokens, member.name, session, tables)
    if script.fallback_line is not None:
        message = (
            f"It has no byte order mark and line {script.fallback_line} is no UTF-8: read as {FALLBACK} (Windows-1252). Set the source's "
            "encoding in platform.yaml if it is another."
        )
        yield Notice("encoding-assumed", message, member.name, script.fallback_line)
    yield from reading.events()
    yield from tables.flush_all()
    verdict.file(reading, empty=not tokens.offset and tokens.broken is not None)


def _ignored(member: Member) -> Notice:
    """A member that is no script. It bears rows when it is named like SQL or like a file of bcp."""
    lower = member.name.lower()
    bears = lower.endswith((".sql", ".bcp", ".dat"))
    message = f"{member.name!r} is no script of SQL Server; it was not read."
    if lower.endswith((".bcp", ".dat")):
        message += " If bcp wrote it in character mode, give it a source of its own with sources.<source>.format: delimited."
    return Notice("member-ignored", message, member.name, data_bearing=bears)


def _reason(head: bytes) -> str | None:
    """What in the first bytes tells SQL Server; None when nothing does, or when another server's marks stand there."""
    comments: list[str] = []
    marks = _Marks()
    tokens = TsqlTokens(io.BytesIO(head), lambda text, *_: comments.append(text.decode("utf-8", "replace")))
    while (token := tokens.next()).kind != EOF and not marks.foreign:
        marks.see(token)
    if marks.foreign or any(other in comment.lower()[:200] for comment in comments for other in _OTHERS):
        return None
    if any(_HEADING.search(comment) for comment in comments) and (marks.statements or marks.batches):
        return "headings of Management Studio (Object, Script Date)"
    return marks.reason()


class _Marks:
    """Marks of T-SQL in statements that create or fill tables."""

    def __init__(self) -> None:
        self.batches = self.statements = 0
        self.foreign = False
        self.found: list[str] = []
        self._verb: Token | None = None
        self._seen: list[Token] = []

    def see(self, token: Token) -> None:
        if token.kind == END:
            self.batches += token.text != b";"
            self._verb, self._seen = None, []
            return
        if token.is_(*_FOREIGN) and not self._seen:
            self.foreign = True
        if token.punct(b"`") or (token.punct(b"\\") and not self._seen):
            self.foreign = True
        if token.is_(b"CREATE", b"INSERT", b"ALTER", b"SET", b"USE", b"IF"):
            self._verb, self._seen = token, []
        self._seen.append(token)
        if self._verb is not None and len(self._seen) < 4000:
            self._mark(self._verb, token)

    def _mark(self, verb: Token, token: Token) -> None:
        seen = self._seen
        if verb.is_(b"SET"):
            self._note("SET " + (token.text or b"").decode("latin-1").upper(), len(seen) == 2 and token.is_(*_SETTINGS))
            return
        if verb.is_(b"CREATE", b"INSERT") and len(seen) == 3:
            self.statements += 1
        if verb.is_(b"USE"):
            self._note("USE [...]", len(seen) == 2 and _bracketed(token))
        elif token.kind == NAME and token.text is not None:
            self._note("[dbo].", token.text.lower() == b"[dbo]")
            self._note("names in brackets", _bracketed(token))
        elif token.kind == STRING and len(seen) > 1 and seen[-2].kind == WORD and seen[-2].text in (b"N", b"n"):
            self._note("N'...'", True)
        elif token.kind == WORD and verb.is_(b"CREATE"):
            self._note((token.text or b"").decode("latin-1").upper(), token.is_(*_WORDS))
        if token.is_(b"DBO"):
            self._note("dbo.", True)

    def _note(self, mark: str, seen: bool) -> None:
        if seen and mark not in self.found:
            self.found.append(mark)

    def reason(self) -> str | None:
        """Brackets alone may be SQLite's or Access'; with GO, N'...' or dbo they are not."""
        own = [mark for mark in self.found if mark != "names in brackets"]
        sure = [mark for mark in own if mark in ("[dbo].", "dbo.", "SET IDENTITY_INSERT", "USE [...]") or mark.startswith("SET QUOTED")]
        brackets = "names in brackets" in self.found
        national = brackets and "N'...'" in own
        if not self.statements or not (sure or national or (self.batches and (own or brackets))):
            return None
        shown = [*(["GO between batches"] if self.batches else []), *own, *(["names in brackets"] if brackets else [])]
        return f"T-SQL: {', '.join(shown[:4])}"


def _bracketed(token: Token) -> bool:
    return token.kind == NAME and (token.text or b"")[:1] == b"["


def script_time(dates: list[str]) -> datetime | None:
    """When the script was made, from its headings; None when the order of day and month cannot be told from any of them.

    Management Studio writes the date of the machine's locale.
    """
    for text in dates:
        found = _SCRIPT_DATE.search(text)
        if not found:
            continue
        first, second, third = int(found[1]), int(found[2]), int(found[3])
        hour = int(found[4]) % 12 + 12 * (found[7].upper() == "P") if found[7] else int(found[4])
        if len(found[1]) == 4:
            year, month, day = first, second, third
        elif first > 12 or first == second:
            year, month, day = third, second, first
        elif second > 12:
            year, month, day = third, first, second
        else:
            continue
        try:
            return datetime(year, month, day, hour, int(found[5]), int(found[6]))
        except ValueError:
            continue
    return None


class _Verdict:
    """What was seen on the way that decides whether the dump is whole. A script has no trailer: it is never proven to be."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.dates: list[str] = []
        self.managed = False
        self.read_any = False

    def file(self, reading: Script, *, empty: bool) -> None:
        self.read_any |= not empty and (reading.statements > 0 or bool(reading.tokens.offset))
        self.reasons += reading.reasons
        self.dates += reading.flow.dates
        self.managed |= reading.flow.managed

    def finished(self, losses: Losses) -> Finished:
        reasons = (*self.reasons, *losses.reasons())
        facts = {"script_date": self.dates[-1]} if self.dates else {}
        return Finished(
            "partial" if reasons else "unknown",
            reasons,
            dump_time=script_time(self.dates),
            tool=TOOL if self.managed else "",
            facts=facts,
        )
