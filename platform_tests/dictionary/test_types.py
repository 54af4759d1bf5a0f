"""The set of column types: names there and back, and the laws of widening."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    type_name,
    type_named,
)

PLAIN = [BOOLEAN, INT32, INT64, FLOAT64, STRING, BINARY, DATE, TIMESTAMP, INSTANT, TIME]
decimals = st.tuples(st.integers(1, 38), st.integers(0, 38)).filter(lambda ps: ps[1] <= ps[0]).map(lambda ps: decimal(*ps))
types = st.one_of(st.sampled_from(PLAIN), decimals)
EXACT = (INT32, INT64)
QUIET = settings(max_examples=200, deadline=None, database=None)


@QUIET
@given(types)
def test_a_type_read_back_by_its_name_is_the_type(arrow: pa.DataType) -> None:
    assert type_named(type_name(arrow)) == arrow


@pytest.mark.parametrize("name", ["int", "decimal", "decimal(3)", "decimal(3,2) ", "", "timestamp[us]"])
def test_other_names_are_not_types(name: str) -> None:
    with pytest.raises(KeyError):
        type_named(name)


def test_a_type_outside_the_set_has_no_name() -> None:
    with pytest.raises(KeyError):
        type_name(pa.int8())


@pytest.mark.parametrize(
    ("asked", "given_"), [((65, 30), (38, 30)), ((0, 0), (1, 0)), ((5, 7), (5, 5)), ((38, 38), (38, 38)), ((10, -2), (10, 0))]
)
def test_a_decimal_has_at_most_38_digits(asked: tuple[int, int], given_: tuple[int, int]) -> None:
    assert decimal(*asked) == pa.decimal128(*given_)


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        (INT32, INT64, INT64),
        (INT64, decimal(10, 2), decimal(21, 2)),
        (decimal(38, 0), decimal(38, 1), STRING),
        (FLOAT64, INT32, FLOAT64),
        (FLOAT64, INT64, STRING),
        (FLOAT64, decimal(3, 1), STRING),
        (DATE, TIMESTAMP, TIMESTAMP),
        (TIMESTAMP, INSTANT, STRING),
        (BOOLEAN, INT32, STRING),
        (BINARY, STRING, STRING),
    ],
)
def test_two_types_widen_to_the_narrowest_that_holds_both(left: pa.DataType, right: pa.DataType, common: pa.DataType) -> None:
    assert common_type(left, right) == common


@QUIET
@given(types, types)
def test_widening_does_not_depend_on_the_order_of_the_two_and_is_idempotent(left: pa.DataType, right: pa.DataType) -> None:
    common = common_type(left, right)
    assert common == common_type(right, left)
    assert common_type(left, left) == left
    assert common_type(common, left) == common or STRING in (left, common)


@QUIET
@given(types, types, types)
def test_three_types_widen_to_the_same_in_whatever_order_they_come(one: pa.DataType, two: pa.DataType, three: pa.DataType) -> None:
    assert common_type(common_type(one, two), three) == common_type(one, common_type(two, three))


@QUIET
@given(types, types)
def test_what_two_types_widen_to_holds_both(left: pa.DataType, right: pa.DataType) -> None:
    common = common_type(left, right)
    assert common_type(left, common) == common_type(right, common) == common


@QUIET
@given(st.one_of(st.sampled_from(EXACT), decimals), st.one_of(st.sampled_from(EXACT), decimals), st.data())
def test_an_exact_number_survives_widening(left: pa.DataType, right: pa.DataType, data: st.DataObject) -> None:
    common = common_type(left, right)
    if common == STRING:
        return
    digits, scale = {INT32: (9, 0), INT64: (18, 0)}.get(left, (getattr(left, "precision", 0), getattr(left, "scale", 0)))
    unscaled = data.draw(st.integers(-(10**digits) + 1, 10**digits - 1))
    value = Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))
    array = pa.array([value if scale or left not in EXACT else int(value)], left)
    assert Decimal(array.cast(common)[0].as_py()) == value
