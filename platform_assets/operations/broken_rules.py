"""Where the broken rules of a version wait until they are read: in memory while they are few, then in a DuckDB table, which spills to disk.

A batch of posted rows, and most dumps, break few: for them no table is made.

Not here: which rules are broken (operations.judge) and what the rules are (dictionary.rules).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Rule, Violation
from platform_assets.dictionary.rules import explain
from platform_assets.dictionary.types import BOOLEAN, DATE, FLOAT64, INT32, INT64, STRING, TIMESTAMP
from platform_assets.engines.duckdb import Engine

READ_ROWS = 16_384
HELD_ROWS, HELD_BYTES = 32_768, 4 << 20
"""Broken rules that wait in memory until they go into the table together."""
SHOWN = 200
"""Characters of a value that are kept with a violation; the whole row is kept apart, as it came."""
_TEXT = "CAST(value AS STRING)"
_VALUE = f"CASE WHEN length({_TEXT}) > {SHOWN} THEN left({_TEXT}, {SHOWN}) || '…' ELSE {_TEXT} END"

_NAMES = ["t", "row", "rule", "value", "first"]
_SCHEMA = pa.schema(zip(_NAMES, (INT32, INT64, INT32, STRING, INT64), strict=True))


class BrokenRules:
    """Broken rules by the number of their table. A rule is noted at most once per row."""

    def __init__(self, connection: Engine, name: str) -> None:
        self._connection = connection
        self._name = name
        self._rules: list[Rule] = []
        self._numbers: dict[tuple[int, str], int] = {}
        self._of_table: dict[int, list[int]] = {}
        self._held: dict[pa.DataType, list[pa.RecordBatch]] = {}
        self._rows = self._bytes = 0
        self._stored = False
        """Whether the table was made. Until then all that was noted is held, with values whose text is known here (`as_text`)."""

    def note(self, table: int, rule: Rule, rows: pa.Int64Array, values: pa.Array, first: pa.Int64Array | None = None) -> None:
        """One rule broken by the rows with these numbers; `values` are their cells, `first` the rows that had the same key before."""
        text = None if self._stored else as_text(values)
        values = values if text is None else text
        number = pa.scalar(self._number(table, rule), pa.int32())
        columns = [pa.repeat(pa.scalar(table, pa.int32()), len(rows)), rows, pa.repeat(number, len(rows)), values]
        columns.append(pa.nulls(len(rows), pa.int64()) if first is None else first)
        held = self._held.setdefault(values.type, [])
        held.append(pa.RecordBatch.from_arrays(columns, names=_NAMES))
        self._rows += len(rows)
        self._bytes += values.nbytes
        if (text is None and not self._stored) or self._rows >= HELD_ROWS or self._bytes >= HELD_BYTES:
            self._store()

    def note_found(self, table: int, rule: Rule, sql: str) -> None:
        """One rule broken by the rows that a statement finds, with the columns row, value and first."""
        self._store()
        into = f'INSERT INTO "{self._name}" SELECT {table}, "row", {self._number(table, rule)}, {_VALUE}'
        self._connection.execute(f"{into}, first FROM ({sql}) AS found")

    def _store(self) -> None:
        """What was noted goes into the table, a statement per type of values: one per batch and rule costs more than the rules."""
        if not self._stored:
            self._connection.execute(f'CREATE TABLE "{self._name}" (t INTEGER, "row" BIGINT, rule INTEGER, value STRING, first BIGINT)')
            self._stored = True
        into = f'INSERT INTO "{self._name}" SELECT t, "row", rule, {_VALUE}, first FROM'
        for batches in filter(None, self._held.values()):
            load(self._connection, into, pa.Table.from_batches(batches))
        self._held.clear()
        self._rows = self._bytes = 0

    def _found(self, table: int, severity: str | None = None) -> pa.Table:
        """What is held of a table, in the order of its rows; there is no table in DuckDB yet."""
        batches = self._held.get(pa.string(), ())
        held = pa.Table.from_batches(batches, _SCHEMA)
        wanted = pa.array(self._of_table.get(table, ()) if severity is None else self._of_severity(table, severity), pa.int32())
        return held.filter(pc.is_in(held.column("rule"), wanted)).sort_by("row")

    def _number(self, table: int, rule: Rule) -> int:
        number = self._numbers.setdefault((table, rule.id), len(self._rules))
        if number == len(self._rules):
            self._rules.append(rule)
            self._of_table.setdefault(table, []).append(number)
        return number

    def forget(self, table: int) -> None:
        for values, batches in self._held.items():
            self._held[values] = [batch for batch in batches if batch.column("t")[0].as_py() != table]
        if self._stored:
            self._connection.execute(f'DELETE FROM "{self._name}" WHERE t = {table}')

    def failed(self, table: int) -> dict[str, int]:
        """Rule id -> rows that broke it; rules that no row broke are absent."""
        if self._stored:
            self._store()
            sql = f'SELECT rule, count(*) FROM "{self._name}" WHERE t = {table} GROUP BY rule'
            counted = self._connection.execute(sql).fetchall()
        else:
            counted = list(Counter(self._found(table).column("rule").to_pylist()).items())
        return {self._rules[number].id: rows for number, rows in counted}

    def rejected_sql(self, table: int) -> str:
        """A statement for the numbers of the rows (column row) that broke a rule of severity error, each as often as it did."""
        self._store()
        return f'SELECT "row" FROM "{self._name}" WHERE t = {table} AND rule IN ({self._listed(table, "error")})'

    def rejected_rows(self, table: int) -> np.ndarray:
        """Their numbers, int64, ascending, each once."""
        if not self._stored:
            return np.unique(self._found(table, "error").column("row").to_numpy())
        found = self._connection.execute(f'SELECT DISTINCT "row" FROM ({self.rejected_sql(table)}) AS b ORDER BY "row"').fetchnumpy()
        return np.asarray(found["row"], np.int64)

    def read(self, table: int, severity: str, places: Mapping[str, int]) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Per row, ascending, what it broke, ordered by the rules' places. Streamed from a cursor of its own."""
        for row, records in groupby(self._records(table, severity), key=itemgetter(0)):
            broken = [self._violation(rule, value, first) for _, rule, value, first in records]
            yield row, tuple(sorted(broken, key=lambda violation: places[violation.rule]) if len(broken) > 1 else broken)

    def _records(self, table: int, severity: str) -> Iterator[tuple[Any, ...]]:
        """(row, rule, value, first), ascending by row."""
        if not self._stored:
            for row, rule, value, first in _tuples(self._found(table, severity).drop_columns("t").to_batches()):
                yield row, rule, f"{value[:SHOWN]}…" if value is not None and len(value) > SHOWN else value, first
            return
        self._store()
        sql = (
            f'SELECT "row", rule, value, first FROM "{self._name}" WHERE t = {table}'
            f' AND rule IN ({self._listed(table, severity)}) ORDER BY "row"'
        )
        cursor = self._connection.cursor()
        try:
            yield from _tuples(cursor.sql(sql).to_arrow_reader(READ_ROWS))
        finally:
            cursor.close()

    def _violation(self, number: int, value: str | None, first: int | None) -> Violation:
        rule = self._rules[number]
        return Violation(rule.id, rule.code, rule.columns, value, explain(rule, value, first=first))

    def _of_severity(self, table: int, severity: str) -> list[int]:
        return [number for number in self._of_table.get(table, ()) if self._rules[number].severity == severity]

    def _listed(self, table: int, severity: str) -> str:
        return ", ".join(map(str, self._of_severity(table, severity))) or "-1"


def as_text(values: pa.Array) -> pa.Array | None:
    """Values as the engine's CAST writes them as text; None for types of which the engine alone knows how."""
    if values.type == STRING:
        return values
    if values.null_count == len(values):
        return pa.nulls(len(values), STRING)
    if values.type in (INT32, INT64, BOOLEAN):
        return values.cast(STRING)
    if pa.types.is_decimal(values.type):
        return pa.array([None if value is None else f"{value:f}" for value in values.to_pylist()], STRING)
    if values.type == FLOAT64:
        return pa.array([None if value is None else _float_text(value) for value in values.to_pylist()], STRING)
    if values.type in (DATE, TIMESTAMP) and _in_ordinary_years(values):
        text = values.cast(STRING)
        return text if values.type == DATE else pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
    return None


def _float_text(value: float) -> str:
    return "-nan" if math.isnan(value) and math.copysign(1, value) < 0 else repr(value)


def _in_ordinary_years(values: pa.Array) -> bool:
    """Beyond these each library writes a year in its own way."""
    years = pc.min_max(pc.year(values)).as_py()
    return bool(years["min"] >= 1 and years["max"] <= 9_999)


def load(connection: Engine, statement: str, arriving: pa.Table) -> None:
    """Runs a statement that ends in FROM on an Arrow table."""
    connection.register("arriving_rows", arriving)
    try:
        connection.execute(f"{statement} arriving_rows")
    finally:
        connection.unregister("arriving_rows")


def _tuples(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
