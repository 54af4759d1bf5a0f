"""The asset `history` with its checks: every state that a row ever had, per table. The work is done in operations."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import dagster as dg

from platform_assets.defs.assets import ONE_RUN, WAREHOUSE_POOL, PlatformParam, each, latest_state, version_table
from platform_assets.defs.charts import DOWN, LINE, MIDDLE, UP, bars_and_line
from platform_assets.defs.checks import Finding, evaluations
from platform_assets.defs.metadata import markdown
from platform_assets.defs.partitions import TABLES
from platform_assets.operations.history_checks import Comparison, compare_with_latest, compare_with_snapshots
from platform_assets.operations.publish_history import refresh_history
from platform_assets.operations.timeline import Timeline, timeline_of
from platform_assets.storage.catalog.history_log import HistoryVersionRecord
from platform_assets.storage.rows.latest_state import open_latest
from platform_assets.storage.rows.stored_history import StoredHistory, open_history
from platform_assets.storage.warehouse.protocol import history_subject

CHARTED = 60
LISTED = 30
"""How many of the newest versions chart and table show: what is in the metadata is read with every look at the asset."""


@dg.asset(
    partitions_def=TABLES,
    backfill_policy=ONE_RUN,
    pool=WAREHOUSE_POOL,
    kinds={"postgres", "avro", "duckdb"},
    deps=[latest_state, dg.AssetDep(version_table, partition_mapping=dg.AllPartitionMapping())],
    description=(
        "The life of every row, `<source>_history.<table>`: one row per state of a key, from which version until which it held, how it "
        "came and how it ended; beside it `<table>__changes`, what each version did. From the dumps' own times, not the clock of a run."
    ),
)
def history(context: dg.AssetExecutionContext, platform: PlatformParam) -> None:
    def fold(key: str) -> None:
        source, table = platform.table_of(key)
        with platform.turn(history_subject(source, table)):
            done = refresh_history(platform.settings, platform.catalog, source, table, run_id=context.run.run_id)
        context.add_asset_metadata(
            {
                "dagster/row_count": done.rows,
                "dagster/partition_row_count": done.rows,
                "dagster/table_name": done.relation,
                "dagster/storage_kind": "postgresql",
                "dagster/uri": platform.home.history(source, table).as_uri(),
                "kept as": "a view of the version tables: no instance has more than one version" if done.view else "a table",
                "states inserted": done.inserted,
                "states ended": done.closed,
                "changes": done.changes,
                **_told(done.versions),
            },
            partition_key=key,
        )

    each(context, platform, fold)


def _told(versions: Sequence[HistoryVersionRecord]) -> dict[str, Any]:
    """The newest versions as a table and as a chart, by the time from which they count, those without one last."""
    dated = sorted(versions, key=lambda v: (v.valid_from is None, str(v.valid_from), v.place, v.instance))
    columns = ("version", "instance", "valid from", "rows", "inserts", "updates", "deletes")
    rows = [(v.version, v.instance, v.valid_from or "not known", v.rows, v.inserts, v.updates, v.deletes) for v in dated[-LISTED:]]
    standing: dict[str, int] = {}
    totals = []
    for version in dated:
        standing[version.instance] = version.rows
        totals.append(sum(standing.values()))
    shown = dated[-CHARTED:]
    chart = bars_and_line(
        [v.version for v in shown],
        up=[("inserts", UP, [v.inserts for v in shown]), ("updates", MIDDLE, [v.updates for v in shown])],
        down=("deletes", DOWN, [v.deletes for v in shown]),
        line=("rows", LINE, totals[-CHARTED:]),
    )
    return {"versions": dg.MetadataValue.md(markdown(columns, rows)), "chart": dg.MetadataValue.md(chart)}


@dg.multi_asset_check(
    name="history_checks",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "as_of_equals_snapshot",
            asset=history,
            partitions_def=TABLES,
            description="For every complete full version: the state that the history gives after it is the version's snapshot.",
        ),
        dg.AssetCheckSpec(
            "history_matches_latest",
            asset=history,
            partitions_def=TABLES,
            description="The states that have not ended are the rows of the latest state.",
        ),
    ],
)
def history_checks(context: dg.AssetCheckExecutionContext, platform: PlatformParam) -> Iterator[dg.AssetCheckEvaluation]:
    @cache
    def opened(key: str) -> tuple[Timeline, StoredHistory]:
        source, table = platform.table_of(key)
        return timeline_of(platform.settings, platform.catalog, source, table), open_history(platform.home.history(source, table))

    def find(name: str, key: str) -> Finding:
        timeline, stored = opened(key)
        source, table = timeline.source, timeline.table
        if name == "as_of_equals_snapshot":
            return _finding(source, "full versions", compare_with_snapshots(platform.settings, timeline, stored))
        latest = open_latest(platform.home.latest(source, table))
        return _finding(source, "instances", compare_with_latest(platform.settings, timeline, stored, latest))

    yield from evaluations(context, history.key, context.partition_keys, find)


def _finding(source: str, what: str, found: Comparison) -> Finding:
    """Keys that the guard spared are a warning that says how to confirm; deletes_guarded fails for them already."""
    columns = ("instance", "version", "missing", "extra", "of them spared by the guard")
    rows = [(one.instance, one.version, one.missing, one.extra, min(one.extra, one.spared)) for one in found.differences]
    metadata: dict[str, Any] = {f"{what} compared": found.compared, "differ": len(rows)}
    if rows:
        metadata["differences"] = dg.MetadataValue.md(markdown(columns, rows[:LISTED]))
    if any(one.spared for one in found.differences):
        labels = ", ".join(one.version.split(".")[1] for one in found.differences if one.spared)
        metadata["to confirm"] = f"if these rows are really gone, add to sources.{source}.deletes_confirmed in platform.yaml: {labels}"
    if found.outdated:
        names = ", ".join(found.outdated)
        metadata["outdated"] = f"versions came or changed since, of {names}: materialize latest_state and history of this table again"
    explained = bool(rows) and not found.outdated and all(one.explained for one in found.differences)
    return Finding(found.equal, metadata, dg.AssetCheckSeverity.WARN if explained else dg.AssetCheckSeverity.ERROR)
