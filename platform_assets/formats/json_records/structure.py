"""Where the braces, commas and colons of JSON text stand outside its strings, and how deep, for a whole buffer at once.

RFC 8259. Only positions; what records and values they bound is records.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
QUOTE, BACKSLASH, COMMA, COLON, NEWLINE = b'"\\,:\n'
OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST = b"{}[]"
_IS_MARK = np.zeros(256, np.bool_)
_IS_MARK[list(b"{}[],:")] = True
_STEP = np.zeros(256, np.int8)
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1
IS_WHITE = np.zeros(256, np.bool_)
IS_WHITE[list(b" \t\n\r")] = True
_STEPS_BY_HAND = 64
"""Blanks that are stripped one by one over all spans; a longer gap is jumped over by looking up where it ends."""


@dataclass(frozen=True)
class Structure:
    """`marks` are the positions of {}[],: outside strings, `kinds` those bytes, `depth` the nesting right behind each of them.

    `quotes` are the quotes that begin and end strings, in turn.
    """

    data: Bytes
    quotes: Int64s
    marks: Int64s
    kinds: Bytes
    depth: Int64s

    def quotes_between(self, starts: Int64s, stops: Int64s) -> Int64s:
        return np.searchsorted(self.quotes, stops) - np.searchsorted(self.quotes, starts)


def structure_of(data: Bytes) -> Structure:
    """The structure of text that begins outside a string."""
    quotes = np.flatnonzero(data == QUOTE)
    slashes = np.flatnonzero(data == BACKSLASH)
    if len(slashes) and len(quotes):
        quotes = quotes[~_escaped(quotes, slashes)]
    marks = np.flatnonzero(_IS_MARK[data])
    marks = marks[(np.searchsorted(quotes, marks) & 1) == 0]
    kinds = data[marks]
    return Structure(data, quotes, marks, kinds, np.cumsum(_STEP[kinds], dtype=np.int64))


def _escaped(quotes: Int64s, slashes: Int64s) -> Bools:
    """Whether an odd number of backslashes stands right before each quote."""
    begins = np.ones(len(slashes), np.bool_)
    begins[1:] = np.diff(slashes) != 1
    numbers = np.arange(len(slashes))
    run_starts = np.maximum.accumulate(np.where(begins, numbers, 0))
    last = np.searchsorted(slashes, quotes) - 1
    touches = (last >= 0) & (slashes[last] == quotes - 1)
    return touches & ((last - run_starts[last]) % 2 == 0)


def stripped(data: Bytes, starts: Int64s, stops: Int64s) -> tuple[Int64s, Int64s]:
    """Spans without the white space at their ends; a blank span becomes an empty one."""
    starts, stops = starts.copy(), stops.copy()
    if not len(data):
        return starts, stops
    _advance(data, starts, stops)
    _retreat(data, starts, stops)
    return starts, stops


def _advance(data: Bytes, starts: Int64s, stops: Int64s) -> None:
    active = np.flatnonzero((starts < stops) & IS_WHITE[data[np.minimum(starts, len(data) - 1)]])
    for _ in range(_STEPS_BY_HAND):
        if not len(active):
            return
        starts[active] += 1
        active = active[starts[active] < stops[active]]
        active = active[IS_WHITE[data[starts[active]]]]
    solid = np.flatnonzero(~IS_WHITE[data])
    found = np.searchsorted(solid, starts[active])
    ends = np.append(solid, len(data))[found]
    starts[active] = np.minimum(ends, stops[active])


def _retreat(data: Bytes, starts: Int64s, stops: Int64s) -> None:
    active = np.flatnonzero((starts < stops) & IS_WHITE[data[np.maximum(stops - 1, 0)]])
    for _ in range(_STEPS_BY_HAND):
        if not len(active):
            return
        stops[active] -= 1
        active = active[starts[active] < stops[active]]
        active = active[IS_WHITE[data[stops[active] - 1]]]
    solid = np.flatnonzero(~IS_WHITE[data])
    found = np.searchsorted(solid, stops[active]) - 1
    ends = np.concatenate(([-1], solid))[found + 1] + 1
    stops[active] = np.maximum(ends, starts[active])
