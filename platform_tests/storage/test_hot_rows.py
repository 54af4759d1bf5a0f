"""The copy of a snapshot's rows: read while it is there, proven, and never needed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import StoredFileError
from platform_assets.storage.rows.hot_rows import NAME
from platform_assets.storage.rows.snapshots import Snapshot, SnapshotWriter, open_snapshot

TABLE = Table("t", (Column("id", INT64), Column("name", STRING)))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    writer = SnapshotWriter(tmp_path / "t", source="s", version="v", instance="default", table_name="t", keep_hot=True)
    for first in (1, 501):
        numbers = pa.array(range(first, first + 500), pa.int64())
        names = pa.array([f"name {n}" for n in numbers.to_pylist()])
        columns = [numbers, names, numbers, numbers, pa.nulls(500, pa.string())]
        writer.add(pa.RecordBatch.from_arrays(columns, names=["id", "name", "_row", "_line", "_raw"]))
    return writer.finish(TABLE, rejected_rows=[3]).commit()


def rows(snapshot: Snapshot, *columns: str) -> list[dict]:
    return [row for batch in snapshot.batches(columns or None) for row in batch.to_pylist()]


def test_the_copy_and_the_parts_give_the_same_rows(snapshot):
    warm, warm_names = rows(snapshot), rows(snapshot, "name")
    snapshot.cool()
    assert not (snapshot.folder / NAME).exists()
    assert rows(open_snapshot(snapshot.folder)) == warm
    assert rows(snapshot, "name") == warm_names
    assert len(warm) == 999


def test_the_copy_is_what_is_read_while_it_is_there(snapshot):
    for part in snapshot.parts:
        (snapshot.folder / part.name).unlink()
    assert len(rows(snapshot)) == 999


@pytest.mark.parametrize("place", [0, 900, -40])
def test_a_copy_that_changed_is_noticed_before_the_rows_are_through(snapshot, place):
    path = snapshot.folder / NAME
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(StoredFileError, match=r"rows\.arrow"):
        rows(snapshot)


def test_a_copy_that_was_cut_is_refused_at_once(snapshot):
    path = snapshot.folder / NAME
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoredFileError, match=r"rows\.arrow"):
        next(snapshot.batches())


def test_a_snapshot_does_not_need_its_copy_to_prove_true(snapshot):
    snapshot.cool()
    snapshot.verify()
