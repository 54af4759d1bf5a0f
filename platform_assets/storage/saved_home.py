"""A home as one file: a tar packed by zstd, its last member the manifest with the size and hash of every other one.

What cannot be made again goes in: the settings, the dumps, and what the catalog alone knows. Not here: the catalog's rows
(catalog.kept_facts), where the home is put (operations.moving).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from platform_assets.errors import StoredFileError
from platform_assets.storage.files import FORMAT_VERSION, TEMPORARY, atomic_file, parse_json
from platform_assets.storage.home import Home

MANIFEST = "manifest.json"
FACTS = "catalog.jsonl"
_LARGEST_MANIFEST = 1 << 30
_CHUNK = 1 << 20

Progress = Callable[[str, int], None]


class _Hashing:
    """A file whose bytes are counted and hashed as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self.bytes = file, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self.bytes += len(data)
        return data

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def write_saved(file: Path, home: Home, facts: Iterable[bytes], about: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Writes the home's settings and dumps and the catalog's lines into `file`, which appears when it is whole. Gives the manifest.

    `progress` gets each member's name and size. Raises StoredFileError when a file changes while it is read.
    """
    entries: list[dict[str, Any]] = []
    with tempfile.TemporaryFile(dir=file.parent) as spool, atomic_file(file, mode=0o600) as target:
        spool.writelines(facts)
        spool.seek(0)
        with (
            pa.CompressedOutputStream(pa.PythonFile(os.fdopen(os.dup(target.fileno()), "wb"), "w"), "zstd") as packed,  # closes its file
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar,
        ):
            entries.append(_add(tar, FACTS, spool, os.fstat(spool.fileno())))
            for path in _files(home):
                name = path.relative_to(home.root).as_posix()
                with path.open("rb") as opened:
                    entries.append(_add(tar, name, opened, os.fstat(opened.fileno())))
                progress(name, entries[-1]["bytes"])
            manifest = {"format_version": FORMAT_VERSION, **about, "files": entries, "sha256": _digest(entries)}
            text = json.dumps(manifest, indent=1).encode()  # ASCII: a file's name may be no UTF-8
            info = tarfile.TarInfo(MANIFEST)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return manifest


def _add(tar: tarfile.TarFile, name: str, opened: IO[bytes], stat: os.stat_result) -> dict[str, Any]:
    info, content = tarfile.TarInfo(name), _Hashing(opened)
    info.size, info.mtime, info.mode = stat.st_size, int(stat.st_mtime), 0o644
    try:
        tar.addfile(info, content)
    except OSError as error:
        if content.bytes == stat.st_size or error.errno is not None:
            raise
        raise StoredFileError(f"{name} changed while it was read: save again when it has come to rest.", path=name) from error
    return {"name": name, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": content.sha256}


def _files(home: Home) -> Iterator[Path]:
    """Every file of the home that cannot be made again, in the order of their paths; nothing unfinished of ours."""
    for top in home.not_derived:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and not any(TEMPORARY in part for part in path.relative_to(home.root).parts):
                yield path


def _digest(entries: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def unpack_saved(file: Path, folder: Path, progress: Progress) -> dict[str, Any]:
    """Unpacks a saved home into `folder`, which must not be there, and proves every file of it. Gives the manifest.

    Raises StoredFileError when the file is no saved home, is cut, damaged or of a later format. What was unpacked is then the caller's
    to remove.
    """
    folder.mkdir(parents=True)
    found: dict[str, tuple[int, str]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with pa.input_stream(str(file), compression="zstd") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if manifest is not None or content is None or member.name in found:
                    raise _damaged(file, f"{member.name!r} does not belong there")
                if member.name == MANIFEST:
                    if member.size > _LARGEST_MANIFEST:
                        raise _damaged(file, "its manifest is no manifest")
                    manifest = parse_json(content.read(), file)
                    continue
                found[member.name] = _unpack(_Hashing(content), _inside(file, folder, member.name))
                progress(member.name, member.size)
    except (tarfile.TarError, pa.ArrowException, EOFError, ValueError) as error:
        raise _damaged(file, " ".join(str(error).split())) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(file, " ".join(str(error).split())) from error
    if manifest is None:
        raise _damaged(file, "it ends before its manifest: it was cut short")
    _prove(file, manifest, found)
    for entry in manifest["files"]:
        os.utime(folder / entry["name"], ns=(entry["mtime_ns"], entry["mtime_ns"]))
    return manifest


def _inside(file: Path, folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.parts[:1] not in {(top.name,) for top in Home(folder).not_derived} | {(FACTS,)}:
        raise _damaged(file, f"{name!r} is no place in a home")
    return folder / path


def _unpack(content: _Hashing, path: Path) -> tuple[int, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        shutil.copyfileobj(content, target, _CHUNK)
        target.flush()
        os.fsync(target.fileno())
    return content.bytes, content.sha256


def _prove(file: Path, manifest: dict[str, Any], found: dict[str, tuple[int, str]]) -> None:
    entries = manifest.get("files")
    if not isinstance(entries, list) or manifest.get("sha256") != _digest(entries):
        raise _damaged(file, "its manifest does not have its own hash")
    stated = {entry["name"]: (entry["bytes"], entry["sha256"]) for entry in entries}
    if wrong := sorted(name for name in stated.keys() | found.keys() if stated.get(name) != found.get(name)):
        raise _damaged(file, f"{len(wrong)} of its files are not what its manifest states: {', '.join(wrong[:5])}")


def _damaged(file: Path, reason: str) -> StoredFileError:
    return StoredFileError(f"{file} is no whole saved home: {reason}. Nothing was loaded; take another copy of it.", path=str(file))
