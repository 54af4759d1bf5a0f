"""The format `avro`: container files, one table each. fastavro decodes the rows, one by one, within blocks of bounded size.

A container has no end mark: one that was cut between two blocks looks whole. So the verdict is `unknown` unless an archive proves it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
from fastavro import parse_schema, schemaless_reader

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.avro.codecs import CODECS, BadBlock, unpacked
from platform_assets.formats.avro.container import MAGIC, BrokenContainer, read_blocks, read_header
from platform_assets.formats.avro.schema import Node, UnusableSchema, plain_schema, read_schema
from platform_assets.formats.avro.values import to_array
from platform_assets.formats.base import BATCH_ROWS, Dump, Event, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.containers.opening import head
from platform_assets.formats.delimited.shape import unique_names
from platform_assets.formats.members import Context, Reading, claim, lost, read_members

MAX_BLOCK_BYTES = 128 << 20
"""Packed or unpacked; writers make blocks of some kilobytes to some megabytes."""
_BATCH_BYTES = 16 << 20
_EMPTY_ROWS = 1_000_000
"""Rows of no bytes at all (records of nulls) that one block may claim."""
_ROW_ERRORS = (EOFError, IndexError, ValueError, OverflowError, KeyError, TypeError, MemoryError)
"""What fastavro raises for damaged rows; UnicodeDecodeError is a ValueError."""


class Avro:
    """Avro object container files (Apache Avro 1.12, "Object Container Files")."""

    name = "avro"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: at least half of the members begin with its magic bytes."""
        return claim(dump, _mine)

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the tables in the order of the members. Raises LimitExceeded, and UnreadableDump when not one can be read."""
        return read_members(dump, Context(source, dictionary), tool=self.name, mine=_mine, read=_read)


def _mine(member: Member) -> str | None:
    return "begins with Obj 1" if head(member, len(MAGIC)).data == MAGIC else None


class _Counting:
    """A stream that knows how many bytes it gave. A stream that dies ends, and says so in `error`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._given = 0
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        try:
            while size > 0 and (part := self._stream.read(size)):
                parts.append(part)
                size -= len(part)
        except (EOFError, OSError) as error:
            self.error = error
        data = b"".join(parts)
        self._given += len(data)
        return data

    def tell(self) -> int:
        return self._given


def _read(member: Member, name: str, context: Context) -> Reading:
    try:
        stream = member.open()
    except (EOFError, OSError) as error:
        yield lost(member, "stream-cut", str(error), name)
        return False
    with stream:
        counting = _Counting(stream)
        try:
            yield from _container(counting, member, name, context)
        except (BrokenContainer, UnusableSchema) as error:
            why = f"{counting.error}" if counting.error else f"{error}. What came before was read; fetch the file again."
            yield lost(member, "file-damaged", why, name)
        else:
            if counting.error:
                yield lost(member, "stream-cut", str(counting.error), name)
    return False


def _container(stream: _Counting, member: Member, name: str, context: Context) -> Iterator[Event]:
    entries, sync = read_header(stream, largest=MAX_BLOCK_BYTES)
    codec = entries.get("avro.codec", b"null").decode("ascii", "replace") or "null"
    if codec not in CODECS:
        raise UnusableSchema(f"it is packed with {codec!r}; {', '.join(CODECS)} can be read. Write it again with one of them")
    try:
        node = read_schema(json.loads(entries.get("avro.schema", b"")))
    except (ValueError, RecursionError) as error:
        raise UnusableSchema(str(error)) from error
    if node.kind == "record" and not node.inner:
        yield Notice("no-columns", "its records have no fields: a table without columns.", member.name, table=name)
        return
    if node.kind != "record":
        node = Node("record", names=("value",), inner=(node,))
    table_name, notices = context.table_name(name, name, member)
    names, remarks = unique_names(node.names)
    columns = tuple(
        Column(new, inner.type(), inner.native(), required=_required(inner)) for new, inner in zip(names, node.inner, strict=True)
    )
    contract = context.dictionary.get(table_name)
    table = contract.with_columns(columns) if contract else Table(table_name, columns)
    yield TableFound(table, member.name)
    yield from notices
    yield from (Notice(code, message, member.name, table=table_name) for code, message in remarks)
    rows = _Rows(node, names, table, member)
    for block in read_blocks(stream, sync, largest=MAX_BLOCK_BYTES):
        yield from rows.block(block.rows, block.data, codec, stream.tell())
    yield from rows.flush()


def _required(node: Node) -> bool:
    return node.kind != "null" and not (node.kind == "union" and any(inner.kind == "null" for inner in node.inner))


class _Rows:
    """Collects decoded rows of one table until they make a batch."""

    def __init__(self, node: Node, names: tuple[str, ...], table: Table, member: Member) -> None:
        self._node = node
        self._names = names
        self._table = table
        self._member = member
        self._schema = parse_schema(plain_schema(node))
        self._least = node.least_bytes()
        self._pending: list[dict[str, Any]] = []
        self._numbers: list[int] = []
        self._bytes = 0
        self._count = 0

    def block(self, rows: int, packed: bytes, codec: str, end: int) -> Iterator[Event]:
        """`end` is the byte of the file behind the block. A block that is damaged inside costs its rows from there on."""
        try:
            data = unpacked(codec, packed, MAX_BLOCK_BYTES)
            if rows > (len(data) // self._least if self._least else _EMPTY_ROWS):
                raise BadBlock(f"the block claims {rows:,} rows in {len(data):,} bytes")
        except BadBlock as error:
            yield from self._lost(rows, str(error), packed[:64], end)
            return
        stream = io.BytesIO(data)
        for number in range(rows):
            begin = stream.tell()
            try:
                row = schemaless_reader(stream, self._schema, None)
            except _ROW_ERRORS as error:
                why = f"the row cannot be decoded ({type(error).__name__}: {error}), nor can those behind it in its block"
                yield from self._lost(rows - number, why, data[begin : begin + 64], end)
                return
            self._count += 1
            self._pending.append(row)  # type: ignore[arg-type]
            self._numbers.append(self._count)
            self._bytes += stream.tell() - begin
            if len(self._pending) >= BATCH_ROWS or self._bytes > _BATCH_BYTES:
                yield from self.flush()
        if stream.tell() != len(data):
            what = f"the block that ends at byte {end:,} has {len(data) - stream.tell():,} bytes more than its {rows:,} rows: damaged."
            yield lost(self._member, "block-damaged", what, self._table.name)

    def _lost(self, rows: int, why: str, raw: bytes, end: int) -> Iterator[Event]:
        self._count += 1
        message = f"{self._member.name}, block before byte {end:,}: {why}."
        yield Unreadable(self._table.name, self._member.name, self._count, self._count, f"\\x{raw.hex()}", "avro-error", message, end)
        yield lost(
            self._member, "rows-unreadable", f"{rows:,} rows of the block before byte {end:,} could not be read: {why}.", self._table.name
        )

    def flush(self) -> Iterator[Event]:
        rows, numbers = self._pending, pa.array(self._numbers, pa.int64())
        if not rows:
            return
        self._pending, self._numbers, self._bytes = [], [], 0
        arrays = [to_array(inner, [row[f"f{at}"] for row in rows]) for at, inner in enumerate(self._node.inner)]
        batch = pa.RecordBatch.from_arrays(arrays, names=list(self._names))
        yield Rows(self._table.name, self._member.name, batch, numbers, numbers)
