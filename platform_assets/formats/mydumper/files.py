"""What each file of a mydumper folder is, by its name alone, and in which order they are to be read.

Names: mydumper's documentation, "Output Files": `db-schema-create.sql`, `db.table-schema.sql`, `db.table.sql`, `db.table.00000.sql`,
`db.table.00000.00001.sql`, `db.table-schema-view.sql`, `-schema-triggers`, `-schema-sequence`, `db-schema-post.sql`, `metadata`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath

from platform_assets.formats.base import Member
from platform_assets.formats.delimited.look import PACKED_SUFFIXES

_CHUNKS = re.compile(r"((?:\.[0-9]+){1,2})$")


class Kind(IntEnum):
    """In the order of reading."""

    DATABASE = 0
    TABLE = 1
    SEQUENCE = 2
    DATA = 3
    VIEW = 4
    OTHER = 5
    METADATA = 6
    COUNT = 7
    IGNORED = 8


_ENDINGS = (
    ("-schema-create.sql", Kind.DATABASE),
    ("-schema-sequence.sql", Kind.SEQUENCE),
    ("-schema-view.sql", Kind.VIEW),
    ("-schema-triggers.sql", Kind.OTHER),
    ("-schema-post.sql", Kind.OTHER),
    ("-schema-create-tablespace.sql", Kind.OTHER),
    ("-schema.sql", Kind.TABLE),
    (".sql", Kind.DATA),
    ("-metadata", Kind.COUNT),
)


@dataclass(frozen=True)
class DumpFile:
    """A member and what it is. `stem` is `db.table`, or `db` for what belongs to a database; `chunk` are its numbers."""

    member: Member
    kind: Kind
    stem: str
    chunk: tuple[int, ...] = ()

    @property
    def packed(self) -> bool:
        """Whether its name says that it is packed."""
        return PurePosixPath(self.member.name.lower()).suffix in PACKED_SUFFIXES


def files_of(members: Sequence[Member]) -> list[DumpFile]:
    """All members in the order in which they are to be read: chunks by number, not by text."""
    named = [(member, _bare(member.name)) for member in members]
    schemas = {bare.removesuffix("-schema.sql") for _, bare in named if bare.endswith("-schema.sql")}
    files = [_file(member, bare, schemas) for member, bare in named]
    return sorted(files, key=lambda file: (file.kind, file.stem, file.chunk, file.member.name))


def _bare(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in PACKED_SUFFIXES else path.name


def _file(member: Member, bare: str, schemas: set[str]) -> DumpFile:
    if bare in ("metadata", "metadata.partial"):
        return DumpFile(member, Kind.METADATA, bare)
    for ending, kind in _ENDINGS:
        if bare.endswith(ending):
            stem = bare.removesuffix(ending)
            chunks = _CHUNKS.search(stem) if kind is Kind.DATA and stem not in schemas else None
            if chunks is None:
                return DumpFile(member, kind, stem)
            return DumpFile(member, kind, stem[: chunks.start()], tuple(int(number) for number in chunks[1][1:].split(".")))
    return DumpFile(member, Kind.IGNORED, bare)


def database_of(file: DumpFile, databases: Sequence[str]) -> str:
    """The database that a file belongs to: the longest known one that its name begins with, else what stands before the first point."""
    if file.kind is Kind.DATABASE or file.stem in databases:
        return file.stem
    known = [name for name in databases if file.stem.startswith(f"{name}.")]
    return max(known, key=len) if known else file.stem.partition(".")[0]
