"""Files that are whole or not there: temporary name in the same folder, flush, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from platform_assets.errors import StoredFileError, StoreUnwritable

FORMAT_VERSION = 1
TEMPORARY = ".tmp-"
"""Every unfinished file or folder of ours has this in its name; whatever bears it may be swept when nobody works."""
_SWAP_ATTEMPTS = 20
_KEPT_OF_NAME = 200
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def temporary_sibling(path: Path) -> Path:
    """Its name begins like the path's, cut so that it fits the 255 bytes of a name."""
    beginning = path.name.encode("utf-8", "surrogateescape")[:_KEPT_OF_NAME].decode("utf-8", "ignore")
    return path.with_name(f".{beginning}{TEMPORARY}{secrets.token_hex(6)}")


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Work that writes below `folder`: a full disk, a quota, a limit on file sizes become StoreUnwritable, which says what is free."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise no_room(folder, f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)) from error


def no_room(folder: Path, reason: str) -> StoreUnwritable:
    """The error to raise when something below `folder` could not be written for want of room."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    free = shutil.disk_usage(there).free if there is not None else 0
    return StoreUnwritable(
        f"{folder} cannot take more files: {reason}. {free / 1e6:,.0f} MB are free there. Nothing unfinished was kept, the old state "
        "stands: make room (or raise the limit), then run the same again.",
        path=str(folder),
        free=free,
    )


def fsync_file(path: Path) -> None:
    """For a file that something else wrote and closed."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o644, settled: bool = True, beside: Path | None = None) -> Iterator[BinaryIO]:
    """A binary file to write; it appears under `path` only when the block ends without an error.

    Not `settled`: its name may be lost in a power cut, until the next one in the same folder is settled. Until then it stands beside
    `path`, or beside another one of the same disk where who sweeps leftovers looks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(beside or path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        if settled:
            fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def replace_folder(temporary: Path, final: Path) -> None:
    """Puts a finished folder in the place of an older one. A reader that opened a file of the old one keeps it.

    rename() cannot replace a folder that has files, so the old one steps aside first: a crash between the two renames leaves
    it beside under a temporary name, and `recover_folder` puts it back. A reader may do so while this runs; then it is tried again.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    fsync_folder(temporary)
    aside = final.with_name(f".{final.name}{TEMPORARY}old")
    for attempt in range(1, _SWAP_ATTEMPTS + 1):
        try:
            _swap(temporary, final, aside)
            break
        except OSError:
            if attempt == _SWAP_ATTEMPTS or not temporary.exists():
                raise
    fsync_folder(final.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _swap(temporary: Path, final: Path, aside: Path) -> None:
    if aside.exists():
        recover_folder(final)
        shutil.rmtree(aside, ignore_errors=True)
    if final.exists():
        os.rename(final, aside)
    os.rename(temporary, final)


def recover_folder(final: Path) -> None:
    """Puts back what a crash in `replace_folder` left aside; nothing otherwise."""
    aside = final.with_name(f".{final.name}{TEMPORARY}old")
    if aside.exists() and not final.exists():
        try:
            os.rename(aside, final)
        except OSError:
            if not final.exists():
                raise
        else:
            fsync_folder(final.parent)


def json_bytes(value: dict[str, Any]) -> bytes:
    """The one form in which a JSON file is stored: format_version first, then the entries in their order."""
    return json.dumps({"format_version": FORMAT_VERSION, **value}, ensure_ascii=False, indent=1).encode("utf-8")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """A stored JSON file with its format_version, written atomically."""
    with atomic_file(path) as file:
        file.write(json_bytes(value))


def read_json(path: Path) -> dict[str, Any]:
    """Raises StoredFileError when the file is missing, damaged or of another format_version."""
    try:
        return parse_json(path.read_bytes(), path)
    except FileNotFoundError:
        raise StoredFileError(f"{path} is missing.", path=str(path)) from None


def parse_json(data: bytes, path: Path) -> dict[str, Any]:
    """read_json for bytes that are at hand already; `path` is named in errors."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise StoredFileError(f"{path} is damaged: {error}.", path=str(path)) from error
    if not isinstance(value, dict) or value.get("format_version") != FORMAT_VERSION:
        found = value.get("format_version") if isinstance(value, dict) else None
        raise StoredFileError(
            f"{path} has format_version {found!r}; this program reads {FORMAT_VERSION}. "
            "Use the program that wrote it, or rebuild the store.",
            path=str(path),
            format_version=found,
        )
    return value


def sha256_of(path: Path, *, chunk: int = 4 << 20) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(chunk):
            digest.update(block)
    return digest.hexdigest()
