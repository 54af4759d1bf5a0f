"""Backups: a table's rows as Avro with a manifest that proves them, one folder each, never overwritten.

Restoring into the warehouse and drills are operations; here a backup is written, listed, proven and read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.errors import DamagedBackup, StoredFileError
from platform_assets.storage.files import TEMPORARY, fsync_folder, temporary_sibling
from platform_assets.storage.rows.avro import Part, field_names
from platform_assets.storage.rows.row_store import PART_BYTES, RowWriter, StoredRows, numbered, prove_files, read_parts, read_rows
from platform_assets.storage.rows.stored_table import StoredTable, read_manifest, remove_folder, write_manifest

_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Backup(StoredTable):
    """A stored backup. `created_at` is ISO 8601 in UTC; `facts` say what was backed up by what (tool, server, source versions)."""

    MANIFEST: ClassVar[str] = "manifest.json"

    backup_id: str
    created_at: str

    @property
    def content(self) -> str:
        """The hash of the rows in their order: two backups of equal rows have the same."""
        return content_hash(self.parts)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows in stored order; each file is proven before its first row is given out. Raises KeyError, DamagedBackup."""
        try:
            yield from read_rows(self.folder, self.stored, columns)
        except StoredFileError as error:
            raise _damaged(self.folder, [error.message]) from error

    def to_json(self) -> dict[str, Any]:
        return {
            "backup_id": self.backup_id,
            "created_at": self.created_at,
            "key": list(self.table.key),
            "content": self.content,
            **super().to_json(),
        }


@dataclass(frozen=True)
class VerifyResult:
    """What was proven: `level` files means size and SHA-256 of every file, records that every row was decoded and counted as well.

    `problems` name every bad, missing and extra file; none means that the backup proves true.
    """

    backup_id: str
    level: Literal["files", "records"]
    files: int
    bytes: int
    rows: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


class BackupWriter:
    """Writes one backup of `table` under `folder`. Batches have the table's columns; their order is the caller's.

    Equal rows in equal order give byte-identical parts, however they come in batches.
    """

    def __init__(self, folder: Path, *, source: str, table: Table, part_bytes: int = PART_BYTES) -> None:
        self._folder, self._source, self._table = folder, source, table
        self._schema = table.arrow_schema()
        self._pending = temporary_sibling(folder / "backup")
        self._rows = RowWriter(self._pending, part_name=numbered("part"), part_bytes=part_bytes)

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises ValueError when the batch has other columns than the table."""
        if not batch.schema.equals(self._schema):
            raise ValueError(f"A backup of {self._table.name} takes the columns {self._schema}, not {batch.schema}.")
        self._rows.add(batch)

    def discard(self) -> None:
        """Throws away what was written."""
        self._rows.abandon()
        remove_folder(self._pending)

    def finish(self, facts: Mapping[str, Any] | None = None) -> Backup:
        """Manifest last, then the folder gets its name, which no other backup has. `facts` are of JSON's types."""
        self._pending.mkdir(parents=True, exist_ok=True)
        stored = StoredRows(self._table, (), field_names(self._schema.names), self._rows.finish())
        for attempt in range(1, _ATTEMPTS + 1):
            moment = datetime.now(UTC)
            name = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond:06d}Z-{content_hash(stored.parts)[:8]}"
            backup = Backup(
                folder=self._folder / name,
                source=self._source,
                stored=stored,
                facts=dict(facts or {}),
                backup_id=name,
                created_at=moment.isoformat(),
            )
            write_manifest(self._pending / Backup.MANIFEST, backup.to_json())
            fsync_folder(self._pending)
            try:
                os.rename(self._pending, backup.folder)
            except OSError:
                if attempt == _ATTEMPTS or not backup.folder.exists():
                    raise
                continue
            fsync_folder(self._folder)
            break
        return backup


def write_backup(
    folder: Path,
    *,
    source: str,
    table: Table,
    batches: Iterable[pa.RecordBatch],
    facts: Mapping[str, Any] | None = None,
    part_bytes: int = PART_BYTES,
) -> Backup:
    """`<folder>/<backup id>/` with the rows of `batches`; an error on the way leaves nothing behind."""
    writer = BackupWriter(folder, source=source, table=table, part_bytes=part_bytes)
    try:
        for batch in batches:
            writer.add(batch)
        return writer.finish(facts)
    except BaseException:
        writer.discard()
        raise


def content_hash(parts: Sequence[Part]) -> str:
    """SHA-256 over the parts' hashes in order. Equal rows in equal order give equal files, so it stands for the rows."""
    return hashlib.sha256("\n".join(part.sha256 for part in parts).encode()).hexdigest()


def open_backup(folder: Path) -> Backup:
    """The backup in `<folder>`, its manifest proven, its files not yet. Raises DamagedBackup."""
    try:
        data = read_manifest(folder / Backup.MANIFEST)
    except StoredFileError as error:
        raise _damaged(folder, [error.message]) from error
    return Backup(
        folder=folder,
        source=data["source"],
        stored=StoredRows.from_json(data["stored"]),
        facts=data["facts"],
        backup_id=data["backup_id"],
        created_at=data["created_at"],
    )


def list_backups(folder: Path) -> list[Backup]:
    """The backups of a table, oldest first; those whose manifest is damaged are left to `damaged_backups`, so that they hide no other.

    A folder without a manifest is not a backup. No file but the manifests is read.
    """
    return _opened(folder)[0]


def damaged_backups(folder: Path) -> list[DamagedBackup]:
    """What is wrong with the manifests that list_backups leaves out."""
    return _opened(folder)[1]


def _opened(folder: Path) -> tuple[list[Backup], list[DamagedBackup]]:
    good: list[Backup] = []
    bad: list[DamagedBackup] = []
    for manifest in sorted(folder.glob(f"*/{Backup.MANIFEST}")):
        if TEMPORARY in manifest.parent.name:
            continue
        try:
            good.append(open_backup(manifest.parent))
        except DamagedBackup as error:
            bad.append(error)
    return good, bad


def verify(backup: Backup, *, level: Literal["files", "records"] = "records") -> VerifyResult:
    """Proves a backup as it lies on disk now against its manifest; damage of any kind is a result, not an error."""
    problems: list[str] = []
    try:
        if open_backup(backup.folder) != backup:
            problems.append(f"{backup.folder / Backup.MANIFEST} is another one than it was when it was opened")
    except DamagedBackup as error:
        problems.append(error.message)
    expected = {part.name for part in backup.parts} | {Backup.MANIFEST}
    found = sorted(backup.folder.iterdir()) if backup.folder.is_dir() else []
    problems.extend(f"{entry} does not belong to the backup" for entry in found if entry.name not in expected)
    for part in backup.parts:
        try:
            _prove_part(backup, part, level)
        except StoredFileError as error:
            problems.append(error.message)
    return VerifyResult(backup.backup_id, level, len(backup.parts), backup.bytes, backup.rows, tuple(problems))


def prove(backup: Backup, *, level: Literal["files", "records"] = "records") -> VerifyResult:
    """`verify` for what must not go on otherwise. Raises DamagedBackup naming every bad, missing and extra file."""
    result = verify(backup, level=level)
    if not result.ok:
        raise _damaged(backup.folder, result.problems)
    return result


def _prove_part(backup: Backup, part: Part, level: str) -> None:
    if level == "files":
        prove_files(backup.folder, [part])
        return
    for _ in read_parts(backup.folder, [part], backup.schema(), backup.fields):
        pass


def _damaged(folder: Path, problems: Sequence[str]) -> DamagedBackup:
    text = "; ".join(problem.rstrip(".") for problem in problems)
    return DamagedBackup(
        f"Backup {folder.name} does not prove true: {text}. Nothing was changed; use another backup.",
        folder=str(folder),
        problems=tuple(problems),
    )
