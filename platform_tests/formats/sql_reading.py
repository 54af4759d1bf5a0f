"""Reads SQL text as operations.parse would and keeps what came, for the tests of all readers of SQL. No test stands here."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Finished, Format, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.sql import row_reading, tokens

SOURCE = SourceSettings("shop")


@dataclass
class Reading:
    """What a consumer has after all events: rows as tuples in the order of the table's columns."""

    tables: dict[str, Table] = field(default_factory=dict)
    dicts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    batches: int = 0

    def take(self, event: Event) -> None:
        if isinstance(event, TableFound):
            self.tables[event.table.name] = event.table
            self.dicts.setdefault(event.table.name, [])
        elif isinstance(event, Rows):
            assert event.table in self.tables, "rows before their table"
            assert len(event.rows) == len(event.lines) == event.batch.num_rows
            self.batches += 1
            self.dicts[event.table] += event.batch.to_pylist()
            self.places.setdefault(event.table, []).extend(zip(event.rows.to_pylist(), event.lines.to_pylist(), strict=True))
        elif isinstance(event, Unreadable):
            self.unreadable.append(event)
        elif isinstance(event, Notice):
            self.notices.append(event)
            if event.code == "table-restarted" and event.table in self.tables:
                for kept in (self.tables, self.dicts, self.places):
                    kept.pop(event.table, None)
        else:
            self.finished.append(event)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return [tuple(row.get(name) for name in self.tables[table].column_names) for row in self.dicts[table]]

    def codes(self) -> list[str]:
        return [notice.code for notice in self.notices]

    @property
    def verdict(self) -> Finished:
        assert len(self.finished) == 1
        return self.finished[0]


def member(name: str, data: bytes) -> Member:
    return Member(name, len(data), lambda: io.BytesIO(data))


def dump(*contents: bytes | str) -> Dump:
    """A dump of one member per content."""
    data = [content.encode("utf-8") if isinstance(content, str) else content for content in contents]
    return Dump("backup.sql", tuple(member(f"part{number}.sql", one) for number, one in enumerate(data)))


def read_with(reader: Format, given: Dump, source: SourceSettings = SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    reading = Reading()
    for event in reader.read(given, source, dictionary or {}):
        assert not reading.finished, "an event after the verdict"
        reading.take(event)
    assert reading.finished, "no verdict"
    return reading


@contextmanager
def reading_by(*, single: int, look: int, chunk: int) -> Iterator[None]:
    """So many rows of a run are read one by one before `look` bytes are looked at for rows at once; the stream comes by `chunk` bytes."""
    kept = row_reading.FIRST_ROWS, row_reading.LEAST_LOOK, tokens.CHUNK
    row_reading.FIRST_ROWS, row_reading.LEAST_LOOK, tokens.CHUNK = single, look, chunk
    try:
        yield
    finally:
        row_reading.FIRST_ROWS, row_reading.LEAST_LOOK, tokens.CHUNK = kept
