"""A snapshot is whole or not there, keeps every row and reject, and finds every damage."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from stored_cases import edge_table, exact_rows, table_of, tables, with_meta

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import StoredFileError
from platform_assets.storage.files import TEMPORARY
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.snapshots import (
    Snapshot,
    SnapshotWriter,
    list_snapshots,
    open_snapshot,
)

NUMBERS = table_of([("n", INT64), ("text", STRING)], name="numbers")


def numbers(count: int, first: int = 1) -> pa.RecordBatch:
    values = range(first, first + count)
    batch = pa.RecordBatch.from_arrays([pa.array(values, INT64), pa.array([f"row {v}" for v in values])], schema=NUMBERS.arrow_schema())
    return with_meta(batch, first)


def writer(folder: Path, **options: int) -> SnapshotWriter:
    return SnapshotWriter(folder, source="shop", version="shop.a.12345678", instance="default", table_name="numbers", **options)


def snapshot(folder: Path, count: int = 10, rejected: tuple[int, ...] = (), **options: int) -> Snapshot:
    new = writer(folder, **options)
    new.add(numbers(count))
    return new.finish(NUMBERS, rejected_rows=np.array(rejected, np.int64))


def values(found: Snapshot, **options: bool) -> list[int]:
    return [value for batch in found.batches(["n"], **options) for value in batch.column(0).to_pylist()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_committed_snapshot_is_opened_as_it_was_written(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    new.add(numbers(4))
    new.reject(RejectRecord(5, "a.csv", 6, 120, "1;2", '[{"rule":"extra-cell"}]'))
    pending = new.finish(
        NUMBERS,
        rejected_rows=np.array([3]),
        member="a.csv",
        unreadable=1,
        recovered=1,
        raw_counts={"n": 2},
        rule_counts={"required:n": (4, 1)},
        dictionary_version="1.0.0",
        facts={"completeness": "partial", "reasons": ["cut short"]},
    )
    committed = pending.commit()
    opened = open_snapshot(tmp_path / "numbers")
    assert opened == committed == replace(pending, pending=None)
    assert (opened.rows, opened.unreadable, opened.accepted, opened.rejected, opened.recovered) == (4, 1, 3, 2, 1)
    assert opened.rows + opened.unreadable == opened.accepted + opened.rejected
    assert opened.rule_counts == {"required:n": (4, 1)}
    assert opened.facts == {"completeness": "partial", "reasons": ["cut short"]}
    assert opened.bytes == sum(path.stat().st_size for path in (tmp_path / "numbers").glob("*.avro"))


def test_all_files_of_a_snapshot_are_avro_for_any_reader(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    new.add(numbers(3))
    new.reject(RejectRecord(None, "a.csv", None, None, "raw"))
    new.finish(NUMBERS, rejected_rows=[2]).commit()
    assert names(tmp_path / "numbers") == {"part-00000.avro", "rejected.avro", "rejects.avro", "snapshot.json"}
    read = {}
    for path in (tmp_path / "numbers").glob("*.avro"):
        with path.open("rb") as file:
            read[path.name] = list(fastavro.reader(file))
    assert [row["text"] for row in read["part-00000.avro"]] == ["row 1", "row 2", "row 3"]
    assert read["rejected.avro"] == [{"row": 2}]
    assert read["rejects.avro"][0]["raw"] == "raw"


def test_nothing_is_visible_before_the_commit(tmp_path: Path) -> None:
    pending = snapshot(tmp_path / "version" / "numbers")
    assert list_snapshots(tmp_path / "version") == []
    with pytest.raises(StoredFileError, match=r"snapshot\.json is missing"):
        open_snapshot(tmp_path / "version" / "numbers")
    assert values(pending) == list(range(1, 11))
    assert all(TEMPORARY in name for name in names(tmp_path / "version"))


def test_a_commit_twice_and_a_late_discard_change_nothing(tmp_path: Path) -> None:
    pending = snapshot(tmp_path / "numbers")
    committed = pending.commit()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "numbers").iterdir()}
    pending.commit()
    committed.commit()
    pending.discard()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "numbers").iterdir()} == before
    assert names(tmp_path) == {"numbers"}
    assert values(pending) == values(committed) == list(range(1, 11))


def test_a_newer_parse_takes_the_place_of_the_older(tmp_path: Path) -> None:
    snapshot(tmp_path / "numbers", 100, part_bytes=500).commit()
    snapshot(tmp_path / "numbers", 3).commit()
    assert values(open_snapshot(tmp_path / "numbers")) == [1, 2, 3]
    assert names(tmp_path / "numbers") == {"part-00000.avro", "snapshot.json"}
    assert names(tmp_path) == {"numbers"}


def test_a_discarded_snapshot_leaves_the_old_one_and_cannot_be_committed(tmp_path: Path) -> None:
    snapshot(tmp_path / "numbers", 2).commit()
    pending = snapshot(tmp_path / "numbers", 5)
    pending.discard()
    assert names(tmp_path) == {"numbers"}
    with pytest.raises(StoredFileError, match="cannot be committed"):
        pending.commit()
    assert values(open_snapshot(tmp_path / "numbers")) == [1, 2]


def test_a_discarded_writer_leaves_nothing(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers", part_bytes=100)
    new.add(numbers(1_000))
    new.reject(RejectRecord(1, "a", 1, None, "x"))
    new.discard()
    assert names(tmp_path) == set()


def test_restart_throws_away_rows_and_rejects(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers", part_bytes=100)
    new.add(numbers(1_000))
    new.reject(RejectRecord(1, "a", 1, None, "x"))
    new.restart()
    new.add(numbers(2, first=50))
    found = new.finish(NUMBERS).commit()
    assert values(found) == [50, 51]
    assert list(found.rejects()) == []
    assert names(tmp_path) == {"numbers"}


def test_a_restarted_table_may_have_other_columns(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    new.add(numbers(2))
    new.restart()
    other = table_of([("n", INT64)], name="numbers")
    new.add(numbers(2).select(["n", "_row", "_line", "_raw"]))
    assert new.finish(other).commit().schema().names == ["n", "_row", "_line", "_raw"]


def test_flush_between_tables_loses_nothing(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    for number in range(3):
        new.add(numbers(2, first=1 + 2 * number))
        new.reject(RejectRecord(number, "a", None, None, "x"))
        new.flush()
    found = new.finish(NUMBERS).commit()
    assert values(found) == [1, 2, 3, 4, 5, 6]
    assert [reject.row for reject in found.rejects()] == [0, 1, 2]
    found.verify()


def test_a_table_without_rows_is_a_snapshot(tmp_path: Path) -> None:
    found = writer(tmp_path / "numbers").finish(NUMBERS).commit()
    assert (found.rows, found.parts, list(found.batches())) == (0, (), [])
    assert open_snapshot(tmp_path / "numbers") == found


def test_rows_of_other_columns_than_the_table_are_refused(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    new.add(numbers(2))
    with pytest.raises(ValueError, match="the rows written are of numbers"):
        new.finish(table_of([("n", STRING), ("text", STRING)], name="numbers"))
    new.discard()


@pytest.mark.parametrize("rejected", [(), (1,), (10,), (2, 3, 7), tuple(range(1, 11)), (99,)])
def test_rejected_rows_are_left_out_unless_asked_for(rejected: tuple[int, ...], tmp_path: Path) -> None:
    found = snapshot(tmp_path / "numbers", 10, rejected).commit()
    assert values(found) == [number for number in range(1, 11) if number not in rejected]
    assert values(found, accepted_only=False) == list(range(1, 11))
    assert found.rejected_rows().tolist() == list(rejected)


def test_named_columns_come_typed_and_in_the_order_asked_for(tmp_path: Path) -> None:
    found = snapshot(tmp_path / "numbers", 10, (1,)).commit()
    (batch,) = found.batches(["text", "_row"])
    assert batch.schema == found.schema(["text", "_row"])
    assert batch.column(0)[0].as_py() == "row 2"
    with pytest.raises(KeyError):
        list(found.batches(["nope"]))


@settings(max_examples=25, deadline=None)
@given(case=tables())
def test_any_table_comes_back_exactly(case: tuple[Table, pa.RecordBatch], tmp_path_factory: pytest.TempPathFactory) -> None:
    table, batch = case
    new = SnapshotWriter(tmp_path_factory.mktemp("s") / "t", source="s", version="v", instance="i", table_name="t")
    new.add(with_meta(batch))
    found = open_snapshot(new.finish(table).commit().folder)
    assert found.table == table
    assert exact_rows(list(found.batches())) == exact_rows([with_meta(batch)])


def test_rejects_come_back_exactly_and_in_order(tmp_path: Path) -> None:
    records = [
        RejectRecord(1, "a.csv", 2, 30, "é\0\n", '[{"rule":"r"}]'),
        RejectRecord(None, "", None, None, "", "[]", recovered=True),
        RejectRecord(2**62, "b" * 300, 2**40, 0, "x" * 100_000),
    ]
    new = writer(tmp_path / "numbers")
    for record in records * 40:
        new.reject(record)
    assert list(new.finish(NUMBERS).commit().rejects()) == records * 40


def test_a_reject_with_a_lone_surrogate_is_kept_readable(tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    new.reject(RejectRecord(1, "a.json", 1, None, 'é "\ud800"'))
    (reject,) = new.finish(NUMBERS).commit().rejects()
    assert reject.raw == 'é "\\ud800"'


REJECTING = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_snapshots import NUMBERS, RejectRecord, writer

new = writer(Path({folder!r}))
for number in range({count}):
    new.reject(RejectRecord(number, "a.csv", number, None, "x" * 200 + str(number)))
found = new.finish(NUMBERS).commit()
assert sum(1 for _ in found.rejects()) == {count}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_ten_times_the_rejects_need_no_more_memory(tmp_path: Path) -> None:
    """200,000 records of 200 bytes are over 100 MB as objects."""
    peaks = []
    for count in (20_000, 200_000):
        code = REJECTING.format(tests=str(Path(__file__).parent), folder=str(tmp_path / str(count)), count=count)
        peaks.append(int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout))
    assert peaks[1] - peaks[0] < 40_000, peaks


@pytest.mark.parametrize("name", ["part-00000.avro", "rejected.avro", "rejects.avro"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_verify_names_the_damaged_file(name: str, harm: str, tmp_path: Path) -> None:
    new = writer(tmp_path / "numbers")
    new.add(numbers(10))
    new.reject(RejectRecord(1, "a", 1, None, "x"))
    found = new.finish(NUMBERS, rejected_rows=[4]).commit()
    found.verify()
    path = found.folder / name
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[-20] ^= 1
        path.write_bytes(data)
    elif harm == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    with pytest.raises(StoredFileError, match=name):
        found.verify()
    with pytest.raises(StoredFileError, match=name):
        list(found.batches())
        list(found.rejects())


def test_every_changed_byte_of_the_manifest_is_found(tmp_path: Path) -> None:
    found = snapshot(tmp_path / "numbers").commit()
    path = found.folder / "snapshot.json"
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 32]) + data[position + 1 :])
        with pytest.raises(StoredFileError, match=r"snapshot\.json"):
            open_snapshot(found.folder)


def test_a_manifest_of_a_later_program_is_refused(tmp_path: Path) -> None:
    found = snapshot(tmp_path / "numbers").commit()
    path = found.folder / "snapshot.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(StoredFileError, match="format_version 2; this program reads 1"):
        open_snapshot(found.folder)


def test_the_snapshots_of_a_version_are_listed_by_table(tmp_path: Path) -> None:
    for table in ("b", "a"):
        new = SnapshotWriter(tmp_path / f"folder-{table}", source="s", version="v", instance="i", table_name=table)
        new.finish(replace(NUMBERS, name=table)).commit()
    snapshot(tmp_path / "numbers")
    (tmp_path / "stray").mkdir()
    (tmp_path / "version.json").write_text("{}")
    assert [found.table.name for found in list_snapshots(tmp_path)] == ["a", "b"]
    assert list_snapshots(tmp_path / "gone") == []


def test_a_snapshot_that_stepped_aside_when_the_power_went_is_found(tmp_path: Path) -> None:
    found = snapshot(tmp_path / "numbers").commit()
    aside = tmp_path / f".numbers{TEMPORARY}old"
    found.folder.rename(aside)
    assert list_snapshots(tmp_path) == [found]
    found.folder.rename(aside)
    assert open_snapshot(found.folder) == found


KILLED = """
import os, signal, sys
from pathlib import Path
import polars  # before the forks, so that no child pays for it
sys.path.insert(0, {tests!r})
from test_snapshots import open_snapshot, snapshot, values

folder, calls = Path({folder!r}), 0

def in_a_child(work):
    child = os.fork()
    if not child:
        try:
            os._exit(work())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def write_and_die(at):
    def counted(real):
        def call(*arguments):
            global calls
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)
        return call
    for name in ("rename", "replace", "fsync"):
        setattr(os, name, counted(getattr(os, name)))
    snapshot(folder, 60, (5,), part_bytes=2_000).commit()
    return 0

def rows_found():
    found = open_snapshot(folder)
    found.verify()
    return len(values(found))

at, status = 0, None
while status != 0:
    at += 1
    status = in_a_child(lambda: write_and_die(at))
    print(at, status, in_a_child(rows_found), flush=True)
"""


def test_killed_at_any_step_the_old_snapshot_or_the_new_one_stands(tmp_path: Path) -> None:
    """A process kills itself before its n-th rename or fsync, for n = 1, 2, ... until it gets through."""
    snapshot(tmp_path / "numbers", 7).commit()
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "numbers"))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    outcomes = [tuple(map(int, line.split()[1:])) for line in done.stdout.splitlines()]
    killed = [rows for status, rows in outcomes if status == -signal.SIGKILL]
    assert len(killed) > 12
    assert {rows for _, rows in outcomes} == {7, 59}
    assert killed == sorted(killed), "once the new one stands, the old one must not come back"
    assert (0, 59) in outcomes


def test_every_type_survives_in_a_snapshot(tmp_path: Path) -> None:
    table, batch = edge_table()
    new = SnapshotWriter(tmp_path / "t", source="s", version="v", instance="i", table_name="t")
    new.add(with_meta(batch))
    assert exact_rows(list(new.finish(table).commit().batches())) == exact_rows([with_meta(batch)])
