"""Rows of one table in Avro parts: writing them from batches, reading them back, proving them. The core of all that is stored.

What the rows are for and how a folder with them is put in place is not known here (stored_table.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import BINARY, INT64, STRING
from platform_assets.errors import StoredFileError
from platform_assets.formats.avro.container import Block, BrokenContainer, Header
from platform_assets.formats.base import BATCH_ROWS
from platform_assets.storage.arrow_memory import lengths, valid
from platform_assets.storage.rows.avro import (
    CODEC,
    BlockDecoder,
    Part,
    PartFile,
    encode_block,
    field_names,
    file_header,
    part_blocks,
    proven_file,
)

META_TYPES: dict[str, pa.DataType] = {"_instance": STRING, "_version": STRING, "_row": INT64, "_line": INT64, "_raw": STRING}
PART_BYTES = 32 << 20
BLOCK_BYTES = 4 << 20
"""Arrow bytes in a part and in a block. Blocks are what readers hold; at 4 MiB polars is as fast as it gets (caches)."""
_WORKERS = 2


def store_schema(table: Table, meta: Sequence[str]) -> pa.Schema:
    """The table's data columns, then the meta columns."""
    return pa.schema([*table.arrow_schema(), *(pa.field(name, META_TYPES[name]) for name in meta)])


@dataclass(frozen=True)
class StoredRows:
    """Rows of one table as they lie in a folder: `fields` are the Avro names of the data and meta columns by position."""

    table: Table
    meta: tuple[str, ...]
    fields: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def schema(self, columns: Sequence[str] | None = None) -> pa.Schema:
        """The Arrow schema of `read_rows` with the same `columns`. Raises KeyError for a column that is not there."""
        whole = store_schema(self.table, self.meta)
        return whole if columns is None else pa.schema([whole.field(name) for name in columns])

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.table.to_json(),
            "meta": list(self.meta),
            "fields": list(self.fields),
            "rows": self.rows,
            "parts": [part.to_json() for part in self.parts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StoredRows:
        return cls(
            Table.from_json(data["table"]),
            tuple(data["meta"]),
            tuple(data["fields"]),
            tuple(Part.from_json(part) for part in data["parts"]),
        )


def numbered(prefix: str) -> Callable[[int], str]:
    """Names of parts: `part-00000.avro`, `part-00001.avro`, ..."""
    return lambda number: f"{prefix}-{number:05d}.avro"


class PartSink(Protocol):
    """One part in the writing; it stands under its name only after close()."""

    def append(self, block: Block) -> None: ...

    def close(self) -> Part: ...

    def abandon(self) -> None: ...


class RowWriter:
    """Batches in, parts out. At most about two blocks are held; encoding runs in `workers` threads beside the caller, and so does the wait
    for the disk at the end of a part: one part may be on its way there while the next one is made.

    Where blocks and parts are cut depends on the rows alone, never on how they came in batches: equal rows give equal files.
    The folder must be a temporary one; nobody reads it before its manifest stands.
    """

    def __init__(
        self,
        folder: Path,
        *,
        part_name: Callable[[int], str],
        part_bytes: int = PART_BYTES,
        block_bytes: int = BLOCK_BYTES,
        block_rows: int = BATCH_ROWS,
        codec: str = CODEC,
        open_part: Callable[[Path, Header], PartSink] = PartFile,
        encode: Callable[[pa.Table, Sequence[str], str], Block] = encode_block,
        workers: int = _WORKERS,
    ) -> None:
        self.schema: pa.Schema | None = None
        self.fields: tuple[str, ...] = ()
        self._folder, self._part_name, self._codec, self._open_part = folder, part_name, codec, open_part
        self._encode, self._workers = encode, workers
        self._part_bytes, self._block_bytes, self._block_rows = part_bytes, min(block_bytes, part_bytes), block_rows
        self._header: Header | None = None
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = self._part_held = 0
        self._coming: deque[tuple[Future[Block], bool]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._file: PartSink | None = None
        self._closing: tuple[PartSink, Future[Part]] | None = None
        self._parts: list[Part] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises ValueError when the batch has other columns than the first one had."""
        if self.schema is None:
            self.schema, self.fields = batch.schema, field_names(batch.schema.names)
            self._header = file_header(self.schema, self.fields, self._codec)
        elif not batch.schema.equals(self.schema):
            raise ValueError(f"A batch has the columns {batch.schema}, earlier ones of this writer had {self.schema}.")
        sizes = np.cumsum(row_sizes(batch))
        start = 0
        while start < batch.num_rows:
            before = int(sizes[start - 1]) if start else 0
            full = int(np.searchsorted(sizes, before + self._block_bytes - self._held_bytes)) + 1
            end = min(full, start + self._block_rows - self._held_rows, batch.num_rows)
            self._held.append(batch.slice(start, end - start))
            self._held_rows += end - start
            self._held_bytes += int(sizes[end - 1]) - before
            if self._held_bytes >= self._block_bytes or self._held_rows >= self._block_rows:
                self._send_block()
            start = end

    def cut(self) -> None:
        """Ends block and part before the next row, without waiting for either."""
        if self._held:
            self._send_block(last=True)
        elif self._coming:
            self._coming[-1] = (self._coming[-1][0], True)
            self._part_held = 0
        else:
            self._end_part()

    def flush(self) -> None:
        """Ends block and part here and frees memory, threads and the open file; rows added later begin a new part.

        For a caller with many writers open. The price: the cut is the caller's, no longer the rows' own.
        """
        if self._held:
            self._send_block()
        self._drain(0)
        self._end_part()
        self._take_closed()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def finish(self) -> tuple[Part, ...]:
        self.flush()
        return tuple(self._parts)

    def abandon(self) -> None:
        """Ends threads and open files and forgets the rows; files that are already closed stay for who removes the folder."""
        self._held.clear()
        while self._coming:
            self._coming.popleft()[0].cancel()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        if self._closing is not None and self._closing[1].cancelled():
            self._closing[0].abandon()
        self._closing = None
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _send_block(self, *, last: bool = False) -> None:
        rows = pa.Table.from_batches(self._held)
        self._part_held += self._held_bytes
        last = last or self._part_held >= self._part_bytes
        if last:
            self._part_held = 0
        self._held, self._held_rows, self._held_bytes = [], 0, 0
        self._coming.append((self._threads().submit(self._encode, rows, self.fields, self._codec), last))
        self._drain(self._workers)

    def _drain(self, leave: int) -> None:
        while len(self._coming) > leave:
            future, last = self._coming.popleft()
            block = future.result()
            if self._file is None:
                assert self._header is not None
                self._file = self._open_part(self._folder / self._part_name(len(self._parts) + (self._closing is not None)), self._header)
            self._file.append(block)
            if last:
                self._end_part()

    def _end_part(self) -> None:
        self._part_held = 0
        if self._file is not None:
            self._take_closed()
            file, self._file = self._file, None
            self._closing = file, self._threads().submit(file.close)

    def _take_closed(self) -> None:
        """An error of the disk comes here, at the end of the next part or of all."""
        if self._closing is not None:
            (_, closed), self._closing = self._closing, None
            self._parts.append(closed.result())

    def _threads(self) -> ThreadPoolExecutor:
        self._pool = self._pool or ThreadPoolExecutor(self._workers, thread_name_prefix="avro-write")
        return self._pool


def row_sizes(batch: pa.RecordBatch) -> np.ndarray:
    """What each row weighs, in bytes: the widths of its fixed columns and the lengths of its texts. int64, as long as the batch."""
    fixed = sum(max(1, field.type.bit_width // 8) for field in batch.schema if field.type not in (STRING, BINARY))
    sizes = np.full(batch.num_rows, fixed, dtype=np.int64)
    for column in batch.columns:
        if column.type in (STRING, BINARY):
            sizes += np.where(valid(column), lengths(column), 0) if column.null_count else lengths(column)
            sizes += 4
    return sizes


def read_parts(
    folder: Path,
    parts: Sequence[Part],
    schema: pa.Schema,
    fields: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    workers: int = _WORKERS,
) -> Iterator[pa.RecordBatch]:
    """The rows of the parts in their order, each batch one stored block; the next ones are decoded in `workers` threads meanwhile.

    Each part's size and SHA-256 are proven before its first row is given out. Raises StoredFileError naming the file.
    """
    decoder = BlockDecoder(schema, fields, columns)
    coming: deque[tuple[Path, Future[pa.RecordBatch]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="avro-read") as pool:
        try:
            for part in parts:
                for block in part_blocks(folder, part):
                    coming.append((folder / part.name, pool.submit(decoder.decode, block)))
                    if len(coming) > workers:
                        yield _decoded(*coming.popleft())
            while coming:
                yield _decoded(*coming.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _decoded(path: Path, future: Future[pa.RecordBatch]) -> pa.RecordBatch:
    try:
        return future.result()
    except BrokenContainer as error:
        raise StoredFileError(f"{path} is damaged: {error}. Rebuild it from its dump.", path=str(path)) from error


def read_rows(folder: Path, stored: StoredRows, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The stored rows, all columns or the named ones. Raises KeyError for an unknown column, StoredFileError for a damaged file."""
    wanted = None if columns is None else stored.schema(columns).names
    return read_parts(folder, stored.parts, stored.schema(), stored.fields, wanted)


def prove_files(folder: Path, parts: Sequence[Part]) -> None:
    """Size and SHA-256 of every part. Raises StoredFileError naming the first file that does not prove true."""
    for part in parts:
        with proven_file(folder, part):
            pass
