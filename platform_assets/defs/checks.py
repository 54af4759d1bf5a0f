"""Checks report what the domain decided; they decide nothing. One per rule kind on each dump version, and a few on tables and backups.

A check on a partitioned asset carries the partition and the materialization it speaks of: without them one version's result would
hide another's. A rule that crashes fails the run; it is never a failed check.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg

from platform_assets.defs.assets import (
    PlatformParam,
    backup,
    current_table,
    latest_state,
    parsed_snapshot,
    restore_drill,
    version_order,
    version_table,
)
from platform_assets.defs.evaluations import Finding, evaluations
from platform_assets.defs.partitions import SOURCES, TABLES, VERSIONS
from platform_assets.defs.rule_checks import CHARTED, RULE_KINDS, judged_rules, not_run
from platform_assets.dictionary.model import Table
from platform_assets.operations.backup import find_backup, verify_backup
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.inheritance import version_keys
from platform_assets.operations.ordering import remedy
from platform_assets.operations.state_references import state_references
from platform_assets.operations.stored_version import StoredVersion, stored_version
from platform_assets.operations.thresholds import held_back
from platform_assets.storage.catalog import order_log
from platform_assets.storage.catalog.records import RuleResult
from platform_assets.storage.catalog.rule_log import newest_results
from platform_assets.storage.rows.latest_state import open_latest

SAMPLE_FINDINGS = 100
PLOTTED = 20
"""Measures whose numbers stand alone in the metadata, so that Dagster plots them; a table has all."""


@dg.multi_asset_check(
    name="version_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(name, asset=parsed_snapshot, partitions_def=VERSIONS, description=text) for name, (_, text) in RULE_KINDS.items()
    ]
    + [
        dg.AssetCheckSpec(
            "rows_accounted", asset=parsed_snapshot, partitions_def=VERSIONS, description="No row is lost: read = accepted + rejected."
        ),
        dg.AssetCheckSpec(
            "dump_complete",
            asset=parsed_snapshot,
            partitions_def=VERSIONS,
            description="The dump is not cut short and nothing was skipped.",
        ),
        dg.AssetCheckSpec(
            "schema_known",
            asset=parsed_snapshot,
            partitions_def=VERSIONS,
            description="The dictionary, where there is one, knows every table and column of the dump, and the dump has all of them.",
        ),
        dg.AssetCheckSpec(
            "within_thresholds",
            asset=parsed_snapshot,
            partitions_def=VERSIONS,
            description="No table has more rejected rows than max_errors and max_error_ratio allow; else the version is held back.",
        ),
    ],
)
def version_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    opened: dict[str, StoredVersion] = {}

    @cache
    def recorded(source: str) -> list[RuleResult]:
        return newest_results(platform.catalog, source, CHARTED)

    def find(name: str, key: str) -> Finding:
        if key not in opened:
            opened.clear()
            opened[key] = stored_version(platform.home, platform.version(key).source, key)
        version = opened[key]
        if name == "rows_accounted":
            return _accounted(version)
        if name == "dump_complete":
            return _complete(version)
        if name == "schema_known":
            return _known(version, usable_dictionary(platform.home.dictionary, version.source))
        if name == "within_thresholds":
            return _within_thresholds(version)
        return judged_rules(version, RULE_KINDS[name][0], recorded(version.source))

    yield from evaluations(context, parsed_snapshot.key, context.partition_keys, find)


def _within_thresholds(version: StoredVersion) -> Finding:
    beyond = held_back(version.snapshots)
    metadata: dict[str, Any] = {"held back": "; ".join(beyond) or "no", "rejected": sum(s.rejected for s in version.snapshots)}
    rows = []
    for snapshot in version.snapshots:
        for one in snapshot.facts.get("measures", ()):
            value = one["value"]
            rows.append(dg.TableRecord({"table": snapshot.table.name, "value": "nothing" if value is None else f"{value:g}"} | _told(one)))
            if value is not None and len(rows) <= PLOTTED:
                metadata[f"{snapshot.table.name} {one['id']}"] = value
    if rows:
        metadata["measures"] = dg.MetadataValue.table(rows)
    if told := not_run(version.snapshots):
        metadata["not run here"] = dg.MetadataValue.md("\n".join(f"- {text}" for text in told))
    return Finding(not beyond, metadata)


def _told(measure: Mapping[str, Any]) -> dict[str, Any]:
    return {"measure": measure["id"], "passed": measure["passed"], "severity": measure["severity"]}


def _known(version: StoredVersion, dictionary: Mapping[str, Table]) -> Finding:
    """A warning: what the dictionary does not know is loaded all the same."""
    if not dictionary:
        return Finding(True, {"dictionary": "none: the dump's own definitions govern"})
    told = []
    for snapshot in version.snapshots:
        stated = dictionary.get(snapshot.table.name)
        if stated is None:
            told.append(f"{snapshot.table.name}: not in the dictionary")
            continue
        known = {*stated.column_names, *dict(stated.renames)}
        new = [name for name in snapshot.table.column_names if name not in known]
        gone = [name for name in stated.column_names if name not in for_dump_names(snapshot.table.column_names, stated)]
        told += [f"{snapshot.table.name}.{name}: not in the dictionary" for name in new]
        told += [f"{snapshot.table.name}.{name}: not in the dump" for name in gone]
    return Finding(not told, {"differs": "; ".join(told) or "nothing"}, dg.AssetCheckSeverity.WARN)


def for_dump_names(columns: tuple[str, ...], stated: Table) -> set[str]:
    """A dump's columns under the names that the dictionary gives them."""
    today = dict(stated.renames)
    return {today.get(name, name) for name in columns}


def _accounted(version: StoredVersion) -> Finding:
    rows = [
        dg.TableRecord(
            {
                "table": s.table.name,
                "read": s.rows + s.unreadable,
                "accepted": s.accepted,
                "rejected": s.rejected,
                "of them unreadable": s.unreadable,
                "recovered": s.recovered,
            }
        )
        for s in version.snapshots
    ]
    lost = sum(abs(s.rows + s.unreadable - s.accepted - s.rejected) for s in version.snapshots)
    return Finding(lost == 0, {"lost": lost, "tables": dg.MetadataValue.table(rows)})


def _complete(version: StoredVersion) -> Finding:
    verdict = version.facts["completeness"]
    return Finding(
        verdict != "partial",
        {"completeness": verdict, "why": "; ".join(version.facts["reasons"]) or "-", "skipped": str(version.facts["notice_counts"])},
        dg.AssetCheckSeverity.WARN,
    )


@dg.multi_asset_check(
    name="table_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "unique_across_versions",
            asset=version_table,
            partitions_def=VERSIONS,
            description=(
                "Asked of the mother table, the version has its accepted rows, each once, and no key twice: what inheritance cannot keep. "
                "Keys that other instances have as well are counted; they are no error, since a key is unique per instance."
            ),
        ),
    ],
)
def table_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    def find(name: str, key: str) -> Finding:
        found = version_keys(platform.catalog, platform.version(key))
        rows = [
            dg.TableRecord(
                {
                    "table": one.table,
                    "accepted": one.accepted,
                    "rows": one.counts.rows if one.counts else "put away",
                    "keys twice": one.counts.repeated if one.counts and one.counts.repeated is not None else "no common key",
                    "keys in other instances": one.counts.elsewhere if one.counts and one.counts.elsewhere is not None else "-",
                }
            )
            for one in found
        ]
        if not rows:
            return Finding(True, {"tables": "none"})
        return Finding(all(one.sound for one in found), {"tables": dg.MetadataValue.table(rows)})

    yield from evaluations(context, version_table.key, context.partition_keys, find)


@dg.multi_asset_check(
    name="order_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "order_unambiguous",
            asset=version_order,
            partitions_def=SOURCES,
            description=(
                "Evidence decides which version is older, not chance, and nothing speaks against it. Settle it in order/<source>.yaml."
            ),
        ),
    ],
)
def order_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    def find(name: str, key: str) -> Finding:
        found = [one for one in order_log.findings(platform.catalog, key) if one.open]
        if not found:
            return Finding(True, {"to settle": 0})
        rows = [
            dg.TableRecord({"kind": one.kind, "instance": one.instance or "-", "versions": ", ".join(one.versions[:10]), "what": one.text})
            for one in found[:SAMPLE_FINDINGS]
        ]
        return Finding(
            False, {"to settle": len(found), "findings": dg.MetadataValue.table(rows), "how": remedy(key)}, dg.AssetCheckSeverity.WARN
        )

    yield from evaluations(context, version_order.key, context.partition_keys, find)


@dg.multi_asset_check(
    name="state_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "references_hold",
            asset=latest_state,
            partitions_def=TABLES,
            description="Every reference names a row of the latest state of its table, in the same instance.",
        ),
        dg.AssetCheckSpec(
            "deletes_guarded",
            asset=latest_state,
            partitions_def=TABLES,
            description="No full dump lost more keys than its source's delete_guard allows.",
        ),
    ],
)
def state_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    def find(name: str, key: str) -> Finding:
        source, table = platform.table_of(key)
        if name == "references_hold":
            return _references(platform, source, table)
        guarded = open_latest(platform.home.latest(source, table)).facts["guarded"]
        text = ", ".join(f"{instance}: {lost} keys" for instance, lost in guarded.items())
        confirm = f"if these rows are really gone, add the dump's label to sources.{source}.deletes_confirmed in platform.yaml"
        return Finding(not guarded, {"not deleted": text or "none", "to confirm": confirm if guarded else "nothing"})

    yield from evaluations(context, latest_state.key, context.partition_keys, find)


def _references(platform: PlatformParam, source: str, table: str) -> Finding:
    """A warning: which of the two tables is refreshed first is chance, and a newer dump may bring the parent."""
    found = state_references(platform.settings, source, table)
    rows = [
        dg.TableRecord({"rule": one.rule, "orphans": -1 if one.orphans is None else one.orphans, "for example": ", ".join(one.samples)})
        for one in found
    ]
    orphans = sum(one.orphans or 0 for one in found)
    metadata: dict[str, Any] = {"orphans": orphans, "references": dg.MetadataValue.table(rows) if rows else "none"}
    return Finding(orphans == 0, metadata, dg.AssetCheckSeverity.WARN)


@dg.multi_asset_check(
    name="current_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "rows_match",
            asset=current_table,
            partitions_def=TABLES,
            description="The table, counted when it was published, has the rows of the merged state.",
        ),
    ],
)
def current_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    def find(name: str, key: str) -> Finding:
        record = platform.catalog.table(key)
        state = open_latest(platform.home.latest(record.source, record.table_name))
        return Finding(record.rows == state.rows, {"rows": record.rows or 0, "merged rows": state.rows})

    yield from evaluations(context, current_table.key, context.partition_keys, find)


@dg.multi_asset_check(
    name="backup_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "proves_true",
            asset=backup,
            partitions_def=TABLES,
            description="Every file of the newest backup has its hash, every record decodes, and the rows have theirs.",
        ),
    ],
)
def backup_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    def find(name: str, key: str) -> Finding:
        newest = find_backup(platform.settings, *platform.table_of(key))
        result = verify_backup(platform.settings, platform.catalog, newest)
        return Finding(result.ok, {"backup": newest.backup_id, "rows": newest.rows, "problems": "; ".join(result.problems) or "none"})

    yield from evaluations(context, backup.key, context.partition_keys, find)


@dg.multi_asset_check(
    name="drill_checks",
    can_subset=True,
    specs=[dg.AssetCheckSpec("backup_restores", asset=restore_drill, partitions_def=TABLES, description="This backup restores.")],
)
def drill_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    def find(name: str, key: str) -> Finding:
        drilled = [record for record in platform.catalog.backups(*platform.table_of(key)) if record.drill_at]
        if not drilled:
            return Finding(False, {"why": "no drill was recorded: materialize restore_drill"})
        record = max(drilled, key=lambda record: str(record.drill_at))
        return Finding(
            bool(record.drill_ok),
            {
                "backup": record.backup_id,
                "when": str(record.drill_at),
                "seconds": record.details.get("drill_seconds", 0.0),
                "rows": record.details.get("drill_rows", record.rows),
                "problem": record.details.get("drill_problem") or "none",
            },
        )

    yield from evaluations(context, restore_drill.key, context.partition_keys, find)


CHECKS = (version_checks, table_checks, order_checks, state_checks, current_checks, backup_checks, drill_checks)
