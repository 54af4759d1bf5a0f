"""Columns of text to dates and times, by ISO 8601 or by declared strptime patterns. What does not fit exactly becomes NULL.

Arrow's own casts do the work where they are strict enough; where not, an expression that is the whole rule goes before them.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.timeformats import YEAR, ZONE, TimeFormat, time_format
from platform_assets.dictionary.types import DATE, INSTANT, TIME, TIMESTAMP
from platform_assets.formats.fixed_times import read_fixed

_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_ORDINARY_DAY = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
ISO_DATE = f"(?:{YEAR}-{_ORDINARY_DAY}|{_LEAP}-02-29)"
ISO_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0*)?"
_ISO_TIMESTAMP = f"^{ISO_DATE}[ T]{ISO_TIME}$"
_ISO_INSTANT = f"^{ISO_DATE}[ T]{ISO_TIME}{ZONE}$"
_SECONDS_TEXT = len("2021-01-02 03:04:05")
_FIRST = -62_135_596_800_000_000
_LAST = 253_402_300_799_999_999
"""0001-01-01 and 9999-12-31 in microseconds of 1970: what Python and PostgreSQL both hold."""
_DAY = 86_400_000_000


def only(text: pa.Array, pattern: str) -> pa.Array:
    """The text where the RE2 pattern matches, else NULL."""
    return pc.if_else(pc.match_substring_regex(text, pattern), text, pa.scalar(None, text.type))


def attempt(text: pa.Array, target: pa.DataType) -> pa.Array | None:
    """Arrow's cast, or None when a cell fails it. The first cells go ahead, since Arrow words an error for every cell (400 ns each)."""
    try:
        text.slice(0, 32).cast(target)
        return text.cast(target)
    except pa.ArrowInvalid:
        return None


def cast_times(text: pa.StringArray, target: pa.DataType, formats: Sequence[str] = ()) -> pa.Array:
    """Text as date, timestamp, instant or time; NULL where it is neither of the formats nor ISO 8601, which is tried last.

    A timestamp takes no zone; an instant without a zone is in UTC. Hours, minutes and seconds are all needed, fractions beyond
    microseconds must be zeros; a date read by a format with a time must be midnight. Raises SettingsError for an unknown format.
    """
    fitting = [fmt for fmt in map(time_format, formats) if fmt.fits(target)]
    if fitting and all(fmt.wordy for fmt in fitting):
        plain = _plain_iso(text, target)
        if plain is not None:  # none of the formats can have a say in it
            return plain
    found: pa.Array | None = None
    rest = text
    for fmt in fitting:
        values = _by_format(rest, fmt, target)
        found = values if found is None else pc.coalesce(found, values)
        if found.null_count == text.null_count:
            return found
        rest = pc.if_else(pc.is_null(found), text, pa.scalar(None, text.type))
    values = _ISO[target](rest)
    return values if found is None else pc.coalesce(found, values)


def _plainly(text: pa.StringArray, target: pa.DataType, shortest: int) -> pa.Array | None:
    """Arrow's cast, when every cell passes it and is long enough: shorter forms leave out minutes or seconds. None otherwise."""
    length = pc.min(pc.binary_length(text)).as_py()
    if length is None or length < shortest:
        return None
    values = attempt(text, target)
    if values is None:
        return None
    first = pc.min(values).cast(pa.int32() if target == DATE else pa.int64()).as_py()
    return values if first >= (_FIRST // _DAY if target == DATE else _FIRST) else None


def _plain_iso(text: pa.StringArray, target: pa.DataType) -> pa.Array | None:
    """A whole column of ISO dates or timestamps; None when a cell is anything else, or may be."""
    if target not in (DATE, TIMESTAMP):
        return None
    return _plainly(text, target, len("2021-01-02") if target == DATE else _SECONDS_TEXT)


def _iso_date(text: pa.StringArray) -> pa.Array:
    values = _plainly(text, DATE, len("2021-01-02"))
    return only(text, f"^{ISO_DATE}$").cast(DATE) if values is None else values


def _microseconds_only(text: pa.StringArray) -> pa.StringArray:
    """Without the zeros beyond six digits, which Arrow refuses."""
    if not pc.any(pc.match_substring_regex(text, r"\.[0-9]{7}")).as_py():
        return text
    return pc.replace_substring_regex(text, r"(\.[0-9]{6})0+([Z+-]|$)", r"\1\2")


def _iso_timestamp(text: pa.StringArray) -> pa.Array:
    values = _plainly(text, TIMESTAMP, _SECONDS_TEXT)
    return _microseconds_only(only(text, _ISO_TIMESTAMP)).cast(TIMESTAMP) if values is None else values


def _iso_instant(text: pa.StringArray) -> pa.Array:
    if pc.all(pc.ends_with(text, "Z")).as_py():
        values = _plainly(text, INSTANT, _SECONDS_TEXT + 1)
    else:
        local = _plainly(text, TIMESTAMP, _SECONDS_TEXT)
        values = None if local is None else _as_utc(local)
    if values is not None:
        return values
    zoned = _microseconds_only(only(text, _ISO_INSTANT)).cast(INSTANT)
    local = _microseconds_only(only(text, _ISO_TIMESTAMP)).cast(TIMESTAMP)
    return _as_utc(_in_range(pc.coalesce(zoned.cast(pa.int64()), local.cast(pa.int64()))))


def _iso_time(text: pa.StringArray) -> pa.Array:
    good = _microseconds_only(only(text, f"^{ISO_TIME}$"))
    return _arrow(pl.Series(pl.from_arrow(good)).str.to_time("%H:%M:%S%.f", strict=False)).cast(TIME)


_ISO = {DATE: _iso_date, TIMESTAMP: _iso_timestamp, INSTANT: _iso_instant, TIME: _iso_time}


def _as_utc(local: pa.Array) -> pa.Array:
    return local.cast(pa.int64()).cast(INSTANT)


def _arrow(series: pl.Series) -> pa.Array:
    return series.to_arrow()


def _shifted(local: pa.Array, zones: pa.StringArray) -> pa.Array:
    """Local times to UTC by their zone texts (`Z`, `+02`, `-0530`, `+01:00`); NULL where the years 1-9999 are left."""
    encoded = zones.dictionary_encode()
    offsets = pa.array([_offset(zone) for zone in encoded.dictionary.to_pylist()], pa.int64()).take(encoded.indices)
    return _in_range(pc.subtract(local.cast(pa.int64()), offsets)).cast(TIMESTAMP)


def _in_range(micros: pa.Array) -> pa.Array:
    fits = pc.and_(pc.greater_equal(micros, _FIRST), pc.less_equal(micros, _LAST))
    return pc.if_else(fits, micros, pa.scalar(None, micros.type))


def _offset(zone: str) -> int:
    """Microseconds east of UTC."""
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-minutes if zone[0] == "-" else minutes) * 60_000_000


def _by_format(text: pa.StringArray, fmt: TimeFormat, target: pa.DataType) -> pa.Array:
    values = read_fixed(text, fmt)
    if values is None:
        values = _by_pattern(text, fmt, target)
    if target == INSTANT:
        return _as_utc(values)
    if target == DATE and fmt.has("M"):
        micros = values.cast(pa.int64())
        midnight = pc.equal(pc.multiply(pc.divide(micros, _DAY), _DAY), micros)
        return pc.if_else(midnight, values, pa.scalar(None, TIMESTAMP)).cast(DATE)
    return values if values.type == target else values.cast(target)


def _by_pattern(text: pa.StringArray, fmt: TimeFormat, target: pa.DataType) -> pa.Array:
    good = only(text, fmt.pattern)
    zones, good, fmt = _cut(good, fmt, "z")
    fractions, good, fmt = _cut(good, fmt, "f")
    if fmt.has("y"):
        # RE2 reads one digit after the backslash: group 1, then the century. The pivot is POSIX's; polars' own would make 69 to 2069.
        good = pc.replace_substring_regex(good, fmt.around("y", "[0-5][0-9]|6[0-8]"), r"\120\2\3")
        good = pc.replace_substring_regex(good, fmt.around("y", "69|[7-9][0-9]"), r"\119\2\3")
        fmt = fmt.with_century()
    values = _read(good, fmt, target)
    if fractions is not None:
        digits = pc.utf8_slice_codeunits(pc.utf8_rpad(fractions, 6, "0"), 0, 6).cast(pa.int64())
        values = pc.add(values.cast(pa.int64()), digits).cast(values.type)
    return values if zones is None else _shifted(values, zones)


def _cut(text: pa.StringArray, fmt: TimeFormat, directive: str) -> tuple[pa.StringArray | None, pa.StringArray, TimeFormat]:
    """The texts of one directive, what is left around them, and the format without it."""
    if not fmt.has(directive):
        return None, text, fmt
    around = fmt.around(directive)
    return pc.replace_substring_regex(text, around, r"\2"), pc.replace_substring_regex(text, around, r"\1\3"), fmt.without(directive)


def _read(text: pa.StringArray, fmt: TimeFormat, target: pa.DataType) -> pa.Array:
    """Masked text by polars' strptime, which alone would be too lenient: it takes any white space, and year 0."""
    series = pl.Series(pl.from_arrow(text))
    if target == TIME:
        return _arrow(series.str.to_time(fmt.strptime, strict=False)).cast(TIME)
    if not fmt.has("M"):
        days = _arrow(series.str.to_date(fmt.strptime, strict=False))
        return days if target == DATE else days.cast(TIMESTAMP)
    return _arrow(series.str.to_datetime(fmt.strptime, strict=False, time_unit="us"))
