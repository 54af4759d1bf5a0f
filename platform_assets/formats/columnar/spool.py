"""A member's bytes as a file that can be sought in: formats whose directory stands at their end need one.

The copy is private; where the system allows it has no name, so that it vanishes with the process, however that ends.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from platform_assets.formats.base import Member

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Spooled:
    """`path` opens the copy anew, while the context lasts; `error` is what ended the stream before its end."""

    path: Path
    size: int
    error: Exception | None


@contextmanager
def spooled(member: Member, *, named: bool = False) -> Iterator[Spooled]:
    """Copies a member to a temporary file; a cut stream is told, not raised. Raises OSError when the disk is full, and LimitExceeded.

    `named`: the copy keeps a name (readable by this user alone), for libraries that go by it; it is taken away at the end.
    """
    number, name = tempfile.mkstemp(prefix="platform-assets-")
    path, has_name = Path(name), True
    try:
        with os.fdopen(number, "wb") as file:
            by_number = Path(f"/proc/self/fd/{number}")
            if by_number.exists() and not named:
                path.unlink()
                path, has_name = by_number, False
            error = _copied(member, file)
            file.flush()
            yield Spooled(path, file.tell(), error)
    finally:
        if has_name:
            path.unlink(missing_ok=True)


def _copied(member: Member, target: BinaryIO) -> Exception | None:
    try:
        stream = member.open()
    except (EOFError, OSError) as error:
        return error
    with stream:
        while True:
            try:
                chunk = stream.read(_CHUNK)
            except (EOFError, OSError) as error:
                return error
            if not chunk:
                return None
            target.write(chunk)
