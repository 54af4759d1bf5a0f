"""The one law on disk of snapshots, latest state and backups, and the handle that they share.

The law: everything is written into a temporary sibling folder, parts first, manifest last; then the folder takes its place. So a
folder with a manifest is whole, and a crash leaves what stood there before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.errors import StoredFileError
from platform_assets.storage.files import json_bytes, parse_json, recover_folder, replace_folder, write_json
from platform_assets.storage.rows.avro import Part
from platform_assets.storage.rows.row_store import StoredRows, prove_files

_SEAL = "sha256"


@dataclass(frozen=True, kw_only=True)
class PendingFolder:
    """A folder that its manifest proves; `pending` is where it lies until its commit. Subclasses name the manifest and what it says."""

    MANIFEST: ClassVar[str]

    folder: Path
    pending: Path | None = field(default=None, compare=False)

    @property
    def place(self) -> Path:
        """Where the files are now."""
        return self.pending if self.pending is not None and self.pending.exists() else self.folder

    def commit(self) -> Self:
        """Writes the manifest and puts the folder in place of an older one. Committing again changes nothing."""
        if self.pending is not None:
            put_in_place(self.pending, self.folder, self.MANIFEST, self.to_json())
        return replace(self, pending=None)

    def discard(self) -> None:
        """Removes what was not committed; what was, stays."""
        if self.pending is not None:
            remove_folder(self.pending)

    def to_json(self) -> dict[str, Any]:
        """The manifest without format_version and seal."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class StoredTable(PendingFolder):
    """A folder of stored rows."""

    source: str
    stored: StoredRows
    facts: Mapping[str, Any]

    @property
    def table(self) -> Table:
        return self.stored.table

    @property
    def fields(self) -> tuple[str, ...]:
        """The Avro field names of the data and meta columns by position."""
        return self.stored.fields

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.stored.parts

    @property
    def files(self) -> tuple[Part, ...]:
        """Every Avro file that the manifest proves."""
        return self.parts

    @property
    def rows(self) -> int:
        return self.stored.rows

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.files)

    def schema(self, columns: Sequence[str] | None = None) -> pa.Schema:
        """What `batches` with the same columns yields. Raises KeyError for an unknown column."""
        return self.stored.schema(columns)

    def verify(self) -> None:
        """Proves every file's size and SHA-256. Raises StoredFileError naming the first bad one."""
        prove_files(self.place, self.files)

    def to_json(self) -> dict[str, Any]:
        """The manifest without format_version and seal. `rows` is there for people; it is counted from the parts on reading."""
        return {"source": self.source, "rows": self.rows, "facts": dict(self.facts), "stored": self.stored.to_json()}


def put_in_place(pending: Path, final: Path, manifest: str, value: Mapping[str, Any]) -> None:
    """The last two steps of the law. Raises StoredFileError when there is nothing to put in place and it is not there already."""
    if not pending.exists():
        if (final / manifest).exists() and read_manifest(final / manifest) == json.loads(json.dumps(value)):
            return
        raise StoredFileError(f"{final} cannot be committed: what was written for it is gone. Write it again.", path=str(final))
    write_manifest(pending / manifest, value)
    replace_folder(pending, final)


def remove_folder(folder: Path) -> None:
    """Removes a temporary folder. What cannot be removed bears the temporary name and is swept later."""
    shutil.rmtree(folder, ignore_errors=True)


def write_manifest(path: Path, value: Mapping[str, Any]) -> None:
    """A manifest that proves itself: its last entry is the SHA-256 of all before it."""
    write_json(path, _sealed(value))


def read_manifest(path: Path) -> dict[str, Any]:
    """Raises StoredFileError when the manifest is missing, of another format_version, or not byte for byte as it was written."""
    recover_folder(path.parent)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise StoredFileError(f"{path} is missing.", path=str(path)) from None
    value = parse_json(data, path)
    value.pop("format_version")
    value.pop(_SEAL, None)
    if data != json_bytes(_sealed(value)):
        raise StoredFileError(f"{path} was altered after it was written.", path=str(path))
    return value


def _sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    return {**value, _SEAL: hashlib.sha256(json_bytes(dict(value))).hexdigest()}
