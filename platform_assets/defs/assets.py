"""The assets: raw dump, parsed snapshot and version table per dump version; the order of the versions per source; latest state,
current table, backup and drill per table.

Every function loops over its partition keys, so one run may hold one key or a range. The work is done in operations; here is only
what Dagster needs: partitions, pools and metadata. No step retries by itself: a crashed run is retried by the instance, what a lost
database left undone is asked for again by the sensors and the next ingest, and nothing else could succeed by repetition.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import dagster as dg

from platform_assets.defs.dictionary import DICTIONARY, judged_by
from platform_assets.defs.metadata import counted, drift_table, markdown, preview, table_metadata
from platform_assets.defs.partitions import SOURCES, TABLES, VERSIONS
from platform_assets.defs.platform import PROCESS_TAG, Platform, process_mark
from platform_assets.defs.rule_checks import failed_by_kind, not_run
from platform_assets.errors import Conflict
from platform_assets.operations.backup import back_up_table, find_backup
from platform_assets.operations.drift import changes_of, changes_with
from platform_assets.operations.drill import drill
from platform_assets.operations.judge_again import parse_or_judge
from platform_assets.operations.latest import MergedTable, merge_table
from platform_assets.operations.ordering import record_source_order, remedy
from platform_assets.operations.parse import ParsedVersion
from platform_assets.operations.prune import prune
from platform_assets.operations.publish import publish_current, publish_version
from platform_assets.operations.register import located
from platform_assets.operations.retention import put_away_old
from platform_assets.operations.stale_verdicts import judging
from platform_assets.operations.stored_version import StoredVersion
from platform_assets.storage.rows.latest_state import LatestState, open_latest
from platform_assets.storage.warehouse.protocol import latest_subject, version_subject
from platform_assets.versions.keys import table_key

PlatformParam = dg.ResourceParam[Platform]
GROUP = "platform"
OWNER = "team:data-platform"
WAREHOUSE_POOL = "warehouse"
BATCHES = dg.BackfillPolicy.multi_run(max_partitions_per_run=25)
ONE_RUN = dg.BackfillPolicy.single_run()
SHOWN_PLACES = 100
"""Of a source's versions so many of the newest stand in the metadata; `platform-assets order` lists all."""


def each(context: dg.AssetExecutionContext, platform: Platform, work: Callable[[str], Any]) -> dict[str, Any]:
    """Does the work for every partition key of the run; marks the run with this process first, for lost_runs."""
    context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: process_mark()})
    platform.begin_work()
    done = {}
    for key in context.partition_keys:
        with platform.told(key):
            done[key] = work(key)
    return done


@dg.asset(
    partitions_def=VERSIONS,
    backfill_policy=BATCHES,
    io_manager_key="raw_dump_json",
    kinds={"file", "json"},
    description=(
        "One dump as it came in: where its bytes lie, proven by their hash. Registered by content: the same bytes are one version."
    ),
)
def raw_dump(context: dg.AssetExecutionContext, platform: PlatformParam) -> dict[str, dict[str, Any]]:
    def look(key: str) -> dict[str, Any]:
        version = platform.version(key)
        path = located(platform.settings, platform.catalog, version)
        platform.catalog.set_state(key, "running")
        context.add_asset_metadata(
            {
                "dagster/uri": path.as_uri(),
                "path": dg.MetadataValue.path(str(path)),
                "bytes": version.bytes,
                "sha256": version.sha256,
                "instance": version.instance,
                "registered": str(version.registered_at),
            },
            partition_key=key,
        )
        return {
            "version": key,
            "source": version.source,
            "instance": version.instance,
            "label": version.label,
            "path": path.relative_to(platform.home.root).as_posix(),
            "bytes": version.bytes,
            "sha256": version.sha256,
        }

    return each(context, platform, look)


@dg.asset(
    partitions_def=VERSIONS,
    backfill_policy=BATCHES,
    io_manager_key="snapshot_avro",
    kinds={"avro", "duckdb"},
    deps=[DICTIONARY],
    description=(
        "The dump read whole: per table its schema, its rows as Avro, its rejected rows with every reason, and whether the dump is "
        "complete. Judged by the dictionary, or by the dump's own DDL where there is none."
    ),
)
def parsed_snapshot(
    context: dg.AssetExecutionContext, platform: PlatformParam, raw_dump: dict[str, dict[str, Any]]
) -> dict[str, ParsedVersion]:
    def parse(key: str) -> ParsedVersion:
        version = platform.version(key)
        path = platform.home.root / raw_dump[key]["path"]
        parsed = parse_or_judge(platform.settings, platform.catalog, version, path, progress=platform.progress(f"parse {key}"))
        known = set(context.instance.get_dynamic_partitions(TABLES.name or ""))
        found = [table_key(version.source, snapshot.table.name) for snapshot in parsed.snapshots]
        context.instance.add_dynamic_partitions(TABLES.name or "", [name for name in found if name not in known])
        context.add_asset_metadata(_parsed_metadata(platform, parsed), partition_key=key)
        for text in not_run(parsed.snapshots):
            context.log.warning(f"{key}: {text}")
        return parsed

    done: dict[str, ParsedVersion] = each(context, platform, parse)
    judged_by(context, {key: judging(parsed.dictionary_version, parsed.references, parsed.thresholds) for key, parsed in done.items()})
    return done


def _parsed_metadata(platform: Platform, parsed: ParsedVersion) -> dict[str, Any]:
    columns = ("table", "rows read", "accepted", "rejected", "recovered", "columns", "kept in _raw")
    rows = [
        (
            s.table.name,
            s.rows + s.unreadable,
            s.accepted,
            s.rejected,
            s.recovered,
            len(s.table.columns),
            counted({name: count for name, count in s.raw_counts.items() if count}),
        )
        for s in parsed.snapshots
    ]
    accepted = sum(s.accepted for s in parsed.snapshots)
    folder = platform.home.version(parsed.source, parsed.version)
    notices = [(n.code, n.member, n.line, n.message) for n in parsed.notices[:20]]
    return {
        "dagster/row_count": accepted,
        "dagster/partition_row_count": accepted,
        "dagster/uri": folder.as_uri(),
        "rejected": sum(s.rejected for s in parsed.snapshots),
        "dictionary": parsed.dictionary_version or "none: the dump's own definitions",
        "judged": "again, from the stored rows" if parsed.judged_again else "while it was read",
        "completeness": parsed.completeness,
        "why": "; ".join(parsed.reasons) or "the format says so" if parsed.completeness != "complete" else "its end is there",
        "format": f"{parsed.format}: {parsed.format_reason}",
        "tables": dg.MetadataValue.md(markdown(columns, rows)),
        "notices": dg.MetadataValue.md(markdown(("code", "file", "line", "message"), notices) if notices else "none"),
    } | failed_by_kind(parsed.snapshots)


@dg.asset(
    partitions_def=VERSIONS,
    backfill_policy=BATCHES,
    pool=WAREHOUSE_POOL,
    kinds={"postgres"},
    description=(
        "Every table of the version as a table of its own, child of a mother table that holds the columns common to all versions: "
        "`<source>_versions.<table>__<label>`. Rejected rows go to catalog.rejects."
    ),
)
def version_table(context: dg.AssetExecutionContext, platform: PlatformParam, parsed_snapshot: dict[str, StoredVersion]) -> None:
    def publish(key: str) -> None:
        version = platform.version(key)
        with platform.turn(version_subject(key)):
            done = publish_version(
                platform.settings, platform.catalog, version, run_id=context.run.run_id, progress=platform.progress(f"publish {key}")
            )
        columns = ("table", "relation", "mother", "rows read", "accepted", "rejected")
        rows = [(d.table, d.relation, d.mother, d.rows_read, d.accepted, d.rejected) for d in done]
        metadata: dict[str, Any] = {
            "dagster/row_count": sum(d.accepted for d in done),
            "dagster/partition_row_count": sum(d.accepted for d in done),
            "completeness": parsed_snapshot[key].facts["completeness"],
            "tables": dg.MetadataValue.md(markdown(columns, rows)),
            "drift": drift_table(changes_with(platform.catalog, version.source, key), "table"),
        }
        old = put_away_old(platform.settings, platform.catalog, version.source, published=key, run_id=context.run.run_id)
        if old:
            put_away = [(one.table, one.version, one.outcome, one.why) for one in old]
            metadata["older versions"] = dg.MetadataValue.md(markdown(("table", "version", "outcome", "why"), put_away))
        if not done and parsed_snapshot[key].snapshots:
            metadata["held back"] = platform.version(key).error or "no table is left"
        for snapshot, relation in zip(parsed_snapshot[key].snapshots, done, strict=False):  # a version that is held back has no tables
            if len(done) == 1:
                metadata |= table_metadata(snapshot.table, rows=relation.accepted, relation=relation.relation, upstream="parsed_snapshot")
            if len(metadata) < 20:
                metadata[f"preview {relation.table}"] = preview(snapshot.batches(), snapshot.table.column_names)
        context.add_asset_metadata(metadata, partition_key=key)

    each(context, platform, publish)


@dg.asset(
    partitions_def=SOURCES,
    backfill_policy=ONE_RUN,
    kinds={"postgres"},
    deps=[dg.AssetDep(version_table, partition_mapping=dg.AllPartitionMapping())],
    description=(
        "Which version of a source is older, with the evidence for each place, how sure it is and what speaks against it. Kept in "
        "catalog.version_order, with what was believed before; tables whose versions change places are merged again."
    ),
)
def version_order(context: dg.AssetExecutionContext, platform: PlatformParam) -> None:
    def order(key: str) -> None:
        recorded = record_source_order(platform.settings, platform.catalog, key)
        places, findings = recorded.ordered.places, [one for one in recorded.ordered.findings if one.open]
        columns = ("instance", "place", "version", "evidence", "confidence", "says", "moment", "against it")
        rows = [
            (p.instance, p.place, p.version, p.evidence, p.confidence, p.reason, p.moment, " ".join(p.contradictions))
            for p in places[-SHOWN_PLACES:]
        ]
        context.add_asset_metadata(
            {
                "dagster/row_count": len(places),
                "dagster/partition_row_count": len(places),
                "to settle": len(findings),
                "order": dg.MetadataValue.md(markdown(columns, rows)),
                "what is to be settled": dg.MetadataValue.md("\n".join(f"- {one.text}" for one in findings[:SHOWN_PLACES]) or "nothing"),
                "how": remedy(key) if findings else "nothing is to be settled",
                "merged again for it": ", ".join(recorded.moved) or "no table",
            },
            partition_key=key,
        )

    each(context, platform, order)


@dg.asset(
    partitions_def=TABLES,
    backfill_policy=ONE_RUN,
    io_manager_key="latest_avro",
    kinds={"avro", "duckdb"},
    deps=[
        dg.AssetDep(version_table, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(version_order, partition_mapping=dg.AllPartitionMapping()),
    ],
    description=(
        "Per (instance, key) the newest accepted row over all versions of the table: by its row-version column, then by the order of the "
        "versions, then by row number. The union of all columns. Look at a table under Partitions: the overview shows the last one made."
    ),
)
def latest_state(context: dg.AssetExecutionContext, platform: PlatformParam) -> dict[str, MergedTable]:
    def merge(key: str) -> MergedTable:
        source, table = platform.table_of(key)
        merged = merge_table(platform.settings, platform.catalog, source, table)
        union = merged.state.table
        found = " (found by name and type, not declared)" if merged.row_version_found else ""
        order = [(p.instance, p.place, p.version, p.evidence, p.ambiguous, p.moment) for p in merged.versions]
        context.add_asset_metadata(
            table_metadata(union, rows=merged.state.rows, upstream="version_table")
            | {
                "dagster/uri": merged.state.folder.as_uri(),
                "key": ", ".join(("_instance", *union.key)) if union.key else "none: whole rows, as a bag",
                "row version": f"{merged.row_version}{found}" if merged.row_version else "none",
                "versions": len(merged.versions),
                "partial versions": ", ".join(merged.partial) or "none",
                "deleted": merged.deleted,
                "order": dg.MetadataValue.md(markdown(("instance", "place", "version", "evidence", "ambiguous", "moment"), order[-30:])),
                "drift": drift_table(changes_of(platform.settings, platform.catalog, source, table)[-30:], "version"),
                "preview": preview(merged.state.batches(), [*union.column_names, "_instance", "_version"]),
            },
            partition_key=key,
        )
        return merged

    return each(context, platform, merge)


@dg.asset(
    partitions_def=TABLES,
    backfill_policy=ONE_RUN,
    pool=WAREHOUSE_POOL,
    kinds={"postgres"},
    description="The latest state where people query it: `<source>.<table>`. Readers see the old rows until the new ones are all there.",
)
def current_table(context: dg.AssetExecutionContext, platform: PlatformParam, latest_state: dict[str, LatestState]) -> None:
    def publish(key: str) -> None:
        source, table = platform.table_of(key)
        with platform.turn(latest_subject(source, table)):
            # opened again: what `latest_state` holds was opened before the turn, and another run may have put a newer one in its place
            state = open_latest(platform.home.latest(source, table))
            done = publish_current(
                platform.settings, platform.catalog, state, run_id=context.run.run_id, progress=platform.progress(f"publish {key}")
            )
        context.add_asset_metadata(
            table_metadata(state.table, rows=done.rows, relation=done.relation, upstream="latest_state")
            | {"inserted": done.inserted, "updated": done.updated, "deleted": done.deleted},
            partition_key=key,
        )

    each(context, platform, publish)


@dg.asset(
    partitions_def=TABLES,
    backfill_policy=ONE_RUN,
    kinds={"avro"},
    deps=[current_table],
    description=(
        "The current table as Avro with a manifest of hashes, a new folder each time; older backups stay. All tables of a run are read in "
        "one snapshot of the database."
    ),
)
def backup(context: dg.AssetExecutionContext, platform: PlatformParam) -> None:
    with platform.snapshot() as at:

        def back_up(key: str) -> None:
            record = platform.catalog.table(key)
            made = back_up_table(platform.settings, platform.catalog, record, at=at, progress=platform.progress(f"back up {key}"))
            context.add_asset_metadata(
                {
                    "dagster/row_count": made.rows,
                    "dagster/partition_row_count": made.rows,
                    "dagster/uri": made.folder.as_uri(),
                    "backup": made.backup_id,
                    "bytes": made.bytes,
                    "hash of the rows": made.rows_hash,
                    "snapshot": at.moment,
                },
                partition_key=key,
            )

        each(context, platform, back_up)


@dg.asset(
    partitions_def=TABLES,
    backfill_policy=ONE_RUN,
    kinds={"postgres"},
    pool=WAREHOUSE_POOL,
    deps=[backup],
    description=(
        "The newest backup of the table restored into a scratch schema, compared, and dropped again: proof that it restores. Then backups "
        "that platform.yaml does not keep are removed."
    ),
)
def restore_drill(context: dg.AssetExecutionContext, platform: PlatformParam) -> None:
    def try_restore(key: str) -> None:
        record = platform.catalog.table(key)
        done = drill(platform.settings, platform.catalog, find_backup(platform.settings, record.source, record.table_name))
        with suppress(Conflict):  # a restore reads them now: the next drill removes them
            gone = prune(platform.settings, platform.catalog, record) if done.equal else []
            context.log.info(f"{key}: {len(gone)} backups removed")
        context.add_asset_metadata(
            {
                "dagster/row_count": done.rows,
                "backup": done.backup_id,
                "seconds": done.seconds,
                "equal": done.equal,
                "problem": done.why or "none",
            },
            partition_key=key,
        )

    each(context, platform, try_restore)


VERSION_ASSETS = (raw_dump, parsed_snapshot, version_table)
SOURCE_ASSETS = (version_order,)
TABLE_ASSETS = (latest_state, current_table)
BACKUP_ASSETS = (backup, restore_drill)
ASSETS = (*VERSION_ASSETS, *SOURCE_ASSETS, *TABLE_ASSETS, *BACKUP_ASSETS)
