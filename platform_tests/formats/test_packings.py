"""Packed streams beyond the ordinary: several members, padding, bytes that do not belong, damage, frames of zstd and lz4 (G1-G3)."""

from __future__ import annotations

import gc
import gzip
import os
import threading
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from archives import PACKERS, contents, lz4, read_until_error, tarred, written, zipped, zstd

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.containers import frames
from platform_assets.formats.containers.opening import head, ignored_notices, open_dump
from platform_assets.formats.containers.unpacking import LZ4, STREAM_ERRORS, gathered

SOURCE = SourceSettings("app")
TEXT = b"".join(b"%d,row number %d\n" % (n, n * n) for n in range(20_000))
SKIPPABLE = b"\x53\x2a\x4d\x18\x04\0\0\0abcd"


def read(tmp_path: Path, packed: bytes, size: int = 1000) -> tuple[bytes, Exception | None]:
    return read_until_error(open_dump(written(tmp_path / "x.gz", packed), SOURCE).members[0], size)


@pytest.mark.parametrize("packer", PACKERS)
def test_g1_the_name_says_nothing(tmp_path: Path, packer: str) -> None:
    for name in ("a.csv", "a.zip", "a.gz", "a.xz"):
        assert contents(open_dump(written(tmp_path / name, PACKERS[packer](TEXT)), SOURCE)) == {name: TEXT}


@pytest.mark.parametrize("packer", PACKERS)
def test_g2_several_members_and_zeros_between_and_behind_them(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](TEXT) + bytes(5) + PACKERS[packer](b"") + PACKERS[packer](b"end") + bytes(100_000)
    assert read(tmp_path, packed) == (TEXT + b"end", None)


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("garbage", [b"garbage", b"g", b"\0\0\0g", b"-- Dump completed\n" * 1000], ids=["7", "1", "zeros", "18000"])
def test_g2_garbage_behind_the_data_costs_no_byte_of_it_and_is_an_error(tmp_path: Path, packer: str, garbage: bytes) -> None:
    data, error = read(tmp_path, PACKERS[packer](TEXT) + garbage)
    assert data == TEXT
    assert isinstance(error, OSError)
    assert "belong to no packed" in str(error)


@pytest.mark.parametrize("packer", PACKERS)
def test_g3_a_cut_loses_little_before_it(tmp_path: Path, packer: str) -> None:
    noise = os.urandom(1_500_000)
    packed = PACKERS[packer](noise)
    data, error = read(tmp_path, packed[: len(packed) // 2], 1 << 16)
    assert isinstance(error, EOFError)
    assert noise.startswith(data)
    largest_block = {"bzip2": 900_000, "zstd": 140_000, "lz4": 300_000, "xz": 70_000}.get(packer, 100)
    assert len(data) > len(noise) // 2 - largest_block


@pytest.mark.parametrize("at", [0.3, 0.9])
def test_damage_within_gzip_costs_no_byte_before_it(tmp_path: Path, at: float) -> None:
    noise = os.urandom(1_000_000)
    packed = bytearray(gzip.compress(noise, 1))
    place = int(len(packed) * at)
    packed[place : place + 40_000] = bytes(40_000)
    data, error = read(tmp_path, bytes(packed), 1 << 16)
    assert isinstance(error, OSError)
    sure = place - 40_000
    assert data[:sure] == noise[:sure]


def test_a_wrong_checksum_of_gzip_comes_behind_the_last_byte(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-5] ^= 1
    data, error = read(tmp_path, bytes(packed))
    assert data == TEXT
    assert "incorrect data check" in str(error)


@pytest.mark.parametrize("packer", [zstd, lz4])
def test_skippable_frames_are_skipped(tmp_path: Path, packer) -> None:
    assert read(tmp_path, packer(TEXT) + SKIPPABLE + packer(b"end") + SKIPPABLE) == (TEXT + b"end", None)
    assert read(tmp_path, SKIPPABLE + zstd(TEXT)) == (TEXT, None)
    assert isinstance(read(tmp_path, zstd(TEXT) + SKIPPABLE[:-1])[1], EOFError)


@pytest.mark.parametrize("packer", [zstd, lz4])
def test_frames_that_are_damaged_or_cut_anywhere_end_with_an_error_or_the_whole_text(tmp_path: Path, packer) -> None:
    text = TEXT[:20_000]
    packed = packer(text)
    for at in range(0, len(packed), max(len(packed) // 60, 1)):
        data, error = read(tmp_path, packed[:at] if at > 20 else packed[:20], 1 << 16)
        assert text.startswith(data), at
        assert isinstance(error, EOFError), at
        flipped = bytearray(packed)
        flipped[at] ^= 0x10
        read(tmp_path, bytes(flipped), 1 << 16)


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_within_packed_is_unpacked_down_to_three_layers(tmp_path: Path, packer: str) -> None:
    pack = PACKERS[packer]
    assert contents(open_dump(written(tmp_path / "x", pack(gzip.compress(pack(TEXT)))), SOURCE)) == {"x": TEXT}
    with pytest.raises(UnreadableDump, match="layers of packing deep"):
        open_dump(written(tmp_path / "x", pack(pack(pack(pack(TEXT))))), SOURCE)


UNOPENED = {
    "7z archive": b"7z\xbc\xaf\x27\x1c\0\x04",
    "RAR archive": b"Rar!\x1a\x07\x01\0",
    "compress": b"\x1f\x9d\x90abc",
    "lzip": b"LZIP\x01\x0c",
    "legacy": b"\x02\x21\x4c\x18abc",
    "clear-signed": b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n",
}


@pytest.mark.parametrize("kind", UNOPENED)
def test_what_is_not_opened_is_named_with_what_to_do(tmp_path: Path, kind: str) -> None:
    data = UNOPENED[kind] + bytes(100)
    with pytest.raises(UnreadableDump, match=rf"old\.csv is .*{kind}.*not opened here\. .* and bring the files"):
        open_dump(written(tmp_path / "old.csv", data), SOURCE)
    archive = written(tmp_path / "x.zip", zipped({"old.csv": data, "b.csv": b"b"}))
    dump = open_dump(archive, SOURCE)
    assert contents(dump) == {"b.csv": b"b"}
    assert [(n.code, n.member, n.data_bearing) for n in ignored_notices(dump)] == [("member-unopened", "old.csv", True)]


def test_a_stream_that_is_left_early_ends_its_thread(tmp_path: Path) -> None:
    path = written(tmp_path / "x", gzip.compress(os.urandom(20_000_000), 1))
    member = open_dump(path, SOURCE).members[0]
    before = threading.active_count()
    with member.open() as stream:
        stream.read(2_000_000)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_look_at_the_head_starts_no_thread(tmp_path: Path) -> None:
    member = open_dump(written(tmp_path / "x", gzip.compress(os.urandom(2_000_000), 1)), SOURCE).members[0]
    before = threading.active_count()
    with member.open() as stream:
        stream.read(64 << 10)
        assert threading.active_count() == before
    assert len(head(member).data) == 64 << 10


def test_gathered_chunks_keep_their_bytes_and_their_error() -> None:
    def chunks():
        yield from (b"a", b"bb", b"ccc", b"d")
        raise EOFError

    coming = gathered(chunks(), 4)
    assert [next(coming), next(coming)] == [b"abbccc", b"d"]
    with pytest.raises(EOFError):
        next(coming)


def test_many_small_members_are_read_in_good_time(tmp_path: Path) -> None:
    block = gzip.compress(TEXT[:20_000])
    assert read(tmp_path, block * 1000, 1 << 20) == (TEXT[:20_000] * 1000, None)


def test_empty_packed_streams_are_empty_members(tmp_path: Path) -> None:
    for packer in PACKERS.values():
        assert read(tmp_path, packer(b"")) == (b"", None)


def test_zstd_of_arrow_and_pzstd_like_many_frames(tmp_path: Path) -> None:
    packed = b"".join(SKIPPABLE + pa.compress(TEXT[at : at + 1000], codec="zstd", asbytes=True) for at in range(0, len(TEXT), 1000))
    assert read(tmp_path, packed, 1 << 16) == (TEXT, None)


def test_a_packed_archive_in_an_archive(tmp_path: Path) -> None:
    inner = gzip.compress(tarred({"a.csv": TEXT, "b.csv.zst": zstd(TEXT)}))
    dump = open_dump(written(tmp_path / "x.zip", zipped({"v1/x.tgz": inner, "c.csv": b"c"})), SOURCE)
    assert contents(dump) == {"v1/x.tgz/a.csv": TEXT, "v1/x.tgz/b.csv.zst": TEXT, "c.csv": b"c"}
    assert dump.sealed


def test_a_stream_that_fails_leaves_nothing_in_memory():
    """Each cut or damaged stream left its buffers behind: Arrow's stream, its source and the source's error held one another."""
    packed = lz4(bytes(range(256)) * 40)
    for data in (packed[:-9], packed[:20] + b"\xff" * 20 + packed[40:]):
        with suppress(*STREAM_ERRORS):
            list(LZ4.decode(iter([data])))
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, frames._Pieces)] == []
