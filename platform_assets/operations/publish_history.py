"""Publish: the stored history becomes `<source>_history.<table>`, and what each version did `<table>__changes`. One transaction, fenced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from platform_assets.errors import FencedOut
from platform_assets.operations.history import folded, standing_history
from platform_assets.operations.timeline import TableVersion, Timeline, confirmed_renames, timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.history_log import (
    HistoryRecord,
    HistoryVersionRecord,
    VersionSource,
    history_versions,
    record_history,
    version_sources,
)
from platform_assets.storage.home import Home
from platform_assets.storage.rows.stored_history import InstanceHistory, StoredHistory
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.history_as_of import as_of_relations
from platform_assets.storage.warehouse.history_relations import changes_view, kind_of
from platform_assets.storage.warehouse.history_tables import HistoryCounts, HistoryInstance, HistoryVersion, publish_history
from platform_assets.storage.warehouse.protocol import claim, publication, table_lock
from platform_assets.storage.warehouse.version_rows import Share, fits
from platform_assets.storage.warehouse.version_tables import rename_columns
from platform_assets.versions.history import counted_from
from platform_assets.versions.keys import table_key

Sources = Mapping[str, VersionSource]


@dataclass(frozen=True)
class PublishedHistory:
    """The history in the warehouse: `rows` are its states, of which this publication `inserted` some and `closed` others."""

    relation: str
    changes: str
    view: bool
    rows: int
    inserted: int
    closed: int
    versions: tuple[HistoryVersionRecord, ...]


def refresh_history(settings: Settings, catalog: Catalog, source: str, table: str, *, run_id: str) -> PublishedHistory:
    """Folds what came since into the stored history of a table and publishes it. One run at a time may do so for a table.

    Raises PlatformError when no published version has the table, StoredFileError when a snapshot is gone or damaged.
    """
    changed = catalog.table(table_key(source, table)).changed_load_id or 0
    timeline = timeline_of(settings, catalog, source, table)
    folder = Home(settings.home).history(source, table)
    history = folded(settings, timeline, folder, before=standing_history(folder), load_id=changed).commit()
    return publish(catalog, timeline, history, confirmed_renames(settings, source).columns_of(table), run_id=run_id)


def publish(
    catalog: Catalog, timeline: Timeline, history: StoredHistory, renames: Mapping[str, str] | None = None, *, run_id: str
) -> PublishedHistory:
    """Readers see the old history until the transaction commits. `renames` maps old column names to those of today.

    Raises FencedOut when a newer one was published meanwhile, Conflict as publish_history.
    """
    source, table = history.source, history.table.name
    mine = claim(catalog.url, f"history/{source}.{table}", run_id)
    with publication(catalog.url, mine, locks=[table_lock(source, table)]) as tx:
        load_id = int(history.facts["load_id"])
        _refuse_older(tx.connection, source, table, load_id)
        rename_columns(tx.connection, source=source, table=table, renames=renames or {})
        before = history_versions(tx.connection, source, table)
        sources = version_sources(tx.connection, source, table)
        records = _records(timeline, history, sources)
        counts = _published(tx.connection, timeline, history, before, records, sources, renames or {})
        changes = changes_view(tx.connection, source=source, table=table)
        as_of_relations(tx.connection, source=source, table=history.table, relation=counts.relation)
        record_history(
            tx.connection, HistoryRecord(source, table, counts.schema, counts.relation, changes, history.spans, load_id), records
        )
        details = {"inserted": counts.inserted, "closed": counts.closed}
        tx.log("publish_history", source=source, table_name=table, rows=history.spans, details=details)
    relation = f"{counts.schema}.{counts.relation}"
    done = (history.spans, counts.inserted, counts.closed)
    return PublishedHistory(relation, f"{counts.schema}.{changes}", counts.view, *done, tuple(records))


def _refuse_older(connection: Connection, source: str, table: str, load_id: int) -> None:
    row = connection.execute("SELECT load_id FROM catalog.histories WHERE source = %s AND table_name = %s", (source, table)).fetchone()
    if row and row[0] > load_id:
        raise FencedOut(
            f"{source}.{table}: a newer history (load {row[0]}) was published than this one (load {load_id}). Nothing was changed.",
            source=source,
            table=table,
        )


def _records(timeline: Timeline, history: StoredHistory, sources: Sources) -> list[HistoryVersionRecord]:
    records = []
    for instance in history.instances:
        moments = counted_from([version.place.moment for version in timeline.instances[instance.instance]])
        for place, (version, moment) in enumerate(zip(instance.versions, moments, strict=True)):
            counts = (version.rows, version.inserts, version.updates, version.deletes, version.spared)
            where = (history.source, history.table.name, version.version, instance.instance, place, version.identity)
            known = sources[version.version].registered_at if version.version in sources else None
            records.append(HistoryVersionRecord(*where, moment, known, *counts))
    return records


def _published(
    connection: Connection,
    timeline: Timeline,
    history: StoredHistory,
    before: list[HistoryVersionRecord],
    records: list[HistoryVersionRecord],
    sources: Sources,
    renames: Mapping[str, str],
) -> HistoryCounts:
    """What stands is kept as far as it was made from these very versions; a view costs nothing to make anew."""
    standing = kind_of(connection, history.source, history.table.name)
    instances: list[HistoryInstance] = []
    for instance in history.instances:
        own = [one.identity for one in before if one.instance == instance.instance]
        known = instance.known(own) if standing == "table" else 0
        instances.append(_instance(connection, timeline, history, instance, known, records, sources))
    held = {version.version for one in instances for version in one.versions[: one.held]}
    gone = [one.version for one in before if one.version not in held]
    dates = {one.version: one.valid_from for one in before}
    dated = {one.version: one.valid_from for one in records if dates.get(one.version, one.valid_from) != one.valid_from}
    return publish_history(
        connection, source=history.source, table=history.table, instances=instances, gone=gone, dated=dated, renames=renames
    )


def _instance(
    connection: Connection,
    timeline: Timeline,
    history: StoredHistory,
    instance: InstanceHistory,
    held: int,
    records: list[HistoryVersionRecord],
    sources: Sources,
) -> HistoryInstance:
    mine = [one for one in records if one.instance == instance.instance]
    asked = [sources if record.place >= held or instance.whole else {} for record in mine]
    versions = [
        _version(connection, timeline, version, record, tables)
        for version, record, tables in zip(timeline.instances[instance.instance], mine, asked, strict=True)
    ]
    return HistoryInstance(instance.instance, versions, held, None if instance.whole else _spans(history, instance, held))


def _spans(history: StoredHistory, instance: InstanceHistory, held: int) -> Iterator[pa.RecordBatch]:
    yield from history.ended(instance, since=held)
    for batch in history.standing(instance):
        kept = batch.filter(pa.array(batch.column("from_place").to_numpy() >= held))
        if kept.num_rows:
            yield kept


def _version(
    connection: Connection, timeline: Timeline, version: TableVersion, record: HistoryVersionRecord, sources: Sources
) -> HistoryVersion:
    """Its rows come from the version table, when that was filled from the very snapshot and no value need be written anew as text."""
    relation = None
    found = sources.get(version.version)
    if found and found.content == version.snapshot.content and found.child_schema and found.child_table:
        relation = (found.child_schema, found.child_table)
        if not fits(connection, timeline.union, [Share(relation, version.table, version.instance, version.version, None)]):
            relation = None
    return HistoryVersion(
        version.version,
        version.table,
        record.inserts + record.updates,
        record.valid_from,
        record.known_from,
        relation,
        lambda: version.batches([*version.table.column_names, "_row", "_raw"]),
    )
