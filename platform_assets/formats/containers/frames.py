"""zstd and lz4: the frames of a packed stream are told apart here, their content is unpacked by Arrow.

Arrow drops what a failing read had already unpacked and cannot tell padding from damage, so it only ever sees whole frames, one at a
time: bytes behind the last frame cost no row. Sources: RFC 8878 3.1 (zstd), lz4_Frame_format.md 1.6.3.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

_STEP = 4096
"""Of a frame that is cut, at most this many unpacked bytes before the cut are lost (Arrow gives no part of a failing read)."""
_SKIPPABLE = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))
_LZ4_BLOCKS = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}


class Packed:
    """A stream of chunks from which a given number of bytes is taken."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        while len(self._data) - self._at < size and (chunk := next(self._chunks, b"")):
            self._data = self._data[self._at :] + chunk
            self._at = 0
        return self._data[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """Raises EOFError when there are fewer."""
        taken = self.peek(size)
        if len(taken) < size:
            raise EOFError
        self._at += size
        return taken

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.take(min(size, 1 << 16)))

    def skip_zeros(self) -> None:
        while part := self.peek(1 << 12):
            rest = part.lstrip(b"\0")
            self._at += len(part) - len(rest)
            if rest:
                return


@dataclass(frozen=True)
class Frames:
    """One format of frames: its name for Arrow, its magic number, and the pieces of one frame behind that, to its end."""

    codec: str
    magic: bytes
    pieces: Callable[[Packed], Iterator[bytes]]

    def begins(self, first: bytes) -> bool:
        """A skippable frame at the start is taken for zstd's: pzstd writes them, no lz4 program does."""
        return first.startswith(self.magic) or (self.codec == "zstd" and first[:4] in _SKIPPABLE)


def _zstd(packed: Packed) -> Iterator[bytes]:
    descriptor = packed.peek(1)
    if not descriptor:
        raise EOFError
    flags = descriptor[0]
    single = bool(flags & 0x20)
    content_size = (1 if single else 0, 2, 4, 8)[flags >> 6]
    yield packed.take(1 + (not single) + (0, 1, 2, 4)[flags & 3] + content_size)
    last = False
    while not last:
        header = packed.take(3)
        value = int.from_bytes(header, "little")
        last, kind, size = bool(value & 1), value >> 1 & 3, value >> 3
        if kind == 3:
            raise OSError("a zstd block of a type that does not exist")
        yield header + packed.take(1 if kind == 1 else size)
    if flags & 4:
        yield packed.take(4)


def _lz4(packed: Packed) -> Iterator[bytes]:
    head = packed.peek(2)
    if len(head) < 2:
        raise EOFError
    flags, largest = head[0], _LZ4_BLOCKS.get(head[1] >> 4 & 7)
    if flags >> 6 != 1 or largest is None:
        raise OSError("an lz4 frame of an unknown version")
    yield packed.take(2 + 8 * bool(flags & 8) + 4 * bool(flags & 1) + 1)
    checksum = 4 * bool(flags & 0x10)
    while (header := packed.take(4)) != bytes(4):
        size = int.from_bytes(header, "little") & 0x7FFFFFFF
        if size > largest:
            raise OSError(f"an lz4 block of {size:,} bytes in a frame of blocks of {largest:,}")
        yield header + packed.take(size + checksum)
    yield header + packed.take(4 * bool(flags & 4))


ZSTD = Frames("zstd", b"\x28\xb5\x2f\xfd", _zstd)
LZ4 = Frames("lz4", b"\x04\x22\x4d\x18", _lz4)


def decode_frames(chunks: Iterator[bytes], frames: Frames) -> Iterator[bytes]:
    """All frames one after the other. Raises EOFError when one is cut, OSError when one is damaged or other bytes than zeros follow."""
    packed = Packed(chunks)
    while magic := packed.peek(4):
        if magic in _SKIPPABLE:
            packed.skip(4)
            packed.skip(int.from_bytes(packed.take(4), "little"))
        elif frames.magic.startswith(magic):
            yield from _decode_frame(_Pieces(_whole_frame(packed, frames)), frames.codec)
        else:
            raise OSError("bytes that belong to no packed frame follow the data")
        packed.skip_zeros()


def _whole_frame(packed: Packed, frames: Frames) -> Iterator[bytes]:
    yield packed.take(4)
    yield from frames.pieces(packed)


class _Pieces(io.RawIOBase):
    """The pieces of one frame as the file that Arrow wants. What went wrong with them waits in `error`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.error: EOFError | OSError | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if not self._rest and not self.error:
            try:
                self._rest = next(self._pieces, b"")
            except (EOFError, OSError) as error:
                self.error = error
        cut = len(self._rest) if size is None or size < 0 else size
        data, self._rest = self._rest[:cut], self._rest[cut:]
        return data


def _decode_frame(pieces: _Pieces, codec: str) -> Iterator[bytes]:
    stream = pa.CompressedInputStream(pa.PythonFile(pieces, mode="r"), codec)
    try:
        while data := stream.read(_STEP):
            yield data
    except OSError as error:
        if pieces.error:
            raise pieces.error from error
        if "Truncated" in str(error):
            raise EOFError from error
        raise
    finally:
        # Arrow holds `pieces` where Python's collector does not see it: an error kept there, whose frames hold the stream, would keep all.
        found, pieces.error = pieces.error, None
        stream.close()
    if found:
        raise found
    while pieces.read(1 << 16):  # an empty frame: Arrow sees its end before its checksum
        pass
