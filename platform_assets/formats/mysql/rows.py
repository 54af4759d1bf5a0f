"""Tuples of literals -> Rows events: where each value of a tuple goes, and how its column is read.

Not here: how tuples are found in the text (values), what a literal means (literals).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from platform_assets.formats.base import Event
from platform_assets.formats.mysql.block_columns import convert_block
from platform_assets.formats.mysql.columns import Converted, convert
from platform_assets.formats.mysql.literals import Reading
from platform_assets.formats.sql import rows
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.rows import Cells, Int64s, Part, Places, Shown, first_reasons, rows_events, tuple_text, unreadable_events

PlannedColumn = rows.PlannedColumn[Reading]


@dataclass(frozen=True)
class Plan:
    """One INSERT's columns by position. `filled` are the table's columns that it leaves out and that have a literal default."""

    table: str
    columns: tuple[PlannedColumn, ...]
    filled: tuple[PlannedColumn, ...] = ()


@dataclass
class RowBuffer(rows.RowBuffer[Plan]):
    """Rows of one table that wait for their batch; its parts are converted already."""

    def flush(self) -> Iterator[Event]:
        """Rows events with all rows that can be read, an Unreadable for each that cannot. Empties the buffer."""
        part = self.taken()
        if part is not None:
            places = Places(self.plan.table, self.member, part.rows, part.lines)
            yield from rows_events(places, part.columns, part.bad)
            yield from unreadable_events(places, part.bad, part.raw)

    def _block_part(self, block: RowBlock) -> Part:
        converted = {column.name: convert_block(block, at, column.reading, column.target) for at, column in enumerate(self.plan.columns)}
        return self._part(converted, block.rows, block.lines, block.raw)

    def _cells_part(self, cells: list[Cells], rows: Int64s, lines: Int64s) -> Part:
        width = len(self.plan.columns)
        by_column = list(zip(*cells, strict=True)) if width else []
        converted = {
            column.name: convert(values, column.reading, column.target)
            for column, values in zip(self.plan.columns, by_column, strict=False)
        }
        part = self._part(converted, rows, lines, lambda at: tuple_text(shown[at]))
        shown = {at: cells[at][:width] for at in part.bad}  # no other cells are held on for it
        return part

    def _part(self, converted: dict[str, Converted], rows: Int64s, lines: Int64s, raw: Shown) -> Part:
        for column in self.plan.filled:
            once = convert([column.default], column.reading, column.target)
            values = once.values.take(pa.array(np.zeros(len(rows), np.int32)))
            converted[column.name] = Converted(values, dict.fromkeys(range(len(rows)), once.bad[0]) if once.bad else {})
        bad = first_reasons({name: one.bad for name, one in converted.items()})
        return Part({name: one.values for name, one in converted.items()}, rows, lines, raw, bad)
