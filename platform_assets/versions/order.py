"""Which version is older, with the evidence for it. Names and file times are never evidence.

declared > time in the dump's own header or trailer > highest row-version value > log position > high-water marks > growth of the key
sets > nothing. Versions with the strongest kind are a chain; those that it tells nothing of are put between them by what they have in
common, as old as that allows: what nothing places never overrides what has evidence. The result depends on the facts alone, so it is
the same for every order of arrival; what nothing decides is ordered by content hash, marked ambiguous and told. What each kind of
evidence is and how two versions compare by it stands in evidence; what speaks against the order, in findings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Literal

from platform_assets.versions.evidence import KINDS, Evidence, Kind, VersionFacts, compared, strongest
from platform_assets.versions.findings import Finding, contradictions

Confidence = Literal["high", "medium", "low", "none"]
_CONFIDENCE: dict[Evidence, Confidence] = {
    "declared": "high",
    "dump-time": "high",
    "row-version": "medium",
    "log-position": "medium",
    "high-water": "low",
    "key-growth": "low",
    "none": "none",
}


@dataclass(frozen=True)
class Place:
    """A version's place among those of its instance: 0 is the oldest. `ambiguous` says that nothing decided between it and another."""

    version: str
    instance: str
    place: int
    evidence: Evidence
    ambiguous: bool
    moment: datetime | None
    reason: str = ""
    """What the evidence says, for a person."""
    ties: tuple[str, ...] = ()
    """The versions that it cannot be told from, or that nothing relates it to."""
    contradictions: tuple[str, ...] = ()
    """What speaks against its place: each names both versions and both facts."""
    whole: bool = True

    @property
    def confidence(self) -> Confidence:
        """High: declared or written by the dump's own tool. Medium: the newest row or the log tells no more than that it is not older.

        Low: counters and keys, which grow only as long as nobody turns them back; or something speaks against the place.
        """
        if self.ambiguous:
            return "none"
        found = _CONFIDENCE[self.evidence]
        doubtful = self.contradictions or (self.evidence == "row-version" and not self.whole)
        return "low" if doubtful and found in ("high", "medium") else found


@dataclass(frozen=True)
class Ordered:
    """The places of one source's versions, instances by name, oldest first, and what is to be settled."""

    places: tuple[Place, ...]
    findings: tuple[Finding, ...] = ()


def order_versions(versions: Iterable[VersionFacts], declared: Sequence[str] = ()) -> list[Place]:
    """Places per instance, instances by name, oldest first. `declared` holds labels or version keys, oldest first."""
    return list(settle(ranked(versions, declared)).places)


def ranked(versions: Iterable[VersionFacts], declared: Sequence[str]) -> list[VersionFacts]:
    """The versions with their places in a declared list. An entry that is a version's key says more than one that is its label."""
    ranks = {name: rank for rank, name in enumerate(declared)}
    return [replace(one, declared_rank=ranks.get(one.version, ranks.get(one.label))) for one in versions]


def settle(versions: Iterable[VersionFacts]) -> Ordered:
    """The order by all evidence, with ties, gaps in the evidence and contradictions."""
    by_instance: dict[str, list[VersionFacts]] = defaultdict(list)
    for facts in versions:
        by_instance[facts.instance].append(facts)
    places: list[Place] = []
    findings: list[Finding] = []
    for instance in sorted(by_instance):
        line = _Line(instance)
        chain = line.arrange(by_instance[instance], 0)
        against = contradictions(chain)
        findings += line.findings + against
        places += _places(chain, line, against)
    return Ordered(tuple(places), tuple(findings))


def _places(chain: Sequence[VersionFacts], line: _Line, against: Sequence[Finding]) -> list[Place]:
    told: dict[str, list[str]] = defaultdict(list)
    for finding in against:
        for version in finding.versions if finding.open else ():
            told[version].append(finding.text)
    places = []
    for number, facts in enumerate(chain):
        kind = line.decided.get(facts.version) or strongest(facts)
        places.append(
            Place(
                version=facts.version,
                instance=facts.instance,
                place=number,
                evidence=kind.evidence(facts) if kind else "none",
                ambiguous=facts.version in line.unsure,
                moment=facts.moment,
                reason=f"{kind.called(facts)} {kind.show(kind.value(facts), kind.value(facts))}" if kind else "nothing tells its time",
                ties=tuple(sorted(line.unsure.get(facts.version, ()))),
                contradictions=tuple(told[facts.version]),
                whole=facts.whole,
            )
        )
    return places


class _Line:
    """The versions of one instance on their way into one line."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.findings: list[Finding] = []
        self.unsure: dict[str, set[str]] = {}
        """Versions that are ambiguous, and from which others they cannot be told."""
        self.decided: dict[str, Kind] = {}
        """The kind that decided a version's place, where it is not the strongest that it has."""

    def arrange(self, group: list[VersionFacts], level: int) -> list[VersionFacts]:
        """A line of versions that the kinds before `level` do not tell apart."""
        if len(group) < 2:
            return group
        if level == len(KINDS):
            return self._tie(group)
        kind = KINDS[level]
        having = _largest_family([facts for facts in group if kind.value(facts) is not None], kind)
        if not having:
            return self.arrange(group, level + 1)
        names = {facts.version for facts in having}
        rest = [facts for facts in group if facts.version not in names]
        return self._merge(self._by_kind(having, level), self.arrange(rest, level))

    def _by_kind(self, group: list[VersionFacts], level: int) -> list[VersionFacts]:
        kind = KINDS[level]
        sizes = kind.sizes([kind.value(facts) for facts in group])
        chain: list[VersionFacts] = []
        for _, run in groupby(sorted(zip(sizes, group, strict=True), key=itemgetter(0)), key=itemgetter(0)):
            equal = [facts for _, facts in run]
            same = len(equal) == len(group) or kind.total
            if len(equal) > 1 and level:
                self.decided |= {facts.version: kind for facts in equal if same and strongest(facts) is not kind}
            elif strongest(equal[0]) is not kind and len(group) > 1:
                self.decided[equal[0].version] = kind
            chain += self.arrange(equal, level + 1 if same else level)
        if not kind.total:
            self._check_partial(chain, kind)
        return chain

    def _check_partial(self, chain: list[VersionFacts], kind: Kind) -> None:
        """A partial order in a line: what it leaves open, and weaker evidence too, is told. Where all neighbours are decided, all is."""
        if all(_in_order(a, b) for a, b in pairwise(chain)):
            return
        open_: set[int] = set()
        for number, facts in enumerate(chain):
            if number in open_:
                continue  # it is told already; of a thousand that nothing relates, a million pairs would be looked at
            others = [n for n in range(len(chain)) if n != number and not _in_order(*(chain[m] for m in sorted((number, n))))]
            for other in others:
                self._unsure(facts, [chain[other]])
                self._unsure(chain[other], [facts])
            open_ |= {number, *others} if others else set()
        found = [chain[n] for n in sorted(open_)]
        self._tell("undecided", found, f"their {kind.what} grow in one respect and shrink in another, or speak of different things")

    def _merge(self, chain: list[VersionFacts], rest: list[VersionFacts]) -> list[VersionFacts]:
        """Puts each of the rest as early as what it has in common with the chain allows; `rest` keeps its own order."""
        if not rest:
            return chain
        slots: list[list[VersionFacts]] = [[] for _ in range(len(chain) + 1)]
        slot = 0
        unrelated: list[VersionFacts] = []
        for facts in rest:
            results = [compared(other, facts) for other in chain]
            lower = max((n + 1 for n, found in enumerate(results) if found and found[0] < 0), default=0)
            upper = min((n for n, found in enumerate(results) if found and found[0] > 0), default=len(chain))
            slot = max(slot, lower)
            slots[slot].append(facts)
            if not any(results):
                unrelated.append(facts)
                self._unsure(facts, chain)
                continue
            self._place_among(facts, chain, results, min(slot, upper), max(slot, upper))
        if unrelated:
            self._tell("undecided", unrelated, f"nothing relates them to {_names(chain)}; they stand before these", others=chain)
        merged = list(slots[0])
        for facts, after in zip(chain, slots[1:], strict=True):
            merged += [facts, *after]
        return merged

    def _place_among(
        self, facts: VersionFacts, chain: list[VersionFacts], results: list[tuple[int, Kind] | None], first: int, last: int
    ) -> None:
        """Tells what the evidence leaves open about a version that may stand anywhere from slot `first` to `last`."""
        equal = [other for other, found in zip(chain, results, strict=True) if found and not found[0]]
        between = [chain[n] for n in range(first, last) if results[n] is None]
        for other in equal:
            self._unsure(other, [facts])
        if equal or between:
            self._unsure(facts, [*equal, *between])
        if equal:
            kind = next(found[1] for found in results if found and not found[0])
            self._tell("tie", [*equal, facts], f"their {kind.what} and all else that they have in common is the same")
        if between:
            self._tell("undecided", [facts], f"nothing relates it to {_names(between)}; it stands before these", others=between)

    def _tie(self, group: list[VersionFacts]) -> list[VersionFacts]:
        """Versions that no kind tells apart. Those whose facts differ, but cannot be compared, are told where their kind is looked at."""
        group = sorted(group, key=lambda facts: (facts.sha256, facts.version))
        kind = strongest(group[0])
        if kind and not all(compared(group[0], other) for other in group[1:]):
            return group
        for facts in group:
            self._unsure(facts, [other for other in group if other is not facts])
        if kind is None:
            self._tell("tie", group, "nothing tells their time")
        else:
            value = kind.show(kind.value(group[0]), kind.value(group[0]))
            self._tell("tie", group, f"they have the same {kind.called(group[0])}, {value}, and nothing else tells them apart")
        return group

    def _unsure(self, facts: VersionFacts, others: Sequence[VersionFacts]) -> None:
        known = self.unsure.setdefault(facts.version, set())
        known.update(other.version for other in others[: max(_SHOWN_TIES - len(known), 0)])

    def _tell(
        self, kind: Literal["tie", "undecided"], found: Sequence[VersionFacts], why: str, *, others: Sequence[VersionFacts] = ()
    ) -> None:
        """`others` are named in `why` already."""
        versions = tuple(facts.version for facts in found)
        self.findings.append(Finding(kind, self.instance, versions, f"{_names(found)}: {why}."))


_SHOWN_TIES = 20
"""Of a version's ties so many are kept: a thousand versions without evidence would keep a million."""


def _in_order(a: VersionFacts, b: VersionFacts) -> bool:
    """Whether nothing is open between two that stand in this order; that they are equal is told as a tie."""
    found = compared(a, b)
    return found is not None and found[0] <= 0


def _largest_family(having: list[VersionFacts], kind: Kind) -> list[VersionFacts]:
    families: dict[str, list[VersionFacts]] = defaultdict(list)
    for facts in having:
        families[kind.family(kind.value(facts))].append(facts)
    return families[min(families, key=lambda name: (-len(families[name]), name))] if families else []


def _names(found: Sequence[VersionFacts]) -> str:
    shown = ", ".join(facts.version for facts in found[:5])
    return f"{shown} and {len(found) - 5} more" if len(found) > 5 else shown
