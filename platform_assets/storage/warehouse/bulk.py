"""Rows between Arrow and PostgreSQL: by binary COPY both ways, streamed and exact.

`read_rows` gives back what `copy_rows` wrote, value for value. Not here: tables, keys, transactions.
Binary goes in because the server then parses no text: 1,000,000 rows of 20 columns in 0.4 of the time of psql's CSV \\copy.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import repeat
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.sql import SQL

from platform_assets.errors import Conflict
from platform_assets.formats.ahead import ahead
from platform_assets.storage.warehouse import copy_binary, copy_binary_out
from platform_assets.storage.warehouse.names import pg_type, qualified, quoted

COPY_ROWS = 32_768
"""Rows per encoded block: about 8 MB at 20 columns, small enough to stay in the processor's cache, and to keep memory flat."""
COPY_BYTES = 64 << 20
READ_BYTES = 2 << 20
_SORT_MEMORY = "64MB"
"""What the server may hold while it sorts, before it uses its disk."""

Columns = Sequence[tuple[str, pa.DataType]]

_DAY = 86_400_000_000
_YEARS: dict[str, tuple[int, int]] = {"date32": (-719_162, 2_932_896), "timestamp": (-719_162 * _DAY, 2_932_897 * _DAY - 1)}
"""First and last value of the years 1 to 9999, counted from 1970: what the server's text form writes without an era."""


def copy_rows(
    connection: psycopg.Connection[Any],
    relation: tuple[str, str],
    columns: Columns,
    batches: Iterable[pa.RecordBatch],
    *,
    raw: str | None = None,
    freeze: bool = False,
    beside: bool = True,
) -> int:
    """Copies all batches into `(schema, name)` and returns how many rows that were.

    `columns` are (PostgreSQL name, Arrow type) and answer to the batches' columns by position; the types must be those of the
    relation's columns. Batches are drawn and encoded in a thread of their own while the server takes the one before.
    A cell that PostgreSQL cannot hold (text with a NUL, a year outside 1 to 9999, a time beyond 24:00) becomes NULL; when `raw`
    names a column, its JSON map takes the cell as text under the batch's field name, otherwise Conflict is raised.
    `beside` False: for few rows, whose encoding costs less than a thread.
    `freeze`: the relation was created in this transaction; its rows then need no second visit (with page checksums the first reader
    would log them whole). The price: a REPEATABLE READ transaction that is older sees them, all at once, when they are committed.
    """
    names = ", ".join(quoted(name) for name, _ in columns)
    place = [name for name, _ in columns].index(raw) if raw is not None else None
    rows = 0
    statement = f"COPY {qualified(*relation)} ({names}) FROM STDIN (FORMAT binary{', FREEZE' if freeze else ''})"
    with connection.cursor() as cursor, cursor.copy(SQL(statement)) as copy:
        copy.write(copy_binary.HEADER)
        with closing(ahead(_blocks(batches, columns, place)) if beside else _blocks(batches, columns, place)) as blocks:
            for count, block in blocks:
                copy.write(block)
                rows += count
        copy.write(copy_binary.TRAILER)
    return rows


def _blocks(batches: Iterable[pa.RecordBatch], columns: Columns, raw: int | None) -> Generator[tuple[int, memoryview], None, None]:
    for batch in batches:
        for piece in _cut(batch):
            whole = held(_cast(piece, columns), raw)
            yield len(whole), copy_binary.encode(whole.columns)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Slices of at most COPY_ROWS rows and about COPY_BYTES, or one row."""
    for start in range(0, len(batch), COPY_ROWS):
        piece = batch.slice(start, COPY_ROWS)
        step = max(1, len(piece) // max(1, -(-piece.nbytes // COPY_BYTES)))
        for begin in range(0, len(piece), step):
            yield piece.slice(begin, step)


def _cast(batch: pa.RecordBatch, columns: Columns) -> pa.RecordBatch:
    if batch.num_columns != len(columns):
        raise ValueError(f"{batch.num_columns} columns came for the {len(columns)} of the COPY")
    arrays = [a if a.type == kind else a.cast(kind) for a, (_, kind) in zip(batch.columns, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def held(batch: pa.RecordBatch, raw: int | None) -> pa.RecordBatch:
    """The batch with NULL for what PostgreSQL cannot hold, and those cells as text in the JSON map of the column at `raw`.

    The map's type is json, which keeps an escaped NUL (`\\u0000`) as it is; jsonb would refuse it.
    """
    refused = {place: mask for place, column in enumerate(batch.columns) if (mask := unheld(column)) is not None}
    if not refused:
        return batch
    if raw is None or raw in refused:
        name = batch.schema.names[next(iter(refused)) if raw is None else raw]
        raise Conflict(f"Column {name!r} has cells that PostgreSQL cannot hold, and there is no _raw to keep them in.", column=name)
    kept = batch.column(raw).to_pylist()
    for place, mask in refused.items():
        texts = _as_text(batch.column(place))
        for row in map(int, np.flatnonzero(mask.to_numpy(zero_copy_only=False))):
            cells = json.loads(kept[row]) if kept[row] else {}
            cells.setdefault(batch.schema.names[place], texts[row].as_py())
            kept[row] = json.dumps(cells, ensure_ascii=False)
    columns = [pc.if_else(refused[i], pa.scalar(None, c.type), c) if i in refused else c for i, c in enumerate(batch.columns)]
    columns[raw] = pa.array(kept, pa.string())
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _as_text(column: pa.Array) -> pa.Array:
    """Years beyond what calendars print are written as the count they are stored as."""
    if pa.types.is_string(column.type):
        return column
    return column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64()).cast(pa.string())


def unheld(column: pa.Array) -> pa.BooleanArray | None:
    """Which cells PostgreSQL cannot hold; None (nearly always) when there is none."""
    kind = column.type
    if pa.types.is_string(kind):
        if not _has_nul(column):
            return None
        mask = pc.match_substring(column, "\0")
    elif pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        low, high = _YEARS["date32" if pa.types.is_date32(kind) else "timestamp"]
        mask = _outside(column.view(pa.int32() if pa.types.is_date32(kind) else pa.int64()), low, high)
    elif pa.types.is_time64(kind):
        mask = _outside(column.view(pa.int64()), 0, _DAY - 1)
    else:
        return None
    return mask.fill_null(False) if mask is not None and pc.any(mask).as_py() else None


def _has_nul(column: pa.StringArray) -> bool:
    data = column.buffers()[2]
    if data is None or not len(column):
        return False
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32, count=len(column) + 1, offset=column.offset * 4)
    text = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return bool(len(text)) and int(text.min()) == 0


def _outside(numbers: pa.Array, low: int, high: int) -> pa.BooleanArray | None:
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is None or (bounds["min"] >= low and bounds["max"] <= high):
        return None
    return pc.or_(pc.less(numbers, low), pc.greater(numbers, high))


def read_rows(
    connection: psycopg.Connection[Any],
    relation: tuple[str, str] | str,
    columns: Columns,
    *,
    order: Sequence[str] = (),
    fields: Sequence[str] | None = None,
    batch_rows: int = 65_536,
) -> Iterator[pa.RecordBatch]:
    """Streams a relation `(schema, name)`, or a query given as trusted SQL text, as batches of at most `batch_rows` rows.

    `columns` are (PostgreSQL name, Arrow type), `fields` the names that the batches' columns get (else the PostgreSQL names),
    `order` the columns to sort by, text by its bytes (COLLATE "C") with NULL last, the same on every server.
    The connection is busy until the iterator is exhausted or closed. Raises PlatformError naming the column for a value that the
    Arrow type cannot hold (a year outside 1 to 9999).
    """
    source = f"({relation}) AS q" if isinstance(relation, str) else qualified(*relation)
    types = dict(columns)
    collation = f" COLLATE {_by_bytes(connection)}" if any(types.get(name) == pa.string() for name in order) else ""
    sorting = ", ".join(quoted(name) + (collation if types.get(name) == pa.string() else "") for name in order)
    sent = copy_binary_out.sending_order([kind for _, kind in columns])
    items = ", ".join(copy_binary_out.as_read(quoted(name), kind, pg_type(kind)) for name, kind in (columns[place] for place in sent))
    query = f"SELECT {items} FROM {source}" + (f" ORDER BY {sorting}" if order else "")
    named = [(field, kind) for field, (_, kind) in zip(fields or types, columns, strict=True)]
    coming_as, places = [named[place] for place in sent], sorted(range(len(sent)), key=sent.__getitem__)
    with connection.transaction():
        connection.execute(f"SET LOCAL work_mem = '{_SORT_MEMORY}'")
        with connection.cursor() as cursor, cursor.copy(SQL(f"COPY ({query}) TO STDOUT (FORMAT binary)")) as copy:
            coming = ahead(_blocks_of(copy, connection.pgconn, batch_rows))
            decoded = (copy_binary_out.decode(block, coming_as).select(places) for block in coming)
            with closing(coming), closing(ahead(decoded)) as batches:
                yield from batches


def _by_bytes(connection: psycopg.Connection[Any]) -> str:
    """The collation that sorts text by its bytes: the database's own where it does so, since then the key's index gives the order."""
    row = connection.execute(
        """SELECT CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
                  WHEN 'b' THEN true WHEN 'c' THEN datcollate IN ('C', 'POSIX') END
           FROM pg_database AS d WHERE datname = current_database()"""
    ).fetchone()
    return '"default"' if row is not None and row[0] else '"C"'


def _blocks_of(copy: psycopg.Copy, server: psycopg.pq.abc.PGconn, batch_rows: int) -> Iterator[copy_binary_out.Rows]:
    """At most `batch_rows` rows and about READ_BYTES each: the server sends one message per row, its header before the first.

    Rows that have come already are taken from libpq itself; psycopg's own read() waits for more and ends the COPY, but costs two
    microseconds each, which would be twice what the server needs. Each is appended at once: thousands of objects that are kept make
    Python look for cycles among all that it holds, again and again (a tenth of the time of a backup).
    """
    begun = copy.read()[len(copy_binary.HEADER) :]
    ended = begun in (b"", copy_binary.TRAILER)
    block, sizes = bytearray() if ended else bytearray(begun), [] if ended else [len(begun)]
    while not ended:
        count = 0
        for count, data in map(server.get_copy_data, repeat(1, batch_rows - len(sizes))):
            if count <= len(copy_binary.TRAILER):
                break
            block += data
            sizes.append(count)
            if len(block) >= READ_BYTES:
                break
        if len(sizes) < batch_rows and len(block) < READ_BYTES:
            row = data if count > 0 else copy.read()
            ended = row == copy_binary.TRAILER
            if not ended:
                block += row
                sizes.append(len(row))
        if sizes and (ended or len(sizes) >= batch_rows or len(block) >= READ_BYTES):
            yield block, sizes
            block, sizes = bytearray(), []
    if sizes:
        yield block, sizes
    assert not copy.read()  # the end, which psycopg must see
