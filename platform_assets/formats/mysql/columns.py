"""Columns of literals -> Arrow arrays. Whole columns at once where their literals are of one plain form, cell by cell for the rest.

The meaning of a literal is mysql_literals'; here is only the fast way to the same result, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.mysql.literals import CONVERT, Reading, Undecodable, as_number
from platform_assets.formats.mysql.types import Kind

_LONG_CELL = 4 << 20
_QUOTE = 0x27
_ZERO = 0x30
_NUMBER_FIRST = set(b"-0123456789")
CANONICAL = {
    Kind.NUMBER: r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$",
    Kind.YEAR: r"^[0-9]{4}$",
    Kind.DATE: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    Kind.DATETIME: r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$",
}
"""Texts that are already what the server shows."""


@dataclass(frozen=True)
class Converted:
    """A column's values, and for the rows (by position) that have none: why."""

    values: pa.Array
    bad: dict[int, str] = field(default_factory=dict)


def convert(cells: Sequence[bytes | None], reading: Reading, target: pa.DataType) -> Converted:
    """Literals (None for NULL) as an array of `binary` when that is the column's type, of `string` otherwise."""
    if any(cell is not None and len(cell) > _LONG_CELL for cell in cells):
        return _slow(cells, reading, target)  # whole columns of it would be held eight times
    literals = pa.array(cells, pa.binary())
    if literals.null_count == len(literals):
        return Converted(pa.nulls(len(literals), target if pa.types.is_binary(target) else pa.string()))
    fast = _fast(literals, reading, target)
    return fast if fast is not None else _slow(cells, reading, target)


def _fast(literals: pa.Array, reading: Reading, target: pa.DataType) -> Converted | None:
    """None when the column's literals are not all of one plain form."""
    firsts, has_prefix = _beginnings(literals)
    kind = reading.native.kind
    wants_bytes = pa.types.is_binary(target)
    if firsts <= _NUMBER_FIRST and not has_prefix and kind is Kind.NUMBER and not wants_bytes:
        numbers = literals.cast(pa.string())
        return Converted(numbers) if all_match(numbers, CANONICAL[kind]) else None
    if firsts != {_QUOTE} or kind is Kind.BITS:
        return None
    body = _unquoted(literals, reading)
    if kind is Kind.BYTES:
        return Converted(_padded(body, reading.native.padded)) if wants_bytes else None
    text = _decoded(body, reading)
    if text is None or wants_bytes:
        return None
    if kind in CANONICAL and (reading.shift or not all_match(text, CANONICAL[kind])):
        return None
    return Converted(text)


def _beginnings(literals: pa.Array) -> tuple[set[int], bool]:
    """The first bytes that occur, and whether a literal goes on like 0x or 0b."""
    _, offsets, data = literals.buffers()
    edges = np.frombuffer(offsets, np.int32)[: len(literals) + 1]
    octets = np.frombuffer(data, np.uint8)
    starts = edges[:-1][edges[1:] > edges[:-1]]
    firsts = octets[starts]
    found = set(np.unique(firsts).tolist())
    if _ZERO not in found:
        return found, False
    after = octets[np.minimum(starts[firsts == _ZERO] + 1, len(octets) - 1)]
    return found, bool(((after == ord("x")) | (after == ord("b"))).any())


def _unquoted(literals: pa.Array, reading: Reading) -> pa.Array:
    body = pc.binary_slice(literals, 1, -1)
    special = pc.match_substring(body, "'")
    if reading.backslash:
        special = pc.or_(special, pc.match_substring(body, "\\"))
    flagged = np.flatnonzero(special.fill_null(False).to_numpy(zero_copy_only=False))
    if not len(flagged):
        return body
    written = literals.take(pa.array(flagged)).to_pylist()
    mask = np.zeros(len(body), dtype=bool)
    mask[flagged] = True
    return pc.replace_with_mask(body, pa.array(mask), pa.array([reading.string(literal) for literal in written], pa.binary()))


def _decoded(body: pa.Array, reading: Reading) -> pa.Array | None:
    """None when some cell is no text, or when the charset needs Python's codec."""
    data = body.buffers()[2]
    if not reading.utf8 and data is not None and (np.frombuffer(data, np.uint8) >= 0x80).any():
        return None
    try:
        return body.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def _padded(body: pa.Array, width: int | None) -> pa.Array:
    if width is None:
        return body
    return pa.array([None if cell is None else cell.ljust(width, b"\0") for cell in body.to_pylist()], pa.binary())


def all_match(text: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, pattern)).as_py())


def _slow(cells: Sequence[bytes | None], reading: Reading, target: pa.DataType) -> Converted:
    """Cell by cell: what every quicker way is held against."""
    one = CONVERT[reading.native.kind]
    wants_bytes = pa.types.is_binary(target)
    if not wants_bytes and reading.native.kind is Kind.BITS:
        one = _bits_number
    values: list[str | bytes | None] = []
    bad: dict[int, str] = {}
    for position, cell in enumerate(cells):
        value: str | bytes | None = None
        if cell is not None:
            try:
                value = _as(one(cell, reading), reading, wants_bytes)
            except Undecodable as error:
                bad[position] = str(error)
        values.append(value)
    return Converted(pa.array(values, target if wants_bytes else pa.string()), bad)


one_by_one = _slow


def _as(value: str | bytes, reading: Reading, wants_bytes: bool) -> str | bytes:
    """platform.yaml may want text of a bytes column, or the other way round."""
    if isinstance(value, str):
        return value.encode("utf-8") if wants_bytes else value
    if wants_bytes:
        return value
    try:
        return reading.column(value)
    except UnicodeDecodeError as error:
        raise Undecodable(f"byte {value[error.start]:#04x} at {error.start} is no {error.encoding} text") from error


def _bits_number(literal: bytes, reading: Reading) -> str:
    """A BIT column that platform.yaml calls a number or a boolean."""
    if literal[:1] == b"'":
        return str(int.from_bytes(reading.string(literal), "big"))
    return as_number(literal, reading)
