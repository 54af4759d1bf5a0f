"""Packed bytes -> unpacked bytes, streamed and checked to the end. Not here: what a file or folder consists of (opening), limits (budget).

gzip (RFC 1952), bzip2, xz and zstd are decoded by the standard library (zstd: its backport) with bounded output per step, lz4 by Arrow
(frames). A stream that ends early raises EOFError, a damaged one OSError, always after every byte that came before it was handed out.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from platform_assets.formats.containers.frames import LZ4_MAGIC, SKIPPABLE, decode_lz4

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

FIRST_STEP = 64 << 10
STEP = 256 << 10
"""Unpacked bytes per step; steps grow from the first to this one: a look at a member's first bytes stays cheap."""
STREAM_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What a stream that is cut (the first) or damaged (the others) raises."""
ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *SKIPPABLE)
"""A skippable frame at the start is taken for zstd's: pzstd writes them, no lz4 program does."""
_XZ_MEMORY = 256 << 20
"""Enough for dictionaries of 128 MiB and more; `xz -9` needs 65 MiB."""


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
        self._damage: zlib.error | None = None
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if self._damage:
            raise self._damage
        data = self._tail + data if self._tail else data
        before = self._zlib.copy()
        try:
            out = self._zlib.decompress(data, max(max_length, 0))
        except zlib.error as error:
            self._damage, self.needs_input = error, False
            return _before_damage(before, data)
        self._tail = self._zlib.unconsumed_tail
        self.needs_input = not self._tail and len(out) != max_length
        return out


def _before_damage(decoder: zlib._Decompress, data: bytes) -> bytes:
    """What a step that failed had unpacked; zlib keeps it to itself. Little input at a time, then byte by byte."""
    parts: list[bytes] = []
    for size in (64, 1):
        for at in range(0, len(data), size):
            before = decoder.copy()
            try:
                parts.append(decoder.decompress(data[at : at + size]))
            except zlib.error:
                decoder, data = before, data[at : at + size]
                break
    return b"".join(parts)


class ZstdDecoder:
    """zstd's decompressor of one frame under the interface of the others. Raises OSError when the frame is damaged."""

    def __init__(self) -> None:
        self._zstd = ZstdDecompressor()

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def needs_input(self) -> bool:
        return self._zstd.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return self._zstd.decompress(data, max_length)
        except ZstdError as error:
            raise OSError(str(error)) from error


def decode(packed: Iterator[bytes], new_decoder: Callable[[], Decoder], *magics: bytes) -> Iterator[bytes]:
    """All members of a packed stream one after the other; zero bytes behind a member are padding, other bytes are damage.

    Raises EOFError when the stream ends within a member, OSError (or the decoder's own error) when it is damaged.
    """
    step = FIRST_STEP
    data = next(packed, b"")
    while data:
        decoder = new_decoder()
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = next(packed, b"")
                if not data:
                    raise EOFError
            out = decoder.decompress(data, step)
            data = b""
            if out:
                yield out
                step = min(2 * step, STEP)
        data = _next_member(decoder.unused_data, packed)
        while data and len(data) < len(magics[0]) and (more := next(packed, b"")):
            data += more
        if data and not data.startswith(magics):
            raise OSError("bytes that belong to no packed member follow the data")


def _next_member(data: bytes, packed: Iterator[bytes]) -> bytes:
    data = data.lstrip(b"\0")
    while not data:
        data = next(packed, b"")
        if not data:
            return b""
        data = data.lstrip(b"\0")
    return data


@dataclass(frozen=True)
class Packing:
    """One way of packing a stream. `proves`: its end proves every byte before it (a checksum, or a length with it).

    xz, zstd and lz4 leave the checksum to the packer's options, so they are not counted on; their programs write one by default.
    """

    name: str
    begins: Callable[[bytes], bool]
    decode: Callable[[Iterator[bytes]], Iterator[bytes]]
    proves: bool


ZSTD = Packing("zstd", lambda first: first.startswith(ZSTD_MAGICS), lambda packed: decode(packed, ZstdDecoder, *ZSTD_MAGICS), proves=False)
LZ4 = Packing("lz4", lambda first: first.startswith(LZ4_MAGIC), decode_lz4, proves=False)
PACKINGS: tuple[Packing, ...] = (
    Packing(
        "gzip",
        lambda first: first.startswith(b"\x1f\x8b\x08"),
        lambda packed: decode(packed, lambda: ZlibDecoder(31), b"\x1f\x8b"),
        proves=True,
    ),
    Packing(
        "bzip2",
        lambda first: first.startswith(b"BZh") and first[4:10] in (b"1AY&SY", b"\x17rE8P\x90"),
        lambda packed: decode(packed, bz2.BZ2Decompressor, b"BZh"),
        proves=True,
    ),
    Packing(
        "xz",
        lambda first: first.startswith(b"\xfd7zXZ\x00"),
        lambda packed: decode(packed, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY), b"\xfd7zXZ\x00"),
        proves=False,
    ),
    ZSTD,
    LZ4,
)


def packing_of(first: bytes) -> Packing | None:
    """The packing that a stream's first bytes (10 are enough) tell of."""
    return next((packing for packing in PACKINGS if packing.begins(first)), None)


def gathered(chunks: Iterator[bytes], least: int) -> Iterator[bytes]:
    """The same bytes in chunks of `least` or more, the last one fewer; an error of the stream comes behind the bytes before it."""
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= least:
                yield b"".join(parts)
                parts, size = [], 0
    except STREAM_ERRORS:
        if parts:
            yield b"".join(parts)
        raise
    if parts:
        yield b"".join(parts)
