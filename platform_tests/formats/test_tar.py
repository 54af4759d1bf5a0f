"""tar archives: every dialect, plain and packed, cut at every block, damaged, with what is no regular file."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from archives import PACKERS, contents, read_until_error, tarred, written, zipped

from platform_assets.dictionary.source import Limits, SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.containers.opening import ignored_notices, open_dump

SOURCE = SourceSettings("app")
LONG = "a-rather-long-folder-name/" * 8 + "users.csv"
FILES = {"b/users.csv": b"1,2\n" * 700, "a.json": b"[]", "empty.csv": b"", LONG: b"x" * 512, "b/ünïcode.csv": b"y" * 513}
FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
BLOCK = 512


def members_of(tmp_path: Path, data: bytes, source: SourceSettings = SOURCE) -> dict[str, bytes]:
    return contents(open_dump(written(tmp_path / "dump", data), source))


@pytest.mark.parametrize("form", FORMS)
def test_a_tar_is_its_files_in_their_order(tmp_path: Path, form: str) -> None:
    dump = open_dump(written(tmp_path / "dump.sql", tarred(FILES, FORMS[form])), SOURCE)
    assert contents(dump) == FILES
    assert [member.name for member in dump.members] == list(FILES)
    assert [member.size for member in dump.members] == [len(data) for data in FILES.values()]
    assert list(ignored_notices(dump)) == []


def test_a_tar_older_than_ustar_is_known_by_its_checksum(tmp_path: Path) -> None:
    header = bytearray(512)
    for at, text in [(0, b"users.csv"), (100, b"0000644\0"), (124, b"00000000004\0"), (136, b"00000000000\0"), (148, b" " * 8)]:
        header[at : at + len(text)] = text
    header[148:156] = b"%06o\0 " % sum(header)
    assert members_of(tmp_path, bytes(header) + b"1,2\n".ljust(512, b"\0") + bytes(1024)) == {"users.csv": b"1,2\n"}


def test_the_dot_that_tar_of_a_folder_writes_before_every_name_is_left_out(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    data = folder.tobuf() + tarred({"./a.csv": b"x", "./._a.csv": b"junk"})
    dump = open_dump(written(tmp_path / "x.tar", data), SOURCE)
    assert (contents(dump), dump.ignored) == ({"a.csv": b"x"}, ("._a.csv",))


@pytest.mark.parametrize("packer", PACKERS)
def test_members_of_a_packed_tar_can_be_read_again_and_out_of_order(tmp_path: Path, packer: str) -> None:
    dump = open_dump(written(tmp_path / "x.tgz", PACKERS[packer](tarred(FILES))), SOURCE, work=tmp_path / "work")
    assert contents(dump) == FILES
    streams = [member.open() for member in reversed(dump.members)]
    read = [stream.read(100) + stream.read() for stream in streams]
    assert read == list(reversed(FILES.values()))
    assert list((tmp_path / "work").iterdir()) == [], "a spool has no name"


@pytest.mark.parametrize("packer", PACKERS)
def test_a_tar_is_sealed_where_the_packing_around_it_proves_every_byte(tmp_path: Path, packer: str) -> None:
    assert open_dump(written(tmp_path / "x", PACKERS[packer](tarred(FILES))), SOURCE).sealed is (packer in ("gzip", "bzip2"))
    assert not open_dump(written(tmp_path / "y", tarred(FILES)), SOURCE).sealed


def test_a_thousand_members_of_a_packed_tar_cost_one_pass(tmp_path: Path) -> None:
    files = {f"t{n:04}.csv": b"%d,row\n" % n * 200 for n in range(1000)}
    path = written(tmp_path / "x.tgz", PACKERS["gzip"](tarred(files)))
    begun = time.process_time()
    dump = open_dump(path, SOURCE)
    assert contents(dump) == files
    assert time.process_time() - begun < 5


def test_a_tar_cut_at_any_block_keeps_the_members_before_the_cut_and_says_so(tmp_path: Path) -> None:
    whole = tarred(FILES, tarfile.GNU_FORMAT)
    end = len(whole.rstrip(b"\0")) // BLOCK * BLOCK + BLOCK
    for cut in [*range(BLOCK, end + 1, BLOCK), *range(BLOCK + 1, end, 1111)]:
        dump = open_dump(written(tmp_path / "x.tar", whole[:cut]), SOURCE)
        assert [notice.code for notice in dump.notices] == ["tar-damaged"], cut
        assert "without the end-of-archive blocks" in dump.notices[0].message
        assert dump.notices[0].data_bearing
        for member in dump.members:
            data, error = read_until_error(member)
            whole_there = data == FILES[member.name] and error is None
            assert whole_there or (member is dump.members[-1] and isinstance(error, EOFError)), (cut, member.name)
            assert FILES[member.name].startswith(data)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_tar_that_is_cut_gives_what_came_before(tmp_path: Path, packer: str) -> None:
    files = {f"{n}.csv": os.urandom(200_000) for n in range(10)}
    packed = PACKERS[packer](tarred(files))
    dump = open_dump(written(tmp_path / "x.tar.gz", packed[: len(packed) * 2 // 3]), SOURCE)
    assert not dump.sealed
    assert [notice.code for notice in dump.notices] == ["archive-damaged", "tar-damaged"]
    assert len(dump.members) >= 4 if packer != "bzip2" else len(dump.members) >= 3
    for member in dump.members[:-1]:
        assert read_until_error(member) == (files[member.name], None)
    data, error = read_until_error(dump.members[-1])
    assert files[dump.members[-1].name].startswith(data)
    assert isinstance(error, EOFError)


def test_a_wrong_checksum_at_the_end_of_the_gzip_leaves_no_member_proven(tmp_path: Path) -> None:
    packed = bytearray(PACKERS["gzip"](tarred(FILES)))
    packed[-6] ^= 1
    dump = open_dump(written(tmp_path / "x.tgz", bytes(packed)), SOURCE)
    assert contents(dump) == FILES
    assert not dump.sealed
    assert "not proven" in dump.notices[0].message


def test_a_damaged_header_ends_the_archive_and_is_told_with_its_byte(tmp_path: Path) -> None:
    data = bytearray(tarred({"a.csv": b"x", "b.csv": b"y"}, tarfile.USTAR_FORMAT))
    data[1024] ^= 1
    dump = open_dump(written(tmp_path / "x.tar", bytes(data)), SOURCE)
    assert contents(dump) == {"a.csv": b"x"}
    assert "header at byte 1,024 is damaged" in dump.notices[0].message


def test_archives_strung_together_are_read_to_the_end_of_the_first_and_told(tmp_path: Path) -> None:
    one, two = tarred({"a.csv": b"x"}), tarred({"b.csv": b"y"})
    dump = open_dump(written(tmp_path / "x.tar", one + two), SOURCE)
    assert contents(dump) == {"a.csv": b"x"}
    assert "a second archive" in dump.notices[0].message
    assert dump.notices[0].data_bearing


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (tarfile.SYMTYPE, "a symbolic link to '/etc/passwd'"),
        (tarfile.LNKTYPE, "a hard link to '/etc/passwd'"),
        (tarfile.CHRTYPE, "a character device"),
        (tarfile.FIFOTYPE, "a pipe"),
    ],
)
def test_links_and_devices_are_not_followed_but_told(tmp_path: Path, kind: bytes, told: str) -> None:
    info = tarfile.TarInfo("odd.csv")
    info.type, info.linkname, info.size = kind, "/etc/passwd", 0
    dump = open_dump(written(tmp_path / "x.tar", info.tobuf() + tarred({"a.csv": b"x"})), SOURCE)
    assert contents(dump) == {"a.csv": b"x"}
    assert [(n.member, told in n.message, n.data_bearing) for n in ignored_notices(dump)] == [("odd.csv", True, True)]


@pytest.mark.parametrize("sparse", ["pax", "gnu"])
def test_a_sparse_file_is_told_and_what_follows_it_is_read(tmp_path: Path, sparse: str) -> None:
    info = tarfile.TarInfo("holes.csv")
    info.size = 4
    if sparse == "pax":
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes.csv"}
        begin = info.tobuf(tarfile.PAX_FORMAT)
    else:
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[156:157], header[482], header[148:156] = b"S", 1, b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        begin = bytes(header) + bytes(512)
    dump = open_dump(written(tmp_path / "x.tar", begin + b"data".ljust(512, b"\0") + tarred({"a.csv": b"x"})), SOURCE)
    assert contents(dump) == {"a.csv": b"x"}
    assert [(n.member, "a sparse file" in n.message) for n in dump.notices] == [("holes.csv", True)]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "c:x", "a\\x"])
def test_an_unsafe_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableDump, match="no plain relative name"):
        members_of(tmp_path, tarred({"ok.csv": b"x", name: b"y"}))


def test_of_two_members_of_one_name_the_newer_is_read_and_the_older_told(tmp_path: Path) -> None:
    first = tarred({"a.csv": b"old"}).rstrip(b"\0")
    first += bytes(-len(first) % 512)
    dump = open_dump(written(tmp_path / "x.tar", first + tarred({"a.csv": b"new"})), SOURCE)
    assert contents(dump) == {"a.csv": b"new"}
    assert [(n.member, n.data_bearing) for n in dump.notices] == [("a.csv", True)]


def test_sizes_beyond_eight_gigabytes_are_read_in_base_256_and_from_pax(tmp_path: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("big.csv")
        info.size = 9 << 30
        dump = open_dump(written(tmp_path / "x.tar", info.tobuf(form) + b"begin"), SOURCE)
        assert dump.members[0].size == 9 << 30
        data, error = read_until_error(dump.members[0])
        assert (data, type(error)) == (b"begin", EOFError)


@pytest.mark.parametrize("size", [b"\xff" * 12, b"77777777777\0", b"9x         \0", b"-1         \0"])
def test_a_size_that_cannot_be_is_told_and_no_crash(tmp_path: Path, size: bytes) -> None:
    header = bytearray(tarfile.TarInfo("bad.csv").tobuf())
    header[124:136], header[148:156] = size, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = tarred({"a.csv": b"x"}, tarfile.USTAR_FORMAT)[:1024] + bytes(header) + bytes(10240)
    dump = open_dump(written(tmp_path / "x.tar", data), SOURCE)
    assert dump.members[0].name == "a.csv"
    assert [notice.code for notice in dump.notices] == ["tar-damaged"]


def test_flipped_bytes_never_crash_a_tar(tmp_path: Path) -> None:
    whole = tarred(FILES, tarfile.PAX_FORMAT)
    for at in range(0, len(whole), 131):
        data = bytearray(whole)
        data[at] ^= 0x41
        try:
            dump = open_dump(written(tmp_path / "x.tar", bytes(data)), SOURCE)
        except UnreadableDump:
            continue
        for member in dump.members:
            read_until_error(member, 1 << 16)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_members=3))
    with pytest.raises(LimitExceeded, match="max_members"):
        members_of(tmp_path, tarred({f"{n}.csv": b"x" for n in range(4)}), source)


def test_a_tar_that_is_cut_in_its_first_header_block_is_unreadable(tmp_path: Path) -> None:
    long = tarred({LONG: b"x"}, tarfile.GNU_FORMAT)
    with pytest.raises(UnreadableDump, match="no file of the tar archive can be read"):
        members_of(tmp_path, long[:1024])


def test_the_bytes_of_a_packed_tar_count_once(tmp_path: Path) -> None:
    data = tarred({"a.csv": os.urandom(300_000)})
    packed = PACKERS["gzip"](data)
    enough = SourceSettings("app", limits=Limits(max_dump_bytes=len(data) + 100_000))
    assert len(members_of(tmp_path, packed, enough)) == 1
    with pytest.raises(LimitExceeded, match="max_dump_bytes"):
        members_of(tmp_path, packed, SourceSettings("app", limits=Limits(max_dump_bytes=200_000)))


def test_an_archive_of_pg_dump_in_tar_form_stays_one_document(tmp_path: Path) -> None:
    toc = b"PGDMP\x01\x0f\x00\x04\x08\x03" + bytes(100)
    data = tarred({"toc.dat": toc, "1.dat": b"\\.\n"}, tarfile.USTAR_FORMAT)
    assert members_of(tmp_path, data) == {"dump": data}
    assert members_of(tmp_path, PACKERS["gzip"](data)) == {"dump": data}
    folder = tarred({"toc.dat": b"PGDMP\x01\x0f\x00\x04\x08\x05" + bytes(100), "1.dat.gz": PACKERS["gzip"](b"\\.\n")})
    assert set(members_of(tmp_path, folder)) == {"toc.dat", "1.dat.gz"}


def test_a_tar_in_a_folder_and_members_packed_on_their_own(tmp_path: Path) -> None:
    written(tmp_path / "hr" / "v1.tar", tarred({"a.csv.gz": PACKERS["gzip"](b"a,b\n"), "in.zip": zipped({"c.csv": b"c"})}))
    dump = open_dump(tmp_path / "hr", SOURCE)
    assert contents(dump) == {"v1.tar/a.csv.gz": b"a,b\n", "v1.tar/in.zip/c.csv": b"c"}
    packed = dump.members[0].packed
    assert packed
    with packed() as stream:
        assert stream.read() == PACKERS["gzip"](b"a,b\n")


def test_what_tarfile_writes_as_stream_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|gz") as archive:
        archive.add(written(tmp_path / "a.csv", b"a,b\n"), "a.csv")
    assert members_of(tmp_path, buffer.getvalue()) == {"a.csv": b"a,b\n"}
