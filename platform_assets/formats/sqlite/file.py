"""One SQL file while it is read: its tokens and tables, and the ways past a statement that all kinds of statements share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.sql.tokens import END, EOF, Token
from platform_assets.formats.sqlite.evidence import Evidence
from platform_assets.formats.sqlite.tables import Tables
from platform_assets.formats.sqlite.tokens import SqliteTokens

MAX_TOKENS = 200_000
"""Of a statement other than INSERT; a table of 2,000 columns has some 30,000."""
MAX_NOTICES = 100
"""Of one kind of skipped statement; the others are counted in one last notice."""
RAW_BYTES = 1000


class FileReading:
    """What is known of one member at the place where its tokens stand. `reasons` collects why it is not whole."""

    def __init__(self, tokens: SqliteTokens, member: str, tables: Tables, evidence: Evidence) -> None:
        self.tokens = tokens
        self.member = member
        self.tables = tables
        self.evidence = evidence
        self.reasons: list[str] = []
        self._good = (1, 0)
        self._between = True
        self._counts: Counter[tuple[str, str]] = Counter()

    def comment(self, text: bytes, line: int, closed: bool) -> None:
        """What the tokenizer tells of comments; those between statements say who wrote the file, and whether it failed."""
        if self._between:
            self.evidence.comment(shown(text), line)

    @property
    def last_good(self) -> str:
        return f"line {self._good[0]}, byte {self._good[1]}"

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
        return shown(head[: self.tokens.offset - first.offset].strip())

    def _rest(self, first: Token) -> Generator[Event, None, list[Token] | None]:
        """The statement's tokens without its end, as the generator's value; None when it is cut or too long, which is told."""
        tokens = [first]
        while (token := self.tokens.next()).kind not in (END, EOF):
            if len(tokens) >= MAX_TOKENS or token.text is None:
                self.tokens.raw()
                self._skip(first)
                message = f"A {shown(first.text or b'')} statement of more than {MAX_TOKENS} words was skipped."
                yield Notice("not-a-statement", message, self.member, first.line, data_bearing=True)
                return None
            tokens.append(token)
        if token.kind == EOF:
            self._cut(first)
            return None
        return tokens

    def _skip(self, first: Token, *, body: bool = False) -> None:
        """Goes behind the statement's end. With `body` (a trigger), semicolons before the END that stands alone are not it."""
        self.tokens.raw()
        depth = 0
        while (token := self.tokens.next()).kind != EOF:
            if body and token.is_(b"BEGIN", b"CASE"):
                depth += 1
            elif body and token.is_(b"END"):
                depth -= 1
            if token.kind == END and depth <= 0:
                return
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

    def _cut(self, first: Token) -> None:
        what = "a text or comment" if self.tokens.unterminated is not None else "a statement"
        self.reasons.append(
            f"{self.member}: the file ends inside {what}; the statement begins at line {first.line}, byte {first.offset}, "
            f"the last whole statement ends at {self.last_good}"
        )


def shown(data: bytes) -> str:
    """Names, comments and whatever is shown: never fails, bytes that are no text stand as \\xNN."""
    return data.decode("utf-8", "backslashreplace")
