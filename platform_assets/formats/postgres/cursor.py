"""A statement's tokens with a place in them: words, names folded as PostgreSQL folds them, texts, groups in parentheses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from platform_assets.formats.postgres.tokens import BadLiteral, literal
from platform_assets.formats.sql.tokens import NAME, NUMBER, PUNCT, STRING, WORD, Token

QualifiedName = tuple[str | None, str]
"""Schema (None: not said) and name."""


class DdlError(ValueError):
    """A statement that cannot be understood; the message quotes where."""


class Cursor:
    """`text` decodes bytes of the script and never fails; `backslash` is True with standard_conforming_strings off."""

    def __init__(self, tokens: Sequence[Token], text: Callable[[bytes], str], *, backslash: bool = False) -> None:
        self.tokens = tokens
        self.at = 0
        self._text = text
        self._backslash = backslash

    @property
    def here(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def sub(self, tokens: Sequence[Token]) -> Cursor:
        """A cursor over other tokens of the same script."""
        return Cursor(tokens, self._text, backslash=self._backslash)

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
        found = self.here is not None and self.here.punct(char)
        self.at += found
        return found

    def name(self) -> str:
        """The next token as a name: folded to lower case unless it is quoted. Raises DdlError."""
        token = self.here
        if token is None or token.text is None or token.kind not in (WORD, NAME):
            raise DdlError(f"a name is missing at {self.quote()}")
        self.at += 1
        return self._folded(token)

    def _folded(self, token: Token) -> str:
        text = token.text or b""
        if token.kind == NAME:
            try:
                body = literal(b"U&'" + text[3:-1] + b"'", backslash=False) if text[:2] == b"U&" else text[1:-1]
            except BadLiteral as error:
                raise DdlError(str(error)) from error
            return self._text(body.replace(b'""', b'"'))
        # PostgreSQL folds A-Z; other letters only in single-byte encodings.
        return self._text(bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in text))

    def path(self) -> list[str]:
        """Names joined by dots."""
        names = [self.name()]
        while self.punct(b"."):
            names.append(self.name())
        return names

    def qualified(self) -> QualifiedName:
        """`table`, `schema.table` or `database.schema.table`, whose database is the one in use."""
        names = self.path()
        return (names[-2] if len(names) > 1 else None, names[-1])

    def string(self) -> str | None:
        """The next tokens as one text; None for NULL. Raises DdlError."""
        if self.word(b"NULL"):
            return None
        token = self.here
        if token is None or token.kind != STRING or token.text is None:
            raise DdlError(f"a text is missing at {self.quote()}")
        parts = []
        while (token := self.here) is not None and token.kind == STRING and token.text is not None:
            try:
                parts.append(literal(token.text, backslash=self._backslash))
            except BadLiteral as error:
                raise DdlError(str(error)) from error
            self.at += 1
        return self._text(b"".join(parts))

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

    def names(self) -> tuple[str, ...]:
        """The names of a list in parentheses. Raises DdlError when it holds anything else."""
        return tuple(self.sub(part).name() for part in split_commas(self.group()) if part)

    def written(self, start: int) -> str:
        """The text from a place to here as it was written, blanks aside."""
        text, glue = "", True
        for token in self.tokens[start : self.at]:
            piece = self._text(token.text or b"")
            apart = token.kind in (WORD, NAME, NUMBER, STRING) and not glue
            text += f" {piece}" if apart else piece
            glue = token.kind == PUNCT and token.text in (b"(", b".", b"[", b":")
        return text

    def quote(self) -> str:
        rest = b" ".join(token.text or b"..." for token in self.tokens[self.at : self.at + 6])
        return repr(self._text(rest)) if rest else "the end"


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
