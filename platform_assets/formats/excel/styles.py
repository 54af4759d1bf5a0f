"""Which number formats of a workbook show dates or times (ECMA-376 part 1, 18.8.30 and 18.8.31)."""

from __future__ import annotations

import re
from typing import NamedTuple

_BUILT_IN = {**dict.fromkeys((14, 15, 16, 17), "d"), **dict.fromkeys((18, 19, 20, 21, 45, 47), "h"), 22: "dh"}
_BUILT_IN |= {**dict.fromkeys((27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58), "d"), **dict.fromkeys((32, 33, 34, 35), "h")}
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_NOON = re.compile(r"am/pm|a/p", re.IGNORECASE)


class Shows(NamedTuple):
    """What a format shows of a number."""

    date: bool
    time: bool


NOTHING = Shows(False, False)


def shows_of(number: int, code: str | None) -> Shows:
    """What format `number` with its `code` (None for a built-in one) shows. A time span such as [h]:mm is a number of days."""
    if code is None:
        built_in = _BUILT_IN.get(number, "")
        return Shows("d" in built_in, "h" in built_in)
    section = _LITERALS.sub("", code).partition(";")[0]
    if _ELAPSED.search(section) or section.strip().lower() == "general":
        return NOTHING
    bare = _NOON.sub("h", section).lower()
    timed = "h" in bare or "s" in bare
    return Shows("y" in bare or "d" in bare or ("m" in bare and not timed), timed)
