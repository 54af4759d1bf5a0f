"""Parts are cut by the rows alone, read back in order, and never half written."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_cases import edge_table, exact_rows, table_of

from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.errors import StoredFileError
from platform_assets.formats.avro.container import Block
from platform_assets.storage import files
from platform_assets.storage.rows.avro import Part, encode_block
from platform_assets.storage.rows.row_store import RowWriter, StoredRows, numbered, prove_files, read_parts, read_rows, row_sizes

SCHEMA = pa.schema([("n", INT64), ("text", STRING)])


def rows(count: int, first: int = 0) -> pa.RecordBatch:
    numbers = np.arange(first, first + count)
    return pa.RecordBatch.from_arrays([pa.array(numbers), pa.array(["x" * (number * 7 % 50) for number in numbers])], schema=SCHEMA)


def write(folder: Path, batches: list[pa.RecordBatch], **sizes: int) -> tuple[Part, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    writer = RowWriter(folder, part_name=numbered("part"), **sizes)
    for batch in batches:
        writer.add(batch)
    return writer.finish()


def cut(batch: pa.RecordBatch, lengths: list[int]) -> list[pa.RecordBatch]:
    pieces, start = [], 0
    for length in lengths:
        pieces.append(batch.slice(start, length))
        start += length
    return [*pieces, batch.slice(start)]


def test_rows_come_back_in_order_over_many_blocks_and_parts(tmp_path: Path) -> None:
    batch = rows(5_000)
    parts = write(tmp_path, [batch], block_bytes=2_000, part_bytes=20_000)
    assert len(parts) > 5
    assert [part.name for part in parts[:2]] == ["part-00000.avro", "part-00001.avro"]
    assert exact_rows(list(read_parts(tmp_path, parts, SCHEMA, SCHEMA.names))) == exact_rows([batch])


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(0, 300), max_size=6))
def test_equal_rows_give_equal_files_however_they_come_in_batches(lengths: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    batch, sizes = rows(700), {"block_bytes": 1_500, "part_bytes": 6_000, "block_rows": 60}
    whole = write(tmp_path_factory.mktemp("whole"), [batch], **sizes)
    pieces = write(tmp_path_factory.mktemp("pieces"), cut(batch, lengths), **sizes)
    assert pieces == whole


def test_no_rows_make_no_parts(tmp_path: Path) -> None:
    assert write(tmp_path, []) == ()
    assert write(tmp_path, [rows(0)]) == ()
    assert list(read_parts(tmp_path, (), SCHEMA, SCHEMA.names)) == []


def test_a_row_larger_than_a_part_is_a_part(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2, 3]), pa.array(["a", "b" * 10_000, "c"])], schema=SCHEMA)
    parts = write(tmp_path, [batch], block_bytes=1_000, part_bytes=2_000)
    assert [part.rows for part in parts] == [2, 1]


def test_a_block_holds_no_more_rows_than_allowed(tmp_path: Path) -> None:
    parts = write(tmp_path, [rows(1_000)], block_rows=64)
    assert [batch.num_rows for batch in read_parts(tmp_path, parts, SCHEMA, SCHEMA.names)] == [64] * 15 + [40]


def test_other_columns_in_a_later_batch_are_refused(tmp_path: Path) -> None:
    writer = RowWriter(tmp_path, part_name=numbered("part"))
    writer.add(rows(1))
    with pytest.raises(ValueError, match="earlier ones of this writer had"):
        writer.add(pa.record_batch({"n": pa.array([1], INT32), "text": pa.array(["x"])}))
    writer.abandon()


def test_flush_frees_the_writer_and_rows_go_on_in_a_new_part(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = RowWriter(tmp_path, part_name=numbered("part"))
    writer.add(rows(10))
    writer.flush()
    assert threading.active_count() == before
    assert (tmp_path / "part-00000.avro").exists()
    writer.flush()
    writer.add(rows(5, first=10))
    parts = writer.finish()
    assert [part.rows for part in parts] == [10, 5]
    assert exact_rows(list(read_parts(tmp_path, parts, SCHEMA, SCHEMA.names))) == exact_rows([rows(15)])


def test_an_abandoned_writer_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = RowWriter(tmp_path, part_name=numbered("part"), block_bytes=500)
    writer.add(rows(500))
    writer.abandon()
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_a_writer_abandoned_while_a_part_waits_to_be_closed_leaves_no_file(tmp_path: Path) -> None:
    begun, go_on = itertools.count(), threading.Event()

    def slow(*arguments: Any) -> Block:
        if next(begun):
            go_on.wait(60)
        return encode_block(*arguments)

    before = threading.active_count()
    writer = RowWriter(tmp_path, part_name=numbered("part"), block_rows=10, part_bytes=1, encode=slow)
    for number in range(3):  # the third block lets the first one out, whose part is closed when one of the two slow ones is done
        writer.add(rows(1, number))
    assert len(list(tmp_path.iterdir())) == 1
    threading.Timer(0.1, go_on.set).start()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def test_a_disk_that_is_full_when_a_part_ends_stops_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = threading.active_count()
    monkeypatch.setattr(files, "fsync_folder", full)
    writer = RowWriter(tmp_path, part_name=numbered("part"), block_bytes=500, part_bytes=2_000)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        writer.add(rows(2_000))
        writer.finish()
    writer.abandon()
    assert threading.active_count() == before


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path: Path) -> None:
    parts = write(tmp_path, [rows(2_000)], block_bytes=1_000)
    before = threading.active_count()
    batches = read_parts(tmp_path, parts, SCHEMA, SCHEMA.names)
    assert next(batches).num_rows
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_value_that_cannot_be_encoded_stops_the_writer(tmp_path: Path) -> None:
    """An error in the encoding thread must reach the caller, not vanish with the thread."""
    schema = pa.schema([("n", pa.int16())])
    writer = RowWriter(tmp_path, part_name=numbered("part"))
    with pytest.raises(KeyError):
        writer.add(pa.RecordBatch.from_arrays([pa.array([1], pa.int16())], schema=schema))


def test_a_damaged_later_part_is_found_after_the_good_ones(tmp_path: Path) -> None:
    parts = write(tmp_path, [rows(3_000)], block_bytes=2_000, part_bytes=20_000)
    path = tmp_path / parts[-1].name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    seen = 0
    with pytest.raises(StoredFileError, match=parts[-1].name):
        for batch in read_parts(tmp_path, parts, SCHEMA, SCHEMA.names):
            seen += batch.num_rows
    assert 0 < seen <= 3_000 - parts[-1].rows
    with pytest.raises(StoredFileError, match=parts[-1].name):
        prove_files(tmp_path, parts)


def test_an_unknown_column_is_a_key_error(tmp_path: Path) -> None:
    parts = write(tmp_path, [rows(3)])
    stored = StoredRows(table_of([("n", INT64), ("text", STRING)]), (), ("n", "text"), parts)
    with pytest.raises(KeyError):
        next(read_rows(tmp_path, stored, ["nope"]))


def test_what_is_stored_of_rows_comes_back_from_its_json() -> None:
    table, _ = edge_table()
    stored = StoredRows(table, ("_row",), tuple(f"f{number}" for number in range(len(table.columns) + 1)), (Part("p", 1, 2, "ab"),))
    assert StoredRows.from_json(stored.to_json()) == stored


def test_row_sizes_count_text_once_and_null_as_nothing() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1, None, 3]), pa.array(["abc", None, ""])], schema=SCHEMA)
    assert row_sizes(batch).tolist() == [15, 12, 12]
    assert row_sizes(batch.slice(1)).tolist() == [12, 12]
