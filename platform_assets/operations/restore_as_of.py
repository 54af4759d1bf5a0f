"""Restore tables as they were at a version or a time: from what the home itself still knows of that day, else from a backup made by then.

The state of that day is written as a backup of the moment, so that it is proven, planned, loaded and compared like every other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.errors import Conflict, NothingThen, StoredFileError
from platform_assets.operations.as_of import At, point_named, state_at
from platform_assets.operations.backup import STORED_META, Progress, silent
from platform_assets.operations.restore import Restored, Target, restore
from platform_assets.operations.timeline import timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.files import room_in, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backup_writer import write_backup
from platform_assets.storage.rows.backups import Backup, list_backups
from platform_assets.storage.rows.stored_table import remove_folder
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.bulk import held
from platform_assets.storage.warehouse.names import relation_name
from platform_assets.storage.warehouse.relations import find
from platform_assets.storage.warehouse.restored_tables import definition
from platform_assets.versions.order import Place


@dataclass(frozen=True)
class _Found:
    backup: Backup
    note: str | None = None


def restore_as_of(
    settings: Settings,
    catalog: Catalog,
    records: Sequence[TableRecord],
    at: str,
    target: Target,
    *,
    run_id: str,
    dry_run: bool = False,
    progress: Progress = silent,
) -> list[Restored]:
    """Restores tables of one source as they were at `at` (a version's key or label, or a time), all or none.

    A table whose state of that time can no longer be made comes from the newest verified backup that was made by then; `steps` say so.
    Of several tables, those that were not there yet are left out. Raises PlatformError for what is no version and no time, NothingThen
    when there is neither state nor backup, Conflict for a version of one of several instances in a table's place, and like restore.
    """
    point = point_named(settings, catalog, records[0].source, at)
    with ExitStack() as stack:
        found: list[_Found] = []
        for record in records:
            _refuse_part(settings, catalog, record, point, target)
            with suppress(NothingThen) if len(records) > 1 else ExitStack():
                found.append(stack.enter_context(_found(settings, catalog, record, point)))
        if not found:
            raise NothingThen(f"No table of {records[0].source} was there at {at}, nor is there a backup made by then.", version=at)
        done = restore(catalog, [one.backup for one in found], target, run_id=run_id, dry_run=dry_run, progress=progress)
    notes = {one.backup.backup_id: one.note for one in found}
    return [_told(one, at, notes[one.backup_id]) for one in done]


def _told(done: Restored, at: str, note: str | None) -> Restored:
    return replace(done, steps=(note, *done.steps)) if note else replace(done, as_of=at)


def _refuse_part(settings: Settings, catalog: Catalog, record: TableRecord, point: At, target: Target) -> None:
    """A version speaks for its instance alone: in the table's place its state would be the loss of all other instances."""
    if not (isinstance(point, Place) and target.in_place):
        return
    others = set(timeline_of(settings, catalog, record.source, record.table_name).instances) - {point.instance}
    if others:
        raise Conflict(
            f"Version {point.version} is of the instance {point.instance}, and {record.source}.{record.table_name} has rows of "
            f"{', '.join(sorted(others))} as well, which would be gone. Nothing was changed: name a time, or restore beside the table."
        )


@contextmanager
def _found(settings: Settings, catalog: Catalog, record: TableRecord, point: At) -> Iterator[_Found]:
    folder = temporary_sibling(Home(settings.home).store / "work" / "restore-as-of")
    try:
        try:
            found = _Found(_written(settings, catalog, record, point, folder))
        except (NothingThen, StoredFileError) as error:
            found = _made_by_then(settings, catalog, record, point, error)
        yield found
    finally:
        remove_folder(folder)


def _written(settings: Settings, catalog: Catalog, record: TableRecord, point: At, folder: Path) -> Backup:
    with (
        room_in(Home(settings.home).store),
        state_at(settings, catalog, record.source, record.table_name, point) as then,
    ):
        own = then.state.table
        return write_backup(
            folder,
            source=record.source,
            table=replace(own, name=record.table_name, columns=(*own.columns, *STORED_META)),
            batches=(held(batch, len(own.columns) + 3) for batch in then.state.batches()),
            facts=_facts(catalog, record, own.key),
        )


def _facts(catalog: Catalog, record: TableRecord, key: Sequence[str]) -> dict[str, Any]:
    """As in every manifest; indexes and references are those of today, where the table stands."""
    schema, relation = record.schema_name or record.source, record.relation or relation_name(record.table_name)
    with connected(catalog.url) as connection:
        standing = find(connection, schema, relation)
        ddl = definition(connection, schema, relation, standing.oid) if standing else None
    return {"key": list(key), "load_id": None, "relation": f"{schema}.{relation}", "snapshot": None, "ddl": ddl}


def _made_by_then(settings: Settings, catalog: Catalog, record: TableRecord, point: At, why: NothingThen | StoredFileError) -> _Found:
    """The newest verified backup made by then. Raises `why` when there is none, or the moment of a version is not known."""
    moment = point if isinstance(point, datetime) else point.moment if isinstance(point, Place) else None
    verified = {one.backup_id for one in catalog.backups(record.source, record.table_name) if one.verified_ok}
    for backup in reversed(list_backups(Home(settings.home).backups(record.source, record.table_name))):
        made = datetime.fromisoformat(backup.created_at).astimezone(UTC).replace(tzinfo=None)
        if moment is not None and backup.backup_id in verified and made <= moment:
            return _Found(backup, f"from backup {backup.backup_id}, the newest verified one made by then: {why.message.rstrip('.')}")
    raise why
