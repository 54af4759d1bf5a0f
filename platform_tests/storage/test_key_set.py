"""A key set against Python's own: whatever the keys, it lacks exactly those that are not in it."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.storage.rows.key_set import KeySet

KEYS = st.lists(st.text(max_size=6), max_size=30)


@given(st.lists(KEYS, max_size=4), KEYS)
def test_it_lacks_what_is_not_in_it(there, asked):
    known = KeySet(pa.array(keys, pa.string()) for keys in there)
    assert known.lacks(pa.array(asked, pa.string())) == (not set(asked) <= {key for keys in there for key in keys})
    assert not any(known.lacks(pa.array(keys, pa.string())) for keys in there)


def test_keys_of_another_width_of_arrow_are_the_same_keys():
    assert not KeySet([pa.array(["a", "b"], pa.string())]).lacks(pa.array(["b"], pa.large_string()))
