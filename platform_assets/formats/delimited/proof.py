"""Which bytes Arrow's parser reads as delimited_dialect defines, by vectorised proof; and where the records of proven bytes lie.

The proof: every quote is the first byte of a field, doubled, or followed by a separator or a line end. Then, by induction over the
quotes, an even number of quotes before a byte means outside, an odd number inside a quoted field, for Arrow and for the dialect alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from platform_assets.formats.delimited.dialect import CR, LF, Dialect

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
_BOM = b"\xef\xbb\xbf"


def proven_end(buffer: bytes, start: int, look: int, dialect: Dialect, *, final: bool) -> tuple[int, bool]:
    """The end of the last whole record up to which the proof holds, and whether it holds for all bytes looked at.

    `start` begins a record; `look` bytes are looked at from there. `final`: the buffer ends where the file does.
    """
    if buffer.startswith(_BOM, start):
        return start, False  # Arrow drops a mark at the beginning of any block; here it is data
    text = np.frombuffer(buffer, np.uint8)[start : start + look]
    size = limit = len(text)
    if dialect.escape and (found := buffer.find(dialect.escape, start, start + size)) >= 0:
        limit = found - start
    quotes = quotes_in(text[:limit], dialect)
    limit = min(limit, _first_unsafe_quote(text, quotes, dialect))
    other = LF if dialect.newline == CR else CR
    if buffer.find(other, start, start + limit) >= 0:
        limit = min(limit, _first_other_line_end(text[:limit], quotes, other))
    if final and limit == size and start + size == len(buffer) and len(quotes) % 2 == 0:
        return len(buffer), True
    return start + _last_outside(buffer, start, start + limit, dialect.newline, quotes), limit == size


def quotes_in(text: Bytes, dialect: Dialect) -> Int64s:
    if not dialect.quote:
        return np.empty(0, np.int64)
    return np.flatnonzero(text == dialect.quote[0])


def _first_unsafe_quote(text: Bytes, quotes: Int64s, dialect: Dialect) -> int:
    """Position of the first quote that neither opens nor closes a field nor is doubled; the text's length when there is none."""
    if not len(quotes):
        return len(text)
    separator, newline = dialect.separator[0], dialect.newline[0]
    opening, closing = quotes[0::2], quotes[1::2]
    before = text[opening - 1]
    opens = (before == separator) | (before == newline)
    opens[1:] |= opening[1:] - 1 == closing[: len(opening) - 1]
    opens[0] = opens[0] or opening[0] == 0
    after = text[np.minimum(closing + 1, len(text) - 1)]
    closes = (after == separator) | (after == newline) | (after == CR[0]) | (after == text[quotes[0]]) | (closing + 1 == len(text))
    first = len(text)
    if not opens.all():
        first = int(opening[np.argmin(opens)])
    if not closes.all():
        first = min(first, int(closing[np.argmin(closes)]))
    return first


def _first_other_line_end(text: Bytes, quotes: Int64s, other: bytes) -> int:
    """Position of the first CR or LF outside quotes that Arrow takes for a line end and the dialect does not; the text's length if none."""
    found = np.flatnonzero(text == other[0])
    if other == CR:
        found = found[found + 1 < len(text)]
        found = found[text[found + 1] != LF[0]]
    found = found[np.searchsorted(quotes, found) % 2 == 0]
    return int(found[0]) if len(found) else len(text)


def _last_outside(buffer: bytes, start: int, stop: int, newline: bytes, quotes: Int64s) -> int:
    """Where the last line end outside quotes before `stop` ends, counted from `start`; 0 when there is none."""
    while (found := buffer.rfind(newline, start, stop) - start) >= 0:
        inside = int(np.searchsorted(quotes, found))
        if inside % 2 == 0:
            return found + 1
        stop = start + int(quotes[inside - 1])
    return 0


@dataclass(frozen=True)
class Spans:
    """Records of a proven piece of text, blank lines left out: [starts, stops) without line ends, 0-based lines counted from its begin."""

    starts: Int64s
    stops: Int64s
    lines: Int64s
    blank_lines: Int64s


def spans_of(text: Bytes, dialect: Dialect) -> Spans:
    """The records of proven text."""
    quotes, newline = quotes_in(text, dialect), dialect.newline[0]
    ends = np.flatnonzero(text == newline)
    outside = np.flatnonzero(np.searchsorted(quotes, ends) % 2 == 0)
    starts, lines = np.concatenate(([0], ends[outside] + 1)), np.concatenate(([0], outside + 1))
    stops = np.append(ends[outside], len(text))
    if newline == LF[0]:
        stops = stops - ((stops > starts) & (text[np.maximum(stops - 1, 0)] == CR[0]))
    there = starts < len(text)
    filled = there & (stops > starts)
    return Spans(starts[filled], stops[filled], lines[filled], lines[there & ~filled])
