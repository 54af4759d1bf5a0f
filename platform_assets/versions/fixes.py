"""Where rows that were handed back stand in the order: right behind the version that they mend, as if it had held them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from platform_assets.versions.order import Place


@dataclass(frozen=True)
class Fix:
    """A version of rows that were handed back; `at` is when, as ISO 8601."""

    version: str
    replays: str
    at: str


def with_fixes(places: Sequence[Place], fixes: Iterable[Fix]) -> tuple[Place, ...]:
    """The places with the fixes among them, numbered anew per instance. Those of a version that is not there are left out.

    Fixes of one version stand in the order in which they were handed back; a fix of a fix right behind it.
    """
    mending: dict[str, list[Fix]] = {}
    for fix in sorted(fixes, key=lambda fix: (fix.at, fix.version)):
        mending.setdefault(fix.replays, []).append(fix)
    line: list[Place] = []
    waiting = list(reversed(places))
    while waiting:
        place = waiting.pop()
        line.append(place)
        for fix in reversed(mending.get(place.version, [])):
            reason = f"rows of {place.version} that were handed back"
            waiting.append(replace(place, version=fix.version, reason=reason, ties=(), contradictions=()))
    numbers: dict[str, int] = {}
    numbered = []
    for place in line:
        numbers[place.instance] = numbers.get(place.instance, -1) + 1
        numbered.append(replace(place, place=numbers[place.instance]))
    return tuple(numbered)
