"""How a backup is written: parts that depend on the rows alone, those of the backup before linked instead of written again, manifest last.

A part ends before each row whose key has a hash that ends in fifteen zero bits, so a row that came, went or changed alters the part that it
stands in and no other: the parts before and after are byte for byte those of the last backup. They are then hard links, and each backup
is a folder of its own, which can be copied, proven and removed without looking at others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.errors import StoredFileError
from platform_assets.formats.avro.container import Block, Header, frame_pieces
from platform_assets.storage.files import atomic_file, fsync_folder, temporary_sibling
from platform_assets.storage.rows.avro import CODEC, Part, encode_block, field_names, proven_file
from platform_assets.storage.rows.backups import Backup, Relation, content_hash
from platform_assets.storage.rows.row_hash import RowHash, row_hashes
from platform_assets.storage.rows.row_store import PART_BYTES, RowWriter, StoredRows, numbered
from platform_assets.storage.rows.stored_table import remove_folder, write_manifest

_ATTEMPTS = 10
_BOUNDARY = np.uint64((1 << 15) - 1)
"""One row in 32,768 begins a part: some megabytes of a table of 20 columns."""


class BackupWriter:
    """Writes one backup of `table` under `folder`. Batches have the table's columns; their order is the caller's.

    Equal rows in equal order give byte-identical parts, however they come in batches. `previous` is the backup whose parts may be linked.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: str,
        table: Table,
        codec: str = CODEC,
        previous: Backup | None = None,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._folder, self._source = folder, source
        self._pending = temporary_sibling(folder / "backup")
        self._options: dict[str, Any] = {"part_bytes": part_bytes, "codec": codec, "open_part": partial(_Part, known=_known(previous))}
        self._relations: dict[str, _RelationWriter] = {}
        self.relation("rows", table)

    def relation(self, name: str, table: Table) -> _RelationWriter:
        """Rows of another relation of the same table; `table` says its columns."""
        self._relations[name] = _RelationWriter(self._pending, "part" if name == "rows" else name, table, self._options)
        return self._relations[name]

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows of the table itself. Raises ValueError when the batch has other columns than the table."""
        self._relations["rows"].add(batch)

    def discard(self) -> None:
        """Throws away what was written."""
        for relation in self._relations.values():
            relation.abandon()
        remove_folder(self._pending)

    def finish(self, facts: Mapping[str, Any] | None = None) -> Backup:
        """Manifest last, then the folder gets its name, which no other backup has. `facts` are of JSON's types."""
        self._pending.mkdir(parents=True, exist_ok=True)
        relations = {name: relation.finish() for name, relation in self._relations.items()}
        rows = relations.pop("rows")
        for attempt in range(1, _ATTEMPTS + 1):
            moment = datetime.now(UTC)
            name = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond:06d}Z-{content_hash(rows.stored.parts)[:8]}"
            backup = Backup(
                folder=self._folder / name,
                source=self._source,
                stored=rows.stored,
                facts=dict(facts or {}),
                backup_id=name,
                created_at=moment.isoformat(),
                rows_hash=rows.rows_hash,
                more=relations,
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
    more: Mapping[str, tuple[Table, Iterable[pa.RecordBatch]]] | None = None,
    facts: Mapping[str, Any] | None = None,
    codec: str = CODEC,
    previous: Backup | None = None,
    part_bytes: int = PART_BYTES,
) -> Backup:
    """`<folder>/<backup id>/` with the rows of `batches`, then those of `more`; an error on the way leaves nothing behind."""
    writer = BackupWriter(folder, source=source, table=table, codec=codec, previous=previous, part_bytes=part_bytes)
    try:
        for batch in batches:
            writer.add(batch)
        for name, (columns, rows) in (more or {}).items():
            relation = writer.relation(name, columns)
            for batch in rows:
                relation.add(batch)
        return writer.finish(facts)
    except BaseException:
        writer.discard()
        raise


class _RelationWriter:
    def __init__(self, folder: Path, prefix: str, table: Table, options: Mapping[str, Any]) -> None:
        self._table, self._schema = table, table.arrow_schema()
        self._hash, self._adding = RowHash(), Lock()
        # one worker: the server and the reading of its rows are at work beside it, and each block takes 20 MB
        self._rows = RowWriter(folder, part_name=numbered(prefix), encode=self._encoded, workers=1, **options)

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.schema.equals(self._schema):
            raise ValueError(f"A backup of {self._table.name} takes the columns {self._schema}, not {batch.schema}.")
        keys = row_hashes(batch, self._table.key or None)
        begin = 0
        for place in map(int, np.flatnonzero(keys & _BOUNDARY == 0)):
            self._rows.add(batch.slice(begin, place - begin))
            self._rows.cut()
            begin = place
        self._rows.add(batch.slice(begin))

    def _encoded(self, rows: pa.Table, fields: Sequence[str], codec: str) -> Block:
        """The rows are hashed here, beside the caller, and many at once: each batch costs a millisecond by itself."""
        whole = rows.combine_chunks()
        for batch in whole.to_batches():
            hashes = row_hashes(batch)
            with self._adding:
                self._hash.add(hashes)
        return encode_block(whole, fields, codec)

    def finish(self) -> Relation:
        stored = StoredRows(self._table, (), field_names(self._schema.names), self._rows.finish())
        return Relation(stored, self._hash.text)

    def abandon(self) -> None:
        self._rows.abandon()


def _known(previous: Backup | None) -> dict[str, tuple[Path, Part]]:
    return {part.sha256: (previous.folder, part) for part in previous.files} if previous else {}


class _Part:
    """One part, in memory until its hash is known: then it is a link to the same bytes of the last backup, or a new file."""

    def __init__(self, path: Path, header: Header, *, known: Mapping[str, tuple[Path, Part]]) -> None:
        self._path, self._sync, self._known = path, header.sync, known
        self._data = [header.data]
        self._rows = 0

    def append(self, block: Block) -> None:
        self._data += frame_pieces(block, self._sync)
        self._rows += block.rows

    def close(self) -> Part:
        digest = hashlib.sha256()
        for data in self._data:
            digest.update(data)
        part = Part(self._path.name, self._rows, sum(map(len, self._data)), digest.hexdigest())
        if not self._linked(part):
            with atomic_file(self._path, settled=False) as file:  # finish() settles all names at once
                file.writelines(self._data)
        self.abandon()
        return part

    def _linked(self, part: Part) -> bool:
        """Only to bytes that prove true now: damage must not be handed on. Some file systems know no links; then it is written."""
        folder, old = self._known.get(part.sha256, (None, None))
        if folder is None or old is None:
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with proven_file(folder, old):
                os.link(folder / old.name, self._path)
        except (StoredFileError, OSError):
            return False
        return True

    def abandon(self) -> None:
        self._data = []
