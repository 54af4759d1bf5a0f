"""A latest state is a choice among the rows of snapshots, whole or not there, and held to the content it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.errors import StoredFileError
from platform_assets.storage.rows.latest_state import LatestWriter, open_latest
from platform_assets.storage.rows.snapshots import Snapshot, SnapshotWriter

OLD = Table("t", (Column("id", INT32), Column("gone", STRING)), key=("id",))
NEW = Table("t", (Column("id", INT64), Column("note", STRING)), key=("id",))
UNION = Table("t", (Column("id", INT64), Column("note", STRING), Column("gone", STRING)), key=("id",))


def snapshot(root: Path, version: str, table: Table, rows: int, *, rejected=(), instance="default") -> Snapshot:
    writer = SnapshotWriter(root / "snapshots" / "s" / version / "t", source="s", version=version, instance=instance, table_name="t")
    numbers = pa.array(range(1, rows + 1), pa.int64())
    texts = pa.array([f"{version} {n}" for n in range(1, rows + 1)])
    batch = pa.RecordBatch.from_arrays(
        [numbers.cast(table.columns[0].type), texts, numbers, numbers, pa.nulls(rows, pa.string())],
        names=[*table.column_names, "_row", "_line", "_raw"],
    )
    writer.add(batch)
    return writer.finish(table, rejected_rows=np.array(rejected, np.int64)).commit()


def merged(root: Path, *choices):
    writer = LatestWriter(root / "latest" / "s" / "t", source="s")
    for chosen, numbers in choices:
        writer.choose(chosen, numbers)
    return writer.finish(UNION, facts={"load_id": 7})


def test_the_rows_are_those_chosen_under_the_union_of_the_columns(tmp_path):
    old = snapshot(tmp_path, "v1", OLD, 4, rejected=[2], instance="eu")
    new = snapshot(tmp_path, "v2", NEW, 3, instance="eu")
    state = merged(tmp_path, (old, np.array([4])), (new, None)).commit()
    assert open_latest(state.folder) == state
    assert (state.rows, state.versions) == (4, ("v1", "v2"))
    rows = [row for batch in state.batches() for row in batch.to_pylist()]
    assert rows[0] == {"id": 4, "note": None, "gone": "v1 4", "_instance": "eu", "_version": "v1", "_row": 4, "_raw": None}
    assert [(row["id"], row["note"], row["gone"]) for row in rows[1:]] == [(n, f"v2 {n}", None) for n in (1, 2, 3)]
    state.verify()


def test_choosing_every_accepted_row_by_number_is_choosing_all(tmp_path):
    old = snapshot(tmp_path, "v1", OLD, 4, rejected=[2])
    by_number, whole = merged(tmp_path, (old, np.array([1, 3, 4]))), merged(tmp_path, (old, None))
    assert by_number.to_json() == whole.to_json()
    assert [row["id"] for batch in by_number.batches(["id"]) for row in batch.to_pylist()] == [1, 3, 4]


def test_a_version_that_lost_every_key_is_still_named(tmp_path):
    state = merged(tmp_path, (snapshot(tmp_path, "v1", OLD, 2), np.array([], np.int64)), (snapshot(tmp_path, "v2", NEW, 2), None))
    assert state.versions == ("v1", "v2")
    assert {batch.column("_version")[0].as_py() for batch in state.batches()} == {"v2"}


def test_a_new_state_replaces_the_older_one_as_a_whole(tmp_path):
    old, new = snapshot(tmp_path, "v1", OLD, 20), snapshot(tmp_path, "v2", NEW, 3)
    merged(tmp_path, (old, None)).commit()
    pending = merged(tmp_path, (old, np.array([5])), (new, None))
    assert open_latest(pending.folder).rows == 20
    pending.commit()
    assert open_latest(pending.folder).rows == 4


def test_a_snapshot_that_was_parsed_again_is_noticed(tmp_path):
    state = merged(tmp_path, (snapshot(tmp_path, "v1", OLD, 3), None)).commit()
    snapshot(tmp_path, "v1", OLD, 3, rejected=[1])
    with pytest.raises(StoredFileError, match="Materialize latest_state"):
        list(state.batches())


def test_a_home_that_moved_keeps_its_states(tmp_path):
    state = merged(tmp_path / "a", (snapshot(tmp_path / "a", "v1", OLD, 3), None)).commit()
    (tmp_path / "a").rename(tmp_path / "b")
    moved = open_latest(tmp_path / "b" / state.folder.relative_to(tmp_path / "a"))
    assert sum(batch.num_rows for batch in moved.batches()) == 3


def test_what_is_discarded_leaves_nothing(tmp_path):
    merged(tmp_path, (snapshot(tmp_path, "v1", OLD, 3), np.array([1]))).discard()
    assert not list((tmp_path / "latest" / "s").iterdir())
    with pytest.raises(StoredFileError, match=r"latest\.json is missing"):
        open_latest(tmp_path / "latest" / "s" / "t")
