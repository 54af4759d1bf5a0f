"""Columns of dates and times at once: texts in ISO form, and the server's own bytes. None where a column is not all of one plain form.

What a single one means is mssql.moments'; a test holds the two together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import DATE, TIMESTAMP
from platform_assets.formats.mssql.moments import DAY, EPOCH, SECOND
from platform_assets.formats.mssql.types import Kind, NativeType

_EPOCH_1970 = 719_163
_LAST_DAY = 3_652_059
_NANOSECONDS = (np.array(["1678-01-01", "2262-01-01"], "datetime64[D]").astype(np.int64) + _EPOCH_1970).tolist()
"""The days between which Arrow can count in nanoseconds, which it needs to show seven digits of a second."""
_DAY = r"(?:1[89]|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}"
_HOURS = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = r"(?:\+(?:0[0-9]|1[0-4]):[0-5][0-9]|-(?:0[1-9]|1[0-4]):[0-5][0-9])"

Octets = npt.NDArray[np.uint8]


def of_texts(text: pa.StringArray, native: NativeType) -> pa.Array | None:
    """ISO texts as the type shows them, where it keeps all of their digits."""
    if native.kind is Kind.DATE:
        return text if _all(pc.match_substring_regex(text, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")) else None
    seconds = r":[0-5][0-9]" + _fraction(native)
    if native.kind is Kind.TIME:
        return _shortened(text) if _all(pc.match_substring_regex(text, f"^{_HOURS}{seconds}$")) else None
    if native.kind is Kind.OFFSET:
        # The types since 2008 take year-month-day in whatever order is in force.
        plain = _all(pc.match_substring_regex(text, f"^{_DAY}[T ]{_HOURS}{seconds} ?{_ZONE}$")) and _days(text)
        parts = r"^(.{10}).(.{8})(?:\.0+|(\.[0-9]*[1-9])0*)? ?([+-].{5})$"
        return pc.replace_substring_regex(text, parts, r"\1 \2\3\4") if plain else None
    if native.word == "smalldatetime":
        seconds = r":00(?:\.0{1,9})?"
    plain = _all(pc.match_substring_regex(text, f"^{_DAY}T{_HOURS}{seconds}$")) and _days(text)
    return _shortened(pc.replace_substring(text, "T", " ", max_replacements=1)) if plain else None


def _fraction(native: NativeType) -> str:
    """Digits behind the seconds of which the type loses none."""
    if native.word == "datetime":
        return r"(?:\.[0-9]{2}[037])?"
    scale = min(native.scale, 7)
    return rf"(?:\.[0-9]{{1,{scale}}}0{{0,{9 - scale}}})?" if scale else r"(?:\.0{1,9})?"


def _days(text: pa.StringArray) -> bool:
    """Whether all begin with a day that exists."""
    try:
        pc.utf8_slice_codeunits(text, 0, 10).cast(pa.date32())
    except pa.ArrowInvalid:
        return False
    return True


def _shortened(text: pa.StringArray) -> pa.Array:
    """No zeros at the end of a fraction."""
    return pc.replace_substring_regex(text, r"(?:\.0+|(\.[0-9]*[1-9])0+)$", r"\1")


def of_octets(octets: Octets, native: NativeType, target: pa.DataType) -> pa.Array | None:
    """The server's own bytes, a row each, as moments.from_bytes reads them."""
    if native.word == "datetime":
        return _datetimes(octets) if octets.shape[1] == 8 and target == TIMESTAMP else None
    if native.word == "smalldatetime":
        return _small(octets) if octets.shape[1] == 4 and target == TIMESTAMP else None
    if native.kind is Kind.DATE:
        days = _little(octets[:, :3]) + 1
        fits = octets.shape[1] in (3, 4) and target == DATE and (days <= _LAST_DAY).all()
        return pa.array((days - _EPOCH_1970).astype(np.int32)).cast(DATE) if fits else None
    return _newer(octets, native)


def _datetimes(octets: Octets) -> pa.Array | None:
    parts = np.ascontiguousarray(octets).view(">u4").astype(np.int64)
    days, units = parts[:, 0], parts[:, 1]
    days = np.where(days >= 1 << 31, days - (1 << 32), days) + EPOCH
    if (units >= 86_400 * 300).any() or (days < 1).any() or (days > _LAST_DAY).any():
        return None
    return pa.array((days - _EPOCH_1970) * 86_400_000_000 + (units * 10 + 1) // 3 * 1000).cast(TIMESTAMP)


def _small(octets: Octets) -> pa.Array | None:
    parts = np.ascontiguousarray(octets).view(">u2").astype(np.int64)
    days, minutes = parts[:, 0] + EPOCH, parts[:, 1]
    return None if (minutes >= 1440).any() else pa.array((days - _EPOCH_1970) * 86_400_000_000 + minutes * 60_000_000).cast(TIMESTAMP)


def _newer(octets: Octets, native: NativeType) -> pa.Array | None:
    """time, datetime2 and datetimeoffset as texts: scale, ticks, day, offset."""
    scale = int(octets[0, 0])
    behind = 1 + (3 if scale < 3 else 4 if scale < 5 else 5)
    needed = {Kind.TIME: 0, Kind.MOMENT: 3, Kind.OFFSET: 5}.get(native.kind)
    if needed is None or scale > min(native.scale, 7) or (octets[:, 0] != scale).any() or octets.shape[1] != behind + needed:
        return None
    ticks = _little(octets[:, 1:behind]) * 10 ** (7 - scale)
    if (ticks >= DAY).any():
        return None
    if native.kind is Kind.TIME:
        return _shortened(pa.array(ticks * 100).cast(pa.time64("ns")).cast(pa.string()))
    days = _little(octets[:, behind : behind + 3]) + 1
    if (days <= _NANOSECONDS[0]).any() or (days >= _NANOSECONDS[1]).any():
        return None
    minutes = np.zeros(len(octets), np.int64)
    if native.kind is Kind.OFFSET:
        minutes = np.ascontiguousarray(octets[:, behind + 3 :]).view("<i2")[:, 0].astype(np.int64)
        if (np.abs(minutes) > 14 * 60).any():
            return None
    local = (days - _EPOCH_1970) * DAY + ticks + minutes * 60 * SECOND
    text = _shortened(pa.array(local * 100).cast(pa.timestamp("ns")).cast(pa.string()))
    return text if native.kind is Kind.MOMENT else pc.binary_join_element_wise(text, _zones(minutes), "")


def _zones(minutes: npt.NDArray[np.int64]) -> pa.Array:
    known, places = np.unique(minutes, return_inverse=True)
    shown = [f"{'-' if one < 0 else '+'}{abs(one) // 60:02}:{abs(one) % 60:02}" for one in known.tolist()]
    return pa.array(shown).take(pa.array(places))


def _little(octets: Octets) -> npt.NDArray[np.int64]:
    """Numbers, their lowest byte first."""
    return octets.astype(np.int64) @ (1 << 8 * np.arange(octets.shape[1]))


def _all(flags: pa.Array) -> bool:
    return pc.all(flags).as_py() is not False
