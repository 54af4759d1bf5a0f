"""What the containers of a dump tell reaches its events, whichever format reads it: data left out anywhere makes the dump partial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from platform_assets.formats.base import Dump, Event, Finished, Notice
from platform_assets.formats.containers.opening import ignored_notices


def told(dump: Dump, events: Iterator[Event]) -> Iterator[Event]:
    """The events of a reader; before its Finished the containers' notices that it did not give itself, and their part in the verdict."""
    left = dict.fromkeys(ignored_notices(dump))
    for event in events:
        if not isinstance(event, Finished):
            if isinstance(event, Notice):
                left.pop(event, None)
            yield event
            continue
        yield from left
        reasons = tuple(f"{notice.member}: {notice.message}" for notice in left if notice.data_bearing)
        yield replace(event, completeness="partial", reasons=(*event.reasons, *reasons)) if reasons else event
