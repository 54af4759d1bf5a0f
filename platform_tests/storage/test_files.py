"""Files and folders are whole or not there, whatever is killed, and readers never see a gap for good."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from platform_assets.errors import StoredFileError
from platform_assets.storage import files
from platform_assets.storage.files import (
    TEMPORARY,
    atomic_file,
    parse_json,
    read_json,
    recover_folder,
    replace_folder,
    sha256_of,
    temporary_sibling,
    write_json,
)


def folder_with(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "value").write_text(text)
    return path


def aside(final: Path) -> Path:
    return final.with_name(f".{final.name}{TEMPORARY}old")


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with atomic_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_made_for_its_owner_alone(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "secret", mode=0o600) as file:
        file.write(b"x")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_temporary_names_lie_beside_and_differ(tmp_path: Path) -> None:
    first, second = temporary_sibling(tmp_path / "a"), temporary_sibling(tmp_path / "a")
    assert first.parent == tmp_path
    assert first != second
    assert first.name.startswith(f".a{TEMPORARY}")


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    """PITFALLS 19: writers in place left 48 torn files in 140 kills."""
    path = tmp_path / "file"
    write_json(path, {"value": "old"})
    code = (
        "import os, signal, sys; from pathlib import Path; from platform_assets.storage.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert read_json(path)["value"] == "old"
    assert all(entry == path or TEMPORARY in entry.name for entry in tmp_path.iterdir())


@pytest.mark.parametrize("older", [True, False])
def test_a_folder_takes_the_place_of_an_older_one(older: bool, tmp_path: Path) -> None:
    final = tmp_path / "final"
    if older:
        folder_with(final, "old")
    replace_folder(folder_with(tmp_path / "new", "new"), final)
    assert (final / "value").read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_a_reader_that_opened_a_file_of_the_old_folder_keeps_it(tmp_path: Path) -> None:
    final = folder_with(tmp_path / "final", "old")
    with (final / "value").open() as file:
        replace_folder(folder_with(tmp_path / "new", "new"), final)
        assert file.read() == "old"


def test_a_crash_between_the_two_renames_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final, new = folder_with(tmp_path / "final", "old"), folder_with(tmp_path / "new", "new")
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if target == final:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(files.os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        replace_folder(new, final)
    monkeypatch.undo()
    assert not final.exists()
    recover_folder(final)
    assert (final / "value").read_text() == "old"
    replace_folder(new, final)
    assert (final / "value").read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_a_crash_before_the_old_folder_was_removed_is_mended_by_the_next_swap(tmp_path: Path) -> None:
    final = folder_with(tmp_path / "final", "newer")
    folder_with(aside(final), "old")
    recover_folder(final)
    assert (final / "value").read_text() == "newer"
    replace_folder(folder_with(tmp_path / "new", "newest"), final)
    assert (final / "value").read_text() == "newest"
    assert list(tmp_path.iterdir()) == [final]


def test_a_swap_whose_folder_is_gone_fails_and_keeps_the_old_one(tmp_path: Path) -> None:
    final = folder_with(tmp_path / "final", "old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "gone", final)
    assert (final / "value").read_text() == "old"


def test_readers_that_mend_meanwhile_do_not_break_a_swap(tmp_path: Path) -> None:
    """A reader finds nothing between the two renames and puts the old folder back: the swap must then begin again."""
    final = folder_with(tmp_path / "final", "0")
    over = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        while not over.is_set():
            try:
                recover_folder(final)
            except OSError as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 200):
            replace_folder(folder_with(tmp_path / f"new{number}", str(number)), final)
            assert (final / "value").read_text() == str(number)
    finally:
        over.set()
        reader.join()
    assert failures == []
    assert list(tmp_path.iterdir()) == [final]


def test_a_reader_that_mends_between_the_two_renames_is_overruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final, new = folder_with(tmp_path / "final", "old"), folder_with(tmp_path / "new", "new")
    real, mended = os.rename, []

    def rename(source: Path, target: Path) -> None:
        if source == new and not mended:
            mended.append(recover_folder(final))
        real(source, target)

    monkeypatch.setattr(files.os, "rename", rename)
    replace_folder(new, final)
    assert mended
    assert (final / "value").read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_a_json_file_comes_back_with_its_format_version(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "é", "n": 2**70})
    assert read_json(tmp_path / "a.json") == {"format_version": 1, "name": "é", "n": 2**70}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is damaged"),
        (b'{"format_version": 1', "is damaged"),
        (b"\xff", "is damaged"),
        (b"[]", "format_version None"),
        (b"{}", "format_version None"),
        (json.dumps({"format_version": 2}).encode(), "format_version 2; this program reads 1"),
    ],
)
def test_a_json_file_that_is_not_ours_is_refused_by_name(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(StoredFileError, match=reason) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    with pytest.raises(StoredFileError, match=reason):
        parse_json(data, path)


def test_a_missing_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoredFileError, match=r"a\.json is missing"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_the_hash_of_a_file_does_not_depend_on_how_it_is_read(chunk: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a", chunk=chunk) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
