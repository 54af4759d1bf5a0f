"""What a check of ours finds, and how it becomes an evaluation of a partition. Which checks there are: checks.

A check on a partitioned asset carries the partition and the materialization it speaks of: without them one version's result would
hide another's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData


@dataclass(frozen=True)
class Finding:
    """What a check found for one partition."""

    passed: bool
    metadata: Mapping[str, Any]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


def evaluations(
    context: dg.AssetCheckExecutionContext,
    asset: dg.AssetKey,
    keys: Iterator[str] | list[str],
    find: Callable[[str, str], Finding],
) -> Iterator[dg.AssetCheckEvaluation]:
    """One evaluation per selected check and partition, tied to the partition's newest materialization."""
    names = sorted(check.name for check in context.selected_asset_check_keys)
    for key in keys:
        records = context.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[key]), limit=1).records
        target = None
        if records:
            entry = records[0]
            target = AssetCheckEvaluationTargetMaterializationData(
                storage_id=entry.storage_id, run_id=entry.event_log_entry.run_id, timestamp=entry.timestamp
            )
        for name in names:
            finding = find(name, key)
            yield dg.AssetCheckEvaluation(
                asset_key=asset,
                check_name=name,
                passed=finding.passed,
                severity=finding.severity,
                metadata=dict(finding.metadata),
                partition=key,
                target_materialization_data=target,
            )
