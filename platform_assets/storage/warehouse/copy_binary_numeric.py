"""PostgreSQL's numeric in its binary form as Arrow decimals of up to 18 digits, by arithmetic on whole columns.

Format (numeric_send() of PostgreSQL, src/backend/utils/adt/numeric.c): int16 digit count, int16 weight of the first digit, uint16 sign,
uint16 display scale, then the digits to the base 10,000, most significant first, those that are zero at either end left out; big-endian.
Not here: where the cells are (copy_binary_out), the way there (copy_binary).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from platform_assets.storage.arrow_memory import bits

_HEAD = 8
_MOST = 18
"""Decimal digits that int64 holds."""
_NEGATIVE = 0x4000

Numbers = npt.NDArray[np.int64]


def fits(kind: pa.DataType) -> bool:
    """Whether all numbers of the decimal type, with the places that its last digit to the base 10,000 has beyond it, fit 64 bits."""
    return kind.precision + _beyond(kind) <= _MOST and 0 <= kind.scale <= kind.precision


def longest(kind: pa.DataType) -> int:
    """The bytes of the longest cell."""
    return _HEAD + 2 * sum(_digits(kind))


def _beyond(kind: pa.DataType) -> int:
    return -kind.scale % 4


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """How many digits to the base 10,000 stand before and behind the point."""
    return -(-(kind.precision - kind.scale) // 4), -(-kind.scale // 4)


def decimals(cells: npt.NDArray[Any], valid: npt.NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """The numbers of cells of `longest` bytes each; what stands behind a cell's digits, and in a NULL's place, is of no account.

    Raises OverflowError for NaN, infinity and a number with more digits than the type has.
    """
    words = np.frombuffer(cells, ">u2").reshape(len(cells), -1)
    whole, fraction = _digits(kind)
    most = whole + fraction
    count, weight, sign = (words[:, place].astype(np.int64) for place in range(3))
    weight = np.where(weight > 0x7FFF, weight - 0x10000, weight)
    first = np.where(count > 0, whole - 1 - weight, 0)  # zero has no digits, and any weight
    fine = (first >= 0) & (first + count <= most) & ((sign == 0) | (sign == _NEGATIVE))
    shape = np.where(fine, first * (most + 1) + count, 0)
    total = np.zeros(len(cells), dtype=np.int64)
    for place, factors in enumerate(_factors(most)):
        total += words[:, 4 + place] * factors[shape]
    unscaled, rest = total, 0
    if beyond := _beyond(kind):
        unscaled = total // 10**beyond
        rest = total - unscaled * 10**beyond
    fine &= (rest == 0) & (unscaled < 10**kind.precision)
    if not fine.all() and not fine[valid].all():
        raise OverflowError(f"row {int(np.flatnonzero(valid & ~fine)[0]) + 1} of its block has a number that is no {kind}")
    out = np.empty((len(cells), 2), dtype=np.int64)
    out[:, 0] = np.where(sign == _NEGATIVE, -unscaled, unscaled)
    out[:, 1] = out[:, 0] >> 63
    return pa.Array.from_buffers(kind, len(cells), [None if valid.all() else bits(valid), pa.py_buffer(out)])


@lru_cache(maxsize=64)
def _factors(most: int) -> tuple[Numbers, ...]:
    """Per place of a digit in its cell what it counts, by the cell's shape: the place of its first digit among `most`, and their number."""
    factors = np.zeros((most, most + 1, most + 1), dtype=np.int64)
    for first in range(most):
        for count in range(most - first + 1):
            for place in range(count):
                factors[place, first, count] = 10_000 ** (most - 1 - first - place)
    return tuple(factors.reshape(most, -1))
