"""Path -> Dump: what a file, archive or folder consists of, and streams to read it, down through archives within archives.

Containers are told by their first bytes, never by their name. Nothing is unpacked to a file with a name; where an archive lies within
packed bytes it is spooled (region). Not here: decoding itself (unpacking, frames, gpg), what the bytes mean (formats).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import DumpGone, LimitExceeded, UnreadableDump
from platform_assets.formats.base import Dump, Member, Notice
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.containers.gpg import OpenPgp, is_openpgp
from platform_assets.formats.containers.keeping import Keeping, Kept
from platform_assets.formats.containers.names import is_junk
from platform_assets.formats.containers.region import Region, Spool
from platform_assets.formats.containers.stream import Layer, Origin, first_bytes, region_origin
from platform_assets.formats.containers.tar_container import BLOCK, is_postgres_tar, is_tar, refuse_empty, tar_listing
from platform_assets.formats.containers.unpacking import packing_of
from platform_assets.formats.containers.zip_container import MAGICS, entry_origin, is_workbook, zip_entries

HEAD_BYTES = 64 * 1024
MAX_ARCHIVES = 3
"""Archives within one another that are opened; a quine (an archive that holds itself) would go on for ever."""
MAX_LAYERS = 3
"""Layers of packing or encryption around one file or archive."""
_FIRST_BYTES = 2 * BLOCK
_SPOOL_CHUNK = 1 << 20
_NOT_OPENED = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it (7z x)"),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it (unrar x)"),
    (b"\x1f\x9d", "packed by compress (.Z)", "Unpack it (gzip -d)"),
    (b"LZIP\x01", "packed by lzip", "Unpack it (lzip -d)"),
    (b"\x89LZO\0", "packed by lzop", "Unpack it (lzop -d)"),
    (b"\x02\x21\x4c\x18", "packed by lz4 in its legacy form", "Unpack it (lz4 -d)"),
    (b"MSCF\0\0\0\0", "a CAB archive", "Unpack it (cabextract)"),
    (b"-----BEGIN PGP SIGNED MESSAGE-----", "a clear-signed text", "Take the signature off (gpg --decrypt)"),
)


def open_dump(path: Path, source: SourceSettings, *, work: Path | None = None) -> Dump:
    """The members of one dump, in the order of the archive's directory or of their relative paths. Opens nothing for long.

    A file is one member unless it is a ZIP or tar; a folder's files and an archive's entries are members. Each is unpacked (gzip,
    bzip2, xz, zstd, lz4) and decrypted (OpenPGP) down to 3 layers, archives among them are opened down to 3, their names joined by `/`.
    `work` is the folder for what must be spooled, the system's temporary one when None; what is read twice is unpacked twice then.
    Raises DumpGone when nothing is there, UnreadableDump for an empty or broken dump or unsafe names, LimitExceeded, StoreUnwritable
    when there is no room to spool an archive.
    """
    opening = _Opening(path, source, work)
    try:
        sealed = opening.folder() if path.is_dir() else opening.file()
    except FileNotFoundError as error:
        raise DumpGone(f"{path} is not there. Put the dump back, or register what took its place.", path=str(path)) from error
    except PermissionError as error:
        raise UnreadableDump(f"{path} may not be read ({error.strerror}). Give this user the right to read it.", path=str(path)) from error
    dump = Dump(path.name, tuple(opening.members), sealed, tuple(opening.ignored), tuple(opening.notices))
    if not dump.members:
        told = [*dump.ignored[:5], *(f"{notice.member} ({notice.message})" for notice in dump.notices[:5])]
        ignored = f" except {', '.join(told)}" if told else ""
        raise UnreadableDump(f"{dump.name} holds no files{ignored}. Fetch the dump again.", dump=dump.name)
    return dump


@dataclass(frozen=True)
class _Archive:
    """An archive that is about to be opened: its bytes, the name before its members' names, how deep it lies."""

    origin: Origin
    region: Region
    inflation: float
    counted: bool
    depth: int
    prefix: str
    dump: str
    proven: bool = False
    """Its bytes came through a layer that proves them, to the end."""


class _Opening:
    """Collects the members of one dump."""

    def __init__(self, path: Path, source: SourceSettings, work: Path | None) -> None:
        self.path = path
        self.work = work
        self.budget = Budget(path.name, source.name, source.limits)
        self.encryption = OpenPgp(source.name, source.gpg, path.name, work)
        self.kept = Kept(work) if work else None
        self.members: list[Member] = []
        self.ignored: list[str] = []
        self.notices: list[Notice] = []

    def file(self) -> bool:
        """A dump that is one file; whether its container proves that it is whole."""
        name, size = self.path.name, self.path.stat().st_size
        if size == 0:
            raise UnreadableDump(f"{name} is empty (0 bytes). Fetch the dump again.", dump=name)
        self.budget.packed = size
        origin = region_origin(name, Region(self.path), size)
        layers, first = self._layers(origin)
        refused = _not_opened(first)
        if refused:
            raise UnreadableDump(f"{name} is {refused}.", dump=name)
        if layers is None:
            raise UnreadableDump(f"{name}: {_deep()}.", dump=name)
        return self._take(origin, layers, first, depth=0, prefix="")

    def folder(self) -> bool:
        files = sorted(_walk(self.path), key=lambda file: file.relative_to(self.path).as_posix())
        self.budget.members(len(files))
        self.budget.packed = sum(file.stat().st_size for file in files if file.is_file())
        for file in files:
            name = file.relative_to(self.path).as_posix()
            if is_junk(name) or not file.is_file():
                self.ignored.append(name)
                continue
            _refuse_leaving(file, self.path)
            self._inner(region_origin(name, Region(file), file.stat().st_size), depth=0)
        return False

    def _inner(self, origin: Origin, depth: int) -> None:
        """A file of a folder or archive. What cannot be opened is told; only limits and the top of the dump end everything."""
        try:
            layers, first = self._layers(origin)
            refused = _not_opened(first) or (_deep() if layers is None else None)
            if refused or layers is None:
                self._tell("member-unopened", f"it is not read: it is {refused}.", origin.name)
            else:
                self._take(origin, layers, first, depth, prefix=f"{origin.name}/")
        except LimitExceeded:
            raise
        except UnreadableDump as error:
            self._tell("member-unopened", f"it is not read: {error.message}", origin.name)

    def _layers(self, origin: Origin) -> tuple[tuple[Layer, ...] | None, bytes]:
        """The layers around an origin, and what stands below them; None for the layers when there are more than are taken off."""
        layers: list[Layer] = []
        while True:
            first = first_bytes(replace(origin, layers=tuple(layers)), self.budget, _FIRST_BYTES)
            layer = self.encryption if is_openpgp(first) else packing_of(first)
            if layer is None:
                return tuple(layers), first
            if len(layers) == MAX_LAYERS:
                return None, first
            layers.append(layer)

    def _take(self, origin: Origin, layers: tuple[Layer, ...], first: bytes, depth: int, prefix: str) -> bool:
        """A member, or the members of an archive; whether the container proves itself whole."""
        zipped = first.startswith(MAGICS)
        if not zipped and (not is_tar(first) or is_postgres_tar(first)):
            self._member(origin, layers)
            return False
        if depth == MAX_ARCHIVES:
            self._tell("member-unopened", f"it is not read: {_deep()}.", origin.name)
            return False
        archive = self._archive(origin, layers, depth, prefix)
        if zipped:
            return self._zip(archive, layers)
        return self._tar(archive)

    def _member(self, origin: Origin, layers: tuple[Layer, ...]) -> None:
        region = origin.region
        plain = region.file if region is not None and not layers and isinstance(region.file, Path) and region.length is None else None
        unpacked, packed = _opener(replace(origin, layers=layers), self.budget), _opener(origin, self.budget)
        if self.kept is None or self.encryption in layers or (origin.region is not None and not layers):
            self.members.append(Member(origin.name, origin.size, unpacked, packed, plain))
            return
        keeping = Keeping(unpacked, self.kept)
        self.members.append(Member(origin.name, origin.size, keeping.open, packed, plain, keeping.first))

    def _tell(self, code: str, message: str, member: str) -> None:
        self.notices.append(Notice(code, message, member, data_bearing=True))

    def _archive(self, origin: Origin, layers: tuple[Layer, ...], depth: int, prefix: str) -> _Archive:
        """Its bytes at any place: where they lie, or in a spool that is filled now. A stream that ends badly is told, not raised."""
        dump = f"{self.budget.dump}: {prefix.rstrip('/')}" if prefix else self.budget.dump
        if origin.region and not layers:
            return _Archive(origin, origin.region, origin.inflation, origin.counted, depth, prefix, dump)
        spool, proven = Spool(self.work), any(layer.proves for layer in layers)
        packed = replace(origin, layers=layers)
        try:
            with packed.stream(self.budget) as stream:
                while part := stream.read(_SPOOL_CHUNK):
                    spool.write(part)
        except (EOFError, OSError) as error:
            proven = False
            self._tell("archive-damaged", f"{error} The members of this archive are not proven.", origin.name)
        inflation = max(spool.size / max(origin.size, 1), 1.0) * origin.inflation
        return _Archive(origin, Region(spool, 0, spool.size), inflation, True, depth, prefix, dump, proven)

    def _zip(self, archive: _Archive, layers: tuple[Layer, ...]) -> bool:
        entries, skipped = zip_entries(archive.region, archive.dump, self.budget)
        if is_workbook(archive.region, entries):
            self._member(archive.origin, layers)
            return False
        self.ignored += [archive.prefix + name for name in skipped]
        for entry in entries:
            name = archive.prefix + entry.name
            if is_junk(entry.name):
                self.ignored.append(name)
            else:
                self._inner(entry_origin(archive.region, entry, name, inflation=archive.inflation), archive.depth + 1)
        return True

    def _tar(self, archive: _Archive) -> bool:
        listing = tar_listing(archive.region, archive.dump, self.budget)
        refuse_empty(listing, archive.dump)
        for trouble in listing.troubles:
            self._tell("tar-damaged", f"{trouble}.", archive.origin.name)
        for name, what in listing.skipped:
            if is_junk(name):
                self.ignored.append(archive.prefix + name)
            else:
                self._tell("member-ignored", f"it was not read: it is {what}.", archive.prefix + name)
        for entry in listing.entries:
            name = archive.prefix + entry.name
            if is_junk(entry.name):
                self.ignored.append(name)
                continue
            region = archive.region.part(entry.offset, entry.size)
            origin = region_origin(name, region, entry.size, inflation=archive.inflation, counted=archive.counted)
            self._inner(origin, archive.depth + 1)
        return archive.proven and not listing.troubles


def _deep() -> str:
    return f"nested more than {MAX_ARCHIVES} archives or {MAX_LAYERS} layers of packing deep, which is not opened. Unpack it once by hand"


def _not_opened(first: bytes) -> str | None:
    """What a file is that is known and cannot be read, and what to do."""
    for magic, kind, advice in _NOT_OPENED:
        if first.startswith(magic):
            return f"{kind}, which is not opened here. {advice} and bring the files as they are, or packed by gzip, zstd, zip or tar"
    return None


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


def _opener(origin: Origin, budget: Budget) -> Callable[[], BinaryIO]:
    return lambda: origin.stream(budget)


def ignored_notices(dump: Dump) -> Iterator[Notice]:
    """One Notice per ignored name, then what the containers tell; data may be missing where a name is not plain junk (a link, an older
    twin in a ZIP)."""
    for name in dump.ignored:
        junk = is_junk(name)
        what = (
            "is a leftover of an operating system or a dot file"
            if junk
            else "is a link, no regular file, or has a newer entry of the same name"
        )
        yield Notice("member-ignored", f"{name} was not read: it {what}.", name, data_bearing=not junk)
    yield from dump.notices


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
