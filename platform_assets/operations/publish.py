"""Publish: snapshots become version tables, the merged state becomes the table people query. One transaction each, fenced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from platform_assets.dictionary.renames import Renames
from platform_assets.errors import FencedOut, PlatformError, SettingsError
from platform_assets.operations.drift import record_drift
from platform_assets.operations.lending import is_waiting, waiting_rules
from platform_assets.operations.register import is_posted
from platform_assets.operations.rule_timeline import results_of
from platform_assets.operations.stored_version import StoredVersion, stored_version
from platform_assets.operations.thresholds import held_back
from platform_assets.operations.timeline import confirmed_renames, timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog import order_log, posted_batches
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.history_log import forget_history
from platform_assets.storage.catalog.quarantine import mark_replayed
from platform_assets.storage.catalog.records import EvidenceRecord, RejectRow, SnapshotRecord, TableRecord, VersionRecord
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import LatestState
from platform_assets.storage.rows.snapshots import Snapshot
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse import history_relations, latest_tables, posted_rows, version_tables
from platform_assets.storage.warehouse.latest_tables import Shares
from platform_assets.storage.warehouse.protocol import claim, keep_posted_out, publication, table_lock
from platform_assets.storage.warehouse.queries import count_rows
from platform_assets.storage.warehouse.version_rows import Share, fits
from platform_assets.versions.keys import table_key

INDEXED_ROWS = 100_000
"""Versions with more rows of a table have their keys read while their copy in Arrow's form is there."""
_TOLD = ("tool", "notices", "notice_counts", "dictionary_version", "reading", "references", "thresholds", "waits_for")
"""What the catalog keeps of version.json among a version's facts."""


@dataclass(frozen=True)
class PublishedTable:
    """One table of one version in the warehouse."""

    table: str
    relation: str
    mother: str
    rows_read: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class PublishedCurrent:
    """The latest state in the warehouse, and what changed in it."""

    source: str
    table: str
    relation: str
    rows: int
    inserted: int
    updated: int
    deleted: int


def publish_version(
    settings: Settings,
    catalog: Catalog,
    record: VersionRecord,
    *,
    run_id: str,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> tuple[PublishedTable, ...]:
    """All tables of one version, its rejects and its catalog rows, in one transaction. Raises FencedOut when a newer run took over.

    Of a version that is held back (thresholds) only the rejects and the verdict are kept; tables of it that stood before go.
    """
    stored = stored_version(Home(settings.home), record.source, record.version)
    renames = confirmed_renames(settings, record.source)
    today = _called_today(stored, renames)
    mine = claim(catalog.url, f"version_table/{record.version}", run_id)
    published, records = [], []
    held = () if is_posted(record) else held_back(stored.snapshots)  # posted rows have their verdict, each its own
    kept = {snapshot.table.name for snapshot in today} if not held else set()
    before = catalog.snapshots(version=record.version)
    # All tables are locked first and in one order: two versions that met halfway would wait for each other.
    locks = [table_lock(record.source, name) for name in kept | {old.table_name for old in before}]
    with publication(catalog.url, mine, locks=locks) as tx:
        for old in before:
            if old.table_name not in kept:
                version_tables.drop_version(tx.connection, source=record.source, table=old.table_name, version=record.version)
        for snapshot, as_stored in () if held else zip(today, stored.snapshots, strict=True):
            table = snapshot.table
            done = version_tables.publish_version(
                tx.connection,
                source=record.source,
                version=record.version,
                label=record.label,
                table=table,
                batches=_reported(snapshot.batches([*table.column_names, "_row", "_raw"]), table.name, progress),
                renames=renames.columns_of(table.name),
            )
            records.append(_snapshot_record(record, as_stored, table.name, done.schema, done.child))
            published.append(
                PublishedTable(
                    table=table.name,
                    relation=f"{done.schema}.{done.child}",
                    mother=f"{done.schema}.{done.mother}",
                    rows_read=snapshot.rows + snapshot.unreadable,
                    accepted=snapshot.accepted,
                    rejected=snapshot.rejected,
                )
            )
        load_id = tx.log(
            "publish_version",
            source=record.source,
            version=record.version,
            rows=sum(done.accepted for done in published),
            size=record.bytes,
            details={done.table: done.accepted for done in published},
        )
        catalog.record_snapshots(tx.connection, record.version, records, load_id)
        order_log.record_evidence(tx.connection, record.source, record.version, (_evidence(one) for one in today))
        catalog.record_rule_results(tx.connection, record.version, results_of(record.source, record.version, today))
        judge = f"dictionary {stored.facts.get('dictionary_version') or 'of the dump itself'}"
        catalog.replace_rejects(tx.connection, record.version, record.source, _reject_rows(record, today, stored.snapshots), judge)
        catalog.update_version(
            record.version,
            connection=tx.connection,
            completeness=stored.facts["completeness"],
            reasons=tuple(stored.facts["reasons"]),
            format=stored.facts["format"],
            format_reason=stored.facts["format_reason"],
            dump_time=_moment(stored.facts["dump_time"]),
            row_version_max=stored.facts["row_version_max"],
            facts={name: stored.facts[name] for name in _TOLD if name in stored.facts} | {"dump": stored.facts.get("facts", {})},
        )
        catalog.set_state(record.version, "held" if held else "published", error="; ".join(held) or None, connection=tx.connection)
        mark_replayed(tx.connection, record.version)
        _retire(catalog, tx.connection, record.source, {old.table_name for old in before} & renames.tables.keys())
    for snapshot in today:
        if snapshot.accepted >= INDEXED_ROWS and not held:
            index_version(settings, catalog, record.source, record.version, snapshot.table.name)
        snapshot.cool()
    record_drift(settings, catalog, record.source)
    return tuple(published)


def _called_today(stored: StoredVersion, renames: Renames) -> tuple[Snapshot, ...]:
    """The snapshots under the names of today. Raises SettingsError for two columns or two tables that would get the same one."""
    place = f"version {stored.version}"
    today: dict[str, Snapshot] = {}
    for snapshot in stored.snapshots:
        table = renames.today(snapshot.table, place=place)
        if table.name in today:
            old = next(name for name in (s.table.name for s in stored.snapshots) if renames.tables.get(name) == table.name)
            raise SettingsError(
                f"The dictionary says that table {old} was renamed to {table.name} (renamedTo), but {place} has both. Nothing was "
                f"published from it: take the renamedTo of {old} out of the dictionary.",
                tables=(old, table.name),
            )
        today[table.name] = snapshot.called(table)
    return tuple(today.values())


def _retire(catalog: Catalog, connection: Connection, source: str, renamed: set[str]) -> None:
    """Takes tables out of the warehouse whose versions all go by another name now. Raises Conflict when a view reads one."""
    for name in sorted(renamed):
        if catalog.forget_table(connection, source, name):
            latest_tables.drop_latest(connection, source=source, table=name)
            history_relations.drop_history(connection, source, name)
            forget_history(connection, source, name)


def index_version(settings: Settings, catalog: Catalog, source: str, version: str, table: str) -> None:
    """Makes what merge and history will ask of the version's rows, from the copy that lies ready now; later they would be decoded again.

    For a table's first version only when the second comes: where none follows, nobody asks. What cannot be read is told by who asks.
    """
    with suppress(PlatformError):
        timeline = timeline_of(settings, catalog, source, table)
        for found in timeline.versions if len(timeline.versions) > 1 else ():
            if found.version == version or len(timeline.versions) == 2:
                found.keys(timeline.compared)
                found.digests(timeline.union)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _reported(batches: Iterator[pa.RecordBatch], table: str, progress: Callable[[str, int], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        progress(table, batch.num_rows)


def _reject_rows(record: VersionRecord, today: Sequence[Snapshot], stored: Sequence[Snapshot]) -> Iterator[RejectRow]:
    for snapshot, as_stored in zip(today, stored, strict=True):
        waiting = waiting_rules(as_stored.table)  # reasons name rules by the names that the dump has
        for reject in snapshot.rejects():
            yield RejectRow(
                table_name=snapshot.table.name,
                instance=record.instance,
                file=reject.member,
                line=reject.line,
                row_number=reject.row,
                byte_offset=reject.offset,
                raw=reject.raw,
                violations=reject.violations,
                dictionary_version=snapshot.dictionary_version or None,
                status="recovered" if reject.recovered else "waiting" if is_waiting(waiting, reject.violations) else "open",
            )


def _evidence(snapshot: Snapshot) -> EvidenceRecord:
    """What the snapshot's keys tell of its time; one that an older program stored tells nothing."""
    keys = snapshot.facts.get("keys") or {}
    return EvidenceRecord(
        snapshot.version, snapshot.table.name, snapshot.facts.get("marks", {}), keys.get("count"), tuple(keys.get("sketch", ()))
    )


def _snapshot_record(record: VersionRecord, snapshot: Snapshot, table: str, schema: str, child: str) -> SnapshotRecord:
    """`table` is what the table is called today; the schema is kept as it was in the dump."""
    return SnapshotRecord(
        version=record.version,
        source=record.source,
        table_name=table,
        rows_read=snapshot.rows + snapshot.unreadable,
        accepted=snapshot.accepted,
        rejected=snapshot.rejected,
        recovered=snapshot.recovered,
        unreadable=snapshot.unreadable,
        schema=snapshot.table.to_json(),
        key=snapshot.table.key,
        row_version=snapshot.facts["row_version"],
        row_version_max=snapshot.facts["row_version_max"],
        raw_counts=dict(snapshot.raw_counts),
        rule_counts={rule: list(counts) for rule, counts in snapshot.rule_counts.items()},
        child_schema=schema,
        child_table=child,
        content=snapshot.content,
    )


def _rows(
    catalog: Catalog, connection: Connection, state: LatestState, progress: Callable[[str, int], None]
) -> Iterator[pa.RecordBatch] | Shares:
    """The state's rows: from the version tables, when they were filled from the snapshots of the state, else from these snapshots.

    The table's lock is held, so that no version can be published in between.
    """
    table = state.table
    records = {record.version: record for record in catalog.snapshots(source=state.source, table=table.name)}
    if all(chosen.version in records and records[chosen.version].content == chosen.content for chosen in state.chosen):
        shares = tuple(
            Share(_child(records[snapshot.version]), snapshot.table, snapshot.instance, snapshot.version, numbers)
            for snapshot, numbers in state.choices()
        )
        if fits(connection, table, shares):
            return Shares(shares)
    batches = state.batches([*table.column_names, "_instance", "_version", "_row", "_raw"])
    return _reported(batches, table.name, progress)


def _child(record: SnapshotRecord) -> tuple[str, str]:
    return record.child_schema or "", record.child_table or ""


def _refuse_older(catalog: Catalog, state: LatestState) -> None:
    """A run that merged early and was slow must not take the table back behind what another one published meanwhile."""
    standing = catalog.table(table_key(state.source, state.table.name)).published_load_id or 0
    if standing > state.facts["load_id"]:
        raise FencedOut(
            f"{state.source}.{state.table.name}: a newer state (load {standing}) was published than this one "
            f"(load {state.facts['load_id']}). Nothing was changed.",
            source=state.source,
            table=state.table.name,
        )


@contextmanager
def _posted_meanwhile(connection: Connection, state: LatestState) -> Iterator[None]:
    """Rows of batches that the state was not made of were answered for as being in the table: they stay over it until they have landed.
    Whoever posts waits from here to the end of the transaction.
    """
    source, table = state.source, state.table.name
    keep_posted_out(connection, source, table)
    versions = [identity[0] for identities in state.facts["merged"].values() for identity in identities]
    batches = posted_batches.waiting_outside(connection, source, table, versions)
    oid = latest_tables.standing_oid(connection, source, table) if batches else None
    held = oid is not None and posted_rows.hold(connection, oid, batches)
    yield
    if held:
        assert oid is not None
        posted_rows.put_back(connection, oid, state.facts["row_version"])
    posted_batches.give_back(connection, source, table, versions)


def publish_current(
    settings: Settings,
    catalog: Catalog,
    state: LatestState,
    *,
    run_id: str,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> PublishedCurrent:
    """The merged state into `<source>.<table>`. Readers see the old state until the transaction commits."""
    source, table = state.source, state.table
    renames = confirmed_renames(settings, source).columns_of(table.name)
    mine = claim(catalog.url, f"current_table/{source}.{table.name}", run_id)
    now = datetime.now(UTC)
    with publication(catalog.url, mine, locks=[table_lock(source, table.name)]) as tx:
        _refuse_older(catalog, state)
        version_tables.rename_columns(tx.connection, source=source, table=table.name, renames=renames)
        batches = _rows(catalog, tx.connection, state, progress)
        counts = latest_tables.publish_latest(
            tx.connection,
            source=source,
            table=table,
            key=table.key,
            batches=batches,
            renames=renames,
            changing=lambda: _posted_meanwhile(tx.connection, state),
        )
        tx.log(
            "publish_latest",
            source=source,
            table_name=table.name,
            rows=counts.rows,
            details={"inserted": counts.inserted, "updated": counts.updated, "deleted": counts.deleted},
        )
        catalog.record_table(
            TableRecord(
                source=source,
                table_name=table.name,
                table_key=table_key(source, table.name),
                schema_name=counts.schema,
                relation=counts.relation,
                key=table.key,
                row_version=state.facts["row_version"],
                schema=table.to_json(),
                rows=count_rows(tx.connection, counts.schema, counts.relation),
                merged_load_id=state.facts["load_id"],
                merged_at=datetime.fromisoformat(state.facts["merged_at"]),
                published_load_id=state.facts["load_id"],
                published_at=now,
            ),
            connection=tx.connection,
        )
    return PublishedCurrent(
        source, table.name, f"{counts.schema}.{counts.relation}", counts.rows, counts.inserted, counts.updated, counts.deleted
    )
