"""Literals of SQLite -> values, and values -> the text that stands for them where their column has another type.

Canonical literals, which is what the tuples give: decimal numbers, `'text'` with its quotes doubled, `X'6869'`. Source:
https://sqlite.org/lang_expr.html (literal values).
"""

from __future__ import annotations

import re

import pyarrow as pa

from platform_assets.dictionary.types import FLOAT64
from platform_assets.formats.sqlite.affinity import INT_MAX, Value, number_in, number_of
from platform_assets.formats.sqlite.choice import EXACT_FLOAT, Choice

_LITERAL = re.compile(r"'|[xX]'|(?i:[+-]?(?:inf|infinity|nan)$)|CAST\(")


class Undecodable(ValueError):
    """A text that is no UTF-8; the message says where."""


def value_of(literal: bytes | None) -> Value:
    """The value of a canonical literal. Raises Undecodable."""
    if literal is None:
        return None
    first = literal[:1]
    if first == b"'":
        return text_of(literal[1:-1].replace(b"''", b"'"))
    if first in b"xX":
        return bytes.fromhex(literal[2:-1].decode("ascii"))
    text = literal.decode("ascii")
    return hexadecimal(text) if "x" in text or "X" in text else number_of(text)


def text_of_literal(literal: bytes) -> bytes | None:
    """The bytes of the text that a canonical literal is turned into; a blob's bytes are taken for text. None for a float."""
    if literal[:1] == b"'":
        return literal[1:-1].replace(b"''", b"'")
    if literal[:1] in b"xX":
        return bytes.fromhex(literal[2:-1].decode("ascii"))
    number = value_of(literal)
    return str(number).encode("ascii") if isinstance(number, int) else None


def hexadecimal(text: str) -> int:
    """0x7f: 64 bits in two's complement."""
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    number = int(digits, 16)
    return sign * (number - 2**64 if number > INT_MAX else number)


def text_of(data: bytes) -> str:
    """Raises Undecodable."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Undecodable(f"byte {data[error.start]:#04x} at {error.start} of the text is no UTF-8") from error


def quoted(data: bytes) -> bytes:
    return b"'" + data.replace(b"'", b"''") + b"'"


def blob_literal(data: bytes) -> str:
    return f"X'{data.hex()}'"


def shown(value: int | float | str | bytes, choice: Choice) -> str | bytes:
    """What goes to the cast for a value: what its column's type takes, else a text that it refuses and `_raw` keeps.

    In a mixed text and where a type refuses it, a text that would be taken for another value stands as a literal with its quotes.
    """
    kind = choice.type
    if pa.types.is_binary(kind):
        return value if isinstance(value, bytes) else _plain(value).encode("utf-8")
    if isinstance(value, bytes):
        return blob_literal(value)
    if isinstance(value, str):
        plain = pa.types.is_string(kind) and not choice.mixed
        alike = not plain and (_LITERAL.match(value) or number_in(value) is not None)
        return quoted(value.encode("utf-8")).decode("utf-8") if alike else value
    if kind == FLOAT64 and isinstance(value, int) and abs(value) > EXACT_FLOAT:
        return f"CAST('{value}' AS INTEGER)"
    return _plain(value)


def _plain(value: int | float | str) -> str:
    return value if isinstance(value, str) else repr(value)
