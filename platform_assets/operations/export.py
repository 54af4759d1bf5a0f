"""Export: the state of tables, now or then, as files for others. Whole or not there.

What a form can hold is its own business (storage.exports); which versions make a state is latest's and as_of's.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from platform_assets.errors import Conflict, NoSuchTable, NothingThen, PlatformError
from platform_assets.operations.as_of import At, point_named, state_at, timeline_at
from platform_assets.operations.combine import place_json
from platform_assets.operations.lives import key_lives
from platform_assets.operations.timeline import TableVersion, timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.exports.cell_texts import shown_rows
from platform_assets.storage.exports.forms import Form
from platform_assets.storage.exports.key_value import write_lives
from platform_assets.storage.exports.redis_store import RedisCounts, fill
from platform_assets.storage.exports.relation import Relation, Written
from platform_assets.storage.exports.target import Sink, packed, refuse_existing, writable
from platform_assets.storage.files import atomic_file, fsync_folder, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.rows.json_form import snapshot_to_json
from platform_assets.storage.rows.latest_state import META, LatestState, LatestWriter, open_latest
from platform_assets.storage.warehouse.names import column_names
from platform_assets.versions.keys import folder_name
from platform_assets.versions.order import Place

Progress = Callable[[str, int], None]
_PLAIN_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def silent(table: str, rows: int) -> None:
    """The progress that nobody looks at."""


@dataclass(frozen=True)
class Asked:
    """How tables are to leave. `origin`: with the platform's own columns. `compress`: a key of COMPRESSIONS or None.

    `at`: the state then; `version`: that version's own rows. At most one of them; neither: the latest state.
    """

    form: Form
    at: str | None = None
    version: str | None = None
    origin: bool = False
    history: bool = False
    """With `kv`: every state of each key in order, not the newest alone."""
    compress: str | None = None
    force: bool = False

    @property
    def suffix(self) -> str:
        return self.form.suffix + (f".{self.compress}" if self.compress else "")


@dataclass(frozen=True)
class Exported:
    """A table that left. `file` is None for standard output; `bytes` is the size as written, packed if so asked."""

    table: str
    file: str | None
    format: str
    rows: int
    bytes: int
    notices: tuple[str, ...]


def tables_named(catalog: Catalog, name: str) -> tuple[list[TableRecord], bool]:
    """The tables of a source, or one table; and whether the name is a source's. Raises NoSuchTable."""
    of_source = [record for record in catalog.tables() if record.source == name]
    return (of_source, True) if of_source else ([catalog.table(name)], False)


@dataclass(frozen=True)
class Point:
    """Where in time: `at`, and whether only that version's own rows are meant. Neither: now."""

    at: At | None = None
    alone: bool = False


def point_of(settings: Settings, catalog: Catalog, source: str, asked: Asked) -> Point:
    """Raises PlatformError for what is no version and no time."""
    if asked.version is None:
        return Point(point_named(settings, catalog, source, asked.at) if asked.at else None)
    found = point_named(settings, catalog, source, asked.version)
    if not isinstance(found, Place):
        raise PlatformError(f"{asked.version} is a time and no version of {source}: --as-of takes times.", source=source)
    return Point(found, alone=True)


@contextmanager
def state_of(settings: Settings, catalog: Catalog, record: TableRecord, point: Point) -> Iterator[LatestState]:
    """The rows of a table at a point, readable inside the block. Raises NoSuchTable, NothingThen, PlatformError, StoredFileError."""
    source, table = record.source, record.table_name
    if isinstance(point.at, Place) and point.alone:
        version = version_of(settings, catalog, record, point.at)
        writer = LatestWriter(Home(settings.home).store / "work" / f"version-{secrets.token_hex(6)}", source=source)
        writer.choose(version.snapshot, None)
        state = writer.finish(version.table, facts={})
        try:
            yield state
        finally:
            state.discard()
    elif point.at is not None:
        with state_at(settings, catalog, source, table, point.at) as then:
            yield then.state
    elif record.relation is None:
        raise NoSuchTable(f"{source}.{table} has no latest state yet: run platform-assets ingest.")
    else:
        yield open_latest(Home(settings.home).latest(source, table))


def version_of(settings: Settings, catalog: Catalog, record: TableRecord, place: Place) -> TableVersion:
    """Raises NothingThen when the version has not the table."""
    for version in timeline_of(settings, catalog, record.source, record.table_name).versions:
        if version.version == place.version:
            return version
    raise NothingThen(f"Version {place.version} has no table {record.source}.{record.table_name}.", version=place.version)


def relation_of(
    state: LatestState, asked: Asked, head: Mapping[str, Any], raw: list[int], *, instances: bool, progress: Progress
) -> Relation:
    """The rows of a state as a form takes them; `raw` counts the rows of which `_raw` keeps something that does not leave with them."""
    whole = asked.form.whole or asked.origin
    meta = META if whole else ("_instance",) if instances and asked.form.name != "kv" else ()

    def rows(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in state.batches(columns if whole else [*columns, "_raw"]):
            progress(state.table.name, batch.num_rows)
            if not whole:
                raw[0] += batch.num_rows - batch.column("_raw").null_count
                batch = batch.select(list(columns))
            yield batch

    return Relation(state.table, rows, meta, instances, head)


@contextmanager
def shown_then(
    settings: Settings, catalog: Catalog, table: str, at: str, *, limit: int | None
) -> Iterator[tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]]:
    """Columns and rows of a table at a version or a time, under the names and in the values of a query to the warehouse."""
    record = catalog.table(table)
    with state_of(settings, catalog, record, Point(point_named(settings, catalog, record.source, at))) as state:
        rows = (row for batch in state.batches() for row in shown_rows(batch))
        yield (*column_names(state.table).values(), *META), islice(rows, limit)


@contextmanager
def lives_of(
    settings: Settings, catalog: Catalog, record: TableRecord, point: Point, progress: Progress = silent
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The states of every key of a table up to a point, as lives.LIVES, readable inside the block."""
    if point.alone:
        raise PlatformError("A version alone has no history: leave --version out, or take --as-of.")
    timeline = timeline_of(settings, catalog, record.source, record.table_name)
    if point.at is not None:
        timeline = timeline_at(timeline, point.at)

    def watched(lives: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in lives:
            progress(record.table_name, batch.num_rows)
            yield batch

    with key_lives(settings, timeline) as lives:
        yield watched(lives)


def export_to_redis(
    settings: Settings, catalog: Catalog, record: TableRecord, asked: Asked, url: str, *, prefix: str, progress: Progress = silent
) -> RedisCounts:
    """The lives of a table's keys into a Redis server. Raises PlatformError, also for a table without a key."""
    point = point_of(settings, catalog, record.source, asked)
    name = f"{record.source}.{record.table_name}"
    with lives_of(settings, catalog, record, point) as lives:
        return fill(
            url,
            lives,
            name=name,
            prefix=prefix,
            password=settings.redis_password,
            progress=lambda keys: progress(record.table_name, keys),
        )


def _several_instances(state: LatestState, versions: Sequence[TableVersion]) -> bool:
    giving = {chosen.version for chosen in state.chosen if chosen.rows}
    return len({version.instance for version in versions if version.version in giving}) > 1


def export_table(
    settings: Settings, catalog: Catalog, record: TableRecord, asked: Asked, stream: BinaryIO, *, point: Point, progress: Progress = silent
) -> Written:
    """One table into a stream. Raises what state_of raises, and PlatformError for a form that cannot carry the table."""
    if asked.history:
        with lives_of(settings, catalog, record, point, progress) as lives:
            return write_lives(lives, stream)
    raw = [0]
    with state_of(settings, catalog, record, point) as state:
        known = timeline_of(settings, catalog, record.source, record.table_name).versions
        versions = [version for version in known if version.version in state.versions]
        told = {
            "as_of": asked.at,
            "delete_guard": settings.source(record.source).delete_guard,
            "places": [place_json(version) for version in versions],
        }
        if point.alone and asked.form.whole:
            return Written(snapshot_to_json(versions[0].snapshot, stream, told=told))
        head = {"source": state.source, "versions": list(state.versions), "facts": dict(state.facts), **told}
        instances = _several_instances(state, versions)
        relation = relation_of(state, asked, head, raw, instances=instances, progress=progress)
        written = asked.form.write(relation, stream)
    kept = (
        f"{raw[0]:,} rows have values that their columns cannot hold and that did not leave: --origin or --format json carries them (_raw)"
    )
    return Written(written.rows, (*written.notices, kept) if raw[0] else written.notices)


def export_to_stream(
    settings: Settings, catalog: Catalog, record: TableRecord, asked: Asked, file: BinaryIO, *, progress: Progress = silent
) -> Exported:
    """One table to an open file, as to standard output."""
    point = point_of(settings, catalog, record.source, asked)
    return _exported(settings, catalog, record, asked, file, point=point, name=None, progress=progress)


def _exported(
    settings: Settings,
    catalog: Catalog,
    record: TableRecord,
    asked: Asked,
    file: BinaryIO,
    *,
    point: Point,
    name: str | None,
    progress: Progress,
) -> Exported:
    sink = Sink(file)
    stream = packed(sink, asked.compress)
    try:
        written = export_table(settings, catalog, record, asked, stream, point=point, progress=progress)
    finally:
        stream.close()
    return Exported(f"{record.source}.{record.table_name}", name, asked.form.name, written.rows, sink.size, written.notices)


def export_to_file(
    settings: Settings, catalog: Catalog, record: TableRecord, asked: Asked, target: Path, *, progress: Progress = silent
) -> Exported:
    """One table to a file, or into a folder that is there. Raises Conflict when the file is there and `force` does not allow it."""
    path = target / file_names([record], asked)[0] if target.is_dir() else target
    point = point_of(settings, catalog, record.source, asked)
    refuse_existing([path], force=asked.force)
    with writable(path), atomic_file(path) as file:
        return _exported(settings, catalog, record, asked, file, point=point, name=str(path), progress=progress)


def export_to_folder(
    settings: Settings, catalog: Catalog, records: Sequence[TableRecord], asked: Asked, folder: Path, *, progress: Progress = silent
) -> tuple[list[Exported], list[str]]:
    """A file per table in a folder, all or none of them; other files in it stay. Also what kept tables out that had nothing then.

    Raises Conflict when one of the files is there and `force` does not allow it, PlatformError when no table had anything then.
    """
    point = point_of(settings, catalog, records[0].source, asked)
    names = file_names(records, asked)
    if folder.exists() and not folder.is_dir():
        raise Conflict(f"{folder} is there and no folder: name another one with --output.", path=str(folder))
    refuse_existing([folder / name for name in names], force=asked.force)
    done: list[Exported] = []
    left: list[NothingThen] = []
    stage = temporary_sibling(folder)
    with writable(folder):
        stage.mkdir(parents=True)
        try:
            for record, name in zip(records, names, strict=True):
                try:
                    with atomic_file(stage / name) as file:
                        done.append(
                            _exported(settings, catalog, record, asked, file, point=point, name=str(folder / name), progress=progress)
                        )
                except NothingThen as error:
                    left.append(error)
            if not done:
                raise left[0]
            _put_in_place(stage, folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return done, [error.message for error in left]


def _put_in_place(stage: Path, folder: Path) -> None:
    fsync_folder(stage)
    if folder.is_dir():
        for path in sorted(stage.iterdir()):
            os.replace(path, folder / path.name)
        fsync_folder(folder)
    else:
        os.rename(stage, folder)
        fsync_folder(folder.parent)


def file_names(records: Sequence[TableRecord], asked: Asked) -> list[str]:
    """A file name per table: its own where that is safe and no other's but for case."""
    folded = [record.table_name.casefold() for record in records]
    return [
        (record.table_name if _PLAIN_FILE.fullmatch(record.table_name) and folded.count(name) == 1 else folder_name(record.table_name))
        + asked.suffix
        for record, name in zip(records, folded, strict=True)
    ]
