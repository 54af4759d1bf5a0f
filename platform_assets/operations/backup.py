"""Back up: tables as they stand at one moment, into folders that prove themselves; which backups there are, whether they prove true.

All tables of one call are read in one snapshot of the database, so that their references agree. Not here: restoring (restore), trying
that out (drill), taking old ones away (prune).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa

from platform_assets import __version__
from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import Conflict, DamagedBackup, NoSuchBackup, NoSuchTable
from platform_assets.operations.backup_more import more_of
from platform_assets.operations.memory import share_freed_memory
from platform_assets.operations.renaming import contract_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import BackupRecord, TableRecord
from platform_assets.storage.files import room_in
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backup_writer import write_backup
from platform_assets.storage.rows.backups import Backup, Level, VerifyResult, damaged, damaged_backups, list_backups, verify
from platform_assets.storage.server.sessions import Connection, one_moment
from platform_assets.storage.warehouse.bulk import read_rows
from platform_assets.storage.warehouse.names import column_names
from platform_assets.storage.warehouse.relations import find, held_still
from platform_assets.storage.warehouse.restored_tables import definition

Progress = Callable[[str, int], None]
STORED_META = (Column("_instance", STRING), Column("_version", STRING), Column("_row", INT64), Column("_raw", STRING))


def silent(table: str, rows: int) -> None:
    """The progress that nobody looks at."""


@dataclass(frozen=True)
class Snapshot:
    """One moment of the database, held by `connection` for as long as it is open. `moment` names it in manifests."""

    connection: Connection
    moment: str

    @property
    def open(self) -> bool:
        return not self.connection.closed and not self.connection.broken


@contextmanager
def snapshot(catalog: Catalog) -> Iterator[Snapshot]:
    """What is read in it is as it was when it was opened, whatever is published meanwhile. Raises DatabaseUnavailable."""
    with one_moment(catalog.url) as connection:
        yield Snapshot(connection, uuid4().hex[:12])


def back_up_table(
    settings: Settings, catalog: Catalog, record: TableRecord, *, at: Snapshot | None = None, progress: Progress = silent
) -> Backup:
    """Streams the current table, ordered by its key, into a new backup folder; older backups stay.

    `at` is the snapshot that it shares with other tables; one of its own without. Raises NoSuchTable when the table has no latest state in
    the warehouse yet, Conflict when it was rewritten since the snapshot, StoreUnwritable when there is no room; then nothing is left.
    """
    if record.schema_name is None or record.relation is None:
        raise NoSuchTable(f"{record.source}.{record.table_name} has no latest state yet: run platform-assets ingest first.")
    if at is None:
        with snapshot(catalog) as own:
            return back_up_table(settings, catalog, record, at=own, progress=progress)
    share_freed_memory()
    folder = Home(settings.home).backups(record.source, record.table_name)
    known = list_backups(folder)
    # rolled back, a part of a transaction gives its locks back: who changes the table's columns need not wait for the other tables
    with at.connection.transaction(force_rollback=True), room_in(folder):
        now = _as_of(at.connection, record)
        table, rows = _own_rows(at.connection, now)
        backup = write_backup(
            folder,
            source=now.source,
            table=table,
            batches=reported(rows, now.table_name, progress),
            more=more_of(at.connection, settings.backup, now, Table.from_json(dict(now.schema))),
            facts=_facts(settings, at, now),
            codec=settings.backup.codec,
            previous=known[-1] if known else None,
        )
    catalog.record_backup(backup_record(settings, backup))
    return backup


def _as_of(connection: Connection, record: TableRecord) -> TableRecord:
    """The table's record as the snapshot sees it (it may have been published again since the caller looked); the table is locked then."""
    row = connection.execute(
        "SELECT schema, key, published_load_id, schema_name, relation FROM catalog.tables WHERE source = %s AND table_name = %s",
        (record.source, record.table_name),
    ).fetchone()
    if row is None or row[3] is None:
        raise NoSuchTable(f"{record.source}.{record.table_name} had no latest state when the snapshot was taken.")
    if not held_still(connection, row[3], row[4]):
        raise Conflict(
            f"{record.source}.{record.table_name} was rewritten or replaced after the moment of this backup, so its rows of that moment "
            "can no longer be read. No backup was made: run it again."
        )
    return replace(record, schema=row[0], key=tuple(row[1]), published_load_id=row[2], schema_name=row[3], relation=row[4])


def _own_rows(connection: Connection, record: TableRecord) -> tuple[Table, Iterator[pa.RecordBatch]]:
    own = Table.from_json(dict(record.schema))
    table = replace(own, columns=(*own.columns, *STORED_META), key=tuple(record.key))
    columns = [(name, kind) for name, _, kind in warehouse_columns(table)]
    names = column_names(own)
    order = [*(names[name] for name in record.key), "_instance"] if record.key else ["_version", "_row"]
    relation = (record.schema_name or "", record.relation or "")
    return table, read_rows(connection, relation, columns, order=order, fields=table.column_names)


def warehouse_columns(table: Table) -> list[tuple[str, str, pa.DataType]]:
    """(PostgreSQL name, name in the dump, type) of each column of a stored table, meta columns included."""
    meta = {column.name for column in STORED_META}
    names = column_names(table.with_columns(column for column in table.columns if column.name not in meta))
    return [(names.get(column.name, column.name), column.name, column.type) for column in table.columns]


def plain_columns(table: Table) -> list[tuple[str, str, pa.DataType]]:
    """As warehouse_columns, of a relation whose columns bear their PostgreSQL names (backup_more)."""
    return [(column.name, column.name, column.type) for column in table.columns]


def _facts(settings: Settings, at: Snapshot, record: TableRecord) -> dict[str, Any]:
    schema, relation = record.schema_name or "", record.relation or ""
    found = find(at.connection, schema, relation)
    versions = at.connection.execute(
        "SELECT version, content FROM catalog.snapshots WHERE source = %s AND table_name = %s ORDER BY version",
        (record.source, record.table_name),
    ).fetchall()
    return {
        "key": list(record.key),
        "load_id": record.published_load_id,
        "relation": f"{schema}.{relation}",
        "snapshot": at.moment,
        "server_version": at.connection.info.server_version,
        "tool_version": __version__,
        "dictionary_version": contract_version(Home(settings.home), record.source) or None,
        "versions": [{"version": version, "content": content} for version, content in versions],
        "ddl": definition(at.connection, schema, relation, found.oid) if found else None,
    }


def reported(batches: Iterator[pa.RecordBatch], table: str, progress: Progress) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        progress(table, batch.num_rows)


def backup_record(settings: Settings, backup: Backup) -> BackupRecord:
    """What the catalog keeps of a backup; verifying and drills add what they found."""
    return BackupRecord(
        source=backup.source,
        table_name=backup.table.name,
        backup_id=backup.backup_id,
        folder=backup.folder.relative_to(settings.home).as_posix(),
        rows=backup.rows,
        bytes=backup.bytes,
        created_at=datetime.fromisoformat(backup.created_at),
    )


def chosen_tables(catalog: Catalog, name: str | None) -> list[TableRecord]:
    """The tables of a source, one table, or all that have a latest state. Raises NoSuchTable."""
    if name is None:
        return [record for record in catalog.tables() if record.relation]
    of_source = [record for record in catalog.tables(source=name) if record.relation]
    return of_source or [catalog.table(name)]


def backups_of(settings: Settings, catalog: Catalog, name: str | None) -> tuple[list[Backup], list[DamagedBackup]]:
    """The backups of a table, a source or all, oldest first, and what is wrong with those whose manifest is damaged."""
    folders = [Home(settings.home).backups(record.source, record.table_name) for record in chosen_tables(catalog, name)]
    return [backup for folder in folders for backup in list_backups(folder)], [bad for folder in folders for bad in damaged_backups(folder)]


def find_backup(settings: Settings, source: str, table: str, backup_id: str | None = None) -> Backup:
    """The newest backup of a table, or the one named.

    Raises DamagedBackup when that one's manifest is damaged, of a later format or of another table, NoSuchBackup when there is none.
    """
    folder = Home(settings.home).backups(source, table)
    backups, bad = list_backups(folder), damaged_backups(folder)
    names = {backup.folder.name: backup for backup in backups} | {str(error.facts["folder"]).rpartition("/")[2]: error for error in bad}
    wanted = backup_id or max(names, default=None)
    found = names.get(wanted or "")
    if isinstance(found, DamagedBackup):
        raise found
    if found is None:
        known = ", ".join(backup.backup_id for backup in backups) or "none; make one with platform-assets backup"
        raise NoSuchBackup(f"There is no backup {backup_id or ''} of {source}.{table}. There are: {known}.", source=source, table=table)
    if (found.source, found.table.name) != (source, table):
        raise damaged(found.folder, [f"it is of {found.source}.{found.table.name}, not of {source}.{table}"])
    return found


def newest_set(settings: Settings, records: list[TableRecord]) -> list[Backup]:
    """A backup per table: those of the newest snapshot that has all tables, else the newest of each. Raises like find_backup."""
    newest = [find_backup(settings, record.source, record.table_name) for record in records]
    known = [list_backups(Home(settings.home).backups(record.source, record.table_name)) for record in records]
    moments = [{backup.facts.get("snapshot"): backup for backup in backups} for backups in known]
    for backup in reversed(known[0] if known else []):
        if all(backup.facts.get("snapshot") in found for found in moments):
            return [found[backup.facts.get("snapshot")] for found in moments]
    return newest


def verify_backup(settings: Settings, catalog: Catalog, backup: Backup, *, level: Level = "records") -> VerifyResult:
    """Files by size and hash, then every record. The result is kept in the catalog; a damaged backup is a result, not an error."""
    result = verify(backup, level=level)
    if level == "records" or not result.ok:
        catalog.record_backup(replace(backup_record(settings, backup), verified_at=datetime.now(UTC), verified_ok=result.ok))
    return result
