"""The latest state as it is stored: which rows of which snapshots, not the rows again.

Snapshots never change, so a state is a choice among their rows: per version all accepted rows, or the numbers of those that won. One
folder per table, replaced as a whole: rows-*.avro with the numbers, latest.json last. The price: a state is readable only beside its
snapshots; each is held to the content it had when it was chosen from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.renames import with_names
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import StoredFileError
from platform_assets.storage.files import temporary_sibling
from platform_assets.storage.rows.avro import Part
from platform_assets.storage.rows.row_store import RowWriter, prove_files, read_parts, store_schema
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot
from platform_assets.storage.rows.stored_table import PendingFolder, read_manifest, remove_folder
from platform_assets.versions.drift import align

META = ("_instance", "_version", "_row", "_raw")
_NUMBERS = pa.schema([("row", INT64)])
_CHUNK_ROWS = 1 << 16


@dataclass(frozen=True)
class Chosen:
    """What one version gives to the state. `snapshot` is relative to the state's folder, `content` the snapshot's hash then.

    `numbers` are the files with the chosen row numbers, ascending; None means every accepted row. `names` are the columns that were
    renamed since the dump: old to new.
    """

    version: str
    snapshot: str
    content: str
    rows: int
    numbers: tuple[Part, ...] | None
    names: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "snapshot": self.snapshot,
            "content": self.content,
            "rows": self.rows,
            "numbers": None if self.numbers is None else [part.to_json() for part in self.numbers],
            "names": dict(self.names),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Chosen:
        numbers = data["numbers"]
        parts = None if numbers is None else tuple(Part.from_json(part) for part in numbers)
        return cls(data["version"], data["snapshot"], data["content"], data["rows"], parts, data.get("names", {}))


@dataclass(frozen=True)
class LatestState(PendingFolder):
    """The stored latest state of one table, or one that waits for its commit. `table` is the union of the versions' columns."""

    MANIFEST: ClassVar[str] = "latest.json"

    source: str
    table: Table
    chosen: tuple[Chosen, ...]
    facts: Mapping[str, Any]

    @property
    def rows(self) -> int:
        return sum(chosen.rows for chosen in self.chosen)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that were merged, also those of which no row is left."""
        return tuple(chosen.version for chosen in self.chosen)

    def schema(self, columns: Sequence[str] | None = None) -> pa.Schema:
        """What `batches` with the same columns yields. Raises KeyError for an unknown column."""
        whole = store_schema(self.table, META)
        if columns is None:
            return whole
        return pa.schema([whole.field(name) for name in columns])

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows by version and row number, all data and meta columns or the named ones; streamed from the snapshots.

        Raises KeyError, and StoredFileError when a snapshot is gone, damaged, or another one than was chosen from.
        """
        names = self.schema(columns).names
        narrow = self.table.with_columns(column for column in self.table.columns if column.name in names)
        for snapshot, numbers in self.choices():
            for batch in self._rows_of(snapshot, numbers, narrow):
                yield batch.select(names)

    def choices(self) -> Iterator[tuple[Snapshot, np.ndarray | None]]:
        """Per version with rows in the state: its snapshot and the row numbers, None for all accepted. Raises StoredFileError."""
        for chosen in self.chosen:
            if chosen.rows:
                yield self._snapshot(chosen), self._numbers(chosen)

    def numbers(self) -> dict[str, np.ndarray | None]:
        """Per version the chosen row numbers, ascending; None for every accepted row. Raises StoredFileError."""
        return {chosen.version: self._numbers(chosen) for chosen in self.chosen}

    def _rows_of(self, snapshot: Snapshot, numbers: np.ndarray | None, narrow: Table) -> Iterator[pa.RecordBatch]:
        wanted = [name for name in narrow.column_names if name in snapshot.table.column_names]
        for batch in snapshot.batches([*wanted, "_row", "_raw"]):
            if numbers is not None:
                rows = batch.column("_row").to_numpy()
                places = np.minimum(np.searchsorted(numbers, rows), len(numbers) - 1)
                batch = batch.filter(pa.array(numbers[places] == rows))
            if batch.num_rows:
                yield _with_origin(batch, narrow, snapshot)

    def _snapshot(self, chosen: Chosen) -> Snapshot:
        folder = Path(os.path.normpath(self.folder / chosen.snapshot))
        snapshot = open_snapshot(folder)
        if snapshot.content != chosen.content:
            raise StoredFileError(
                f"{folder} was parsed again after the latest state of {self.source}.{self.table.name} was made from it. "
                "Materialize latest_state for this table again.",
                path=str(folder),
            )
        return snapshot.called(with_names(snapshot.table, chosen.names)) if chosen.names else snapshot

    def _numbers(self, chosen: Chosen) -> np.ndarray | None:
        if chosen.numbers is None:
            return None
        batches = read_parts(self.place, chosen.numbers, _NUMBERS, _NUMBERS.names)
        return np.concatenate([np.empty(0, np.int64), *(batch.column(0).to_numpy() for batch in batches)])

    def verify(self) -> None:
        """Proves every file, those of the snapshots included. Raises StoredFileError naming the first bad one."""
        for chosen in self.chosen:
            prove_files(self.place, chosen.numbers or ())
            self._snapshot(chosen).verify()

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "rows": self.rows,
            "facts": dict(self.facts),
            "table": self.table.to_json(),
            "chosen": [chosen.to_json() for chosen in self.chosen],
        }


def _with_origin(batch: pa.RecordBatch, table: Table, snapshot: Snapshot) -> pa.RecordBatch:
    """The rows under the table's columns, then where they come from."""
    count = batch.num_rows
    origin = [pa.repeat(pa.scalar(text, STRING), count) for text in (snapshot.instance, snapshot.version)]
    arrays = [*align(batch, table).columns, *origin, batch.column("_row"), batch.column("_raw")]
    return pa.RecordBatch.from_arrays(arrays, schema=store_schema(table, META))


class LatestWriter:
    """Collects what each version gives; `folder` is where the state will stand after the commit."""

    def __init__(self, folder: Path, *, source: str) -> None:
        self._final, self._source = folder, source
        self._folder = temporary_sibling(folder)
        self._chosen: list[Chosen] = []

    def choose(self, snapshot: Snapshot, numbers: np.ndarray | None) -> None:
        """Rows of a snapshot by their numbers, ascending int64, or with None every accepted row. Versions come in the state's order."""
        whole = numbers is None or len(numbers) == snapshot.accepted
        self._chosen.append(
            Chosen(
                version=snapshot.version,
                snapshot=os.path.relpath(snapshot.folder, self._final),
                content=snapshot.content,
                rows=snapshot.accepted if numbers is None else len(numbers),
                numbers=None if whole or numbers is None else self._write(numbers),
                names=snapshot.names,
            )
        )

    @property
    def chosen_from(self) -> frozenset[str]:
        """The versions that gave rows."""
        return frozenset(chosen.version for chosen in self._chosen if chosen.rows)

    def _write(self, numbers: np.ndarray) -> tuple[Part, ...]:
        name = f"rows-{len(self._chosen):05d}.avro"
        writer = RowWriter(self._folder, part_name=lambda number: name, part_bytes=1 << 62)
        for start in range(0, len(numbers), _CHUNK_ROWS):
            writer.add(pa.RecordBatch.from_arrays([pa.array(numbers[start : start + _CHUNK_ROWS], INT64)], schema=_NUMBERS))
        return writer.finish()

    def discard(self) -> None:
        """Throws away what was written."""
        remove_folder(self._folder)

    def finish(self, table: Table, *, facts: Mapping[str, Any]) -> LatestState:
        """Everything written but the manifest: pending until its commit. `facts` are of JSON's types."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return LatestState(self._source, table, tuple(self._chosen), dict(facts), folder=self._final, pending=self._folder)


def open_latest(folder: Path) -> LatestState:
    """The committed latest state. Raises StoredFileError when there is none, or its manifest is damaged or unknown."""
    data = read_manifest(folder / LatestState.MANIFEST)
    chosen = tuple(Chosen.from_json(each) for each in data["chosen"])
    return LatestState(data["source"], Table.from_json(data["table"]), chosen, data["facts"], folder=folder)
