"""The hash of rows: nothing but the rows counts, and every change of a cell is seen."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_cases import edge_table, out_of_calendar, tables

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import BINARY, FLOAT64, INT64, STRING
from platform_assets.storage.rows.row_hash import RowHash, hash_of, hashed, row_hashes

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15
SECOND = 0xD1B54A32D192ED03


def mixed(word: int) -> int:
    word = (word + STEP) & MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def text_hash(data: bytes) -> int:
    """The polynomial of a text, word by word, with Python's own integers."""
    padded = data + bytes(-len(data) % 8)
    words = [int.from_bytes(padded[at : at + 8], "little") for at in range(0, len(padded), 8)]
    return (sum(mixed(word) * pow(STEP, place, 1 << 64) for place, word in enumerate(words)) + len(data) * SECOND) & MASK


SIZES = st.binary(max_size=40) | st.sampled_from([0, 7, 8, 120, 127, 128, 129, 300]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)
LISTS = st.lists(st.none() | SIZES, min_size=1, max_size=30)
ALIKE = st.tuples(st.none() | SIZES, st.integers(1, 30)).map(lambda one: [one[0]] * one[1])


@given(LISTS | ALIKE)
def test_a_text_hashes_as_its_definition_says_wherever_it_stands_in_a_batch(values: list[bytes | None]) -> None:
    import hashlib

    batch = pa.record_batch({"name": pa.array([b"before", *values], BINARY)}).slice(1)
    seed = int.from_bytes(hashlib.sha256(b"name").digest()[:8], "big")
    expected = [mixed(mixed((0xA5A5F00D5EED0001 if value is None else text_hash(value)) ^ seed)) for value in values]
    assert row_hashes(batch).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(case=tables(), chance=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_of_columns_and_the_cut_into_batches_change_nothing(
    case: tuple[Table, pa.RecordBatch], chance: random.Random
) -> None:
    _, batch = case
    rows, names = list(range(batch.num_rows)), list(batch.schema.names)
    chance.shuffle(rows)
    chance.shuffle(names)
    other = pa.Table.from_batches([batch]).take(pa.array(rows, pa.int64())).select(names).combine_chunks()
    pieces = [piece for whole in other.to_batches() for piece in (whole.slice(0, 1), whole.slice(1))]
    assert hash_of(pieces) == hash_of([batch])


@settings(max_examples=60, deadline=None)
@given(case=tables(), data=st.data())
def test_another_row_more_or_less_is_another_hash(case: tuple[Table, pa.RecordBatch], data: st.DataObject) -> None:
    """Also when the row is there twice already: rows are counted, a bag is no set."""
    _, batch = case
    if batch.num_rows:
        at = data.draw(st.integers(0, batch.num_rows - 1))
        assert hash_of([batch, batch.slice(at, 1)]) != hash_of([batch])
        assert hash_of([batch, batch.slice(at, 1), batch.slice(at, 1)]) != hash_of([batch, batch.slice(at, 1)])


@pytest.mark.parametrize("made", [edge_table, out_of_calendar], ids=["edges", "out of calendar"])
def test_every_value_differs_from_every_other_of_its_column(made: object) -> None:
    table, batch = made()  # type: ignore[operator]
    for place, column in enumerate(table.columns):
        distinct = batch.column(place).filter(batch.column(place).is_valid())
        hashes = row_hashes(pa.record_batch({column.name: distinct}))
        one_nan = 1 if column.type == FLOAT64 else 0  # two NaNs of different bits are one value
        assert len(set(hashes.tolist())) == len(distinct) - one_nan


def test_a_value_in_another_column_is_another_row() -> None:
    left = pa.record_batch({"a": pa.array(["x", None]), "b": pa.array([None, "x"])})
    assert len(set(row_hashes(left).tolist())) == 2
    assert hash_of([pa.record_batch({"a": pa.array([1], INT64)})]) != hash_of([pa.record_batch({"b": pa.array([1], INT64)})])


def test_what_stands_under_a_null_does_not_count() -> None:
    values = pa.array([1, 2, 3], INT64)
    gap = pa.Array.from_buffers(INT64, 3, [pa.py_buffer(b"\x05"), values.buffers()[1]])
    assert row_hashes(pa.record_batch({"n": gap})).tolist() == row_hashes(pa.record_batch({"n": pa.array([1, None, 3], INT64)})).tolist()
    text = pa.array(["ab", "cdefghijkl", "m"])
    hidden = pa.Array.from_buffers(STRING, 3, [pa.py_buffer(b"\x05"), text.buffers()[1], text.buffers()[2]])
    assert row_hashes(pa.record_batch({"t": hidden})).tolist() == row_hashes(pa.record_batch({"t": pa.array(["ab", None, "m"])})).tolist()


def test_one_flipped_bit_in_a_long_text_is_seen() -> None:
    long = "0123456789" * 700
    hashes = {int(row_hashes(pa.record_batch({"t": [long]}))[0])}
    for at in range(0, len(long), 13):
        hashes.add(int(row_hashes(pa.record_batch({"t": [long[:at] + chr(ord(long[at]) ^ 1) + long[at + 1 :]]}))[0]))
    assert len(hashes) == 1 + len(range(0, len(long), 13))


def test_rows_on_their_way_are_counted_and_given_on() -> None:
    batch = pa.record_batch({"n": pa.array(range(1000), INT64)})
    found = RowHash()
    assert list(hashed([batch, batch], found)) == [batch, batch]
    assert found.rows == 2000
    assert found.text == hash_of([batch, batch])
    assert hash_of([]) == "0-" + "0" * 32


def test_the_stored_form_of_the_hash_stays_as_it_is() -> None:
    """Manifests of yesterday hold it: a change of the function is a change of the format."""
    batch = pa.record_batch({"id": pa.array([1, 2, None], INT64), "name": pa.array(["ann", "", None])})
    assert hash_of([batch]) == "3-253e5e188540336739d81946404f15e6"


def test_spread_over_the_key_space_is_even() -> None:
    """Parts of backups end where low bits are zero: one row in 32,768 of any key."""
    for column in (pa.array(range(1_000_000), INT64), pa.array([f"k{number}" for number in range(1_000_000)])):
        hits = int(np.count_nonzero(row_hashes(pa.record_batch({"k": column})) & np.uint64((1 << 15) - 1) == 0))
        assert 15 <= hits <= 50
