"""Rows of literals -> Rows events: where each value goes, and batches that are cut in time.

Not here: how rows are found in the text (mssql.values), what a literal means (mssql.literals).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import BATCH_ROWS, Event, Rows, Unreadable
from platform_assets.formats.mssql.columns import Converted, convert
from platform_assets.formats.mssql.literals import Reading
from platform_assets.formats.mssql.values import DEFAULT, Cells

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
    """One INSERT's columns by position. `filled` are columns that it leaves out and that have a literal default.

    `identity`: the name of the column that the server numbers because the INSERT leaves it out; `numbered`: its place where it is given.
    """

    table: str
    columns: tuple[PlannedColumn, ...]
    filled: tuple[PlannedColumn, ...] = ()
    identity: PlannedColumn | None = None
    numbered: int | None = None


@dataclass
class RowBuffer:
    """Rows of one table that wait for their batch. `numbers` are the server's for the identity column, where the plan wants them."""

    plan: Plan
    member: str
    cells: list[Cells] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    bytes: int = 0
    assumed: int = 0
    """Dates so far whose day and month could have been the other way round."""
    highest: int | None = None
    """The highest number that was given to the identity column."""

    @property
    def room(self) -> int:
        return BATCH_ROWS - len(self.cells)

    def flush(self) -> Iterator[Event]:
        """One Rows event with all rows that can be read, an Unreadable for each that cannot. Empties the buffer."""
        cells, rows, lines, numbers = self.cells, self.rows, self.lines, self.numbers
        self.cells, self.rows, self.lines, self.numbers, self.bytes = [], [], [], [], 0
        if not cells:
            return
        by_column = list(zip(*cells, strict=True)) if self.plan.columns else []
        arrays: dict[str, Converted] = {}
        for column, values in zip(self.plan.columns, by_column, strict=False):
            given = [_default(column) if cell == DEFAULT else cell for cell in values] if DEFAULT in values else values
            arrays[column.name] = convert(given, column.reading, column.target)
        for column in self.plan.filled:
            arrays[column.name] = convert([column.default] * len(cells), column.reading, column.target)
        if self.plan.identity is not None:
            arrays[self.plan.identity.name] = Converted(pa.array([str(number) for number in numbers], pa.string()))
        if self.plan.numbered is not None:
            self._note_highest(arrays[self.plan.columns[self.plan.numbered].name].values)
        self.assumed += sum(converted.assumed for converted in arrays.values())
        bad: dict[int, tuple[str, str]] = {}
        for name, converted in arrays.items():
            for position, (code, reason) in converted.bad.items():
                bad.setdefault(position, (code, f"column {name}: {reason}"))
        yield from self._readable(arrays, rows, lines, bad)
        for position, (code, reason) in sorted(bad.items()):
            raw = shown_raw(_tuple_text(cells[position][: len(self.plan.columns)]))
            yield Unreadable(self.plan.table, self.member, lines[position], rows[position], raw, code, reason)

    def _note_highest(self, values: pa.Array) -> None:
        try:
            found = pc.max(values.cast(pa.int64())).as_py()
        except pa.ArrowInvalid:
            return
        if found is not None:
            self.highest = max(found, found if self.highest is None else self.highest)

    def _readable(
        self, arrays: dict[str, Converted], rows: list[int], lines: list[int], bad: dict[int, tuple[str, str]]
    ) -> Iterator[Event]:
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


def _default(column: PlannedColumn) -> bytes | None:
    return None if column.computed else column.default


def _tuple_text(cells: Cells) -> bytes:
    return b"(" + b",".join(b"NULL" if cell is None else b"DEFAULT" if cell == DEFAULT else cell for cell in cells) + b")"


def shown_raw(raw: bytes | None) -> str:
    """A row's text for people and for replay: undecodable bytes as \\xNN, a very long one cut."""
    if raw is None:
        return "(too long to be kept)"
    text = raw[: RAW_CHARACTERS * 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= RAW_CHARACTERS else f"{text[:RAW_CHARACTERS]}... ({len(raw)} bytes in all)"
