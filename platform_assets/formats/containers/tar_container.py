"""The members of a tar archive, read header by header: what tarfile passes over in silence (a cut, a damaged header) is told here.

Source of the format: POSIX.1-2017 pax (ustar interchange format, pax extended headers), GNU tar manual 1.35, "Basic Tar Format" and
"GNU Extensions". Not here: unpacking; a packed tar is spooled before it is read (opening).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from platform_assets.errors import UnreadableDump
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.containers.names import check_name
from platform_assets.formats.containers.region import Region, Window

BLOCK = 512
_EXTENSION_BYTES = 1 << 20
"""A name or pax header longer than this is no honest one."""
_SCAN = 1 << 20
_REGULAR = (b"0", b"\0", b"7")
_KINDS = {
    b"1": "a hard link to {link!r}",
    b"2": "a symbolic link to {link!r}",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a pipe",
    b"M": "the continuation of a file that began in another volume",
    b"S": "a sparse file",
}
_PG_TAR = 3
"""archTar of pg_backup_archiver.h: the format number in the header of toc.dat."""


@dataclass(frozen=True)
class TarEntry:
    """One regular file: where its bytes lie. `offset` and `size` are within the archive, `size` as the header says it."""

    name: str
    offset: int
    size: int


@dataclass
class TarListing:
    """What an archive holds. `troubles` say where it is not whole, `skipped` (name, what it is) what was passed over."""

    entries: list[TarEntry] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class _Cut(Exception):
    """The archive ends where bytes of it should be. Never leaves this module."""


class _Bad(Exception):
    """A header that cannot be read. Never leaves this module."""


def is_tar(first: bytes) -> bool:
    """Whether 512 first bytes are a tar header: its checksum fits. Archives older than ustar have no other mark."""
    return len(first) >= BLOCK and first[0] != 0 and _checksum_fits(first[:BLOCK])


def is_postgres_tar(first: bytes) -> bool:
    """pg_dump -Ft: its first member is toc.dat of the archive format "tar". One document; the links between its parts are its reader's."""
    begin = first[BLOCK : BLOCK + 11]
    return first.startswith(b"toc.dat\0") and begin.startswith(b"PGDMP") and begin[10:] == bytes([_PG_TAR])


def tar_listing(region: Region, dump: str, budget: Budget) -> TarListing:
    """The files of an archive in its order; of several with one name the last, as tar itself would leave it.

    Raises UnreadableDump for unsafe names, LimitExceeded for too many members.
    """
    listing = TarListing()
    entries: dict[str, TarEntry] = {}
    with region.open() as window:
        for entry in _entries(window, listing):
            budget.members(1)
            check_name(entry.name, dump)
            if entry.name in entries:
                listing.skipped.append((entry.name, "an older member of the same name"))
                del entries[entry.name]
            entries[entry.name] = entry
    listing.entries = list(entries.values())
    return listing


def _entries(window: Window, listing: TarListing) -> Iterator[TarEntry]:
    at = 0
    archive_wide: dict[str, str] = {}
    try:
        while True:
            start = at
            header, own, at = _next_header(window, at, archive_wide)
            if header is None:
                _look_behind(window, at, listing)
                return
            size = _size(header, own, start)
            kind, name = header[156:157], _name(header, own)
            sparse = kind == b"S" or any(key.startswith("GNU.sparse.") for key in own)
            if kind == b"5" or (kind in (b"\0", b"D", b"V") and name.endswith("/")) or kind == b"V":
                size = 0 if kind != b"D" else size
            elif sparse:
                listing.skipped.append((own.get("GNU.sparse.name", name), _KINDS[b"S"]))
                at += _behind_sparse(window, header, at) if kind == b"S" else 0
            elif kind in _KINDS:
                listing.skipped.append((name, _KINDS[kind].format(link=own.get("linkpath", _text(header[157:257])))))
                size = 0 if kind != b"M" else size
            elif kind in _REGULAR or not kind.isdigit():
                yield TarEntry(name, at, size)
            at += -(-size // BLOCK) * BLOCK
    except _Cut:
        listing.troubles.append(
            f"the archive ends at byte {window.size:,} without the end-of-archive blocks: it was cut, or its writer did not finish"
        )
    except _Bad as error:
        listing.troubles.append(f"{error}; what lies behind was not read")


def _next_header(window: Window, at: int, archive_wide: dict[str, str]) -> tuple[bytes | None, dict[str, str], int]:
    """The next header of a file, what extended headers say of it, and where its data begin; no header at the end of the archive."""
    own = dict(archive_wide)
    while True:
        header = _read(window, at, BLOCK)
        if header == bytes(BLOCK):
            return None, own, at + BLOCK
        if not _checksum_fits(header):
            raise _Bad(f"the header at byte {at:,} is damaged (its checksum does not fit)")
        kind, start = header[156:157], at
        at += BLOCK
        if kind not in (b"x", b"g", b"X", b"L", b"K"):
            return header, own, at
        size = _number(header[124:136], start)
        if size > _EXTENSION_BYTES:
            raise _Bad(f"the extended header at byte {start:,} says that it has {size:,} bytes")
        data = _read(window, at, size)
        if kind == b"g":
            archive_wide.update(_pax(data, start))
            own.update(archive_wide)
        elif kind in b"xX":
            own.update(_pax(data, start))
        else:
            own["path" if kind == b"L" else "linkpath"] = _text(data)
        at += -(-size // BLOCK) * BLOCK


def _read(window: Window, at: int, size: int) -> bytes:
    window.seek(at)
    data = window.read(size)
    if len(data) < size:
        raise _Cut
    return data


def _checksum_fits(header: bytes) -> bool:
    """The sum of all bytes with the checksum's own as blanks; some old writers summed signed bytes."""
    digits = header[148:156].strip(b"\0 ")
    if not digits or digits.strip(b"01234567"):
        return False
    stated = int(digits, 8)
    total = sum(header) - sum(header[148:156]) + 8 * 32
    return stated == total or stated == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:])


def _number(field_bytes: bytes, at: int) -> int:
    """Octal text, or GNU's base 256 when the first bit is set."""
    if field_bytes[0] & 0x80:
        return int.from_bytes(bytes([field_bytes[0] & 0x7F]) + field_bytes[1:], "big")
    digits = field_bytes.strip(b"\0 ") or b"0"
    if digits.strip(b"01234567"):
        raise _Bad(f"the header at byte {at:,} has no size")
    return int(digits, 8)


def _size(header: bytes, own: dict[str, str], at: int) -> int:
    stated = own.get("size")
    if stated is None:
        return _number(header[124:136], at)
    if not stated.isascii() or not stated.isdigit():
        raise _Bad(f"the extended header at byte {at:,} has no size")
    return int(stated)


def _name(header: bytes, own: dict[str, str]) -> str:
    """The path without the `./` that `tar c .` writes before every name."""
    name = own.get("path")
    if name is None:
        name = _text(header[:100])
        prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
        name = f"{prefix}/{name}" if prefix else name
    while name.startswith("./") and name != "./":
        name = name[2:].lstrip("/")
    return name


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode()


def _pax(data: bytes, at: int) -> dict[str, str]:
    """Records `<length> <key>=<value>\\n`; the length counts the whole record."""
    found: dict[str, str] = {}
    while data.strip(b"\0"):
        digits, blank, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 10 else 0
        key, equals, value = data[len(digits) + 1 : length - 1].partition(b"=")
        if not blank or not equals or length > len(data) or data[length - 1 : length] != b"\n":
            raise _Bad(f"the extended header at byte {at:,} is damaged")
        found[_text(key)] = value.decode("utf-8", "backslashreplace")
        data = data[length:]
    return found


def _behind_sparse(window: Window, header: bytes, at: int) -> int:
    """Bytes of the sparse map that follow an old GNU sparse header before its data."""
    length, extended = 0, header[482]
    while extended:
        extended = _read(window, at + length, BLOCK)[504]
        length += BLOCK
    return length


def _look_behind(window: Window, at: int, listing: TarListing) -> None:
    """The end-of-archive is followed by zeros up to a full record; anything else is data that tar would not show either."""
    window.seek(at)
    while part := window.read(_SCAN):
        if part.count(0) != len(part):
            place = at + len(part) - len(part.lstrip(b"\0"))
            again = "a second archive, by its look" if is_tar(part[place - at :][:BLOCK]) else "no zeros"
            listing.troubles.append(
                f"behind the end-of-archive, from byte {place:,}, come more bytes ({again}), which were not read: "
                "bring archives that were strung together one by one"
            )
            return
        at += len(part)


def refuse_empty(listing: TarListing, dump: str) -> None:
    """Raises UnreadableDump for an archive that was cut before its first file."""
    if not listing.entries and listing.troubles:
        raise UnreadableDump(f"{dump}: no file of the tar archive can be read: {listing.troubles[0]}. Fetch it again.", dump=dump)
