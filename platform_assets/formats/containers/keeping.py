"""What a member unpacks to, kept for its second reading, so that it is unpacked once. Where there is no room it is unpacked again.

It costs some 0.5 ms per MB as long as the kernel holds the spool in memory, a quarter of what zstd does and a tenth of what gunzip does.

Not here: streams themselves (stream), and archives within packed bytes, which are spooled whole before a member is read (opening).
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from platform_assets.errors import PlatformError, StoreUnwritable
from platform_assets.formats.containers.region import Region, Spool
from platform_assets.formats.containers.stream import UnpackedStream

_PART_OF_ROOM = 4
"""Everything that is kept of a dump takes at most this part of the room that is free where it lies."""


class Kept:
    """The members of one dump, behind one another in one spool that is made with the first: a thousand of them open one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spool: Spool | None = None
        self._room = 0

    def append(self, data: bytes, at: int | None) -> int | None:
        """Appends what is to stand at `at` (None: at the end), and says where it stands; None when it has no room or cannot stand there."""
        if self._spool is None:
            self._spool = Spool(self._folder)
            self._room = shutil.disk_usage(self._folder).free // _PART_OF_ROOM
        place = self._spool.size
        if self._room < place + len(data) or at not in (None, place):
            return None
        try:
            self._spool.write(data)
        except StoreUnwritable:
            self._room = 0
            return None
        return place

    def region(self, begun: int, length: int) -> Region:
        assert self._spool is not None
        return Region(self._spool, begun, length)


@dataclass
class Keeping:
    """One member: `first` opens it and keeps what is read; once that came to its end, `open` gives the same without unpacking."""

    unpack: Callable[[], BinaryIO]
    kept: Kept
    whole: Region | None = None

    def first(self) -> BinaryIO:
        if self.whole is not None:
            return self.open()
        return cast(BinaryIO, _KeepingStream(self))

    def open(self) -> BinaryIO:
        return self.unpack() if self.whole is None else cast(BinaryIO, self.whole.open())


class _KeepingStream(io.RawIOBase):
    """Reads as the stream does. A stream that breaks off is not kept: its second reading must break off in the same way."""

    def __init__(self, member: Keeping) -> None:
        self._member = member
        self._stream = cast(UnpackedStream, member.unpack())
        self._begun: int | None = None
        self._size = 0
        self._keeps = True

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        missing = -1 if size is None else size
        if not self._keeps or missing <= 0:
            data = self._stream.read(missing)
            self._took(data, ended=missing < 0)
            return data
        parts: list[bytes] = []
        while missing:
            try:
                part = self._stream.read1(missing)
            except (PlatformError, EOFError, OSError):
                if parts:
                    break  # It waits in the stream until it is read once more.
                raise
            self._took(part, ended=not part and not parts)
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _took(self, data: bytes, *, ended: bool) -> None:
        if data and self._keeps:
            self._keep(data)
        if ended and self._keeps and self._begun is not None:
            self._member.whole = self._member.kept.region(self._begun, self._size)
            self._keeps = False

    def _keep(self, data: bytes) -> None:
        at = self._member.kept.append(data, None if self._begun is None else self._begun + self._size)
        self._keeps = at is not None
        self._begun = at if self._begun is None else self._begun
        self._size += len(data)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
