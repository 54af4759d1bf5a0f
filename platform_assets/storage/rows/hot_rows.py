"""A snapshot's rows a second time, as Arrow lies in memory: written with the parts, read by the publication that follows, then removed.

Avro is what is kept; decoding it costs more than the server needs to take the rows. The copy is a file like the others: its size and
hash stand in the manifest and are proven. It may be gone at any time, then the parts are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from platform_assets.errors import StoredFileError
from platform_assets.storage.rows.avro import Part

NAME = "rows.arrow"


class HashedWriting:
    """A file that hashes what is written to it; what Arrow needs of a file and no more."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: pa.Buffer | bytes) -> int:
        view = memoryview(data)
        self.digest.update(view)
        self._file.write(view)
        self.size += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        self._file.flush()


class HotWriter:
    """Batches of one schema into `<folder>/rows.arrow`, hashed and written in a thread of its own, one batch behind the caller.

    A disk that is full ends the copy, not the snapshot. So do rows that come after `flush`: the file is closed by then.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: BinaryIO | None = None
        self._sink: HashedWriting | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._behind: Future[None] | None = None
        self._rows = 0
        self._closed = False
        self._given_up = False

    def add(self, batch: pa.RecordBatch) -> None:
        if self._closed:
            self.discard()
        if self._given_up or not self._caught_up():
            return
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="hot-write")
        self._behind = self._pool.submit(self._write, batch)

    def flush(self) -> None:
        """Frees the thread and the open file. Nothing can be added any more."""
        if self._closed or self._given_up or self._pool is None or not self._caught_up():
            return
        assert self._writer is not None and self._file is not None
        self._pool.shutdown()
        self._pool = None
        self._closed = True
        try:
            self._writer.close()
            self._file.close()
        except OSError:
            self.discard()

    def finish(self) -> Part | None:
        """None when there are no rows, rows came after a flush, or the disk was full."""
        self.flush()
        if not self._closed or self._given_up or self._sink is None:
            return None
        return Part(NAME, self._rows, self._sink.size, self._sink.digest.hexdigest())

    def discard(self) -> None:
        self._given_up = True
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._writer = None
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _caught_up(self) -> bool:
        """Waits for the batch before; False when it could not be written, which ends the copy."""
        behind, self._behind = self._behind, None
        try:
            if behind is not None:
                behind.result()
        except OSError:
            self.discard()
            return False
        return True

    def _write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb", buffering=1 << 20)
            self._sink = HashedWriting(self._file)
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, mode="w"), batch.schema)
        self._writer.write_batch(batch)
        self._rows += batch.num_rows


def read_hot(folder: Path, part: Part, columns: Sequence[str]) -> Iterator[pa.RecordBatch] | None:
    """The rows with these columns, or None when the copy is gone.

    Raises StoredFileError at once for a wrong size, after the last row for a wrong hash: hashing beforehand would keep the server
    waiting. So this is for a reader that can take all back, as a publication can.
    """
    path = folder / part.name
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    if path.stat().st_size != part.bytes:
        file.close()
        raise _damaged(path)
    return _batches(path, file, part, columns)


def _batches(path: Path, file: BinaryIO, part: Part, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with file:
        source = _HashedReading(file)
        try:
            with pa.ipc.open_stream(pa.PythonFile(source, mode="r")) as reader:
                for batch in reader:
                    yield batch.select(list(columns))
        except (pa.ArrowException, OSError, MemoryError) as error:
            raise _damaged(path) from error
        while source.read(1 << 20):
            pass
    if source.digest.hexdigest() != part.sha256:
        raise _damaged(path)


class _HashedReading:
    """A file that hashes what is read from it, in order."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _damaged(path: Path) -> StoredFileError:
    return StoredFileError(f"{path} is damaged: it is not what the manifest says. Remove it: the parts beside it stand.", path=str(path))
