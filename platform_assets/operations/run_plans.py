"""Which partition keys share a run, and the tags that say so. Imports no Dagster: the HTTP service asks for runs as well."""

from __future__ import annotations

TABLES = "tables"
"""The name of the partition set with a key per table."""
SINGLES = 4
BATCH = 25
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"


def plan_runs(wanted: list[str], registered: list[str]) -> list[list[str]]:
    """Which keys go into one run: each alone when they are few, else stretches of at most 25 neighbours in Dagster's order.

    A range run covers whatever lies between its ends, so only neighbours may share one. `registered` is Dagster's order of the keys,
    `wanted` a subset of it.
    """
    if len(wanted) <= SINGLES:
        return [[key] for key in wanted]
    return neighbours(registered, set(wanted), BATCH)


def neighbours(registered: list[str], chosen: set[str], most: int | None = None) -> list[list[str]]:
    """The chosen keys in stretches without a gap, of at most `most` keys."""
    runs: list[list[str]] = []
    stretch: list[str] = []
    for key in registered:
        if key in chosen and len(stretch) < (most or len(registered)):
            stretch.append(key)
            continue
        if stretch:
            runs.append(stretch)
        stretch = [key] if key in chosen else []
    if stretch:
        runs.append(stretch)
    return runs


def run_tags(keys: list[str]) -> dict[str, str]:
    """The tags by which Dagster runs one partition or a range of neighbours."""
    return {PARTITION: keys[0]} if len(keys) == 1 else {RANGE_START: keys[0], RANGE_END: keys[-1]}
