"""What a cell of a workbook holds, as plain values. Readers of workbook files make them, columns.py makes tables of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

NUMBER, TEXT, BOOLEAN, ERROR, DATE, DATETIME, TIME = range(7)
KIND_NAMES = ("number", "text", "boolean", "error", "date", "date and time", "time")
_WHOLE = re.compile(r"-?[0-9]+")
_EXACT = 2**53


class Cell(NamedTuple):
    """`column` counts from 0; `text` is the value as text: numbers by their shortest digits, times by ISO 8601."""

    column: int
    kind: int
    text: str


@dataclass(frozen=True)
class SheetRow:
    """A row with at least one filled cell; `number` is the sheet's own, from 1."""

    number: int
    cells: list[Cell]


@dataclass
class SheetEnd:
    """What is known when a sheet was read: merged ranges, and formulas whose values were not stored."""

    merged: int = 0
    valueless: int = 0


@dataclass(frozen=True)
class Sheet:
    """A sheet as its workbook lists it. `part` is where it is found there; None for a sheet that holds no cells (a chart)."""

    name: str
    part: str | None
    hidden: bool


def number_text(text: str) -> str | None:
    """Workbooks hold floats: 5.0 is shown as 5, 1.1000000000000001 as the shortest text of the same float. Whole digits stay as they are.

    None for what is no finite number.
    """
    if _WHOLE.fullmatch(text):
        return text
    try:
        value = float(text)
    except ValueError:
        return None
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def moment(serial: float, *, epoch_1904: bool, dated: bool, timed: bool) -> tuple[int, str] | None:
    """Kind and ISO text of a serial number under a format with a date and/or a time; None where no calendar has it.

    Days count from 1900-01-01 = 1 with a 1900-02-29 that never was (ECMA-376 part 1, 18.17.4.1), or from 1904-01-01 = 0. Rounded to
    milliseconds, the finest that a format shows.
    """
    millis = round(serial * 86_400_000)
    if millis < 0:
        return None
    days, rest = divmod(millis, 86_400_000)
    clock = (datetime.min + timedelta(milliseconds=rest)).time()
    if timed and not dated:
        return (TIME, _clock(clock)) if days == 0 else None
    if not epoch_1904 and days in (0, 60):
        return (TIME, _clock(clock)) if days == 0 and timed else None
    first = date(1904, 1, 1) if epoch_1904 else date(1899, 12, 31) if days < 60 else date(1899, 12, 30)
    try:
        day = first + timedelta(days=days)
    except OverflowError:
        return None
    if rest or timed:
        return DATETIME, f"{day.isoformat()}T{_clock(clock)}"
    return DATE, day.isoformat()


def _clock(clock: time) -> str:
    return clock.isoformat() if clock.microsecond == 0 else clock.isoformat(timespec="milliseconds")
