"""Containers: real files in a temporary folder, whole, cut at every byte, and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from platform_assets.dictionary.source import Limits, SourceSettings
from platform_assets.errors import DumpGone, LimitExceeded, UnreadableDump
from platform_assets.formats.base import Dump
from platform_assets.formats.containers import budget
from platform_assets.formats.containers.opening import head, ignored_notices, is_junk, open_dump

SOURCE = SourceSettings("app")
TEXT = b"".join(b"%d,row number %d\n" % (n, n) for n in range(2000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def contents(dump: Dump) -> dict[str, bytes]:
    found = {}
    for member in dump.members:
        with member.open() as stream:
            found[member.name] = stream.read()
    return found


def read_until_error(dump: Dump, size: int = 1000) -> tuple[bytes, Exception | None]:
    data = b""
    with dump.members[0].open() as stream:
        try:
            while part := stream.read(size):
                data += part
        except (EOFError, OSError) as error:
            return data, error
    return data, None


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", ["hr.csv", "hr.csv.gz", "hr.zip"])
def test_a_packed_file_is_one_member_whatever_its_name_says(tmp_path: Path, packer: str, name: str) -> None:
    packed = PACKERS[packer](TEXT)
    dump = open_dump(written(tmp_path / name, packed), SOURCE)
    assert contents(dump) == {name: TEXT}
    assert dump.members[0].size == len(packed)
    assert not dump.sealed


@pytest.mark.parametrize("packer", PACKERS)
def test_all_members_of_a_packed_stream_are_read(tmp_path: Path, packer: str) -> None:
    path = written(tmp_path / "x", PACKERS[packer](TEXT) + PACKERS[packer](b"more") + PACKERS[packer](b""))
    assert contents(open_dump(path, SOURCE)) == {"x": TEXT + b"more"}


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_stream_cut_at_any_byte_ends_with_an_error_that_names_it(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](TEXT)
    for cut in sorted({*range(12, len(packed), max(len(packed) // 40, 1)), *range(len(packed) - 12, len(packed))}):
        data, error = read_until_error(open_dump(written(tmp_path / "hr.csv.gz", packed[:cut]), SOURCE))
        assert isinstance(error, EOFError), cut
        assert "hr.csv.gz" in str(error)
        assert "Fetch the dump again" in str(error)
        assert TEXT.startswith(data)


@pytest.mark.parametrize("packer", ["gzip", "xz", "bzip2"])
def test_what_came_before_a_cut_is_read_whole(tmp_path: Path, packer: str) -> None:
    first, second = PACKERS[packer](TEXT), PACKERS[packer](TEXT)
    data, error = read_until_error(open_dump(written(tmp_path / "x", first + second[:20]), SOURCE), size=1 << 20)
    assert data.startswith(TEXT)
    assert isinstance(error, EOFError)


def test_bytes_behind_a_gzip_stream_are_an_error_after_the_data_and_zeros_are_not(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT)
    assert read_until_error(open_dump(written(tmp_path / "x", packed + bytes(512)), SOURCE)) == (TEXT, None)
    data, error = read_until_error(open_dump(written(tmp_path / "x", packed + b"garbage"), SOURCE))
    assert data == TEXT
    assert isinstance(error, OSError)
    assert not isinstance(error, EOFError)


def test_a_flipped_bit_in_gzip_is_an_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[len(packed) // 2] ^= 1
    assert isinstance(read_until_error(open_dump(written(tmp_path / "x", bytes(packed)), SOURCE))[1], OSError)


def test_reading_all_at_once_does_not_hide_a_cut(tmp_path: Path) -> None:
    dump = open_dump(written(tmp_path / "x", gzip.compress(TEXT)[:-20]), SOURCE)
    with dump.members[0].open() as stream, pytest.raises(EOFError):
        stream.read()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_is_its_files_in_their_order_and_sealed(tmp_path: Path, method: int) -> None:
    members = {"b/users.dat": TEXT, "a.json": b"[]", "empty.dat": b"", "__MACOSX/a": b"x", "b/.DS_Store": b"y", "folder/": b""}
    dump = open_dump(written(tmp_path / "dump.dat", zipped(members, method)), SOURCE)
    assert contents(dump) == {"b/users.dat": TEXT, "a.json": b"[]", "empty.dat": b""}
    assert [member.name for member in dump.members] == ["b/users.dat", "a.json", "empty.dat"]
    assert dump.sealed
    assert set(dump.ignored) == {"__MACOSX/a", "b/.DS_Store"}
    assert not any(notice.data_bearing for notice in ignored_notices(dump))


def test_a_packed_member_of_a_zip_is_unpacked_too(tmp_path: Path) -> None:
    dump = open_dump(written(tmp_path / "x.zip", zipped({"hr.csv.gz": gzip.compress(TEXT)})), SOURCE)
    assert contents(dump) == {"hr.csv.gz": TEXT}


def packed_bytes(dump: Dump) -> dict[str, bytes]:
    found = {}
    for member in dump.members:
        assert member.packed
        with member.packed() as stream:
            found[member.name] = stream.read()
    return found


def test_a_member_is_also_to_be_had_as_it_lies_there(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT)
    written(tmp_path / "d" / "1.dat.gz", packed)
    written(tmp_path / "d" / "toc.dat", b"PGDMP")
    written(tmp_path / "d" / "in.zip", zipped({"2.dat.gz": packed}))
    dump = open_dump(tmp_path / "d", SOURCE)
    assert packed_bytes(dump) == {"1.dat.gz": packed, "toc.dat": b"PGDMP", "in.zip/2.dat.gz": packed}
    assert packed_bytes(open_dump(tmp_path / "d" / "1.dat.gz", SOURCE)) == {"1.dat.gz": packed}


def test_packed_bytes_count_against_the_limits(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_dump_bytes=20_000))
    member = open_dump(written(tmp_path / "x.gz", gzip.compress(os.urandom(30_000))), source).members[0]
    assert member.packed
    with member.packed() as stream, pytest.raises(LimitExceeded, match="max_dump_bytes"):
        stream.read()


WORKBOOKS = {
    "xlsx": {"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"},
    "xlsb": {"[Content_Types].xml": b"<Types/>", "xl/workbook.bin": b"x"},
    "ods": {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"},
}


@pytest.mark.parametrize("kind", WORKBOOKS)
def test_a_workbook_is_one_member_and_no_archive(tmp_path: Path, kind: str) -> None:
    data = zipped(WORKBOOKS[kind], zipfile.ZIP_STORED)
    assert contents(open_dump(written(tmp_path / "hr.dat", data), SOURCE)) == {"hr.dat": data}
    written(tmp_path / "d" / "hr", data)
    written(tmp_path / "d" / "v.zip", zipped({"a.csv": b"a"}))
    assert contents(open_dump(tmp_path / "d", SOURCE)) == {"hr": data, "v.zip/a.csv": b"a"}
    assert contents(open_dump(written(tmp_path / "z.zip", zipped({"hr": data})), SOURCE)) == {"hr": data}


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_zip_is_unreadable_and_says_what_to_do(tmp_path: Path, part: float) -> None:
    data = zipped({"users.dat": TEXT, "users.json": b"[]"})
    with pytest.raises(UnreadableDump, match=r"lms\.zip.*cut short.*Copy the complete file again"):
        open_dump(written(tmp_path / "lms.zip", data[: int(len(data) * part)]), SOURCE)


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/etc/x", "C:/x", "c:x", "a\\..\\x", "..", "a/.."])
def test_an_unsafe_member_name_is_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableDump, match="no plain relative name") as caught:
        open_dump(written(tmp_path / "lms.zip", zipped({"ok.csv": b"a\n", name: b"x"})), SOURCE)
    assert caught.value.facts["member"] == name
    assert "lms.zip" in caught.value.message


def test_a_member_whose_bytes_do_not_fit_its_crc_is_an_error_behind_its_last_byte(tmp_path: Path) -> None:
    data = bytearray(zipped({"users.dat": TEXT}, zipfile.ZIP_STORED))
    data[data.index(b"row number 1999") + 4] ^= 1
    read, error = read_until_error(open_dump(written(tmp_path / "lms.zip", bytes(data)), SOURCE))
    assert len(read) == len(TEXT)
    assert isinstance(error, OSError)
    assert "lms.zip: member users.dat" in str(error)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"users.dat": TEXT}))
    for at in (6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1
    with pytest.raises(UnreadableDump, match=r"users\.dat' is encrypted"):
        open_dump(written(tmp_path / "lms.zip", bytes(data)), SOURCE)


def test_a_method_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDump, match="method 14"):
        open_dump(written(tmp_path / "lms.zip", zipped({"users.dat": TEXT}, zipfile.ZIP_LZMA)), SOURCE)


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """Two directory entries over the same packed bytes: the bomb that Python 3.11's zipfile does not see."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(100_000))
        twin = zipfile.ZipInfo("b.csv")
        first = archive.infolist()[0]
        for key in ("header_offset", "CRC", "file_size", "compress_size", "compress_type", "external_attr"):
            setattr(twin, key, getattr(first, key))
        archive.filelist.append(twin)
        archive.NameToInfo["b.csv"] = twin
        archive._didModify = True
    with pytest.raises(UnreadableDump, match="overlaps"):
        open_dump(written(tmp_path / "bomb.zip", buffer.getvalue()), SOURCE)


def test_of_two_entries_with_one_name_the_newer_is_read_and_the_older_reported(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.csv", b"old\n")
        archive.writestr("a.csv", b"new\n")
    dump = open_dump(written(tmp_path / "x.zip", buffer.getvalue()), SOURCE)
    assert contents(dump) == {"a.csv": b"new\n"}
    assert [(notice.member, notice.data_bearing) for notice in ignored_notices(dump)] == [("a.csv", True)]


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.csv", b"x\n")
    dump = open_dump(written(tmp_path / "x.zip", buffer.getvalue()), SOURCE)
    assert (list(contents(dump)), dump.ignored) == (["a.csv"], ("link.csv",))


def test_a_folder_is_its_files_by_relative_path(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.csv", "a.csv", ".hidden", "a/.DS_Store", "Thumbs.db"):
        written(tmp_path / "hr" / name, name.encode())
    written(tmp_path / "hr" / "packed.csv.gz", gzip.compress(TEXT))
    written(tmp_path / "hr" / "v1.zip", zipped({"users.dat": b"u"}))
    dump = open_dump(tmp_path / "hr", SOURCE)
    assert contents(dump) == {"a.csv": b"a.csv", "a/z.csv": b"a/z.csv", "b.csv": b"b.csv", "packed.csv.gz": TEXT, "v1.zip/users.dat": b"u"}
    assert [member.name for member in dump.members] == sorted(contents(dump))
    assert set(dump.ignored) == {".hidden", "a/.DS_Store", "Thumbs.db"}
    assert not dump.sealed


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_read(tmp_path: Path) -> None:
    written(tmp_path / "hr" / "a.csv", b"a")
    (tmp_path / "hr" / "b.csv").symlink_to("a.csv")
    assert contents(open_dump(tmp_path / "hr", SOURCE)) == {"a.csv": b"a", "b.csv": b"a"}
    written(tmp_path / "secret", b"s")
    (tmp_path / "hr" / "c.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(UnreadableDump, match=r"c\.csv is a link that leads out"):
        open_dump(tmp_path / "hr", SOURCE)


def test_links_to_folders_and_pipes_are_left_alone_and_reported(tmp_path: Path) -> None:
    written(tmp_path / "hr" / "a.csv", b"a")
    (tmp_path / "hr" / "round").symlink_to(tmp_path / "hr")
    os.mkfifo(tmp_path / "hr" / "pipe.csv")
    dump = open_dump(tmp_path / "hr", SOURCE)
    assert dump.ignored == ("pipe.csv", "round")
    assert all(notice.data_bearing for notice in ignored_notices(dump))


def test_nothing_to_read_is_an_error_that_names_the_dump(tmp_path: Path) -> None:
    (tmp_path / "hr").mkdir()
    written(tmp_path / "junk" / ".DS_Store", b"x")
    for path, pattern in [
        (written(tmp_path / "empty.csv", b""), r"empty\.csv is empty"),
        (tmp_path / "hr", "hr holds no files"),
        (tmp_path / "junk", r"junk holds no files except \.DS_Store"),
        (written(tmp_path / "none.zip", zipped({})), r"none\.zip holds no files"),
    ]:
        with pytest.raises(UnreadableDump, match=pattern):
            open_dump(path, SOURCE)
    with pytest.raises(DumpGone, match=r"gone\.csv"):
        open_dump(tmp_path / "gone.csv", SOURCE)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path, packer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "RATIO_FREE_BYTES", 1 << 20)
    source = SourceSettings("app", limits=Limits(max_ratio=100))
    dump = open_dump(written(tmp_path / "bomb.csv", PACKERS[packer](bytes(8 << 20))), source)
    with dump.members[0].open() as stream, pytest.raises(LimitExceeded, match=r"bomb\.csv.*sources\.app\.limits\.max_ratio"):
        while stream.read(1 << 16):
            pass


def test_a_bomb_in_a_zip_is_stopped_by_the_bytes_of_all_members_together(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_dump_bytes=4_500_000))
    path = written(tmp_path / "bomb.zip", zipped({"a.csv": bytes(3_000_000), "b.csv": bytes(3_000_000)}))
    dump = open_dump(path, source)
    for _ in range(3):
        with dump.members[0].open() as stream:
            assert len(stream.read()) == 3_000_000
    with dump.members[1].open() as stream, pytest.raises(LimitExceeded, match=r"member b\.csv.*max_dump_bytes"):
        stream.read()


def test_the_size_that_a_directory_claims_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.csv": bytes(100_000)}))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10)
    data_read, error = read_until_error(open_dump(written(tmp_path / "x.zip", bytes(data)), SOURCE))
    assert len(data_read) == 100_000
    assert isinstance(error, OSError)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_members=3))
    members = {f"{n}.csv": b"x" for n in range(4)}
    with pytest.raises(LimitExceeded, match="max_members"):
        open_dump(written(tmp_path / "x.zip", zipped(members)), source)
    for name, data in members.items():
        written(tmp_path / "hr" / name, data)
    with pytest.raises(LimitExceeded, match="max_members"):
        open_dump(tmp_path / "hr", source)


def test_the_head_of_a_cut_member_is_what_there_is(tmp_path: Path) -> None:
    member = open_dump(written(tmp_path / "x", gzip.compress(TEXT)[:-10]), SOURCE).members[0]
    seen = head(member)
    assert TEXT.startswith(seen.data)
    assert seen.error is not None
    assert head(member, 10).data == TEXT[:10]
    assert head(member, 10).error is None


@pytest.mark.parametrize(
    ("name", "junk"), [("__MACOSX/a/b", True), ("a/._b.csv", True), ("a.csv", False), ("a.b/c", False), (".git/x", True)]
)
def test_junk_is_known_by_name(name: str, junk: bool) -> None:
    assert is_junk(name) is junk
