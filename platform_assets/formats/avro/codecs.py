"""Packs the blocks of an Avro file, and unpacks them, never to more than a bound: a few bytes may claim to be gigabytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

import pyarrow as pa

_STEP = 1 << 20


class BadBlock(ValueError):
    """A block that cannot be unpacked, or is larger than the bound."""


def unpacked(codec: str, data: bytes, largest: int) -> bytes:
    """Raises BadBlock."""
    try:
        out = CODECS[codec](data, largest)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        raise BadBlock(f"the block cannot be unpacked with {codec} ({error})") from error
    if len(out) > largest:
        raise BadBlock(f"the block unpacks to more than {largest:,} bytes")
    return out


def packed(codec: str, data: bytes) -> bytes:
    """At the level that costs least: what is packed is read once a year. Raises KeyError for a codec that is only read."""
    if codec == "deflate":
        return zlib.compress(data, 1, -zlib.MAX_WBITS)
    if codec == "snappy":
        return b"".join((memoryview(pa.compress(data, codec="snappy")), zlib.crc32(data).to_bytes(4, "big")))
    return bytes({"zstandard": pa.Codec("zstd", 1)}[codec].compress(data, asbytes=True))


def _deflate(data: bytes, largest: int) -> bytes:
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    out = decoder.decompress(data, largest + 1)
    if not decoder.eof and len(out) <= largest:
        raise EOFError("it ends early")
    return out


def _snappy(data: bytes, largest: int) -> bytes:
    """The uncompressed length stands first (snappy format description, section 1), a CRC32 last (Avro)."""
    size, shift = 0, 0
    for byte in data[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > largest:
        raise ValueError(f"it claims {size:,} bytes")
    out = pa.decompress(data[:-4], decompressed_size=size, codec="snappy", asbytes=True) if size else b""
    if zlib.crc32(out) != int.from_bytes(data[-4:], "big"):
        raise ValueError("its checksum does not fit")
    return bytes(out)


def _bzip2(data: bytes, largest: int) -> bytes:
    return _whole(bz2.BZ2Decompressor(), data, largest)


def _xz(data: bytes, largest: int) -> bytes:
    return _whole(lzma.LZMADecompressor(memlimit=1 << 28), data, largest)


def _whole(decoder: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes, largest: int) -> bytes:
    out = decoder.decompress(data, largest + 1)
    if not decoder.eof and len(out) <= largest:
        raise EOFError("it ends early")
    return out


def _zstandard(data: bytes, largest: int) -> bytes:
    parts, size = [], 0
    stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")
    while part := stream.read(_STEP):
        parts.append(part)
        size += len(part)
        if size > largest:
            break
    return b"".join(parts)


CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": lambda data, largest: data,
    "deflate": _deflate,
    "snappy": _snappy,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstandard": _zstandard,
}
