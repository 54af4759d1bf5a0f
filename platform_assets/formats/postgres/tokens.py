"""PostgreSQL's text as tokens: what the shared tokenizer does not know of its strings, and what a string literal means.

Source: PostgreSQL 18 manual, chapter 4.1 (lexical structure). A STRING token keeps its prefix (E, B, X, N, U&) and its quotes or dollars.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from platform_assets.formats.sql.tokens import NAME, STRING, WORD, Lexis, Token, Tokens

_DOLLAR = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]*+)?\$")
_PREFIXES = (b"E", b"B", b"X", b"N")
_SIMPLE = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPE = re.compile(
    rb"((?:\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})+)|\\([0-7]{1,3})|\\x([0-9A-Fa-f]{1,2})|\\(.)|''",
    re.DOTALL,
)
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def lexis() -> Lexis:
    """How PostgreSQL splits text, with standard_conforming_strings on as it is by default."""
    return Lexis(backslash=False, ansi_quotes=True, hash_comments=False, nested_comments=True)


class PgTokens(Tokens):
    """The shared tokens with E'', B'', X'', U&'', $tag$ strings and comments as PostgreSQL has them."""

    def __init__(self, stream: BinaryIO, on_comment: Callable[[bytes, int, bool], None]) -> None:
        super().__init__(stream, lexis(), on_comment)

    def next(self) -> Token:
        if self.peek_byte() == 0x24:
            found = _DOLLAR.match(self.buffer, self.position)
            if found:
                offset, line = self.offset, self.line
                return Token(STRING, self._dollars(found[0]), offset, line)
        token = super().next()
        if token.kind != WORD or token.text is None or len(token.text) > 1:
            return token
        follows, upper = self.buffer[self.position : self.position + 2], token.text.upper()
        if follows[:1] == b"'" and upper in _PREFIXES:
            escapes = upper == b"E" or (upper == b"N" and self.lexis.backslash)
            text = self._quoted(b"'", backslash=escapes)
            return token._replace(kind=STRING, text=None if text is None else upper + text)
        if upper == b"U" and follows in (b"&'", b'&"'):
            self.position += 1
            text = self._quoted(follows[1:], backslash=False)
            kind = STRING if follows[1:] == b"'" else NAME
            return token._replace(kind=kind, text=None if text is None else b"U&" + text)
        return token

    def _dollars(self, tag: bytes) -> bytes | None:
        """Takes a dollar-quoted string; None when it is too long to be held."""
        outer, begun = self._mark is not None, self.offset
        if not outer:
            self._mark = self.position
        self.position += len(tag)
        while True:
            at = self.buffer.find(tag, self.position)
            if at >= 0:
                self.position = at + len(tag)
                break
            self.position = max(self.position, len(self.buffer) - len(tag) + 1)
            if not self.fill():
                self.unterminated, self.position = begun, len(self.buffer)
                break
        held = self._mark is not None and begun >= self._base
        text = self.buffer[begun - self._base : self.position] if held else None
        if not outer:
            self._mark = None
        return text

    def _skip_comment(self) -> bool:
        start = self.buffer[self.position : self.position + 2]
        if start == b"--":
            return self._line_comment(2)
        return self._comment_body() if start == b"/*" else False


class BadLiteral(ValueError):
    """A string whose escapes mean no text."""


def literal(text: bytes, *, backslash: bool, escape: bytes = b"\\") -> bytes:
    """What a STRING token means: bytes in the encoding of the script, bits as 0 and 1. Raises BadLiteral.

    `backslash` is True with standard_conforming_strings off; `escape` is the character of UESCAPE.
    """
    first = text[:1]
    if first == b"'":
        body = text[1:-1].replace(b"''", b"'") if not backslash else text[1:-1]
        return unescaped(body) if backslash else body
    if first == b"$":
        tag = text.index(b"$", 1) + 1
        return text[tag:-tag]
    if first == b"E":
        return unescaped(text[2:-1])
    if first == b"N":
        # A constant of type character: what takes it in as any other text type loses its blanks at the end (gram.y, NCHAR).
        return literal(text[1:], backslash=backslash).rstrip(b" ")
    if first == b"U":
        return _unicode(text[3:-1].replace(text[2:3] * 2, text[2:3]), escape)
    digits = text[2:-1]
    if first == b"B" and not digits.strip(b"01"):
        return digits
    if first == b"X":
        try:
            return b"".join(f"{int(bytes((digit,)), 16):04b}".encode() for digit in digits)
        except ValueError:
            pass
    raise BadLiteral(f"{text[:40]!r} holds other digits than its prefix allows")


def unescaped(body: bytes) -> bytes:
    """The inside of E'...' (manual, 4.1.2.2); doubled quotes are single ones."""
    return _ESCAPE.sub(_one, body)


def _one(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return _code_points([int(one, 16) for one in re.findall(rb"[0-9A-Fa-f]+", found[1])])
    if found[2]:
        return bytes((int(found[2], 8) & 0xFF,))
    if found[3]:
        return bytes((int(found[3], 16),))
    char: bytes = found[4]
    return b"'" if char is None else _SIMPLE.get(char, char)


def _code_points(points: list[int]) -> bytes:
    try:
        text = "".join(map(chr, points))
    except (ValueError, OverflowError) as error:
        raise BadLiteral("an escape names no character of Unicode") from error
    text = _SURROGATES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadLiteral("an escape gives half of a surrogate pair") from error


def _unicode(body: bytes, escape: bytes) -> bytes:
    """The inside of U&'...' (manual, 4.1.2.3)."""
    if len(escape) != 1:
        raise BadLiteral("UESCAPE takes one character")
    mark = re.escape(escape)
    pattern = re.compile(mark + mark + rb"|((?:" + mark + rb"(?:[0-9A-Fa-f]{4}|\+[0-9A-Fa-f]{6}))+)|" + mark, re.DOTALL)

    def replace(found: re.Match[bytes]) -> bytes:
        if found[1]:
            return _code_points([int(one.replace(b"+", b""), 16) for one in found[1].split(escape)[1:]])
        if found[0] == escape * 2:
            return escape
        raise BadLiteral("an escape of U&'...' is not understood")

    return pattern.sub(replace, body)
