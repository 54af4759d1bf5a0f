"""Arrow batches as JSON, NDJSON, CSV, Arrow or Parquet, streamed: at most a batch is held. Which one: by the Accept header."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from platform_assets.api.problems import Problem
from platform_assets.storage.rows.json_cells import cells_to_json

Batches = Iterator[pa.RecordBatch]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_LINES = 4_096


def objects(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows as JSON objects, nothing lost: decimals and integers beyond 2^53 are texts, bytes base64."""
    for start in range(0, batch.num_rows, _LINES):
        piece = batch.slice(start, _LINES)
        cells = [cells_to_json(column) for column in piece.columns]
        for row in zip(*cells, strict=True):
            yield dict(zip(piece.schema.names, row, strict=True))


def _json(schema: pa.Schema, batches: Batches) -> Iterator[bytes]:
    begun = False
    yield b'{"rows":['
    for batch in batches:
        lines = ",\n".join(map(_encode, objects(batch)))
        if lines:
            yield f"{',' if begun else ''}\n{lines}".encode()
            begun = True
    yield b"\n]}\n"


def _ndjson(schema: pa.Schema, batches: Batches) -> Iterator[bytes]:
    for batch in batches:
        yield "".join(f"{_encode(row)}\n" for row in objects(batch)).encode()


class _Sink:
    """A file that a writer of pyarrow writes to, and whose bytes are taken away between batches."""

    def __init__(self) -> None:
        self.closed = False
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing is held back."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _written(open_writer: Callable[[Any, pa.Schema], Any]) -> Callable[[pa.Schema, Batches], Iterator[bytes]]:
    def write(schema: pa.Schema, batches: Batches) -> Iterator[bytes]:
        sink = _Sink()
        with open_writer(pa.PythonFile(sink, "w"), schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                yield sink.taken()
        yield sink.taken()

    return write


def _csv(schema: pa.Schema, batches: Batches) -> Iterator[bytes]:
    """Bytes as base64, which text can hold."""
    texts = pa.schema([pa.field(f.name, pa.string() if pa.types.is_binary(f.type) else f.type) for f in schema])
    return _written(pyarrow.csv.CSVWriter)(texts, (_without_bytes(batch, texts) for batch in batches))


def _without_bytes(batch: pa.RecordBatch, texts: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(cells_to_json(c), pa.string()) if pa.types.is_binary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=texts)


FORMS: dict[str, Callable[[pa.Schema, Batches], Iterator[bytes]]] = {
    "application/json": _json,
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
    "application/vnd.apache.arrow.stream": _written(pa.ipc.new_stream),
    "application/vnd.apache.parquet": _written(pyarrow.parquet.ParquetWriter),
}
"""Media type to its writer; the first is for who accepts anything."""


def accepted(header: str | None, forms: Collection[str] = tuple(FORMS)) -> str:
    """The media type of the answer, one of `forms`, the first for who accepts anything.

    Raises a Problem of 406 naming those that there are.
    """
    wanted = []
    for place, part in enumerate((header or "*/*").split(",")):
        name, *options = (piece.strip() for piece in part.split(";"))
        quality = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            wanted.append((-float(quality), place, name.lower()))
        except ValueError:
            raise Problem(406, "The Accept header cannot be understood.") from None
    for rank, _, name in sorted(wanted):
        found = next((form for form in forms if name in (form, "*/*", f"{form.partition('/')[0]}/*")), None)
        if found and rank < 0:
            return found
    raise Problem(406, f"Rows are given as {', '.join(forms)}.")
