"""Which members of a dump are definitions and which are rows, by their names and first bytes. Nothing is read here beyond those.

File names are in the server's encoding of identifiers (MySQL manual, "Mapping of Identifiers to File Names"): what is no letter, digit
or underscore is `@` and four hexadecimal digits. The other forms of that encoding (`@` and two characters for some accented letters)
stay as they are; a table's name is taken from its CREATE TABLE anyhow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from platform_assets.formats.base import Dump, Member
from platform_assets.formats.delimited.look import PACKED_SUFFIXES
from platform_assets.formats.mysql.reader import reason_in
from platform_assets.formats.sql.text import head_of

_CODE = re.compile(r"@([0-9a-f]{4})")
_CREATE = re.compile(rb"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:`((?:[^`]|``)+)`|(\w+))", re.IGNORECASE)
_INSERT = re.compile(rb"^\s*(?:INSERT|REPLACE)\s+INTO\s", re.IGNORECASE | re.MULTILINE)
_PAPERS = re.compile(r"(?i)(?:read_?me|licen[cs]e|copying|change_?s|changelog|checksums?|notes?|about)\b.*")


@dataclass(frozen=True)
class Layout:
    """`definitions` are SQL, `rows` are .txt, `others` neither."""

    definitions: tuple[Member, ...]
    rows: tuple[Member, ...]
    others: tuple[Member, ...]


def stem_of(name: str) -> str:
    """The path without the suffixes: what a table's two files have in common."""
    path = PurePosixPath(name)
    return str((path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path).with_suffix(""))


def suffix_of(name: str) -> str:
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in PACKED_SUFFIXES else path.suffix


def table_of(name: str) -> str:
    """The table's name that a file's name stands for."""
    return _CODE.sub(lambda found: chr(int(found[1], 16)), PurePosixPath(stem_of(name)).name)


def folder_of(name: str) -> str:
    return PurePosixPath(name).parent.name


def layout_of(dump: Dump) -> Layout:
    """A .sql is a definition whatever is in it; a .txt holds rows unless it is SQL or a paper that lies beside."""
    definitions, rows, others = [], [], []
    stems = {stem_of(member.name) for member in dump.members if suffix_of(member.name) == ".sql"}
    for member in dump.members:
        suffix = suffix_of(member.name)
        if suffix == ".sql":
            definitions.append(member)
        elif suffix == ".txt" and (stem_of(member.name) in stems or not _PAPERS.fullmatch(table_of(member.name))):
            rows.append(member)
        else:
            others.append(member)
    return Layout(tuple(definitions), tuple(rows), tuple(others))


def pair_in(members: Sequence[Member]) -> tuple[Member, Member] | None:
    """A definition and the rows that belong to it; None when no two members are such a pair.

    The .sql is one of MySQL, and a .txt is named by a table that it creates, or has its stem while it creates one table and fills none.
    """
    texts: dict[str, Member] = {}
    for member in members:
        if suffix_of(member.name) == ".txt":
            texts.setdefault(stem_of(member.name), member)
    if not texts:
        return None
    for member in members:
        if suffix_of(member.name) != ".sql":
            continue
        head = head_of(member)
        names = [(found[1] or found[2]).replace(b"``", b"`").decode("utf-8", "replace") for found in _CREATE.finditer(head)]
        if not names or reason_in(head) is None:
            continue
        folder = str(PurePosixPath(member.name).parent)
        by_name = [text for text in texts.values() if str(PurePosixPath(text.name).parent) == folder and table_of(text.name) in names]
        beside = texts.get(stem_of(member.name))
        if beside is not None and (beside in by_name or (len(names) == 1 and not _INSERT.search(head))):
            by_name.insert(0, beside)
        for text in by_name[:3]:
            if reason_in(head_of(text)) is None:
                return member, text
    return None
