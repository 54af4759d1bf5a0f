"""What backups share with the one before, which other relations they hold, and that any reader of Avro reads them."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path

import avro.datafile
import avro.io
import fastavro
import numpy as np
import pyarrow as pa
import pytest
from stored_backups import NUMBERS, backup, damaged, numbers
from stored_cases import edge_table, exact_rows, table_of

from platform_assets.dictionary.types import INT64, STRING, TIMESTAMP
from platform_assets.storage.rows import backup_writer
from platform_assets.storage.rows.backup_writer import write_backup
from platform_assets.storage.rows.backups import Backup, open_backup, verify

# parts that did not change


def keyed(rows: dict[int, str]) -> pa.RecordBatch:
    arrays = [pa.array(list(rows), INT64), pa.array(list(rows.values()), STRING), pa.array(["default"] * len(rows), STRING)]
    return pa.RecordBatch.from_arrays(arrays, schema=NUMBERS.arrow_schema())


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Rows enough for some forty parts."""
    monkeypatch.setattr(backup_writer, "_BOUNDARY", np.uint64((1 << 6) - 1))
    return {number: f"row {number}" for number in range(0, 5000, 2)}


def inodes(of: Backup) -> set[int]:
    return {(of.folder / part.name).stat().st_ino for part in of.parts}


def test_unchanged_parts_are_links_and_not_written_again(many: dict[int, str], tmp_path: Path) -> None:
    one = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)])
    two = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)], previous=one)
    assert len(one.parts) > 20
    assert inodes(two) == inodes(one)
    assert two.parts == one.parts
    shutil.rmtree(one.folder)
    assert verify(two).ok, "a backup stands on its own"


@pytest.mark.parametrize("change", ["insert", "delete", "update", "first", "last"])
def test_a_row_that_changed_costs_its_own_part_alone(change: str, many: dict[int, str], tmp_path: Path) -> None:
    one = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)])
    changed = dict(many)
    if change == "delete":
        del changed[2500]
    else:
        changed[{"insert": 2501, "update": 2500, "first": -1, "last": 9999}[change]] = "new"
    rows = keyed(dict(sorted(changed.items())))
    two = write_backup(tmp_path, source="s", table=NUMBERS, batches=[rows], previous=one)
    assert len(inodes(two) - inodes(one)) <= 2
    assert exact_rows(list(two.batches())) == exact_rows([rows])
    assert verify(two).ok


def test_a_damaged_part_is_not_handed_on_to_the_next_backup(many: dict[int, str], tmp_path: Path) -> None:
    one = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)])
    path = one.folder / one.parts[3].name
    path.write_bytes(b"x" + path.read_bytes()[1:])
    two = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)], previous=one)
    assert verify(two).ok
    assert len(inodes(two) - inodes(one)) == 1


def test_without_links_the_parts_are_written(many: dict[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    one = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)])
    monkeypatch.setattr(os, "link", refuse)
    two = write_backup(tmp_path, source="s", table=NUMBERS, batches=[keyed(many)], previous=one)
    assert verify(two).ok
    assert not inodes(two) & inodes(one)


def test_more_relations_of_a_table_are_in_the_same_backup(tmp_path: Path) -> None:
    other = table_of([("reason", STRING)], name="rejects")
    rejects = pa.record_batch({"reason": pa.array(["bad", None])})
    new = write_backup(tmp_path, source="s", table=NUMBERS, batches=[numbers(3)], more={"rejects": (other, [rejects])})
    assert open_backup(new.folder) == new
    assert verify(new).ok
    assert (new.rows, new.more["rejects"].stored.rows) == (3, 2)
    assert exact_rows(list(new.batches(relation="rejects"))) == exact_rows([rejects])
    damaged(new.folder / "rejects-00000.avro", b"")
    assert any("rejects-00000.avro" in problem for problem in verify(new, level="files").problems)


# other readers


@pytest.mark.parametrize("codec", ["deflate", "snappy", "zstandard"])
def test_fastavro_and_the_official_package_read_a_backup(codec: str, tmp_path: Path) -> None:
    table, batch = edge_table()
    batch = batch.slice(0, 5)  # beyond come NaNs of odd bits
    new = write_backup(tmp_path, source="s", table=table, batches=[batch], codec=codec)
    expected = [list(row) for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    read: dict[str, list[list[object]]] = {"fastavro": [], "avro": []}
    for part in new.parts:
        with (new.folder / part.name).open("rb") as file:
            reader = fastavro.reader(file)
            assert reader.codec == codec
            read["fastavro"] += [list(row.values()) for row in reader]
        with avro.datafile.DataFileReader((new.folder / part.name).open("rb"), avro.io.DatumReader()) as official:
            read["avro"] += [list(row.values()) for row in official]
    assert read["fastavro"] == expected
    assert [[official_value(cell, kind) for cell, kind in zip(row, batch.schema.types, strict=True)] for row in read["avro"]] == expected


def official_value(cell: object, kind: pa.DataType) -> object:
    """The official package knows no local-timestamp-micros (a long to it); its decimals come in a context of 28 digits."""
    if kind == TIMESTAMP and isinstance(cell, int):
        return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=cell)
    return cell


def test_pandas_reads_a_backup_in_one_line(tmp_path: Path) -> None:
    import pandas as pd

    new = backup(tmp_path)
    frame = pd.DataFrame.from_records(row for part in sorted(new.folder.glob("part-*.avro")) for row in fastavro.reader(part.open("rb")))
    assert list(frame["n"]) == list(range(300))
