"""The rows behind VALUES one by one, as canonical literals (values): by one expression where they are plain, else token by token.

Besides literals the functions are evaluated by which `.dump` writes what a literal cannot hold: replace(.., char(10)), unistr(..),
char(..), CAST(X'..' AS TEXT). Everything else is no literal. Source: shell.c (output_quoted_escaped_string),
https://sqlite.org/lang_corefunc.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from platform_assets.formats.sql.tokens import END, EOF, MAX_TOKEN, NUMBER, PUNCT, STRING, WORD, Token, Tokens
from platform_assets.formats.sqlite.values import quoted

Cells = tuple[bytes | None, ...]
_CONSTANTS = {b"TRUE": b"1", b"FALSE": b"0", b"INF": b"1e999", b"INFINITY": b"1e999"}
_HEXADECIMAL = re.compile(rb"0[xX][0-9a-fA-F]{1,16}")
_SPACED = re.compile(rb"[0-9]+(?:_[0-9]+)*")
_BYTES = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_UNISTR = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|\+([0-9a-fA-F]{6})|U([0-9a-fA-F]{8})|([0-9a-fA-F]{4})|(\\))|(\\)")
_DEEPEST = 50


class NotLiteral(Exception):
    """A value that only SQLite could compute, or no value at all; the message quotes it."""


@dataclass(frozen=True)
class Problem:
    """Why a row is none. `raw` is None when it was too long to be held; `ended`: the statement ended inside it, `cut`: the file did."""

    code: str
    message: str
    raw: bytes | None
    line: int
    offset: int
    ended: bool = False
    cut: bool = False


@lru_cache(maxsize=256)
def plain_row(width: int) -> re.Pattern[bytes]:
    """One row of literals and functions of `.dump`, and the comma or semicolon behind it. A group per value, then one for the semicolon."""
    string = rb"'(?:[^']++|'')*+'"
    number = rb"[-+]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+(?![0-9A-Za-z_.])"
    character = rb"char\((?:10|13)\)"
    once = rb"replace\(" + string + rb"," + string + rb"," + character + rb"\)"
    twice = rb"replace\(" + once + rb"," + string + rb"," + character + rb"\)"
    written = rb"|".join((string, number, rb"[xX]'[0-9A-Fa-f]*+'", once, twice, rb"unistr\(" + string + rb"\)"))
    value = rb"(?:NULL|(" + written + rb"))"
    return re.compile(rb"\(\s*+" + rb"\s*+,\s*+".join([value] * width) + rb"\s*+\)\s*+(?:,\s*+|(;))", re.DOTALL)


_CALL = re.compile(rb"'(?:[^']|'')*'|char\(1[03]\)")


def canonical(literal: bytes | None) -> bytes | None:
    """A value as plain_row found it as a canonical literal. Raises NotLiteral for a unistr that SQLite refuses, or an odd blob."""
    if literal is None or literal[:1] not in b"ruxX":
        return literal
    if literal[:1] in b"xX":
        if len(literal) % 2 == 0:
            raise NotLiteral(repr(literal[:60].decode("ascii")))
        return literal
    parts = _CALL.findall(literal)
    text = _inside(parts[0])
    if literal[:1] == b"u":
        return quoted(unistr(text))
    for pattern, character in zip(parts[1::2], parts[2::2], strict=True):
        text = _replaced(text, _inside(pattern), bytes((int(character[5:7]),)))
    return quoted(text)


def _inside(string: bytes) -> bytes:
    return string[1:-1].replace(b"''", b"'")


def _replaced(text: bytes, pattern: bytes, by: bytes) -> bytes:
    """replace(X, '', Y) is X."""
    return text.replace(pattern, by) if pattern else text


def unistr(text: bytes) -> bytes:
    r"""unistr(): \XXXX, \uXXXX, \+XXXXXX and \UXXXXXXXX are characters by number, \\ is a backslash. Raises NotLiteral for another \."""

    def one(found: re.Match[bytes]) -> bytes:
        if found[6]:
            raise NotLiteral(f"unistr of {text[:60].decode('utf-8', 'backslashreplace')!r} (invalid escape)")
        if found[5]:
            return b"\\"
        number = int(found[1] or found[2] or found[3] or found[4], 16)
        if number > 0x10FFFF:
            raise NotLiteral(f"unistr of character number {number:#x}")
        return chr(number).encode("utf-8", "surrogatepass")

    return _UNISTR.sub(one, text)


class Tuples:
    """The rows behind VALUES at the place where `tokens` stands; each should have `width` values."""

    def __init__(self, tokens: Tokens, width: int) -> None:
        self.tokens = tokens
        self.width = width
        self.token = Token(EOF, b"", 0, 0)

    def plain(self) -> tuple[Cells, bool] | None:
        """One plain row if it stands in the buffer whole, and whether a semicolon ended it."""
        tokens = self.tokens
        if not self.width:
            return None
        found = plain_row(self.width).match(tokens.buffer, tokens.position)
        if found is None:
            return None
        groups = found.groups()
        try:
            cells = tuple(map(canonical, groups[:-1]))
        except NotLiteral:
            return None
        tokens.position = found.end()
        return cells, groups[-1] is not None

    def one(self, opening: Token) -> Cells | Problem:
        """The row whose `(` was taken as `opening`, token by token. The mark was set before it."""
        cells: list[bytes | None] = []
        self.token = self.tokens.next()
        try:
            while True:
                cells.append(self._value(0))
                if self.token.punct(b")"):
                    break
                if not self.token.punct(b","):
                    raise NotLiteral(self._shown())
                self.token = self.tokens.next()
        except NotLiteral as error:
            return self._skip(opening, str(error), len(cells))
        if len(cells) == self.width:
            return tuple(cells)
        code = "missing-cell" if len(cells) < self.width else "extra-cell"
        return Problem(code, f"{len(cells)} values for {self.width} columns", self.tokens.raw(), opening.line, opening.offset)

    def _skip(self, opening: Token, shown: str, column: int) -> Problem:
        """Goes behind the row's closing parenthesis."""
        depth = 1
        while self.token.kind not in (END, EOF):
            depth += (self.token.kind == PUNCT) * ((self.token.text == b"(") - (self.token.text == b")"))
            if depth <= 0:
                break
            self.token = self.tokens.next()
        cut, ended = self.token.kind == EOF, self.token.kind == END
        code = "cut-row" if cut else "syntax-error" if ended else "not-a-literal"
        message = "the file ends inside this row" if cut else f"value {column + 1} is no literal: {shown}; only SQLite could compute it"
        return Problem(code, message, self.tokens.raw(), opening.line, opening.offset, ended, cut)

    def _value(self, depth: int) -> bytes | None:
        """The value that begins with `token`; afterwards `token` is the one behind it."""
        token = self.token
        if depth > _DEEPEST:
            raise NotLiteral(self._shown())
        if token.kind == STRING:
            return self._then(self._string())
        if token.kind == NUMBER and token.text is not None:
            return self._then(token.text)
        if token.kind == PUNCT and token.text in (b"-", b"+"):
            return self._signed(token.text == b"-")
        if token.kind == PUNCT and token.text == b"(" and depth:
            raise NotLiteral(self._shown())
        if token.kind == WORD and token.text:
            return self._word(token.text, token, depth)
        raise NotLiteral(self._shown())

    def _then(self, literal: bytes | None) -> bytes | None:
        self.token = self.tokens.next()
        return literal

    def _string(self) -> bytes:
        if self.token.text is None:
            raise NotLiteral(f"a text of more than {MAX_TOKEN >> 20} MiB")
        if len(self.token.text) < 2 or self.token.text[-1:] != b"'":
            raise NotLiteral("a text that does not end")
        return self.token.text

    def _signed(self, negative: bool) -> bytes:
        self.token = self.tokens.next()
        text = self.token.text or b""
        if self.token.kind == WORD:
            text = _CONSTANTS.get(text.upper(), text) if text.upper().startswith(b"INF") else text
            number = _number_word(text)
            if number is None:
                raise NotLiteral(self._shown())
        elif self.token.kind == NUMBER:
            number = text
        else:
            raise NotLiteral(self._shown())
        if negative and not number.startswith(b"-"):
            number = b"-" + number
        elif negative:
            number = number[1:]
        self.token = self.tokens.next()
        return number

    def _word(self, text: bytes, word: Token, depth: int) -> bytes | None:
        upper = text.upper()
        if upper == b"NULL":
            return self._then(None)
        if upper in _CONSTANTS:
            return self._then(_CONSTANTS[upper])
        number = _number_word(text)
        if number is not None:
            return self._then(number)
        self.token = self.tokens.next()
        if upper == b"X" and self.token.kind == STRING and self.token.offset == word.offset + 1:
            digits = self._string()[1:-1]
            if _BYTES.fullmatch(digits) is None:
                raise NotLiteral(self._shown(text))
            return self._then(b"X'" + digits + b"'")
        if self.token.punct(b"("):
            if upper == b"CAST":
                return self._cast(depth)
            if upper in (b"REPLACE", b"UNISTR", b"CHAR"):
                return self._call(upper, depth)
        raise NotLiteral(self._shown(text))

    def _arguments(self, depth: int) -> list[bytes | None]:
        """The values between the parentheses; `token` is the opening one, afterwards the one behind the closing one."""
        found: list[bytes | None] = []
        self.token = self.tokens.next()
        while not self.token.punct(b")"):
            found.append(self._value(depth + 1))
            if self.token.punct(b","):
                self.token = self.tokens.next()
            elif not self.token.punct(b")"):
                raise NotLiteral(self._shown())
        self.token = self.tokens.next()
        return found

    def _call(self, function: bytes, depth: int) -> bytes:
        given = self._arguments(depth)
        if function == b"CHAR" and given and all(number is not None and number.isdigit() and len(number) < 8 for number in given):
            codes = [int(number or b"0") for number in given]
            return quoted("".join(map(chr, codes)).encode("utf-8", "surrogatepass")) if max(codes) <= 0x10FFFF else _refuse(function)
        texts = [_inside(text) for text in given if text is not None and text[:1] == b"'"]
        if len(texts) != len(given):
            _refuse(function)
        if function == b"UNISTR" and len(texts) == 1:
            return quoted(unistr(texts[0]))
        if function == b"REPLACE" and len(texts) == 3:
            if len(texts[2]) > 4:
                _refuse(function)
            return quoted(_replaced(texts[0], texts[1], texts[2]))
        return _refuse(function)

    def _cast(self, depth: int) -> bytes:
        """CAST(X'..' AS TEXT): a text of these bytes."""
        self.token = self.tokens.next()
        literal = self._value(depth + 1)
        words: list[bytes] = []
        while self.token.kind == WORD and len(words) < 3:
            words.append((self.token.text or b"").upper())
            self.token = self.tokens.next()
        if literal is None or literal[:1] not in b"X'" or words != [b"AS", b"TEXT"] or not self.token.punct(b")"):
            raise NotLiteral("a CAST")
        self.token = self.tokens.next()
        return literal if literal[:1] == b"'" else quoted(bytes.fromhex(literal[2:-1].decode("ascii")))

    def _shown(self, before: bytes = b"") -> str:
        text = before + b" " * bool(before) + (self.token.text or b"")
        return repr(text[:60].decode("utf-8", "backslashreplace"))


def _refuse(function: bytes) -> bytes:
    raise NotLiteral(f"{function.decode('ascii').lower()}(...)")


def _number_word(text: bytes) -> bytes | None:
    """0x1F, 1_000 and 1e999 of a word."""
    if _HEXADECIMAL.fullmatch(text):
        number = int(text, 16)
        return str(number - 2**64 if number >= 2**63 else number).encode("ascii")
    if _SPACED.fullmatch(text):
        return text.replace(b"_", b"")
    return text if text == b"1e999" else None
