"""High-water marks and key sketches depend on the keys alone: not on batches, their order, or when the key is told."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.operations.high_water import MAX_TEXT, SKETCH, HighWater

texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
KEYS = {pa.int64(): st.integers(-(2**63), 2**63 - 1), pa.string(): texts, pa.date32(): st.dates(), pa.timestamp("us"): st.datetimes()}


def seen(batches: list[pa.RecordBatch], key: tuple[str, ...]) -> HighWater:
    found = HighWater()
    for batch in batches:
        found.add(batch, key)
    return found


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


@given(st.data())
def test_a_sketch_is_the_same_however_the_rows_are_batched(data):
    kind = data.draw(st.sampled_from(list(KEYS)))
    values = pa.array(data.draw(st.lists(st.none() | KEYS[kind], max_size=12)), kind)
    whole = batch(k=values, n=pa.array(range(len(values)), pa.int32()))
    cut = data.draw(st.integers(0, len(values)))
    pieces = [whole.slice(cut), whole.slice(0, cut)]
    for key in (("k",), ("k", "n")):
        assert seen(pieces, key).keys() == seen([whole], key).keys()


def test_the_stored_form_of_a_hash_never_changes():
    """Sketches of today are compared with those that a store keeps for years."""
    assert seen([batch(k=pa.array([1, -1]))], ("k",)).keys() == (2, [1227844342346046657, 7266964230113668128])
    assert seen([batch(k=pa.array(["", "zoë und Anaïs"]))], ("k",)).keys() == (2, [5736870997097972124, 7070836379803831727])


def test_a_sketch_keeps_the_smallest_hashes_and_counts_all_keys():
    parts = [batch(k=pa.array(range(start, start + 10_000))) for start in range(0, 50_000, 10_000)]
    count, sketch = seen(parts, ("k",)).keys()
    assert (count, len(sketch)) == (50_000, SKETCH)
    assert sketch == sorted(set(sketch))
    single = [seen([batch(k=pa.array([n]))], ("k",)).keys()[1][0] for n in range(1_000)]
    assert [one for one in sorted(single) if one <= sketch[-1]] == [one for one in sketch if one in set(single)]


def test_the_highest_number_is_kept_for_every_column_of_the_key_also_when_it_is_told_late():
    rows = batch(
        id=pa.array([3, None, 9]), part=pa.array([1, 2, 1], pa.int32()), size=pa.array([100, 0, 0]), name=pa.array(["a", "b", "c"])
    )
    assert seen([rows], ("id", "part", "name")).marks(("id", "part", "name")) == {"id": 9, "part": 2}
    late = seen([rows], ())
    assert late.keys() is None
    assert late.marks(("id",)) == {"id": 9}
    late.add_keys(rows, ("id",))
    assert late.keys() == seen([rows], ("id",)).keys()


@pytest.mark.parametrize("values", [pa.array([1.5]), pa.array(["x" * (MAX_TEXT + 1)]), pa.array([b"x"])], ids=["float", "long", "bytes"])
def test_keys_of_other_types_have_no_sketch(values):
    assert seen([batch(k=values)], ("k",)).keys() is None


def test_a_key_without_rows_or_with_a_null_is_no_key():
    assert seen([batch(k=pa.array([], pa.int64()))], ("k",)).keys() == (0, [])
    assert seen([batch(k=pa.array([None, dt.date(2024, 1, 1)]))], ("k",)).keys()[0] == 1
