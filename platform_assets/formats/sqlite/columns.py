"""A column's literals or values -> an Arrow array: whole columns at once where they are of one class, value by value for the rest.

The value by value way is what the quick one is tested against. Which type a column has is choice's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INT64, STRING, TIMESTAMP
from platform_assets.formats.cells import Octets
from platform_assets.formats.sqlite.affinity import Affinity, Value, stored
from platform_assets.formats.sqlite.choice import Choice
from platform_assets.formats.sqlite.values import Undecodable, shown, value_of

_QUOTE = 0x27
_SURE_DIGITS = 15
"""A number of that many digits is an exact integer of a float, and any float's shortest text has hardly more."""
_NIBBLE = np.zeros(256, np.uint8)
_NIBBLE[list(b"0123456789")] = np.arange(10)
_NIBBLE[list(b"abcdef")] = _NIBBLE[list(b"ABCDEF")] = np.arange(10, 16)
_CLASSES: dict[type, str] = {int: "integers", float: "floats", str: "texts", bytes: "blobs"}


@dataclass(frozen=True)
class Converted:
    """A column's values; for rows (by position) that cannot be read: why; and the classes that are not the column's own."""

    values: pa.Array
    bad: dict[int, str] = field(default_factory=dict)
    strangers: dict[str, int] = field(default_factory=dict)


def from_literals(literals: pa.Array, affinity: Affinity, choice: Choice) -> Converted:
    """Canonical literals (values.py), NULL as such, as an array of the column's type or of text for the cast."""
    if literals.null_count == len(literals):
        return Converted(pa.nulls(len(literals), choice.type))
    quick = None if choice.mixed else _quick(literals, affinity, choice.type)
    if quick is not None:
        return Converted(quick)
    values, bad = values_of(literals, affinity)
    found = from_values(values, choice)
    return Converted(found.values, bad, found.strangers)


def values_of(literals: pa.Array, affinity: Affinity) -> tuple[list[Value], dict[int, str]]:
    """The values as SQLite stores them, None for those that cannot be read; why they cannot."""
    values: list[Value] = []
    bad: dict[int, str] = {}
    for position, literal in enumerate(literals.to_pylist()):
        try:
            values.append(stored(value_of(literal), affinity))
        except Undecodable as error:
            bad[position] = str(error)
            values.append(None)
    return values, bad


def from_values(values: Sequence[Value], choice: Choice) -> Converted:
    """Stored values as an array of the column's type or of text for the cast."""
    kinds = set(map(type, values)) - {type(None)}
    own = {INT64: int, FLOAT64: float, STRING: str, BINARY: bytes}.get(choice.type)
    if not kinds or (kinds == {own} and not choice.mixed):
        return Converted(pa.array(values, choice.type))
    target = BINARY if choice.type == BINARY else STRING
    strangers: dict[str, int] = {}
    if choice.type in (STRING, BINARY) and not choice.mixed:
        counts = {kind: sum(type(value) is kind for value in values) for kind in kinds if kind is not own}
        strangers = {_CLASSES[kind]: count for kind, count in counts.items()}
    return Converted(pa.array([None if value is None else shown(value, choice) for value in values], target), {}, strangers)


def _quick(literals: pa.Array, affinity: Affinity, kind: pa.DataType) -> pa.Array | None:
    """None when the literals are not all of one class that the column takes."""
    firsts = _firsts(literals)
    if (firsts == _QUOTE).all():
        text = _texts(literals)
        if text is None or kind in (STRING, DATE, TIMESTAMP):
            number = affinity in (Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC)
            return None if text is None or (number and not _worded(literals)) else text
        whole = kind == INT64 and pc.all(pc.match_substring_regex(text, "^-?[0-9]{1,18}$")).as_py()
        return text.cast(INT64) if whole else None
    if (firsts | 0x20 == ord("x")).all():
        return _blobs(literals) if kind == BINARY else None
    if ((firsts <= ord("9")) & (firsts != _QUOTE)).all():
        return _numbers(literals, affinity, kind)
    return None


def _firsts(literals: pa.Array) -> Octets:
    """The first bytes of the cells that are not NULL; a literal is never empty."""
    _, offsets, data = literals.buffers()
    edges = np.frombuffer(offsets, np.int32)[literals.offset : literals.offset + len(literals) + 1]
    return np.frombuffer(data, np.uint8)[edges[:-1][edges[1:] > edges[:-1]]]


def _data(cells: pa.Array) -> tuple[npt.NDArray[np.int32], Octets]:
    """Offsets from 0, and the bytes of all cells."""
    _, offsets, data = cells.buffers()
    edges = np.frombuffer(offsets, np.int32)[cells.offset : cells.offset + len(cells) + 1]
    return edges - edges[0], np.frombuffer(data or b"", np.uint8)[edges[0] : edges[-1]]


def _texts(literals: pa.Array) -> pa.Array | None:
    body = pc.binary_slice(literals, 1, -1)
    data = body.buffers()[2]
    if data is not None and (np.frombuffer(data, np.uint8) == _QUOTE).any():
        body = pc.replace_substring(body, "''", "'")
    try:
        return body.cast(STRING)
    except pa.ArrowInvalid:
        return None


def _worded(literals: pa.Array) -> bool:
    """No text can be a number: each has a colon, or a minus that no sign of a number can be (dates and times)."""
    return bool(pc.all(pc.match_substring_regex(literals, r"^'[^:]*:|^'[0-9]+-")).as_py())


def _blobs(literals: pa.Array) -> pa.Array:
    body = pc.binary_slice(literals, 2, -1)
    edges, data = _data(body)
    nibbles = _NIBBLE[data]
    octets = (nibbles[0::2] << np.uint8(4)) | nibbles[1::2]
    bits = None if not literals.null_count else pa.py_buffer(np.packbits(literals.is_valid().to_numpy(False), bitorder="little"))
    return pa.Array.from_buffers(BINARY, len(literals), [bits, pa.py_buffer((edges >> 1).astype(np.int32)), pa.py_buffer(octets)])


def _numbers(literals: pa.Array, affinity: Affinity, kind: pa.DataType) -> pa.Array | None:
    text = literals.cast(STRING)
    data = _data(literals)[1]
    whole = data.max() <= ord("9") and not ((data == ord(".")) | (data == ord("+"))).any()
    if kind == INT64:
        return _cast(text, INT64) if whole and affinity is not Affinity.REAL else None
    if (data | 0x20 == ord("x")).any():
        return None
    if kind == FLOAT64:
        if affinity is not Affinity.REAL and _long_integers(text, whole=whole):
            return None
        floats = _cast(text, FLOAT64)
        return floats if floats is None or affinity is Affinity.BLOB else pc.add(floats, 0.0)  # -0.0 is stored as the integer 0
    if pa.types.is_decimal(kind):
        if whole:
            return text if pc.max(pc.binary_length(text)).as_py() <= _SURE_DIGITS else None
        floats = None if _long_integers(text, whole=False) else _cast(text, FLOAT64)
        return None if floats is None else floats.cast(STRING)
    return None


def _long_integers(text: pa.Array, *, whole: bool) -> bool:
    """Whether a number without point and exponent may be beyond what a float holds exactly."""
    long = pc.greater(pc.binary_length(text), _SURE_DIGITS)
    if not whole:
        long = pc.and_(long, pc.match_substring_regex(text, "^[+-]?[0-9]+$"))
    return bool(pc.any(long).as_py())


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        return None
