"""One script while it is read: its tokens, session and tables, and the ways past a statement that all kinds of statements share."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.postgres.evidence import Evidence
from platform_assets.formats.postgres.session import Session
from platform_assets.formats.postgres.tables import KnownTable, Tables
from platform_assets.formats.postgres.tokens import PgTokens
from platform_assets.formats.sql.tokens import END, EOF, Token

MAX_TOKENS = 200_000
"""Of a statement other than INSERT; a table of 1,600 columns, PostgreSQL's most, has some 20,000."""
MAX_NOTICES = 100
"""Of one code; the others are counted in one last notice."""
RAW_BYTES = 1000


class FileReading:
    """What is known of one member at the place where its tokens stand. `reasons` collects why it is not whole."""

    def __init__(self, tokens: PgTokens, member: str, session: Session, tables: Tables, evidence: Evidence) -> None:
        self.tokens = tokens
        self.member = member
        self.session = session
        self.tables = tables
        self.evidence = evidence
        self.reasons: list[str] = []
        self.statements = 0
        self._good = (1, 0)
        self._between = True
        self._given: dict[str, int] = {}

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

    def _rest(self, first: Token, *, body: bool = False) -> Generator[Event, None, list[Token] | None]:
        """The statement's tokens without its end, as the generator's value; None when it is cut or too long, which is told.

        With `body`, a semicolon in parentheses or between BEGIN ATOMIC or CASE and END is not the statement's end (psql's own rule).
        """
        tokens, depth, begun = [first], 0, 0
        while (token := self.tokens.next()).kind != EOF:
            if token.kind == END and (not body or (depth <= 0 and not begun)):
                return tokens
            depth += token.punct(b"(") - token.punct(b")")
            if body and depth <= 0:
                begun += token.is_(b"BEGIN") or (begun > 0 and token.is_(b"CASE"))
                begun -= begun > 0 and token.is_(b"END")
            if len(tokens) >= MAX_TOKENS or token.text is None:
                self._skip(first)
                message = f"A {(first.text or b'').decode('utf-8', 'replace')} statement of more than {MAX_TOKENS:,} words was skipped."
                yield Notice("not-a-statement", message, self.member, first.line, data_bearing=True)
                return None
            tokens.append(token)
        self._cut(first)
        return None

    def _skip(self, first: Token) -> None:
        """Goes behind the statement's end."""
        while (token := self.tokens.next()).kind not in (END, EOF):
            pass
        if token.kind == EOF:
            self._cut(first)

    def _cut(self, first: Token) -> None:
        line, offset = self._good
        what = "a text or comment" if self.tokens.unterminated is not None else "a statement"
        self.reasons.append(
            f"{self.member}: the file ends inside {what}; the statement begins at line {first.line}, byte {first.offset}, "
            f"the last whole statement ends at line {line}, byte {offset}"
        )

    def _excerpt(self, first: Token) -> str:
        """The statement's beginning, as far as it is in the buffer and cut to RAW_BYTES."""
        at = max(self.tokens.position - (self.tokens.offset - first.offset), 0)
        return self.session.text(self.tokens.buffer[at : min(at + RAW_BYTES, max(self.tokens.position, at))].strip())

    def _restarted(self, table: KnownTable, message: str, line: int) -> Iterator[Event]:
        """The rows so far are gone. The consumer drops what it has."""
        if table.buffer is not None:
            self.tables.waiting -= table.buffer.bytes
            table.buffer = None
        if table.announced:
            yield Notice("table-restarted", message, self.member, line, table.name)
        table.rows, table.announced = 0, False
        table.said.clear()
