"""Path -> Dump: what a file, archive or folder consists of, and streams to read it. Nothing is unpacked to disk.

Containers are told by their first bytes, never by their name. Not here: decoding itself (unpacking), what the bytes mean (formats).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import DumpGone, UnreadableDump
from platform_assets.formats.base import Dump, Member, Notice
from platform_assets.formats.containers.unpacking import Budget, Section, UnpackedStream, unpack
from platform_assets.formats.containers.zip_container import MAGICS, ZipEntry, zip_entries

HEAD_BYTES = 64 * 1024
_JUNK = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)


def open_dump(path: Path, source: SourceSettings) -> Dump:
    """The members of one dump, in the order of the archive's directory or of their relative paths. Opens nothing for long.

    A file is one member (unpacked when it is gzip, bzip2, xz or zstd) unless it is a ZIP; a folder's files and a ZIP's entries are
    members, packed ones are unpacked one level, ZIPs in a folder are opened. Raises DumpGone when nothing is there, UnreadableDump
    for an empty or broken dump or unsafe names, LimitExceeded.
    """
    budget = Budget(path.name, source.name, source.limits)
    try:
        dump = _folder(path, budget) if path.is_dir() else _file(path, budget)
    except FileNotFoundError as error:
        raise DumpGone(f"{path} is not there. Put the dump back, or register what took its place.", path=str(path)) from error
    except PermissionError as error:
        raise UnreadableDump(f"{path} may not be read ({error.strerror}). Give this user the right to read it.", path=str(path)) from error
    if not dump.members:
        ignored = f" except {', '.join(dump.ignored[:5])}" if dump.ignored else ""
        raise UnreadableDump(f"{dump.name} holds no files{ignored}. Fetch the dump again.", dump=dump.name)
    return dump


def _file(path: Path, budget: Budget) -> Dump:
    size = path.stat().st_size
    if size == 0:
        raise UnreadableDump(f"{path.name} is empty (0 bytes). Fetch the dump again.", dump=path.name)
    if not _is_zip(path):
        return Dump(path.name, (Member(path.name, size, _opener(path, budget, path.name), _opener(path, budget, path.name, packed=True)),))
    members, ignored = _zip_members(path, budget, prefix="")
    return Dump(path.name, tuple(members), sealed=True, ignored=tuple(ignored))


def _folder(path: Path, budget: Budget) -> Dump:
    members: list[Member] = []
    ignored: list[str] = []
    files = sorted(_walk(path), key=lambda file: file.relative_to(path).as_posix())
    budget.members(len(files))
    for file in files:
        name = file.relative_to(path).as_posix()
        if is_junk(name) or not file.is_file():
            ignored.append(name)
            continue
        _refuse_leaving(file, path)
        if _is_zip(file):
            inner, inner_ignored = _zip_members(file, budget, prefix=f"{name}/")
            members += inner
            ignored += inner_ignored
            budget.members(len(members))
        else:
            members.append(Member(name, file.stat().st_size, _opener(file, budget, name), _opener(file, budget, name, packed=True)))
    return Dump(path.name, tuple(members), ignored=tuple(ignored))


def _walk(folder: Path) -> Iterator[Path]:
    """Files, links and special files below a folder. Links to folders are given as they are, not followed: they may go round."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            yield from _walk(child)
        else:
            yield child


def _refuse_leaving(file: Path, folder: Path) -> None:
    if not file.resolve().is_relative_to(folder.resolve()):
        name = file.relative_to(folder).as_posix()
        raise UnreadableDump(
            f"{folder.name}: member {name} is a link that leads out of the folder. Put the file itself in its place.",
            dump=folder.name,
            member=name,
        )


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in MAGICS


def _zip_members(path: Path, budget: Budget, prefix: str) -> tuple[list[Member], list[str]]:
    entries, ignored = zip_entries(path, f"{budget.dump}: {prefix.rstrip('/')}" if prefix else budget.dump, budget)
    junk = [entry.name for entry in entries if is_junk(entry.name)]
    members = [
        Member(
            prefix + entry.name,
            entry.packed,
            _zip_opener(path, entry, budget, prefix + entry.name),
            _zip_opener(path, entry, budget, prefix + entry.name, packed=True),
        )
        for entry in entries
        if not is_junk(entry.name)
    ]
    return members, [prefix + name for name in [*ignored, *junk]]


def _opener(path: Path, budget: Budget, name: str, *, packed: bool = False) -> Callable[[], BinaryIO]:
    def start() -> BinaryIO:
        section = Section(path)
        chunks = section.chunks() if packed else unpack(section.chunks())
        return cast(BinaryIO, UnpackedStream(chunks, section, budget, name))

    return start


def _zip_opener(path: Path, entry: ZipEntry, budget: Budget, name: str, *, packed: bool = False) -> Callable[[], BinaryIO]:
    def start() -> BinaryIO:
        section = entry.section(path)
        chunks = entry.chunks(section) if packed else unpack(entry.chunks(section))
        return cast(BinaryIO, UnpackedStream(chunks, section, budget, name))

    return start


def is_junk(name: str) -> bool:
    """Files that operating systems leave behind, and dot files: no part of a dump (the dump's hash leaves out dot files as well)."""
    return bool(_JUNK.search(name))


def ignored_notices(dump: Dump) -> Iterator[Notice]:
    """One Notice per ignored name; data may be missing where it is not plain junk (a link, an older twin in a ZIP)."""
    for name in dump.ignored:
        junk = is_junk(name)
        what = (
            "is a leftover of an operating system or a dot file"
            if junk
            else "is a link, no regular file, or has a newer entry of the same name"
        )
        yield Notice("member-ignored", f"{name} was not read: it {what}.", name, data_bearing=not junk)


@dataclass(frozen=True)
class Head:
    """The first bytes of a member, and what went wrong if they are fewer than asked for."""

    data: bytes
    error: str | None = None


def head(member: Member, size: int = HEAD_BYTES) -> Head:
    """The first `size` unpacked bytes of a member; a cut or damaged stream gives what there is. Raises LimitExceeded."""
    parts: list[bytes] = []
    try:
        with member.open() as stream:
            while size > 0 and (part := stream.read(size)):
                parts.append(part)
                size -= len(part)
    except (EOFError, OSError) as error:
        return Head(b"".join(parts), str(error) or os.strerror(5))
    return Head(b"".join(parts))
