"""What every form of export takes: a table, its rows, what is known of them; and batches of a size that suits a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.storage.rows.row_store import store_schema

ROWS = 65_536
BYTES = 32 << 20


@dataclass(frozen=True)
class Relation:
    """Rows of one table. `rows(columns)` streams them with the named columns, `meta` ones among them.

    `meta` are the platform's own columns that a file has behind the data; `instances` says whether rows of several are there, since
    then a key holds within one of them only. `head` is what is told of the rows as a whole, of JSON's types.
    """

    table: Table
    rows: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    meta: tuple[str, ...] = ()
    instances: bool = False
    head: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.table.column_names, *self.meta)

    @property
    def schema(self) -> pa.Schema:
        return store_schema(self.table, self.meta)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row of the file; none where the table has no key."""
        return (*(("_instance",) if self.instances else ()), *self.table.key) if self.table.key else ()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows with the columns of the file, in batches of at most ROWS rows and about BYTES."""
        for table in regrouped(self.rows(self.columns), rows=ROWS, size=BYTES):
            yield from table.combine_chunks().to_batches()


@dataclass(frozen=True)
class Written:
    """What became of a relation; `notices` say what its form could not carry."""

    rows: int
    notices: tuple[str, ...] = ()


def regrouped(batches: Iterable[pa.RecordBatch], *, rows: int, size: int) -> Iterator[pa.Table]:
    """The same rows in larger pieces: each ends when it has so many rows or bytes, or with the last row. None is empty."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            held.append(batch.slice(start, rows))
            if sum(one.num_rows for one in held) >= rows or sum(one.nbytes for one in held) >= size:
                yield pa.Table.from_batches(held)
                held = []
    if held:
        yield pa.Table.from_batches(held)
