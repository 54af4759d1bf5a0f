"""A backup is never overwritten, gives back exactly its rows, and every damage to it is found and named."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from stored_backups import NUMBERS, backup, damaged, numbers
from stored_cases import edge_table, exact_rows, table_of, tables

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64
from platform_assets.errors import DamagedBackup
from platform_assets.formats.avro.container import read_header
from platform_assets.storage.files import TEMPORARY
from platform_assets.storage.rows.backup_writer import BackupWriter, write_backup
from platform_assets.storage.rows.backups import Backup, damaged_backups, list_backups, open_backup, prove, verify
from platform_assets.storage.rows.row_hash import hash_of
from platform_assets.storage.rows.row_store import RowWriter, StoredRows, numbered
from platform_assets.storage.rows.stored_table import read_manifest, write_manifest


def test_a_backup_is_opened_as_it_was_written(tmp_path: Path) -> None:
    new = backup(tmp_path)
    assert open_backup(new.folder) == new
    assert new.folder == tmp_path / new.backup_id
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}", new.backup_id)
    assert (new.rows, new.source, new.table, new.facts) == (300, "shop", NUMBERS, {"tool_version": "1"})
    assert len(new.parts) > 2
    assert exact_rows(list(new.batches())) == exact_rows([numbers(300)])
    assert next(batch.schema.names for batch in new.batches(["text"])) == ["text"]


@settings(max_examples=25, deadline=None)
@given(case=tables())
def test_any_table_comes_back_exactly(case: tuple[Table, pa.RecordBatch], tmp_path_factory: pytest.TempPathFactory) -> None:
    table, batch = case
    new = write_backup(tmp_path_factory.mktemp("b"), source="s", table=table, batches=[batch])
    assert exact_rows(list(new.batches())) == exact_rows([batch])
    assert prove(new).rows == batch.num_rows


def test_equal_rows_give_byte_identical_parts_and_the_same_content_hash(tmp_path: Path) -> None:
    """A drill may compare a backup of the restored table with the backup itself."""
    table, batch = edge_table()
    one = write_backup(tmp_path, source="s", table=table, batches=[batch])
    pieces = [batch.slice(number, 1) for number in range(batch.num_rows)]
    two = write_backup(tmp_path, source="s", table=table, batches=pieces)
    other = write_backup(tmp_path, source="s", table=table, batches=[batch.slice(1)])
    assert one.parts == two.parts
    assert one.content == two.content != other.content
    assert one.backup_id != two.backup_id
    for part in one.parts:
        assert (one.folder / part.name).read_bytes() == (two.folder / part.name).read_bytes()


def test_backups_are_listed_oldest_first_and_older_ones_stay(tmp_path: Path) -> None:
    made = [backup(tmp_path, count) for count in (3, 3, 1, 2)]
    assert list_backups(tmp_path) == made
    assert [found.rows for found in list_backups(tmp_path)] == [3, 3, 1, 2]
    assert list_backups(tmp_path / "gone") == []


def test_a_backup_whose_name_is_taken_takes_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from platform_assets.storage.rows import backup_writer as backups

    first = backup(tmp_path)
    moments = iter([first.created_at, "2031-01-02T03:04:05.000006+00:00"])

    class Clock(backups.datetime):
        @classmethod
        def now(cls, tz: object = None) -> backups.datetime:
            return cls.fromisoformat(next(moments))

    monkeypatch.setattr(backups, "datetime", Clock)
    second = backup(tmp_path)
    assert second.backup_id.startswith("20310102T030405.000006Z-")
    assert list_backups(tmp_path) == [first, second]


def test_a_folder_without_manifest_is_no_backup(tmp_path: Path) -> None:
    new = backup(tmp_path)
    (new.folder / "manifest.json").unlink()
    (tmp_path / "stray").mkdir()
    assert list_backups(tmp_path) == []
    assert damaged_backups(tmp_path) == []
    with pytest.raises(DamagedBackup, match=r"manifest\.json is missing"):
        open_backup(new.folder)


def test_a_damaged_manifest_hides_no_other_backup(tmp_path: Path) -> None:
    bad, good = backup(tmp_path), backup(tmp_path)
    (bad.folder / "manifest.json").write_text("{}")
    assert list_backups(tmp_path) == [good]
    (error,) = damaged_backups(tmp_path)
    assert bad.backup_id in str(error)


def test_an_error_while_the_rows_come_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[pa.RecordBatch]:
        yield numbers(200)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        write_backup(tmp_path, source="shop", table=NUMBERS, batches=rows(), part_bytes=500)
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_backup_is_not_listed(tmp_path: Path) -> None:
    writer = BackupWriter(tmp_path, source="shop", table=NUMBERS, part_bytes=500)
    writer.add(numbers(200))
    assert list_backups(tmp_path) == []
    assert all(TEMPORARY in path.name for path in tmp_path.iterdir())
    assert writer.finish().rows == 200


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes the columns"):
        write_backup(tmp_path, source="shop", table=NUMBERS, batches=[pa.record_batch({"n": [1]})])
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_rows_is_backed_up_and_proves_true(tmp_path: Path) -> None:
    new = write_backup(tmp_path, source="shop", table=NUMBERS, batches=[])
    assert list(open_backup(new.folder).batches()) == []
    assert verify(new).ok


@pytest.mark.parametrize("level", ["files", "records"])
def test_a_whole_backup_proves_true_on_both_levels(level: str, tmp_path: Path) -> None:
    new = backup(tmp_path)
    result = verify(new, level=level)  # type: ignore[arg-type]
    assert result.ok
    assert (result.files, result.rows, result.bytes, result.level) == (len(new.parts), 300, new.bytes, level)


def test_two_thousand_flipped_bits_are_found_and_their_files_named(tmp_path: Path) -> None:
    """PITFALLS 18: fastavro read a flipped bit silently wrong in 326 of 400 cases."""
    new = backup(tmp_path, 60)
    chance = random.Random(2000)
    files = sorted(new.folder.iterdir())
    for _ in range(2000):
        path = chance.choice(files)
        whole = path.read_bytes()
        position = chance.randrange(len(whole))
        damaged(path, whole[:position] + bytes([whole[position] ^ 1 << chance.randrange(8)]) + whole[position + 1 :])
        result = verify(new, level=chance.choice(["files", "files", "files", "records"]))  # type: ignore[arg-type]
        assert result.problems
        assert all(str(path) in problem or str(new.folder) in problem for problem in result.problems)
        damaged(path, whole)
    assert verify(new).ok


def test_every_byte_of_a_small_backup_is_proven(tmp_path: Path) -> None:
    new = backup(tmp_path, 2)
    for path in sorted(new.folder.iterdir()):
        whole = path.read_bytes()
        for position in range(len(whole)):
            damaged(path, whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
            with pytest.raises(DamagedBackup):
                prove(new, level="files")
            if path.name == Backup.MANIFEST:
                with pytest.raises(DamagedBackup):
                    open_backup(new.folder)
        damaged(path, whole)
    assert verify(new).ok


@pytest.mark.parametrize("codec", ["deflate", "snappy", "zstandard"])
def test_every_file_cut_at_a_block_boundary_is_found_and_named(codec: str, tmp_path: Path) -> None:
    """PITFALLS 18: a file cut at a block boundary was silently short in 50 of 50 cases."""
    table = table_of([("n", INT64)])
    batch = pa.RecordBatch.from_arrays([pa.array(range(250_000), INT64)], schema=table.arrow_schema())
    writer = RowWriter(tmp_path / "parts", part_name=numbered("part"), block_bytes=200_000, codec=codec)
    writer.add(batch)
    (part,) = writer.finish()
    stored = StoredRows(table, (), ("n",), (part,))
    new = write_backup(tmp_path / "b", source="s", table=table, batches=[batch], codec=codec)
    whole = (tmp_path / "parts" / part.name).read_bytes()
    for old in new.parts:
        (new.folder / old.name).unlink()
    path = new.folder / part.name
    path.write_bytes(whole)
    new = replace(new, stored=stored)
    write_manifest(new.folder / Backup.MANIFEST, new.to_json())
    assert verify(new).ok
    with path.open("rb") as file:
        _, sync = read_header(file)
    ends = [found.end() for found in re.finditer(re.escape(sync), whole)]
    assert len(ends) > 8
    for end in ends[:-1]:
        path.write_bytes(whole[:end])
        for level in ("files", "records"):
            assert any(str(path) in problem for problem in verify(new, level=level).problems)  # type: ignore[arg-type]
        with pytest.raises(DamagedBackup, match=part.name):
            next(new.batches())


def test_a_missing_an_extra_and_a_mixed_file_are_found_and_named(tmp_path: Path) -> None:
    new, other = backup(tmp_path), backup(tmp_path, first=7)
    first, second, third = (new.folder / part.name for part in new.parts[:3])
    first.unlink()
    damaged(second, (other.folder / second.name).read_bytes())
    (new.folder / "part-99999.avro").write_bytes(third.read_bytes())
    (new.folder / "notes").mkdir()
    with pytest.raises(DamagedBackup) as caught:
        prove(new)
    for path in (first, second, new.folder / "part-99999.avro", new.folder / "notes"):
        assert str(path) in str(caught.value)
    assert str(third) not in str(caught.value)
    assert verify(other).ok


def test_parts_that_changed_places_are_found(tmp_path: Path) -> None:
    new = backup(tmp_path)
    first, second = (new.folder / part.name for part in new.parts[:2])
    first.rename(tmp_path / "x")
    second.rename(first)
    (tmp_path / "x").rename(second)
    assert len(verify(new).problems) == 2


def test_a_manifest_of_another_backup_is_found(tmp_path: Path) -> None:
    new, other = backup(tmp_path), backup(tmp_path, first=7)
    shutil.copy(other.folder / "manifest.json", new.folder / "manifest.json")
    assert any("manifest.json" in problem for problem in verify(new).problems)
    assert any(other.backup_id in problem for problem in verify(open_backup(new.folder), level="files").problems)


def test_all_files_of_another_backup_under_this_ones_name_are_found(tmp_path: Path) -> None:
    new, other = backup(tmp_path), backup(tmp_path, first=7)
    shutil.rmtree(new.folder)
    shutil.copytree(other.folder, new.folder)
    (problem,) = verify(open_backup(new.folder)).problems
    assert other.backup_id in problem


def test_a_manifest_made_to_fit_damaged_rows_fails_on_the_records(tmp_path: Path) -> None:
    """The second level: hashes that fit a file whose rows do not decode, or are fewer than the manifest says."""
    new = backup(tmp_path)
    manifest = read_manifest(new.folder / "manifest.json")
    manifest["stored"]["parts"][0]["rows"] += 1
    write_manifest(new.folder / "manifest.json", manifest)
    lied = open_backup(new.folder)
    assert verify(lied, level="files").ok
    (problem,) = verify(lied).problems
    assert new.parts[0].name in problem
    assert "its manifest says" in problem


def test_a_manifest_that_tells_of_other_rows_fails_on_their_hash(tmp_path: Path) -> None:
    new, other = backup(tmp_path, 40), backup(tmp_path, 40, first=7)
    lied = replace(new, rows_hash=other.rows_hash)
    write_manifest(new.folder / "manifest.json", lied.to_json())
    assert verify(lied, level="files").ok
    (problem,) = verify(lied).problems
    assert new.rows_hash in problem and other.rows_hash in problem


def test_a_manifest_of_a_later_format_is_refused_and_hides_no_other(tmp_path: Path) -> None:
    later, good = backup(tmp_path), backup(tmp_path)
    path = later.folder / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(DamagedBackup, match=r"format_version 2; this program reads 1\. Use the program that wrote it"):
        open_backup(later.folder)
    assert list_backups(tmp_path) == [good]
    assert len(damaged_backups(tmp_path)) == 1


def test_a_backup_that_is_gone_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    new = backup(tmp_path)
    shutil.rmtree(new.folder)
    result = verify(new)
    assert not result.ok
    assert len(result.problems) == 1 + len(new.parts)


def test_the_manifest_says_what_a_person_needs(tmp_path: Path) -> None:
    new = backup(tmp_path)
    manifest = json.loads((new.folder / "manifest.json").read_text())
    assert manifest["format_version"] == 1
    assert manifest["rows"] == 300
    assert manifest["content"] == new.content
    assert manifest["created_at"].endswith("+00:00")
    assert [column["name"] for column in manifest["stored"]["table"]["columns"]] == ["n", "text", "_instance"]
    assert {"name", "rows", "bytes", "sha256"} == set(manifest["stored"]["parts"][0])
    assert manifest["rows_hash"] == hash_of(new.batches())
    assert manifest["key"] == ["n"]
    written = fastavro.reader((new.folder / new.parts[0].name).open("rb")).writer_schema
    assert [field["name"] for field in manifest["avro"]["schema"]["fields"]] == [field["name"] for field in written["fields"]]
    assert manifest["avro"]["fingerprint"] == fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(written), "sha256")
