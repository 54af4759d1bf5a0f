"""T-SQL text as tokens: names in brackets, comments that nest, the line GO. What words mean is mssql.statements'.

Source: Transact-SQL reference (Database identifiers; Slash star; GO), sqlcmd and Management Studio, which split batches at GO.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from platform_assets.formats.sql.tokens import END, NAME, PUNCT, WORD, Lexis, Token, Tokens

_BATCH_END = re.compile(rb"[ \t]*+([0-9]{0,9})(?=[ \t]*+(?:\r?\n|\r?\Z|--|/\*|;))")


def tsql_lexis(*, quoted_identifier: bool = True) -> Lexis:
    return Lexis(backslash=False, ansi_quotes=quoted_identifier, hash_comments=False, nested_comments=True)


class TsqlTokens(Tokens):
    """Tokens of one stream of UTF-8. A GO alone on its line is END with the text `GO` or, counted, `GO 5`; a semicolon is END as well.

    T-SQL needs no semicolons, so a statement's end is often seen at the first word of the next: `back` gives that word back.
    """

    def __init__(self, stream: BinaryIO, on_comment: Callable[[bytes, int, bool], None]) -> None:
        super().__init__(stream, tsql_lexis(), on_comment)
        self._back: Token | None = None
        self._last_line = 0

    @property
    def waiting(self) -> bool:
        """Whether a token was given back: then `position` stands behind it."""
        return self._back is not None

    @property
    def reached(self) -> tuple[int, int]:
        """Line and byte behind the last token that was taken and not given back."""
        return (self._back.line, self._back.offset) if self._back is not None else (self.line, self.offset)

    def back(self, token: Token) -> None:
        assert self._back is None
        self._back = token

    def next(self) -> Token:
        if self._back is not None:
            token, self._back = self._back, None
            return token
        token = self._fresh()
        if token.kind == WORD and token.line > self._last_line and token.text is not None and token.text.upper() == b"GO":
            token = self._batch_end(token)
        self._last_line = self.line
        return token

    def _fresh(self) -> Token:
        first = self.peek_byte()
        if first == 0x5B:
            offset, line = self.offset, self.line
            return Token(NAME, self._quoted(b"]", backslash=False), offset, line)
        if first == 0x60:
            token = Token(PUNCT, b"`", self.offset, self.line)
            self.position += 1
            return token
        return super().next()

    def _batch_end(self, token: Token) -> Token:
        found = _BATCH_END.match(self.buffer, self.position)
        if found is None:
            return token
        self.position = found.end(1)
        return token._replace(kind=END, text=b"GO " + found[1] if found[1] else b"GO")

    def _skip_comment(self) -> bool:
        if self.buffer.startswith(b"--", self.position):
            return self._line_comment(2)
        return self.buffer.startswith(b"/*", self.position) and self._block_comment()
