"""Bytes that can be read again and at any place: a stretch of a file, or of a spool that holds what a stream gave once.

Not here: what the bytes are.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from platform_assets.errors import StoreUnwritable

FIRST_CHUNK = 16 << 10
CHUNK = 256 << 10
"""Packed bytes are read in chunks that grow from the first size to this one: a look at a member's first bytes stays cheap."""


class Spool:
    """A nameless temporary file: only this process can open it, and it is gone with its last reader, however the process ends."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".spool.tmp-", buffering=0)  # noqa: SIM115  lives as long as its members
        self.size = 0

    def write(self, data: bytes) -> None:
        """Raises StoreUnwritable when there is no room."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            place = self._folder or tempfile.gettempdir()
            raise StoreUnwritable(
                f"{place}: no room for what an archive within packed data unpacks to ({error.strerror} after {self.size:,} bytes). "
                "Make room there, or bring the dump unpacked.",
                path=str(place),
            ) from error
        self.size += len(data)

    def fileno(self) -> int:
        return self._file.fileno()


@dataclass(frozen=True)
class Region:
    """`length` bytes of a file or spool from `offset`; to its end when `length` is None."""

    file: Path | Spool
    offset: int = 0
    length: int | None = None

    def open(self) -> Window:
        """Raises FileNotFoundError, PermissionError."""
        return Window(self)

    def part(self, offset: int, length: int) -> Region:
        return Region(self.file, self.offset + offset, length)


class Window(io.RawIOBase):
    """A region as a file of its own. Windows of one spool do not disturb each other."""

    def __init__(self, region: Region) -> None:
        self._keep: BinaryIO | Spool = region.file if isinstance(region.file, Spool) else region.file.open("rb", buffering=0)
        self._descriptor = self._keep.fileno()
        self._start = region.offset
        there = max(os.fstat(self._descriptor).st_size - region.offset, 0)
        self.size = there if region.length is None else min(there, region.length)
        self.missing = 0 if region.length is None else region.length - self.size
        """Bytes that the region should have and the file has not."""
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(offset + (0, self._at, self.size)[whence], 0)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(self.size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        data = os.pread(self._descriptor, wanted, self._start + self._at) if wanted else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed and not isinstance(self._keep, Spool):
            self._keep.close()
        super().close()


class Section:
    """A region read once from its beginning, in chunks. `consumed` says how many bytes were."""

    def __init__(self, region: Region) -> None:
        self._window = region.open()
        self.consumed = 0

    def chunks(self) -> Iterator[bytes]:
        """Raises EOFError when the file is shorter than the region."""
        size = FIRST_CHUNK
        while chunk := self._window.read(size):
            self.consumed += len(chunk)
            yield chunk
            size = min(2 * size, CHUNK)
        if self._window.missing:
            raise EOFError

    def close(self) -> None:
        self._window.close()
