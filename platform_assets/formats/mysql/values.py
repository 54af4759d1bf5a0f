"""The tuples of an INSERT, one after the other, out of a statement of any length. Gives literals in the forms of mysql_literals.

Two ways to the same result: one regular expression that takes a whole plain tuple, and token by token for all others (comments or
conditions inside, prefixes, functions, a tuple that runs over the buffer's end, a wrong number of values).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from platform_assets.formats.mysql.literals import unescape
from platform_assets.formats.mysql.session import decoder
from platform_assets.formats.sql.tokens import END, EOF, MAX_TOKEN, NUMBER, PUNCT, STRING, WORD, Token, Tokens, string_body

DEFAULT = b"D"
"""Stands for the word DEFAULT where a value may be; no literal begins with it."""
_TYPED = (b"DATE", b"TIME", b"TIMESTAMP")
_BARE = re.compile(rb"0x[0-9a-fA-F]*|0b[01]+")

Cells = tuple[bytes | None, ...]


class NotLiteral(Exception):
    """A value that only a server can compute, or no value at all; the message quotes it."""


@dataclass(frozen=True)
class Problem:
    """Why a tuple is no row. `raw` is None when it was too long to be held; `ended`: the statement ended inside it."""

    code: str
    message: str
    raw: bytes | None
    line: int
    offset: int
    ended: bool = False
    cut: bool = False


@lru_cache(maxsize=256)
def tuple_pattern(width: int, backslash: bool, lead: bytes) -> re.Pattern[bytes]:
    """Takes one plain tuple and the comma or semicolon behind it. A group per value, None for NULL; a last one for the semicolon."""
    string = rb"'" + string_body(b"'", backslash=backslash, lead=lead) + rb"'"
    number = rb"-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
    value = rb"(?:NULL|(" + string + rb"|" + number + rb"|0x[0-9A-Fa-f]*+|_binary " + string + rb"))"
    return re.compile(rb"\(\s*+" + rb"\s*+,\s*+".join([value] * width) + rb"\s*+\)\s*+(?:,\s*+|(;))", re.DOTALL)


class Tuples:
    """The tuples behind VALUES at the place where `tokens` stands; each of them should have `width` values, -1: as many as the first."""

    def __init__(self, tokens: Tokens, width: int) -> None:
        self.tokens = tokens
        self.width = width
        self.token = Token(EOF, b"", 0, 0)

    def plain(self, cells: list[Cells], lines: list[int], limit: int) -> bool:
        """Appends plain tuples and their lines as long as there are any in the buffer, to at most `limit`. True: a semicolon ended them.

        Each appended tuple has one group more than values, the semicolon.
        """
        tokens, lexis = self.tokens, self.tokens.lexis
        if lexis.delimiter != b";" or self.width <= 0:
            return False
        tokens.peek_byte()
        match = tuple_pattern(self.width, lexis.backslash, lexis.lead).match
        buffer, position, line, counted = tokens.buffer, tokens.position, tokens.line, tokens.position
        count, ended, last = buffer.count, False, self.width + 1
        while len(cells) < limit:
            found = match(buffer, position)
            if found is None:
                break
            line += count(b"\n", counted, position)
            counted = position
            cells.append(found.groups())
            lines.append(line)
            position = found.end()
            if found.lastindex == last:
                ended = True
                break
        tokens.position = position
        return ended

    def one(self, opening: Token, defaults: Sequence[bytes | None]) -> Cells | Problem:
        """The tuple whose `(` was taken as `opening`, token by token; `()` stands for all defaults. The mark was set before it."""
        cells: list[bytes | None] = []
        self.token = self.tokens.next()
        if self.token.punct(b")"):
            return self._counted(list(defaults), opening)
        try:
            while True:
                cells.append(self._value(defaults[len(cells)] if len(cells) < len(defaults) else None))
                if self.token.punct(b")"):
                    return self._counted(cells, opening)
                if not self.token.punct(b","):
                    raise NotLiteral(self._shown())
                self.token = self.tokens.next()
        except NotLiteral as error:
            return self._skip(opening, str(error), len(cells))

    def _counted(self, cells: list[bytes | None], opening: Token) -> Cells | Problem:
        if self.width < 0:
            self.width = len(cells)
        if len(cells) == self.width:
            return tuple(cells)
        code = "missing-cell" if len(cells) < self.width else "extra-cell"
        return Problem(code, f"{len(cells)} values for {self.width} columns", self.tokens.raw(), opening.line, opening.offset)

    def _skip(self, opening: Token, shown: str, column: int) -> Problem:
        """Goes behind the tuple's closing parenthesis."""
        depth = 1
        while self.token.kind not in (END, EOF):
            depth += (self.token.kind == PUNCT) * ((self.token.text == b"(") - (self.token.text == b")"))
            if not depth:
                break
            self.token = self.tokens.next()
        cut, ended = self.token.kind == EOF, self.token.kind == END
        code = "cut-row" if cut else "syntax-error" if ended else "not-a-literal"
        message = "the file ends inside this row" if cut else f"value {column + 1} is no literal: {shown}; only a server could compute it"
        return Problem(code, message, self.tokens.raw(), opening.line, opening.offset, ended, cut)

    def assigned(self) -> tuple[list[Token], list[bytes | None]]:
        """INSERT ... SET a = 1, b = 'x': the columns' tokens and their values; `token` stands on what follows. Raises NotLiteral."""
        names, cells = [], []
        while True:
            name = self.tokens.next()
            equals = self.tokens.next()
            if not equals.punct(b"="):
                self.token = equals
                raise NotLiteral(self._shown())
            self.token = self.tokens.next()
            names.append(name)
            cells.append(self._value(DEFAULT))
            if not self.token.punct(b","):
                return names, cells

    def _value(self, default: bytes | None) -> bytes | None:
        """The value that begins with `token`; afterwards `token` is the one behind it."""
        token = self.token
        if token.kind == STRING:
            return self._string()
        if token.kind == NUMBER and token.text is not None:
            return self._then(token.text)
        if token.kind == WORD and token.text:
            return self._word(token.text, default)
        if token.kind == PUNCT and token.text in (b"-", b"+"):
            self.token = self.tokens.next()
            if self.token.kind == NUMBER and self.token.text:
                return self._then((b"-" if token.text == b"-" else b"") + self.token.text)
        if token.kind == PUNCT and token.text == b"\\":
            self.token = self.tokens.next()
            if self.token.text == b"N":
                return self._then(None)
        raise NotLiteral(self._shown())

    def _then(self, cell: bytes | None) -> bytes | None:
        self.token = self.tokens.next()
        return cell

    def _word(self, text: bytes, default: bytes | None) -> bytes | None:
        upper = text.upper()
        if upper in (b"NULL", b"DEFAULT"):
            return self._then(None if upper == b"NULL" else default)
        if upper in (b"TRUE", b"FALSE"):
            return self._then(b"1" if upper == b"TRUE" else b"0")
        if _BARE.fullmatch(text):
            return self._then(text[:2].lower() + text[2:])
        self.token = self.tokens.next()
        if self.token.kind == STRING:
            return self._prefixed(upper)
        if text[:1] == b"_" and self.token.kind == WORD and self.token.text and _BARE.fullmatch(self.token.text):
            return self._introduced(upper[1:], self.token.text)
        raise NotLiteral(self._shown(text))

    def _prefixed(self, upper: bytes) -> bytes | None:
        """x'..', b'..', n'..', _charset'..' and DATE'..'; `token` is the string."""
        digits = (self.token.text or b"''")[1:-1]
        if upper == b"X" and re.fullmatch(rb"(?:[0-9a-fA-F]{2})*", digits):
            return self._then(b"0x" + digits)
        if upper == b"B" and re.fullmatch(rb"[01]*", digits):
            return self._then(b"0b" + digits)
        if upper in _TYPED:
            return self._string()
        if upper == b"N" or upper[:1] == b"_":
            literal = self._string()
            lexis = self.tokens.lexis
            data = unescape(literal[1:-1], backslash=lexis.backslash, lead=lexis.lead)
            return self._in_charset("utf8" if upper == b"N" else upper[1:].decode("latin-1").lower(), data)
        raise NotLiteral(self._shown(upper))

    def _introduced(self, charset: bytes, text: bytes) -> bytes | None:
        """_charset 0x..: binary by its form, text by its introducer."""
        literal = self._then(text[:2].lower() + text[2:]) or b""
        if charset == b"BINARY" or literal[:2] == b"0b":
            return literal
        data = bytes.fromhex(("0" if len(literal) % 2 else "") + literal[2:].decode("latin-1"))
        return self._in_charset(charset.decode("latin-1").lower(), data)

    def _in_charset(self, charset: str, data: bytes) -> bytes:
        if charset == "binary":
            return b"0x" + data.hex().encode("ascii")
        decode = decoder(charset)
        try:
            return b"U" + decode(data).encode("utf-8") if decode else b"0x" + data.hex().encode("ascii")
        except UnicodeDecodeError:
            return b"0x" + data.hex().encode("ascii")

    def _string(self) -> bytes:
        """A quoted text, together with those that follow it at once, as one literal in single quotes."""
        parts = []
        while self.token.kind == STRING:
            if self.token.text is None:
                raise NotLiteral(f"a text of more than {MAX_TOKEN >> 20} MiB")
            parts.append(self._single(self.token.text))
            self.token = self.tokens.next()
        if self.token.is_(b"COLLATE"):
            self.tokens.next()
            self.token = self.tokens.next()
        return b"'" + b"".join(parts) + b"'"

    def _single(self, text: bytes) -> bytes:
        """A string's inside as it would stand between single quotes, escapes left as they are."""
        if text[:1] == b"'":
            return text[1:-1]
        lexis = self.tokens.lexis
        kept = rb"[" + lexis.lead + rb"][\x30-\x7e\x80-\xfe]|" if lexis.lead else b""
        kept += rb"\\." if lexis.backslash else rb"(?!)"
        return re.sub(rb"(" + kept + rb")|\"\"|'", _requoted, text[1:-1], flags=re.DOTALL)

    def _shown(self, before: bytes = b"") -> str:
        text = before + b" " * bool(before) + (self.token.text or b"")
        return repr(text[:60].decode("utf-8", "backslashreplace"))


def _requoted(found: re.Match[bytes]) -> bytes:
    return found[1] or (b"''" if found[0] == b"'" else b'"')
