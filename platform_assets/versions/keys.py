"""Names that are safe everywhere: partition keys, folder names. Made here and nowhere else.

Dagster takes any string as a partition key and puts it into paths and ranges; these functions are why ours cannot harm.
"""

from __future__ import annotations

import hashlib
import re

from platform_assets.errors import UnknownSource

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}")
_PLAIN_FOLDER = re.compile(r"[a-z0-9_][a-z0-9_-]{0,59}")
_RESERVED = {"catalog", "metrics", "public", "information_schema", "pg"}
"""Schemas with a meaning of their own; of `pg` the schema pg_versions would be PostgreSQL's."""
_SUFFIXES = ("_versions", "_history")


def checked_source(name: str) -> str:
    """The name itself. Raises UnknownSource when it cannot be a source: it becomes a folder and three schemas."""
    lowered = name.lower()
    if not _SOURCE.fullmatch(name) or lowered in _RESERVED or lowered.startswith(("pg_", "platform_")) or lowered.endswith(_SUFFIXES):
        raise UnknownSource(
            f"{name!r} cannot be the name of a source: use 1 to 41 letters, digits, '_' or '-', beginning with a letter, "
            f"not {', '.join(sorted(_RESERVED))}, not pg_... or platform_..., not ending with {' or '.join(_SUFFIXES)}. "
            "Rename the folder under dumps/ or pass --source.",
            source=name,
        )
    return name


def version_key(source: str, label: str, sha256: str, digits: int = 8) -> str:
    """`source.label.hash8`, at most 120 characters of [A-Za-z0-9._-], with exactly two dots."""
    safe = _UNSAFE.sub("-", label).strip("-")[:60] or "dump"
    return f"{checked_source(source)}.{safe}.{sha256[:digits]}"


def table_key(source: str, table: str) -> str:
    """`source.table`; a name with other characters than [A-Za-z0-9_-] is made safe and gets six digits of its hash."""
    safe = _UNSAFE.sub("-", table)
    if safe == table and len(table) <= 70:
        return f"{source}.{table}"
    return f"{source}.{safe.strip('-')[:60]}-{_digest(table)}"


def folder_name(name: str) -> str:
    """A folder name for any text: plain lower-case names as they are, others made safe with six digits of their hash.

    Upper case counts as other, since two names that differ in case alone are one folder on some file systems.
    """
    if _PLAIN_FOLDER.fullmatch(name):
        return name
    return f"{_UNSAFE.sub('-', name).strip('-').lower()[:50]}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
