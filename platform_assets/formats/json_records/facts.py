"""What all values of a column have in common, gathered while they pass, and the type that holds each of them exactly.

The types are JSON's own: a string stays text however it looks. Numbers never take a way through floating point unless the float's
shortest text is the number that stood there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column
from platform_assets.dictionary.types import BOOLEAN as BOOLEAN_TYPE
from platform_assets.dictionary.types import FLOAT64, INT64, MAX_PRECISION, STRING, decimal
from platform_assets.formats.json_records.records import BOOLEAN, KIND_NAMES, NESTED, NULL, NUMBER, TEXT, WORD, Values

_SAFE_DIGITS = 15
"""Any number of so many digits survives the way to a float and back."""
_LONGEST = 60
_INT64 = range(-(2**63), 2**63)


@dataclass
class Facts:
    """One column. `counts` are values per kind; the rest is about its numbers."""

    counts: list[int] = field(default_factory=lambda: [0] * len(KIND_NAMES))
    whole_digits: int = 0
    scale: int = 0
    only_whole: bool = True
    fits_int64: bool = True
    exponents: bool = False
    fits_float: bool = True

    @property
    def present(self) -> int:
        return sum(self.counts)

    def add(self, values: Values) -> None:
        for kind, count in enumerate(np.bincount(values.kinds, minlength=len(KIND_NAMES)).tolist()):
            self.counts[kind] += count
        at = np.flatnonzero(values.kinds == NUMBER)
        if len(at):
            self.numbers(values.texts if len(at) == len(values.texts) else values.texts.take(pa.array(at)))

    def numbers(self, texts: pa.StringArray) -> None:
        """Counts nothing; looks at the digits."""
        scientific = pc.match_substring_regex(texts, "[eE]")
        if pc.any(scientific).as_py():
            self.exponents, self.only_whole = True, False
            self._check_floats(texts.filter(scientific))
            texts = texts.filter(pc.invert(scientific))
        if not len(texts):
            return
        digits = pc.replace_substring(texts, "-", "")
        lengths = pc.binary_length(digits).to_numpy(zero_copy_only=False)
        dots = pc.find_substring(digits, ".").to_numpy(zero_copy_only=False)
        whole = np.where(dots < 0, lengths, dots)
        scale = np.where(dots < 0, 0, lengths - dots - 1)
        self.whole_digits = max(self.whole_digits, int(whole.max()))
        self.scale = max(self.scale, int(scale.max()))
        self.only_whole &= bool((dots < 0).all())
        large = np.flatnonzero((dots < 0) & (lengths > 18))
        if len(large):
            self.fits_int64 &= all(len(text) < 21 and int(text) in _INT64 for text in pc.unique(texts.take(pa.array(large))).to_pylist())
        if self.fits_float:
            trailing = (scale > 1) & pc.ends_with(digits, "0").to_numpy(zero_copy_only=False)
            self.fits_float = not trailing.any()
            self._check_floats(texts.take(pa.array(np.flatnonzero(whole + scale > _SAFE_DIGITS))))

    def _check_floats(self, texts: pa.StringArray) -> None:
        self.fits_float = self.fits_float and all(map(_is_a_float, pc.unique(texts).to_pylist()))

    def type(self) -> pa.DataType:
        """text for columns of several kinds; NULL alone is text."""
        kinds = {kind for kind, count in enumerate(self.counts) if count and kind != NULL}
        if kinds == {BOOLEAN}:
            return BOOLEAN_TYPE
        if kinds and kinds <= {NUMBER, WORD}:
            return self.number_type(words=WORD in kinds)
        return STRING

    def number_type(self, *, words: bool = False) -> pa.DataType:
        if words:
            return FLOAT64 if self.fits_float else STRING
        if self.only_whole:
            if self.fits_int64:
                return INT64
            return decimal(MAX_PRECISION, 0) if self.whole_digits <= MAX_PRECISION else STRING
        if self.fits_float:
            return FLOAT64
        exact = not self.exponents and self.whole_digits + self.scale <= MAX_PRECISION
        return decimal(self.whole_digits + self.scale, self.scale) if exact else STRING

    def column(self, name: str) -> Column:
        kinds = [KIND_NAMES[kind] for kind, count in enumerate(self.counts) if count and kind != NULL]
        return Column(name, self.type(), native=" or ".join(kinds) or "null")

    def mixed(self) -> str | None:
        """The kinds and how often, where values of different kinds became the same text; None where they did not."""
        kinds = [kind for kind in (BOOLEAN, NUMBER, TEXT, NESTED, WORD) if self.counts[kind]]
        if len(kinds) < 2 or set(kinds) == {NUMBER, WORD}:
            return None
        return ", ".join(f"{self.counts[kind]:,} x {KIND_NAMES[kind]}" for kind in kinds)


def without_exponent(text: str) -> str:
    """`25e-1` as 2.5, so that a decimal or whole column takes it; as it is where that would be hundreds of digits."""
    number = Decimal(text)
    return format(number, "f") if abs(number.adjusted()) < _LONGEST else text


def _is_a_float(text: str) -> bool:
    """Whether the shortest text of the nearest float is this very number."""
    try:
        return len(text) < 400 and Decimal(repr(float(text))) == Decimal(text)
    except (InvalidOperation, OverflowError, ValueError):
        return False
