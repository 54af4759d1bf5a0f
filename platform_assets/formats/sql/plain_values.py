"""Which bytes of a piece of text are strings, and which bytes outside them are a part of a plain value, for all of it at once.

A mask holds a bit per byte (cells); the rules between neighbours are shifts of masks. Rows are plain_rows' business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

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
    prefix: bytes = b""
    """What may stand before a quoted value, its quote included: `_binary '` of MySQL, `X'` of SQLite; "" for nothing."""
    fatal: bytes = b'"`#/*\\-'
    """Bytes that, where they are no part of a plain value, may begin a comment or a string of other rules: rows are sought up to there.

    With a quote among them, a string may begin only where a value does.
    """
    hexadecimal: bool = False
    """Whether 0x.. is a plain value."""
    words: tuple[bytes, ...] = ()
    """Plain values beside NULL that are words."""
    calls: tuple[tuple[bytes, bytes], ...] = ()
    """Functions around a quoted value that are a plain value with it: what stands before its first quote, what behind its last one."""


@dataclass
class Bits:
    """The text's bytes by kind, those outside strings only."""

    text: Octets
    form: Form
    escaped: Places = field(init=False)
    quote: Words = field(init=False)
    inside: Words = field(init=False)
    whole: Words = field(init=False)
    outside: Words = field(init=False)
    calls: tuple[Words, Words] | None = field(init=False, default=None)
    """The bytes of functions before quoted values, and behind them."""
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

    def hide(self, words: Words) -> None:
        """These bytes count neither as strings nor as what stands outside them; quotes among them come in pairs."""
        self.quote &= ~words
        self.inside &= ~words
        self.outside = self.whole & ~(self.inside | self.quote | words)

    def of(self, char: bytes) -> Words:
        return words_of(np.equal(self.text, char[0], out=self._flags)) & self.outside

    def within(self, first: bytes, last: bytes) -> Words:
        np.subtract(self.text, np.uint8(first[0]), out=self._octets)
        return words_of(np.less_equal(self._octets, np.uint8(last[0] - first[0]), out=self._flags)) & self.outside


@lru_cache(maxsize=8)
def set_of(octets: bytes) -> Flags:
    flags = np.zeros(256, bool)
    flags[list(octets)] = True
    return flags


@dataclass(frozen=True)
class Marks:
    """Where rows and values begin and end."""

    opening: Words
    closing: Words
    separator: Words
    """These, commas and semicolons."""
    behind_joint: Words


def odd_bytes(bits: Bits, marks: Marks) -> tuple[Words, bool, bool]:
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
        if bits.form.words and other.any():
            other &= ~_words(bits, start & other)
    elif other.any():
        other = np.zeros_like(other)
    opens, closes = bits.quote & bits.inside, bits.quote & ~bits.inside
    behind_quote, behind_digit, behind_row = behind(closes), behind(digit), behind(closing)
    may_open = start | behind_quote
    misplaced: Words | None = None
    if bits.calls is not None:
        opening_call, closing_call = bits.calls
        may_open |= behind(opening_call)
        behind_quote &= ~closing_call
        misplaced = opening_call & ~(start | behind(opening_call))
        misplaced |= behind(closing_call) & ~(closing_call | separator)
    hexadecimal = exponent = np.zeros(0, np.uint64)
    bad = other
    if other.any():
        covered, after = _prefixed(bits, start, other)
        may_open |= after
        hexadecimal = _hexadecimal(bits, start & digit, separator) if bits.form.hexadecimal else np.zeros_like(other)
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
    if misplaced is not None:
        bad |= misplaced
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


def _nulls(bits: Bits, start: Words, separator: Words) -> Words:
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


def _words(bits: Bits, first: Words) -> Words:
    """The bytes of the form's words where they are whole values; `first` are the bytes that may begin one."""
    text, begins = bits.text, places_of(first)
    found = np.zeros_like(first)
    for word in bits.form.words:
        here = begins[stands_at(text, begins, word)]
        ends = here + len(word)
        ended = here[(ends < len(text)) & set_of(b",)")[text[np.minimum(ends, len(text) - 1)]]]
        if len(ended):
            found |= spans(ended, ended + len(word), len(text))
    return found


def mask_calls(bits: Bits) -> None:
    """Takes the functions around quoted values out of what is looked at; their strings come in pairs, so the others stay what they are."""
    size = len(bits.text)
    before_text, behind_text = np.zeros_like(bits.whole), np.zeros_like(bits.whole)
    for opening, closing in bits.form.calls:
        begins = places_of(bits.of(opening[:1]))
        begins = begins[stands_at(bits.text, begins, opening + b"'")]
        if not len(begins):
            continue
        opens, closes = bits.quote & bits.inside, bits.quote & ~bits.inside
        last = places_of(closes & ~before(opens))
        number = np.searchsorted(last, begins + len(opening))
        begins, number = begins[number < len(last)], number[number < len(last)]
        ends = last[number] + 1
        closed = stands_at(bits.text, ends, closing)
        begins, ends = begins[closed], ends[closed]
        before_text |= spans(begins, begins + len(opening), size)
        behind_text |= spans(ends, ends + len(closing), size)
        # What is a function already is no beginning of another: replace(replace( comes before replace(.
        bits.hide(before_text | behind_text)
        bits.calls = before_text, behind_text


def _leading(blank: Words, start: Words) -> Words:
    """Blanks that follow a separator or one another up to it."""
    fresh = leading = blank & start
    steps = 0
    while fresh.any() and steps < _MOST_BLANKS:
        fresh = blank & behind(fresh)
        leading = leading | fresh
        steps += 1
    return leading


def _prefixed(bits: Bits, start: Words, other: Words) -> tuple[Words, Words]:
    """The prefixes and the quotes behind them."""
    prefix = bits.form.prefix
    candidates = places_of(start & other & bits.of(prefix[:1])) if prefix else np.empty(0, np.int64)
    good = candidates[stands_at(bits.text, candidates, prefix)]
    if not len(good):
        return np.zeros_like(other), np.zeros_like(other)
    size = len(bits.text)
    return spans(good, good + len(prefix) - 1, size), words_at(good + len(prefix) - 1, size)


def _hexadecimal(bits: Bits, first: Words, separator: Words) -> Words:
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
