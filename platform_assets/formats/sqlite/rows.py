"""Literals of one table's rows -> Rows events: rows wait here until they are a batch, then each column becomes an array.

Not here: how rows are found in the text (taking, tuples), what a literal means (values, columns).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import BATCH_ROWS, Event, Rows, Unreadable
from platform_assets.formats.mysql.rows import shown_raw
from platform_assets.formats.sqlite.affinity import INT_MAX
from platform_assets.formats.sqlite.columns import Converted
from platform_assets.formats.sqlite.tuples import Cells

BATCH_BYTES = 8 << 20
"""Of text in all buffers together."""


@dataclass(frozen=True)
class Plan:
    """Columns of an INSERT by position, None for one that is not kept (rowid). `filled` are left out and have a constant default."""

    columns: tuple[str | None, ...]
    filled: tuple[tuple[str, bytes], ...] = ()
    rowid: str | None = None
    """The column that SQLite numbers where it gets NULL or nothing."""


@dataclass(frozen=True)
class Part:
    """Rows found at once: per column their canonical literals as binary."""

    columns: tuple[pa.Array, ...]
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """The rows that waited, in their order."""

    literals: dict[str, pa.Array]
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    numbered: int = 0
    """Rows whose key SQLite would have numbered."""


@dataclass
class RowBuffer:
    """Rows of one table under one plan."""

    plan: Plan
    member: str
    bytes: int = 0
    parts: list[Part] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    waiting: int = 0

    @property
    def room(self) -> int:
        return BATCH_ROWS - self.waiting

    def add(self, cells: Cells, number: int, line: int) -> None:
        self.cells.append(cells)
        self.numbers.append(number)
        self.lines.append(line)
        self.waiting += 1

    def add_part(self, part: Part) -> None:
        self._close()
        self.parts.append(part)
        self.waiting += len(part.rows)

    def _close(self) -> None:
        if self.cells:
            columns = tuple(pa.array(column, pa.binary()) for column in zip(*self.cells, strict=True))
            self.parts.append(Part(columns, np.array(self.numbers, np.int64), np.array(self.lines, np.int64)))
            self.cells, self.numbers, self.lines = [], [], []

    def take(self, highest: int) -> tuple[Batch, int]:
        """The rows that wait, none afterwards; NULLs of the rowid are numbered from `highest`, which is given back."""
        self._close()
        parts, self.parts, self.waiting, self.bytes = self.parts, [], 0, 0
        rows = np.concatenate([part.rows for part in parts])
        lines = np.concatenate([part.lines for part in parts])
        order = None if (rows[1:] > rows[:-1]).all() else np.argsort(rows)
        literals: dict[str, pa.Array] = {}
        for at, name in enumerate(self.plan.columns):
            if name is not None:
                column = pa.concat_arrays([part.columns[at] for part in parts])
                literals[name] = column if order is None else column.take(pa.array(order))
        for name, default in self.plan.filled:
            literals[name] = pa.array([default] * len(rows), pa.binary())
        if order is not None:
            rows, lines = rows[order], lines[order]
        numbered = 0
        if self.plan.rowid is not None:
            given = literals.get(self.plan.rowid, pa.nulls(len(rows), pa.binary()))
            literals[self.plan.rowid], highest = _numbered(given, highest)
            numbered = given.null_count
        return Batch(literals, rows, lines, numbered), highest


def _numbered(given: pa.Array, highest: int) -> tuple[pa.Array, int]:
    """NULLs become one more than the highest number before them, as in https://sqlite.org/autoinc.html."""
    if not given.null_count:
        return given, max(highest, _highest(given))
    cells: list[bytes | None] = []
    for cell in given.to_pylist():
        number = _integer(cell)
        if cell is None and highest < INT_MAX:
            number = highest + 1
            cell = str(number).encode("ascii")
        highest = highest if number is None else max(highest, number)
        cells.append(cell)
    return pa.array(cells, pa.binary()), highest


def _highest(given: pa.Array) -> int:
    try:
        return max(0, pc.max(given.cast(pa.string()).cast(pa.int64())).as_py() or 0)
    except pa.ArrowInvalid:
        return max((number for cell in given.to_pylist() if (number := _integer(cell)) is not None), default=0)


def _integer(cell: bytes | None) -> int | None:
    text = (cell or b"").strip(b"'")
    try:
        return int(text)
    except ValueError:
        return None


def readable(table: str, member: str, arrays: dict[str, Converted], batch: Batch) -> Iterator[Event]:
    """Rows events with all rows that can be read, an Unreadable for each that cannot."""
    bad: dict[int, str] = {}
    for name, converted in arrays.items():
        for position, reason in converted.bad.items():
            bad.setdefault(position, f"column {name}: {reason}")
    columns = {name: converted.values for name, converted in arrays.items()}
    rows, lines = pa.array(batch.rows), pa.array(batch.lines)
    if bad:
        kept = np.ones(len(rows), dtype=bool)
        kept[list(bad)] = False
        mask = pa.array(kept)
        columns = {name: array.filter(mask) for name, array in columns.items()}
        rows, lines = rows.filter(mask), lines.filter(mask)
    record = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    if not columns:
        record = pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    for at in range(0, len(rows), BATCH_ROWS):
        yield Rows(table, member, record.slice(at, BATCH_ROWS), rows.slice(at, BATCH_ROWS), lines.slice(at, BATCH_ROWS), strict=False)
    for position, reason in sorted(bad.items()):
        cells = [column[position].as_py() for column in batch.literals.values()]
        raw = shown_raw(b"(" + b",".join(b"NULL" if cell is None else cell for cell in cells) + b")")
        yield Unreadable(table, member, int(batch.lines[position]), int(batch.rows[position]), raw, "encoding-error", reason)
