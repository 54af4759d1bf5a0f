"""One table of an open database, in the order in which it is stored -> Rows events in batches of bounded size.

Damage ends the table, not the file; a table that gives more rows or bytes than its file can hold is damaged as well.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from platform_assets.formats.base import BATCH_ROWS, Event, Member, Notice, Rows, Unreadable
from platform_assets.formats.sql.rows import RAW_CHARACTERS
from platform_assets.formats.sqlite.choice import by_declaration, by_values
from platform_assets.formats.sqlite.columns import from_values
from platform_assets.formats.sqlite.connection import DAMAGE, Undecoded, name_quoted
from platform_assets.formats.sqlite.tables import KnownTable, Tables
from platform_assets.formats.sqlite.values import Undecodable, blob_literal, text_of

FETCH_BYTES = 4 << 20
_GROWTH = 8
_LEAST_ROW = 2
"""Bytes that a row takes at least in its page: one of its header, two in the page's list of cells."""
_MOST_COPIES = 2
"""A file's bytes can be given hardly more than once: UTF-16 becomes longer as UTF-8."""

Row = tuple[Any, ...]


class Scan:
    """Reads one table: `events()` gives everything. `broken` says what ended it early, `rows` counts its rows."""

    def __init__(self, connection: sqlite3.Connection, tables: Tables, table: KnownTable, member: Member, name: str, size: int) -> None:
        self.connection = connection
        self.tables = tables
        self.table = table
        self.member = member
        self.rows = 0
        self.broken: str | None = None
        self._columns = [column for column in table.definition.columns if not column.generated]
        self._query = f"SELECT {', '.join(name_quoted(column.name) for column in self._columns)} FROM main.{name_quoted(name)} NOT INDEXED"
        self._left_rows = size // _LEAST_ROW
        self._left_bytes = size * _MOST_COPIES + (1 << 20)

    def events(self) -> Iterator[Event]:
        generated = [column.name for column in self.table.definition.columns if column.generated]
        waiting: list[Row] = []
        size = 0
        for rows, added in self._fetched():
            if waiting and (size + added > 2 * FETCH_BYTES or len(waiting) + len(rows) > BATCH_ROWS):
                yield from self._batch(waiting)
                waiting, size = [], 0
            waiting += rows
            size += added
        if waiting:
            yield from self._batch(waiting)
        yield from self.tables.announce(self.table)
        if generated and self.rows:
            message = f"Generated columns are not computed, and NULL: {', '.join(generated)}."
            yield Notice("columns-filled", message, self.member.name, table=self.table.name)

    def _fetched(self) -> Iterator[tuple[list[Row], int]]:
        """Some rows and about how many bytes they take; ends with `broken` where the file is damaged."""
        if not self._columns:
            return
        taken, careful, single = 0, False, False
        while True:
            try:
                for rows, size in self._run(taken, careful=careful, single=single):
                    taken += len(rows)
                    yield rows, size
                return
            except DAMAGE as error:
                if isinstance(error, sqlite3.OperationalError) and "decode" in str(error) and not careful:
                    careful = True
                elif not single and not isinstance(error, MemoryError):
                    # Rows that were fetched together with the broken one are lost with it: they are fetched again one by one.
                    single = True
                else:
                    self.broken = str(error) or type(error).__name__
                    return

    def _run(self, skip: int, *, careful: bool, single: bool) -> Iterator[tuple[list[Row], int]]:
        """`careful` leaves texts undecoded, since one of them is no UTF-8; the first `skip` rows were taken already."""
        self.connection.text_factory = Undecoded if careful else str
        cursor = self.connection.execute(self._query)
        try:
            while skip and (passed := cursor.fetchmany(min(skip, 1024))):
                skip -= len(passed)
            count = 1 if single else 16
            while rows := cursor.fetchmany(count):
                size = _size(rows)
                self._left_rows -= len(rows)
                self._left_bytes -= size
                if self._left_rows < 0 or self._left_bytes < 0:
                    raise sqlite3.DatabaseError("it gives more than the file can hold: pages are used several times")
                yield rows, size
                count = 1 if single else max(1, min(count * _GROWTH, BATCH_ROWS // 8, FETCH_BYTES * len(rows) // (size + 1)))
        finally:
            cursor.close()
            self.connection.text_factory = str

    def _batch(self, rows: list[Row]) -> Iterator[Event]:
        first = self.rows + 1
        self.rows += len(rows)
        numbers = range(first, first + len(rows))
        bad: dict[int, str] = {}
        columns = [_decoded(column, bad) for column in zip(*rows, strict=True)]
        table, strict = self.table, self.table.definition.strict
        for column, values in zip(self._columns, columns, strict=True):
            if column.name not in table.choices:
                chosen = by_declaration(column.declared, strict=strict, overrides=self.tables.source.types)
                table.choices[column.name] = chosen or by_values(column.declared, values, strict=strict)
        yield from self.tables.announce(table)
        arrays = {
            column.name: from_values(values, table.choices[column.name]) for column, values in zip(self._columns, columns, strict=True)
        }
        yield from self.tables.told(table, arrays, self.member.name, first)
        batch = pa.RecordBatch.from_arrays([found.values for found in arrays.values()], names=list(arrays))
        places = pa.array(numbers, pa.int64())
        if bad:
            kept = np.ones(len(rows), bool)
            kept[list(bad)] = False
            batch, places = batch.filter(pa.array(kept)), places.filter(pa.array(kept))
        if batch.num_rows:
            yield Rows(table.name, self.member.name, batch, places, places)
        for at, reason in sorted(bad.items()):
            raw = f"({', '.join(map(_literal, rows[at]))})"[:RAW_CHARACTERS]
            yield Unreadable(table.name, self.member.name, numbers[at], numbers[at], raw, "encoding-error", reason)


def _size(rows: list[Row]) -> int:
    """About how many bytes rows take: counted in every row of few, in some of many."""
    step = 1 if len(rows) < 256 else 8
    bytes_of = sum(len(value) for row in rows[::step] for value in row if isinstance(value, str | bytes))
    return bytes_of * step + len(rows) * len(rows[0])


def _decoded(column: tuple[Any, ...], bad: dict[int, str]) -> list[Any]:
    if Undecoded not in set(map(type, column)):
        return list(column)
    values: list[Any] = []
    for at, value in enumerate(column):
        try:
            values.append(text_of(value) if type(value) is Undecoded else value)
        except Undecodable as error:
            bad[at] = str(error)
            values.append(None)
    return values


def _literal(value: Any) -> str:
    if type(value) is Undecoded:
        return "'" + value.decode("utf-8", "backslashreplace").replace("'", "''") + "'"
    return "NULL" if value is None else blob_literal(value) if isinstance(value, bytes) else repr(value)
