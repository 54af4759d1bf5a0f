"""Tuples of literals -> Rows events: where each value of a tuple goes, and batches that are cut in time.

Not here: how tuples are found in the text (mysql_values), what a literal means (mysql_literals).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from platform_assets.formats.base import BATCH_ROWS, Event, Rows, Unreadable
from platform_assets.formats.mysql.columns import Converted, convert
from platform_assets.formats.mysql.literals import Reading
from platform_assets.formats.mysql.values import Cells

BATCH_BYTES = 8 << 20
"""Of text in all buffers together; as Python objects, short values take ten times as much."""
RAW_CHARACTERS = 1 << 20
"""Raw text of one row beyond which it is cut, with a word that it is."""


@dataclass(frozen=True)
class PlannedColumn:
    """A column that gets values: its name, how its literals read, the type wanted, and its default literal (None: NULL).

    `computed`: only the server could tell what DEFAULT means.
    """

    name: str
    reading: Reading
    target: pa.DataType
    default: bytes | None = None
    computed: bool = False


@dataclass(frozen=True)
class Plan:
    """One INSERT's columns by position. `filled` are the table's columns that it leaves out and that have a literal default."""

    table: str
    columns: tuple[PlannedColumn, ...]
    filled: tuple[PlannedColumn, ...] = ()


@dataclass
class RowBuffer:
    """Rows of one table that wait for their batch."""

    plan: Plan
    member: str
    cells: list[Cells] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bytes: int = 0

    @property
    def room(self) -> int:
        return BATCH_ROWS - len(self.cells)

    def flush(self) -> Iterator[Event]:
        """One Rows event with all rows that can be read, an Unreadable for each that cannot. Empties the buffer."""
        cells, rows, lines = self.cells, self.rows, self.lines
        self.cells, self.rows, self.lines, self.bytes = [], [], [], 0
        if not cells:
            return
        by_column = list(zip(*cells, strict=True)) if self.plan.columns else []
        arrays: dict[str, Converted] = {
            column.name: convert(values, column.reading, column.target)
            for column, values in zip(self.plan.columns, by_column, strict=False)
        }
        for column in self.plan.filled:
            arrays[column.name] = convert([column.default] * len(cells), column.reading, column.target)
        bad: dict[int, str] = {}
        for name, converted in arrays.items():
            for position, reason in converted.bad.items():
                bad.setdefault(position, f"column {name}: {reason}")
        yield from self._readable(arrays, rows, lines, bad)
        for position, reason in sorted(bad.items()):
            raw = shown_raw(_tuple_text(cells[position][: len(self.plan.columns)]))
            yield Unreadable(self.plan.table, self.member, lines[position], rows[position], raw, "encoding-error", reason)

    def _readable(self, arrays: dict[str, Converted], rows: list[int], lines: list[int], bad: dict[int, str]) -> Iterator[Event]:
        if len(bad) == len(rows):
            return
        columns = {name: converted.values for name, converted in arrays.items()}
        numbers, places = pa.array(rows, pa.int64()), pa.array(lines, pa.int64())
        if bad:
            kept = np.ones(len(rows), dtype=bool)
            kept[list(bad)] = False
            mask = pa.array(kept)
            columns = {name: array.filter(mask) for name, array in columns.items()}
            numbers, places = numbers.filter(mask), places.filter(mask)
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        if not columns:
            batch = pa.RecordBatch.from_struct_array(pa.array([{}] * len(numbers), pa.struct([])))
        yield Rows(self.plan.table, self.member, batch, numbers, places, strict=False)


def _tuple_text(cells: Cells) -> bytes:
    return b"(" + b",".join(b"NULL" if cell is None else cell for cell in cells) + b")"


def shown_raw(raw: bytes | None) -> str:
    """A row's text for people and for replay: undecodable bytes as \\xNN, a very long one cut."""
    if raw is None:
        return "(too long to be kept)"
    text = raw[: RAW_CHARACTERS * 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= RAW_CHARACTERS else f"{text[:RAW_CHARACTERS]}... ({len(raw)} bytes in all)"
