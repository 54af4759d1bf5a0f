"""The values of INSERT out of the text: literals with their casts and prefixes as cells; what only a server can compute is told.

Source: PostgreSQL 18 manual, chapter 4.1.2 (constants) and 4.2.9 (type casts).
"""

from __future__ import annotations

import re
from functools import lru_cache

from platform_assets.formats.postgres.tokens import BadLiteral, literal
from platform_assets.formats.sql import tuples
from platform_assets.formats.sql.tokens import END, EOF, NAME, NUMBER, PUNCT, STRING, WORD, Token
from platform_assets.formats.sql.tuples import DEFAULT, NUMBER_PATTERN, NotLiteral, tuple_of


def plain_string(backslash: bool) -> bytes:
    """A text without escapes."""
    return rb"'(?:[^'" + (rb"\\" if backslash else b"") + rb"]++|'')*+'(?!')"


@lru_cache(maxsize=256)
def tuple_pattern(width: int, backslash: bool) -> re.Pattern[bytes]:
    """Takes one plain tuple and the comma or semicolon behind it."""
    return tuple_of(rb"|".join((plain_string(backslash), NUMBER_PATTERN, rb"true|false")), width)


class Tuples(tuples.Tuples):
    """The tuples at the place where `tokens` stands."""

    def _pattern(self) -> re.Pattern[bytes]:
        return tuple_pattern(self.width, self.tokens.lexis.backslash)

    def _value(self) -> bytes | None:
        token = self.token
        self.token = self.tokens.next()
        cell: bytes | None
        if token.kind == STRING:
            cell = self._string(token)
        elif token.kind == NUMBER and token.text is not None:
            cell = token.text
        elif token.kind == PUNCT and token.text in (b"-", b"+") and self.token.kind == NUMBER and self.token.text:
            cell = (b"-" if token.text == b"-" else b"") + self.token.text
            self.token = self.tokens.next()
        elif token.punct(b"("):
            cell = self._value()
            self._expect(b")")
        elif token.is_(b"NULL", b"DEFAULT"):
            cell = None if token.is_(b"NULL") else DEFAULT
        elif token.is_(b"TRUE", b"FALSE"):
            cell = (token.text or b"").lower()
        elif token.is_(b"CAST") and self.token.punct(b"("):
            self.token = self.tokens.next()
            cell = self._value()
            if not self.token.is_(b"AS"):
                raise NotLiteral(self.shown())
            self.token = self.tokens.next()
            self._type_name()
            self._expect(b")")
        elif token.kind in (WORD, NAME) and token.text:
            cell = self._typed(token)
        else:
            raise NotLiteral(self._shown_behind(token))
        while self.token.punct(b":"):
            self.token = self.tokens.next()
            self._expect(b":")
            self._type_name()
        return cell

    def _typed(self, token: Token) -> bytes | None:
        """`DATE '2020-01-01'`, `timestamp with time zone '...'`: a type's name before a text."""
        words = 1
        while self.token.kind in (WORD, NAME) and words < 5:
            self.token = self.tokens.next()
            words += 1
        if self.token.kind != STRING:
            raise NotLiteral(self._shown_behind(token))
        string, self.token = self.token, self.tokens.next()
        cell = self._string(string)
        if self.token.is_(b"DAY", b"HOUR", b"MINUTE", b"SECOND", b"YEAR", b"MONTH"):
            raise NotLiteral(self._shown_behind(token))
        return cell

    def _type_name(self) -> None:
        """Goes behind a type's name: words, dots, arguments, brackets."""
        while self.token.kind in (WORD, NAME) and not self.token.is_(b"AS"):
            self.token = self.tokens.next()
            if self.token.punct(b"."):
                self.token = self.tokens.next()
        for begins, ends in ((b"(", b")"), (b"[", b"]"), (b"[", b"]")):
            if self.token.punct(begins):
                while not self.token.punct(ends) and self.token.kind not in (END, EOF):
                    self.token = self.tokens.next()
                self._expect(ends)
        while self.token.is_(b"WITH", b"WITHOUT", b"TIME", b"ZONE"):
            self.token = self.tokens.next()

    def _expect(self, char: bytes) -> None:
        if not self.token.punct(char):
            raise NotLiteral(self.shown())
        self.token = self.tokens.next()

    def _string(self, token: Token) -> bytes:
        """A text together with those that follow it at once, as a cell; `token` is the one behind."""
        parts = []
        while True:
            if token.text is None:
                raise NotLiteral("a text that is too long to be held")
            escape = b"\\"
            if token.text[:1] == b"U" and self.token.is_(b"UESCAPE"):
                escape = (self.tokens.next().text or b"'\\'")[1:-1]
                self.token = self.tokens.next()
            try:
                parts.append(literal(token.text, backslash=self.tokens.lexis.backslash, escape=escape))
            except BadLiteral as error:
                raise NotLiteral(f"{self._shown_behind(token)}: {error}") from error
            if self.token.kind != STRING:
                break
            token, self.token = self.token, self.tokens.next()
        if self.token.is_(b"COLLATE"):
            self.tokens.next()
            self.token = self.tokens.next()
        return b"'" + b"".join(parts).replace(b"'", b"''") + b"'"

    def _shown_behind(self, token: Token) -> str:
        return self.shown(token.text or b"")
