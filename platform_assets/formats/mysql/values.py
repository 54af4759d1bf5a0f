"""The values of an INSERT out of the text, as literals in the forms of mysql.literals.

Which tuples are plain, and all other values token by token: comments or conditions inside, prefixes, functions.
"""

from __future__ import annotations

import re
from functools import lru_cache

from platform_assets.formats.mysql.literals import unescape
from platform_assets.formats.mysql.session import decoder
from platform_assets.formats.sql import tuples
from platform_assets.formats.sql.rows import Cells
from platform_assets.formats.sql.tokens import MAX_TOKEN, NUMBER, PUNCT, STRING, WORD, Token, string_body
from platform_assets.formats.sql.tuples import DEFAULT, NUMBER_PATTERN, NotLiteral, Problem, tuple_of

_TYPED = (b"DATE", b"TIME", b"TIMESTAMP")
_BARE = re.compile(rb"0x[0-9a-fA-F]*|0b[01]+")


@lru_cache(maxsize=256)
def tuple_pattern(width: int, backslash: bool, lead: bytes) -> re.Pattern[bytes]:
    """Takes one plain tuple and the comma or semicolon behind it. A group per value, None for NULL; a last one for the semicolon."""
    string = rb"'" + string_body(b"'", backslash=backslash, lead=lead) + rb"'"
    return tuple_of(rb"|".join((string, NUMBER_PATTERN, rb"0x[0-9A-Fa-f]*+", rb"_binary " + string)), width)


class Tuples(tuples.Tuples):
    """The tuples behind VALUES at the place where `tokens` stands."""

    def _pattern(self) -> re.Pattern[bytes]:
        return tuple_pattern(self.width, self.tokens.lexis.backslash, self.tokens.lexis.lead)

    def one(self, opening: Token) -> Cells | Problem:
        """`()` stands for all defaults."""
        if self.tokens.peek_byte() == ord(")"):
            self.token = self.tokens.next()
            return self.counted([DEFAULT] * max(self.width, 0), opening)
        return super().one(opening)

    def assigned(self) -> tuple[list[Token], list[bytes | None]]:
        """INSERT ... SET a = 1, b = 'x': the columns' tokens and their values; `token` stands on what follows. Raises NotLiteral."""
        names, cells = [], []
        while True:
            name = self.tokens.next()
            equals = self.tokens.next()
            if not equals.punct(b"="):
                self.token = equals
                raise NotLiteral(self.shown())
            self.token = self.tokens.next()
            names.append(name)
            cells.append(self._value())
            if not self.token.punct(b","):
                return names, cells

    def _value(self) -> bytes | None:
        token = self.token
        if token.kind == STRING:
            return self._string()
        if token.kind == NUMBER and token.text is not None:
            return self.then(token.text)
        if token.kind == WORD and token.text:
            return self._word(token.text)
        if token.kind == PUNCT and token.text in (b"-", b"+"):
            self.token = self.tokens.next()
            if self.token.kind == NUMBER and self.token.text:
                return self.then((b"-" if token.text == b"-" else b"") + self.token.text)
        if token.kind == PUNCT and token.text == b"\\":
            self.token = self.tokens.next()
            if self.token.text == b"N":
                return self.then(None)
        raise NotLiteral(self.shown())

    def _word(self, text: bytes) -> bytes | None:
        upper = text.upper()
        if upper in (b"NULL", b"DEFAULT"):
            return self.then(None if upper == b"NULL" else DEFAULT)
        if upper in (b"TRUE", b"FALSE"):
            return self.then(b"1" if upper == b"TRUE" else b"0")
        if _BARE.fullmatch(text):
            return self.then(text[:2].lower() + text[2:])
        self.token = self.tokens.next()
        if self.token.kind == STRING:
            return self._prefixed(upper)
        if text[:1] == b"_" and self.token.kind == WORD and self.token.text and _BARE.fullmatch(self.token.text):
            return self._introduced(upper[1:], self.token.text)
        raise NotLiteral(self.shown(text))

    def _prefixed(self, upper: bytes) -> bytes | None:
        """x'..', b'..', n'..', _charset'..' and DATE'..'; `token` is the string."""
        digits = (self.token.text or b"''")[1:-1]
        if upper == b"X" and re.fullmatch(rb"(?:[0-9a-fA-F]{2})*", digits):
            return self.then(b"0x" + digits)
        if upper == b"B" and re.fullmatch(rb"[01]*", digits):
            return self.then(b"0b" + digits)
        if upper in _TYPED:
            return self._string()
        if upper == b"N" or upper[:1] == b"_":
            literal = self._string()
            lexis = self.tokens.lexis
            data = unescape(literal[1:-1], backslash=lexis.backslash, lead=lexis.lead)
            return self._in_charset("utf8" if upper == b"N" else upper[1:].decode("latin-1").lower(), data)
        raise NotLiteral(self.shown(upper))

    def _introduced(self, charset: bytes, text: bytes) -> bytes | None:
        """_charset 0x..: binary by its form, text by its introducer."""
        literal = self.then(text[:2].lower() + text[2:]) or b""
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
        texts: list[bytes] = []
        while self.token.kind == STRING:
            if self.token.text is None:
                raise NotLiteral(f"a text of more than {MAX_TOKEN >> 20} MiB")
            texts.append(self.token.text)
            self.token = self.tokens.next()
        if self.token.is_(b"COLLATE"):
            self.tokens.next()
            self.token = self.tokens.next()
        if len(texts) == 1 and texts[0][:1] == b"'":
            return texts[0]
        return b"'" + b"".join(map(self._single, texts)) + b"'"

    def _single(self, text: bytes) -> bytes:
        """A string's inside as it would stand between single quotes, escapes left as they are."""
        if text[:1] == b"'":
            return text[1:-1]
        lexis = self.tokens.lexis
        kept = rb"[" + lexis.lead + rb"][\x30-\x7e\x80-\xfe]|" if lexis.lead else b""
        kept += rb"\\." if lexis.backslash else rb"(?!)"
        return re.sub(rb"(" + kept + rb")|\"\"|'", _requoted, text[1:-1], flags=re.DOTALL)


def _requoted(found: re.Match[bytes]) -> bytes:
    return found[1] or (b"''" if found[0] == b"'" else b'"')
