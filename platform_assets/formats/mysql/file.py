"""One SQL file while it is read: its tokens, session and tables, and the ways past a statement that all kinds of statements share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.mysql.ddl import QualifiedName
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.tables import Tables
from platform_assets.formats.mysql.tools import Evidence, begins_stand_in
from platform_assets.formats.sql.tokens import END, EOF, Token, Tokens

MAX_TOKENS = 200_000
"""Of a statement other than INSERT; a table of 4,096 columns has some 60,000."""
MAX_NOTICES = 100
"""Of one kind of skipped statement; the others are counted in one last notice."""
RAW_BYTES = 1000


class FileReading:
    """What is known of one member at the place where its tokens stand. `reasons` collects why it is not whole."""

    def __init__(self, tokens: Tokens, member: str, session: Session, tables: Tables, evidence: Evidence) -> None:
        self.tokens = tokens
        self.member = member
        self.session = session
        self.tables = tables
        self.evidence = evidence
        self.reasons: list[str] = []
        self.statements = 0
        self.standing_in = False
        self._good = (1, 0)
        self.broken_off = False
        self._between = True
        self._counts: Counter[tuple[str, str]] = Counter()

    def comment(self, text: bytes, line: int, closed: bool) -> None:
        """What the tokenizer tells of comments: those between statements say who wrote the file and where its parts begin."""
        if self._between:
            shown = self.session.text(text)
            self.evidence.comment(shown, line, closed=closed)
            tool = self.evidence.segment.tool
            self.session.mariadb = tool is not None and tool.name == "mariadb-dump"
            stand_in = begins_stand_in(shown)
            self.standing_in = self.standing_in if stand_in is None else stand_in

    def _skipped(self, kind: str, first: Token, code: str, message: str, raw: str | None = None) -> Iterator[Event]:
        self._counts[kind, code] += 1
        if self._counts[kind, code] <= MAX_NOTICES:
            bears = code == "skipped-data-statement"
            yield Notice(code, message, self.member, first.line, raw=raw, data_bearing=bears)

    def _excerpt(self, first: Token) -> bytes:
        """The statement's beginning as far as it is in the buffer; longer than the statement, cut by _raw."""
        at = max(self.tokens.position - (self.tokens.offset - first.offset), 0)
        return self.tokens.buffer[at : at + RAW_BYTES]

    def _raw(self, head: bytes, first: Token) -> str:
        return self.session.text(head[: self.tokens.offset - first.offset].strip())

    def _rest(self, first: Token) -> Generator[Event, None, list[Token] | None]:
        """The statement's tokens without its end, as the generator's value; None when it is cut or too long, which is told."""
        tokens = [first]
        while (token := self.tokens.next()).kind not in (END, EOF):
            if len(tokens) >= MAX_TOKENS or token.text is None:
                self.tokens.raw()
                self._skip(first)
                message = f"A {first.text!r} statement of more than {MAX_TOKENS} words was skipped."
                yield Notice("not-a-statement", message, self.member, first.line, data_bearing=True)
                return None
            tokens.append(token)
        if token.kind == EOF:
            self._cut(first)
            return None
        return tokens

    def _skip(self, first: Token, *, body: bool = False) -> None:
        """Goes behind the statement's end. With `body`, semicolons between BEGIN and END are not it."""
        self.tokens.raw()
        depth, previous = 0, first
        while (token := self.tokens.next()).kind != EOF:
            if body and previous.is_(b"END"):
                depth -= not token.is_(b"IF", b"LOOP", b"WHILE", b"REPEAT")
            elif body and token.is_(b"BEGIN", b"CASE"):
                depth += 1
            if token.kind == END and (depth <= 0 or self.session.lexis.delimiter != b";"):
                return
            previous = token
        self._cut(first)

    def _skip_whole(self, first: Token) -> bytes | None:
        """Back to the statement's beginning, where the mark is, and behind its end: some of its tokens were taken already. Its text."""
        if self.tokens.rewind():
            self.tokens.mark()
        while (token := self.tokens.next()).kind not in (END, EOF):
            pass
        if token.kind == EOF:
            self._cut(first)
        return self.tokens.raw()

    @property
    def last_good(self) -> str | None:
        """The place behind the last whole statement of a file that breaks off."""
        line, offset = self._good
        return f"{self.member}: line {line}, byte {offset}" if self.broken_off else None

    def _cut(self, first: Token) -> None:
        line, offset = self._good
        self.broken_off = True
        what = "a text or comment" if self.tokens.unterminated is not None else "a statement"
        self.reasons.append(
            f"{self.member}: the file ends inside {what}; the statement begins at line {first.line}, byte {first.offset}, "
            f"the last whole statement ends at line {line}, byte {offset}"
        )

    def _key(self, name: QualifiedName) -> QualifiedName:
        return self.tables.key(name, self.session)
