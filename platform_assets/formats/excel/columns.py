"""Rows of a sheet as a table: where its header is, which columns it has and of which types. Values only; nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BOOLEAN as BOOLEAN_TYPE
from platform_assets.dictionary.types import DATE as DATE_TYPE
from platform_assets.dictionary.types import STRING, TIMESTAMP
from platform_assets.dictionary.types import TIME as TIME_TYPE
from platform_assets.formats.delimited.shape import Remark, unique_names
from platform_assets.formats.excel.cells import BOOLEAN, DATE, DATETIME, ERROR, KIND_NAMES, NUMBER, TIME, Cell, SheetRow
from platform_assets.formats.json_records.facts import Facts, without_exponent

_WAITING = 10_000


@dataclass
class ColumnFacts:
    """All cells of one sheet column below the header."""

    counts: list[int] = field(default_factory=lambda: [0] * len(KIND_NAMES))
    numbers: Facts = field(default_factory=Facts)
    _waiting: list[str] = field(default_factory=list)

    def add(self, cell: Cell) -> None:
        self.counts[cell.kind] += 1
        if cell.kind == NUMBER:
            self._waiting.append(cell.text)
            if len(self._waiting) >= _WAITING:
                self._look()

    def _look(self) -> None:
        if self._waiting:
            plain = [text.replace("e+", "e") for text in self._waiting]
            self.numbers.numbers(pa.array(plain, pa.string()))
            self._waiting = []

    def type(self) -> pa.DataType:
        self._look()
        kinds = {kind for kind, count in enumerate(self.counts) if count and kind != ERROR}
        if kinds == {NUMBER}:
            return self.numbers.number_type()
        if kinds and kinds <= {DATE, DATETIME}:
            return TIMESTAMP if DATETIME in kinds else DATE_TYPE
        single = {BOOLEAN: BOOLEAN_TYPE, TIME: TIME_TYPE}
        return single.get(next(iter(kinds)), STRING) if len(kinds) == 1 else STRING

    def native(self) -> str:
        return " or ".join(KIND_NAMES[kind] for kind, count in enumerate(self.counts) if count and kind != ERROR) or "empty"

    def mixed(self) -> str | None:
        kinds = [kind for kind, count in enumerate(self.counts) if count and kind != ERROR]
        if len(kinds) < 2 or set(kinds) == {DATE, DATETIME}:
            return None
        return ", ".join(f"{self.counts[kind]:,} x {KIND_NAMES[kind]}" for kind in kinds)


@dataclass
class SheetFacts:
    """A sheet after the first pass. `header` is None where the sheet has none or is empty."""

    with_header: bool
    header: SheetRow | None = None
    columns: dict[int, ColumnFacts] = field(default_factory=dict)
    rows: int = 0
    first_number: int = 0
    last_number: int = 0

    def see(self, row: SheetRow) -> bool:
        """Whether the row is data."""
        if self.with_header and self.header is None:
            self.header = row
            self.first_number = row.number
            return False
        self.rows += 1
        self.first_number = self.first_number or row.number
        self.last_number = row.number
        for cell in row.cells:
            self.columns.setdefault(cell.column, ColumnFacts()).add(cell)
        return True

    @property
    def empty_rows(self) -> int:
        """Rows without a cell between the first and the last with one."""
        spanned = self.last_number - self.first_number + 1 - (self.header is not None)
        return max(spanned - self.rows, 0) if self.rows else 0

    def shape(self, name: str, contract: Table | None) -> SheetShape:
        """Columns of the sheet that have a header or a value; those that the dictionary knows have its types."""
        titles = {cell.column: cell.text for cell in self.header.cells} if self.header else {}
        used = sorted({*titles, *self.columns})
        stated = list(contract.columns) if contract and not self.with_header else []
        wanted = [titles.get(at, "") for at in used]
        remarks: list[Remark] = []
        if not self.with_header:
            wanted = [stated[n].name if n < len(stated) else f"c{n + 1}" for n in range(len(used))]
            if not stated:
                remarks.append(("columns-unnamed", f"nothing names the columns of {name}: they are called c1 to c{len(used)}."))
        names, renamed = unique_names(wanted)
        known = {column.name: column for column in contract.columns} if contract else {}
        columns = []
        for at, column_name in zip(used, names, strict=True):
            facts = self.columns.get(at) or ColumnFacts()
            columns.append(known.get(column_name) or Column(column_name, facts.type(), facts.native()))
            if (mixed := facts.mixed()) and column_name not in known:
                remarks.append(("kinds-mixed", f"column {column_name} holds {mixed}: kept as text."))
        table = contract.with_columns(columns) if contract else Table(name, tuple(columns))
        return SheetShape(table, tuple(used), (*renamed, *remarks))


@dataclass(frozen=True)
class SheetShape:
    """A sheet's table; `used` are the sheet columns of its columns."""

    table: Table
    used: tuple[int, ...]
    remarks: tuple[Remark, ...]


ErrorCell = tuple[SheetRow, str, str]
"""An error cell: its row, the name of its column, the error."""


def arrays_of(rows: Sequence[SheetRow], shape: SheetShape, booleans: tuple[str, str]) -> tuple[list[pa.Array], list[ErrorCell]]:
    """One text array per column, and the error cells. An error in a typed column stays as text, which the
    caster makes NULL and keeps; in a text column, where it would pass for a text, it is NULL."""
    position = {at: number for number, at in enumerate(shape.used)}
    columns: list[list[str | None]] = [[None] * len(rows) for _ in shape.used]
    errors: list[ErrorCell] = []
    for at, row in enumerate(rows):
        for cell in row.cells:
            number = position[cell.column]
            column = shape.table.columns[number]
            text: str | None = cell.text
            if cell.kind == ERROR:
                errors.append((row, column.name, cell.text))
                text = None if column.type == STRING else cell.text
            elif cell.kind == BOOLEAN and column.type == BOOLEAN_TYPE:
                text = booleans[0] if cell.text == "true" else booleans[1]
            elif cell.kind == DATE and pa.types.is_timestamp(column.type):
                text = f"{cell.text}T00:00:00"
            elif cell.kind == DATETIME and column.type == DATE_TYPE:
                text = cell.text.removesuffix("T00:00:00")
            elif cell.kind == NUMBER and "e" in cell.text and column.type != STRING:
                text = without_exponent(cell.text)
            columns[number][at] = text
    return [pa.array(cells, STRING) for cells in columns], errors


def batches(rows: Iterator[SheetRow], size: int) -> Iterator[list[SheetRow]]:
    batch: list[SheetRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
