"""The values behind VALUES as canonical literals (values): which rows are plain, and all other values token by token.

Besides literals the functions are evaluated by which `.dump` writes what a literal cannot hold (calls), char(..), CAST(X'..' AS TEXT),
and `||` between them. Everything else is no literal. Source: https://sqlite.org/lang_corefunc.html, https://sqlite.org/lang_expr.html.
"""

from __future__ import annotations

import re
from functools import lru_cache

from platform_assets.formats.sql import tuples
from platform_assets.formats.sql.rows import Cells
from platform_assets.formats.sql.tokens import MAX_TOKEN, NUMBER, PUNCT, STRING, WORD, Token
from platform_assets.formats.sql.tuples import NotLiteral, tuple_of
from platform_assets.formats.sqlite.calls import JOINED_PART, canonical, inside, replaced, unistr
from platform_assets.formats.sqlite.tokens import SqliteTokens
from platform_assets.formats.sqlite.values import quoted, text_of_literal

_CONSTANTS = {b"TRUE": b"1", b"FALSE": b"0", b"INF": b"1e999", b"INFINITY": b"1e999"}
_HEXADECIMAL = re.compile(rb"0[xX][0-9a-fA-F]{1,16}")
_SPACED = re.compile(rb"[0-9]+(?:_[0-9]+)*")
_BYTES = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_CHANGED = b"ruxXc"
"""First bytes of functions and blobs."""
_DEEPEST = 50


@lru_cache(maxsize=256)
def plain_row(width: int) -> re.Pattern[bytes]:
    """One row of literals and functions of `.dump`, and the comma or semicolon behind it."""
    string = rb"'(?:[^']++|'')*+'"
    number = rb"[-+]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+(?![0-9A-Za-z_.])"
    character = rb"char\((?:10|13)\)"
    once = rb"replace\(" + string + rb"," + string + rb"," + character + rb"\)"
    twice = rb"replace\(" + once + rb"," + string + rb"," + character + rb"\)"
    part = rb"(?:" + JOINED_PART.pattern + rb")"
    joined = part + rb"(?:\|\|" + part + rb")++"
    return tuple_of(rb"|".join((string, number, rb"[xX]'[0-9A-Fa-f]*+'", once, twice, rb"unistr\(" + string + rb"\)", joined)), width)


class Tuples(tuples.Tuples):
    """The rows behind VALUES at the place where `tokens` stands."""

    tokens: SqliteTokens
    computer = "SQLite"

    def _pattern(self) -> re.Pattern[bytes]:
        return plain_row(self.width)

    def _row(self, groups: Cells) -> Cells | None:
        cells = list(groups)
        try:
            for at, cell in enumerate(groups):
                # Most are numbers and texts as they stand: a call for each would take longer than finding the row.
                if cell is not None and (b"||" in cell or cell[0] in _CHANGED or self.tokens.windows):
                    cells[at] = canonical(self.tokens.line_feeds(cell))
        except NotLiteral:
            return None
        return tuple(cells)

    def _value(self) -> bytes | None:
        return self._joined(0)

    def _joined(self, depth: int) -> bytes | None:
        """A value, or several with `||` between them, which are one text then, or NULL when one of them is."""
        literal = self._one(depth)
        while self.token.punct(b"|"):
            begun = self.token.offset
            self.token = self.tokens.next()
            if not self.token.punct(b"|") or self.token.offset != begun + 1:
                raise NotLiteral(self.shown(b"|"))
            self.token = self.tokens.next()
            other = self._one(depth)
            known = literal is not None and other is not None
            literal = quoted(_as_text(literal) + _as_text(other)) if known else None  # type: ignore[arg-type]
        return literal

    def _one(self, depth: int) -> bytes | None:
        token = self.token
        if depth > _DEEPEST:
            raise NotLiteral(self.shown())
        if token.kind == STRING:
            return self.then(self._string())
        if token.kind == NUMBER and token.text is not None:
            return self.then(token.text)
        if token.kind == PUNCT and token.text in (b"-", b"+"):
            return self._signed(token.text == b"-")
        if token.kind == PUNCT and token.text == b"(" and depth:
            raise NotLiteral(self.shown())
        if token.kind == WORD and token.text:
            return self._word(token.text, token, depth)
        raise NotLiteral(self.shown())

    def _string(self) -> bytes:
        if self.token.text is None:
            raise NotLiteral(f"a text of more than {MAX_TOKEN >> 20} MiB")
        if len(self.token.text) < 2 or self.token.text[-1:] != b"'":
            raise NotLiteral("a text that does not end")
        return self.tokens.line_feeds(self.token.text)

    def _signed(self, negative: bool) -> bytes:
        self.token = self.tokens.next()
        text = self.token.text or b""
        if self.token.kind == WORD:
            text = _CONSTANTS.get(text.upper(), text) if text.upper().startswith(b"INF") else text
            number = _number_word(text)
            if number is None:
                raise NotLiteral(self.shown())
        elif self.token.kind == NUMBER:
            number = text
        else:
            raise NotLiteral(self.shown())
        if negative and not number.startswith(b"-"):
            number = b"-" + number
        elif negative:
            number = number[1:]
        self.token = self.tokens.next()
        return number

    def _word(self, text: bytes, word: Token, depth: int) -> bytes | None:
        upper = text.upper()
        if upper == b"NULL":
            return self.then(None)
        if upper in _CONSTANTS:
            return self.then(_CONSTANTS[upper])
        number = _number_word(text)
        if number is not None:
            return self.then(number)
        self.token = self.tokens.next()
        if upper == b"X" and self.token.kind == STRING and self.token.offset == word.offset + 1:
            digits = self._string()[1:-1]
            if _BYTES.fullmatch(digits) is None:
                raise NotLiteral(self.shown(text))
            return self.then(b"X'" + digits + b"'")
        if self.token.punct(b"("):
            if upper == b"CAST":
                return self._cast(depth)
            if upper in (b"REPLACE", b"UNISTR", b"CHAR"):
                return self._call(upper, depth)
        raise NotLiteral(self.shown(text))

    def _arguments(self, depth: int) -> list[bytes | None]:
        """The values between the parentheses; `token` is the opening one, afterwards the one behind the closing one."""
        found: list[bytes | None] = []
        self.token = self.tokens.next()
        while not self.token.punct(b")"):
            found.append(self._joined(depth + 1))
            if self.token.punct(b","):
                self.token = self.tokens.next()
            elif not self.token.punct(b")"):
                raise NotLiteral(self.shown())
        self.token = self.tokens.next()
        return found

    def _call(self, function: bytes, depth: int) -> bytes:
        given = self._arguments(depth)
        if function == b"CHAR" and given and all(number is not None and number.isdigit() and len(number) < 8 for number in given):
            codes = [int(number or b"0") for number in given]
            return quoted("".join(map(chr, codes)).encode("utf-8", "surrogatepass")) if max(codes) <= 0x10FFFF else _refuse(function)
        texts = [inside(text) for text in given if text is not None and text[:1] == b"'"]
        if len(texts) != len(given):
            _refuse(function)
        if function == b"UNISTR" and len(texts) == 1:
            return quoted(unistr(texts[0]))
        if function == b"REPLACE" and len(texts) == 3:
            if len(texts[2]) > 4:
                _refuse(function)
            return quoted(replaced(texts[0], texts[1], texts[2]))
        return _refuse(function)

    def _cast(self, depth: int) -> bytes:
        """CAST(X'..' AS TEXT): a text of these bytes."""
        self.token = self.tokens.next()
        literal = self._joined(depth + 1)
        words: list[bytes] = []
        while self.token.kind == WORD and len(words) < 3:
            words.append((self.token.text or b"").upper())
            self.token = self.tokens.next()
        if literal is None or literal[:1] not in b"X'" or words != [b"AS", b"TEXT"] or not self.token.punct(b")"):
            raise NotLiteral("a CAST")
        self.token = self.tokens.next()
        return literal if literal[:1] == b"'" else quoted(bytes.fromhex(literal[2:-1].decode("ascii")))


def _as_text(literal: bytes) -> bytes:
    """A literal as `||` takes it. Raises NotLiteral for a float, whose text is another in each version of SQLite."""
    text = text_of_literal(literal)
    if text is None:
        raise NotLiteral(f"{literal[:60].decode('ascii')} ||")
    return text


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
