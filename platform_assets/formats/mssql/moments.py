"""Dates and times of SQL Server: the texts that it takes, under SET DATEFORMAT, and the bytes that it stores; and back to plain text.

Source: Transact-SQL reference, "date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset" (string literal formats), CAST
and CONVERT (date styles). Month names are those of us_english. Years of two digits: 00-49 are 20xx (two digit year cutoff 2049).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

from platform_assets.formats.mssql.types import Kind, NativeType

SECOND = 10_000_000
"""Ticks of 100 nanoseconds, the server's finest unit."""
DAY = 86_400 * SECOND
EPOCH = date(1900, 1, 1).toordinal()
DEFAULT_ORDER = "mdy"
STYLES = {
    **dict.fromkeys((1, 10, 101, 110), "mdy"),
    **dict.fromkeys((3, 4, 5, 103, 104, 105, 130, 131), "dmy"),
    **dict.fromkeys((2, 11, 12, 20, 21, 23, 25, 102, 111, 112, 120, 121, 126, 127), "ymd"),
}
"""Styles of CONVERT that say in which order a date of digits stands."""
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_TIME = (
    r"(?P<h>\d{1,2})(?::(?P<mi>\d{1,2})(?::(?P<s>\d{1,2})(?P<f>[.:]\d{1,9})?)?)?[ ]*(?P<half>[ap]m)?"
    r"[ ]*(?P<zone>z|[+-]\d{1,2}:\d{2})?"
)
_TAIL = rf"(?:(?:t|[ ]+){_TIME})?"
_FLAGS = re.IGNORECASE | re.ASCII
_DIGITS = re.compile(rf"(?P<a>\d{{1,4}})(?P<sep>[-/.])(?P<b>\d{{1,2}})(?P=sep)(?P<c>\d{{1,4}}){_TAIL}", _FLAGS)
_PACKED = re.compile(rf"(?P<packed>\d{{8}}|\d{{6}}|\d{{4}}){_TAIL}", _FLAGS)
_NAMED = tuple(
    re.compile(pattern + _TAIL, _FLAGS)
    for pattern in (
        rf"{_MONTH}[ ]*(?P<d>\d{{1,2}})(?:[ ]*,[ ]*|[ ]+)(?P<y>\d{{4}}|\d{{2}})",
        rf"(?P<d>\d{{1,2}})[ /-]*{_MONTH}[ ]*[,/ -]?[ ]*(?P<y>\d{{4}}|\d{{2}})",
        rf"(?P<y>\d{{4}})[ /-]*{_MONTH}[ /-]*(?P<d>\d{{1,2}})",
        rf"(?P<y>\d{{4}})[ ]+(?P<d>\d{{1,2}})[ ]*{_MONTH}",
        rf"{_MONTH}[ ]*,?[ ]*(?P<y>\d{{4}})",
    )
)
_ONLY_TIME = re.compile(_TIME, _FLAGS)


@dataclass(frozen=True)
class Moment:
    """A day (1 is 0001-01-01) and ticks of it, local to `offset` minutes east of UTC; None where no offset was told.

    `assumed`: day and month could have been the other way round. `native` is the type that a CAST gave it.
    """

    day: int
    ticks: int = 0
    offset: int | None = None
    assumed: bool = False
    native: NativeType | None = None

    def moved(self, ticks: int) -> Moment:
        """With these ticks of the day, which may reach into another day."""
        days, rest = divmod(ticks, DAY)
        return replace(self, day=self.day + days, ticks=rest)


def read_moment(text: str, kind: Kind, order: str, *, newer: bool) -> Moment | None:
    """What the server understands by a text, None when it refuses it. `newer` are the types since 2008: they take Y-M-D always."""
    text = " ".join(text.split())
    if not text:
        return Moment(EPOCH)
    found = _DIGITS.fullmatch(text)
    if found:
        assumed, day = _by_order(found, order, newer=newer)
        return _with_time(day, found, assumed=assumed)
    found = _PACKED.fullmatch(text)
    if found:
        return _with_time(_packed(found["packed"]), found)
    for pattern in _NAMED:
        found = pattern.fullmatch(text)
        if found:
            number = _MONTHS[found["month"][:3].lower()]
            return _with_time(_day(_year(found["y"]), number, int(found.groupdict().get("d") or 1)), found)
    found = _ONLY_TIME.fullmatch(text)
    if found and (found["mi"] or found["half"]):
        return _with_time(EPOCH, found)
    return None


def _by_order(found: re.Match[str], order: str, *, newer: bool) -> tuple[bool, int | None]:
    """The day, and whether it rests on the order of day and month."""
    parts = [found["a"], found["b"], found["c"]]
    if len(parts[0]) == 4:
        separated = found.string[found.end("c") : found.end("c") + 1]
        iso = newer or order.index("m") < order.index("d") or separated in ("T", "t")
        numbers = [int(part) for part in parts]
        return False, _day(numbers[0], *(numbers[1:] if iso else numbers[:0:-1]))
    if len(parts[2]) == 4:
        order = "mdy" if order.index("m") < order.index("d") else "dmy"
    if any(len(part) > 2 for part in parts[:2]) or len(parts[order.index("y")]) in (1, 3):
        return False, None
    month, day = int(parts[order.index("m")]), int(parts[order.index("d")])
    return max(month, day) <= 12 and month != day, _day(_year(parts[order.index("y")]), month, day)


def _packed(digits: str) -> int | None:
    if len(digits) == 4:
        return _day(int(digits), 1, 1)
    return _day(_year(digits[:-4]), int(digits[-4:-2]), int(digits[-2:]))


def _year(text: str) -> int:
    if len(text) != 2:
        return int(text)
    return int(text) + (2000 if int(text) < 50 else 1900)


def _day(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


def _with_time(day: int | None, found: re.Match[str], *, assumed: bool = False) -> Moment | None:
    if day is None:
        return None
    if found["h"] is None:
        return Moment(day, assumed=assumed)
    hour, minute, second = int(found["h"]), int(found["mi"] or 0), int(found["s"] or 0)
    half = (found["half"] or "").lower()
    if half:
        if not 0 <= hour <= 23 or (half == "am" and hour > 12):
            return None
        hour = hour % 12 + 12 * (half == "pm") if hour <= 12 else hour
    elif found["mi"] is None:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    ticks = (hour * 3600 + minute * 60 + second) * SECOND + _fraction(found["f"])
    return Moment(day, ticks, _offset(found["zone"]), assumed)


def _fraction(text: str | None) -> int:
    """`.5` is half a second, `:5` five thousandths."""
    if not text:
        return 0
    if text[0] == ":":
        return int(text[1:4]) * SECOND // 1000
    return (int(text[1:].ljust(9, "0")[:9]) + 50) // 100


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone in "zZ":
        return 0
    hours, _, minutes = zone[1:].partition(":")
    return (int(hours) * 60 + int(minutes)) * (-1 if zone[0] == "-" else 1)


def from_number(text: str) -> Moment | None:
    """A number as datetime: days since 1900-01-01."""
    try:
        days = float(text)
    except ValueError:
        return None
    return Moment(EPOCH).moved(round(days * DAY)) if abs(days) < 4_000_000 else None


def from_bytes(data: bytes, native: NativeType) -> Moment | None:
    """The server's own forms. datetime: days since 1900 and 1/300 s, big endian; the newer types: scale, time, date, little endian."""
    if native.word == "datetime":
        data = data[-8:].rjust(8, b"\0")
        days, units = int.from_bytes(data[:4], "big", signed=True), int.from_bytes(data[4:], "big")
        return Moment(EPOCH + days).moved(units * SECOND // 300) if units < 86_400 * 300 else None
    if native.word == "smalldatetime":
        data = data[-4:].rjust(4, b"\0")
        minutes = int.from_bytes(data[2:], "big")
        return Moment(EPOCH + int.from_bytes(data[:2], "big"), minutes * 60 * SECOND) if minutes < 1440 else None
    if native.kind is Kind.DATE:
        return Moment(1 + int.from_bytes(data[:3], "little")) if len(data) >= 3 else None
    return _newer(data, native)


def _newer(data: bytes, native: NativeType) -> Moment | None:
    if not data or data[0] > 7:
        return None
    scale = data[0]
    width = 3 if scale < 3 else 4 if scale < 5 else 5
    ticks = int.from_bytes(data[1 : 1 + width], "little") * 10 ** (7 - scale)
    rest = data[1 + width :]
    needed = {Kind.TIME: 0, Kind.MOMENT: 3, Kind.OFFSET: 5}[native.kind]
    if len(rest) < needed or ticks >= DAY:
        return None
    day = 1 + int.from_bytes(rest[:3], "little") if needed else EPOCH
    if native.kind is not Kind.OFFSET:
        return Moment(day, ticks)
    offset = int.from_bytes(rest[3:5], "little", signed=True)
    local = Moment(day).moved(ticks + offset * 60 * SECOND)
    return Moment(local.day, local.ticks, offset)


def rounded(moment: Moment, native: NativeType) -> Moment:
    """As exact as the type stores it."""
    if native.word == "datetime":
        units = (moment.ticks * 300 + SECOND // 2) // SECOND
        return moment.moved((units * 10 + 1) // 3 * (SECOND // 1000))
    if native.word == "smalldatetime":
        minute = 60 * SECOND
        return moment.moved((moment.ticks + minute - 29_999 * (SECOND // 1000)) // minute * minute)
    unit = 10 ** max(7 - native.scale, 0)
    return moment.moved((moment.ticks + unit // 2) // unit * unit)


def shown(moment: Moment, native: NativeType) -> str | None:
    """`2014-04-22 10:27:34.123`, as the type shows it, without zeros at the end of a fraction; None beyond the years 1-9999."""
    if native.kind is Kind.TIME:
        return _clock(rounded(Moment(1, moment.ticks), native).ticks)
    if native.kind is Kind.DATE:
        return _iso_day(moment.day)
    kept = rounded(moment, native)
    day = _iso_day(kept.day)
    if day is None:
        return None
    text = f"{day} {_clock(kept.ticks)}"
    if native.kind is not Kind.OFFSET:
        return text
    minutes = kept.offset or 0
    return f"{text}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _iso_day(day: int) -> str | None:
    try:
        return date.fromordinal(day).isoformat()
    except (ValueError, OverflowError):
        return None


def _clock(ticks: int) -> str:
    seconds, fraction = divmod(ticks, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:07}".rstrip("0") if fraction else text
