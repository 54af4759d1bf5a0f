"""Tuples of INSERT -> Rows events. How tuples are found in the text is inserts'; COPY has its own, shorter way (blocks).

A cell is text between single quotes with inner quotes doubled, or a bare number or word, or None for NULL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.types import BINARY
from platform_assets.formats.base import BATCH_ROWS, Event, Rows, Unreadable
from platform_assets.formats.postgres.types import NativeType
from platform_assets.formats.postgres.unescape import bytea_column
from platform_assets.formats.postgres.values import stored

BATCH_BYTES = 8 << 20
"""Of text in all buffers together; as Python objects, short values take ten times as much."""
RAW_CHARACTERS = 1 << 20
"""Raw text of one row beyond which it is cut, with a word that it is."""

Cells = tuple[bytes | None, ...]


@dataclass(frozen=True)
class PlannedColumn:
    """A column that gets values, the type wanted and PostgreSQL's; `default` is its constant default as text."""

    name: str
    target: pa.DataType
    native: NativeType
    default: bytes | None = None


@dataclass(frozen=True)
class Plan:
    """One INSERT's columns by position. `filled` are those that it leaves out and that have a constant default."""

    table: str
    columns: tuple[PlannedColumn, ...]
    filled: tuple[PlannedColumn, ...] = ()
    encoding: str = "utf-8"


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
        cells, rows, lines = self.cells, np.array(self.rows, np.int64), np.array(self.lines, np.int64)
        self.cells, self.rows, self.lines, self.bytes = [], [], [], 0
        if not cells:
            return
        columns: dict[str, pa.Array] = {}
        bad: dict[int, str] = {}
        by_column = list(zip(*cells, strict=True)) if self.plan.columns else []
        for column, values in zip(self.plan.columns, by_column, strict=False):
            columns[column.name], problems = _converted([_text(cell) for cell in values], column, self.plan.encoding)
            for row, reason in problems.items():
                bad.setdefault(row, f"column {column.name}: {reason}")
        for column in self.plan.filled:
            columns[column.name] = constant_column(column, len(cells))
        kept = np.ones(len(rows), dtype=bool)
        kept[list(bad)] = False
        yield from rows_event(self.plan.table, self.member, columns, rows, lines, kept if bad else None)
        for row, reason in sorted(bad.items()):
            raw = b"(" + b",".join(b"NULL" if cell is None else cell for cell in cells[row][: len(self.plan.columns)]) + b")"
            yield Unreadable(self.plan.table, self.member, int(lines[row]), int(rows[row]), shown_raw(raw), "encoding-error", reason)


def rows_event(
    table: str, member: str, columns: dict[str, pa.Array], rows: np.ndarray, lines: np.ndarray, kept: np.ndarray | None = None
) -> Iterator[Rows]:
    """Rows events of at most BATCH_ROWS; `kept` leaves out the rows where it is False."""
    if kept is not None:
        mask = pa.array(kept)
        columns = {name: values.filter(mask) for name, values in columns.items()}
        rows, lines = rows[kept], lines[kept]
    if not len(rows):
        return
    if columns:
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    else:
        batch = pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    numbers, places = pa.array(rows, pa.int64()), pa.array(lines, pa.int64())
    for at in range(0, len(rows), BATCH_ROWS):
        one = slice(at, at + BATCH_ROWS)
        yield Rows(table, member, batch.slice(at, BATCH_ROWS), numbers[one], places[one], strict=False)


def constant_column(column: PlannedColumn, length: int) -> pa.Array:
    """The column's default as often as there are rows."""
    return _converted([column.default] * length, column, "utf-8")[0]


def _text(cell: bytes | None) -> bytes | None:
    if cell is None or cell[0] != 0x27:
        return cell
    return cell[1:-1].replace(b"''", b"'")


def _converted(texts: list[bytes | None], column: PlannedColumn, encoding: str) -> tuple[pa.Array, dict[int, str]]:
    """A column's texts as an array, and what is wrong with those that are no text of the encoding or no bytea."""
    bad: dict[int, str] = {}
    try:
        if encoding != "utf-8":
            raise UnicodeError
        array = pa.array(texts, pa.binary()).cast(pa.string())
    except (pa.ArrowInvalid, UnicodeError):
        decoded: list[str | None] = []
        for row, text in enumerate(texts):
            try:
                decoded.append(None if text is None else text.decode(encoding))
            except UnicodeDecodeError as error:
                bad[row] = f"bytes that are no {encoding}: {error.reason}"
                decoded.append(None)
        array = pa.array(decoded, pa.string())
    if column.target == BINARY:
        values, more = bytea_column(array)
        return values, more | bad
    return stored(array, column.target, column.native), bad


def shown_raw(raw: bytes | None) -> str:
    """A row's text for people and for replay: undecodable bytes as \\xNN, a very long one cut."""
    if raw is None:
        return "(too long to be kept)"
    text = raw[: RAW_CHARACTERS * 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= RAW_CHARACTERS else f"{text[:RAW_CHARACTERS]}... ({len(raw)} bytes in all)"
