"""Tuples of INSERT -> Rows events. How tuples are found in the text is tuples'; COPY has its own, shorter way (blocks).

A cell is text between single quotes with inner quotes doubled, or a bare number or word, or None for NULL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BINARY
from platform_assets.formats.base import Event
from platform_assets.formats.cells import high_cells
from platform_assets.formats.postgres.types import NativeType
from platform_assets.formats.postgres.unescape import bytea_column
from platform_assets.formats.postgres.values import stored
from platform_assets.formats.sql import rows
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.rows import Cells, Int64s, Part, Places, Shown, first_reasons, rows_events, tuple_text, unreadable_events

_ASCII = bytes(range(128))


@dataclass(frozen=True)
class PlannedColumn:
    """A column that gets values, the type wanted and PostgreSQL's; `default` is its constant default as text.

    `computed`: only the server could tell what DEFAULT means.
    """

    name: str
    target: pa.DataType
    native: NativeType
    default: bytes | None = None
    computed: bool = False

    @property
    def literal(self) -> bytes | None:
        """What the word DEFAULT stands for, as a cell."""
        return None if self.default is None else b"'" + self.default.replace(b"'", b"''") + b"'"


@dataclass(frozen=True)
class Plan:
    """One INSERT's columns by position. `filled` are those that it leaves out and that have a constant default."""

    table: str
    columns: tuple[PlannedColumn, ...]
    filled: tuple[PlannedColumn, ...] = ()
    encoding: str = "utf-8"


@dataclass
class RowBuffer(rows.RowBuffer[Plan]):
    """Rows of one table that wait for their batch; its parts hold decoded texts."""

    def flush(self) -> Iterator[Event]:
        """Rows events with all rows that can be read, an Unreadable for each that cannot. Empties the buffer."""
        part = self.taken()
        if part is None:
            return
        columns: dict[str, pa.Array] = {}
        reasons: dict[str, dict[int, str]] = {}
        for column in self.plan.columns:
            columns[column.name], reasons[column.name] = _converted(part.columns[column.name], column)
        bad = first_reasons(reasons)
        for position, reason in part.bad.items():
            bad.setdefault(position, reason)
        for column in self.plan.filled:
            columns[column.name] = constant_column(column, len(part.rows))
        places = Places(self.plan.table, self.member, part.rows, part.lines)
        yield from rows_events(places, columns, bad)
        yield from unreadable_events(places, bad, part.raw)

    def _block_part(self, block: RowBlock) -> Part:
        texts = {column.name: _block_texts(block, at, column) for at, column in enumerate(self.plan.columns)}
        return self._part(texts, block.rows, block.lines, block.raw)

    def _cells_part(self, cells: list[Cells], rows: Int64s, lines: Int64s) -> Part:
        width = len(self.plan.columns)
        by_column = list(zip(*cells, strict=True)) if width else []
        texts = {
            column.name: pa.array([_text(cell) for cell in values], pa.binary())
            for column, values in zip(self.plan.columns, by_column, strict=False)
        }
        return self._part(texts, rows, lines, lambda at: tuple_text(cells[at][:width]))

    def _part(self, texts: dict[str, pa.Array], rows: Int64s, lines: Int64s, raw: Shown) -> Part:
        columns: dict[str, pa.Array] = {}
        reasons: dict[str, dict[int, str]] = {}
        for name, array in texts.items():
            columns[name], reasons[name] = decoded(array, self.plan.encoding)
        return Part(columns, rows, lines, raw, first_reasons(reasons))


def constant_column(column: PlannedColumn, length: int) -> pa.Array:
    """The column's default as often as there are rows."""
    once, _ = _converted(decoded(pa.array([column.default], pa.binary()), "utf-8")[0], column)
    return once.take(pa.array(np.zeros(length, np.int32)))


def _block_texts(block: RowBlock, at: int, column: PlannedColumn) -> pa.Array:
    """A block's column; the word DEFAULT stands for the column's own, or NULL."""
    forms = block.forms(at)
    texts = block.text(at, forms)
    words = forms.firsts == ord("D") if forms.numbers else None
    if words is None or not words.any():
        return texts
    return pc.if_else(pa.array(words), pa.scalar(column.default, pa.binary()), texts)


def _text(cell: bytes | None) -> bytes | None:
    if cell is None or cell[0] != 0x27:
        return cell
    return cell[1:-1].replace(b"''", b"'")


def decoded(texts: pa.Array, encoding: str) -> tuple[pa.StringArray, dict[int, str]]:
    """Bytes as text, and why some are no text of the encoding (NULL then). The array begins at its buffers' beginning."""
    if encoding == "utf-8":
        try:
            return texts.cast(pa.string()), {}
        except pa.ArrowInvalid:
            pass  # some cells are no UTF-8: the way cell by cell tells which
    plain = _ASCII.decode(encoding, "replace") == _ASCII.decode("ascii")
    places = high_cells(texts) if plain else np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
    bad: dict[int, str] = {}
    values: list[bytes | None] = []
    for row, text in zip(places.tolist(), texts.take(pa.array(places)).to_pylist(), strict=True):
        try:
            values.append(text.decode(encoding).encode("utf-8"))
        except UnicodeError as error:
            bad[row] = f"bytes that are no {encoding}: {getattr(error, 'reason', error)}"
            values.append(None)
    mask = np.zeros(len(texts), bool)
    mask[places] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(values, pa.binary())).cast(pa.string()), bad


def _converted(text: pa.StringArray, column: PlannedColumn) -> tuple[pa.Array, dict[int, str]]:
    """A column's text as the array that is given on, and what is wrong with cells that are no bytea."""
    if column.target == BINARY:
        return bytea_column(text)
    return stored(text, column.target, column.native), {}
