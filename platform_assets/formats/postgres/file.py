"""One script while it is read: its tokens, session and tables, and what is PostgreSQL's own on the way past a statement."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.postgres.evidence import Evidence
from platform_assets.formats.postgres.session import Session
from platform_assets.formats.postgres.tables import KnownTable, Tables
from platform_assets.formats.postgres.tokens import PgTokens
from platform_assets.formats.sql import file
from platform_assets.formats.sql.file import MAX_NOTICES, MAX_TOKENS
from platform_assets.formats.sql.tokens import END, EOF, Token


class FileReading(file.FileReading):
    """What is known of one member at the place where its tokens stand."""

    tokens: PgTokens
    tables: Tables

    def __init__(self, tokens: PgTokens, member: str, session: Session, tables: Tables, evidence: Evidence) -> None:
        super().__init__(tokens, member)
        self.session = session
        self.tables = tables
        self.evidence = evidence
        self._given: dict[str, int] = {}
        self.created: dict[str, tuple[int, int, str]] = {}
        """What is created and is no table, by kind: how often, the first one's line and name."""

    def text(self, data: bytes) -> str:
        return self.session.text(data)

    def comment(self, text: bytes, line: int, closed: bool) -> None:
        """What the tokenizer tells of comments: those between statements say who wrote the script and where its parts end."""
        if self._between:
            self.evidence.comment(self.session.text(text), line, closed=closed)

    def _notice(
        self, code: str, message: str, line: int, *, table: str | None = None, raw: str | None = None, bears: bool = False
    ) -> Iterator[Event]:
        """A notice, unless there were too many of its code; those that bear data are always given."""
        self._given[code] = self._given.get(code, 0) + 1
        if bears or self._given[code] <= MAX_NOTICES:
            yield Notice(code, message, self.member, line, table=table, raw=raw, data_bearing=bears)

    def _body(self, first: Token) -> Generator[Event, None, list[Token] | None]:
        """As `_rest`; a semicolon in parentheses or between BEGIN ATOMIC or CASE and END is not the statement's end (psql's own rule)."""
        tokens, depth, begun = [first], 0, 0
        while (token := self.tokens.next()).kind != EOF:
            if token.kind == END and depth <= 0 and not begun:
                return tokens
            depth += token.punct(b"(") - token.punct(b")")
            if depth <= 0:
                begun += token.is_(b"BEGIN") or (begun > 0 and token.is_(b"CASE"))
                begun -= begun > 0 and token.is_(b"END")
            if len(tokens) >= MAX_TOKENS or token.text is None:
                yield from self._too_long(first)
                return None
            tokens.append(token)
        self._cut(first)
        return None

    def _shown(self, first: Token) -> str:
        """The statement's beginning, as far as it is in the buffer, for messages."""
        return self._raw(self._excerpt(first), first)

    def _restarted(self, table: KnownTable, message: str, line: int) -> Iterator[Event]:
        """The rows so far are gone. The consumer drops what it has."""
        self.tables.discard(table)
        if table.announced:
            yield Notice("table-restarted", message, self.member, line, table.name)
        table.rows, table.announced = 0, False
        table.said.clear()
