"""Calls of stored procedures as values: their name and arguments. What a call means to the tables is mssql.statements'."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_assets.formats.mssql.ddl import Name, Statement
from platform_assets.formats.mssql.literals import Refused, text_of
from platform_assets.formats.mssql.values import NotLiteral, literal_of
from platform_assets.formats.sql.statement import DdlError, split_commas
from platform_assets.formats.sql.tokens import Token


@dataclass(frozen=True)
class Call:
    """EXEC of a procedure: its name, and its arguments by name in lower case without the @, or by position from 0. Texts and bare words."""

    procedure: str
    named: Mapping[str, str]
    placed: tuple[str, ...]

    def argument(self, name: str, position: int) -> str | None:
        return self.named.get(name, self.placed[position] if position < len(self.placed) else None)


def call(statement: Statement) -> Call | None:
    """The procedure call behind EXEC; None for what calls no procedure by name, as EXEC ('...')."""
    if statement.here is not None and (statement.here.text or b"")[:1] == b"@":
        statement.skip()
        if not statement.punct(b"="):
            return None
    try:
        name = statement.qualified().table
    except DdlError:
        return None
    named: dict[str, str] = {}
    placed: list[str] = []
    for part in filter(None, split_commas(statement.tokens[statement.at :])):
        first = part[0].text or b""
        if first[:1] == b"@" and len(part) > 2 and part[1].punct(b"="):
            named[first[1:].decode("utf-8", "backslashreplace").lower()] = _argument(part[2:])
        else:
            placed.append(_argument(part))
    return Call(name.lower(), named, tuple(placed))


def _argument(tokens: Sequence[Token]) -> str:
    text = literal_text(tokens)
    return " ".join(Statement(tokens).named(token) for token in tokens) if text is None else text


def literal_text(tokens: Sequence[Token]) -> str | None:
    """The text that these tokens are; None when they are none."""
    try:
        cell = literal_of(tokens)
        return text_of(cell) if cell is not None and cell[:1] in (b"'", b"N") else None
    except (NotLiteral, Refused):
        return None


def text_name(text: str) -> Name:
    """A name within a text, as in OBJECT_ID('[dbo].[t]'). Raises DdlError."""
    parts = [part.replace("]]", "]") for part in re.split(r"\]?\.\[?", text.strip().removeprefix("[").removesuffix("]"))]
    if len(parts) > 3 or not parts[-1]:
        raise DdlError(f"{text!r} is no name")
    return Name(*([None] * (3 - len(parts))), *(part or None for part in parts[:-1]), parts[-1])  # type: ignore[arg-type,call-arg]
