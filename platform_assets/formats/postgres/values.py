"""Text as PostgreSQL takes it in -> text or values as it stores them, where the two differ. Whole columns; odd cells one by one.

What is no value of the type stays text, so that the caster makes it NULL and keeps it in `_raw`. Source: manual, 8.5, 8.6 and B.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BOOLEAN, DATE, INSTANT, TIMESTAMP
from platform_assets.formats.postgres.types import NativeType

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_STRICT = {
    DATE: f"^{_DATE}$",
    TIMESTAMP: f"^{_DATE} {_TIME}$",
    INSTANT: rf"^{_DATE} {_TIME}(?:Z|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)$",
}
_LENIENT = re.compile(
    r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:(?:T|\s+|\s*T\s*)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?)?"
    r"\s*(Z|UTC|GMT|z|[+-]\d{1,2}(?::?\d\d(?::?\d\d)?)?)?\s*"
)
_TRUE = {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}
_FALSE = {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}


def stored(text: pa.StringArray, target: pa.DataType, native: NativeType) -> pa.Array:
    """A column of text on its way to `target`: booleans by PostgreSQL's words, dates in one form, character(n) filled with blanks."""
    if target == BOOLEAN:
        return _booleans(text)
    if target in _STRICT:
        return _times(text, target)
    if native.padded:
        return pc.utf8_rpad(text, native.padded)
    return text


def _booleans(text: pa.StringArray) -> pa.Array:
    encoded = text.dictionary_encode()
    words = [word.strip().lower() for word in encoded.dictionary.to_pylist()]
    if any(word not in _TRUE and word not in _FALSE for word in words):
        return text
    return pa.array([word in _TRUE for word in words], BOOLEAN).take(encoded.indices)


def _times(text: pa.StringArray, target: pa.DataType) -> pa.StringArray:
    odd = np.flatnonzero(pc.fill_null(pc.invert(pc.match_substring_regex(text, _STRICT[target])), False).to_numpy(zero_copy_only=False))
    if not len(odd):
        return text
    write = _WRITERS[target]
    values = [_rewritten(cell, write) for cell in text.take(pa.array(odd)).to_pylist()]
    mask = np.zeros(len(text), dtype=bool)
    mask[odd] = True
    return pc.replace_with_mask(text, pa.array(mask), pa.array(values, pa.string()))


def _rewritten(cell: str, write: Callable[[datetime, str | None], str]) -> str:
    """The cell in the form of ISO 8601 when it says year, month and day in this order; else as it is."""
    found = _LENIENT.fullmatch(cell)
    if found is None:
        return cell
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second or int(found[7] or 0))):
            return cell
        time = datetime(year, month, day) + timedelta(hours=hour, minutes=minute, seconds=second)
        return write(time.replace(microsecond=int((found[7] or "0").ljust(6, "0"))), found[8])
    except (ValueError, OverflowError):
        return cell


def _local(time: datetime) -> str:
    return time.isoformat(" ")


def _zoned(time: datetime, zone: str | None) -> str:
    """In UTC; offsets of local mean time have seconds. Without a zone the session's counts, which is taken for UTC."""
    if zone is None or zone[0] not in "+-":
        return _local(time) + "+00"
    digits = [int(part) for part in re.findall(r"\d{1,2}", zone)] + [0, 0]
    offset = timedelta(hours=digits[0], minutes=digits[1], seconds=digits[2])
    return _local(time + offset if zone[0] == "-" else time - offset) + "+00"


_WRITERS: dict[pa.DataType, Callable[[datetime, str | None], str]] = {
    DATE: lambda time, zone: time.date().isoformat(),
    TIMESTAMP: lambda time, zone: _local(time),
    INSTANT: _zoned,
}
