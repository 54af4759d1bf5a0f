"""Schemas of one table through its versions."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INSTANT,
    INT32,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
    common_type,
    decimal,
)
from platform_assets.versions.drift import align, union_table, widen


def table(*columns, key=()):
    return Table("t", tuple(Column(name, arrow) for name, arrow in columns), key=key)


def test_the_union_has_the_newest_columns_first_and_keeps_what_was_dropped():
    old, new = table(("id", INT32), ("gone", STRING), key=("id",)), table(("id", INT64), ("new", DATE), key=("id",))
    union = union_table([old, new])
    assert [(column.name, column.type) for column in union.columns] == [("id", INT64), ("new", DATE), ("gone", STRING)]
    assert union.key == ("id",)


def test_a_key_that_an_older_version_lacks_is_no_key():
    assert union_table([table(("name", STRING)), table(("id", INT32), key=("id",))]).key == ()


def test_no_version_is_no_union():
    with pytest.raises(ValueError, match="at least one"):
        union_table([])


@pytest.mark.parametrize(
    ("array", "to", "expected"),
    [
        (pa.array([1, None], INT32), INT64, [1, None]),
        (pa.array([1], INT32), FLOAT64, [1.0]),
        (pa.array(["1.50"]).cast(decimal(5, 2)), STRING, ["1.50"]),
        (pa.array([b"\x00\xff", None], BINARY), STRING, ["\\x00ff", None]),
        (pa.array([datetime(2024, 1, 2, 3, 4, 5)], TIMESTAMP), STRING, ["2024-01-02 03:04:05.000000"]),
        (pa.array([datetime(2024, 1, 2, 3, 4, 5)], TIMESTAMP).cast(INSTANT), STRING, ["2024-01-02 03:04:05.000000+00"]),
        (pa.array([True]), STRING, ["true"]),
    ],
)
def test_values_widen_without_loss(array, to, expected):
    assert widen(array, to).to_pylist() == expected


def test_alignment_fills_what_a_version_did_not_have():
    batch = pa.record_batch({"b": pa.array([1], INT32)})
    assert align(batch, table(("a", STRING), ("b", INT64))).to_pylist() == [{"a": None, "b": 1}]


READ_BACK = {
    BOOLEAN: lambda text: {"true": True, "false": False}[text],
    INT32: int,
    INT64: int,
    FLOAT64: float,
    STRING: str,
    BINARY: lambda text: bytes.fromhex(text.removeprefix("\\x")),
    DATE: date.fromisoformat,
    TIMESTAMP: datetime.fromisoformat,
    INSTANT: datetime.fromisoformat,
    TIME: time.fromisoformat,
    decimal(38, 38): Decimal,
    decimal(15, 3): Decimal,
}
VALUES = {
    BOOLEAN: st.booleans(),
    INT32: st.integers(-(2**31), 2**31 - 1),
    INT64: st.integers(-(2**63), 2**63 - 1),
    FLOAT64: st.floats(),
    STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    BINARY: st.binary(max_size=9),
    DATE: st.dates(),
    TIMESTAMP: st.datetimes(),
    INSTANT: st.datetimes(timezones=st.just(UTC)),
    TIME: st.times(),
    decimal(38, 38): st.integers(1 - 10**38, 10**38 - 1).map(lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -38))),
    decimal(15, 3): st.integers(1 - 10**15, 10**15 - 1).map(lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -3))),
}
pairs = st.tuples(st.sampled_from(list(VALUES)), st.sampled_from(list(VALUES))).flatmap(
    lambda types: st.tuples(st.just(types[0]), st.just(types[1]), st.lists(st.none() | VALUES[types[0]], max_size=5), st.integers(0, 2))
)


@settings(max_examples=300, deadline=None, database=None)
@given(pairs)
@example((BINARY, STRING, [b"", None, bytes(range(256)), b"x"], 1))
def test_every_value_can_be_read_back_from_what_it_widened_to(case):
    """Whatever the other version's type: the value comes back from the wider one, also from a part of a longer array."""
    kind, other, values, skipped = case
    wider = widen(pa.array(values, kind)[skipped:], common_type(kind, other)).to_pylist()
    for value, found in zip(values[skipped:], wider, strict=True):
        back = READ_BACK[kind](found) if isinstance(found, str) else found
        if kind == DATE and isinstance(back, datetime):
            back = back.date()
        assert back == value or (value is None and found is None) or (isinstance(value, float) and math.isnan(value) and math.isnan(back))
