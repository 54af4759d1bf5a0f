"""A saved home proves itself: what comes back is what went in, or nothing."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.errors import StoredFileError
from platform_assets.storage.files import TEMPORARY
from platform_assets.storage.home import Home
from platform_assets.storage.saved_home import FACTS, MANIFEST, unpack_saved, write_saved

FACT = b'{"table": "versions", "row": {}}\n'
FILES = {"platform.yaml": b"sources: {}\n", "dumps/s/a.sql": b"x" * 70_000, "dumps/s/b/é \n.csv": b"", "order/s.yaml": b"order: []"}


def quiet(name: str, size: int) -> None:
    pass


def made(root: Path, files: Mapping[str, bytes]) -> Home:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Home(root)


def saved(tmp_path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    file = tmp_path / "h.tar.zst"
    write_saved(file, made(tmp_path / "home", files), [FACT], {"tool_version": "1"}, quiet)
    return file


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_unpacked_is_what_was_saved(tmp_path):
    unpack_saved(saved(tmp_path), tmp_path / "new", quiet)
    assert content_of(tmp_path / "new") == {**FILES, FACTS: FACT}
    for name in FILES:
        assert (tmp_path / "new" / name).stat().st_mtime_ns == (tmp_path / "home" / name).stat().st_mtime_ns


NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and TEMPORARY not in name
)


@settings(max_examples=40, deadline=None)
@given(files=st.dictionaries(NAMES, st.binary(max_size=5_000), max_size=6))
def test_any_names_and_contents_come_back(tmp_path_factory, files):
    tmp_path = tmp_path_factory.mktemp("any")
    placed = {f"dumps/s/{name}": content for name, content in files.items()}
    unpack_saved(saved(tmp_path, placed), tmp_path / "new", quiet)
    assert content_of(tmp_path / "new") == {**placed, FACTS: FACT}


def test_what_is_derived_and_what_is_unfinished_is_not_saved(tmp_path):
    other = {"store/latest/s/t/latest.json": b"{}", f"dumps/s/.a{TEMPORARY}0123": b"half", "keys/secret": b"k"}
    unpack_saved(saved(tmp_path, FILES | other), tmp_path / "new", quiet)
    assert content_of(tmp_path / "new").keys() == {*FILES, FACTS}


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path):
    file = saved(tmp_path)
    whole = file.read_bytes()
    for size in range(0, len(whole) - 1, 7):
        file.write_bytes(whole[:size])
        with pytest.raises(StoredFileError, match=r"no whole saved home|format_version"):
            unpack_saved(file, tmp_path / f"cut{size}", quiet)


def test_of_every_flipped_bit_either_nothing_comes_or_everything_as_it_was(tmp_path):
    file = saved(tmp_path)
    whole, chance, refused = file.read_bytes(), random.Random(6), 0
    for number in range(600):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        try:
            unpack_saved(file, tmp_path / f"bit{number}", quiet)
        except StoredFileError:
            refused += 1
        else:
            assert content_of(tmp_path / f"bit{number}") == {**FILES, FACTS: FACT}
    assert refused > 500


def forged(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with pa.CompressedOutputStream(str(file), "zstd") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def linked(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "dumps/../../outside", "store/postgres/data", "dumpsx/a"])
def test_a_name_that_leads_out_of_a_home_is_refused(tmp_path, name):
    file = forged(tmp_path / "f", (tarfile.TarInfo(name), b"x"))
    with pytest.raises(StoredFileError, match="is no place in a home"):
        unpack_saved(file, tmp_path / "new", quiet)
    assert content_of(tmp_path).keys() == {"f"}


def test_a_link_is_refused(tmp_path):
    with pytest.raises(StoredFileError, match="does not belong there"):
        unpack_saved(forged(tmp_path / "f", (linked("dumps/s/a"), b"")), tmp_path / "new", quiet)


def test_a_manifest_of_a_later_format_is_refused(tmp_path):
    text = json.dumps({"format_version": 99}).encode()
    with pytest.raises(StoredFileError, match="format_version 99"):
        unpack_saved(forged(tmp_path / "f", (tarfile.TarInfo(MANIFEST), text)), tmp_path / "new", quiet)


def test_a_file_that_is_no_saved_home_is_refused(tmp_path):
    (tmp_path / "f").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(StoredFileError, match="no whole saved home"):
        unpack_saved(tmp_path / "f", tmp_path / "new", quiet)
