"""One SQL file while it is read: its tokens, session and tables, and what MySQL's client knows of a statement's end."""

from __future__ import annotations

from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.tables import Tables
from platform_assets.formats.mysql.tools import Evidence, begins_stand_in
from platform_assets.formats.sql import file
from platform_assets.formats.sql.statement import QualifiedName
from platform_assets.formats.sql.tokens import END, EOF, Token, Tokens


class FileReading(file.FileReading):
    """What is known of one member at the place where its tokens stand."""

    tables: Tables

    def __init__(self, tokens: Tokens, member: str, session: Session, tables: Tables, evidence: Evidence) -> None:
        super().__init__(tokens, member)
        self.session = session
        self.tables = tables
        self.evidence = evidence
        self.standing_in = False
        self.broken_off = False

    def text(self, data: bytes) -> str:
        return self.session.text(data)

    def comment(self, text: bytes, line: int, closed: bool) -> None:
        """What the tokenizer tells of comments: those between statements say who wrote the file and where its parts begin."""
        if self._between:
            shown = self.session.text(text)
            self.evidence.comment(shown, line, closed=closed)
            tool = self.evidence.segment.tool
            self.session.mariadb = tool is not None and tool.name == "mariadb-dump"
            stand_in = begins_stand_in(shown)
            self.standing_in = self.standing_in if stand_in is None else stand_in

    def _skip_body(self, first: Token) -> None:
        """Goes behind the end of a statement with a body: semicolons between BEGIN and END are not it."""
        self.tokens.unmark()
        depth, previous = 0, first
        while (token := self.tokens.next()).kind != EOF:
            if previous.is_(b"END"):
                depth -= not token.is_(b"IF", b"LOOP", b"WHILE", b"REPEAT")
            elif token.is_(b"BEGIN", b"CASE"):
                depth += 1
            if token.kind == END and (depth <= 0 or self.session.lexis.delimiter != b";"):
                return
            previous = token
        self._cut(first)

    @property
    def last_good(self) -> str | None:
        """The place behind the last whole statement of a file that breaks off."""
        return f"{self.member}: {self._place}" if self.broken_off else None

    def _cut(self, first: Token) -> None:
        self.broken_off = True
        super()._cut(first)

    def _key(self, name: QualifiedName) -> QualifiedName:
        return self.tables.key(name, self.session)
