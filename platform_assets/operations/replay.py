"""Replay from the command line: which versions a changed dictionary makes due, and what judging them again moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from platform_assets.operations.ingest import Work
from platform_assets.operations.stale_verdicts import stale_verdicts
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

Counts = Mapping[tuple[str, str], tuple[int, int]]
"""(version, table) -> (rows accepted, rows rejected)."""


def due_for(settings: Settings, catalog: Catalog, table: str | None) -> Work:
    """The versions that are due, those that hold a table (a version is judged whole). Raises NoSuchTable."""
    stale = stale_verdicts(settings, catalog)
    versions = sorted(stale.versions)
    if table is not None:
        record = catalog.table(table)
        holding = {one.version for one in catalog.snapshots(source=record.source, table=record.table_name)}
        versions = [version for version in versions if version in holding]
    return Work(
        versions=tuple(versions), orders=(), tables=(), refused=stale.problems, unsettled=(), known=0, copies=(), earlier_failures=()
    )


def verdict_counts(catalog: Catalog, versions: Collection[str]) -> Counts:
    """What is known of these versions now. One that is held back has no tables."""
    return {
        (listed.version, listed.table_name): (listed.accepted or 0, listed.rejected or 0)
        for listed in catalog.dump_listing(versions=list(versions))
        if listed.table_name is not None
    }


def what_moved(before: Counts, after: Counts) -> list[dict[str, Any]]:
    """One row per version and table."""
    return [
        {
            "version": version,
            "table": table,
            "accepted_before": before.get((version, table), (0, 0))[0],
            "accepted": after.get((version, table), (0, 0))[0],
            "rejected_before": before.get((version, table), (0, 0))[1],
            "rejected": after.get((version, table), (0, 0))[1],
        }
        for version, table in sorted({*before, *after})
    ]
