"""Rows of literals out of T-SQL: tuples behind VALUES and lists behind SELECT, in the forms of mssql.literals.

Two ways to the same result: one regular expression for a whole plain tuple, together with what stands between it and the next (a script
of Management Studio is one INSERT a row), and token by token for all others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from platform_assets.formats.mssql.tokens import TsqlTokens
from platform_assets.formats.sql.rows import Cells
from platform_assets.formats.sql.tokens import EOF, MAX_TOKEN, NAME, NUMBER, STRING, WORD, Token
from platform_assets.formats.sql.tuples import DEFAULT, NUMBER_PATTERN, NotLiteral, Problem, Tuples

MAX_DEPTH = 100
"""Of parentheses and casts in one value."""
_HEX = re.compile(rb"0[xX][0-9a-fA-F]*")
_STRING = rb"N?'(?:[^']++|'')*+'"
_LITERAL = rb"(?:" + _STRING + rb"|" + NUMBER_PATTERN + rb"(?![0-9A-Za-z_.])|0x[0-9A-Fa-f]*+)"
_CAST = rb"CAST\(" + _LITERAL + rb" AS [A-Za-z_][A-Za-z0-9_]*+(?:\([0-9]++(?:, ?[0-9]++)?\))?+\)"
_VALUE = rb"(?:NULL|(" + _LITERAL + rb"|" + _CAST + rb"))"
_BETWEEN = rb"[ \t\r]*+(?:;[ \t\r]*+)?+(?:\n[ \t\r\n]*+(?:(?<=\n)[Gg][Oo][ \t\r]*+\n[ \t\r\n]*+)*+)?+"
"""Between two INSERT statements: a semicolon, line ends, lines that say GO."""


@lru_cache(maxsize=256)
def run_pattern(width: int, head: bytes | None) -> re.Pattern[bytes]:
    """Takes one plain tuple and the comma behind it, or everything up to the next tuple when the next statement begins with `head`.

    A group per value, None for NULL; a last one for the next statement's head.
    """
    again = rb"|" + _BETWEEN + rb"(" + re.escape(head) + rb")" if head else rb"|((?!))"
    return re.compile(rb"\(\s*+" + rb"\s*+,\s*+".join([_VALUE] * width) + rb"\s*+\)(?:\s*+,\s*+" + again + rb")", re.DOTALL)


class Rows(Tuples):
    """Rows at the place where `tokens` stands."""

    tokens: TsqlTokens

    def __init__(self, tokens: TsqlTokens, width: int) -> None:
        self.value = Values(tokens.next)
        super().__init__(tokens, width)
        self.heads = 0
        """Heads of further statements that `run` took."""
        self.again = (1, 0)
        """Line and byte of the last of them."""

    @property
    def token(self) -> Token:
        """The next token that is not used yet."""
        return self.value.token

    @token.setter
    def token(self, token: Token) -> None:
        self.value.token = token

    def _value(self) -> bytes | None:
        return self.value.one()

    def run(self, head: bytes | None, cells: list[Cells], lines: list[int], limit: int) -> None:
        """Appends plain tuples that something follows, and their lines, as long as there are any in the buffer, to at most `limit`.

        Each appended tuple has one group more than values.
        """
        tokens = self.tokens
        if self.width <= 0 or tokens.waiting:
            return
        tokens.peek_byte()
        match = run_pattern(self.width, head).match
        buffer, begun = tokens.buffer, tokens.position
        position, last, places = begun, self.width + 1, list[int]()
        head_at = -1
        while len(cells) < limit:
            found = match(buffer, position)
            if found is None:
                break
            cells.append(found.groups())
            places.append(position)
            position = found.end()
            if found.lastindex == last:
                self.heads += 1
                head_at = position - len(head or b"")
        newlines = np.flatnonzero(np.frombuffer(buffer, np.uint8, position - begun, begun) == 0x0A) + begun
        lines.extend((tokens.line + np.searchsorted(newlines, places)).tolist())
        if head_at >= 0:
            self.again = (tokens.line + int(np.searchsorted(newlines, head_at)), tokens.offset + head_at - begun)
        tokens.position = position

    def selected(self) -> Cells:
        """The list behind a SELECT; `value.token` stands on what follows. Names behind AS are passed by. Raises NotLiteral."""
        value, cells = self.value, list[bytes | None]()
        value.token = self.tokens.next()
        while True:
            cells.append(value.one())
            if value.token.is_(b"AS"):
                value.token = self.tokens.next()
                value.token = self.tokens.next()
            if not value.token.punct(b","):
                return tuple(cells)
            value.token = self.tokens.next()

    def _skip(self, opening: Token, shown: str, column: int, depth: int = 1) -> Problem:
        """The end of the statement is given back."""
        problem = super()._skip(opening, shown, column, depth + self.value.depth)
        if problem.cut or problem.ended:
            self.tokens.back(self.token)
        return problem


class Values:
    """Literals out of tokens, one after the other; `token` is the next token not yet used, `depth` the parentheses open at an error."""

    def __init__(self, following: Callable[[], Token]) -> None:
        self.following = following
        self.token = Token(EOF, b"", 0, 0)
        self.depth = 0

    def one(self) -> bytes | None:
        """The literal that begins with `token`; afterwards `token` is the one behind it. Texts joined by + are one. Raises NotLiteral."""
        self.depth = 0
        return self._sum()

    def _sum(self) -> bytes | None:
        cell = self._term()
        while self.token.punct(b"+"):
            self._next()
            other = self._term()
            if cell is None or other is None:
                cell = None
            elif cell[:1] in b"N'" and other[:1] in b"N'":
                national = b"N" if b"N" in (cell[:1], other[:1]) else b""
                cell = national + b"'" + cell[cell.index(b"'") + 1 : -1] + other[other.index(b"'") + 1 : -1] + b"'"
            else:
                raise NotLiteral(self.shown(b"+"))
        return cell

    def _next(self) -> Token:
        self.token = self.following()
        return self.token

    def _then(self, cell: bytes | None) -> bytes | None:
        self._next()
        return cell

    def _term(self) -> bytes | None:
        token = self.token
        if token.text is None:
            raise NotLiteral(f"a value of more than {MAX_TOKEN >> 20} MiB")
        if token.kind == STRING:
            return self._string(b"")
        if token.kind == NUMBER:
            return self._then(token.text)
        if token.kind == WORD:
            return self._word(token.text)
        if token.punct(b"-") or token.punct(b"+"):
            self._next()
            cell = self._term()
            if cell is None or not re.match(rb"-?[0-9.]", cell) or cell[:2] == b"0x":
                raise NotLiteral(self.shown(token.text))
            return cell if token.text == b"+" else cell[1:] if cell[:1] == b"-" else b"-" + cell
        if token.punct(b"("):
            return self._inside()
        if token.punct(b"{"):
            return self._escape()
        raise NotLiteral(self.shown())

    def _inside(self) -> bytes | None:
        self._open()
        self._next()
        cell = self._sum()
        self._close()
        return cell

    def _open(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotLiteral("parentheses nested too deeply")

    def _close(self) -> None:
        if not self.token.punct(b")"):
            raise NotLiteral(self.shown())
        self.depth -= 1
        self._next()

    def _word(self, text: bytes) -> bytes | None:
        upper = text.upper()
        if upper in (b"NULL", b"DEFAULT"):
            return self._then(None if upper == b"NULL" else DEFAULT)
        if _HEX.fullmatch(text):
            return self._then(b"0x" + text[2:])
        if text[:1] == b"$":
            return self._money(text[1:])
        self._next()
        if upper == b"N" and self.token.kind == STRING:
            return self._string(b"N")
        if self.token.punct(b"("):
            if upper in (b"CAST", b"TRY_CAST"):
                return self._cast()
            if upper in (b"CONVERT", b"TRY_CONVERT"):
                return self._convert()
            if upper in (b"CHAR", b"NCHAR"):
                return self._character()
        raise NotLiteral(self.shown(text))

    def _money(self, digits: bytes) -> bytes:
        """$1.50, $-1.5 or $ 3: a number."""
        self._next()
        sign = b""
        if not digits:
            if self.token.punct(b"-"):
                sign = b"-"
                self._next()
            if self.token.kind != NUMBER or self.token.text is None:
                raise NotLiteral(self.shown(b"$"))
            digits = self.token.text
            self._next()
        elif not digits.isdigit():
            raise NotLiteral(self.shown(b"$" + digits))
        elif self.token.kind == NUMBER and (self.token.text or b"")[:1] == b".":
            digits += self.token.text or b""
            self._next()
        elif self.token.punct(b"."):
            self._next()
        return sign + digits

    def _string(self, prefix: bytes) -> bytes:
        text = self.token.text
        if text is None:
            raise NotLiteral(f"a text of more than {MAX_TOKEN >> 20} MiB")
        if text[:1] == b'"':
            text = b"'" + text[1:-1].replace(b'""', b'"').replace(b"'", b"''") + b"'"
        if self._next().is_(b"COLLATE"):
            self._next()
            self._next()
        return prefix + text

    def _cast(self) -> bytes | None:
        """CAST(value AS type)."""
        self._open()
        self._next()
        cell = self._sum()
        if not self.token.is_(b"AS"):
            raise NotLiteral(self.shown(b"CAST"))
        self._next()
        native = self._type()
        self._close()
        return cell if cell is None or cell == DEFAULT else b"CAST(" + cell + b" AS " + native + b")"

    def _convert(self) -> bytes | None:
        """CONVERT(type, value) or with a style."""
        self._open()
        self._next()
        native, style = self._type(), b""
        if not self.token.punct(b","):
            raise NotLiteral(self.shown(b"CONVERT"))
        self._next()
        cell = self._sum()
        if self.token.punct(b","):
            self._next()
            if self.token.kind != NUMBER or not (self.token.text or b"").isdigit():
                raise NotLiteral(self.shown(b"CONVERT"))
            style = b" STYLE " + (self.token.text or b"")
            self._next()
        self._close()
        return cell if cell is None or cell == DEFAULT else b"CAST(" + cell + b" AS " + native + style + b")"

    def _type(self) -> bytes:
        """A type's text up to the comma or parenthesis behind it, without brackets."""
        text = b""
        while self.token.kind in (WORD, NAME) or self.token.punct(b"."):
            word = self.token.text or b""
            text += b" " * bool(text and text[-1:] != b"." and word != b".") + (word[1:-1] if self.token.kind == NAME else word)
            self._next()
        if not text:
            raise NotLiteral(self.shown())
        if self.token.punct(b"("):
            self._open()
            # As it stands, blank and all: a column is read at once where all of its casts end alike.
            text, end = text + b"(", self.token.offset + 1
            while not self._next().punct(b")"):
                if self.token.kind not in (WORD, NUMBER) and not self.token.punct(b","):
                    raise NotLiteral(self.shown(text))
                word = self.token.text or b""
                text += b" " * (self.token.offset > end) + word
                end = self.token.offset + len(word)
            text += b")"
            self._close()
        return text

    def _character(self) -> bytes:
        """CHAR(13) or NCHAR(8364); `token` is the parenthesis."""
        number = self._next().text or b""
        if not number.isdigit() or not 0 < int(number[:7]) < 0x110000 or not self._next().punct(b")"):
            raise NotLiteral(self.shown(b"CHAR("))
        self._next()
        value = int(number[:7])
        try:
            text = bytes((value,)).decode("cp1252") if value < 256 else chr(value)
            return b"N'" + text.replace("'", "''").encode("utf-8") + b"'"
        except UnicodeError as error:
            raise NotLiteral(f"CHAR({value})") from error

    def _escape(self) -> bytes | None:
        """{ts '2020-01-01 10:00:00'}, {d '...'}, {t '...'}, {guid '...'} of ODBC."""
        self._next()
        if not self.token.is_(b"TS", b"D", b"T", b"GUID"):
            raise NotLiteral(self.shown(b"{"))
        self._next()
        cell = self._term()
        if not self.token.punct(b"}"):
            raise NotLiteral(self.shown(b"{"))
        return self._then(cell)

    def shown(self, before: bytes = b"") -> str:
        text = before + b" " * bool(before) + (self.token.text or b"")
        return repr(text[:60].decode("utf-8", "backslashreplace"))


def literal_of(tokens: Sequence[Token]) -> bytes | None:
    """The literal that these tokens are, None for NULL. Raises NotLiteral."""
    rest = iter(tokens)
    values = Values(lambda: next(rest, Token(EOF, b"", 0, 0)))
    values.token = values.following()
    cell = values.one()
    if values.token.kind != EOF:
        raise NotLiteral(values.shown())
    return cell
