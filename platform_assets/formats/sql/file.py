"""One script while it is read: its tokens, and the ways past a statement that all kinds of statements and all dialects share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

from platform_assets.formats.base import Event, Notice
from platform_assets.formats.sql.tokens import END, EOF, Token, Tokens

MAX_TOKENS = 200_000
"""Of a statement other than INSERT; a table of 4,096 columns, MySQL's most, has some 60,000."""
MAX_NOTICES = 100
"""Of one kind of skipped statement; the others are counted in one last notice."""
RAW_BYTES = 1000


class FileReading:
    """What is known of one member at the place where its tokens stand. `reasons` collects why it is not whole."""

    tokens: Tokens
    tables: Any
    """The dialect's sql.tables.Tables."""

    def __init__(self, tokens: Tokens, member: str) -> None:
        self.tokens = tokens
        self.member = member
        self.reasons: list[str] = []
        self.statements = 0
        self._good = (1, 0)
        self._between = True
        """Whether the tokens stand between two statements: comments there are the file's own."""
        self._counts: Counter[tuple[str, str]] = Counter()

    def text(self, data: bytes) -> str:
        """Bytes of the script for people: never fails, bytes that are no text stand as \\xNN."""
        return data.decode("utf-8", "backslashreplace")

    def events(self) -> Iterator[Event]:
        """Everything of this file but the verdict; waiting rows stay in the tables' buffers."""
        while True:
            self._between = True
            self.tokens.mark()
            first = self.tokens.next()
            self._between = False
            if first.kind == EOF:
                break
            if first.kind != END:
                self.statements += 1
                yield from self._statement(first)
            if self._whole:
                self._good = (self.tokens.line, self.tokens.offset)
        self.tokens.unmark()
        yield from self._close()

    def _statement(self, first: Token) -> Iterator[Event]:
        """What the statement does that begins with this token."""
        raise NotImplementedError

    def _close(self) -> Iterator[Event]:
        """At the file's end."""
        self._break_told()
        yield from self._more_skipped()

    @property
    def _whole(self) -> bool:
        """Whether the statement before this place was whole."""
        return True

    def _began(self, first: Token) -> None:
        """Another statement with rows begins that was seen only by its likeness to the one before."""
        self.statements += 1

    def _skipped(
        self, kind: str, first: Token, code: str, message: str, raw: str | None = None, table: str | None = None
    ) -> Iterator[Event]:
        """Tells of a statement that is passed by, unless there were too many of its kind."""
        self._counts[kind, code] += 1
        if self._counts[kind, code] <= MAX_NOTICES:
            bears = code == "skipped-data-statement"
            yield Notice(code, message, self.member, first.line, table=table, raw=raw, data_bearing=bears)

    def _excerpt(self, first: Token) -> bytes:
        """The statement's beginning as far as it is in the buffer; longer than the statement, cut by _raw."""
        at = max(self.tokens.position - (self.tokens.offset - first.offset), 0)
        return self.tokens.buffer[at : at + RAW_BYTES]

    def _raw(self, head: bytes, first: Token) -> str:
        return self.text(head[: self.tokens.offset - first.offset].strip())

    def _rest(self, first: Token) -> Generator[Event, None, list[Token] | None]:
        """The statement's tokens without its end, as the generator's value; None when it is cut or too long, which is told."""
        tokens = [first]
        while (token := self.tokens.next()).kind not in (END, EOF):
            if len(tokens) >= MAX_TOKENS or token.text is None:
                yield from self._too_long(first)
                return None
            tokens.append(token)
        if token.kind == EOF:
            self._cut(first)
            return None
        return tokens

    def _too_long(self, first: Token) -> Iterator[Event]:
        """Goes behind a statement that is too long to be held, and tells so."""
        self._skip(first)
        message = f"A {self.text(first.text or b'')} statement of more than {MAX_TOKENS:,} words was skipped."
        yield Notice("not-a-statement", message, self.member, first.line, data_bearing=True)

    def _skip(self, first: Token) -> None:
        """Goes behind the statement's end."""
        self.tokens.unmark()
        self._to_end(first)

    def _skip_whole(self, first: Token) -> bytes | None:
        """Back to the statement's beginning, where the mark is, and behind its end: some of its tokens were taken already. Its text."""
        if self.tokens.rewind():
            self.tokens.mark()
        self._to_end(first)
        return self.tokens.raw()

    def _to_end(self, first: Token) -> None:
        while (token := self.tokens.next()).kind not in (END, EOF):
            pass
        if token.kind == EOF:
            self._cut(first)

    @property
    def _place(self) -> str:
        """Behind the last whole statement."""
        return f"line {self._good[0]}, byte {self._good[1]}"

    def _cut(self, first: Token) -> None:
        """The file ends inside the statement that begins with this token."""
        what = "a text or comment" if self.tokens.unterminated is not None else "a statement"
        self.reasons.append(
            f"{self.member}: the file ends inside {what}; the statement begins at line {first.line}, byte {first.offset}, "
            f"the last whole statement ends at {self._place}"
        )

    def _break_told(self) -> bool:
        """Whether the stream broke off or a text or comment is not closed, which is told."""
        place = f"the last whole statement ends at {self._place}"
        if self.tokens.broken:
            self.reasons.insert(0, f"{self.member}: the stream breaks off ({self.tokens.broken}); {place}")
        elif self.tokens.unterminated is not None and not self.reasons:
            begun = self.tokens.unterminated
            self.reasons.append(f"{self.member}: a text or comment that begins at byte {begun} is not closed; {place}")
        return self.tokens.broken is not None or self.tokens.unterminated is not None

    def _more_skipped(self) -> Iterator[Event]:
        """How many statements of a kind were passed by beyond those that were told."""
        for (kind, code), count in self._counts.items():
            if count > MAX_NOTICES:
                bears = code == "skipped-data-statement"
                yield Notice(code, f"{count - MAX_NOTICES} more {kind} statements were skipped.", self.member, data_bearing=bears)
