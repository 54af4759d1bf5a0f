"""What formats share whose members each hold whole tables: which members are theirs, names of tables without twins, the verdict.

Not here: delimited text, whose members are one table each under a dialect (delimited.reader).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Member, Notice
from platform_assets.formats.containers.opening import ignored_notices
from platform_assets.formats.delimited.member import Verdict
from platform_assets.formats.delimited.reader import governed_names, table_names

_DOCUMENTS = (".md", ".pdf", ".html", ".htm", ".rst", ".log")
_DOCUMENT_NAMES = ("readme", "license", "licence", "changelog", "notice", "copying")

Reading = Generator[Event, None, bool]
"""The events of one member; what it returns says whether the member proved that it is whole."""


@dataclass
class Context:
    """What a reader of members gets besides the member: settings, dictionary, the names given so far."""

    source: SourceSettings
    dictionary: Mapping[str, Table]
    _taken: set[str] = field(default_factory=set)

    def table_name(self, wanted: str, member_table: str, member: Member) -> tuple[str, list[Notice]]:
        """A table's name: as the dictionary writes it where only the case differs; `member.table` where another table has it already."""
        name = governed_names([wanted], self.dictionary)[0]
        notices = []
        if name != wanted:
            message = f"{wanted} is taken for the dictionary's {name}: the names differ in case alone."
            notices.append(Notice("table-case", message, member.name, table=name))
        free, number = name, 2
        if free in self._taken and member_table != wanted:
            free = f"{member_table}.{wanted}"
        while free in self._taken:
            free, number = f"{name}_{number}", number + 1
        if free != name:
            message = f"{wanted} of {member.name} is called {free}: another table of the dump is called {name}."
            notices.append(Notice("table-renamed", message, member.name, table=free))
        self._taken.add(free)
        return free, notices


def claim(dump: Dump, mine: Callable[[Member], str | None]) -> str | None:
    """Why a dump is of a format: at least half of its members (documents aside) are. None when they are not."""
    candidates = [member for member in dump.members if not is_document(member)]
    reasons = [f"{member.name}: {reason}" for member in candidates if (reason := mine(member))]
    return reasons[0] if reasons and 2 * len(reasons) >= len(candidates) else None


def is_document(member: Member) -> bool:
    """Files that people put beside data."""
    path = PurePosixPath(member.name.lower())
    return path.suffix in _DOCUMENTS or path.stem in _DOCUMENT_NAMES


def read_members(
    dump: Dump,
    context: Context,
    *,
    tool: str,
    mine: Callable[[Member], str | None],
    read: Callable[[Member, str, Context], Reading],
) -> Iterator[Event]:
    """The events of all members and the verdict: complete when each proved itself whole or the container did, unknown when none can.

    Raises UnreadableDump when not a single table came about; LimitExceeded.
    """
    verdict = Verdict()
    for notice in ignored_notices(dump):
        yield verdict.watch(notice)
    forced = context.source.format == tool
    kept = []
    for member in dump.members:
        if mine(member) or (forced and not is_document(member)):
            kept.append(member)
        else:
            message = f"it was not read: it is not {tool}."
            yield verdict.watch(Notice("member-ignored", message, member.name, data_bearing=not is_document(member)))
    proven = True
    for member, name in zip(kept, table_names([member.name for member in kept]), strict=True):
        reading = read(member, name, context)
        proven &= yield from _watched(reading, verdict)
    yield verdict.finished(dump, tool, proven=proven)


def _watched(reading: Reading, verdict: Verdict) -> Reading:
    try:
        while True:
            yield verdict.watch(next(reading))
    except StopIteration as end:
        return bool(end.value)
    finally:
        reading.close()


def lost(member: Member, code: str, message: str, table: str | None = None, line: int | None = None) -> Notice:
    """Rows are or may be missing."""
    return Notice(code, message, member.name, line=line, table=table, data_bearing=True)
