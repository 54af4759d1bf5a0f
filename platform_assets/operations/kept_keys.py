"""The columns of one table that keys and references need, while its rows arrive: in memory while the rows are few, then in a DuckDB
table, which spills to disk. Few rows are told apart here, as DuckDB would tell them apart.

Not here: which keys are broken (dictionary.rules as SQL, operations.judge).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BOOLEAN, DATE, INT32, INT64, STRING, TIMESTAMP
from platform_assets.engines.duckdb import Engine
from platform_assets.operations.broken_rules import as_text, load

HELD_ROWS, HELD_BYTES = 262_144, 8 << 20
"""Rows that wait in memory until they go into the table together: a statement per batch costs more than the rows."""
SORTED_ROWS = 1 << 21
"""Whole numbers that are held in memory, of 8 bytes each, to tell which of them stand twice."""


class KeptKeys:
    """Rows of (_row, k0, k1, ...), column i of `types` as `k<i>`; as a table they bear `name`.

    `told`: the columns of whose values it is told what stands twice, where that is known while they arrive.
    """

    def __init__(self, connection: Engine, name: str, types: Sequence[pa.DataType], told: Collection[int] = ()) -> None:
        self._connection = connection
        self._name = name
        self._schema = pa.schema([("_row", pa.int64()), *((f"k{i}", arrow) for i, arrow in enumerate(types))])
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._stored = False
        self._repeats: dict[int, np.ndarray | None] = {}
        self._numbers = {i: _Numbers() for i, arrow in enumerate(types) if i in told and arrow in (INT32, INT64)}

    def add(self, rows: pa.Int64Array, columns: Sequence[pa.Array]) -> None:
        # A copy: a column of an Arrow file would hold all columns of its batch in memory.
        arrays = [pa.concat_arrays([column, column.slice(0, 0)]) for column in columns]
        for i, numbers in self._numbers.items():
            numbers.add(arrays[i])
        batch = pa.RecordBatch.from_arrays([rows, *arrays], schema=self._schema)
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= HELD_ROWS or self._bytes >= HELD_BYTES:
            self.table()

    def table(self) -> str:
        """The name of a table in DuckDB that has all rows."""
        if self._held or not self._stored:
            held = pa.Table.from_batches(self._held, self._schema)
            statement = "INSERT INTO {} SELECT * FROM" if self._stored else "CREATE TABLE {} AS SELECT * FROM"
            load(self._connection, statement.format(f'"{self._name}"'), held)
            self._stored = True
        self._held.clear()
        self._rows = self._bytes = 0
        return self._name

    def later_ones(self, columns: Sequence[int]) -> tuple[pa.Int64Array, pa.StringArray, pa.Int64Array] | None:
        """Rows whose key came in a row of lower number, as (row, key as text, first row that has it). None: ask DuckDB (`table`)."""
        if self._stored or not all(_is_plain(self._schema.field(i + 1).type) for i in columns):
            return None
        names = [f"k{i}" for i in columns]
        whole = pa.Table.from_batches(self._held, self._schema).select(["_row", *names]).drop_null().combine_chunks()
        numbers = whole.column("_row").to_numpy()
        keys = np.zeros(len(numbers), np.int64)
        for name in names:
            coded = _flat(whole.column(name)).dictionary_encode()
            keys = np.unique(keys * len(coded.dictionary) + coded.indices.to_numpy(), return_inverse=True)[1]
        order = np.lexsort((numbers, keys))
        numbers, keys = numbers[order], keys[order]
        begins = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
        later = ~begins
        first = numbers[begins][np.cumsum(begins) - 1]
        texts = [as_text(_flat(whole.column(name).take(pa.array(order[later])))) for name in names]
        if None in texts:
            return None
        return pa.array(numbers[later]), pc.binary_join_element_wise(*texts, ", "), pa.array(first[later])

    def repeats(self, column: int) -> str | None:
        """A table (k) of values among which are all that stand in the column twice; None when any may."""
        found = self._found(column)
        if found is None:
            return None
        name = f"{self._name}_repeats_{column}"
        load(self._connection, f'CREATE OR REPLACE TABLE "{name}" AS SELECT k FROM', pa.table({"k": found}))
        return name

    def unrepeated(self, column: int) -> bool:
        """Whether no value stands in the column twice."""
        found = self._found(column)
        return found is not None and not len(found)

    def _found(self, column: int) -> np.ndarray | None:
        if column in self._numbers:
            self._repeats[column] = self._numbers.pop(column).repeats()
        return self._repeats.get(column)

    def drop(self) -> None:
        self._connection.execute(f'DROP TABLE IF EXISTS "{self._name}"')


class _Numbers:
    """Whole numbers as they arrive, and which of them may stand twice, exactly: grouping them all costs ten times as much.

    While they are few they are sorted. However many they are: what is above all before it repeats nothing, so of equal values the later
    ones are among those that are not. The keys of most dumps ascend, and these are few.
    """

    def __init__(self) -> None:
        self._all: list[np.ndarray] | None = []
        self._below: list[np.ndarray] | None = []
        self._count = self._count_below = 0
        self._top: np.ndarray | None = None

    def add(self, column: pa.Array) -> None:
        values = column.drop_null().to_numpy()
        if not len(values):
            return
        self._count += len(values)
        if self._count > SORTED_ROWS:
            self._all = None
        if self._all is not None:
            self._all.append(values)
        if self._below is not None:
            self._find_below(values)

    def _find_below(self, values: np.ndarray) -> None:
        if self._top is None:
            self._top, values = values[:1], values[1:]
        tops = np.maximum.accumulate(np.concatenate((self._top, values)))
        self._top = tops[-1:].copy()
        below = values[values <= tops[:-1]]
        self._count_below += len(below)
        if self._count_below > SORTED_ROWS:
            self._below = None
        elif self._below is not None and len(below):
            self._below.append(below)

    def repeats(self) -> np.ndarray | None:
        """None: not told."""
        if self._all is None:
            return None if self._below is None else np.unique(_joined(self._below))
        ordered = np.sort(_joined(self._all))
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _is_plain(arrow: pa.DataType) -> bool:
    """Whether equal values have equal bytes."""
    return arrow in (STRING, INT32, INT64, BOOLEAN, DATE, TIMESTAMP) or pa.types.is_decimal(arrow)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
