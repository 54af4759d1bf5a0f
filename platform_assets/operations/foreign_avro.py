"""An Avro file that somebody else wrote becomes a backup of the moment, and that is restored like any other: proven, planned, compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import NoSuchTable, UnreadableDump
from platform_assets.formats.base import Notice, Rows, TableFound, Unreadable
from platform_assets.formats.cast import cast_batch
from platform_assets.operations.backup import STORED_META, Progress, silent
from platform_assets.operations.reading import opened
from platform_assets.operations.restore import Restored, Target, restore
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.files import room_in, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backup_writer import BackupWriter
from platform_assets.storage.rows.backups import Backup
from platform_assets.storage.rows.stored_table import remove_folder
from platform_assets.storage.warehouse.bulk import held
from platform_assets.storage.warehouse.names import relation_name

_META = tuple(column.name for column in STORED_META)


@dataclass(frozen=True)
class _Place:
    """Which table the file is for: the key and the relation that the catalog knows, or the default ones of a table that is new."""

    source: str
    table: str
    key: tuple[str, ...]
    relation: str


def restore_file(
    settings: Settings,
    catalog: Catalog,
    path: Path,
    name: str,
    target: Target,
    *,
    run_id: str,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Restored:
    """Restores the rows of an Avro file as the table `name` (source.table). All of them or none.

    Rows without the platform's own columns get the instance `default` and their number in the file. Raises UnreadableDump when not every
    row can be read, and like restore.
    """
    place = _place(catalog, name)
    with _as_backup(settings, path, place) as backup:
        return restore(catalog, [backup], target, run_id=run_id, dry_run=dry_run, progress=progress)[0]


def _place(catalog: Catalog, name: str) -> _Place:
    try:
        record = catalog.table(name)
    except NoSuchTable:
        source, _, table = name.partition(".")
        if not source or not table:
            raise
        return _Place(source, table, (), f"{source}.{relation_name(table)}")
    schema, relation = record.schema_name or record.source, record.relation or relation_name(record.table_name)
    return _Place(record.source, record.table_name, tuple(record.key), f"{schema}.{relation}")


@contextmanager
def _as_backup(settings: Settings, path: Path, place: _Place) -> Iterator[Backup]:
    """The file's rows as a backup in a folder that goes with the block."""
    work = Home(settings.home).store / "work"
    folder = temporary_sibling(work / "foreign")
    try:
        with room_in(Home(settings.home).store):
            yield _written(settings, path, place, folder)
    finally:
        remove_folder(folder)


def _written(settings: Settings, path: Path, place: _Place, folder: Path) -> Backup:
    writer: BackupWriter | None = None
    table: Table | None = None
    found: list[str] = []
    dump = opened(path, replace(settings.source(place.source), format="avro"), {})
    try:
        for event in dump.events():
            if isinstance(event, Unreadable) or (isinstance(event, Notice) and event.data_bearing):
                raise UnreadableDump(f"{path} cannot be restored whole: {event.message}. Nothing was changed.", path=str(path))
            if isinstance(event, TableFound):
                table = event.table
                stored = _stored(table, place)
                found = list(stored.key)
                writer = BackupWriter(folder, source=place.source, table=stored)
            elif isinstance(event, Rows) and writer is not None and table is not None:
                writer.add(_with_meta(event, table))
        if writer is None:
            raise UnreadableDump(f"{path} holds no table: its records have no fields. Nothing was changed.", path=str(path))
        facts = {"key": found, "load_id": None, "relation": place.relation, "snapshot": None, "ddl": None, "file": path.name}
        return writer.finish(facts)
    except BaseException:
        if writer is not None:
            writer.discard()
        raise


def _stored(table: Table, place: _Place) -> Table:
    own = tuple(column for column in table.columns if column.name not in _META)
    key = place.key if set(place.key) <= {column.name for column in own} else ()
    return Table(place.table, (*(Column(c.name, c.type, c.native) for c in own), *STORED_META), key=key)


def _with_meta(event: Rows, table: Table) -> pa.RecordBatch:
    """The batch, typed, with the platform's columns: the file's own where it has them. What PostgreSQL cannot hold goes into `_raw`."""
    cast = cast_batch(event.batch, table)
    height = cast.batch.num_rows
    meta = {"_instance": pa.array(["default"] * height, STRING), "_version": pa.nulls(height, STRING), "_row": event.rows, "_raw": cast.raw}
    names = [name for name in cast.batch.schema.names if name not in _META]
    columns = {name: cast.batch.column(cast.batch.schema.get_field_index(name)) for name in cast.batch.schema.names}
    for name, kind in (("_instance", STRING), ("_version", STRING), ("_row", INT64), ("_raw", STRING)):
        own = columns.get(name)
        meta[name] = own.cast(kind) if own is not None else meta[name]
    arrays = [*(columns[name] for name in names), *(meta[name] for name in _META)]
    return held(pa.RecordBatch.from_arrays(arrays, names=[*names, *_META]), len(names) + 3)
