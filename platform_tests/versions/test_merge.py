"""The contest over keys against a plain Python reference, for every order in which versions come."""

from __future__ import annotations

import itertools

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BINARY, DATE, INT32, INT64, STRING, TIMESTAMP
from platform_assets.versions.merge import candidates_sql, contest_sql, find_row_version

TABLE = Table("t", (Column("id", INT32), Column('na"me', STRING), Column("v", INT64)), key=("id",))
SCHEMA = pa.schema([*TABLE.arrow_schema(), ("_row", pa.int64()), ("instance", pa.int32()), ("version", pa.int32()), ("place", pa.int32())])

cell = st.none() | st.sampled_from(["a", "b", "a:1", "~"])
row = st.tuples(st.integers(0, 3), cell, st.none() | st.integers(0, 2))
versions = st.lists(st.tuples(st.integers(0, 1), st.lists(row, max_size=5)), min_size=1, max_size=4)


def contestants(drawn):
    """(instance, version, place, row number, cells); places are unique within an instance."""
    return [
        (instance, number, number, row_number, cells)
        for number, (instance, rows) in enumerate(drawn)
        for row_number, cells in enumerate(rows, start=1)
    ]


def contest(rows, *, key, row_version, floors=()):
    columns = [*zip(*[(*cells, number, instance, version, place) for instance, version, place, number, cells in rows], strict=True)]
    arriving = pa.table([pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
    with duckdb.connect() as engine:
        engine.register("arriving", arriving)
        engine.execute(f"CREATE TEMP TABLE candidates AS {candidates_sql(TABLE, key, row_version, 'arriving')}")
        engine.execute("CREATE TEMP TABLE floors (instance INT, place INT)")
        for floor in floors:
            engine.execute("INSERT INTO floors VALUES (?, ?)", floor)
        return set(engine.execute(contest_sql(len(key) or 1, bag=not key)).fetchall())


def reference(rows, *, key, row_version, floors=()):
    names = TABLE.column_names
    floors = dict(floors)
    groups, seen = {}, {}
    for instance, version, place, number, cells in rows:
        if key:
            identity = tuple(cells[names.index(name)] for name in key)
        else:
            repetition = seen[(version, cells)] = seen.get((version, cells), 0) + 1
            identity = (*cells, repetition)
        value = cells[names.index(row_version)] if row_version else None
        groups.setdefault((instance, identity), []).append((value is not None, value or 0, place, number, version))
    winners = set()
    for (instance, _), group in groups.items():
        _, _, _, number, version = max(group)
        winners.add((version, number, max(place for _, _, place, _, _ in group) < floors.get(instance, 0)))
    return winners


@settings(max_examples=60, deadline=None)
@given(versions, st.sampled_from([("id",), ("id", 'na"me'), ()]), st.sampled_from([None, "v"]), st.integers(0, 3))
def test_the_winners_are_those_of_the_reference(drawn, key, row_version, floor):
    rows = contestants(drawn)
    if not rows:
        return
    expected = reference(rows, key=key, row_version=row_version, floors=((0, floor),))
    assert contest(rows, key=key, row_version=row_version, floors=((0, floor),)) == expected


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.just(0), st.lists(row, max_size=3)), min_size=2, max_size=3))
def test_the_winners_are_the_same_for_every_order_of_arrival(drawn):
    rows = contestants(drawn)
    if not rows:
        return
    expected = contest(rows, key=("id",), row_version="v")
    for permutation in itertools.islice(itertools.permutations(rows), 12):
        assert contest(list(permutation), key=("id",), row_version="v") == expected


def test_a_bag_keeps_as_many_equal_rows_as_one_version_had():
    rows = [(0, 0, 0, 1, (1, "a", None)), (0, 0, 0, 2, (1, "a", None)), (0, 1, 1, 1, (1, "a", None))]
    assert contest(rows, key=(), row_version=None) == {(1, 1, False), (0, 2, False)}


def test_a_row_version_column_is_found_by_name_and_type_only():
    assert find_row_version(Table("t", (Column("id", INT32), Column("Updated_At", TIMESTAMP)))) == "Updated_At"
    assert find_row_version(Table("t", (Column("updated_at", STRING), Column("modified_at", DATE)))) is None
    assert find_row_version(Table("t", (Column("updated_at", TIMESTAMP),), row_version="stamp")) == "stamp"


def test_binary_keys_of_a_bag_do_not_run_into_text():
    table = Table("t", (Column("b", BINARY),))
    assert "hex" in candidates_sql(table, (), None, "x")
