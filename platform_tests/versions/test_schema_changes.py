"""What changed between two schemas: each kind of change alone, all of them together, and along the versions of an instance."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.versions.schema_changes import Change, Step, schema_changes, table_steps

QUIET = settings(max_examples=200, deadline=None, database=None)


def table(*names: str, key: tuple[str, ...] = (), **types) -> Table:
    return Table("users", tuple(Column(name, types.get(name, INT32)) for name in names), key=key)


def test_equal_schemas_have_no_changes():
    assert schema_changes(table("a", "b", key=("a",)), table("a", "b", key=("a",))) == ()


def test_columns_that_shift_because_others_came_or_went_did_not_move():
    assert schema_changes(table("gone", "a", "b"), table("a", "new", "b")) == (
        Change("dropped", "gone", "int32", None),
        Change("added", "new", None, "int32"),
    )


def test_the_one_column_that_was_moved_is_named_with_its_places():
    assert schema_changes(table("a", "b", "c", "d"), table("d", "a", "b", "c")) == (Change("moved", "d", "4", "1"),)


def test_a_new_type_is_widening_only_when_it_holds_every_old_value():
    assert schema_changes(table("a"), table("a", a=INT64)) == (Change("retyped", "a", "int32", "int64", True),)
    assert schema_changes(table("a", a=STRING), table("a")) == (Change("retyped", "a", "string", "int32", False),)


def test_a_column_that_became_required_and_a_key_that_grew():
    before = table("a", "b", key=("a",))
    after = before.with_columns(replace(column, required=column.name == "b") for column in before.columns)
    assert schema_changes(before, replace(after, key=("a", "b"))) == (
        Change("required", "b", "optional", "required"),
        Change("key", None, "a", "a, b"),
    )


def test_a_confirmed_rename_is_one_change_and_the_key_goes_with_it():
    before, after = table("mail", "name", key=("mail",)), table("email", "name", key=("email",), email=STRING)
    assert schema_changes(before, after, {"mail": "email"}) == (
        Change("renamed", "email", "mail", "email"),
        Change("retyped", "email", "int32", "string", True),
    )


names = st.lists(st.sampled_from("abcdefgh"), unique=True)


@QUIET
@given(names, names)
def test_what_was_added_dropped_and_moved_leads_from_the_old_order_to_the_new(old: list[str], new: list[str]):
    changes = schema_changes(table(*old), table(*new))
    of = {kind: {change.column for change in changes if change.kind == kind} for kind in ("added", "dropped", "moved")}
    assert of["dropped"] == set(old) - set(new)
    assert of["added"] == set(new) - set(old)
    assert of["moved"] <= set(old) & set(new)
    stayed = [name for name in new if name in old and name not in of["moved"]]
    assert stayed == [name for name in old if name in stayed]


@QUIET
@given(st.permutations("abcde"))
def test_no_fewer_columns_could_have_moved(new: list[str]):
    moved = {change.column for change in schema_changes(table(*"abcde"), table(*new))}
    kept = 5 - len(moved)
    subsets = [[name for place, name in enumerate(new) if mask >> place & 1] for mask in range(32)]
    assert kept == max(len(subset) for subset in subsets if subset == sorted(subset))


def test_a_table_appears_vanishes_and_is_compared_with_the_last_version_that_had_it():
    one, two = table("a"), table("a", "b")
    steps = list(table_steps("eu", ["v1", "v2", "v3", "v4", "v5"], {"v2": one, "v4": two, "v5": two}))
    assert steps == [
        Step("v2", "eu", "v1", (Change("appeared"),)),
        Step("v3", "eu", "v2", (Change("vanished"),)),
        Step("v4", "eu", "v2", (Change("appeared"), Change("added", "b", None, "int32"))),
    ]


def test_the_first_version_of_an_instance_is_no_change():
    assert list(table_steps("eu", ["v1", "v2"], {"v1": table("a"), "v2": table("a")})) == []
