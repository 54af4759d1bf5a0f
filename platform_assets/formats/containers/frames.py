"""lz4: the frames of a packed stream are told apart here, their content is unpacked by Arrow.

Arrow drops what a failing read had already unpacked and cannot tell padding from damage, so it only ever sees whole frames, one at a
time: bytes behind the last frame cost no row. Source: lz4_Frame_format.md 1.6.3.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa

_STEP = 64 << 10
"""Of a frame that is cut, at most this many unpacked bytes before the cut are lost (Arrow gives no part of a failing read)."""
LZ4_MAGIC = b"\x04\x22\x4d\x18"
SKIPPABLE = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))
"""Magic numbers of frames that hold nothing, in lz4 and in zstd (RFC 8878 3.1.2)."""
_LARGEST_BLOCKS = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}


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

    def parts(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes as they come, without the whole being held. Raises EOFError when there are fewer."""
        while size:
            part = self.peek(1) and self._data[self._at : self._at + size]
            if not part:
                raise EOFError
            self._at += len(part)
            size -= len(part)
            yield part

    def skip_zeros(self) -> None:
        while part := self.peek(1 << 12):
            rest = part.lstrip(b"\0")
            self._at += len(part) - len(rest)
            if rest:
                return


def decode_lz4(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All frames one after the other. Raises EOFError when one is cut, OSError when one is damaged or other bytes than zeros follow."""
    packed = Packed(chunks)
    while magic := packed.peek(4):
        if magic in SKIPPABLE:
            packed.take(4)
            for _ in packed.parts(int.from_bytes(packed.take(4), "little")):
                pass
        elif LZ4_MAGIC.startswith(magic):
            yield from _decode_frame(_Pieces(_frame(packed)))
        else:
            raise OSError("bytes that belong to no packed frame follow the data")
        packed.skip_zeros()


def _frame(packed: Packed) -> Iterator[bytes]:
    """The bytes of one frame to its end."""
    yield packed.take(4)
    head = packed.peek(2)
    if len(head) < 2:
        raise EOFError
    flags, largest = head[0], _LARGEST_BLOCKS.get(head[1] >> 4 & 7)
    if flags >> 6 != 1 or largest is None:
        raise OSError("an lz4 frame of an unknown version")
    yield packed.take(2 + 8 * bool(flags & 8) + 4 * bool(flags & 1) + 1)
    checksum = 4 * bool(flags & 0x10)
    while (header := packed.take(4)) != bytes(4):
        size = int.from_bytes(header, "little") & 0x7FFFFFFF
        if size > largest:
            raise OSError(f"an lz4 block of {size:,} bytes in a frame of blocks of {largest:,}")
        yield header
        yield from packed.parts(size + checksum)
    yield header + packed.take(4 * bool(flags & 4))


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


def _decode_frame(pieces: _Pieces) -> Iterator[bytes]:
    stream = pa.CompressedInputStream(pa.PythonFile(pieces, mode="r"), "lz4")
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
