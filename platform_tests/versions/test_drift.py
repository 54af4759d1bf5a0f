"""Schemas of one table through its versions."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIMESTAMP, decimal
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
