"""SQLite's SQL as tokens: names in brackets, comments that any `--` begins and that do not nest. Source: https://sqlite.org/lang_comment.html

and https://sqlite.org/lang_keywords.html (quoted identifiers). What words mean is statements'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from platform_assets.formats.sql.tokens import NAME, Lexis, Token, Tokens


def sqlite_lexis() -> Lexis:
    return Lexis(backslash=False, ansi_quotes=True, hash_comments=False)


class SqliteTokens(Tokens):
    """Tokens of one stream of UTF-8.

    `windows`: the script's lines end with CR LF. SQLite's shell takes such an end for a line feed within a text too (local_getline of
    shell.c), and so do the readers of rows, by `line_feeds`; `turned` says that one did.
    """

    def __init__(self, stream: BinaryIO, on_comment: Callable[[bytes, int, bool], None], *, windows: bool = False) -> None:
        super().__init__(stream, sqlite_lexis(), on_comment)
        self._told = on_comment
        self.windows = windows
        self.turned = False

    def line_feeds(self, literal: bytes) -> bytes:
        """A text's literal as the shell would have handed it to SQLite."""
        if not self.windows or b"\r\n" not in literal:
            return literal
        self.turned = True
        return literal.replace(b"\r\n", b"\n")

    def next(self) -> Token:
        if self.peek_byte() == 0x5B:
            offset, line = self.offset, self.line
            return Token(NAME, self._bracketed(), offset, line)
        return super().next()

    def _bracketed(self) -> bytes | None:
        """A name up to the first closing bracket; there is no way to write one inside."""
        begun = self.offset
        head, closed = self._until(b"]")
        if not closed:
            self.unterminated = begun
        return head + b"]" if len(head) < 2000 else None

    def _skip_comment(self) -> bool:
        if self.buffer.startswith(b"--", self.position):
            return self._line_comment(2)
        return self.buffer.startswith(b"/*", self.position) and self._plain_comment()

    def _plain_comment(self) -> bool:
        line, begun = self.line, self.offset
        self.position += 2
        head, closed = self._until_pair()
        if not closed:
            self.unterminated = begun
        self._told(head, line, closed)
        return True

    def _until_pair(self) -> tuple[bytes, bool]:
        """Goes behind `*/`, which may lie over the buffer's end."""
        head = b""
        while True:
            at = self.buffer.find(b"*/", self.position)
            end = at if at >= 0 else len(self.buffer)
            head += self.buffer[self.position : end][: 2000 - len(head)]
            self.position = end + 2 if at >= 0 else max(self.position, end - 1)
            if at >= 0:
                return head, True
            if not self.fill():
                self.position = len(self.buffer)
                return head, False
