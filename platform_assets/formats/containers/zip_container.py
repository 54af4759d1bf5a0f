"""The members of a ZIP archive, read with our own eyes: names, overlaps and methods are checked, sizes and CRC proven on reading.

zipfile reads the central directory only. It would take overlapping entries, and it loses what it had read when a CRC does not fit.
Source of the format: APPNOTE.TXT 6.3.10 of PKWARE (local header 4.3.7, methods 4.4.5, flags 4.4.4).
"""

from __future__ import annotations

import bz2
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from platform_assets.errors import UnreadableDump
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.containers.names import check_name
from platform_assets.formats.containers.region import Region, Section
from platform_assets.formats.containers.stream import Origin
from platform_assets.formats.containers.unpacking import Decoder, ZlibDecoder, decode

MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_LOCAL_HEADER = 30
_DECODERS: dict[int, Callable[[], Decoder]] = {
    zipfile.ZIP_DEFLATED: lambda: ZlibDecoder(-zlib.MAX_WBITS),
    zipfile.ZIP_BZIP2: bz2.BZ2Decompressor,
}
_MIMETYPE_BYTES = 200


@dataclass(frozen=True)
class ZipEntry:
    """One file of an archive: where its packed bytes lie and what they must unpack to."""

    name: str
    method: int
    header_offset: int
    packed: int
    unpacked: int
    crc: int

    def chunks(self, section: Section) -> Iterator[bytes]:
        """The unpacked bytes. Raises EOFError when they end early and OSError when size or CRC do not fit, after the last byte."""
        packed = section.chunks()
        if self.method == zipfile.ZIP_STORED:
            source = packed
        else:
            source = decode(packed, _DECODERS[self.method], b"\x00 no second member in a ZIP entry")
        crc, size = 0, 0
        for chunk in source:
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            yield chunk
        if size != self.unpacked or crc != self.crc:
            raise OSError(f"{size:,} bytes with CRC {crc:08x}, but the archive's directory says {self.unpacked:,} with {self.crc:08x}")

    def section(self, archive: Region) -> Section:
        """The packed bytes, behind the local header. Raises OSError when there is no local header."""
        return Section(self.region(archive))

    def region(self, archive: Region) -> Region:
        with archive.open() as window:
            window.seek(self.header_offset)
            header = window.read(_LOCAL_HEADER)
        if not header.startswith(MAGICS[0]) or len(header) < _LOCAL_HEADER:
            raise OSError(f"member {self.name}: no local header at byte {self.header_offset:,}. Fetch the dump again.")
        behind = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return archive.part(self.header_offset + _LOCAL_HEADER + behind, self.packed)


def zip_entries(region: Region, dump: str, budget: Budget) -> tuple[list[ZipEntry], list[str]]:
    """The files of an archive in its own order, and the names of entries that cannot hold a table (links, older twins).

    Raises UnreadableDump for a cut or broken directory, unsafe names, encryption, overlaps and unknown methods; LimitExceeded.
    """
    try:
        with region.open() as window, zipfile.ZipFile(cast(BinaryIO, window)) as archive:
            found = archive.infolist()
            end = archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise UnreadableDump(
            f"{dump}: the ZIP archive is cut short or damaged: its directory, at the end of the file, cannot be read ({error}). "
            "Copy the complete file again and put it in the place of this one.",
            dump=dump,
        ) from error
    budget.members(len(found))
    for info in found:
        check_name(info.orig_filename, dump)
    _check_overlaps(found, end, dump)
    newest = {info.filename: info for info in found}
    ignored = [info.filename for info in found if newest[info.filename] is not info or _is_link(info)]
    kept = [info for info in found if newest[info.filename] is info and not info.is_dir() and not _is_link(info)]
    return [_entry(info, dump) for info in kept], ignored


def entry_origin(archive: Region, entry: ZipEntry, name: str, *, inflation: float = 1.0) -> Origin:
    """An entry's bytes as they are to be read, its own packing taken off."""

    def start() -> tuple[Iterator[bytes], Section]:
        section = entry.section(archive)
        return entry.chunks(section), section

    return Origin(name, entry.packed, start, inflation=inflation)


def is_workbook(archive: Region, entries: Sequence[ZipEntry]) -> bool:
    """An Office Open XML workbook (ECMA-376 part 2: `[Content_Types].xml`) or an OpenDocument one (part 3 of 1.3, 2.2.4: `mimetype`)."""
    names = {entry.name for entry in entries}
    if "[Content_Types].xml" in names and names & {"xl/workbook.xml", "xl/workbook.bin"}:
        return True
    kind = next((entry for entry in entries if entry.name == "mimetype"), None)
    if kind is None or kind.method != zipfile.ZIP_STORED or kind.packed > _MIMETYPE_BYTES:
        return False
    section = kind.section(archive)
    try:
        return b"".join(section.chunks()).startswith(b"application/vnd.oasis.opendocument.spreadsheet")
    finally:
        section.close()


def _entry(info: zipfile.ZipInfo, dump: str) -> ZipEntry:
    if info.flag_bits & 0x1:
        raise UnreadableDump(
            f"{dump}: member {info.filename!r} is encrypted. Unpack the archive with its password and bring the files as a folder, "
            "or pack them again without a password.",
            dump=dump,
            member=info.filename,
        )
    if info.compress_type != zipfile.ZIP_STORED and info.compress_type not in _DECODERS:
        name = zipfile.compressor_names.get(info.compress_type, "unknown")  # type: ignore[attr-defined]
        raise UnreadableDump(
            f"{dump}: member {info.filename!r} is packed with method {info.compress_type} ({name}); stored, deflate and bzip2 can be "
            "read. Pack the archive again with deflate.",
            dump=dump,
            member=info.filename,
        )
    return ZipEntry(info.filename, info.compress_type, info.header_offset, info.compress_size, info.file_size, info.CRC)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _check_overlaps(found: list[zipfile.ZipInfo], directory: int, dump: str) -> None:
    """Bombs of overlapping entries unpack the same bytes many times; an honest archive has every byte in one entry only."""
    ordered = sorted(found, key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in ordered), directory][1 : len(ordered) + 1]
    for info, following in zip(ordered, starts, strict=True):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > following:
            raise UnreadableDump(
                f"{dump}: member {info.filename!r} at byte {info.header_offset:,} overlaps what follows it at byte {following:,}: "
                "the archive is damaged or a bomb. Nothing of it was read; pack it again.",
                dump=dump,
                member=info.filename,
                offset=info.header_offset,
            )
