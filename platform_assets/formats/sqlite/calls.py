"""The functions by which `.dump` writes what a literal cannot hold, around a quoted text: replace(.., char(10)) and unistr(..).

Source: shell.c (output_quoted_escaped_string), https://sqlite.org/lang_corefunc.html. One text at a time, and whole columns.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.cells import Flags, Octets
from platform_assets.formats.sql.tuples import NotLiteral
from platform_assets.formats.sqlite.values import quoted

_CR, _LF = b",'\\r',char(13))", b",'\\n',char(10))"
CALLS = ((b"replace(replace(", _CR + _LF), (b"replace(", _LF), (b"replace(", _CR), (b"unistr(", b")"))
"""What stands before and behind the text, as `.dump` writes it for nearly all texts."""
_PART = re.compile(rb"'(?:[^']|'')*'|char\(1[03]\)")
_STRING = re.compile(rb"'(?:[^']++|'')*+'")
JOINED_PART = re.compile(_STRING.pattern + rb"|X'(?:[0-9A-Fa-f]{2})*+'|char\([0-9]{1,6}\)")
"""What `||` joins in a plain row; numbers, NULL and other functions are read token by token."""
_UNISTR = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|\+([0-9a-fA-F]{6})|U([0-9a-fA-F]{8})|([0-9a-fA-F]{4})|(\\))|(\\)")


def canonical(literal: bytes | None) -> bytes | None:
    """A value as plain_row found it as a canonical literal. Raises NotLiteral for a unistr that SQLite refuses, or an odd blob."""
    if literal is None or (literal[:1] not in b"ruxXc" and b"||" not in literal):
        return literal
    if b"||" in literal and _STRING.fullmatch(literal) is None:
        return quoted(b"".join(map(_part, JOINED_PART.findall(literal))))
    if literal[:1] == b"'":
        return literal
    if literal[:1] in b"xX":
        if len(literal) % 2 == 0:
            raise NotLiteral(repr(literal[:60].decode("ascii")))
        return literal
    parts = _PART.findall(literal)
    text = inside(parts[0])
    if literal[:1] == b"u":
        return quoted(unistr(text))
    for pattern, character in zip(parts[1::2], parts[2::2], strict=True):
        text = replaced(text, inside(pattern), bytes((int(character[5:7]),)))
    return quoted(text)


def _part(part: bytes) -> bytes:
    """The bytes of a part of a text that `||` joins."""
    if part[:1] == b"c":
        return chr(int(part[5:-1])).encode("utf-8", "surrogatepass")
    return inside(part) if part[:1] == b"'" else bytes.fromhex(part[2:-1].decode("ascii"))


def inside(string: bytes) -> bytes:
    """What a quoted text stands for."""
    return string[1:-1].replace(b"''", b"'")


def replaced(text: bytes, pattern: bytes, by: bytes) -> bytes:
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


def has_calls(firsts: Octets) -> bool:
    """Whether one of the cells that begin with these bytes is a function."""
    return bool(((firsts == ord("r")) | (firsts == ord("u"))).any())


def without_calls(literals: pa.Array, firsts: Octets) -> tuple[pa.Array, Flags]:
    """The column with canonical literals for its functions, which are of CALLS, and which cells are none after all (NULL then)."""
    bad = np.zeros(len(literals), bool)
    for opening, closing in CALLS:
        mask = firsts == opening[0]
        if not mask.any():
            continue
        flags = pc.and_(pc.starts_with(literals, opening + b"'"), pc.ends_with(literals, closing))
        mask &= pc.fill_null(flags, False).to_numpy(zero_copy_only=False)
        texts = pc.binary_slice(literals.filter(pa.array(mask)), len(opening), -len(closing))
        if opening == b"unistr(":
            texts, odd = _unistr_column(texts)
            bad[np.flatnonzero(mask)[odd]] = True
        else:
            texts = pc.replace_substring(texts, b"\\r", b"\r") if _CR in closing else texts
            texts = pc.replace_substring(texts, b"\\n", b"\n") if _LF in closing else texts
        literals = pc.replace_with_mask(literals, pa.array(mask), texts)
        firsts = np.where(mask, np.uint8(0x27), firsts)
    return literals, bad


def _unistr_column(texts: pa.Array) -> tuple[pa.Array, list[int]]:
    r"""The texts without escapes; \u000a and \u000d, which nearly all are, at once, others text by text. And which SQLite refuses."""
    hard = np.flatnonzero(pc.match_substring_regex(texts, rb"\\(?:[^u]|u(?:[^0]|0[^0]|00[^0]|000[^ad]))").to_numpy(zero_copy_only=False))
    plain = pc.replace_substring(pc.replace_substring(texts, b"\\u000a", b"\n"), b"\\u000d", b"\r")
    refused: list[int] = []
    values: list[bytes | None] = []
    for position, text in zip(hard.tolist(), texts.take(pa.array(hard)).to_pylist(), strict=True):
        try:
            values.append(quoted(unistr(inside(text))))
        except NotLiteral:
            refused.append(position)
            values.append(None)
    if not values:
        return plain, refused
    mask = np.zeros(len(texts), bool)
    mask[hard] = True
    return pc.replace_with_mask(plain, pa.array(mask), pa.array(values, pa.binary())), refused
