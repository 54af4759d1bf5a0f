"""A member's bytes as a readable stream: layers of packing over the bytes as they lie there, counted, one step ahead in a thread."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from platform_assets.errors import PlatformError
from platform_assets.formats.ahead import ahead
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.containers.region import Region, Section
from platform_assets.formats.containers.unpacking import STREAM_ERRORS, gathered

_AHEAD = 3
"""Chunks that are unpacked before they are asked for: 1.5 MiB at most beside the one in work."""
_GATHERED = 256 << 10
_HEAD_BYTES = 64 << 10
"""So many bytes are made without a thread: most members are only looked at before they are read."""


class Layer(Protocol):
    """One layer of packing or encryption."""

    @property
    def name(self) -> str: ...
    @property
    def proves(self) -> bool: ...
    @property
    def decode(self) -> Callable[[Iterator[bytes]], Iterator[bytes]]: ...


@dataclass(frozen=True)
class Origin:
    """A file of a folder or archive before its layers are taken off; it can be started again and again.

    `size` are its packed bytes. `region` is where the bytes that `start` gives lie, when they lie somewhere as they are.
    `inflation` says how much larger it is than the bytes of the dump it came from, where it lies in a spool.
    """

    name: str
    size: int
    start: Callable[[], tuple[Iterator[bytes], Section]]
    region: Region | None = None
    inflation: float = 1.0
    counted: bool = False
    """Its bytes were counted when the spool was filled."""
    layers: tuple[Layer, ...] = ()

    def stream(self, budget: Budget) -> BinaryIO:
        """Opens it with its layers taken off. Raises OSError when there is nothing to open."""
        chunks, section = self.start()
        return cast(BinaryIO, UnpackedStream(_Layered(chunks, section, self, budget), section, self, budget))


def region_origin(name: str, region: Region, size: int, *, inflation: float = 1.0, counted: bool = False) -> Origin:
    def start() -> tuple[Iterator[bytes], Section]:
        section = Section(region)
        return section.chunks(), section

    return Origin(name, size, start, region, inflation, counted)


class _Layered:
    """The chunks of an origin behind all its layers. The first ones are made when asked for, the others ahead in a thread of their own."""

    def __init__(self, chunks: Iterator[bytes], section: Section, origin: Origin, budget: Budget) -> None:
        self._made: list[Iterator[bytes]] = [chunks]
        packed = bool(origin.layers) or origin.region is None
        for number, layer in enumerate(origin.layers):
            if number:
                chunks = budget.counted(chunks, origin.name, section, origin.inflation)
            chunks = layer.decode(chunks)
            self._made.append(chunks)
        self._chunks = self._ahead(chunks) if packed else chunks
        self._made.append(self._chunks)

    def _ahead(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        given = 0
        while given < _HEAD_BYTES:
            if not (chunk := next(chunks, b"")):
                return
            yield chunk
            given += len(chunk)
        coming = ahead(gathered(chunks, _GATHERED), _AHEAD)
        try:
            yield from coming
        finally:
            coming.close()

    def next(self) -> bytes:
        return next(self._chunks, b"")

    def close(self) -> None:
        """From the outermost inwards: the thread ends before what it reads from is closed."""
        for made in reversed(self._made):
            if isinstance(made, Generator):
                made.close()


class UnpackedStream(io.RawIOBase):
    """Chunks as a readable binary stream. An error waits until the bytes before it were read; only `read(-1)` raises at once."""

    def __init__(self, layered: _Layered, section: Section, origin: Origin, budget: Budget) -> None:
        self._layered = layered
        self._section = section
        self._origin = origin
        self._budget = budget
        self._pending = memoryview(b"")
        self._error: Exception | None = None
        self._unpacked = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer only at the end or before an error. Raises EOFError (cut), OSError (damaged), LimitExceeded."""
        wanted = -1 if size is None else size
        parts: list[memoryview] = []
        missing = wanted
        while missing != 0 and (self._pending or self._advance()):
            part = self._pending if missing < 0 else self._pending[:missing]
            self._pending = self._pending[len(part) :]
            missing = missing - len(part) if missing > 0 else missing
            parts.append(part)
        if self._error and wanted != 0 and (wanted < 0 or not parts):
            raise self._error
        return b"".join(parts)

    def read1(self, size: int) -> bytes:
        """At most `size` bytes, none at the end only: what was unpacked at once, without a copy where it fits. Raises as `read` does."""
        if not self._pending and not self._advance():
            if self._error:
                raise self._error
            return b""
        part, self._pending = self._pending[:size], self._pending[size:]
        return part.obj if len(part) == len(part.obj) else part.tobytes()  # type: ignore[return-value,arg-type]

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._layered.close()
            self._section.close()
        super().close()

    def _advance(self) -> bool:
        """Takes the next chunk; False at the end or when an error is waiting."""
        if self._error:
            return False
        try:
            chunk = self._layered.next()
            self._unpacked += len(chunk)
            packed = self._section.consumed / self._origin.inflation
            adds = not self._origin.counted or bool(self._origin.layers)
            self._budget.count(self._origin.name, self._unpacked, packed, adds=adds)
        except PlatformError as error:
            self._error = error
        except EOFError as error:
            self._error = EOFError(
                f"{self._place()}: the stream ends early, after {self._unpacked:,} unpacked bytes{_why(error)}. Fetch the dump again; "
                "what came before the cut was read."
            )
        except STREAM_ERRORS as error:
            self._error = OSError(
                f"{self._place()}: damaged behind unpacked byte {self._unpacked:,} ({error}). Fetch the dump again; "
                "what came before was read."
            )
        else:
            self._pending = memoryview(chunk)
            return bool(chunk)
        return False

    def _place(self) -> str:
        name = self._origin.name
        return self._budget.dump if name == self._budget.dump else f"{self._budget.dump}: member {name}"


def _why(error: Exception) -> str:
    return f" ({error})" if str(error) else ""


def first_bytes(origin: Origin, budget: Budget, size: int) -> bytes:
    """What an origin begins with behind its layers; fewer bytes where the stream is cut or damaged. Raises PlatformError."""
    parts: list[bytes] = []
    try:
        with origin.stream(budget) as stream:
            while size > 0 and (part := stream.read(size)):
                parts.append(part)
                size -= len(part)
    except (EOFError, OSError):
        return b"".join(parts)
    return b"".join(parts)
