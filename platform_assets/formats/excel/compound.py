"""How long a compound file (.xls) must be, by its own table of sectors. Not here: what is in it (calamine's business).

Source: [MS-CFB] 2.2 (header), 2.3 (FAT).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_HEADER = 512
_LEAST = 2 * _HEADER
_IN_HEADER = 109
"""Sectors of the table that the header itself lists: enough for 6.8 MB of sectors of 512 bytes."""
_FREE = 0xFFFFFFFF
_LARGEST_SHIFT = 12


def least_size(path: Path) -> int:
    """Bytes up to the end of the last sector in use, as far as the table of sectors tells; the least possible where it tells nothing."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return _LEAST
        shift = struct.unpack_from("<H", header, 30)[0]
        if not 7 <= shift <= _LARGEST_SHIFT:
            return _LEAST
        sector = 1 << shift
        tables = [number for number in struct.unpack_from(f"<{_IN_HEADER}I", header, 76) if number < _FREE - 5]
        needed = max((number + 2) * sector for number in tables) if tables else _LEAST
        for at, number in enumerate(tables):
            file.seek((number + 1) * sector)
            part = file.read(sector)
            used = np.flatnonzero(np.frombuffer(part[: len(part) // 4 * 4], "<u4") != _FREE)
            if len(used):
                needed = max(needed, (at * (sector // 4) + int(used[-1]) + 2) * sector)
        return needed
