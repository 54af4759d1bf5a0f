"""Prune: which backups of a table are kept, and the others taken away. The newest one that was verified always stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from platform_assets.settings import BackupSettings, Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import BackupRecord, TableRecord
from platform_assets.storage.files import fsync_folder, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import Backup, list_backups
from platform_assets.storage.rows.stored_table import remove_folder
from platform_assets.storage.warehouse.protocol import session_lock


@dataclass(frozen=True)
class Known:
    """What the decision needs of a backup. `verified`: None when nobody has looked yet."""

    backup_id: str
    created_at: datetime
    verified: bool | None = None


_PERIODS: tuple[tuple[str, Callable[[datetime], object]], ...] = (
    ("keep_daily", lambda moment: moment.date()),
    ("keep_weekly", lambda moment: moment.isocalendar()[:2]),
    ("keep_monthly", lambda moment: (moment.year, moment.month)),
)


def kept(backups: Sequence[Known], policy: BackupSettings) -> dict[str, str]:
    """Backup id -> why it is kept. Of a day, an ISO week, a month (UTC) the newest one counts; one known to be damaged counts for nothing.

    Without a policy, or as long as none is verified, all are kept.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.created_at, backup.backup_id), reverse=True)
    verified = next((backup for backup in newest_first if backup.verified), None)
    if not policy.prunes or verified is None:
        return {backup.backup_id: "no policy" if not policy.prunes else "none is verified" for backup in newest_first}
    sound = [backup for backup in newest_first if backup.verified is not False]
    reasons = {backup.backup_id: "keep_last" for backup in sound[: policy.keep_last]}
    for name, period in _PERIODS:
        firsts: dict[object, str] = {}
        for backup in sound:
            firsts.setdefault(period(backup.created_at), backup.backup_id)
        for backup_id in list(firsts.values())[: getattr(policy, name)]:
            reasons.setdefault(backup_id, name)
    reasons.setdefault(verified.backup_id, "the last verified")
    return reasons


def prune(settings: Settings, catalog: Catalog, record: TableRecord, *, dry_run: bool = False) -> list[Backup]:
    """Removes what the policy does not keep of a table's backups, and gives it. Raises Conflict while a restore of the table reads them."""
    folder = Home(settings.home).backups(record.source, record.table_name)
    with session_lock(catalog.url, backups_in_use(record.source, record.table_name)):
        backups = list_backups(folder)
        records = {known.backup_id: known for known in catalog.backups(record.source, record.table_name)}
        reasons = kept([_known(backup, records.get(backup.backup_id)) for backup in backups], settings.backup)
        gone = [backup for backup in backups if backup.backup_id not in reasons]
        if not dry_run:
            for backup in gone:
                _remove(backup)
            catalog.forget_backups(record.source, record.table_name, [backup.backup_id for backup in gone])
    return gone


def backups_in_use(source: str, table: str) -> str:
    """The session lock of who reads a table's backups for long, or removes some."""
    return f"backups/{source}.{table}"


def _known(backup: Backup, record: BackupRecord | None) -> Known:
    return Known(backup.backup_id, datetime.fromisoformat(backup.created_at), record.verified_ok if record else None)


def _remove(backup: Backup) -> None:
    """First out of sight, then away: a kill in between leaves a temporary name, which is swept. Files that others link stay with them."""
    aside = temporary_sibling(backup.folder)
    os.rename(backup.folder, aside)
    fsync_folder(backup.folder.parent)
    remove_folder(aside)
