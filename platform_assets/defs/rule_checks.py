"""The checks per kind of rule: what the rules of a version say, with samples, and their counts over the versions as a chart."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from json import loads
from typing import Any

import dagster as dg

from platform_assets.defs.charts import stacked_bars
from platform_assets.defs.evaluations import Finding
from platform_assets.dictionary.rules import rules_of
from platform_assets.operations.rule_timeline import RuleTimeline, results_of, rule_timeline
from platform_assets.operations.stored_version import StoredVersion
from platform_assets.storage.catalog.records import RuleResult
from platform_assets.storage.rows.snapshots import Snapshot

RULE_KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "types": (("type",), "Every value can be held by its column's type."),
    "required": (("required",), "No required value is missing."),
    "unique_keys": (("primaryKey", "unique"), "Keys and unique columns name one row each."),
    "foreign_keys": (("foreignKey",), "Every reference names an accepted row of the dump, or of any version where the source says so."),
    "ranges": (
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        "Values and lengths lie within their bounds.",
    ),
    "words": (("pattern", "format", "enum"), "Values match their pattern and are of their list."),
}
CHARTED = 30
"""How many of the newest versions a chart shows. It is stored with every evaluation: 3 kB, for rules that were broken alone."""
CHARTED_RULES = 5
SAMPLE_ROWS = 20
SCANNED_REJECTS = 5_000
"""Rejects looked at for samples; counts are exact, they come from the verdict."""


def failed_by_kind(snapshots: Iterable[Snapshot]) -> dict[str, int]:
    """Broken rules per check, as numbers that Dagster plots over the partitions."""
    counts = dict.fromkeys(RULE_KINDS, 0)
    of_check = {kind: name for name, (kinds, _) in RULE_KINDS.items() for kind in kinds}
    for snapshot in snapshots:
        for rule, (_, failed) in snapshot.rule_counts.items():
            counts[of_check[rule.partition(":")[0]]] += failed
    return {f"failed {name}": count for name, count in counts.items()}


def not_run(snapshots: Iterable[Snapshot]) -> list[str]:
    """Checks that the contract leaves to other engines."""
    return [f"{snapshot.table.name}: {text}" for snapshot in snapshots for text in snapshot.table.not_run]


def judged_rules(version: StoredVersion, kinds: tuple[str, ...], before: Sequence[RuleResult]) -> Finding:
    """The rules of these kinds over all tables of the version; without one it passes and says so: the UI would call it skipped for ever.

    `before`: results of the newest versions, oldest first.
    """
    rows, failed_rows, errors, looked_at = [], 0, 0, 0
    samples: list[dg.TableRecord] = []
    for snapshot in version.snapshots:
        rules = {rule.id: rule for rule in rules_of(snapshot.table) if rule.kind in kinds}
        for rule_id, (checked, failed) in snapshot.rule_counts.items():
            rule = rules.get(rule_id)
            if rule is None and rule_id.partition(":")[0] not in kinds:
                continue
            severity = rule.severity if rule else "error"
            ratio = f"{failed / checked:.2%}" if checked else "not evaluated: no parent table in this dump"
            rows.append(
                dg.TableRecord(
                    {"table": snapshot.table.name, "rule": rule_id, "severity": severity, "rows": checked, "failed": failed, "ratio": ratio}
                )
            )
            failed_rows += failed
            looked_at += checked
            errors += failed if severity == "error" else 0
        samples.extend(_samples(snapshot, kinds, SAMPLE_ROWS - len(samples)))
    if not rows:
        return Finding(True, {"rules": "no rule of this kind: neither the dictionary nor the dump states one"})
    metadata: dict[str, Any] = {
        "failed": failed_rows,
        "checked": looked_at,
        "ratio": failed_rows / looked_at if looked_at else 0.0,
        "rules": dg.MetadataValue.table(rows),
    }
    timeline = rule_timeline(before, version.version, results_of(version.source, version.version, version.snapshots), kinds)
    if timeline.failed:
        metadata["over versions"] = dg.MetadataValue.md(_chart(timeline))
    if samples:
        metadata["samples"] = dg.MetadataValue.table(samples)
    # The UI colours a check over all partitions by the severity of its newest result, also when that one passed: so a pass is no warning.
    return Finding(failed_rows == 0, metadata, dg.AssetCheckSeverity.WARN if failed_rows and not errors else dg.AssetCheckSeverity.ERROR)


def _chart(timeline: RuleTimeline) -> str:
    """The most broken rules apart, the others together."""
    shown: Mapping[str, tuple[int, ...]] = dict(islice(timeline.failed.items(), CHARTED_RULES))
    others = [counts for name, counts in timeline.failed.items() if name not in shown]
    series = [*shown.items(), *([(f"{len(others)} others", tuple(map(sum, zip(*others, strict=True))))] if others else [])]
    return stacked_bars(
        timeline.versions[-CHARTED:], [(name, counts[-CHARTED:]) for name, counts in series], title="broken rules per version"
    )


def _samples(snapshot: Snapshot, kinds: tuple[str, ...], wanted: int) -> Iterator[dg.TableRecord]:
    if not snapshot.rejected:
        return
    found = 0
    for reject in islice(snapshot.rejects(), SCANNED_REJECTS):
        for violation in loads(reject.violations):
            if found < wanted and violation["rule"].partition(":")[0] in kinds:
                found += 1
                yield dg.TableRecord(
                    {
                        "table": snapshot.table.name,
                        "rule": violation["rule"],
                        "file": reject.member,
                        "line": reject.line if reject.line is not None else -1,
                        "value": str(violation["value"]),
                        "message": violation["message"],
                    }
                )
