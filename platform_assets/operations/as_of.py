"""The state of a table at a version or a time, under the schema of that day. Read from the snapshots; nothing is stored.

A version speaks for its own instance; a time for all of them. The order of the versions counts, not their times alone: what stands
before a version in the order was there before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from platform_assets.errors import NothingThen, PlatformError
from platform_assets.operations.latest import merged
from platform_assets.operations.ordering import source_order
from platform_assets.operations.timeline import TableVersion, Timeline, timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import LatestState
from platform_assets.versions.order import Place


@dataclass(frozen=True)
class StateAt:
    """A state of the past; `versions` are those that had come by then, `newest` the last of them per instance."""

    state: LatestState
    versions: tuple[TableVersion, ...]

    @property
    def newest(self) -> tuple[TableVersion, ...]:
        return tuple({version.instance: version for version in self.versions}.values())


def moment_of(text: str) -> datetime | None:
    """A time as a person writes it, ISO 8601, naive in UTC; a day alone means its end. None for what is no time."""
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time.max)
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


_TIMES = "A time is written like 2024-05-31 or 2024-05-31T12:00:00."
At = str | datetime | Place
"""A version by its key or label, a time, or the place of a version, which need not have the table itself."""


def point_named(settings: Settings, catalog: Catalog, source: str, text: str) -> At:
    """What a person means for all tables of a source: the place of a version, else a time.

    A label that reads like a time is the version's. Raises PlatformError for what is neither, or a label that several versions bear.
    """
    places = source_order(settings, catalog, source)
    found = [place for place in places if text in (place.version, place.version.split(".")[1])]
    moment = moment_of(text)
    if not found and moment is not None:
        return moment
    if len(found) != 1:
        why = (
            f"{len(found)} versions of {source} bear the label {text!r}"
            if found
            else f"{source} has no version {text!r}, nor is that a time"
        )
        known = ", ".join(place.version for place in (found or places)[-20:]) or "none"
        raise PlatformError(f"{why}. There are: {known}. {_TIMES}", source=source, version=text)
    return found[0]


def timeline_at(timeline: Timeline, at: At) -> Timeline:
    """The versions that had come at a version (its key or label) or a time.

    Raises PlatformError when there is no such version, a label that several versions bear, or nothing that had come by then.
    """
    name = f"{timeline.source}.{timeline.table}"
    if isinstance(at, Place):
        come = [v for v in timeline.instances.get(at.instance, ()) if v.place.place <= at.place]
        if not come:
            raise NothingThen(f"Nothing of {name} had come with version {at.version}.", table=name, version=at.version)
        return timeline.narrowed(come)
    moment = at if isinstance(at, datetime) else moment_of(at)
    if moment is None:
        found = [version for version in timeline.versions if at == version.version or at == version.version.split(".")[1]]
        if len(found) != 1:
            known = ", ".join(version.version for version in (found or timeline.versions)[-20:])
            why = f"{len(found)} versions bear the label {at!r}" if found else f"{name} has no version {at!r}, and that is no time either"
            raise PlatformError(f"{why}. There are: {known}. {_TIMES}", table=name)
        (wanted,) = found
        return timeline.narrowed([v for v in timeline.instances[wanted.instance] if v.place.place <= wanted.place.place])
    come = []
    for versions in timeline.instances.values():
        dated = [v.place.place for v in versions if v.place.moment is not None and v.place.moment <= moment]
        come += [v for v in versions if dated and v.place.place <= max(dated)]
    if not come:
        times = sorted(v.place.moment for v in timeline.versions if v.place.moment is not None)
        known = f"the first came at {times[0]}" if times else "no version of it says when it was made: name a version instead"
        raise NothingThen(f"Nothing of {name} had come at {moment}: {known}.", table=name)
    return timeline.narrowed(come)


@contextmanager
def state_at(settings: Settings, catalog: Catalog, source: str, table: str, at: At) -> Iterator[StateAt]:
    """The state at a version or a time, readable inside the block. Raises what timeline_of and timeline_at raise."""
    then = timeline_at(timeline_of(settings, catalog, source, table), at)
    folder = Home(settings.home).store / "work" / f"as-of-{secrets.token_hex(6)}"
    state = merged(settings, then, folder, under=schema_then)
    try:
        yield StateAt(state, then.versions)
    finally:
        state.discard()


def schema_then(timeline: Timeline, chosen: frozenset[str]) -> Timeline:
    """The versions whose columns the table had on the last day of a timeline: from the newest full dump of each instance on.

    Older ones count only while rows of theirs (`chosen`) are still there.
    """
    floors = {instance: max((v.place.place for v in versions if v.full), default=0) for instance, versions in timeline.instances.items()}
    return timeline.narrowed([v for v in timeline.versions if v.place.place >= floors[v.instance] or v.version in chosen])
