"""Columns of literals -> Arrow arrays: whole columns at once where their literals are of one plain form, cell by cell for the rest.

The meaning of a literal is mssql.literals'; here is only the fast way to the same result, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BOOLEAN
from platform_assets.formats.mssql.literals import Reading, Refused, native_of, stored
from platform_assets.formats.mssql.moment_columns import of_octets, of_texts
from platform_assets.formats.mssql.types import Kind, NativeType

_PLAIN = {
    Kind.INTEGER: r"^-?(0|[1-9][0-9]*)$",
    Kind.FLOAT: r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$",
}
_MOMENTS = (Kind.DATE, Kind.TIME, Kind.MOMENT, Kind.OFFSET)
_EXACT = {"decimal", "dec", "numeric"}
"""Names of one type."""
_GUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_HEX = np.full(256, 255, np.uint8)
_HEX[np.frombuffer(b"0123456789", np.uint8)] = np.arange(10)
_HEX[np.frombuffer(b"abcdef", np.uint8)] = _HEX[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)


@dataclass(frozen=True)
class Converted:
    """A column's values; for the rows (by position) that cannot be stored: code and reason; how many dates rest on an assumed order."""

    values: pa.Array
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    assumed: int = 0


def convert(cells: Sequence[bytes | None], reading: Reading, target: pa.DataType) -> Converted:
    """Literals (None for NULL) as an array of the column's type or of text that is still to be cast."""
    literals = pa.array(cells, pa.binary())
    if literals.null_count == len(literals):
        return Converted(pa.nulls(len(literals), target if pa.types.is_binary(target) else pa.string()))
    fast = _fast(literals, reading, target)
    return Converted(fast) if fast is not None else _slow(cells, reading, target)


def _fast(literals: pa.Array, reading: Reading, target: pa.DataType) -> pa.Array | None:
    """None when the column's literals are not all of one plain form."""
    native, kind = reading.native, reading.native.kind
    first = literals.drop_null()[0].as_py()
    if first[:5] == b"CAST(":
        return _cast(literals, first, reading, target)
    if first[:2] == b"0x":
        return _hexadecimal(literals, reading, target)
    if first[:1] in (b"'", b"N"):
        return _text(literals, reading, target)
    if kind is Kind.BIT and target == BOOLEAN:
        return pc.equal(literals, b"1") if _all(pc.is_in(literals, pa.array([b"0", b"1"], pa.binary()))) else None
    if native.padded is not None or kind not in (Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL, Kind.OPEN) or pa.types.is_binary(target):
        return None
    text = _utf8(literals)
    if kind is Kind.DECIMAL:
        pattern = rf"^-?(0|[1-9][0-9]*)(\.[0-9]{{1,{native.scale}}})?$" if native.scale else _PLAIN[Kind.INTEGER]
    else:
        pattern = _PLAIN[Kind.INTEGER if kind is Kind.OPEN else kind]
    return text if text is not None and _all(pc.match_substring_regex(text, pattern)) else None


def _cast(literals: pa.Array, first: bytes, reading: Reading, target: pa.DataType) -> pa.Array | None:
    """CAST(... AS type) where the type is the column's own: the literals inside."""
    suffix = first[first.rindex(b" AS ") :]
    native, style = native_of(suffix[4:-1])
    if style is not None or not _same(native, reading.native):
        return None
    if not (_all(pc.starts_with(literals, b"CAST(")) and _all(pc.ends_with(literals, suffix))):
        return None
    inside = pc.binary_slice(literals, 5, -len(suffix))
    if pc.any(pc.starts_with(inside, b"CAST(")).as_py():
        return None
    return _fast(inside, reading, target)


def _same(native: NativeType, own: NativeType) -> bool:
    """Whether a CAST to a type changes nothing of a value that goes into a column of its own."""
    if native.word in _EXACT:
        return own.word in _EXACT and native.scale == own.scale
    return native.word == own.word and native.args in ((), own.args)


def _text(literals: pa.Array, reading: Reading, target: pa.DataType) -> pa.Array | None:
    body = _bodies(literals) if not pa.types.is_binary(target) else None
    text = None if body is None else _utf8(body)
    if text is None or pc.any(pc.match_substring_regex(text, r"\\\r?\n")).as_py():
        return None
    native, kind = reading.native, reading.native.kind
    if kind in (Kind.TEXT, Kind.OPEN):
        text = pc.replace_substring(text, "''", "'") if pc.any(pc.match_substring(text, "'")).as_py() else text
        return text if native.padded is None else _blanks(text, native.padded, utf16=native.word.startswith("n"))
    if kind is Kind.GUID:
        return pc.utf8_upper(text) if _all(pc.match_substring_regex(text, _GUID)) else None
    return of_texts(text, native) if kind in _MOMENTS else None


def _bodies(literals: pa.Array) -> pa.Array | None:
    """What stands between the quotes; None when not all are quoted."""
    national = pc.starts_with(literals, b"N'")
    if not _all(pc.ends_with(literals, b"'")) or not _all(pc.or_(national, pc.starts_with(literals, b"'"))):
        return None
    if _all(national):
        return pc.binary_slice(literals, 2, -1)
    return pc.if_else(national, pc.binary_slice(literals, 2, -1), pc.binary_slice(literals, 1, -1))


def _blanks(text: pa.Array, width: int, *, utf16: bool) -> pa.Array | None:
    """Filled with blanks; None where a character counts twice."""
    data = text.buffers()[2]
    if utf16 and data is not None and (np.frombuffer(data, np.uint8) >= 0xF0).any():
        return None
    return pc.utf8_rpad(text, width)


def _hexadecimal(literals: pa.Array, reading: Reading, target: pa.DataType) -> pa.Array | None:
    """Bytes, and the server's own forms of dates and times, when all literals are equally long."""
    octets = _octets(literals)
    if octets is None:
        return None
    kind, width = reading.native.kind, octets.shape[1]
    valid = pc.is_valid(literals)
    if kind is Kind.BYTES and pa.types.is_binary(target) and reading.native.padded in (None, width):
        return _scattered(pa.array([row.tobytes() for row in octets], pa.binary()), valid)
    values = of_octets(octets, reading.native, target) if kind in _MOMENTS else None
    return None if values is None else _scattered(values, valid)


def _octets(literals: pa.Array) -> np.ndarray | None:
    """The bytes of hexadecimal literals of one even length as rows; None when they are not such."""
    there = literals.drop_null()
    lengths = pc.min_max(pc.binary_length(there))
    length = lengths["max"].as_py()
    if lengths["min"].as_py() != length or length % 2 or length < 4 or not _all(pc.starts_with(there, b"0x")):
        return None
    _, offsets, data = there.buffers()
    start = int(np.frombuffer(offsets, np.int32)[there.offset])
    rows = np.frombuffer(data, np.uint8)[start : start + length * len(there)].reshape(len(there), length)
    digits = _HEX[rows[:, 2:]]
    if (digits == 255).any():
        return None
    return (digits[:, 0::2] << 4) | digits[:, 1::2]


def _scattered(values: pa.Array, valid: pa.BooleanArray) -> pa.Array:
    """The values where `valid`, NULL elsewhere."""
    if len(values) == len(valid):
        return values
    places = np.cumsum(valid.to_numpy(zero_copy_only=False)) - 1
    return values.take(pa.array(places, mask=~valid.to_numpy(zero_copy_only=False)))


def _utf8(body: pa.Array) -> pa.Array | None:
    """None when some cell is no text."""
    try:
        return body.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def _all(flags: pa.Array) -> bool:
    return pc.all(flags).as_py() is not False


def _slow(cells: Sequence[bytes | None], reading: Reading, target: pa.DataType) -> Converted:
    wants_bytes = pa.types.is_binary(target)
    values: list[str | bytes | None] = []
    bad: dict[int, tuple[str, str]] = {}
    known: dict[bytes, tuple[str | bytes, bool]] = {}
    assumptions = 0
    for position, cell in enumerate(cells):
        value: str | bytes | None = None
        if cell is not None:
            try:
                found = known.get(cell) or stored(cell, reading)
                if len(cell) < 64 and len(known) < 10_000:
                    known[cell] = found
                value = _as(found[0], wants_bytes=wants_bytes)
                assumptions += found[1]
            except Refused as error:
                bad[position] = (error.code, str(error))
        values.append(value)
    if target == BOOLEAN and all(value in (None, "0", "1") for value in values):
        return Converted(pa.array([None if value is None else value == "1" for value in values], BOOLEAN), bad)
    return Converted(pa.array(values, target if wants_bytes else pa.string()), bad, assumptions)


def _as(value: str | bytes, *, wants_bytes: bool) -> str | bytes:
    """platform.yaml may want text of a binary column, or the other way round."""
    if isinstance(value, str):
        return value.encode("utf-8") if wants_bytes else value
    return value if wants_bytes else "0x" + value.hex().upper()
