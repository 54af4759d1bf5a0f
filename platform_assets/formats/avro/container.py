"""Avro object container files as bytes: header, blocks, sync markers (Apache Avro 1.11, "Object Container Files").

Here only the container, for the store's files and for dumps; what the rows in a block mean is the business of storage.rows.avro and
of rows.py. polars writes the container too, but with one sync
marker for all files of the world and a header that cannot say `time-micros`: so its blocks are taken and framed here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
_LONGEST_VARINT = 10
_LARGEST_ITEM = (1 << 31) - 1
_MOST_ENTRIES = 10_000


class BrokenContainer(ValueError):
    """The bytes are not a whole Avro container file; the message says what is wrong at which byte."""


@dataclass(frozen=True)
class Header:
    """The bytes before the first block, and the marker that closes each block."""

    data: bytes
    sync: bytes


@dataclass(frozen=True)
class Block:
    """`rows` rows in `data`, packed by the file's codec (snappy: with its CRC32 at the end)."""

    rows: int
    data: bytes
    codec: str = "snappy"


def make_header(schema: Mapping[str, Any], codec: str) -> Header:
    """The sync marker comes from the schema, not from chance: equal rows must give equal files, since backups are compared by hash."""
    text = json.dumps(schema, separators=(",", ":")).encode("ascii")
    sync = hashlib.sha256(text).digest()[:SYNC_BYTES]
    entries = b"".join(_counted(key) + _counted(value) for key, value in ((b"avro.codec", codec.encode()), (b"avro.schema", text)))
    return Header(MAGIC + encode_long(2) + entries + encode_long(0) + sync, sync)


def framed(block: Block, sync: bytes) -> bytes:
    return b"".join(frame_pieces(block, sync))


def frame_pieces(block: Block, sync: bytes) -> tuple[bytes, bytes, bytes]:
    """A block as it stands in a file: what is before its data, the data, what is behind."""
    return encode_long(block.rows) + encode_long(len(block.data)), block.data, sync


def encode_long(value: int) -> bytes:
    """Avro's zig-zag variable-length long."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


class Readable(Protocol):
    """A binary stream that knows how many bytes it gave."""

    def read(self, size: int, /) -> bytes: ...
    def tell(self) -> int: ...


def read_header(file: Readable, *, largest: int = _LARGEST_ITEM) -> tuple[dict[str, bytes], bytes]:
    """The header's map and the sync marker. No item may be larger than `largest` bytes. Raises BrokenContainer."""
    if file.read(len(MAGIC)) != MAGIC:
        raise BrokenContainer("it does not begin as an Avro file")
    entries: dict[str, bytes] = {}
    while count := _read_long(file):
        if count < 0:  # then its size in bytes stands behind it
            count, _ = -count, _read_long(file)
        for _ in range(count):
            key = _read_item(file, largest)
            entries[key.decode("utf-8", "replace")] = _read_item(file, largest)
            if len(entries) > _MOST_ENTRIES:
                raise BrokenContainer("its header is not readable")
    return entries, _exactly(file, SYNC_BYTES)


def read_blocks(file: Readable, sync: bytes, *, largest: int = _LARGEST_ITEM) -> Iterator[Block]:
    """The blocks from where the file stands to its end, one in memory at a time. Raises BrokenContainer, also for one beyond `largest`."""
    while True:
        rows = _read_long(file, end_is_fine=True)
        if rows is None:
            return
        place = file.tell()
        data = _read_item(file, largest)
        if rows < 0 or _exactly(file, SYNC_BYTES) != sync:
            raise BrokenContainer(f"the block at byte {place} does not end with the file's sync marker")
        yield Block(rows, data)


def _counted(data: bytes) -> bytes:
    return encode_long(len(data)) + data


def _exactly(file: Readable, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise BrokenContainer(f"it ends in the middle of a block, at byte {file.tell()}")
    return data


def _read_item(file: Readable, largest: int) -> bytes:
    size = _read_long(file)
    if size is None or not 0 <= size <= largest:
        raise BrokenContainer(f"an impossible length ({size}) stands before byte {file.tell()}")
    return _exactly(file, size)


def _read_long(file: Readable, *, end_is_fine: bool = False) -> int | None:
    value = 0
    for position in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            if end_is_fine and position == 0:
                return None
            raise BrokenContainer(f"it ends in the middle of a number, at byte {file.tell()}")
        value |= (byte[0] & 0x7F) << (7 * position)
        if byte[0] < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise BrokenContainer(f"a number before byte {file.tell()} is too long")
