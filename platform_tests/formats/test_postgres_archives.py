"""Archives that lz4 or zstd packed, made by a pg_dump 17 that has both (cases/postgres_archives): unpacked on the way to pg_restore.

`plain.sql` beside them is the same database by the same pg_dump.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import postgres_reading
import pytest
from archives import written, zipped

from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.postgres.packed_archive import unpacked

CASES = Path(__file__).parent / "cases" / "postgres_archives"
PACKED = ["custom-lz4.dump", "custom-zstd.dump", "directory-lz4", "directory-zstd"]
CUSTOM = PACKED[:2]


def opened(path: Path) -> Dump:
    return open_dump(path, postgres_reading.SOURCE)


@pytest.mark.parametrize("name", PACKED)
def test_pg10_an_archive_packed_by_lz4_or_zstd_gives_the_rows_of_the_script(name):
    dump, plain = opened(CASES / name), opened(CASES / "plain.sql")
    assert choose(dump, postgres_reading.SOURCE)[0].name == "postgres"
    expected = postgres_reading.typed_rows(plain)
    assert {table: len(rows) for table, rows in expected.items()} == {"t": 60, "empty": 0, 'Odd "name"': 2}
    assert postgres_reading.typed_rows(dump) == expected
    verdict = postgres_reading.read_dump(dump).verdict
    # The dump holds a large object, which no table can.
    assert [reason.split(",")[0] for reason in verdict.reasons] == ["1 x large-object"]


def test_pg10_a_packed_directory_inside_a_zip_is_read(tmp_path):
    files = {path.name: path.read_bytes() for path in (CASES / "directory-zstd").iterdir()}
    dump = opened(written(tmp_path / "d.zip", zipped(files)))
    assert postgres_reading.typed_rows(dump) == postgres_reading.typed_rows(opened(CASES / "plain.sql"))


@pytest.mark.parametrize(("name", "suffix"), [("directory-lz4", "lz4"), ("directory-zstd", "zst")])
def test_pg10_a_cut_file_of_a_packed_directory_costs_no_row_of_the_others(name, suffix, tmp_path):
    shutil.copytree(CASES / name, tmp_path / "d")
    (path,) = (path for path in (tmp_path / "d").glob(f"*.dat.{suffix}") if path.stat().st_size > 1000)
    path.write_bytes(path.read_bytes()[:-400])
    dump = opened(tmp_path / "d")
    rows, expected = postgres_reading.typed_rows(dump), postgres_reading.typed_rows(opened(CASES / "plain.sql"))
    assert rows['Odd "name"'] == expected['Odd "name"']
    verdict = postgres_reading.read_dump(dump).verdict
    assert verdict.completeness == "partial"
    assert any(path.name in reason for reason in verdict.reasons)


@pytest.mark.parametrize("name", CUSTOM)
def test_pg10_a_packed_archive_cut_anywhere_is_refused_or_partial_and_never_complete(name, tmp_path):
    data = (CASES / name).read_bytes()
    whole = postgres_reading.typed_rows(opened(CASES / "plain.sql"))["t"]
    for size in range(40, len(data), len(data) // 23):
        dump = opened(written(tmp_path / "cut.dump", data[:size]))
        try:
            reading = postgres_reading.read_dump(dump)
        except UnreadableDump:
            continue
        assert reading.verdict.completeness == "partial"
        assert any("large-object" not in reason for reason in reading.verdict.reasons), size
        assert postgres_reading.typed_rows(dump).get("t", []) == whole[: len(reading.dicts.get("t", []))]


@pytest.mark.parametrize("name", CUSTOM)
def test_pg10_a_damaged_packed_archive_ends_with_an_error_and_never_hangs(name):
    data = (CASES / name).read_bytes()
    ended = 0
    for at in range(12, len(data), 7):
        damaged = bytes([*data[:at], data[at] ^ 0xFF, *data[at + 1 :]])
        try:
            b"".join(unpacked(iter([damaged])))
        except (EOFError, OSError):
            ended += 1
    assert ended


def test_what_is_not_packed_so_goes_through_as_it_is():
    for data in (b"", b"PGDMP", b"PGDMP\x01\x0e\x00\x04\x08\x01\xff\xff\xff\xff\xff rest", b"PGDMP\x01\x10\x00\x04\x08\x01\x01 gzip"):
        assert b"".join(unpacked(iter([data[:4], data[4:]] if data else []))) == data
