"""Which kind of workbook bytes are. Not here: reading them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

Kind = Literal["xlsx", "xlsb", "ods", "xls"]
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ODS = b"application/vnd.oasis.opendocument.spreadsheet"


def kind_of(path: Path) -> Kind | None:
    """The kind of a whole file; None for what is no workbook (a broken archive as well)."""
    with path.open("rb") as file:
        first = file.read(8)
        if first == _COMPOUND:
            return "xls"
        if not first.startswith(b"PK"):
            return None
        try:
            with zipfile.ZipFile(file) as archive:
                return _of_archive(archive)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError):
            return None


def _of_archive(archive: zipfile.ZipFile) -> Kind | None:
    names = {info.filename.lower() for info in archive.infolist()}
    if "[content_types].xml" in names:
        return "xlsx" if "xl/workbook.xml" in names else "xlsb" if "xl/workbook.bin" in names else None
    if "mimetype" not in names or "content.xml" not in names:
        return None
    info = archive.infolist()[0]
    if info.filename != "mimetype" or info.compress_type != zipfile.ZIP_STORED or info.file_size > 100:
        return None
    return "ods" if archive.read(info).startswith(_ODS) else None


def looks_like(head: bytes) -> bool:
    """Whether first bytes may be those of a workbook; only the whole file tells."""
    if head.startswith(_COMPOUND):
        return True
    if not head.startswith(b"PK\x03\x04"):
        return False
    return any(name in head for name in (b"[Content_Types].xml", b"_rels/.rels", b"xl/", b"docProps/", _ODS))
