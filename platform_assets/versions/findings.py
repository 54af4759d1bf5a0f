"""What a person must settle in an order, and above all what speaks against it: contradictions. They change no place.

A contradiction is a kind of evidence by which a version placed earlier is the newer one. Each kind is looked at alone, between
neighbours among the versions that have it: where none of these is turned round, none is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from platform_assets.versions.evidence import KINDS, Kind, VersionFacts, compared


@dataclass(frozen=True)
class Finding:
    """Something in the order that a person must settle. `versions` are those that it concerns, oldest first."""

    kind: Literal["contradiction", "tie", "undecided", "declaration"]
    instance: str | None
    versions: tuple[str, ...]
    text: str


def contradictions(chain: Sequence[VersionFacts]) -> list[Finding]:
    """One finding per pair of neighbours and kind; `chain` is one instance's, oldest first."""
    return [
        Finding("contradiction", a.instance, (a.version, b.version), _text(a, b, kind))
        for kind in KINDS
        for a, b in _neighbours(chain, kind)
        if kind.compare(kind.value(a), kind.value(b)) == 1
    ]


def _neighbours(chain: Sequence[VersionFacts], kind: Kind) -> list[tuple[VersionFacts, VersionFacts]]:
    families: dict[str, list[VersionFacts]] = defaultdict(list)
    for facts in chain:
        value = kind.value(facts)
        if value is not None and kind.contradicts(facts):
            families[kind.family(value)].append(facts)
    return [pair for family in families.values() for pair in pairwise(family)]


def _text(a: VersionFacts, b: VersionFacts, against: Kind) -> str:
    decided = compared(a, b)
    by = "by the evidence on the versions between them"
    if decided and decided[0] < 0:
        kind = decided[1]
        by = f"by {kind.called(a)} ({_shown(kind, a, b)} before {_shown(kind, b, a)})"
    shown = f"{_shown(against, a, b)} against {_shown(against, b, a)}"
    return f"{a.version} stands before {b.version} {by}, but by {against.called(a)} it is the newer one ({shown})."


def _shown(kind: Kind, facts: VersionFacts, other: VersionFacts) -> str:
    """Its value; of the two that are compared as moments, the moment."""
    value, beside = kind.value(facts), kind.value(other)
    if value is None or beside is None:
        return str(facts.moment)
    return kind.show(value, beside)
