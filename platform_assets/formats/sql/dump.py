"""A dump of scripts, member by member: which are read, what becomes of those that cannot be, and the order of what is told.

What a member's statements do, and the verdict on the whole, is the dialect's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.sql.tables import Tables
from platform_assets.formats.sql.text import Losses, head_of
from platform_assets.formats.sql.tokens import STREAM_ERRORS


class Opened(Protocol):
    """A member that is open."""

    def close(self) -> None: ...


OpenedT = TypeVar("OpenedT", bound=Opened)


class Verdict(Protocol):
    """What was seen on the way that decides whether the dump is whole."""

    reasons: list[str]
    read_any: bool

    def finished(self, losses: Losses) -> Finished: ...


@dataclass(frozen=True)
class Door(Generic[OpenedT]):
    """How a dialect reads a member: opens it (STREAM_ERRORS), tells whether it is its own, what is said if not, and its events."""

    opened: Callable[[Member], OpenedT]
    related: Callable[[OpenedT], bool]
    ignored: Callable[[Member], Notice]
    events: Callable[[OpenedT, Member], Iterator[Event]]


def recognized(dump: Dump, reason_in: Callable[[bytes], str | None]) -> str | None:
    """The first member of whose first bytes something tells the dialect, and what."""
    for member in dump.members:
        reason = reason_in(head_of(member))
        if reason:
            return f"{member.name}: {reason}"
    return None


def dump_events(dump: Dump, source: SourceSettings, tables: Tables[Any, Any], verdict: Verdict, door: Door[OpenedT]) -> Iterator[Event]:
    """All events of the dump. Raises UnreadableDump when no member holds a byte that can be read."""
    losses = Losses()
    ignored: list[Event] = []
    for member in dump.members:
        try:
            opened = door.opened(member)
        except STREAM_ERRORS as error:
            verdict.reasons.append(f"{member.name}: it cannot be opened ({type(error).__name__}: {error})")
            continue
        try:
            if len(dump.members) > 1 and source.format is None and not door.related(opened):
                ignored.append(losses.saw(door.ignored(member)))
                continue
            for event in door.events(opened, member):
                yield losses.saw(event)
        finally:
            opened.close()
    check_read(dump, verdict)
    yield from ignored
    for event in tables.last():
        yield losses.saw(event)
    yield verdict.finished(losses)


def check_read(dump: Dump, verdict: Verdict) -> None:
    """Raises UnreadableDump when nothing was read."""
    if not verdict.read_any:
        raise UnreadableDump(f"{dump.name}: nothing in it can be read: {'; '.join(verdict.reasons) or 'it is empty'}.", dump=dump.name)
