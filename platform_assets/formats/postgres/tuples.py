"""One tuple of INSERT, token by token: literals with their casts and prefixes as cells; what only a server can compute is told.

Source: PostgreSQL 18 manual, chapter 4.1.2 (constants) and 4.2.9 (type casts).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.formats.postgres.copying import CopyReading
from platform_assets.formats.postgres.rows import Cells
from platform_assets.formats.postgres.tokens import BadLiteral, literal
from platform_assets.formats.sql.tokens import END, EOF, NAME, NUMBER, PUNCT, STRING, WORD, Token

DEFAULT = b"D"
"""Stands for the word DEFAULT where a value may be; no cell begins with it."""


class NotLiteral(Exception):
    """A value that only a server can compute, or no value at all; the message quotes it."""


@dataclass(frozen=True)
class Problem:
    """Why a tuple is no row. `ended`: the statement ended inside it; `cut`: the file did."""

    code: str
    message: str
    raw: bytes | None
    line: int
    offset: int
    ended: bool = False
    cut: bool = False


class TupleReading(CopyReading):
    """Reads one tuple. `_token` is the one that comes next."""

    _token = Token(EOF, b"", 0, 0)

    def _one(self, opening: Token, width: int) -> Cells | Problem:
        """The tuple whose `(` was taken as `opening`, token by token."""
        cells: list[bytes | None] = []
        self._token = self.tokens.next()
        try:
            while True:
                cells.append(self._value())
                if self._token.punct(b")"):
                    break
                if not self._token.punct(b","):
                    raise NotLiteral(self._shown())
                self._token = self.tokens.next()
        except NotLiteral as error:
            return self._unreadable(opening, str(error), len(cells))
        if len(cells) == width:
            return tuple(cells)
        code = "missing-cell" if len(cells) < width else "extra-cell"
        return Problem(code, f"{len(cells)} values for {width} columns", self.tokens.raw(), opening.line, opening.offset)

    def _unreadable(self, opening: Token, shown: str, column: int) -> Problem:
        """Goes behind the tuple's closing parenthesis, or to the statement's end."""
        depth = 1
        while self._token.kind not in (END, EOF):
            if self._token.kind == PUNCT:
                depth += (self._token.text == b"(") - (self._token.text == b")")
            if depth <= 0:
                break
            self._token = self.tokens.next()
        cut, ended = self._token.kind == EOF, self._token.kind == END
        code = "cut-row" if cut else "syntax-error" if ended else "not-a-literal"
        message = "the file ends inside this row" if cut else f"value {column + 1} is no literal: {shown}; only a server could compute it"
        return Problem(code, message, self.tokens.raw(), opening.line, opening.offset, ended, cut)

    def _value(self) -> bytes | None:
        """The value that begins with `_token`; afterwards `_token` is the one behind it."""
        token = self._token
        self._token = self.tokens.next()
        cell: bytes | None
        if token.kind == STRING:
            cell = self._string(token)
        elif token.kind == NUMBER and token.text is not None:
            cell = token.text
        elif token.kind == PUNCT and token.text in (b"-", b"+") and self._token.kind == NUMBER and self._token.text:
            cell = (b"-" if token.text == b"-" else b"") + self._token.text
            self._token = self.tokens.next()
        elif token.punct(b"("):
            cell = self._value()
            self._expect(b")")
        elif token.is_(b"NULL", b"DEFAULT"):
            cell = None if token.is_(b"NULL") else DEFAULT
        elif token.is_(b"TRUE", b"FALSE"):
            cell = (token.text or b"").lower()
        elif token.is_(b"CAST") and self._token.punct(b"("):
            self._token = self.tokens.next()
            cell = self._value()
            if not self._token.is_(b"AS"):
                raise NotLiteral(self._shown())
            self._token = self.tokens.next()
            self._type_name()
            self._expect(b")")
        elif token.kind in (WORD, NAME) and token.text:
            cell = self._typed(token)
        else:
            raise NotLiteral(self._shown(token))
        while self._token.punct(b":"):
            self._token = self.tokens.next()
            self._expect(b":")
            self._type_name()
        return cell

    def _typed(self, token: Token) -> bytes | None:
        """`DATE '2020-01-01'`, `timestamp with time zone '...'`: a type's name before a text."""
        words = 1
        while self._token.kind in (WORD, NAME) and words < 5:
            self._token = self.tokens.next()
            words += 1
        if self._token.kind != STRING:
            raise NotLiteral(self._shown(token))
        string, self._token = self._token, self.tokens.next()
        cell = self._string(string)
        if self._token.is_(b"DAY", b"HOUR", b"MINUTE", b"SECOND", b"YEAR", b"MONTH"):
            raise NotLiteral(self._shown(token))
        return cell

    def _type_name(self) -> None:
        """Goes behind a type's name: words, dots, arguments, brackets."""
        while self._token.kind in (WORD, NAME) and not self._token.is_(b"AS"):
            self._token = self.tokens.next()
            if self._token.punct(b"."):
                self._token = self.tokens.next()
        for begins, ends in ((b"(", b")"), (b"[", b"]"), (b"[", b"]")):
            if self._token.punct(begins):
                while not self._token.punct(ends) and self._token.kind not in (END, EOF):
                    self._token = self.tokens.next()
                self._expect(ends)
        while self._token.is_(b"WITH", b"WITHOUT", b"TIME", b"ZONE"):
            self._token = self.tokens.next()

    def _expect(self, char: bytes) -> None:
        if not self._token.punct(char):
            raise NotLiteral(self._shown())
        self._token = self.tokens.next()

    def _string(self, token: Token) -> bytes:
        """A text together with those that follow it at once, as a cell; `_token` is the one behind."""
        parts = []
        while True:
            if token.text is None:
                raise NotLiteral("a text that is too long to be held")
            escape = b"\\"
            if token.text[:1] == b"U" and self._token.is_(b"UESCAPE"):
                escape = (self.tokens.next().text or b"'\\'")[1:-1]
                self._token = self.tokens.next()
            try:
                parts.append(literal(token.text, backslash=self.tokens.lexis.backslash, escape=escape))
            except BadLiteral as error:
                raise NotLiteral(f"{self._shown(token)}: {error}") from error
            if self._token.kind != STRING:
                break
            token, self._token = self._token, self.tokens.next()
        if self._token.is_(b"COLLATE"):
            self.tokens.next()
            self._token = self.tokens.next()
        return b"'" + b"".join(parts).replace(b"'", b"''") + b"'"

    def _shown(self, token: Token | None = None) -> str:
        text = (token.text or b"") + b" " if token is not None else b""
        return repr((text + (self._token.text or b""))[:60].decode("utf-8", "backslashreplace"))
