"""Packed bytes -> unpacked bytes, streamed, counted and checked to the end. Not here: what a file or folder consists of (opening).

gzip (RFC 1952), bzip2 and xz are decoded by the standard library with bounded output per step, zstd (RFC 8878) by Arrow. A stream
that ends early raises EOFError, a damaged one OSError, always after every byte that came before it was handed out.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from platform_assets.dictionary.source import Limits
from platform_assets.errors import LimitExceeded

CHUNK = 1 << 20
RATIO_FREE_BYTES = 64 << 20
"""Below this many unpacked bytes the ratio is not looked at: a small file of blanks is no bomb."""
_ZSTD_STEP = 4096
"""Arrow drops what a failing read had already unpacked, so a cut zstd stream loses at most this many bytes of its tail."""


class Budget:
    """Counts the unpacked bytes of one dump over all its members. Reading a member again does not count twice."""

    def __init__(self, dump: str, source: str, limits: Limits) -> None:
        self.dump = dump
        self._source = source
        self._limits = limits
        self._seen: dict[str, int] = {}
        self._total = 0

    def count(self, member: str, unpacked: int, packed: int) -> None:
        """`unpacked` and `packed` bytes of the member so far. Raises LimitExceeded."""
        before = self._seen.get(member, 0)
        if unpacked > before:
            self._total += unpacked - before
            self._seen[member] = unpacked
        if self._total > self._limits.max_dump_bytes:
            self._refuse(member, unpacked, f"the dump unpacks to more than {self._limits.max_dump_bytes:,} bytes", "max_dump_bytes")
        if unpacked > RATIO_FREE_BYTES and unpacked > self._limits.max_ratio * max(packed, 1):
            self._refuse(member, unpacked, f"it unpacks to more than {self._limits.max_ratio:,} times its packed size", "max_ratio")

    def members(self, number: int) -> None:
        """Raises LimitExceeded when the dump has more members than allowed."""
        if number > self._limits.max_members:
            raise LimitExceeded(
                f"{self.dump}: {number:,} members are more than sources.{self._source}.limits.max_members = {self._limits.max_members:,}. "
                "If this is no bomb, raise the limit in platform.yaml.",
                dump=self.dump,
                members=number,
            )

    def _refuse(self, member: str, unpacked: int, what: str, key: str) -> None:
        raise LimitExceeded(
            f"{self.dump}: member {member}: {what} (stopped at unpacked byte {unpacked:,}). "
            f"If this is no bomb, raise sources.{self._source}.limits.{key} in platform.yaml.",
            dump=self.dump,
            member=member,
            offset=unpacked,
        )


class Section:
    """`length` bytes of a file from `offset`, read in chunks; to the end of the file when `length` is None."""

    def __init__(self, path: Path, offset: int = 0, length: int | None = None) -> None:
        self._file = path.open("rb")
        self._file.seek(offset)
        self._left = length
        self.consumed = 0

    def chunks(self) -> Iterator[bytes]:
        """Raises EOFError when the file is shorter than the section."""
        while self._left is None or self._left > 0:
            chunk = self._file.read(CHUNK if self._left is None else min(CHUNK, self._left))
            if not chunk:
                if self._left:
                    raise EOFError
                return
            self.consumed += len(chunk)
            if self._left is not None:
                self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


class UnpackedStream(io.RawIOBase):
    """Chunks as a readable binary stream. An error waits until the bytes before it were read; only `read(-1)` raises at once."""

    def __init__(self, chunks: Iterator[bytes], section: Section, budget: Budget, member: str) -> None:
        self._chunks = chunks
        self._section = section
        self._budget = budget
        self._member = member
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

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._section.close()
        super().close()

    def _advance(self) -> bool:
        """Takes the next chunk; False at the end or when an error is waiting."""
        if self._error:
            return False
        try:
            chunk = next(self._chunks, b"")
            self._unpacked += len(chunk)
            self._budget.count(self._member, self._unpacked, self._section.consumed)
        except LimitExceeded as error:
            self._error = error
        except EOFError:
            self._error = EOFError(
                f"{self._place()}: the stream ends early, after {self._unpacked:,} unpacked bytes. Fetch the dump again; "
                "what came before the cut was read."
            )
        except (OSError, zlib.error, lzma.LZMAError) as error:
            self._error = OSError(
                f"{self._place()}: damaged behind unpacked byte {self._unpacked:,} ({error}). Fetch the dump again; "
                "what came before was read."
            )
        else:
            self._pending = memoryview(chunk)
            return bool(chunk)
        return False

    def _place(self) -> str:
        return self._budget.dump if self._member == self._budget.dump else f"{self._budget.dump}: member {self._member}"


class Decoder(Protocol):
    """The interface of bz2.BZ2Decompressor and lzma.LZMADecompressor."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class ZlibDecoder:
    """zlib's decompressor under the interface of the others. `wbits` as in zlib: 31 gzip with CRC, -15 raw deflate."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self._tail = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._zlib.decompress(self._tail + data, max(max_length, 0))
        self._tail = self._zlib.unconsumed_tail
        self.needs_input = not self._tail and len(out) != max_length
        return out


def decode(packed: Iterator[bytes], new_decoder: Callable[[], Decoder], magic: bytes) -> Iterator[bytes]:
    """All members of a packed stream one after the other; zero bytes behind a member are padding, other bytes are damage.

    Raises EOFError when the stream ends within a member, OSError (or the decoder's own error) when it is damaged.
    """
    data = next(packed, b"")
    while data:
        decoder = new_decoder()
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = next(packed, b"")
                if not data:
                    raise EOFError
            out = decoder.decompress(data, CHUNK)
            data = b""
            if out:
                yield out
        data = _next_member(decoder.unused_data, packed)
        while data and len(data) < len(magic) and (more := next(packed, b"")):
            data += more
        if data and not data.startswith(magic):
            raise OSError("bytes that belong to no packed member follow the data")


def _next_member(data: bytes, packed: Iterator[bytes]) -> bytes:
    data = data.lstrip(b"\0")
    while not data:
        data = next(packed, b"")
        if not data:
            return b""
        data = data.lstrip(b"\0")
    return data


class _ChunkFile(io.RawIOBase):
    """Chunks as the file that Arrow wants."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        cut = len(self._rest) if size is None or size < 0 else size
        data, self._rest = self._rest[:cut], self._rest[cut:]
        return data


def decode_zstd(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Raises EOFError when a frame is cut, OSError when it is damaged."""
    stream = pa.CompressedInputStream(pa.PythonFile(_ChunkFile(packed), mode="r"), "zstd")
    try:
        while data := stream.read(_ZSTD_STEP):
            yield data
    except OSError as error:
        if "Truncated" in str(error):
            raise EOFError from error
        raise


def unpack(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decodes one level of gzip, bzip2, xz or zstd, told by the first bytes; everything else passes as it is."""
    first = next(chunks, b"")
    while 0 < len(first) < 10 and (more := next(chunks, b"")):
        first += more

    def whole() -> Iterator[bytes]:
        if first:
            yield first
        yield from chunks

    if first.startswith(b"\x1f\x8b\x08"):
        return decode(whole(), lambda: ZlibDecoder(31), b"\x1f\x8b")
    if first.startswith(b"BZh") and first[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return decode(whole(), bz2.BZ2Decompressor, b"BZh")
    if first.startswith(b"\xfd7zXZ\x00"):
        return decode(whole(), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), b"\xfd7zXZ\x00")
    if first.startswith(b"\x28\xb5\x2f\xfd"):
        return decode_zstd(whole())
    return whole()
