"""Tuples of literals -> Rows events: where each value of a tuple goes, and batches that are cut in time.

Not here: how tuples are found in the text (mysql_values), what a literal means (mysql_literals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from platform_assets.formats.base import BATCH_ROWS, Event, Rows, Unreadable
from platform_assets.formats.mysql.block_columns import convert_block
from platform_assets.formats.mysql.columns import Converted, convert
from platform_assets.formats.mysql.literals import Reading
from platform_assets.formats.mysql.values import Cells
from platform_assets.formats.sql.blocks import RowBlock

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


Shown = Callable[[int], bytes]


@dataclass(frozen=True)
class _Piece:
    """Converted rows. `bad`: by position, why a row cannot be read; `raw` shows such a row."""

    arrays: dict[str, pa.Array]
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    bad: dict[int, str]
    raw: Shown


@dataclass
class RowBuffer:
    """Rows of one table that wait for their batch: those read one by one in `cells`, `rows` and `lines`, and blocks, converted already."""

    plan: Plan
    member: str
    cells: list[Cells] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bytes: int = 0
    _pieces: list[_Piece] = field(default_factory=list)
    _in_pieces: int = 0

    @property
    def room(self) -> int:
        return BATCH_ROWS - len(self.cells) - self._in_pieces

    @property
    def empty(self) -> bool:
        return not (self.cells or self._pieces)

    def add(self, block: RowBlock) -> None:
        """Takes a block of plain rows. It is converted at once, while its text is in the processor's cache."""
        if len(block):
            self._pieces.append(self._converted_block(block))
            self._in_pieces += len(block)

    def flush(self) -> Iterator[Event]:
        """Rows events with all rows that can be read, an Unreadable for each that cannot. Empties the buffer."""
        pieces = [*self._pieces, self._converted_cells()] if self.cells else self._pieces
        self.cells, self.rows, self.lines, self.bytes = [], [], [], 0
        self._pieces, self._in_pieces = [], 0
        if not pieces:
            return
        yield from self._readable(pieces)
        problems = [(int(piece.rows[at]), piece, at) for piece in pieces for at in piece.bad]
        for row, piece, at in sorted(problems, key=lambda problem: problem[0]):
            raw, reason = shown_raw(piece.raw(at)), piece.bad[at]
            yield Unreadable(self.plan.table, self.member, int(piece.lines[at]), row, raw, "encoding-error", reason)

    def _converted_block(self, block: RowBlock) -> _Piece:
        converted = {column.name: convert_block(block, at, column.reading, column.target) for at, column in enumerate(self.plan.columns)}
        return self._piece(converted, block.rows, block.lines, block.raw)

    def _converted_cells(self) -> _Piece:
        cells, width = self.cells, len(self.plan.columns)
        by_column = list(zip(*cells, strict=True)) if width else []
        converted = {
            column.name: convert(values, column.reading, column.target)
            for column, values in zip(self.plan.columns, by_column, strict=False)
        }
        rows, lines = np.array(self.rows, np.int64), np.array(self.lines, np.int64)
        return self._piece(converted, rows, lines, lambda at: _tuple_text(cells[at][:width]))

    def _piece(self, converted: dict[str, Converted], rows: npt.NDArray[np.int64], lines: npt.NDArray[np.int64], raw: Shown) -> _Piece:
        for column in self.plan.filled:
            once = convert([column.default], column.reading, column.target)
            values = once.values.take(pa.array(np.zeros(len(rows), np.int32)))
            converted[column.name] = Converted(values, dict.fromkeys(range(len(rows)), once.bad[0]) if once.bad else {})
        bad: dict[int, str] = {}
        for name, column_of in converted.items():
            for position, reason in column_of.bad.items():
                bad.setdefault(position, f"column {name}: {reason}")
        return _Piece({name: one.values for name, one in converted.items()}, rows, lines, bad, raw)

    def _readable(self, pieces: list[_Piece]) -> Iterator[Event]:
        """The rows that can be read, in their order."""
        rows, lines = (np.concatenate([getattr(piece, what) for piece in pieces]) for what in ("rows", "lines"))
        columns = {name: pa.concat_arrays([piece.arrays[name] for piece in pieces]) for name in pieces[0].arrays}
        kept = np.ones(len(rows), bool)
        kept[[start + at for start, piece in zip(_starts(pieces), pieces, strict=True) for at in piece.bad]] = False
        order = np.argsort(rows, kind="stable")[kept[np.argsort(rows, kind="stable")]]
        if len(order) < len(rows) or (np.diff(rows) < 0).any():
            chosen = pa.array(order)
            columns = {name: array.take(chosen) for name, array in columns.items()}
            rows, lines = rows[order], lines[order]
        for start in range(0, len(rows), BATCH_ROWS):
            numbers, places = rows[start : start + BATCH_ROWS], lines[start : start + BATCH_ROWS]
            batch = pa.RecordBatch.from_arrays([array.slice(start, len(numbers)) for array in columns.values()], names=list(columns))
            if not columns:
                batch = pa.RecordBatch.from_struct_array(pa.array([{}] * len(numbers), pa.struct([])))
            yield Rows(self.plan.table, self.member, batch, pa.array(numbers), pa.array(places), strict=False)


def _starts(pieces: list[_Piece]) -> list[int]:
    return np.cumsum([0, *(len(piece.rows) for piece in pieces)])[:-1].tolist()


def _tuple_text(cells: Cells) -> bytes:
    return b"(" + b",".join(b"NULL" if cell is None else cell for cell in cells) + b")"


def shown_raw(raw: bytes | None) -> str:
    """A row's text for people and for replay: undecodable bytes as \\xNN, a very long one cut."""
    if raw is None:
        return "(too long to be kept)"
    text = raw[: RAW_CHARACTERS * 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= RAW_CHARACTERS else f"{text[:RAW_CHARACTERS]}... ({len(raw)} bytes in all)"
