"""The parts of a workbook's archive as streams, under the limits and checks of archives. Only here archives are opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.containers.unpacking import Budget, UnpackedStream
from platform_assets.formats.containers.zip_container import ZipEntry, zip_entries
from platform_assets.formats.excel.xml_stream import BadXml

_CHUNK = 1 << 20


class Parts:
    """Opens parts by name, without regard to case. Raises UnreadableDump for a broken archive, LimitExceeded."""

    def __init__(self, path: Path, name: str, source: SourceSettings) -> None:
        self._budget = Budget(name, source.name, source.limits)
        entries, _ = zip_entries(path, name, self._budget)
        self._entries: dict[str, ZipEntry] = {entry.name.lower(): entry for entry in entries}
        self._path = path

    def __contains__(self, part: str) -> bool:
        return part.lower() in self._entries

    @contextmanager
    def open(self, part: str) -> Iterator[BinaryIO]:
        """Raises BadXml when the part is missing; reading raises EOFError, OSError and LimitExceeded."""
        entry = self._entries.get(part.lower())
        if entry is None:
            raise BadXml(f"its part {part} is missing")
        section = entry.section(self._path)
        with UnpackedStream(entry.chunks(section), section, self._budget, f"{self._budget.dump}/{part}") as stream:
            yield cast(BinaryIO, stream)

    def prove(self) -> None:
        """Unpacks all parts once, so that limits and checksums are looked at before another program does it."""
        for name in self._entries:
            with self.open(name) as stream:
                while stream.read(_CHUNK):
                    continue
