"""Which names of members are taken, left out as junk, or refused."""

from __future__ import annotations

import re

from platform_assets.errors import UnreadableDump

_JUNK = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


def is_junk(name: str) -> bool:
    """Files that operating systems leave behind, and dot files: no part of a dump (the dump's hash leaves out dot files as well)."""
    return bool(_JUNK.search(name))


def check_name(name: str, dump: str) -> None:
    """Raises UnreadableDump for a name that could lead out of a folder if anybody ever unpacked it."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or _DRIVE.match(name) or not name.strip("/ ."):
        raise UnreadableDump(
            f"{dump}: member {name!r} is no plain relative name (absolute, '..', a backslash or a drive letter). "
            "Nothing of the archive was read; pack it again with relative names.",
            dump=dump,
            member=name,
        )
