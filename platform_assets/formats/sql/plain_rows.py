"""Where the rows of an INSERT lie in a piece of text, found for all of them at once. What their values mean is mysql_columns' business.

The proof that this is what the tokens would give: strings are those between quotes that are not escaped, as long as nothing outside
them can open another kind of string or a comment; the first byte that could ends what is found. Outside strings every byte must be a
part of a plain value, or its row is handed back to be read token by token.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from platform_assets.formats.cells import (
    Flags,
    Octets,
    Places,
    Words,
    before,
    behind,
    count_of,
    escapes,
    first_bytes,
    odd,
    places_of,
    spans,
    stands_at,
    words_at,
    words_of,
)

_BINARY = b"_binary '"
_LEXICAL = np.zeros(256, bool)
_LEXICAL[list(b'"`#/*\\-')] = True
"""Bytes that, where they are no part of a plain value, may begin a comment or another kind of string."""
BLANK = np.zeros(256, bool)
BLANK[list(b" \t\n\v\f\r")] = True
_MOST_BLANKS = 64
_FULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Form:
    """What is looked for: rows of `width` values, and the text from the semicolon of one INSERT to the first row of the next, if known."""

    width: int
    backslash: bool
    joint: bytes = b""
    prefix: bytes = _BINARY
    """What may stand before a quoted value, its quote included: `_binary '`, or `X'` of SQLite."""


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
    _octets: Octets = field(init=False)
    _flags: Flags = field(init=False)

    def __post_init__(self) -> None:
        # Arrays as long as the text are made once: fresh ones for each kind of byte would be fresh pages for the kernel to fill.
        self._octets, self._flags = np.empty_like(self.text), np.empty(len(self.text), bool)
        marks = np.flatnonzero(np.equal(self.text, 0x5C, out=self._flags)) if self.form.backslash else np.empty(0, np.int64)
        self.escaped = escapes(marks) + 1
        self.escaped = self.escaped[self.escaped < len(self.text)]
        np.equal(self.text, 0x27, out=self._flags)
        self._flags[self.escaped] = False
        self.quote = words_of(self._flags)
        self.inside = odd(self.quote)
        self.whole = first_bytes(len(self.text), len(self.text))
        self.outside = self.whole & ~(self.inside | self.quote)

    def end_at(self, size: int) -> None:
        """Only the first bytes count from here on."""
        self.whole = first_bytes(size, len(self.text))
        self.outside &= self.whole

    def of(self, char: bytes) -> Words:
        return words_of(np.equal(self.text, char[0], out=self._flags)) & self.outside

    def within(self, first: bytes, last: bytes) -> Words:
        np.subtract(self.text, np.uint8(first[0]), out=self._octets)
        return words_of(np.less_equal(self._octets, np.uint8(last[0] - first[0]), out=self._flags)) & self.outside


def find_rows(text: Octets, form: Form) -> Found:
    """The rows at the beginning of the text, which is an opening parenthesis."""
    bits = _Bits(text, form)
    size, width = len(text), form.width
    semicolons = places_of(bits.of(b";"))
    joints, ended_at = _joints(text, semicolons, form.joint)
    behind_joint = first_bytes(1, size)
    if len(joints):
        heads = joints + len(form.joint)
        behind_joint |= words_at(heads[heads < size], size)
        bits.outside &= ~spans(joints + 1, heads, size)
    opening, closing = bits.of(b"("), bits.of(b")")
    separator = opening | closing | bits.of(b",") | bits.of(b";")
    places = places_of(separator)
    places = places[: np.searchsorted(places, ended_at, side="right")]
    edges = _regular(text, places, width)
    bits.end_at(int(edges[-1, -1]) + 1 if len(edges) else 0)
    bad, blanks, hexadecimal = _odd_bytes(bits, _Marks(opening, closing, separator, behind_joint))
    wrong = places_of(bad)
    count = _provable(text, edges, wrong)
    stopped = count < len(places) // (width + 2)
    edges = edges[:count]
    last = int(edges[-1, -1]) if count else -1
    plain = np.ones(count, bool)
    plain[np.searchsorted(edges[:, -1], wrong[wrong < last])] = False
    joints = joints[: np.searchsorted(joints, last, side="right")]
    ended = count > 0 and last == ended_at
    doubled_quotes = places_of(bits.quote & bits.inside & behind(bits.quote & ~bits.inside))
    dropped = _dropped(text, bits.escaped)
    if len(doubled_quotes):
        dropped = np.sort(np.concatenate((dropped, doubled_quotes)))
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
    if not len(wrong):
        return len(edges)
    rows = np.searchsorted(edges[:, -1], wrong)
    fatal = _LEXICAL[text[wrong]] | (wrong <= edges[rows, 0]) | (wrong > edges[rows, -2])
    return int(rows[np.argmax(fatal)]) if fatal.any() else len(edges)


def _dropped(text: Octets, escaped: Places) -> Places:
    """The backslashes that vanish: not those of \\% and \\_."""
    after = text[escaped]
    return escaped[(after != 0x25) & (after != 0x5F)] - 1


@dataclass(frozen=True)
class _Marks:
    """Where rows and values begin and end."""

    opening: Words
    closing: Words
    separator: Words
    """These, commas and semicolons."""
    behind_joint: Words


def _odd_bytes(bits: _Bits, marks: _Marks) -> tuple[Words, bool, bool]:
    """The bytes that are no part of a plain value where they stand; whether there are blanks before values, and values 0x.."""
    opening, closing, separator = marks.opening, marks.closing, marks.separator
    digit, point, minus = bits.within(b"0", b"9"), bits.of(b"."), bits.of(b"-")
    start, leading = behind(separator) | marks.behind_joint, None
    other = bits.outside & ~(separator | digit | point | minus)
    if other.any() and (other & ~_nulls(bits, start, separator)).any():
        blank = bits.within(b"\t", b"\r") | bits.of(b" ")
        leading = _leading(blank, start)
        start = (start | behind(leading)) & ~blank
        other &= ~(leading | _nulls(bits, start, separator))
    elif other.any():
        other = np.zeros_like(other)
    opens, closes = bits.quote & bits.inside, bits.quote & ~bits.inside
    behind_quote, behind_digit, behind_row = behind(closes), behind(digit), behind(closing)
    may_open = start | behind_quote
    hexadecimal = exponent = np.zeros(0, np.uint64)
    bad = other
    if other.any():
        covered, after = _prefixed(bits, start, other)
        may_open |= after
        hexadecimal = _hexadecimal(bits, start & digit, separator)
        exponent = other & (bits.of(b"e") | bits.of(b"E")) & behind_digit & ~hexadecimal
        sign = behind(exponent) & (minus | bits.of(b"+"))
        bad = other & ~(covered | hexadecimal | exponent | sign)
        exponent |= sign
        digit, minus = digit & ~(hexadecimal & ~start), minus & ~sign
    signs = point | minus | exponent if len(exponent) else point | minus
    behind_sign = behind(signs)
    if len(exponent):
        behind_sign &= ~exponent
        bad |= _second(digit, exponent, point | exponent)
    bad |= _second(digit, point, point)
    bad |= opens & ~may_open
    bad |= behind_quote & ~(separator | opens)
    bad |= digit & ~(start | behind_digit | behind_sign)
    bad |= behind_sign & ~digit
    bad |= point & ~behind_digit
    bad |= minus & ~start
    bad |= (separator & ~opening) & start & ~behind_row
    bad |= opening & ~start
    bad |= behind_row & (~separator | opening | closing)
    return bad & bits.whole, leading is not None and bool(leading.any()), bool(hexadecimal.any())


def _second(digit: Words, first: Words, second: Words) -> Words:
    """Where the digits behind a byte of the first kind end at one of the second. A number of 64 digits and more counts as such as well."""
    begun = behind(first) & digit
    sums = digit + begun
    carries = sums < digit
    sums[1:] += carries[:-1]
    ends = sums & ~digit & second
    whole = digit == _FULL
    return ends | whole if whole.any() else ends


def _nulls(bits: _Bits, start: Words, separator: Words) -> Words:
    """The bytes of the values NULL."""
    first = bits.of(b"N") & start
    if not first.any():
        return first
    ell = bits.of(b"L")
    second = bits.of(b"U") & behind(first)
    third = ell & behind(second)
    fourth = ell & behind(third)
    ends = separator & behind(fourth)
    if count_of(ends) == count_of(first):
        return first | second | third | fourth
    fourth = before(ends)
    third = before(fourth)
    second = before(third)
    return before(second) | second | third | fourth


def _leading(blank: Words, start: Words) -> Words:
    """Blanks that follow a separator or one another up to it."""
    fresh = leading = blank & start
    steps = 0
    while fresh.any() and steps < _MOST_BLANKS:
        fresh = blank & behind(fresh)
        leading = leading | fresh
        steps += 1
    return leading


def _prefixed(bits: _Bits, start: Words, other: Words) -> tuple[Words, Words]:
    """The prefixes and the quotes behind them."""
    prefix = bits.form.prefix
    candidates = places_of(start & other & bits.of(prefix[:1]))
    good = candidates[stands_at(bits.text, candidates, prefix)]
    if not len(good):
        return np.zeros_like(other), np.zeros_like(other)
    size = len(bits.text)
    return spans(good, good + len(prefix) - 1, size), words_at(good + len(prefix) - 1, size)


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


def _regular(text: Octets, places: Places, width: int) -> Places:
    """The separators row by row, as far as each row has those of `width` values."""
    count = len(places) // (width + 2)
    edges = places[: count * (width + 2)].astype(np.int32).reshape(count, width + 2)
    if not count:
        return edges
    kinds = text[edges]
    regular = kinds == np.frombuffer(b"(" + b"," * (width - 1) + b"),", np.uint8)
    regular[:, -1] |= kinds[:, -1] == 0x3B
    return edges if regular.all() else edges[: int(np.argmin(regular.all(axis=1)))]
