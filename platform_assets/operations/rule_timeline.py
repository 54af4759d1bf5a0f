"""A version's rules as results, and the counts of broken rules over the versions of a source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from platform_assets.dictionary.rules import rules_of
from platform_assets.storage.catalog.records import RuleResult
from platform_assets.storage.rows.snapshots import Snapshot


@dataclass(frozen=True)
class RuleTimeline:
    """`failed`: `<table> <rule>` to its count per version, of those that some version broke, most broken first."""

    versions: tuple[str, ...]
    failed: Mapping[str, tuple[int, ...]]


def results_of(source: str, version: str, snapshots: Iterable[Snapshot]) -> Iterator[RuleResult]:
    """What the catalog keeps of a verdict: per rule the rows looked at and those that broke it, per measure whether it failed."""
    for snapshot in snapshots:
        severities = {rule.id: rule.severity for rule in rules_of(snapshot.table)}
        for rule, (checked, failed) in snapshot.rule_counts.items():
            yield RuleResult(
                source=source,
                table_name=snapshot.table.name,
                version=version,
                rule=rule,
                kind=rule.partition(":")[0],
                checked=checked,
                failed=failed,
                severity=severities.get(rule, "error"),
            )
        for one in snapshot.facts.get("measures", ()):
            yield RuleResult(
                source=source,
                table_name=snapshot.table.name,
                version=version,
                rule=one["id"],
                kind=one["id"].partition(":")[0],
                checked=1,
                failed=0 if one["passed"] else 1,
                severity=one["severity"],
            )


def rule_timeline(before: Iterable[RuleResult], version: str, now: Iterable[RuleResult], kinds: Collection[str]) -> RuleTimeline:
    """The rules of these kinds over the versions recorded `before`, in their order, with what a version's verdict is `now`.

    A version that is new comes last.
    """
    versions: dict[str, dict[str, int]] = {}
    for one in before:
        counts = versions.setdefault(one.version, {})
        if one.version != version:
            _count(counts, one, kinds)
    counts = versions.setdefault(version, {})
    for one in now:
        _count(counts, one, kinds)
    totals: dict[str, int] = {}
    for counts in versions.values():
        for name, failed in counts.items():
            totals[name] = totals.get(name, 0) + failed
    names = sorted(totals, key=lambda name: (-totals[name], name))
    return RuleTimeline(tuple(versions), {name: tuple(counts.get(name, 0) for counts in versions.values()) for name in names})


def _count(counts: dict[str, int], one: RuleResult, kinds: Collection[str]) -> None:
    if one.kind in kinds and one.failed:
        counts[f"{one.table_name} {one.rule}"] = one.failed
