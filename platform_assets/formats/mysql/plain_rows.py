"""Where the rows of an INSERT lie in a piece of text, found for all of them at once. What their values mean is mysql_columns' business.

The proof that this is what the tokens would give: strings are those between quotes that are not escaped, as long as nothing outside
them can open another kind of string or a comment; the first byte that could ends what is found. Outside strings every byte must be a
part of a plain value, or its row is handed back to be read token by token.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from platform_assets.formats.cells import Flags, Octets, Places, Words, before, behind, escapes, odd, places_of, spans, stands_at, words_at
from platform_assets.formats.cells import words_of as words

_BINARY = b"_binary '"
_LEXICAL = np.zeros(256, bool)
_LEXICAL[list(b'"`#/*\\-')] = True
"""Bytes that, where they are no part of a plain value, may begin a comment or another kind of string."""
BLANK = np.zeros(256, bool)
BLANK[list(b" \t\n\v\f\r")] = True
_MOST_BLANKS = 64


@dataclass(frozen=True)
class Form:
    """What is looked for: rows of `width` values, and the text from the semicolon of one INSERT to the first row of the next, if known."""

    width: int
    backslash: bool
    joint: bytes = b""


@dataclass(frozen=True)
class Found:
    """The rows at the text's beginning, complete ones only.

    `edges`: per row the places of its opening parenthesis, of its commas, of its closing one and of the comma or semicolon behind it.
    `plain`: whether all its values are. `joints`: places of the semicolons behind which the next INSERT goes on with rows.
    `escaped`: bytes behind a backslash; `dropped`: backslashes and second quotes that are no part of what a string stands for.
    `size`: bytes of all rows, with what is behind the last one up to where the next can begin. `ended`: the statement ended with them.
    `stopped`: something else than the text's end ended the rows.
    """

    edges: Places
    plain: Flags
    joints: Places
    escaped: Places
    dropped: Places
    blanks: bool
    hexadecimal: bool
    size: int
    ended: bool
    stopped: bool


@dataclass
class _Bits:
    """The text's bytes by kind, those outside strings only."""

    text: Octets
    form: Form
    escaped: Places = field(init=False)
    quote: Words = field(init=False)
    inside: Words = field(init=False)
    whole: Words = field(init=False)
    outside: Words = field(init=False)

    def __post_init__(self) -> None:
        quote = self.text == 0x27
        marks = np.flatnonzero(self.text == 0x5C) if self.form.backslash else np.empty(0, np.int64)
        self.escaped = escapes(marks) + 1
        self.escaped = self.escaped[self.escaped < len(self.text)]
        quote[self.escaped] = False
        self.quote = words(quote)
        self.inside = odd(self.quote)
        self.whole = words(np.ones(len(self.text), bool))
        self.outside = self.whole & ~(self.inside | self.quote)

    def of(self, char: bytes) -> Words:
        return words(self.text == char[0]) & self.outside

    def within(self, first: bytes, last: bytes) -> Words:
        return words((self.text - np.uint8(first[0])) <= np.uint8(last[0] - first[0])) & self.outside


def find_rows(text: Octets, form: Form) -> Found:
    """The rows at the beginning of the text, which is an opening parenthesis."""
    bits = _Bits(text, form)
    size, width = len(text), form.width
    semicolons = places_of(bits.of(b";"))
    joints, ended_at = _joints(text, semicolons, form.joint)
    behind_joint = words_at(np.zeros(1, np.int64), size)
    if len(joints):
        heads = joints + len(form.joint)
        behind_joint |= words_at(heads[heads < size], size)
        bits.outside &= ~spans(joints + 1, heads, size)
    opening, closing, comma = bits.of(b"("), bits.of(b")"), bits.of(b",")
    separator = opening | closing | comma | bits.of(b";")
    bad, points, blanks, hexadecimal = _odd_bytes(bits, opening, closing, comma, separator, behind_joint)
    places, doubled = _without_points(text, separator, points)
    places = places[: np.searchsorted(places, ended_at, side="right")]
    edges = _regular(text, places, width)
    wrong = np.sort(np.concatenate((places_of(bad), doubled))) if len(doubled) else places_of(bad)
    count = _provable(text, edges, wrong)
    stopped = count < len(places) // (width + 2)
    edges = edges[:count]
    last = int(edges[-1, -1]) if count else -1
    plain = np.ones(count, bool)
    plain[np.searchsorted(edges[:, -1], wrong[wrong < last])] = False
    joints = joints[: np.searchsorted(joints, last, side="right")]
    ended = count > 0 and last == ended_at
    doubled_quotes = places_of(bits.quote & bits.inside & behind(bits.quote & ~bits.inside))
    dropped = np.sort(np.concatenate((_dropped(text, bits.escaped), doubled_quotes)))
    return Found(
        edges,
        plain,
        joints,
        bits.escaped[: np.searchsorted(bits.escaped, last)],
        dropped[: np.searchsorted(dropped, last)],
        blanks,
        hexadecimal,
        last + (len(form.joint) if len(joints) and joints[-1] == last else 1),
        ended,
        stopped,
    )


def _joints(text: Octets, semicolons: Places, joint: bytes) -> tuple[Places, int]:
    """The semicolons behind which the same INSERT begins again, up to the first behind which it does not; the place of that one."""
    if not len(semicolons):
        return semicolons, len(text)
    again = stands_at(text, semicolons, joint) if joint else np.zeros(len(semicolons), bool)
    if again.all():
        return semicolons, len(text)
    first = int(np.argmin(again))
    return semicolons[:first], int(semicolons[first])


def _provable(text: Octets, edges: Places, wrong: Places) -> int:
    """How many rows there are before the first byte that is wrong between two rows, or may open what is neither a string nor a value."""
    wrong = wrong[: np.searchsorted(wrong, edges[-1, -1])] if len(edges) else wrong[:0]
    if not len(wrong):
        return len(edges)
    rows = np.searchsorted(edges[:, -1], wrong)
    fatal = _LEXICAL[text[wrong]] | (wrong <= edges[rows, 0]) | (wrong > edges[rows, -2])
    return int(rows[np.argmax(fatal)]) if fatal.any() else len(edges)


def _dropped(text: Octets, escaped: Places) -> Places:
    """The backslashes that vanish: not those of \\% and \\_."""
    after = text[escaped]
    return escaped[(after != 0x25) & (after != 0x5F)] - 1


def _odd_bytes(
    bits: _Bits, opening: Words, closing: Words, comma: Words, separator: Words, behind_joint: Words
) -> tuple[Words, Words, bool, bool]:
    """The bytes that are no part of a plain value where they stand; points and exponents, one of each to a value; whether there are blanks, and 0x.."""
    blank = (bits.within(b"\t", b"\r") | bits.of(b" ")) if _any_blank(bits) else np.zeros_like(separator)
    leading = _leading(blank, separator, behind_joint)
    start = (behind(separator | leading) | behind_joint) & ~blank
    digit, point, minus = bits.within(b"0", b"9"), bits.of(b"."), bits.of(b"-")
    ell = bits.of(b"L")
    null = start & bits.of(b"N") & before(bits.of(b"U") & before(ell & before(ell & before(separator))))
    null |= behind(null)
    null |= behind(behind(null))
    opens, closes = bits.quote & bits.inside, bits.quote & ~bits.inside
    other = bits.outside & ~(separator | digit | point | minus | leading | null)
    nothing = np.zeros_like(other)
    may_open, exponent, sign, hexadecimal = start | behind(closes), nothing, nothing, nothing
    if other.any():
        covered, after = _prefixed(bits, start, other)
        may_open |= after
        hexadecimal = _hexadecimal(bits, start & digit, separator)
        exponent = other & (bits.of(b"e") | bits.of(b"E")) & behind(digit) & ~hexadecimal
        sign = behind(exponent) & (minus | bits.of(b"+")) & before(digit)
        exponent &= before(digit | sign)
        other &= ~(covered | hexadecimal | exponent | sign)
        digit, minus = digit & ~(hexadecimal & ~start), minus & ~sign
    bad = other
    bad |= opens & ~may_open
    bad |= closes & ~before(separator | opens)
    bad |= digit & ~(start | behind(digit | point | minus | exponent | sign))
    bad |= point & ~(behind(digit) & before(digit))
    bad |= minus & ~(start & before(digit))
    bad |= (comma | closing) & start & ~behind(closing)
    bad |= opening & ~start
    bad |= behind(closing) & ~(separator & ~(opening | closing))
    return bad & bits.whole, point | exponent, bool(leading.any()), bool(hexadecimal.any())


def _any_blank(bits: _Bits) -> bool:
    return bool((bits.text <= 0x20).any())


def _leading(blank: Words, separator: Words, behind_joint: Words) -> Words:
    """Blanks that follow a separator or one another up to it."""
    leading = blank & (behind(separator) | behind_joint)
    fresh, steps = leading, 0
    while fresh.any() and steps < _MOST_BLANKS:
        fresh = blank & behind(fresh)
        leading |= fresh
        steps += 1
    return leading


def _prefixed(bits: _Bits, start: Words, other: Words) -> tuple[Words, Words]:
    """The introducers `_binary ` and the quotes behind them."""
    candidates = places_of(start & other & bits.of(b"_"))
    good = candidates[stands_at(bits.text, candidates, _BINARY)]
    if not len(good):
        return np.zeros_like(other), np.zeros_like(other)
    size = len(bits.text)
    return spans(good, good + len(_BINARY) - 1, size), words_at(good + len(_BINARY) - 1, size)


def _hexadecimal(bits: _Bits, first: Words, separator: Words) -> Words:
    """The bytes of the values 0x.. that have no byte beside hexadecimal digits."""
    candidates = places_of(first & before(bits.of(b"x")) & bits.of(b"0"))
    if not len(candidates):
        return np.zeros_like(first)
    ends = places_of(separator)
    following = np.searchsorted(ends, candidates)
    candidates, following = candidates[following < len(ends)], following[following < len(ends)]
    stops = ends[following]
    digits = bits.within(b"0", b"9") | bits.within(b"a", b"f") | bits.within(b"A", b"F")
    wrong = places_of(spans(candidates + 2, stops, len(bits.text)) & ~digits)
    clean = np.searchsorted(wrong, candidates) == np.searchsorted(wrong, stops)
    return spans(candidates[clean], stops[clean], len(bits.text))


def _without_points(text: Octets, separator: Words, points: Words) -> tuple[Places, Places]:
    """The places of separators, and of points and exponents that follow another one within their value."""
    places = places_of(separator | points)
    if not points.any():
        return places, np.empty(0, np.int64)
    kinds = text[places]
    point = (kinds == 0x2E) | ((kinds | 0x20) == 0x65)
    pairs = np.flatnonzero(point[1:] & point[:-1])
    wrong = pairs[(kinds[pairs] != 0x2E) | (kinds[pairs + 1] == 0x2E)]
    return places[~point], places[wrong + 1]


def _regular(text: Octets, places: Places, width: int) -> Places:
    """The separators row by row, as far as each row has those of `width` values."""
    count = len(places) // (width + 2)
    edges = places[: count * (width + 2)].astype(np.int32).reshape(count, width + 2)
    if not count:
        return edges
    kinds = text[edges]
    expected = np.frombuffer(b"(" + b"," * (width - 1) + b")", np.uint8)
    regular = (kinds[:, :-1] == expected).all(axis=1) & ((kinds[:, -1] == 0x2C) | (kinds[:, -1] == 0x3B))
    return edges if regular.all() else edges[: int(np.argmin(regular))]
