"""A statement's tokens as PostgreSQL reads them: names folded to lower case, texts with their escapes, types as they were written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from platform_assets.formats.postgres.tokens import BadLiteral, literal
from platform_assets.formats.sql.statement import DdlError, Statement
from platform_assets.formats.sql.tokens import NAME, NUMBER, PUNCT, STRING, WORD, Token


class Cursor(Statement):
    """`text` decodes bytes of the script and never fails; `backslash` is True with standard_conforming_strings off."""

    name_kinds = (WORD, NAME)

    def __init__(self, tokens: Sequence[Token], text: Callable[[bytes], str], *, backslash: bool = False) -> None:
        super().__init__(tokens)
        self._text = text
        self._backslash = backslash

    def text(self, data: bytes) -> str:
        return self._text(data)

    def named(self, token: Token) -> str:
        """Folded to lower case unless it is quoted."""
        text = token.text or b""
        if token.kind == NAME:
            try:
                body = literal(b"U&'" + text[3:-1] + b"'", backslash=False) if text[:2] == b"U&" else text[1:-1]
            except BadLiteral as error:
                raise DdlError(str(error)) from error
            return self._text(body.replace(b'""', b'"'))
        # PostgreSQL folds A-Z; other letters only in single-byte encodings.
        return self._text(bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in text))

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

    def written(self, start: int) -> str:
        """The text from a place to here as it was written, blanks aside."""
        text, glue = "", True
        for token in self.tokens[start : self.at]:
            piece = self._text(token.text or b"")
            apart = token.kind in (WORD, NAME, NUMBER, STRING) and not glue
            text += f" {piece}" if apart else piece
            glue = token.kind == PUNCT and token.text in (b"(", b".", b"[", b":")
        return text
