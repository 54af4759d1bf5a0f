"""One order out of several: the versions that two documents know of one instance, by what each says of its own.

Evidence decides where it can; where nothing tells, the order in which the documents are named does, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from platform_assets.errors import PlatformError
from platform_assets.versions.order import Place


def joined(first: Sequence[Place], second: Sequence[Place]) -> tuple[tuple[Place, ...], str | None]:
    """The versions of both, oldest first, with new places, and what a person should know of it.

    Each sequence is in its own order. Raises PlatformError when they contradict each other on versions that both know.
    """
    names, others = [place.version for place in first], [place.version for place in second]
    shared = [name for name in names if name in others]
    again = [name for name in others if name in names]
    if shared != again:
        raise PlatformError(
            f"The documents contradict each other: one has the order {', '.join(shared)}, the other {', '.join(again)}. "
            "Export both again from one home.",
            first=shared,
            second=again,
        )
    if len(shared) in (len(names), len(others)):
        return _placed(first if len(names) >= len(others) else second), None
    merged = _by_moment(first, second)
    if merged is not None:
        return _placed(merged), None
    added = [place for place in second if place.version not in names]
    note = (
        f"nothing tells whether {names[-1]} or {added[-1].version} is newer ({first[0].instance}): taken in the order of the arguments, "
        "the last one is the newest"
    )
    return _placed([*first, *added]), note


def _by_moment(first: Sequence[Place], second: Sequence[Place]) -> list[Place] | None:
    """None where a version has no time, two have the same, or the times do not agree with an order that was found."""
    places = list({place.version: place for place in (*first, *second)}.values())
    moments = {place.moment for place in places}
    if None in moments or len(moments) < len(places) or any(place.evidence == "none" for place in places):
        return None
    ordered = sorted(places, key=lambda place: place.moment.isoformat() if place.moment else "")
    ranks = {place.version: rank for rank, place in enumerate(ordered)}
    for own in (first, second):
        if sorted(own, key=lambda place: ranks[place.version]) != list(own):
            return None
    return ordered


def _placed(places: Sequence[Place]) -> tuple[Place, ...]:
    return tuple(replace(place, place=number) for number, place in enumerate(places))
