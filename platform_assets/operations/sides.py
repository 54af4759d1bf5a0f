"""What can be compared: a version's own rows, the state at a time, the latest state, a backup; each as pieces whose rows have numbers.

Not here: the comparison (diff).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import NoSuchTable, PlatformError
from platform_assets.operations.as_of import point_named, state_at
from platform_assets.operations.backup import STORED_META, find_backup
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import Backup
from platform_assets.storage.rows.key_index import digested, row_digests
from platform_assets.storage.rows.latest_state import META, LatestState, open_latest
from platform_assets.versions.drift import align
from platform_assets.versions.order import Place

LATEST, BACKUP = "latest", "backup:"


class Piece(Protocol):
    """Rows with numbers, ascending. `index` gives (`row`, `inst`, `k0`, ..., `h0`, `h1`), `rows` (`row`, the data, META) of some."""

    def index(self, keys: Table, union: Table) -> Iterator[pa.Table]: ...

    def rows(self, numbers: np.ndarray, union: Table) -> Iterator[tuple[pa.Array, pa.RecordBatch]]: ...


@dataclass(frozen=True)
class SnapshotPiece:
    """Rows of one version: all accepted ones, or those with these numbers."""

    version: TableVersion
    numbers: np.ndarray | None = None

    def index(self, keys: Table, union: Table) -> Iterator[pa.Table]:
        found, digests = self.version.keys(keys), self.version.digests(union)
        if self.numbers is not None:
            places = np.searchsorted(found.column("row").to_numpy(), self.numbers)
            found, digests = found.take(places), digests.take(places)
        instance = pa.repeat(pa.scalar(self.version.instance, STRING), found.num_rows)
        columns = [found.column(0), instance, *found.columns[1:], *digests.columns[1:]]
        yield pa.table(columns, names=_names(len(keys.columns)))

    def rows(self, numbers: np.ndarray, union: Table) -> Iterator[tuple[pa.Array, pa.RecordBatch]]:
        own = [name for name in union.column_names if name in self.version.table.column_names]
        for batch in self.version.batches([*own, "_row", "_raw"]):
            batch = batch.filter(_among(batch.column("_row"), numbers))
            if batch.num_rows:
                origin = [pa.repeat(pa.scalar(text, STRING), batch.num_rows) for text in (self.version.instance, self.version.version)]
                yield batch.column("_row"), _with_meta(align(batch, union), [*origin, batch.column("_row"), batch.column("_raw")])


@dataclass(frozen=True)
class BackupPiece:
    """Rows of a backup, numbered as they stand in it; of one instance alone when `instance` names it."""

    backup: Backup
    instance: str | None = None

    def index(self, keys: Table, union: Table) -> Iterator[pa.Table]:
        own = digested(union, self.backup.table.column_names)
        for numbers, batch in self._batches():
            columns = [numbers, batch.column("_instance"), *align(batch, keys).columns, *row_digests(batch, own)]
            yield pa.table(columns, names=_names(len(keys.columns)))

    def rows(self, numbers: np.ndarray, union: Table) -> Iterator[tuple[pa.Array, pa.RecordBatch]]:
        for places, batch in self._batches():
            mask = _among(places, numbers)
            batch = batch.filter(mask)
            if batch.num_rows:
                yield places.filter(mask), _with_meta(align(batch, union), [batch.column(name) for name in META])

    def _batches(self) -> Iterator[tuple[pa.Array, pa.RecordBatch]]:
        first = 0
        for batch in self.backup.batches():
            numbers = pa.array(np.arange(first, first + batch.num_rows), INT64)
            first += batch.num_rows
            if self.instance is not None:
                mask = pc.equal(batch.column("_instance"), self.instance)
                numbers, batch = numbers.filter(mask), batch.filter(mask)
            yield numbers, batch


@dataclass(frozen=True)
class Side:
    """One side of a comparison. `said` tells people what it is; `instance` is set where only one is in it: then it is compared alone."""

    said: str
    table: Table
    pieces: tuple[Piece, ...]
    instance: str | None = None

    def of(self, instance: str | None) -> Side:
        """The same with the rows of one instance alone."""
        if instance is None or self.instance is not None:
            return self
        kept = [
            replace(piece, instance=instance) if isinstance(piece, BackupPiece) else piece
            for piece in self.pieces
            if not isinstance(piece, SnapshotPiece) or piece.version.instance == instance
        ]
        return replace(self, said=f"{self.said}, instance {instance}", pieces=tuple(kept), instance=instance)


@contextmanager
def side_named(settings: Settings, catalog: Catalog, timeline: Timeline, text: str) -> Iterator[Side]:
    """What `VERSION`, a time, `latest` or `backup:ID` (`backup:` alone: the newest) names, readable inside the block.

    Raises PlatformError for what is not there, StoredFileError, DamagedBackup.
    """
    source, table = timeline.source, timeline.table
    if text == LATEST:
        if catalog.table(f"{source}.{table}").relation is None:
            raise NoSuchTable(f"{source}.{table} has no latest state yet: run platform-assets ingest.")
        yield _of_state("the latest state", open_latest(Home(settings.home).latest(source, table)), timeline)
        return
    if text.startswith(BACKUP):
        backup = find_backup(settings, source, table, text.removeprefix(BACKUP) or None)
        data = backup.table.with_columns(column for column in backup.table.columns if column not in STORED_META)
        yield Side(f"backup {backup.backup_id}", data, (BackupPiece(backup),))
        return
    point = point_named(settings, catalog, source, text)
    if isinstance(point, Place):
        yield _of_version(timeline, point)
        return
    with state_at(settings, catalog, source, table, point) as then:
        yield _of_state(f"the state at {point}", then.state, timeline)


def _of_version(timeline: Timeline, place: Place) -> Side:
    version = next((version for version in timeline.versions if version.version == place.version), None)
    if version is None:
        known = ", ".join(version.version for version in timeline.versions[-20:])
        raise PlatformError(
            f"Version {place.version} has no table {timeline.table}. Versions that have it: {known}.", version=place.version
        )
    return Side(f"version {version.version}", version.table, (SnapshotPiece(version),), version.instance)


def _of_state(said: str, state: LatestState, timeline: Timeline) -> Side:
    versions = {version.version: version for version in timeline.versions}
    pieces = tuple(SnapshotPiece(versions[snapshot.version], numbers) for snapshot, numbers in state.choices())
    return Side(said, state.table, pieces)


def _names(keys: int) -> Sequence[str]:
    return ["row", "inst", *(f"k{n}" for n in range(keys)), "h0", "h1"]


def _among(column: pa.Array, numbers: np.ndarray) -> pa.BooleanArray:
    values = column.to_numpy()
    places = np.minimum(np.searchsorted(numbers, values), len(numbers) - 1)
    return pa.array(numbers[places] == values)


def _with_meta(batch: pa.RecordBatch, meta: Sequence[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*batch.columns, *meta], names=[*batch.schema.names, *META])
