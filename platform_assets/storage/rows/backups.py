"""Backups as they lie on disk: listed, opened, proven and read. A folder each, never overwritten; without a manifest it is no backup.

A backup holds the rows of a table and, where asked for, of more relations of the same table (rejects, history). How one is written is in
backup_writer.py; restoring into the warehouse and drills are operations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from platform_assets.errors import DamagedBackup, StoredFileError
from platform_assets.storage.files import TEMPORARY
from platform_assets.storage.rows.avro import Part, avro_schema, fingerprint
from platform_assets.storage.rows.row_hash import RowHash, hashed
from platform_assets.storage.rows.row_store import StoredRows, prove_files, read_parts
from platform_assets.storage.rows.stored_table import StoredTable, read_manifest

Level = Literal["files", "records"]


@dataclass(frozen=True)
class Relation:
    """The rows of one relation, and their hash that no order changes (row_hash)."""

    stored: StoredRows
    rows_hash: str

    def to_json(self) -> dict[str, Any]:
        schema = avro_schema(self.stored.schema(), self.stored.fields)
        return {
            "rows_hash": self.rows_hash,
            "avro": {"fingerprint": fingerprint(schema), "schema": schema},
            "stored": self.stored.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Relation:
        return cls(StoredRows.from_json(data["stored"]), data["rows_hash"])


@dataclass(frozen=True, kw_only=True)
class Backup(StoredTable):
    """A stored backup. `created_at` is ISO 8601 in UTC; `facts` say what was backed up by what (DDL, tool, server, source versions).

    `stored` and `rows_hash` are of the table's own rows, `more` of its other relations by name.
    """

    MANIFEST: ClassVar[str] = "manifest.json"

    backup_id: str
    created_at: str
    rows_hash: str
    more: Mapping[str, Relation] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """The hash of the rows in their order: two backups of equal rows have the same."""
        return content_hash(self.parts)

    @property
    def relations(self) -> dict[str, Relation]:
        return {"rows": Relation(self.stored, self.rows_hash), **self.more}

    def of(self, relation: str) -> Backup:
        """The rows of another relation as if they were the table's own. Not to be proven by itself: the folder has more files. KeyError."""
        found = self.relations[relation]
        return replace(self, stored=found.stored, rows_hash=found.rows_hash, more={})

    @property
    def files(self) -> tuple[Part, ...]:
        return tuple(part for relation in self.relations.values() for part in relation.stored.parts)

    def batches(self, columns: Sequence[str] | None = None, *, relation: str = "rows") -> Iterator[pa.RecordBatch]:
        """Rows in stored order; each file is proven before its first row is given out. Raises KeyError, DamagedBackup.

        One thread decodes them: who takes them sends them to a server, which is slower, and each block more takes 15 MB.
        """
        stored = self.relations[relation].stored
        wanted = None if columns is None else stored.schema(columns).names
        try:
            yield from read_parts(self.folder, stored.parts, stored.schema(), stored.fields, wanted, workers=1)
        except StoredFileError as error:
            raise damaged(self.folder, [error.message]) from error

    def to_json(self) -> dict[str, Any]:
        own = Relation(self.stored, self.rows_hash).to_json()
        return {
            "backup_id": self.backup_id,
            "created_at": self.created_at,
            "key": list(self.table.key),
            "content": self.content,
            **super().to_json(),
            **{name: own[name] for name in ("rows_hash", "avro")},
            "more": {name: relation.to_json() for name, relation in self.more.items()},
        }


@dataclass(frozen=True)
class VerifyResult:
    """What was proven: `level` files means size and SHA-256 of every file, records that every row was decoded, counted and hashed as well.

    `problems` name every bad, missing and extra file; none means that the backup proves true.
    """

    backup_id: str
    level: Level
    files: int
    bytes: int
    rows: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def content_hash(parts: Sequence[Part]) -> str:
    """SHA-256 over the parts' hashes in order. Equal rows in equal order give equal files, so it stands for the rows."""
    return hashlib.sha256("\n".join(part.sha256 for part in parts).encode()).hexdigest()


def open_backup(folder: Path) -> Backup:
    """The backup in `<folder>`, its manifest proven, its files not yet. Raises DamagedBackup."""
    path = folder / Backup.MANIFEST
    try:
        data = read_manifest(path)
        return Backup(
            folder=folder,
            source=data["source"],
            stored=StoredRows.from_json(data["stored"]),
            facts=data["facts"],
            backup_id=data["backup_id"],
            created_at=data["created_at"],
            rows_hash=data["rows_hash"],
            more={name: Relation.from_json(relation) for name, relation in data["more"].items()},
        )
    except StoredFileError as error:
        raise damaged(folder, [error.message]) from error
    except KeyError as error:
        raise damaged(folder, [f"{path} has no {error.args[0]}: an earlier program wrote it, which proved less"]) from error


def list_backups(folder: Path) -> list[Backup]:
    """The backups of a table, oldest first; those whose manifest is damaged are left to `damaged_backups`, so that they hide no other.

    A folder without a manifest is not a backup. No file but the manifests is read.
    """
    return _opened(folder)[0]


def damaged_backups(folder: Path) -> list[DamagedBackup]:
    """What is wrong with the manifests that list_backups leaves out, oldest first."""
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


def verify(backup: Backup, *, level: Level = "records") -> VerifyResult:
    """Proves a backup as it lies on disk now against its manifest; damage of any kind is a result, not an error."""
    problems = [*_manifest_problems(backup)]
    expected = {part.name for part in backup.files} | {Backup.MANIFEST}
    found = sorted(backup.folder.iterdir()) if backup.folder.is_dir() else []
    problems.extend(f"{entry} does not belong to the backup" for entry in found if entry.name not in expected)
    for name, relation in backup.relations.items():
        problems.extend(_rows_problems(backup, name, relation, level))
    return VerifyResult(backup.backup_id, level, len(backup.files), backup.bytes, backup.rows, tuple(problems))


def prove(backup: Backup, *, level: Level = "records") -> VerifyResult:
    """`verify` for what must not go on otherwise. Raises DamagedBackup naming every bad, missing and extra file."""
    result = verify(backup, level=level)
    if not result.ok:
        raise damaged(backup.folder, result.problems)
    return result


def _manifest_problems(backup: Backup) -> Iterator[str]:
    path = backup.folder / Backup.MANIFEST
    if backup.backup_id != backup.folder.name:
        yield f"{path} is that of another backup ({backup.backup_id})"
    try:
        if open_backup(backup.folder) != backup:
            yield f"{path} is another one than it was when it was opened"
    except DamagedBackup as error:
        yield error.message


def _rows_problems(backup: Backup, name: str, relation: Relation, level: Level) -> Iterator[str]:
    stored, found, whole = relation.stored, RowHash(), True
    for part in stored.parts:
        try:
            if level == "files":
                prove_files(backup.folder, [part])
                continue
            for _ in hashed(read_parts(backup.folder, [part], stored.schema(), stored.fields), found):
                pass
        except StoredFileError as error:
            whole = False
            yield error.message
    if level == "records" and whole and found.text != relation.rows_hash:
        yield f"the {name} in {backup.folder} have the hash {found.text}, the manifest says {relation.rows_hash}"


def damaged(folder: Path, problems: Sequence[str]) -> DamagedBackup:
    """The error to raise for a backup that does not prove true."""
    text = "; ".join(problem.rstrip(".") for problem in problems)
    return DamagedBackup(
        f"Backup {folder.name} does not prove true: {text}. Nothing was changed; use another backup.",
        folder=str(folder),
        problems=tuple(problems),
    )
