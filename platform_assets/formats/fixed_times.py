"""Columns of dates and times in which every text has the same width: digits are taken from their places, whole columns at once.

A shortcut for what cast_times reads in any case; it declines whatever is not of one plain form, and never decides that a cell is wrong.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.timeformats import MONTHS, Piece, TimeFormat
from platform_assets.dictionary.types import TIMESTAMP

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "b": 3, "p": 2}
_LOWEST_HIGHEST = {"Y": (1, 9999), "m": (1, 12), "d": (1, 31), "H": (0, 23), "I": (1, 12), "M": (0, 59), "S": (0, 59)}
_ZERO, _BLANK, _LOWER = ord("0"), ord(" "), 0x20


def _name_key(name: bytes) -> int:
    return int.from_bytes(name.lower(), "big")


_MONTH_KEYS = np.array([_name_key(name[:3].encode()) for name in MONTHS.split("|")], np.int64)
_MONTH_ORDER = np.argsort(_MONTH_KEYS)
_SORTED_KEYS = _MONTH_KEYS[_MONTH_ORDER]


def read_fixed(text: pa.StringArray, fmt: TimeFormat) -> pa.Array | None:
    """The column as timestamps without zone; None when a text has another width than the others or does not fit the format so plainly.

    Takes %Y %m %d %b %H %I %p %M %S and single ASCII characters between them; one digit may stand behind a blank where the format
    allows it (`Jan 28 2019  5:55AM`).
    """
    width = sum(_WIDTHS.get(piece.directive, 1) for piece in fmt.pieces)
    if not fmt.has("Y") or any(piece.directive and piece.directive not in _WIDTHS for piece in fmt.pieces):
        return None
    lengths = pc.min_max(pc.binary_length(text)).as_py()
    if lengths != {"min": width, "max": width}:
        return None
    found = _parts(_matrix(text.drop_null(), width), fmt)
    if found is None:
        return None
    micros = _micros(found)
    if micros is None:
        return None
    if not text.null_count:
        return pa.array(micros).cast(TIMESTAMP)
    whole = np.zeros(len(text), np.int64)
    valid = text.is_valid().to_numpy(zero_copy_only=False)
    whole[valid] = micros
    return pa.array(whole, mask=~valid).cast(TIMESTAMP)


def _matrix(text: pa.StringArray, width: int) -> Bytes:
    """Byte j of each text in row j."""
    _, offsets, data = text.buffers()
    first = int(np.frombuffer(offsets, np.int32)[text.offset])
    octets = np.frombuffer(data, np.uint8)[first : first + width * len(text)]
    return np.ascontiguousarray(octets.reshape(len(text), width).T)


def _parts(octets: Bytes, fmt: TimeFormat) -> dict[str, Int64s] | None:
    """The numbers that the directives stand for, each in its bounds."""
    parts: dict[str, Int64s] = {}
    at = 0
    for piece in fmt.pieces:
        cells = octets[at : at + _WIDTHS.get(piece.directive, 1)]
        at += len(cells)
        if not piece.directive:
            if not (cells[0] == ord(piece.source[-1])).all():
                return None
            continue
        name = "m" if piece.directive == "b" else piece.directive
        found = _month(cells) if piece.directive == "b" else _afternoon(cells) if name == "p" else _number(cells, piece)
        if found is None:
            return None
        parts[name] = found
    return parts


def _number(cells: Bytes, piece: Piece) -> Int64s | None:
    digits = cells - np.uint8(_ZERO)
    if piece.loose:
        digits[0][cells[0] == _BLANK] = 0
    if digits.max() > 9:
        return None
    value = digits[0].astype(np.int64)
    for row in digits[1:]:
        value = value * 10 + row
    low, high = _LOWEST_HIGHEST[piece.directive]
    return value if low <= value.min() and value.max() <= high else None


def _month(cells: Bytes) -> Int64s | None:
    lower = (cells | np.uint8(_LOWER)).astype(np.int64)
    keys = (lower[0] << 16) | (lower[1] << 8) | lower[2]
    places = np.minimum(np.searchsorted(_SORTED_KEYS, keys), 11)
    return _MONTH_ORDER[places] + 1 if (_SORTED_KEYS[places] == keys).all() else None


def _afternoon(cells: Bytes) -> Int64s | None:
    half, m = cells | np.uint8(_LOWER)
    afternoon = half == ord("p")
    return afternoon.astype(np.int64) if ((half == ord("a")) | afternoon).all() and (m == ord("m")).all() else None


def _micros(parts: dict[str, Int64s]) -> Int64s | None:
    """Microseconds since 1970; None when a month has no such day."""
    months = ((parts["Y"] - 1970) * 12 + parts["m"] - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (parts["d"] - 1)
    if not (days.astype("datetime64[M]") == months).all():
        return None
    hours = parts["I"] % 12 + 12 * parts["p"] if "I" in parts else parts.get("H")
    seconds = days.astype(np.int64) * 86_400
    if hours is not None:
        seconds = seconds + hours * 3_600 + parts["M"] * 60 + parts.get("S", 0)
    return seconds * 1_000_000
