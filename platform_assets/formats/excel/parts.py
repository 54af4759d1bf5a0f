"""The parts of a workbook's archive as streams, under the limits and checks of archives. Only here archives are opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.containers.region import Region
from platform_assets.formats.containers.zip_container import ZipEntry, entry_origin, zip_entries
from platform_assets.formats.excel.xml_stream import BadXml

_CHUNK = 1 << 20


class Parts:
    """Opens parts by name, without regard to case. Raises UnreadableDump for a broken archive, LimitExceeded."""

    def __init__(self, path: Path, name: str, source: SourceSettings) -> None:
        self._budget = Budget(name, source.name, source.limits)
        self._archive = Region(path)
        entries, _ = zip_entries(self._archive, name, self._budget)
        self._entries: dict[str, ZipEntry] = {entry.name.lower(): entry for entry in entries}

    def __contains__(self, part: str) -> bool:
        return part.lower() in self._entries

    @contextmanager
    def open(self, part: str) -> Iterator[BinaryIO]:
        """Raises BadXml when the part is missing; reading raises EOFError, OSError and LimitExceeded."""
        entry = self._entries.get(part.lower())
        if entry is None:
            raise BadXml(f"its part {part} is missing")
        with entry_origin(self._archive, entry, f"{self._budget.dump}/{part}").stream(self._budget) as stream:
            yield stream

    def prove(self) -> None:
        """Unpacks all parts once, so that limits and checksums are looked at before another program does it."""
        for name in self._entries:
            with self.open(name) as stream:
                while stream.read(_CHUNK):
                    continue
