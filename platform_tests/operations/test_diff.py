"""The difference of two versions, states or backups: against a plain reference, through schema changes, with and without keys."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import FLOAT64, INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.engines.duckdb import open_engine
from platform_assets.operations.backup import STORED_META
from platform_assets.operations.diff import Diff, compared, feed_lines
from platform_assets.operations.sides import BackupPiece, Side, SnapshotPiece
from platform_assets.storage.rows.backup_writer import write_backup
from platform_tests.operations.timelines import snapshot_of, version_of

KEYED = Table("t", (Column("id", INT32), Column("part", STRING), Column("x", FLOAT64), Column("note", STRING)), key=("id", "part"))
BARE = Table("t", KEYED.columns)
cells = st.tuples(
    st.integers(0, 3), st.sampled_from("ab"), st.sampled_from([None, 0.5, float("nan"), 7.0]), st.sampled_from([None, "", "n", "[]"])
)


def side(root: Path, table: Table, rows: list[tuple[Any, ...]], name: str, instance: str = "default") -> Side:
    version = version_of(snapshot_of(root, table, f"s.{name}.00000000", rows, instance=instance), 0)
    return Side(f"version {name}", table, (SnapshotPiece(version),), instance)


def backup_of(root: Path, table: Table, rows: list[tuple[Any, ...]], instances: list[str]) -> Side:
    whole = table.with_columns([*table.columns, *STORED_META])
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in table.columns]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, table.arrow_schema(), strict=True)]
    meta = [pa.array(instances, STRING), pa.array(["v"] * len(rows)), pa.array(range(len(rows)), INT64), pa.nulls(len(rows), STRING)]
    batch = pa.RecordBatch.from_arrays([*arrays, *meta], schema=whole.arrow_schema())
    backup = write_backup(root / "backups", source="s", table=whole, batches=[batch] if rows else [])
    return Side("backup", table, (BackupPiece(backup),))


def difference(root: Path, a: Side, b: Side, limit: int | None = None) -> tuple[Diff, list[dict[str, Any]]]:
    with open_engine(root / "work") as engine:
        found = compared(engine, a, b, limit=limit)
        return found, [row for batch in found.batches for row in batch.to_pylist()]


def told(value: Any) -> Any:
    return "NaN" if value != value else value


def reference(table: Table, before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    """(operation, changed, the row) as a bag, by the words alone."""
    old, new = ([tuple(map(told, row)) for row in rows] for rows in (before, after))
    names = table.column_names
    found: Counter[tuple[Any, ...]] = Counter()
    if not table.key:
        for row, count in (Counter(old) - Counter(new)).items():
            found[("delete", None, row)] += count
        for row, count in (Counter(new) - Counter(old)).items():
            found[("insert", None, row)] += count
        return found
    places = [names.index(name) for name in table.key]
    by_key = [{tuple(row[place] for place in places): row for row in rows} for rows in (old, new)]
    for key in by_key[0].keys() | by_key[1].keys():
        one, other = by_key[0].get(key), by_key[1].get(key)
        if one is None or other is None:
            found[("insert" if one is None else "delete", None, one or other)] += 1
        elif one != other:
            changed = tuple(name for name, x, y in zip(names, one, other, strict=True) if x != y)
            found[("update_preimage", changed, one)] += 1
            found[("update_postimage", changed, other)] += 1
    return found


def as_bag(table: Table, rows: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            row["operation"],
            None if row["changed"] is None else tuple(json.loads(row["changed"])),
            tuple(told(row[name]) for name in table.column_names),
        )
        for row in rows
    )


def unique(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list({row[:2]: row for row in rows}.values())


@settings(max_examples=40, deadline=None)
@given(before=st.lists(cells, max_size=8), after=st.lists(cells, max_size=8), key=st.booleans(), from_backup=st.booleans())
def test_a_difference_is_that_of_a_plain_reference(before, after, key, from_backup):
    table = KEYED if key else BARE
    before, after = (unique(rows) if key else rows for rows in (before, after))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        one = backup_of(root, table, before, ["default"] * len(before)) if from_backup else side(root, table, before, "a")
        found, rows = difference(root, one, side(root, table, after, "b"))
    expected = reference(table, before, after)
    assert as_bag(table, rows) == expected
    totals = Counter(operation for (operation, _, _), count in expected.items() for _ in range(count))
    counts = found.counts
    assert (counts.before, counts.after) == (len(before), len(after))
    assert (counts.inserted, counts.deleted, counts.updated) == (totals["insert"], totals["delete"], totals["update_preimage"])
    images = [row["operation"] for row in rows]
    assert all(images[n + 1] == "update_postimage" for n, image in enumerate(images) if image == "update_preimage")


def test_a_widened_type_is_a_change_of_the_schema_and_of_no_row(tmp_path):
    old = Table("t", (Column("id", INT32), Column("p", decimal(5, 1)), Column("at", TIMESTAMP)), key=("id",))
    new = Table("t", (Column("id", INT64), Column("p", decimal(12, 3)), Column("at", TIMESTAMP)), key=("id",))
    found, rows = difference(
        tmp_path, side(tmp_path, old, [(1, Decimal("1.5"), None)], "a"), side(tmp_path, new, [(1, Decimal("1.500"), None)], "b")
    )
    assert [(change.kind, change.column, change.widening) for change in found.schema] == [("retyped", "id", True), ("retyped", "p", True)]
    assert (rows, found.counts.unchanged) == ([], 1)


def test_a_column_that_comes_with_values_changes_the_rows_that_have_them(tmp_path):
    old = Table("t", (Column("id", INT32), Column("gone", STRING)), key=("id",))
    new = Table("t", (Column("id", INT32), Column("came", STRING)), key=("id",))
    found, rows = difference(tmp_path, side(tmp_path, old, [(1, None), (2, "x")], "a"), side(tmp_path, new, [(1, None), (2, "y")], "b"))
    assert {change.kind for change in found.schema} == {"added", "dropped"}
    assert [(row["operation"], row["changed"], row["gone"], row["came"]) for row in rows] == [
        ("update_preimage", '["came","gone"]', "x", None),
        ("update_postimage", '["came","gone"]', None, "y"),
    ]


def test_where_the_key_differs_rows_are_compared_whole_and_that_is_said(tmp_path):
    old = Table("t", (Column("id", INT32), Column("b", STRING)), key=("id",))
    new = Table("t", old.columns, key=("b",))
    found, rows = difference(tmp_path, side(tmp_path, old, [(1, "x"), (2, "y")], "a"), side(tmp_path, new, [(1, "x"), (2, "z")], "b"))
    assert "the key differs (id before, b after)" in found.notes[0]
    assert sorted((row["operation"], row["b"]) for row in rows) == [("delete", "y"), ("insert", "z")]
    assert [change.kind for change in found.schema] == ["key"]


def test_a_key_that_is_not_unique_is_no_key(tmp_path):
    before, after = [(1, "a", None, "x"), (1, "a", None, "y")], [(1, "a", None, "y"), (1, "a", None, "z")]
    found, rows = difference(tmp_path, side(tmp_path, KEYED, before, "a"), side(tmp_path, KEYED, after, "b"))
    assert "share their key" in found.notes[0]
    assert sorted((row["operation"], row["note"]) for row in rows) == [("delete", "x"), ("insert", "z")]


def test_a_version_is_compared_with_its_own_instance_of_a_state(tmp_path):
    rows = [(1, "a", 1.0, "eu"), (1, "a", 1.0, "us"), (2, "a", 1.0, "us")]
    state = backup_of(tmp_path, KEYED, rows, ["eu", "us", "us"])
    found, changes = difference(tmp_path, side(tmp_path, KEYED, rows[1:2], "v", "us"), state)
    assert found.b == "backup, instance us"
    assert [(row["operation"], row["id"], row["_instance"]) for row in changes] == [("insert", 2, "us")]


def test_versions_of_two_instances_are_compared_by_their_keys_alone(tmp_path):
    rows = [(1, "a", 1.0, "x")]
    assert difference(tmp_path, side(tmp_path, KEYED, rows, "v", "eu"), side(tmp_path, KEYED, rows, "w", "us"))[1] == []


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_bounds_the_rows_and_not_the_counts(tmp_path, limit):
    found, rows = difference(
        tmp_path, side(tmp_path, KEYED, [], "a"), side(tmp_path, KEYED, [(n, "a", None, None) for n in range(5)], "b"), limit
    )
    assert found.counts.inserted == 5
    assert [row["id"] for row in rows] == list(range(limit))


def test_the_lines_of_a_difference_are_json_with_exact_decimals(tmp_path):
    table = Table("t", (Column("id", INT32), Column("p", decimal(20, 2))), key=("id",))
    one, other = (side(tmp_path, table, [(1, Decimal(text))], name) for text, name in (("1.10", "a"), ("123456789012345678.90", "b")))
    with open_engine(tmp_path / "work") as engine:
        lines = [json.loads(line) for batch in compared(engine, one, other).batches for line in bytes(feed_lines(batch)).splitlines()]
    assert [line["operation"] for line in lines] == ["update_preimage", "update_postimage"]
    assert lines[1] == {
        "operation": "update_postimage",
        "changed": ["p"],
        "_instance": "default",
        "_version": "s.b.00000000",
        "_row": 1,
        "row": {"id": 1, "p": "123456789012345678.90", "_raw": None},
    }
