"""The drill: a backup is restored into a scratch schema, compared with its manifest, and gone again. Proof that it restores."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from platform_assets.errors import DamagedBackup
from platform_assets.operations.backup import backup_record, plain_columns, warehouse_columns
from platform_assets.operations.restore import given_back, own_table
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.rows.backups import Backup, prove
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.latest_tables import load_table, spare_memory
from platform_assets.storage.warehouse.relations import mark
from platform_assets.storage.warehouse.restored_tables import load_plain, standing_hash


@dataclass(frozen=True)
class Drilled:
    """A restore that was tried. `equal`: the rows that stood in PostgreSQL again are those that the table had when it was backed up."""

    backup_id: str
    rows: int
    seconds: float
    equal: bool
    why: str = ""


def drill(settings: Settings, catalog: Catalog, backup: Backup) -> Drilled:
    """Leaves nothing: all is done in one transaction, which is rolled back. The outcome is kept in the catalog; damage is an outcome."""
    started, rows, why = time.monotonic(), 0, ""
    try:
        prove(backup, level="files")
        rows, why = _tried(catalog, backup)
    except DamagedBackup as error:
        why = error.message
    done = Drilled(backup.backup_id, rows, round(time.monotonic() - started, 3), not why, why)
    now = datetime.now(UTC)
    details = {"drill_seconds": done.seconds, "drill_rows": rows, "drill_problem": why}
    record = replace(backup_record(settings, backup), drill_at=now, drill_ok=done.equal, details=details)
    catalog.record_backup(record if why else replace(record, verified_at=now, verified_ok=True))
    return done


def _tried(catalog: Catalog, backup: Backup) -> tuple[int, str]:
    scratch = (f"platform_drill_{secrets.token_hex(6)}", "rows")
    hashes = {}
    with connected(catalog.url) as connection:
        spare_memory(connection)
        rows = load_table(connection, *scratch, own_table(backup), tuple(backup.facts["key"]), given_back(backup.batches()))
        hashes["rows"] = standing_hash(connection, scratch, warehouse_columns(backup.table))
        for name, more in backup.more.items():
            table, place = more.stored.table, (scratch[0], name)
            load_plain(connection, *place, table, mark("loaded", name), backup.batches(relation=name))
            hashes[name] = standing_hash(connection, place, plain_columns(table))
        connection.rollback()
    wanted = {name: relation.rows_hash for name, relation in backup.relations.items()}
    wrong = [
        f"the {name} restored have the hash {hashes[name]}, the manifest says {wanted[name]}"
        for name in wanted
        if hashes[name] != wanted[name]
    ]
    return rows, "; ".join(wrong)
