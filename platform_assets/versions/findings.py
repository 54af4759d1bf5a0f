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
    """Something in the order that a person must settle, or has settled. `versions` are those that it concerns, oldest first.

    tie: nothing tells them apart. undecided: nothing relates them. contradiction: evidence against evidence. overruled: evidence against
    what a person declared of these very versions. declaration: one that speaks of nothing.
    """

    kind: Literal["contradiction", "tie", "undecided", "declaration", "overruled"]
    instance: str | None
    versions: tuple[str, ...]
    text: str

    @property
    def open(self) -> bool:
        """Whether a person still has to look; what is declared by a person is settled."""
        return self.kind != "overruled"


def contradictions(chain: Sequence[VersionFacts]) -> list[Finding]:
    """One finding per pair of versions, with all kinds that speak against their order; `chain` is one instance's, oldest first."""
    against: dict[tuple[str, str], list[Kind]] = defaultdict(list)
    pairs: dict[tuple[str, str], tuple[VersionFacts, VersionFacts]] = {}
    for kind in KINDS:
        for a, b in _neighbours(chain, kind):
            if kind.compare(kind.value(a), kind.value(b)) == 1:
                against[a.version, b.version].append(kind)
                pairs[a.version, b.version] = a, b
    return [_finding(*pairs[names], kinds) for names, kinds in against.items()]


def _neighbours(chain: Sequence[VersionFacts], kind: Kind) -> list[tuple[VersionFacts, VersionFacts]]:
    families: dict[str, list[VersionFacts]] = defaultdict(list)
    for facts in chain:
        value = kind.value(facts)
        if value is not None and kind.contradicts(facts):
            families[kind.family(value)].append(facts)
    return [pair for family in families.values() for pair in pairwise(family)]


def _finding(a: VersionFacts, b: VersionFacts, against: Sequence[Kind]) -> Finding:
    decided = compared(a, b)
    by, settled = "by the evidence on the versions between them", False
    if decided and decided[0] < 0:
        kind = decided[1]
        by = f"by {kind.called(a)} ({_shown(kind, a, b)} before {_shown(kind, b, a)})"
        settled = kind.by_person(a) and kind.by_person(b)
    facts = "; ".join(f"{kind.called(a)} ({_shown(kind, a, b)} against {_shown(kind, b, a)})" for kind in against)
    text = f"{a.version} stands before {b.version} {by}, but it is the newer one by {facts}."
    return Finding("overruled" if settled else "contradiction", a.instance, (a.version, b.version), text)


def _shown(kind: Kind, facts: VersionFacts, other: VersionFacts) -> str:
    """Its value; of the two that are compared as moments, the moment."""
    value, beside = kind.value(facts), kind.value(other)
    if value is None or beside is None:
        return str(facts.moment)
    return kind.show(value, beside)
