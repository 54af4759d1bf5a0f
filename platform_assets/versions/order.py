"""Which version is older, with the evidence for it. Names and file times are never evidence.

declared > time in the dump's own header or trailer > highest row-version value > nothing. The result depends on the facts alone, so
it is the same for every order of arrival; what nothing decides is ordered by content hash and marked ambiguous.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Evidence = Literal["declared", "dump-time", "row-version", "none"]


@dataclass(frozen=True)
class VersionFacts:
    """What is known of one version's time. Both times are naive: UTC where the dump names a zone, else as the dump wrote them."""

    version: str
    instance: str
    label: str
    sha256: str
    dump_time: datetime | None = None
    row_version_max: datetime | None = None


@dataclass(frozen=True)
class Place:
    """A version's place among those of its instance: 0 is the oldest. `ambiguous` says that only the hash decided."""

    version: str
    instance: str
    place: int
    evidence: Evidence
    ambiguous: bool
    moment: datetime | None

    @property
    def confidence(self) -> Literal["high", "medium", "none"]:
        """High: declared or written by the dump's own tool. Medium: the newest row tells no more than that the dump is not older."""
        if self.ambiguous or self.evidence == "none":
            return "none"
        return "medium" if self.evidence == "row-version" else "high"


def order_versions(versions: Iterable[VersionFacts], declared: Sequence[str] = ()) -> list[Place]:
    """Places per instance, instances by name, oldest first. `declared` holds labels or version keys, oldest first."""
    by_instance: dict[str, list[VersionFacts]] = defaultdict(list)
    for facts in versions:
        by_instance[facts.instance].append(facts)
    ranks = {name: rank for rank, name in enumerate(declared)}
    places: list[Place] = []
    for instance in sorted(by_instance):
        places.extend(_order_instance(by_instance[instance], ranks))
    return places


def _order_instance(versions: list[VersionFacts], ranks: dict[str, int]) -> list[Place]:
    undeclared = len(ranks)

    def rank(facts: VersionFacts) -> int:
        return min(ranks.get(facts.version, undeclared), ranks.get(facts.label, undeclared))

    def moment(facts: VersionFacts) -> datetime | None:
        return facts.dump_time or facts.row_version_max

    def decided(facts: VersionFacts) -> tuple[int, bool, datetime]:
        when = moment(facts)
        return rank(facts), when is not None, when or datetime.min

    ordered = sorted(versions, key=lambda facts: (*decided(facts), facts.sha256))
    shared = Counter(decided(facts) for facts in versions)
    places = []
    for number, facts in enumerate(ordered):
        evidence: Evidence = (
            "declared"
            if rank(facts) < undeclared
            else "dump-time"
            if facts.dump_time
            else "row-version"
            if facts.row_version_max
            else "none"
        )
        unsure = len(versions) > 1 and (shared[decided(facts)] > 1 or evidence == "none")
        places.append(Place(facts.version, facts.instance, number, evidence, unsure, moment(facts)))
    return places
