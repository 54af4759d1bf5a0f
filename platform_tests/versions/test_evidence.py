"""What dumps write of logs and transactions is understood, and key sets are compared by sketches as they would be by their keys."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.versions.evidence import KINDS, KeySet, LogPosition, gtid_set, log_position

A, B = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
GTID = next(kind for kind in KINDS if kind.what == "GTID set")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MASTER_LOG_FILE='mysql-bin.000012', MASTER_LOG_POS=345", LogPosition("mysql-bin", 12, 345)),
        ("SOURCE_LOG_FILE='binlog.1000000', SOURCE_LOG_POS=4", LogPosition("binlog", 1_000_000, 4)),
        ("db-1.bin.000003:7", LogPosition("db-1.bin", 3, 7)),
        ("MASTER_LOG_FILE='', MASTER_LOG_POS=4", None),
        ("no position", None),
        (None, None),
    ],
)
def test_a_log_position_is_the_log_its_number_and_the_place_in_it(text, expected):
    assert log_position(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{A}:1-5", {A: ((1, 5),)}),
        (f"{A.upper()}:1-5:7,\n{B}:3", {A: ((1, 5), (7, 7)), B: ((3, 3),)}),
        (f"{A}:4-6:1-3", {A: ((1, 6),)}),
        (f"{A}:tag:1-2", {f"{A}:tag": ((1, 2),)}),
        ("0-1-1234,5-7-9", {"0": ((1, 1234),), "5": ((1, 9),)}),
        ("nonsense", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_a_set_of_transactions_is_read_as_ranges_per_server(text, expected):
    assert gtid_set(text) == expected


numbers = st.dictionaries(st.sampled_from([A, B]), st.sets(st.integers(1, 9), min_size=1), max_size=2)


@given(numbers, numbers)
def test_sets_of_transactions_compare_by_inclusion(one, other):
    def gtid(value):
        return gtid_set(",".join(f"{server}:" + ":".join(map(str, sorted(found))) for server, found in value.items()))

    flat, beside = ({(server, n) for server, found in value.items() for n in found} for value in (one, other))
    expected = 0 if flat == beside else -1 if flat < beside else 1 if flat > beside else None
    assert GTID.compare(gtid(one), gtid(other)) == expected


def sketch(keys, size):
    return KeySet(len(keys), tuple(sorted(keys)[:size]))


@given(st.sets(st.integers(0, 1_000)), st.sets(st.integers(0, 1_000)))
def test_a_part_of_a_key_set_is_never_taken_for_anything_else(some, more):
    assert sketch(some, 8).within(sketch(some | more, 8))


def test_key_sets_that_differ_are_told_apart_by_their_sketches():
    chosen = random.Random(5).sample(range(1 << 40), 2_000)
    most, other = sketch(chosen[:1_500], 64), sketch(chosen[600:], 64)
    assert not most.within(other) and not other.within(most)
