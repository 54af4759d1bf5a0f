"""The formats `parquet` and `arrow` (IPC file or stream): one table per member, its types those of its columns.

Sources: Apache Parquet format 2.11, Arrow columnar format 1.5. pyarrow reads both; here it is seen to that nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import STRING
from platform_assets.errors import PlatformError
from platform_assets.formats.base import BATCH_ROWS, Dump, Event, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.columnar.spool import Spooled, spooled
from platform_assets.formats.columnar.types import converted, plain_type, target_type
from platform_assets.formats.containers.opening import head
from platform_assets.formats.delimited.shape import unique_names
from platform_assets.formats.members import Context, Reading, claim, lost, read_members

_PARQUET, _ARROW_FILE, _ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_DATA_ERRORS = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, TypeError)
"""What pyarrow raises for damaged bytes; UnicodeDecodeError is a ValueError."""
_MAX_GROUP_RATIO = 1_000
"""A row group that claims to unpack to more than so many times the file's size (and 64 MiB) is damage or a bomb."""
_THRIFT_BYTES, _THRIFT_ITEMS = 64 << 20, 4 << 20


class _Columnar:
    """What both formats share."""

    name = ""
    magics: tuple[bytes, ...] = ()

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: at least half of the members begin with its magic bytes."""
        return claim(dump, self._mine)

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the tables in the order of the members. Raises LimitExceeded, and UnreadableDump when not one can be read."""
        return read_members(dump, Context(source, dictionary), tool=self.name, mine=self._mine, read=self._read)

    def _mine(self, member: Member) -> str | None:
        start = head(member, 8).data
        return f"begins with {start[:6]!r}" if start.startswith(self.magics) else None

    def _read(self, member: Member, name: str, context: Context) -> Reading:
        with spooled(member) as copy:
            if copy.error:
                yield lost(member, "stream-cut", str(copy.error), name)
            proven = False
            try:
                proven = yield from self._table(copy, member, name, context)
            except PlatformError:
                raise
            except _DATA_ERRORS as error:
                why = " ".join(str(error).split())[:300] or type(error).__name__
                message = f"it cannot be read on: {why}. What came before was read; fetch the file again."
                yield lost(member, "file-damaged", message, name)
            return proven and not copy.error

    def _table(self, copy: Spooled, member: Member, name: str, context: Context) -> Reading:
        raise NotImplementedError


class Parquet(_Columnar):
    """Parquet files. The footer at their end proves that they are whole; flipped bits are seen where pages carry checksums."""

    name = "parquet"
    magics = (_PARQUET,)

    def _table(self, copy: Spooled, member: Member, name: str, context: Context) -> Reading:
        options: dict[str, Any] = {"thrift_string_size_limit": _THRIFT_BYTES, "thrift_container_size_limit": _THRIFT_ITEMS}
        with closing(pq.ParquetFile(copy.path, page_checksum_verification=True, pre_buffer=False, **options)) as file:
            _check_groups(file.metadata, copy.size)
            batches = file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
            rows = yield from _events(file.schema_arrow, batches, member, name, context)
            if rows != file.metadata.num_rows:
                yield lost(member, "rows-missing", f"it gave {rows:,} rows, its footer says {file.metadata.num_rows:,}.", name)
            return rows == file.metadata.num_rows


class Arrow(_Columnar):
    """Arrow IPC files (Feather 2), whose footer proves that they are whole, and streams, which close with a mark of eight bytes."""

    name = "arrow"
    magics = (_ARROW_FILE, _ARROW_STREAM)

    def _table(self, copy: Spooled, member: Member, name: str, context: Context) -> Reading:
        with pa.OSFile(str(copy.path)) as file:
            if file.read(len(_ARROW_FILE)) == _ARROW_FILE:
                reader = pa.ipc.open_file(file)
                batches = (_checked(reader.get_batch(number)) for number in range(reader.num_record_batches))
                yield from _events(reader.schema, batches, member, name, context)
                return True
            file.seek(max(copy.size - len(_END_OF_STREAM), 0))
            whole = file.read() == _END_OF_STREAM
            file.seek(0)
            stream = pa.ipc.open_stream(file)
            yield from _events(stream.schema, (_checked(batch) for batch in stream), member, name, context)
            if file.tell() != copy.size:
                yield lost(member, "file-damaged", f"bytes follow the end of its stream at byte {file.tell():,}.", name)
            return whole


def _check_groups(metadata: pq.FileMetaData, size: int) -> None:
    for number in range(metadata.num_row_groups):
        claimed = metadata.row_group(number).total_byte_size
        if claimed < 0 or claimed > max(64 << 20, size * _MAX_GROUP_RATIO):
            raise OSError(f"row group {number} claims {claimed:,} bytes in a file of {size:,}: damaged, or a bomb")


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Offsets and lengths inside a batch are taken from the file as they stand: a damaged one would read foreign memory."""
    batch.validate(full=True)
    return batch


def _events(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], member: Member, name: str, context: Context
) -> Generator[Event, None, int]:
    if not len(schema):
        yield Notice("no-columns", "it has no columns, so no rows to keep.", member.name, table=name)
        return sum(batch.num_rows for batch in batches)
    table_name, notices = context.table_name(name, name, member)
    names, remarks = unique_names(schema.names)
    columns = tuple(_column(new, field) for new, field in zip(names, schema, strict=True))
    contract = context.dictionary.get(table_name)
    table = contract.with_columns(columns) if contract else Table(table_name, columns)
    yield TableFound(table, member.name)
    yield from notices
    yield from (Notice(code, message, member.name, table=table_name) for code, message in remarks)
    count = 0
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            numbers = pa.array(np.arange(count + 1, count + part.num_rows + 1))
            yield from _rows(part, names, table, member, numbers)
            count += part.num_rows
    return count


def _rows(part: pa.RecordBatch, names: tuple[str, ...], table: Table, member: Member, numbers: pa.Array) -> Iterator[Event]:
    arrays = [_fitted(converted(column), table.column(name)) for name, column in zip(names, part.columns, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, names=list(names))
    yield Rows(table.name, member.name, batch, numbers, numbers)


def _fitted(array: pa.Array, column: Column) -> pa.Array:
    return array if array.type in (column.type, STRING) or pa.types.is_binary(array.type) else array.cast(STRING)


def _column(name: str, field: pa.Field) -> Column:
    return Column(name, target_type(field.type), native=str(plain_type(field.type)), required=not field.nullable)


__all__ = ["Arrow", "Parquet", "Unreadable"]
