"""A set of keys of which it is only asked whether it lacks some: eight bytes a key, whatever their length.

A key that is not there is taken for one that is with a probability of its size / 2^64, so among 5,000,000 keys of about 3 in 10^13: a
deletion that this hides is found by the next full pull.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
import pyarrow as pa


class KeySet:
    """The keys of all arrays, which are consumed one by one."""

    def __init__(self, arrays: Iterable[pa.Array]) -> None:
        parts = [_hashes(array) for array in arrays]
        self._sorted = np.concatenate([*parts, np.empty(0, np.uint64)])
        parts.clear()
        self._sorted.sort()

    def lacks(self, keys: pa.Array) -> bool:
        """Whether one of `keys` is not in it."""
        if not len(self._sorted):
            return len(keys) > 0
        wanted = _hashes(keys)
        places = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        return bool((self._sorted[places] != wanted).any())


def _hashes(keys: pa.Array) -> np.ndarray:
    return pl.Series(keys.cast(pa.string())).hash(seed=0).to_numpy()
