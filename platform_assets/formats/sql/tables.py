"""The tables of a dump while it is read: what of them is alike in all dialects. Definitions, types and names are the dialect's."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Event, Notice
from platform_assets.formats.sql.rows import BATCH_BYTES, RowBuffer

KeyT = TypeVar("KeyT", bound=Hashable)
BufferT = TypeVar("BufferT", bound=RowBuffer[Any])


@dataclass(kw_only=True)
class Known(Generic[BufferT]):
    """One table. `rows` counts readable and unreadable ones; `said` holds the notices that are given once for a table."""

    name: str
    member: str
    rows: int = 0
    dropped: bool = False
    buffer: BufferT | None = None
    said: set[str] = field(default_factory=set)

    def once(self, what: str) -> bool:
        """Whether this is said for the first time."""
        new = what not in self.said
        self.said.add(what)
        return new


KnownT = TypeVar("KnownT", bound=Known[Any])


class Tables(Generic[KeyT, KnownT]):
    """All tables of a dump. `waiting` are the bytes of text in all buffers together."""

    def __init__(self, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        self.source = source
        self.dictionary = dictionary
        self.known: dict[KeyT, KnownT] = {}
        self.waiting = 0
        self._names: dict[str, KeyT] = {}

    def announce(self, table: KnownT) -> Iterator[Event]:
        """TableFound when there is something new to tell."""
        raise NotImplementedError

    def _flushed(self, table: KnownT) -> Iterator[Event]:
        """The rows that wait, of which there are some."""
        raise NotImplementedError

    def flush(self, table: KnownT) -> Iterator[Event]:
        """The rows that wait."""
        if table.buffer is not None and not table.buffer.empty:
            self.waiting -= table.buffer.bytes
            yield from self._flushed(table)

    def flush_all(self) -> Iterator[Event]:
        for table in self.known.values():
            yield from self.flush(table)

    def grown(self, table: KnownT, size: int) -> Iterator[Event]:
        """Rows of this many bytes were added: flushes the table when its batch is full, all when together they are as much as a batch."""
        assert table.buffer is not None
        table.buffer.bytes += size
        self.waiting += size
        if self.waiting >= BATCH_BYTES:
            yield from self.flush_all()
        elif table.buffer.room <= 0:
            yield from self.flush(table)

    def discard(self, table: KnownT) -> None:
        """The file emptied the table: rows that wait are gone."""
        if table.buffer is not None:
            self.waiting -= table.buffer.bytes
            table.buffer = None

    def restarted(self, table: KnownT, line: int, member: str) -> Notice:
        """The file emptied the table: the consumer drops what it had of it."""
        message = f"The file empties or replaces this table after {table.rows} rows; as on the server, the later rows are what it holds."
        self.discard(table)
        return Notice("table-restarted", message, member, line, table.name)

    def contract(self, name: str, names: Sequence[str]) -> Table | None:
        """The contract's table for rows without a CREATE TABLE, if it has all columns that they name."""
        found = self.dictionary.get(name)
        fits = found is not None and {one.lower() for one in names} <= {one.lower() for one in found.column_names}
        return found if fits else None

    def last(self) -> Iterator[Event]:
        """At the dump's end: tables that have no row, and those that it drops."""
        for table in self.known.values():
            if table.dropped and table.rows:
                message = f"The file drops this table after its {table.rows} rows and does not create it again; they are kept."
                yield Notice("table-dropped", message, table.member, table=table.name)
            if table.rows or not table.dropped:
                yield from self.announce(table)

    def _unique(self, name: str, key: KeyT) -> str:
        """The name for this key; one name never stands for two tables."""
        while self._names.setdefault(name, key) != key:
            name += "_"
        return name


def kept_types(schema: Table, sent: Table) -> Table:
    """The schema with the types under which rows went already."""
    known = {column.name: column for column in sent.columns}
    columns = (
        replace(one, type=known[one.name].type, native=known[one.name].native) if one.name in known else one for one in schema.columns
    )
    return replace(schema, columns=tuple(columns))
