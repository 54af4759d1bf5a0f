"""A statement's tokens with a place in them: the words, names, texts and groups of a definition, taken one after the other.

How names fold and what texts mean is the dialect's; here is what they go through alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Self

from platform_assets.formats.sql.tokens import NAME, NUMBER, PUNCT, STRING, WORD, Token

QualifiedName = tuple[str | None, str]
"""Database or schema (None: not said) and name."""


class DdlError(ValueError):
    """A definition that cannot be understood; the message quotes where."""


class Statement:
    """`at` is the place of the next token."""

    name_kinds: tuple[int, ...] = (WORD, NAME, STRING, NUMBER)
    """Kinds of tokens that may be a name."""

    def __init__(self, tokens: Sequence[Token], at: int = 0) -> None:
        self.tokens = tokens
        self.at = at

    def sub(self, tokens: Sequence[Token]) -> Self:
        """The same reading over other tokens of the script."""
        other = copy(self)
        other.tokens, other.at = tokens, 0
        return other

    def text(self, data: bytes) -> str:
        """Bytes of the script as text; never fails."""
        return data.decode("utf-8", "backslashreplace")

    @property
    def here(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def skip(self) -> Token | None:
        """The next token, whatever it is."""
        token = self.here
        self.at += token is not None
        return token

    def word(self, *words: bytes) -> bool:
        """Takes the next token when it is one of these words."""
        found = self.here is not None and self.here.is_(*words)
        self.at += found
        return found

    def words(self, *words: bytes) -> bool:
        """Takes the next tokens when they are exactly these words in this order."""
        rest = self.tokens[self.at : self.at + len(words)]
        found = len(rest) == len(words) and all(token.is_(word) for token, word in zip(rest, words, strict=True))
        self.at += len(words) * found
        return found

    def punct(self, char: bytes) -> bool:
        """Takes the next token when it is this character."""
        found = self.here is not None and self.here.punct(char)
        self.at += found
        return found

    def name(self) -> str:
        """The next token as a name, quoted or not. Raises DdlError."""
        token = self.here
        if token is None or token.text is None or token.kind not in self.name_kinds:
            raise DdlError(f"a name is missing at {self.quote()}")
        self.at += 1
        return self.named(token)

    def named(self, token: Token) -> str:
        """What a token means as a name: what stands between its quotes or brackets, the closing one doubled."""
        text = token.text or b""
        if token.kind in (WORD, NUMBER):
            return self.text(text)
        return self.text(text[1:-1].replace(text[-1:] * 2, text[-1:]))

    def path(self) -> list[str]:
        """Names joined by dots."""
        names = [self.name()]
        while self.punct(b"."):
            names.append(self.name())
        return names

    def qualified(self) -> QualifiedName:
        """`table` or `database.table`; what stands before those is the one in use."""
        names = self.path()
        return (names[-2] if len(names) > 1 else None, names[-1])

    def names(self) -> tuple[str, ...]:
        """The names with which the parts of a list in parentheses begin. Raises DdlError."""
        return tuple(self.sub(part).name() for part in split_commas(self.group()) if part)

    def group(self) -> list[Token]:
        """The tokens between the parentheses that begin here; empty when none do. Goes behind them."""
        if not self.punct(b"("):
            return []
        start, depth = self.at, 1
        while depth and (token := self.here) is not None:
            depth += (token.kind == PUNCT) * ((token.text == b"(") - (token.text == b")"))
            self.at += 1
        if depth:
            raise DdlError("a parenthesis is not closed")
        return list(self.tokens[start : self.at - 1])

    def since(self, start: int) -> str:
        """The tokens from there to here as text, blanks between words alone."""
        text = ""
        for token in self.tokens[start : self.at]:
            piece = self.text(token.text or b"")
            text += f" {piece}" if text[-1:].isalnum() and piece[:1].isalnum() else piece
        return text

    def quote(self) -> str:
        """What stands next, for messages."""
        rest = b" ".join(token.text or b"..." for token in self.tokens[self.at : self.at + 6])
        return repr(self.text(rest)) if rest else "the end"


def split_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """Parts between the commas that stand in no parentheses or brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == PUNCT:
            depth += (token.text in (b"(", b"[")) - (token.text in (b")", b"]"))
            if token.text == b"," and depth == 0:
                parts.append([])
                continue
        parts[-1].append(token)
    return parts
