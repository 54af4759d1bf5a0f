"""The JSON form as Python objects and back: `load` gives a table's schema and its rows as dicts, `save` writes them again, nothing lost.

For programs and notebooks that want a table without a warehouse. It holds all rows in memory; json_form.py streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import DATE, INT32, INT64
from platform_assets.errors import StoredFileError
from platform_assets.storage.files import atomic_file
from platform_assets.storage.rows.json_cells import CALENDAR
from platform_assets.storage.rows.json_form import JsonDocument, from_json, to_json
from platform_assets.storage.rows.row_store import store_schema

LISTS = ("rejected_rows", "rejects")
"""What stands behind the rows of a snapshot's document."""
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}


@dataclass(frozen=True)
class JsonTable:
    """One document. `rows` have the data columns, then the `meta` ones, as Python's int, float, bool, str, bytes, Decimal, date, time,
    datetime (instants in UTC) or None; a date or time beyond Python's calendar is the int that the JSON form has for it."""

    table: Table
    rows: list[dict[str, Any]]
    meta: tuple[str, ...] = ()
    kind: str = "rows"
    head: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, list[Any]] = field(default_factory=dict)


def load(path: Path | str) -> JsonTable:
    """A document, packed with gzip or zstd or not. Raises StoredFileError when it is none, or damaged."""
    with opened_document(Path(path)) as document:
        rows = [row for batch in document.batches() for row in objects(batch)]
        lists = {name: list(document.items(name)) for name in (LISTS if document.kind == "snapshot" else ())}
        document.end()
    return JsonTable(document.table, rows, document.meta, document.kind, document.head, lists)


def save(path: Path | str, table: JsonTable) -> None:
    """Writes the document, whole or not at all. Raises ArrowException or TypeError for a value that its column cannot hold."""
    schema = store_schema(table.table, table.meta)
    batches = [arrow(table.rows[start : start + 65_536], schema) for start in range(0, len(table.rows), 65_536)]
    with atomic_file(Path(path)) as file:
        to_json(table.table, batches, file, meta=table.meta, kind=table.kind, head=table.head, lists=table.lists)


@contextmanager
def opened_document(path: Path) -> Iterator[JsonDocument]:
    """A document in the reading. Raises StoredFileError when the file is not there or none of ours."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise StoredFileError(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
    with file:
        compression = _PACKED.get(file.read(2))
        file.seek(0)
        try:
            yield from_json(_Named(file if compression is None else pa.CompressedInputStream(file, compression), path))  # type: ignore[arg-type]
        except OSError as error:
            raise StoredFileError(f"{path} is damaged: {error}.", path=str(path)) from error


class _Named:
    """A stream that bears its file's name, so that errors do."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self.name = stream, str(path)

    def read(self, size: int = -1) -> bytes:
        return bytes(self._stream.read(size))


def objects(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows as dicts by column name."""
    names = batch.schema.names
    return (dict(zip(names, row, strict=True)) for row in zip(*map(_values, batch.columns), strict=True))


def _values(column: pa.Array) -> list[Any]:
    bounds = CALENDAR.get(column.type)
    if bounds is None:
        return column.to_pylist()
    numbers = column.view(INT32 if column.type == DATE else INT64).to_pylist()
    if all(number is None or bounds[0] <= number <= bounds[1] for number in numbers):
        return column.to_pylist()
    return [
        number if number is not None and not bounds[0] <= number <= bounds[1] else column[place].as_py()
        for place, number in enumerate(numbers)
    ]


def arrow(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """The inverse of `objects`. A row may lack columns: they are NULL."""
    return pa.RecordBatch.from_arrays([_array([row.get(field.name) for row in rows], field.type) for field in schema], schema=schema)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind not in CALENDAR or not any(isinstance(value, int) for value in values):
        return pa.array(values, kind)
    width = INT32 if kind == DATE else INT64
    known = pa.array([None if isinstance(value, int) else value for value in values], kind).view(width).to_pylist()
    numbers = [value if isinstance(value, int) else number for value, number in zip(values, known, strict=True)]
    return pa.array(numbers, width).view(kind)
