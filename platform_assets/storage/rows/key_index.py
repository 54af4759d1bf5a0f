"""What identifies the rows of a snapshot, beside it, as Arrow lies in memory: whoever compares versions reads keys, not rows.

Derived and dispensable: an index is made when it is first asked for, its name says what it was made from, and it is made again when it
is gone or does not prove true. Which columns are the key, and what becomes of the rows, is not known here.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT64, STRING, type_name
from platform_assets.storage.files import atomic_file
from platform_assets.storage.rows.hot_rows import HashedWriting
from platform_assets.versions.drift import align

Batches = Callable[[list[str]], Iterator[pa.RecordBatch]]
"""The accepted rows of a snapshot with the named columns, `_row` among them."""
_SEEDS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
_FORMAT = f"1 polars {pl.__version__}"
"""Part of every name: polars keeps its hashes the same within one release only."""
_HEAD = 64
"""SHA-256 of what follows, padded so that Arrow's buffers stay aligned."""


def key_index(folder: Path, content: str, wanted: Table, present: tuple[str, ...], batches: Batches) -> pa.Table:
    """(`row`, `c0`, `c1`, ...) per accepted row, ascending by row: the columns of `wanted` in its types and order.

    Those that are not `present` in the snapshot are NULL. `content` is the snapshot's hash, `folder` where it stands.
    """

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches(["_row", *(name for name in wanted.column_names if name in present)]):
            yield pa.RecordBatch.from_arrays([batch.column("_row"), *align(batch, wanted).columns], schema=schema)

    schema = pa.schema([("row", INT64), *((f"c{n}", column.type) for n, column in enumerate(wanted.columns))])
    return _kept(folder, ["keys", content, present, _named(wanted)], schema, rows)


def digest_index(folder: Path, content: str, union: Table, present: tuple[str, ...], batches: Batches) -> pa.Table:
    """(`row`, `h0`, `h1`) per accepted row, ascending by row: 128 bits of a digest of the whole row under the union's types.

    Neither the order of the columns nor a column that is NULL enters it, so a column that was added with nothing in it changes no
    row. `_raw` is part of the row. Among 10^12 rows two different ones are alike with a probability of about 10^-15.
    """
    own = digested(union, present)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches(["_row", *own.column_names]):
            yield pa.RecordBatch.from_arrays([batch.column("_row"), *row_digests(batch, own)], schema=schema)

    schema = pa.schema([("row", INT64), ("h0", INT64), ("h1", INT64)])
    return _kept(folder, ["digests", content, _named(own)], schema, rows)


def digested(union: Table, present: Collection[str]) -> Table:
    """What enters the digest of rows that have the columns `present`: those of the union, and what `_raw` keeps."""
    return union.with_columns([*(column for column in union.columns if column.name in present), Column("_raw", STRING)])


def row_digests(batch: pa.RecordBatch, own: Table) -> list[pa.Array]:
    """Both halves of each row's digest, int64, over the columns of `own` under its types."""
    aligned = align(batch, own)
    return [_digest(aligned, seed) for seed in _SEEDS]


def _named(table: Table) -> list[tuple[str, str]]:
    return [(column.name, type_name(column.type)) for column in table.columns]


def _digest(batch: pa.RecordBatch, seed: int) -> pa.Array:
    total = np.zeros(batch.num_rows, np.uint64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        own = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "little")
        hashes = pl.Series(column).hash(own).to_numpy()
        if column.null_count:
            hashes = np.where(column.is_valid().to_numpy(zero_copy_only=False), hashes, np.uint64(0))
        total += hashes
    return pa.array(total.view(np.int64))


def _kept(folder: Path, facts: list[object], schema: pa.Schema, rows: Callable[[], Iterator[pa.RecordBatch]]) -> pa.Table:
    name = hashlib.sha256(json.dumps([_FORMAT, *facts]).encode()).hexdigest()[:20]
    path = folder / f"index-{name}.arrow"
    found = _proven(path)
    if found is None and folder.is_dir() and _write(path, schema, rows()):
        found = _proven(path)
    if found is None:  # rows out of order, or another run put a new snapshot in this one's place meanwhile
        found = pa.Table.from_batches(rows(), schema=schema).sort_by("row")
    return found


def _proven(path: Path) -> pa.Table | None:
    """The index, mapped into memory; None when it is gone or is not what was written."""
    try:
        with path.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):
        return None
    if hashlib.sha256(mapped[_HEAD:]).digest() != bytes(mapped[:32]):
        return None
    with pa.ipc.open_stream(pa.py_buffer(mapped[_HEAD:])) as reader:
        return reader.read_all()


def _write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> bool:
    """False when the rows did not come in ascending order: then what stands there proves nothing."""
    last, ascending = -1, True
    with atomic_file(path, beside=path.parent) as file:  # nobody looks for leftovers in the folder of every table
        file.write(bytes(_HEAD))
        sink = HashedWriting(file)
        with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
            for batch in batches:
                numbers = np.concatenate([[last], batch.column(0).to_numpy()])
                ascending = ascending and bool((numbers[1:] > numbers[:-1]).all())
                last = int(numbers[-1])
                writer.write_batch(batch)
        if ascending:
            file.seek(0)
            file.write(sink.digest.digest())
    return ascending
