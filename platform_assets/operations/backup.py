"""Back up, verify, restore, drill. Nothing in the warehouse is touched before a backup has proven true, and nothing is deleted first."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from platform_assets import __version__
from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import DamagedBackup, NoSuchTable, PlatformError
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import BackupRecord, TableRecord
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import Backup, VerifyResult, damaged_backups, list_backups, prove, verify, write_backup
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse import latest_tables
from platform_assets.storage.warehouse.bulk import read_rows
from platform_assets.storage.warehouse.compare import differing_rows
from platform_assets.storage.warehouse.names import column_names
from platform_assets.storage.warehouse.protocol import claim, publication, table_lock

Progress = Callable[[str, int], None]
STORED_META = (Column("_instance", STRING), Column("_version", STRING), Column("_row", INT64), Column("_raw", STRING))


@dataclass(frozen=True)
class Restored:
    """What a restore did: the relation that now holds the rows, and the backup they are from."""

    source: str
    table: str
    backup_id: str
    relation: str
    rows: int


@dataclass(frozen=True)
class Drilled:
    """A restore that was tried: `equal` says that the restored rows are those of the backup's table, when that has not changed since."""

    backup_id: str
    rows: int
    seconds: float
    equal: bool
    compared_with: str


def back_up_table(settings: Settings, catalog: Catalog, record: TableRecord, *, progress: Progress = lambda table, rows: None) -> Backup:
    """Streams the current table, ordered by its key, in one consistent read into a new backup folder; older backups stay.

    Raises NoSuchTable when the table has no latest state in the warehouse yet.
    """
    if record.schema_name is None or record.relation is None:
        raise NoSuchTable(f"{record.source}.{record.table_name} has no latest state yet: run platform-assets ingest first.")
    own = Table.from_json(dict(record.schema))
    table = own.with_columns([*own.columns, *STORED_META])
    names = column_names(own)
    columns = [(names.get(column.name, column.name), column.type) for column in table.columns]
    order = ["_instance", *(names[name] for name in record.key)] if record.key else ["_version", "_row"]
    with connected(catalog.url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        loaded = connection.execute(
            "SELECT published_load_id FROM catalog.tables WHERE source = %s AND table_name = %s", (record.source, record.table_name)
        ).fetchone()
        rows = read_rows(connection, (record.schema_name, record.relation), columns, order=order, fields=table.column_names)
        backup = write_backup(
            Home(settings.home).backups(record.source, record.table_name),
            source=record.source,
            table=table,
            batches=_reported(rows, record.table_name, progress),
            facts={
                "key": list(record.key),
                "load_id": loaded[0] if loaded else None,
                "relation": f"{record.schema_name}.{record.relation}",
                "server_version": connection.info.server_version,
                "tool_version": __version__,
                "versions": record.versions,
            },
        )
    catalog.record_backup(_backup_record(settings, backup))
    return backup


def _reported(batches: Iterator[pa.RecordBatch], table: str, progress: Progress) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        progress(table, batch.num_rows)


def _backup_record(settings: Settings, backup: Backup) -> BackupRecord:
    return BackupRecord(
        source=backup.source,
        table_name=backup.table.name,
        backup_id=backup.backup_id,
        folder=backup.folder.relative_to(settings.home).as_posix(),
        rows=backup.rows,
        bytes=backup.bytes,
        created_at=datetime.fromisoformat(backup.created_at),
    )


def backups_of(settings: Settings, catalog: Catalog, name: str | None) -> tuple[list[Backup], list[DamagedBackup]]:
    """The backups of one table or of all, oldest first, and what is wrong with those whose manifest is damaged."""
    records = [catalog.table(name)] if name else catalog.tables()
    folders = [Home(settings.home).backups(record.source, record.table_name) for record in records]
    return [backup for folder in folders for backup in list_backups(folder)], [bad for folder in folders for bad in damaged_backups(folder)]


def find_backup(settings: Settings, source: str, table: str, backup_id: str | None = None) -> Backup:
    """The newest backup of a table, or the one named. Raises PlatformError when there is none."""
    backups = list_backups(Home(settings.home).backups(source, table))
    for backup in reversed(backups):
        if backup_id in (None, backup.backup_id):
            return backup
    known = ", ".join(backup.backup_id for backup in backups) or "none; make one with platform-assets backup"
    raise PlatformError(f"There is no backup {backup_id or ''} of {source}.{table}. There are: {known}.", source=source, table=table)


def verify_backup(settings: Settings, catalog: Catalog, backup: Backup) -> VerifyResult:
    """Files by size and hash, then every record. The result is kept in the catalog; a damaged backup is a result, not an error."""
    result = verify(backup)
    record = _backup_record(settings, backup)
    catalog.record_backup(replace(record, verified_at=datetime.now(UTC), verified_ok=result.ok))
    return result


def restore_table(
    settings: Settings, catalog: Catalog, backup: Backup, *, as_name: str | None, run_id: str, progress: Progress = lambda table, rows: None
) -> Restored:
    """Restores beside the table under `as_name`, or with None in the table's place by a swap in one transaction.

    Raises DamagedBackup before anything is touched, Conflict when `as_name` is taken.
    """
    prove(backup)
    source, table = backup.source, backup.table
    own = table.with_columns(column for column in table.columns if column not in STORED_META)
    mine = claim(catalog.url, f"restore/{source}.{table.name}", run_id)
    record = catalog.table(f"{source}.{table.name}")
    schema, current = record.schema_name or source, record.relation or table.name
    with publication(catalog.url, mine, locks=[table_lock(source, table.name)]) as tx:
        target = as_name or current
        staged = target if as_name else f"restoring_{secrets.token_hex(6)}"
        batches = _reported(backup.batches(), table.name, progress)
        loaded = latest_tables.load_table(tx.connection, schema, staged, own, tuple(backup.facts["key"]), batches)
        if loaded != backup.rows:
            raise DamagedBackup(f"Backup {backup.backup_id} gave {loaded} rows, its manifest says {backup.rows}. Nothing was changed.")
        if not as_name:
            latest_tables.swap_in(tx.connection, schema, staged, target)
        tx.log("restore", source=source, table_name=table.name, rows=loaded, details={"backup": backup.backup_id, "as": target})
    return Restored(source, table.name, backup.backup_id, f"{schema}.{target}", loaded)


def drill(settings: Settings, catalog: Catalog, backup: Backup) -> Drilled:
    """Restores into a scratch table, compares it with the live table, and leaves nothing: the transaction is rolled back.

    The comparison is row by row, both ways, as long as nothing was published since the backup; after that by count alone.
    """
    started = time.monotonic()
    prove(backup)
    record = catalog.table(f"{backup.source}.{backup.table.name}")
    own = backup.table.with_columns(column for column in backup.table.columns if column not in STORED_META)
    unchanged = record.published_load_id == backup.facts["load_id"]
    schema, scratch = record.schema_name or backup.source, f"drill_{secrets.token_hex(6)}"
    with connected(catalog.url) as connection:
        loaded = latest_tables.load_table(connection, schema, scratch, own, tuple(backup.facts["key"]), backup.batches())
        differing = abs(loaded - backup.rows)
        if unchanged and record.relation:
            differing += differing_rows(connection, (schema, scratch), (schema, record.relation))
        connection.rollback()
    done = Drilled(
        backup_id=backup.backup_id,
        rows=loaded,
        seconds=round(time.monotonic() - started, 3),
        equal=differing == 0,
        compared_with="the live table, row by row" if unchanged else "its manifest, since the table has changed",
    )
    kept = replace(
        _backup_record(settings, backup), drill_at=datetime.now(UTC), drill_ok=done.equal, details={"drill_seconds": done.seconds}
    )
    catalog.record_backup(kept)
    return done
