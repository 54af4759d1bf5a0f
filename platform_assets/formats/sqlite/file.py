"""One SQL file while it is read: its tokens and tables, and where a trigger ends."""

from __future__ import annotations

from platform_assets.formats.sql import file
from platform_assets.formats.sql.tokens import END, EOF, Token
from platform_assets.formats.sqlite.evidence import Evidence
from platform_assets.formats.sqlite.tables import Tables
from platform_assets.formats.sqlite.tokens import SqliteTokens


class FileReading(file.FileReading):
    """What is known of one member at the place where its tokens stand. `facts` are the counters of AUTOINCREMENT."""

    tokens: SqliteTokens
    tables: Tables

    def __init__(self, tokens: SqliteTokens, member: str, tables: Tables, evidence: Evidence) -> None:
        super().__init__(tokens, member)
        self.tables = tables
        self.evidence = evidence
        self.facts: dict[str, str] = {}

    def comment(self, text: bytes, line: int, closed: bool) -> None:
        """What the tokenizer tells of comments; those between statements say who wrote the file, and whether it failed."""
        if self._between:
            self.evidence.comment(self.text(text), line)

    def _began(self, first: Token) -> None:
        self.evidence.statement("INSERT", first.line)

    @property
    def last_good(self) -> str:
        return self._place

    def _skip_trigger(self, first: Token) -> None:
        """Goes behind the statement's end: semicolons before the END that stands alone are not it."""
        self.tokens.unmark()
        depth = 0
        while (token := self.tokens.next()).kind != EOF:
            if token.is_(b"BEGIN", b"CASE"):
                depth += 1
            elif token.is_(b"END"):
                depth -= 1
            if token.kind == END and depth <= 0:
                return
        self._cut(first)
