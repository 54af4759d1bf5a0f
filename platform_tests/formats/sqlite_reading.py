"""Reads SQL text and databases of SQLite as operations.parse would, and holds them against the sqlite3 of Python. No test stands here."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import sql_cases
from mysql_reading import Reading, dump

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import BINARY, FLOAT64, INT64, STRING
from platform_assets.formats.base import Rows
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.sqlite.choice import MIXED
from platform_assets.formats.sqlite.database import SqliteDatabase
from platform_assets.formats.sqlite.reader import SqliteDump

READER, DATABASE = SqliteDump(), SqliteDatabase()


def read(*contents: bytes | str, source: SourceSettings = sql_cases.SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    return sql_cases.read_with(READER, dump(*contents), source, dictionary)


class TypedReading(Reading):
    """Keeps the rows as typed columns hold them, and what `_raw` keeps of each."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: dict[str, list[dict[str, str]]] = {}

    def take(self, event: Any) -> None:
        if isinstance(event, Rows):
            cast = cast_batch(event.batch, self.tables[event.table])
            raw = [json.loads(text) if text else {} for text in cast.raw.to_pylist()]
            self.raw.setdefault(event.table, []).extend(raw)
            event = Rows(event.table, event.member, cast.batch, event.rows, event.lines, event.strict)
        super().take(event)


def typed(reader: Any, given: Any, source: SourceSettings = sql_cases.SOURCE) -> TypedReading:
    reading = TypedReading()
    for event in reader.read(given, source, {}):
        reading.take(event)
    assert reading.finished
    return reading


def typed_file(path: Path) -> TypedReading:
    chosen = DATABASE if path.read_bytes()[:6] == b"SQLite" else READER
    return typed(chosen, open_dump(path, sql_cases.SOURCE))


def loaded(script: str) -> sqlite3.Connection:
    """The script as SQLite's shell hands it to SQLite: lines that end with CR LF end with a line feed."""
    script = script.replace("\r\n", "\n") if script.partition("\n")[0].endswith("\r") else script
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(script)
    return connection


def differences(reading: TypedReading, connection: sqlite3.Connection) -> list[str]:
    """Every cell that does not stand for exactly the value that SQLite holds, and every table with other rows."""
    told: list[str] = []
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite#_%' ESCAPE '#'")
    ]
    virtual = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'")}
    for name in names:
        if name in virtual:
            continue
        if name not in reading.tables:
            told.append(f"{name}: not found")
            continue
        quoted = '"' + name.replace('"', '""') + '"'
        held = connection.execute(f"SELECT * FROM {quoted}").fetchall()
        shown = connection.execute(f"PRAGMA table_xinfo({quoted})").fetchall()
        generated = {row[1] for row in shown if row[6] in (2, 3)}
        told += _rows(reading, name, held, generated)
    told += [f"{name}: SQLite has no such table" for name in reading.tables if name not in names]
    return told


def _rows(reading: TypedReading, name: str, held: list[tuple[Any, ...]], generated: set[str]) -> list[str]:
    table = reading.tables[name]
    rows, raw = reading.rows(name), reading.raw.get(name, [])
    if len(rows) != len(held):
        return [f"{name}: {len(rows)} rows, SQLite holds {len(held)}"]
    kept = [index for index, column in enumerate(table.columns) if column.name not in generated]
    key = [index for index in kept if table.columns[index].name in table.key]
    found = [
        [value_of(row[at], one.get(table.columns[at].name), table.columns[at]) for at in kept] for row, one in zip(rows, raw, strict=True)
    ]
    expected = [[row[at] for at in kept] for row in held]
    if key:
        # A table is stored by its key, a script writes it in any order.
        places = [kept.index(at) for at in key]
        found.sort(key=lambda row: [repr(row[at]) for at in places])
        expected.sort(key=lambda row: [repr(row[at]) for at in places])
    pairs = zip(found, expected, strict=True)
    return [f"{name}: {one!r}, SQLite holds {other!r}" for one, other in pairs if not all(map(same, one, other))]


class Number(float):
    """A number whose storage class its column does not tell."""


def value_of(cell: Any, raw: str | None, column: Column) -> Any:
    """The stored value for which a cell stands: what a person would make of it who knows docs/formats/sqlite.md."""
    if raw is not None:
        assert cell is None
        return literal(raw)
    if isinstance(cell, Decimal):
        return int(cell) if cell == int(cell) else float(cell)
    if isinstance(cell, datetime | date):
        return Moment(cell)
    if column.type == STRING and cell is not None:
        return literal(cell) if column.description == MIXED else Plain(cell)
    if column.type == BINARY and cell is not None:
        return Plain(cell)
    if column.type == FLOAT64 and cell is not None and cell.is_integer() and column.native.upper() not in ("REAL", "DOUBLE", "FLOAT"):
        return Number(cell)
    return cell


class Plain:
    """A text, or bytes, in a column of such: a value of another class stands in it as documented, and is told by a Notice."""

    def __init__(self, value: str | bytes) -> None:
        self.value = value

    def stands_for(self, other: Any) -> bool:
        if type(other) is type(self.value):
            return bool(other == self.value)
        if isinstance(self.value, bytes):
            return self.value == str(other).encode()
        return self.value == (f"X'{other.hex()}'" if isinstance(other, bytes) else repr(other))

    def __repr__(self) -> str:
        return repr(self.value)


class Moment:
    """A text that was taken for a date or time."""

    def __init__(self, value: datetime | date) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and type(self.value).fromisoformat(other.ljust(10)) == self.value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        text = str(self.value)
        return repr(text)


_LITERAL = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|'(?:[^']|'')*'|X'[0-9a-f]*'|CAST\('[+-]?[0-9]+' AS INTEGER\)|-?inf", re.DOTALL
)


def literal(text: str) -> Any:
    """The value of a literal of SQLite; a text that is none stands for itself."""
    if not _LITERAL.fullmatch(text):
        return text
    value = sqlite3.connect(":memory:").execute(f"SELECT {text.replace('inf', '9e999') if text[:1] != chr(39) else text}").fetchone()[0]
    return float(text) if isinstance(value, float) else value


_OFF = 2
"""So many places in the last digit SQLite is off, in some versions, where it reads the text of a number (docs/formats/sqlite.md)."""


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Number):
        return isinstance(other, int | float) and one == other
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other)) or (math.isfinite(one) and abs(one - other) <= _OFF * math.ulp(one))
    if isinstance(one, Moment):
        return one == other
    if isinstance(one, Plain):
        return one.stands_for(other)
    return type(one) is type(other) and one == other


__all__ = ["BINARY", "DATABASE", "INT64", "READER", "differences", "loaded", "pa", "read", "typed", "typed_file"]
