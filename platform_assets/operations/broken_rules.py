"""Where the broken rules of a version wait until they are read: a DuckDB table, which spills to disk, not Python objects.

Not here: which rules are broken (operations.judge) and what the rules are (dictionary.rules).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from platform_assets.dictionary.model import Rule, Violation
from platform_assets.dictionary.rules import explain
from platform_assets.engines.duckdb import Engine

READ_ROWS = 16_384
HELD_ROWS, HELD_BYTES = 32_768, 4 << 20
"""Broken rules that wait in memory until they go into the table together."""
SHOWN = 200
"""Characters of a value that are kept with a violation; the whole row is kept apart, as it came."""
_TEXT = "CAST(value AS STRING)"
_VALUE = f"CASE WHEN length({_TEXT}) > {SHOWN} THEN left({_TEXT}, {SHOWN}) || '…' ELSE {_TEXT} END"


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
        connection.execute(f'CREATE TABLE "{name}" (t INTEGER, "row" BIGINT, rule INTEGER, value STRING, first BIGINT)')

    def note(self, table: int, rule: Rule, rows: pa.Int64Array, values: pa.Array) -> None:
        """One rule broken by the rows with these numbers; `values` are their cells."""
        number = pa.scalar(self._number(table, rule), pa.int32())
        columns = [pa.repeat(pa.scalar(table, pa.int32()), len(rows)), rows, pa.repeat(number, len(rows)), values]
        held = self._held.setdefault(values.type, [])
        held.append(pa.RecordBatch.from_arrays(columns, names=["t", "row", "rule", "value"]))
        self._rows += len(rows)
        self._bytes += values.nbytes
        if self._rows >= HELD_ROWS or self._bytes >= HELD_BYTES:
            self._send()

    def _send(self) -> None:
        """What was noted goes into the table, a statement per type of values: one per batch and rule costs more than the rules."""
        into = f'INSERT INTO "{self._name}" SELECT t, "row", rule, {_VALUE}, NULL FROM'
        for batches in self._held.values():
            load(self._connection, into, pa.Table.from_batches(batches))
        self._held.clear()
        self._rows = self._bytes = 0

    def note_found(self, table: int, rule: Rule, sql: str) -> None:
        """One rule broken by the rows that a statement finds, with the columns row, value and first."""
        self._send()
        into = f'INSERT INTO "{self._name}" SELECT {table}, "row", {self._number(table, rule)}, {_VALUE}'
        self._connection.execute(f"{into}, first FROM ({sql}) AS found")

    def _number(self, table: int, rule: Rule) -> int:
        number = self._numbers.setdefault((table, rule.id), len(self._rules))
        if number == len(self._rules):
            self._rules.append(rule)
            self._of_table.setdefault(table, []).append(number)
        return number

    def forget(self, table: int) -> None:
        self._send()
        self._connection.execute(f'DELETE FROM "{self._name}" WHERE t = {table}')

    def failed(self, table: int) -> dict[str, int]:
        """Rule id -> rows that broke it; rules that no row broke are absent."""
        self._send()
        counted = self._connection.execute(f'SELECT rule, count(*) FROM "{self._name}" WHERE t = {table} GROUP BY rule').fetchall()
        return {self._rules[number].id: rows for number, rows in counted}

    def rejected_sql(self, table: int) -> str:
        """A statement for the numbers of the rows (column row) that broke a rule of severity error, each as often as it did."""
        self._send()
        return f'SELECT "row" FROM "{self._name}" WHERE t = {table} AND rule IN ({self._of_severity(table, "error")})'

    def rejected_rows(self, table: int) -> np.ndarray:
        """Their numbers, int64, ascending, each once."""
        found = self._connection.execute(f'SELECT DISTINCT "row" FROM ({self.rejected_sql(table)}) AS b ORDER BY "row"').fetchnumpy()
        return np.asarray(found["row"], np.int64)

    def read(self, table: int, severity: str, places: Mapping[str, int]) -> Iterator[tuple[int, tuple[Violation, ...]]]:
        """Per row, ascending, what it broke, ordered by the rules' places. Streamed from a cursor of its own."""
        self._send()
        sql = (
            f'SELECT "row", rule, value, first FROM "{self._name}" WHERE t = {table}'
            f' AND rule IN ({self._of_severity(table, severity)}) ORDER BY "row"'
        )
        cursor = self._connection.cursor()
        try:
            for row, records in groupby(_records(cursor.sql(sql).to_arrow_reader(READ_ROWS)), key=itemgetter(0)):
                broken = [self._violation(rule, value, first) for _, rule, value, first in records]
                yield row, tuple(sorted(broken, key=lambda violation: places[violation.rule]) if len(broken) > 1 else broken)
        finally:
            cursor.close()

    def _violation(self, number: int, value: str | None, first: int | None) -> Violation:
        rule = self._rules[number]
        return Violation(rule.id, rule.code, rule.columns, value, explain(rule, value, first=first))

    def _of_severity(self, table: int, severity: str) -> str:
        numbers = [number for number in self._of_table.get(table, ()) if self._rules[number].severity == severity]
        return ", ".join(map(str, numbers)) or "-1"


def load(connection: Engine, statement: str, arriving: pa.Table) -> None:
    """Runs a statement that ends in FROM on an Arrow table."""
    connection.register("arriving_rows", arriving)
    try:
        connection.execute(f"{statement} arriving_rows")
    finally:
        connection.unregister("arriving_rows")


def _records(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
