"""Archives whose rows are packed by lz4 or zstd, as the same archives unpacked: the pg_restore at hand may be built without either.

Only what pg_dump 16 and later write (archive versions 1.15 and 1.16, the first that can be so packed); of anything else pg_restore is
the judge. Source of the layout: pg_backup_archiver.c (WriteHead, ReadToc) and pg_backup_custom.c of PostgreSQL 16 to 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platform_assets.formats.containers.frames import Packed
from platform_assets.formats.containers.unpacking import LZ4, ZSTD, Packing

_MAGIC = b"PGDMP"
_ALGORITHM = 11
"""Where the header says how rows are packed, behind version (3 bytes), width of integers, width of offsets, and form."""
_PACKINGS = {2: LZ4, 3: ZSTD}
SUFFIXES = (".lz4", ".zst")
"""Of files of a directory that are packed so."""
_VERSIONS = ((1, 15), (1, 16))
_RELKIND = (1, 16)
"""The version whose entries say the kind of relation."""
_LONGEST = 256 << 20
"""No string of a table of contents, and no piece of rows, is longer."""
_ROWS, _LARGE_OBJECTS = 1, 3


def packing_of_rows(head: bytes) -> Packing | None:
    """How the rows of the archive (or of the directory, by its toc.dat) with these first 12 bytes are packed, when by lz4 or zstd."""
    fits = head.startswith(_MAGIC) and len(head) > _ALGORITHM and tuple(head[5:7]) in _VERSIONS
    return _PACKINGS.get(head[_ALGORITHM]) if fits else None


def said_unpacked(head: bytes) -> bytes:
    """The same beginning of an archive, saying that its rows are not packed."""
    return head[:_ALGORITHM] + b"\0" + head[_ALGORITHM + 1 :]


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A custom archive as chunks, its rows unpacked when lz4 or zstd packed them; anything else goes through as it is.

    Offsets in the table of contents are no longer right, so it is for a pipe, on which pg_restore does not use them. Raises EOFError when
    the archive is cut, OSError when it is damaged, after what came before.
    """
    archive = Packed(chunks)
    head = archive.peek(_ALGORITHM + 1)
    packing = packing_of_rows(head)
    if packing is None:
        while data := archive.peek(1 << 20):
            yield archive.take(len(data))
        return
    yield said_unpacked(archive.take(_ALGORITHM + 1))
    yield from _Custom(archive, packing, int(head[8]), int(head[9]), tuple(head[5:7])).rest()


@dataclass(frozen=True)
class _Custom:
    """What stands behind the first 12 bytes. Everything read is given on, but pieces of rows, which are given unpacked."""

    archive: Packed
    packing: Packing
    integer_width: int
    offset_width: int
    version: tuple[int, ...]

    def rest(self) -> Iterator[bytes]:
        yield from self._integers(7)  # when it was made
        yield from self._strings(3)  # database, versions of server and pg_dump
        count, raw = self._integer()
        yield raw
        for _ in range(count):
            yield from self._entry()
        while kind := self.archive.peek(1):
            yield self.archive.take(1)
            yield self._integer()[1]
            if kind[0] == _ROWS:
                yield from self._rows()
            elif kind[0] == _LARGE_OBJECTS:
                yield from self._large_objects()
            else:
                raise OSError(f"a block of kind {kind[0]} in an archive of pg_dump")

    def _entry(self) -> Iterator[bytes]:
        """One entry of the table of contents, as ReadToc and _ReadExtraToc read it."""
        yield from self._integers(2)
        yield from self._strings(4)
        yield from self._integers(1)
        yield from self._strings(6)
        yield from self._integers(1 if self.version >= _RELKIND else 0)
        yield from self._strings(2)
        length = 0
        while length >= 0:
            length, raw = self._string()
            yield raw
        yield self.archive.take(1 + self.offset_width)

    def _rows(self) -> Iterator[bytes]:
        for data in self.packing.decode(self._pieces()):
            yield self._encoded(len(data)) + data
        yield self._encoded(0)

    def _pieces(self) -> Iterator[bytes]:
        while True:
            length, _ = self._integer()
            if length == 0:
                return
            if not 0 < length <= _LONGEST:
                raise OSError(f"a piece of {length:,} bytes in an archive of pg_dump")
            yield self.archive.take(length)

    def _large_objects(self) -> Iterator[bytes]:
        while True:
            number, raw = self._integer()
            yield raw
            if number == 0:
                return
            yield from self._rows()

    def _integers(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield self._integer()[1]

    def _strings(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield self._string()[1]

    def _integer(self) -> tuple[int, bytes]:
        """A sign and the bytes of the number, lowest first."""
        raw = self.archive.take(1 + self.integer_width)
        number = int.from_bytes(raw[1:], "little")
        return (-number if raw[0] else number), raw

    def _string(self) -> tuple[int, bytes]:
        """The length, -1 for none, and everything."""
        length, raw = self._integer()
        if length > _LONGEST:
            raise OSError(f"a text of {length:,} bytes in the table of contents of an archive of pg_dump")
        return length, raw + self.archive.take(max(length, 0))

    def _encoded(self, number: int) -> bytes:
        return b"\0" + number.to_bytes(self.integer_width, "little")
