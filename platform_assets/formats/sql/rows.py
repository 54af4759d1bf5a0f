"""Rows of literals on their way to events: what the buffers of all dialects share.

Not here: how rows are found in the text (tuples, plain_rows), what a literal means (the dialect's columns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from platform_assets.formats.base import BATCH_ROWS, Event, Rows, Unreadable
from platform_assets.formats.sql.blocks import RowBlock

BATCH_BYTES = 4 << 20
"""Of text in all buffers together; as Python objects, short values take ten times as much."""
RAW_CHARACTERS = 1 << 20
"""Raw text of one row beyond which it is cut, with a word that it is."""

Cells = tuple[bytes | None, ...]
Int64s = npt.NDArray[np.int64]
Shown = Callable[[int], bytes]
"""The text of the row at a position."""


PlanT = TypeVar("PlanT")
ReadingT = TypeVar("ReadingT")


@dataclass(frozen=True)
class PlannedColumn(Generic[ReadingT]):
    """A column that gets values: its name, how its literals read, the type wanted, and its default literal (None: NULL).

    `computed`: only the server could tell what DEFAULT means.
    """

    name: str
    reading: ReadingT
    target: pa.DataType
    default: bytes | None = None
    computed: bool = False

    @property
    def literal(self) -> bytes | None:
        """What the word DEFAULT stands for."""
        return self.default


@dataclass(frozen=True)
class Places:
    """Of which table and member rows are, their numbers and their lines."""

    table: str
    member: str
    rows: Int64s
    lines: Int64s


@dataclass(frozen=True)
class Part:
    """Rows as columns by name. `bad`: by position, why a row cannot be read; `raw` shows the row at a position."""

    columns: dict[str, pa.Array]
    rows: Int64s
    lines: Int64s
    raw: Shown
    bad: dict[int, str] = field(default_factory=dict)


@dataclass
class RowBuffer(Generic[PlanT]):
    """Rows of one table under one plan that wait for their batch: those read one by one as cells, and those found at once as parts."""

    plan: PlanT
    member: str
    cells: list[Cells] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bytes: int = 0
    _parts: list[Part] = field(default_factory=list)
    _in_parts: int = 0

    @property
    def room(self) -> int:
        """How many rows are missing to a batch."""
        return BATCH_ROWS - len(self.cells) - self._in_parts

    @property
    def empty(self) -> bool:
        return not (self.cells or self._parts)

    def add_row(self, cells: Cells, row: int, line: int) -> None:
        """Takes a row that was read by itself. The pattern that finds plain ones gives a group more, for the semicolon."""
        self.cells.append((*cells, None))
        self.rows.append(row)
        self.lines.append(line)

    def add(self, block: RowBlock) -> None:
        """Takes a block of plain rows. It is cut into columns at once, while its text is in the processor's cache."""
        if len(block):
            self._parts.append(self._block_part(block))
            self._in_parts += len(block)

    def _block_part(self, block: RowBlock) -> Part:
        raise NotImplementedError

    def _cells_part(self, cells: list[Cells], rows: Int64s, lines: Int64s) -> Part:
        raise NotImplementedError

    def taken(self) -> Part | None:
        """All that waits, in the order of the rows; None when that is nothing. Empties the buffer."""
        parts = self._parts
        if self.cells:
            rows, lines = np.array(self.rows, np.int64), np.array(self.lines, np.int64)
            parts = [*parts, self._cells_part(self.cells, rows, lines)]
        self.cells, self.rows, self.lines, self.bytes = [], [], [], 0
        self._parts, self._in_parts = [], 0
        return joined(parts) if parts else None


def joined(parts: list[Part]) -> Part:
    """The parts as one, in the order of their rows' numbers."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    rows, lines = (np.concatenate([getattr(part, what) for part in parts]) for what in ("rows", "lines"))
    columns = {name: pa.concat_arrays([part.columns[name] for part in parts]) for name in parts[0].columns}
    bad = {int(start) + at: reason for start, part in zip(starts, parts, strict=False) for at, reason in part.bad.items()}

    def raw(at: int) -> bytes:
        number = int(np.searchsorted(starts, at, side="right")) - 1
        return parts[number].raw(at - int(starts[number]))

    if not (np.diff(rows) < 0).any():
        return Part(columns, rows, lines, raw, bad)
    order = np.argsort(rows, kind="stable")
    chosen, places = pa.array(order), np.argsort(order)
    columns = {name: array.take(chosen) for name, array in columns.items()}
    return Part(columns, rows[order], lines[order], lambda at: raw(int(order[at])), {int(places[at]): reason for at, reason in bad.items()})


def rows_events(places: Places, columns: Mapping[str, pa.Array], bad: Mapping[int, object] | None = None) -> Iterator[Rows]:
    """Rows events of at most BATCH_ROWS; the rows at the positions of `bad` are left out."""
    rows, lines = pa.array(places.rows, pa.int64()), pa.array(places.lines, pa.int64())
    if bad:
        kept = np.ones(len(rows), bool)
        kept[list(bad)] = False
        mask = pa.array(kept)
        columns = {name: values.filter(mask) for name, values in columns.items()}
        rows, lines = rows.filter(mask), lines.filter(mask)
    if columns:
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    else:
        batch = pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    for at in range(0, len(rows), BATCH_ROWS):
        part = slice(at, at + BATCH_ROWS)
        yield Rows(places.table, places.member, batch.slice(at, BATCH_ROWS), rows[part], lines[part], strict=False)


def unreadable_events(places: Places, bad: Mapping[int, str], raw: Shown, code: str = "encoding-error") -> Iterator[Event]:
    """An Unreadable for each position of `bad`, with its reason."""
    for at, reason in sorted(bad.items()):
        shown = shown_raw(raw(at))
        yield Unreadable(places.table, places.member, int(places.lines[at]), int(places.rows[at]), shown, code, reason)


def first_reasons(found: Mapping[str, Mapping[int, str]]) -> dict[int, str]:
    """Of what is wrong by column and position: the first column's reason for each position."""
    bad: dict[int, str] = {}
    for name, reasons in found.items():
        for position, reason in reasons.items():
            bad.setdefault(position, f"column {name}: {reason}")
    return bad


def tuple_text(cells: Cells) -> bytes:
    """A row's literals as they are shown."""
    return b"(" + b",".join(b"NULL" if cell is None else cell for cell in cells) + b")"


def shown_raw(raw: bytes | None) -> str:
    """A row's text for people and for replay: undecodable bytes as \\xNN, a very long one cut."""
    if raw is None:
        return "(too long to be kept)"
    text = raw[: RAW_CHARACTERS * 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= RAW_CHARACTERS else f"{text[:RAW_CHARACTERS]}... ({len(raw)} bytes in all)"
