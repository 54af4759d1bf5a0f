"""Bombs: stopped by the default limits within seconds and 150 MB, measured in a process of their own; archives without end."""

from __future__ import annotations

import bz2
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import PACKERS, contents, tarred, written, zipped

from platform_assets.dictionary.source import Limits, SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.containers.opening import ignored_notices, open_dump

SOURCE = SourceSettings("app")
_MEASURE = """
import json, resource, sys
from pathlib import Path
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import LimitExceeded
from platform_assets.formats.containers.opening import open_dump
read, stopped = 0, ""
try:
    for member in open_dump(Path(sys.argv[1]), SourceSettings("app")).members:
        with member.open() as stream:
            while part := stream.read(1 << 20):
                read += len(part)
except LimitExceeded as error:
    stopped = error.message
peak = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"peak": peak // 1024, "seconds": usage.ru_utime + usage.ru_stime, "stopped": stopped}))
"""


def zstd_bomb(blocks: int) -> bytes:
    """A frame of RLE blocks: 4 bytes for 128 KiB each."""
    rle = (1 << 1 | 131_072 << 3).to_bytes(3, "little") + b"0"
    return b"\x28\xb5\x2f\xfd\x00\x38" + rle * blocks + b"\x01\x00\x00"


def gzip_bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def _zip_of(data: bytes) -> bytes:
    """Twenty entries of bzip2 that unpack to 30 MiB each: no entry is beyond the free 64 MiB, all together are."""
    packed, crc = bz2.compress(data), zlib.crc32(data)
    buffer = io.BytesIO()
    directory = []
    for number in range(20):
        name = b"%02d.csv" % number
        common = struct.pack("<HHHHHIIIHH", 46, 0, zipfile.ZIP_BZIP2, 0, 33, crc, len(packed), len(data), len(name), 0)
        directory.append(b"PK\x01\x02" + b"\x2e\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0, buffer.tell()) + name)
        buffer.write(b"PK\x03\x04" + common + name + packed)
    start = buffer.tell()
    buffer.write(b"".join(directory))
    buffer.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 20, 20, buffer.tell() - start, start, 0))
    return buffer.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "bzip2": lambda: bz2.compress(bytes(10 << 20)) * 30,
    "zstd": lambda: zstd_bomb(4000),
    "gzip in gzip": lambda: PACKERS["gzip"](gzip_bomb(100)),
    "zip": lambda: _zip_of(bytes(30 << 20)),
    "zip in zip": lambda: zipped({"b.zip": zipped({"a.csv": bytes(100 << 20)})}),
    "tar in zstd": lambda: PACKERS["zstd"](tarred({"a.csv": b"x"})) + zstd_bomb(4000),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_stopped_within_seconds_and_150_megabytes(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path / "bomb", BOMBS[kind]())
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert "max_ratio" in measured["stopped"]
    assert measured["peak"] < 150, measured
    assert measured["seconds"] < 10, measured


def _quine_like(depth: int) -> bytes:
    data = zipped({"a.csv": b"a,b\n"})
    for _ in range(depth):
        data = zipped({"in.zip": data, "beside.csv": b"x"})
    return data


def test_archives_are_opened_three_deep_and_the_rest_is_told(tmp_path: Path) -> None:
    dump = open_dump(written(tmp_path / "x.zip", _quine_like(2)), SOURCE)
    assert set(contents(dump)) == {"in.zip/in.zip/a.csv", "in.zip/beside.csv", "beside.csv"}
    assert list(ignored_notices(dump)) == []
    dump = open_dump(written(tmp_path / "y.zip", _quine_like(5)), SOURCE)
    assert set(contents(dump)) == {"beside.csv", "in.zip/beside.csv", "in.zip/in.zip/beside.csv"}
    assert [(n.code, n.member, n.data_bearing) for n in ignored_notices(dump)] == [("member-unopened", "in.zip/in.zip/in.zip", True)]


def test_nothing_but_archives_in_archives_is_refused(tmp_path: Path) -> None:
    data = zipped({"a.csv": b"a"})
    for _ in range(5):
        data = zipped({"in.zip": data})
    with pytest.raises(UnreadableDump, match=r"x\.zip holds no files except in\.zip/in\.zip/in\.zip .*3 archives"):
        open_dump(written(tmp_path / "x.zip", data), SOURCE)


def test_members_are_counted_over_all_archives(tmp_path: Path) -> None:
    inner = zipped({f"{n}.csv": b"x" for n in range(10)})
    path = written(tmp_path / "x.zip", zipped({f"{n}.zip": inner for n in range(10)}))
    assert len(open_dump(path, SOURCE).members) == 100
    with pytest.raises(LimitExceeded, match="max_members"):
        open_dump(path, SourceSettings("app", limits=Limits(max_members=50)))


def test_zeros_between_layers_are_counted_as_well(tmp_path: Path) -> None:
    """Padding of an inner stream is read and given to nobody; without a count between the layers it could go on for hours."""
    inner = PACKERS["gzip"](b"a,b\n") + bytes(80 << 20)
    path = written(tmp_path / "x", PACKERS["bzip2"](inner))
    with pytest.raises(LimitExceeded, match="max_ratio"):
        contents(open_dump(path, SOURCE))


def test_a_broken_archive_in_an_archive_is_told_and_its_neighbours_are_read(tmp_path: Path) -> None:
    broken = zipped({"a.csv": b"x" * 1000})[:80]
    unsafe = tarred({"../a.csv": b"x"})
    dump = open_dump(written(tmp_path / "x.zip", zipped({"bad.zip": broken, "bad.tar": unsafe, "b.csv": b"b"})), SOURCE)
    assert contents(dump) == {"b.csv": b"b"}
    assert [(n.member, n.data_bearing) for n in ignored_notices(dump)] == [("bad.zip", True), ("bad.tar", True)]


def test_the_bomb_of_zstd_is_an_honest_frame_when_it_is_small(tmp_path: Path) -> None:
    assert contents(open_dump(written(tmp_path / "z", zstd_bomb(10)), SOURCE)) == {"z": b"0" * 1_310_720}
