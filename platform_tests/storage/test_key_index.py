"""Indexes beside a snapshot: what they hold, and that nothing hangs on their being there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BINARY, DATE, INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.storage.rows.key_index import digest_index, key_index

WANTED = Table("t", (Column("id", INT64), Column("later", DATE)))


def rows_of(table: pa.Table, numbers=None):
    numbers = pa.array(numbers or range(1, table.num_rows + 1), pa.int64())
    return table.append_column("_row", numbers).append_column("_raw", pa.nulls(table.num_rows, pa.string()))


class Reading:
    """Gives the rows of a table as a snapshot would, and counts how often it is read."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.times = table, 0

    def __call__(self, columns):
        self.times += 1
        yield from self.table.select(columns).to_batches(max_chunksize=2)


def test_keys_come_under_the_wanted_types_and_are_read_once(tmp_path):
    reading = Reading(rows_of(pa.table({"id": pa.array([7, 8, 9], INT32), "x": ["a", "b", "c"]})))
    for _ in range(2):
        index = key_index(tmp_path, "hash", WANTED, ("id", "x"), reading)
        assert index.to_pydict() == {"row": [1, 2, 3], "c0": [7, 8, 9], "c1": [None] * 3}
        assert index.schema.field("c0").type == INT64
    assert reading.times == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_a_damaged_index_is_made_again(tmp_path, damage):
    reading = Reading(rows_of(pa.table({"id": pa.array([7, 8, 9], INT32)})))
    whole = key_index(tmp_path, "hash", WANTED, ("id",), reading)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.unlink()  # the first reading has it mapped
    if damage != "gone":
        path.write_bytes({"cut": data[:-9], "flip": data[:-20] + bytes([data[-20] ^ 1]) + data[-19:], "empty": b""}[damage])
    assert key_index(tmp_path, "hash", WANTED, ("id",), reading) == whole
    assert reading.times == 2


def test_other_content_has_an_index_of_its_own(tmp_path):
    first = key_index(tmp_path, "a", WANTED, ("id",), Reading(rows_of(pa.table({"id": pa.array([1], INT32)}))))
    second = key_index(tmp_path, "b", WANTED, ("id",), Reading(rows_of(pa.table({"id": pa.array([2], INT32)}))))
    assert (first.column("c0").to_pylist(), second.column("c0").to_pylist()) == ([1], [2])


def test_rows_out_of_order_are_given_in_order(tmp_path):
    reading = Reading(rows_of(pa.table({"id": pa.array([7, 8, 9], INT32)}), [3, 1, 2]))
    for _ in range(2):
        assert key_index(tmp_path, "hash", WANTED, ("id",), reading).column("c0").to_pylist() == [8, 9, 7]


def digests(tmp_path, union, table):
    found = digest_index(tmp_path, str(table), union, tuple(table.schema.names), Reading(rows_of(table)))
    return list(zip(found.column("h0").to_pylist(), found.column("h1").to_pylist(), strict=True))


def test_equal_rows_have_equal_digests_whatever_the_order_width_and_empty_columns(tmp_path):
    union = Table("t", (Column("id", INT64), Column("at", TIMESTAMP), Column("sum", decimal(12, 4)), Column("added", STRING)))
    old = pa.table({"id": pa.array([1, 2], INT32), "at": pa.array([date(2024, 1, 1), None]), "sum": pa.array([Decimal("1.5"), None])})
    new = pa.table(
        {
            "added": pa.array([None, "x"], STRING),
            "sum": pa.array([Decimal("1.5000"), None], decimal(12, 4)),
            "at": old.column("at").cast(TIMESTAMP),
            "id": pa.array([1, 2], INT64),
        }
    )
    first, second = digests(tmp_path, union, old), digests(tmp_path, union, new)
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_cells_that_change_places_change_the_digest(tmp_path):
    union = Table("t", (Column("a", STRING), Column("b", STRING), Column("c", BINARY)))
    table = pa.table({"a": ["x", "y", "x", None, ""], "b": ["y", "x", None, "x", None], "c": pa.array([None] * 5, BINARY)})
    found = digests(tmp_path, union, table)
    assert len(set(found)) == 5
    assert len({half for pair in found for half in pair}) == 10
