"""Literals of one table's rows -> Rows events: rows wait here until they are a batch, then each column becomes an array.

Not here: how rows are found in the text (tuples, sql.row_reading), what a literal means (values, columns).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import Event
from platform_assets.formats.sql import rows
from platform_assets.formats.sql.blocks import RowBlock
from platform_assets.formats.sql.rows import Cells, Int64s, Part, Places, first_reasons, rows_events, tuple_text, unreadable_events
from platform_assets.formats.sqlite.affinity import INT_MAX
from platform_assets.formats.sqlite.calls import has_calls, without_calls
from platform_assets.formats.sqlite.columns import Converted
from platform_assets.formats.sqlite.tokens import SqliteTokens


@dataclass(frozen=True)
class Plan:
    """Columns of an INSERT by position, None for one that is not kept (rowid). `filled` are left out and have a constant default."""

    columns: tuple[str | None, ...]
    filled: tuple[tuple[str, bytes], ...] = ()
    rowid: str | None = None
    """The column that SQLite numbers where it gets NULL or nothing."""


@dataclass
class RowBuffer(rows.RowBuffer[Plan]):
    """Rows of one table under one plan. Parts hold canonical literals: what types the columns have is decided by a batch of them.

    `tokens` are those of the script, which know whether a line end within a text counts as a line feed.
    """

    tokens: SqliteTokens | None = None

    def _block_part(self, block: RowBlock) -> Part:
        columns: dict[str, pa.Array] = {}
        for at, name in enumerate(self.plan.columns):
            if name is not None:
                forms = block.forms(at)
                literals = self._line_feeds(block.literals(forms))
                columns[name] = without_calls(literals, forms.firsts)[0] if has_calls(forms.firsts) else literals
        return Part(columns, block.rows, block.lines, block.raw)

    def _line_feeds(self, literals: pa.Array) -> pa.Array:
        if self.tokens is None or not self.tokens.windows or not pc.any(pc.match_substring(literals, "\r\n")).as_py():
            return literals
        self.tokens.turned = True
        return pc.replace_substring(literals, "\r\n", "\n")

    def _cells_part(self, cells: list[Cells], rows: Int64s, lines: Int64s) -> Part:
        columns = {
            name: pa.array(values, pa.binary())
            for name, values in zip(self.plan.columns, zip(*cells, strict=True), strict=False)
            if name is not None
        }
        return Part(columns, rows, lines, lambda at: tuple_text(cells[at][:-1]))

    def batch(self, highest: int) -> tuple[Part, int, int]:
        """The rows that wait, of which there are some; NULLs of the rowid are numbered from `highest`, which is given back.

        And how many rows' keys SQLite would have numbered.
        """
        part = self.taken()
        assert part is not None
        count, numbered = len(part.rows), 0
        literals = part.columns | {name: pa.array([default] * count, pa.binary()) for name, default in self.plan.filled}
        if self.plan.rowid is not None:
            given = literals.get(self.plan.rowid, pa.nulls(count, pa.binary()))
            literals[self.plan.rowid], highest = _numbered(given, highest)
            numbered = given.null_count
        return replace(part, columns=literals), highest, numbered


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


def readable(table: str, member: str, arrays: dict[str, Converted], batch: Part) -> Iterator[Event]:
    """Rows events with all rows that can be read, an Unreadable for each that cannot."""
    bad = first_reasons({name: converted.bad for name, converted in arrays.items()})
    places = Places(table, member, batch.rows, batch.lines)
    yield from rows_events(places, {name: converted.values for name, converted in arrays.items()}, bad)
    yield from unreadable_events(places, bad, lambda at: tuple_text(tuple(column[at].as_py() for column in batch.columns.values())))
