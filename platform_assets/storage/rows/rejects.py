"""Rejected, unreadable and recovered rows as they are stored with a snapshot: rejects.avro, streamed both ways.

Where a reject stands in the catalog and what becomes of it is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from platform_assets.dictionary.types import BOOLEAN, INT64, STRING
from platform_assets.storage.rows.avro import Part
from platform_assets.storage.rows.row_store import RowWriter, read_parts

REJECTS = "rejects.avro"
SCHEMA = pa.schema(
    [
        ("row", INT64),
        ("member", STRING),
        ("line", INT64),
        ("offset", INT64),
        ("raw", STRING),
        ("violations", STRING),
        ("recovered", BOOLEAN),
    ]
)
_HELD_RECORDS = 4_096
_HELD_TEXT = 1 << 20


@dataclass(frozen=True)
class RejectRecord:
    """One row with all that is wrong with it.

    `row` and `line` count from 1, `offset` in bytes of `member`; None where the reader could not tell. `violations` is the JSON text of
    a list of Violation.to_json objects. `recovered`: the row stood where no row belongs; it was taken all the same, is among the rows.
    """

    row: int | None
    member: str
    line: int | None
    offset: int | None
    raw: str
    violations: str = "[]"
    recovered: bool = False


class RejectsWriter:
    """Records in, rejects.avro out; what is held is bounded in records and in bytes of text."""

    def __init__(self, folder: Path) -> None:
        self._rows = RowWriter(folder, part_name=_part_name, part_bytes=1 << 62, block_bytes=_HELD_TEXT)
        self._held: list[RejectRecord] = []
        self._text = 0

    def add(self, record: RejectRecord) -> None:
        self._held.append(record)
        self._text += len(record.raw) + len(record.violations)
        if len(self._held) >= _HELD_RECORDS or self._text >= _HELD_TEXT:
            self._send()

    def flush(self) -> None:
        """Frees memory and the open file; later records go into a further file."""
        self._send()
        self._rows.flush()

    def finish(self) -> tuple[Part, ...]:
        self._send()
        return self._rows.finish()

    def discard(self) -> None:
        self._held.clear()
        self._rows.abandon()

    def _send(self) -> None:
        if self._held:
            self._rows.add(_batch(self._held))
            self._held, self._text = [], 0


def read_rejects(folder: Path, parts: Sequence[Part]) -> Iterator[RejectRecord]:
    """The records in the order they came. Raises StoredFileError naming the file."""
    for batch in read_parts(folder, parts, SCHEMA, SCHEMA.names):
        for data in batch.to_pylist():
            yield RejectRecord(**data)


def _part_name(number: int) -> str:
    return REJECTS if number == 0 else f"rejects-{number:05d}.avro"


def _batch(records: Sequence[RejectRecord]) -> pa.RecordBatch:
    rows = [(r.row, _storable(r.member), r.line, r.offset, _storable(r.raw), _storable(r.violations), r.recovered) for r in records]
    arrays = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _storable(text: str) -> str:
    """Lone surrogates (a JSON string may have them) have no UTF-8 form: they are kept as \\udXXX."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
