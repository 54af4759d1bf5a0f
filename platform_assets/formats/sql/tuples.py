"""The tuples behind VALUES, one after the other, out of a statement of any length.

Two ways to one result: a regular expression that takes a whole plain tuple, and token by token for all others (comments or functions
inside, a tuple that runs over the buffer's end, a wrong number of values). What a plain tuple and a value look like is the dialect's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_assets.formats.sql.rows import Cells
from platform_assets.formats.sql.tokens import END, EOF, PUNCT, Token, Tokens

DEFAULT = b"D"
"""Stands for the word DEFAULT where a value may be; no literal begins with it."""
NUMBER_PATTERN = rb"-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"


class NotLiteral(Exception):
    """A value that only a server can compute, or no value at all; the message quotes it."""


@dataclass(frozen=True)
class Problem:
    """Why a tuple is no row. `raw` is None when it was too long to be held; `ended`: the statement ended inside it, `cut`: the file did."""

    code: str
    message: str
    raw: bytes | None
    line: int
    offset: int
    ended: bool = False
    cut: bool = False


def tuple_of(value: bytes, width: int) -> re.Pattern[bytes]:
    """Takes one plain tuple and the comma or semicolon behind it. A group per value, None for NULL; a last one for the semicolon."""
    return re.compile(rb"\(\s*+" + rb"\s*+,\s*+".join([rb"(?:NULL|(" + value + rb"))"] * width) + rb"\s*+\)\s*+(?:,\s*+|(;))", re.DOTALL)


class Tuples:
    """The tuples at the place where `tokens` stands; each should have `width` values, -1: as many as the first.

    `token` is the next token that is not used yet.
    """

    computer = "a server"
    """What alone could compute what is no literal."""

    def __init__(self, tokens: Tokens, width: int) -> None:
        self.tokens = tokens
        self.width = width
        self.token = Token(EOF, b"", 0, 0)
        self.semicolon = -1
        """Where the last statement ended that `plain` went on behind; -1 when there was none."""

    def _pattern(self) -> re.Pattern[bytes]:
        """One plain tuple of `width` values, as `tuple_of` makes it."""
        raise NotImplementedError

    def _value(self) -> bytes | None:
        """The value that begins with `token`; afterwards `token` is the one behind it. Raises NotLiteral."""
        raise NotImplementedError

    def _row(self, groups: Cells) -> Cells | None:
        """What the pattern found, as literals; None when it is no plain tuple all the same."""
        return groups

    def plain(self, cells: list[Cells], lines: list[int], limit: int, joint: bytes = b"") -> bool:
        """Appends plain tuples and their lines as long as there are any in the buffer, to at most `limit`. True: a semicolon ended them.

        It goes on behind a semicolon where `joint` stands, the text from there to the next statement's first tuple. Each appended tuple
        has one group more than values, the semicolon.
        """
        tokens = self.tokens
        self.semicolon = -1
        if tokens.lexis.delimiter != b";" or self.width <= 0:
            return False
        tokens.peek_byte()
        match = self._pattern().match
        buffer, position, line, counted = tokens.buffer, tokens.position, tokens.line, tokens.position
        count, ended, last = buffer.count, False, self.width + 1
        while len(cells) < limit:
            found = match(buffer, position)
            row = self._row(found.groups()) if found is not None else None
            if found is None or row is None:
                break
            line += count(b"\n", counted, position)
            counted = position
            cells.append(row)
            lines.append(line)
            position = found.end()
            if found.lastindex == last:
                if not joint or not buffer.startswith(joint, position - 1):
                    ended = True
                    break
                self.semicolon = tokens.offset + position - 1 - tokens.position
                position += len(joint) - 1
        tokens.position = position
        return ended

    def one(self, opening: Token) -> Cells | Problem:
        """The tuple whose `(` was taken as `opening`, token by token. The mark was set before it."""
        cells: list[bytes | None] = []
        self.token = self.tokens.next()
        try:
            while True:
                cells.append(self._value())
                if self.token.punct(b")"):
                    return self.counted(cells, opening)
                if not self.token.punct(b","):
                    raise NotLiteral(self.shown())
                self.token = self.tokens.next()
        except NotLiteral as error:
            return self._skip(opening, str(error), len(cells))

    def counted(self, cells: list[bytes | None], opening: Token) -> Cells | Problem:
        """The cells as a row, unless their number is another than `width`; that takes the mark away."""
        if self.width < 0:
            self.width = len(cells)
        if len(cells) == self.width:
            return tuple(cells)
        code = "missing-cell" if len(cells) < self.width else "extra-cell"
        return Problem(code, f"{len(cells)} values for {self.width} columns", self.tokens.raw(), opening.line, opening.offset)

    def _skip(self, opening: Token, shown: str, column: int, depth: int = 1) -> Problem:
        """Goes behind the tuple's closing parenthesis, or to the end of its statement."""
        while self.token.kind not in (END, EOF):
            depth += (self.token.kind == PUNCT) * ((self.token.text == b"(") - (self.token.text == b")"))
            if depth <= 0:
                break
            self.token = self.tokens.next()
        cut, ended = self.token.kind == EOF, self.token.kind == END
        code = "cut-row" if cut else "syntax-error" if ended else "not-a-literal"
        message = f"value {column + 1} is no literal: {shown}; only {self.computer} could compute it"
        message = "the file ends inside this row" if cut else message
        return Problem(code, message, self.tokens.raw(), opening.line, opening.offset, ended, cut)

    def then(self, cell: bytes | None) -> bytes | None:
        """The cell; goes behind its last token."""
        self.token = self.tokens.next()
        return cell

    def shown(self, before: bytes = b"") -> str:
        text = before + b" " * bool(before) + (self.token.text or b"")
        return repr(text[:60].decode("utf-8", "backslashreplace"))
