"""Snapshots (one table of one version, parsed) and the latest state (one table over all versions, merged) as they are stored.

A snapshot's folder holds part-*.avro (every readable row), rejected.avro (the numbers of the rejected ones among them), rejects.avro
(rejected, unreadable and recovered rows with their reasons) and snapshot.json, the manifest of all of them. It is immutable once
committed. A latest state's folder holds part-*.avro and latest.json; each merge replaces it as a whole. How rows are judged and
merged is not known here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64
from platform_assets.storage.files import TEMPORARY, recover_folder, temporary_sibling
from platform_assets.storage.rows.avro import Part, field_names
from platform_assets.storage.rows.hot_rows import HotWriter, read_hot
from platform_assets.storage.rows.rejects import RejectRecord, RejectsWriter, read_rejects
from platform_assets.storage.rows.row_store import PART_BYTES, RowWriter, StoredRows, numbered, read_parts, read_rows, store_schema
from platform_assets.storage.rows.stored_table import StoredTable, read_manifest, remove_folder

SNAPSHOT_META = ("_row", "_line", "_raw")
_REJECTED_SCHEMA = pa.schema([("row", INT64)])
_CHUNK_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Snapshot(StoredTable):
    """A stored snapshot, or one that waits for its commit.

    `rows` counts the readable rows; with the `unreadable` ones they are all that was read, and that is `accepted` + `rejected`.
    `recovered` are among `rows`. `raw_counts`: column -> cells kept verbatim in `_raw`. `rule_counts`: rule id -> (checked, failed).
    """

    MANIFEST: ClassVar[str] = "snapshot.json"

    version: str
    instance: str
    member: str
    rejected_parts: tuple[Part, ...]
    reject_parts: tuple[Part, ...]
    unreadable: int
    rejected_readable: int
    recovered: int
    raw_counts: Mapping[str, int]
    rule_counts: Mapping[str, tuple[int, int]]
    dictionary_version: str
    hot: Part | None = None
    """A copy of the rows in Arrow's own form, there until the version is published (hot_rows)."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Column names that were renamed since, each with the one of today, under which `table` and the rows have it (`called`)."""

    @property
    def accepted(self) -> int:
        return self.rows - self.rejected_readable

    @property
    def rejected(self) -> int:
        """Rows that broke a rule or could not be read."""
        return self.rejected_readable + self.unreadable

    @property
    def files(self) -> tuple[Part, ...]:
        return self.parts + self.rejected_parts + self.reject_parts

    @property
    def content(self) -> str:
        """The hash of what `batches` gives: of the rows and of which of them are rejected."""
        return hashlib.sha256("\n".join(part.sha256 for part in self.parts + self.rejected_parts).encode()).hexdigest()

    def batches(self, columns: Sequence[str] | None = None, *, accepted_only: bool = True) -> Iterator[pa.RecordBatch]:
        """Rows in stored order, all data and meta columns or the named ones (`_row`, `_line`, `_raw` among them).

        Memory is that of a few blocks. Raises KeyError for an unknown column, StoredFileError for a damaged file.
        """
        if not (accepted_only and self.rejected_readable):
            yield from self._rows(self.schema(columns).names)
            return
        wanted = self.schema(columns).names
        rejected = self.rejected_rows()
        needed = wanted if "_row" in wanted else [*wanted, "_row"]
        for batch in self._rows(needed):
            numbers = batch.column("_row").to_numpy()
            places = np.minimum(np.searchsorted(rejected, numbers), len(rejected) - 1)
            kept = batch.filter(pa.array(rejected[places] != numbers)).select(wanted)
            if kept.num_rows:
                yield kept

    def _rows(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        copy = read_hot(self.place, self.hot, columns) if self.hot and not self.names else None
        rows = copy or read_rows(self.place, self.stored, columns)
        return (_raw_renamed(batch, self.names) for batch in rows) if self.names and "_raw" in columns else rows

    def called(self, today: Table) -> Snapshot:
        """The same snapshot, to be read under the names of today: `today` has its columns one by one. What is stored stays as it is."""
        pairs = zip(self.table.column_names, today.column_names, strict=True)
        names = {old: new for old, new in pairs if old != new}
        return replace(self, stored=replace(self.stored, table=today), names=names)

    def cool(self) -> None:
        """Removes the copy of the rows; a reader that has it open goes on."""
        if self.hot:
            (self.place / self.hot.name).unlink(missing_ok=True)

    def rejected_rows(self) -> np.ndarray:
        """The row numbers of the rejected readable rows, ascending, int64. 8 bytes of memory each."""
        batches = read_parts(self.place, self.rejected_parts, _REJECTED_SCHEMA, _REJECTED_SCHEMA.names)
        return np.concatenate([np.empty(0, np.int64), *(batch.column(0).to_numpy() for batch in batches)])

    def rejects(self) -> Iterator[RejectRecord]:
        """Rejected, unreadable and recovered rows with their reasons, streamed. Raises StoredFileError."""
        return read_rejects(self.place, self.reject_parts)

    def to_json(self) -> dict[str, Any]:
        return {
            **super().to_json(),
            "version": self.version,
            "instance": self.instance,
            "member": self.member,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "rejected_readable": self.rejected_readable,
            "unreadable": self.unreadable,
            "recovered": self.recovered,
            "raw_counts": dict(self.raw_counts),
            "rule_counts": {rule: list(counts) for rule, counts in self.rule_counts.items()},
            "dictionary_version": self.dictionary_version,
            "rejected_parts": [part.to_json() for part in self.rejected_parts],
            "reject_parts": [part.to_json() for part in self.reject_parts],
            "hot": self.hot.to_json() if self.hot else None,
        }

    @classmethod
    def from_json(cls, folder: Path, data: Mapping[str, Any]) -> Snapshot:
        return cls(
            folder=folder,
            source=data["source"],
            version=data["version"],
            instance=data["instance"],
            member=data["member"],
            stored=StoredRows.from_json(data["stored"]),
            rejected_parts=tuple(Part.from_json(part) for part in data["rejected_parts"]),
            reject_parts=tuple(Part.from_json(part) for part in data["reject_parts"]),
            unreadable=data["unreadable"],
            rejected_readable=data["rejected_readable"],
            recovered=data["recovered"],
            raw_counts=data["raw_counts"],
            rule_counts={rule: (counts[0], counts[1]) for rule, counts in data["rule_counts"].items()},
            dictionary_version=data["dictionary_version"],
            facts=data["facts"],
            hot=Part.from_json(data["hot"]) if data["hot"] else None,
        )


class SnapshotWriter:
    """Writes one snapshot; `folder` is where it will stand after the commit. Not for several threads at once.

    Every batch has the table's data columns, of the types and in the order of the table given to `finish`, then `_row`, `_line`, `_raw`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: str,
        version: str,
        instance: str,
        table_name: str,
        part_bytes: int = PART_BYTES,
        keep_hot: bool = False,
    ) -> None:
        self._keep_hot = keep_hot
        self._final, self._name, self._part_bytes = folder, table_name, part_bytes
        self._source, self._version, self._instance = source, version, instance
        self._begin()

    def _begin(self) -> None:
        self._folder = temporary_sibling(self._final)
        self._rows = RowWriter(self._folder, part_name=numbered("part"), part_bytes=self._part_bytes)
        self._rejects = RejectsWriter(self._folder)
        self._hot = HotWriter(self._folder) if self._keep_hot else None

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises ValueError when the columns differ from those of the first batch: then `restart`."""
        self._rows.add(batch)
        if self._hot:
            self._hot.add(batch)

    def reject(self, record: RejectRecord) -> None:
        self._rejects.add(record)

    def flush(self) -> None:
        """Frees memory, threads and open files until the next row: for a dump that turns to another table. Ends a part."""
        self._rows.flush()
        self._rejects.flush()
        if self._hot:
            self._hot.flush()

    def restart(self) -> None:
        """Throws away what was written."""
        self.discard()
        self._begin()

    def discard(self) -> None:
        """Throws away what was written, for good."""
        self._rows.abandon()
        self._rejects.discard()
        if self._hot:
            self._hot.discard()
        remove_folder(self._folder)

    def finish(
        self,
        table: Table,
        *,
        rejected_rows: np.ndarray | Sequence[int] = (),
        member: str = "",
        unreadable: int = 0,
        recovered: int = 0,
        raw_counts: Mapping[str, int] | None = None,
        rule_counts: Mapping[str, tuple[int, int]] | None = None,
        dictionary_version: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Everything written but the manifest: the snapshot is pending until its commit. `facts` are of JSON's types.

        Raises ValueError when the rows written are not of the table's columns.
        """
        schema = store_schema(table, SNAPSHOT_META)
        _check(table, self._name, schema, self._rows)
        self._folder.mkdir(parents=True, exist_ok=True)
        numbers = np.unique(np.asarray(rejected_rows, dtype=np.int64))
        parts = self._rows.finish()
        return Snapshot(
            folder=self._final,
            source=self._source,
            version=self._version,
            instance=self._instance,
            member=member,
            stored=StoredRows(table, SNAPSHOT_META, field_names(schema.names), parts),
            rejected_parts=_write_numbers(self._folder, numbers),
            reject_parts=self._rejects.finish(),
            unreadable=int(unreadable),
            rejected_readable=len(numbers),
            recovered=int(recovered),
            raw_counts={column: int(count) for column, count in (raw_counts or {}).items()},
            rule_counts={rule: (int(checked), int(failed)) for rule, (checked, failed) in (rule_counts or {}).items()},
            dictionary_version=dictionary_version,
            facts=dict(facts or {}),
            pending=self._folder,
            hot=self._hot.finish() if self._hot else None,
        )


def _raw_renamed(batch: pa.RecordBatch, names: Mapping[str, str]) -> pa.RecordBatch:
    """The cells in `_raw` under the names of today; rows without any are not looked at."""
    place = batch.schema.get_field_index("_raw")
    raw = batch.column(place)
    if raw.null_count == len(raw):
        return batch
    texts = raw.to_pylist()
    for row, text in enumerate(texts):
        if text is not None:
            cells = {names.get(name, name): cell for name, cell in json.loads(text).items()}
            texts[row] = json.dumps(cells, ensure_ascii=False)
    return batch.set_column(place, batch.schema.field(place), pa.array(texts, raw.type))


class VerdictWriter:
    """Another verdict on the rows of a committed snapshot: the same parts, by links, with other rejects. The snapshot stays as it is."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._folder = temporary_sibling(snapshot.folder)
        self._rejects = RejectsWriter(self._folder)

    def reject(self, record: RejectRecord) -> None:
        self._rejects.add(record)

    def discard(self) -> None:
        self._rejects.discard()
        remove_folder(self._folder)

    def finish(
        self,
        table: Table,
        *,
        rejected_rows: np.ndarray | Sequence[int],
        rule_counts: Mapping[str, tuple[int, int]],
        dictionary_version: str,
        facts: Mapping[str, Any],
    ) -> Snapshot:
        """Pending until its commit. Raises ValueError when the table has other columns than the rows."""
        before = self._snapshot
        if not table.arrow_schema().equals(before.table.arrow_schema()):
            raise ValueError(f"Table {table.name} has the columns {table.arrow_schema()}; the rows are of {before.table.arrow_schema()}.")
        self._folder.mkdir(parents=True, exist_ok=True)
        for part in before.parts:
            os.link(before.folder / part.name, self._folder / part.name)
        numbers = np.unique(np.asarray(rejected_rows, dtype=np.int64))
        return replace(
            before,
            stored=replace(before.stored, table=table),
            rejected_parts=_write_numbers(self._folder, numbers),
            reject_parts=self._rejects.finish(),
            rejected_readable=len(numbers),
            rule_counts={rule: (int(checked), int(failed)) for rule, (checked, failed) in rule_counts.items()},
            dictionary_version=dictionary_version,
            facts=dict(facts),
            pending=self._folder,
            hot=None,
        )


def _write_numbers(folder: Path, numbers: np.ndarray) -> tuple[Part, ...]:
    writer = RowWriter(folder, part_name=lambda number: "rejected.avro", part_bytes=1 << 62)
    for start in range(0, len(numbers), _CHUNK_ROWS):
        writer.add(pa.RecordBatch.from_arrays([pa.array(numbers[start : start + _CHUNK_ROWS])], schema=_REJECTED_SCHEMA))
    return writer.finish()


def open_snapshot(folder: Path) -> Snapshot:
    """The committed snapshot of a folder. Raises StoredFileError when there is none, or its manifest is damaged or unknown."""
    return Snapshot.from_json(folder, read_manifest(folder / Snapshot.MANIFEST))


def list_snapshots(version_folder: Path) -> list[Snapshot]:
    """The committed snapshots of one version by table name; [] when the folder is not there. Raises StoredFileError."""
    for folder in version_folder.glob(f".*{TEMPORARY}old"):
        recover_folder(version_folder / folder.name.removeprefix(".").removesuffix(f"{TEMPORARY}old"))
    manifests = [path for path in version_folder.glob(f"*/{Snapshot.MANIFEST}") if TEMPORARY not in path.parent.name]
    return sorted((open_snapshot(path.parent) for path in manifests), key=lambda snapshot: snapshot.table.name)


def _check(table: Table, name: str, schema: pa.Schema, rows: RowWriter) -> None:
    if table.name != name or (rows.schema is not None and not rows.schema.equals(schema)):
        raise ValueError(f"Table {table.name} has the columns {schema}; the rows written are of {name} and have {rows.schema}.")
