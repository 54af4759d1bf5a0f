"""Rows of literals -> Rows events: where each value goes, and batches that are cut in time.

Not here: how rows are found in the text (mssql.values), what a literal means (mssql.literals).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import Event
from platform_assets.formats.mssql.columns import Converted, convert
from platform_assets.formats.mssql.literals import Reading
from platform_assets.formats.sql import rows
from platform_assets.formats.sql.rows import Places, rows_events, tuple_text, unreadable_events
from platform_assets.formats.sql.tuples import DEFAULT

PlannedColumn = rows.PlannedColumn[Reading]


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
    ordered: bool = True
    """Whether the script says the order of day and month."""


@dataclass
class RowBuffer(rows.RowBuffer[Plan]):
    """Rows of one table that wait for their batch. `numbers` are the server's for the identity column, where the plan wants them."""

    numbers: list[int] = field(default_factory=list)
    assumed: int = 0
    """Dates so far whose day and month could have been the other way round."""
    highest: int | None = None
    """The highest number that was given to the identity column."""

    def flush(self) -> Iterator[Event]:
        """One Rows event with all rows that can be read, an Unreadable for each that cannot. Empties the buffer."""
        cells, numbered, lines, numbers = self.cells, self.rows, self.lines, self.numbers
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
        places = Places(self.plan.table, self.member, np.array(numbered, np.int64), np.array(lines, np.int64))
        yield from rows_events(places, {name: converted.values for name, converted in arrays.items()}, bad)
        for position, (code, reason) in sorted(bad.items()):
            row = tuple(b"DEFAULT" if cell == DEFAULT else cell for cell in cells[position][: len(self.plan.columns)])
            yield from unreadable_events(places, {position: reason}, lambda at, row=row: tuple_text(row), code)  # type: ignore[misc]

    def _note_highest(self, values: pa.Array) -> None:
        try:
            found = pc.max(values.cast(pa.int64())).as_py()
        except pa.ArrowInvalid:
            return
        if found is not None:
            self.highest = max(found, found if self.highest is None else self.highest)


def _default(column: PlannedColumn) -> bytes | None:
    return None if column.computed else column.default
