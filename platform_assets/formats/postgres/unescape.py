"""The escapes of COPY's text format and of bytea undone, whole columns at once.

Source: PostgreSQL 18 manual, COPY (Text Format) and chapter 8.4 (bytea hex and escape formats).
"""

from __future__ import annotations

import io
import re

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_NAMED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.)|$)", re.DOTALL)
_BYTEA = re.compile(rb"\\(?:\\|([0-3][0-7]{2}))")
_STRANGE_BYTEA = re.compile(rb"\\(?!\\|[0-3][0-7]{2})")
_LOOKED_AT = _PIECE = 1 << 20
_JOINT = re.compile(rb"[^\\]{4}(?![\x80-\xbf])")
"""Behind four bytes without a backslash no escape goes on; nor does a character before a byte that begins one."""
_COMMON = (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"))


def unescape_cell(cell: bytes) -> bytes:
    """One cell; a lone backslash at its end is dropped, as the server does."""
    return _ESCAPE.sub(_one, cell) if b"\\" in cell else cell


def _one(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes((int(found[1], 8) & 0xFF,))
    if found[2]:
        return bytes((int(found[2], 16),))
    char: bytes | None = found[3]
    return b"" if char is None else _NAMED.get(char, char)


def has_backslash(text: pa.StringArray) -> bool:
    """Whether any cell of an array without offset holds a backslash."""
    data = text.buffers()[2]
    octets = np.frombuffer(data or b"", np.uint8)
    return any(bool((octets[at : at + _LOOKED_AT] == 0x5C).any()) for at in range(0, len(octets), _LOOKED_AT))


def unescape_column(text: pa.StringArray) -> tuple[pa.StringArray, dict[int, str]]:
    """The column without escapes, and what is wrong with cells whose escapes give no UTF-8 (they are NULL then).

    No cell holds a NUL, which stands for the escaped backslash meanwhile.
    """
    rest = pc.replace_substring(text, "\\\\", "\0")
    for escape, char in _COMMON:
        if has_backslash(rest):
            rest = pc.replace_substring(rest, escape, char)
    bad: dict[int, str] = {}
    if has_backslash(rest):
        odd = np.flatnonzero(pc.fill_null(pc.match_substring(rest, "\\"), False).to_numpy(zero_copy_only=False))
        values: list[str | None] = []
        for position, cell in zip(odd.tolist(), text.take(pa.array(odd)).cast(pa.binary()).to_pylist(), strict=True):
            try:
                value = unescape_cell(cell).decode("utf-8")
                if "\0" in value:
                    raise ValueError("a text holds a zero byte, which the server refuses")
                values.append(value.replace("\\", "\0"))
            except ValueError as error:
                bad[position] = str(error)
                values.append(None)
        mask = np.zeros(len(text), dtype=bool)
        mask[odd] = True
        rest = pc.replace_with_mask(rest, pa.array(mask), pa.array(values, pa.string()))
    return pc.replace_substring(rest, "\0", "\\"), bad


def unescape_long_text(cell: memoryview) -> pa.StringArray | None:
    """One very long cell, piece by piece: as a column it would be held three times. None when its escapes give no text.

    Raises pyarrow.ArrowInvalid when it is no UTF-8.
    """
    text, start = io.BytesIO(), 0
    while start < len(cell):
        joint = _JOINT.search(cell, start + _PIECE)
        end = joint.end() if joint else len(cell)
        values, bad = unescape_column(pa.array([bytes(cell[start:end])], pa.binary()).cast(pa.string()))
        if bad:
            return None
        text.write(values[0].as_buffer())
        start = end
    edges = np.array([0, text.tell()], np.int32)
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(edges), pa.py_buffer(text.getvalue())])


def bytea_column(text: pa.StringArray) -> tuple[pa.BinaryArray, dict[int, str]]:
    """The bytes that bytea's text (hex or escape format) means, and what is wrong with cells that are neither (NULL then)."""
    if not len(text) or text.null_count == len(text):
        return pa.nulls(len(text), pa.binary()), {}
    if pc.all(pc.match_substring_regex(text, r"^\\x(?:[0-9A-Fa-f]{2})*$")).as_py():
        series = pl.Series(pl.from_arrow(pc.utf8_slice_codeunits(text, 2)))
        return series.str.decode("hex").to_arrow().cast(pa.binary()), {}
    values: list[bytes | None] = []
    bad: dict[int, str] = {}
    for position, cell in enumerate(text.to_pylist()):
        try:
            values.append(None if cell is None else bytea(cell.encode("utf-8")))
        except ValueError as error:
            bad[position] = f"no bytea: {error}"
            values.append(None)
    return pa.array(values, pa.binary()), bad


def bytea(cell: bytes) -> bytes:
    """Raises ValueError for text that is neither of the two formats."""
    if cell[:2] == b"\\x":
        return bytes.fromhex(cell[2:].decode("ascii"))
    if _STRANGE_BYTEA.search(_BYTEA.sub(b"", cell)):
        raise ValueError("a backslash that begins no escape")
    return _BYTEA.sub(lambda found: bytes((int(found[1], 8),)) if found[1] else b"\\", cell)
