"""Arrow batches as Avro and back: which Avro type carries which of ours, one block in, one block out, part files.

polars turns columns into an Avro block and back at 0.8-1.1 million rows (20 columns) a second; fastavro, the oracle of the tests,
needs ten times as long. Four of polars' habits are worked around: it writes some decimals wrong (avro_decimals.py), it knows no time
and no instant on writing (long and naive micros carry them, the header says `time-micros` and `timestamp-micros`), it panics on a
packed block without rows (there is never one), and it takes field names as they come (field_names makes them legal).

polars is imported where it is used: listings open manifests through this module's neighbours and must not pay for it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from platform_assets.dictionary.types import (
    BINARY,
    BOOLEAN,
    DATE,
    FLOAT64,
    INSTANT,
    INT32,
    INT64,
    STRING,
    TIME,
    TIMESTAMP,
)
from platform_assets.errors import StoredFileError
from platform_assets.formats.avro.codecs import BadBlock, packed, unpacked
from platform_assets.formats.avro.container import (
    Block,
    BrokenContainer,
    Header,
    encode_long,
    frame_pieces,
    make_header,
    read_blocks,
    read_header,
)
from platform_assets.storage.files import atomic_file
from platform_assets.storage.rows.avro_decimals import decimals_from_bytes, decimals_to_bytes

CODEC = "snappy"
RECORD = "row"
_AVRO: dict[pa.DataType, Any] = {
    BOOLEAN: "boolean",
    INT32: "int",
    INT64: "long",
    FLOAT64: "double",
    STRING: "string",
    BINARY: "bytes",
    DATE: {"type": "int", "logicalType": "date"},
    TIMESTAMP: {"type": "long", "logicalType": "local-timestamp-micros"},
    INSTANT: {"type": "long", "logicalType": "timestamp-micros"},
    TIME: {"type": "long", "logicalType": "time-micros"},
}
_CARRIERS = {INSTANT: TIMESTAMP, TIME: INT64}
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")
_LONGEST_NAME = 100
_CHUNK = 4 << 20
_LONG_ROW, _LONG_CELL = 8 << 20, 1 << 20
_PRESENT = encode_long(1)
"""Before a value that is not NULL: the number of its branch in the union."""
_LARGEST_BLOCK = (1 << 31) - 1


@dataclass(frozen=True)
class Part:
    """One stored file of rows and its proof: size in bytes and SHA-256 (hexadecimal) of the whole file."""

    name: str
    rows: int
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Part:
        return cls(str(data["name"]), int(data["rows"]), int(data["bytes"]), str(data["sha256"]))


def field_names(names: Sequence[str]) -> tuple[str, ...]:
    """Legal Avro names ([A-Za-z_][A-Za-z0-9_]*), unique also without regard to case, in the order of `names`.

    A name that is legal stays; every other is cleaned and gets six digits of its hash. Case twins count as equal because Hive
    and Spark read field names so.
    """
    taken: set[str] = set()
    found: dict[int, str] = {}
    clean = [_cleaned(name) for name in names]
    for position in sorted(range(len(names)), key=lambda at: (clean[at] != names[at], at)):
        name, field, attempt = names[position], clean[position], 0
        while field.lower() in taken or (field != name and not attempt):
            digest = hashlib.sha256(f"{name}\0{attempt}".encode()).hexdigest()[:6]
            field, attempt = f"{clean[position]}_{digest}", attempt + 1
        taken.add(field.lower())
        found[position] = field
    return tuple(found[position] for position in range(len(names)))


def _cleaned(name: str) -> str:
    text = _UNSAFE.sub("_", name)[:_LONGEST_NAME]
    return text if text and not text[0].isdigit() else f"_{text}"


def file_header(schema: pa.Schema, fields: Sequence[str], codec: str = CODEC) -> Header:
    """The header of a stored file."""
    return make_header(avro_schema(schema, fields), codec)


def avro_schema(schema: pa.Schema, fields: Sequence[str]) -> dict[str, Any]:
    """Every field nullable, the column's own name as `doc` where it is no legal Avro name."""
    return _record(schema, fields, docs=True)


def fingerprint(schema: dict[str, Any]) -> str:
    """SHA-256 (hexadecimal) of a record's parsing canonical form (Apache Avro 1.12, "Schema Fingerprints")."""
    fields = [{"name": field["name"], "type": [_primitive(branch) for branch in field["type"]]} for field in schema["fields"]]
    form = {"name": schema["name"], "type": "record", "fields": fields}
    return hashlib.sha256(json.dumps(form, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _primitive(branch: Any) -> Any:
    return branch["type"] if isinstance(branch, dict) else branch


def _record(schema: pa.Schema, fields: Sequence[str], *, docs: bool) -> dict[str, Any]:
    entries = []
    for column, field in zip(schema, fields, strict=True):
        entry: dict[str, Any] = {"name": field, "type": ["null", _avro_type(column.type)]}
        if docs and field != column.name:
            entry["doc"] = column.name
        entries.append(entry)
    return {"type": "record", "name": RECORD, "fields": entries}


def _avro_type(arrow: pa.DataType) -> Any:
    if pa.types.is_decimal(arrow):
        return {"type": "bytes", "logicalType": "decimal", "precision": arrow.precision, "scale": arrow.scale}
    return _AVRO[arrow]


def encode_block(rows: pa.Table, fields: Sequence[str], codec: str = CODEC) -> Block:
    """One packed Avro block of at least one row. Columns by position; types are those of dictionary/types.py.

    polars packs too, but half as fast with snappy, and its deflate knows no level.
    """
    last = rows.slice(rows.num_rows - 1)
    if rows.nbytes > _LONG_ROW and last.nbytes > _LONG_ROW:
        data = _with_long_row(rows.slice(0, rows.num_rows - 1), last, fields)
    else:
        data = _encoded(rows, fields)
    return Block(rows.num_rows, packed(codec, data), codec)


def _with_long_row(others: pa.Table, row: pa.Table, fields: Sequence[str]) -> bytes:
    """The block in which a row of many megabytes is the last: its long cells are written here, since polars holds five copies of them."""
    pieces: list[bytes | memoryview] = [_encoded(others, fields)] if others.num_rows else []
    for start, stop in _runs(row):
        column = row.column(start)
        if stop - start == 1 and column.nbytes > _LONG_CELL:
            cell = _only_cell(_one_chunk(column))
            pieces += [_PRESENT, encode_long(len(cell)), cell]
        else:
            pieces.append(_encoded(row.select(range(start, stop)), fields[start:stop]))
    return b"".join(pieces)


def _runs(row: pa.Table) -> Iterator[tuple[int, int]]:
    """Positions of columns [start, stop): a long cell alone, those between together."""
    start = 0
    for at, column in enumerate(row.columns):
        if column.nbytes > _LONG_CELL and column.type in (STRING, BINARY):
            if at > start:
                yield start, at
            yield at, at + 1
            start = at + 1
    if start < row.num_columns:
        yield start, row.num_columns


def _only_cell(column: pa.Array) -> memoryview:
    """The bytes of a column of one text or binary; Arrow's own scalar would copy them."""
    _, offsets, data = column.buffers()
    start, stop = memoryview(offsets).cast("i")[column.offset : column.offset + 2]
    return memoryview(data)[start:stop]


def _encoded(rows: pa.Table, fields: Sequence[str]) -> bytes:
    import polars as pl

    columns = [_carried(_one_chunk(column)) for column in rows.columns]
    frame = pl.from_arrow(pa.table(columns, names=list(fields)))
    assert isinstance(frame, pl.DataFrame)
    written = _Written()
    frame.rechunk().write_avro(written, compression="uncompressed", name=RECORD)  # type: ignore[arg-type]
    *before, data, _ = written.pieces
    assert b"".join(before).endswith(encode_long(rows.num_rows) + encode_long(len(data)))
    return data


class _Written:
    """A file that keeps what is written to it as it comes: polars gives a block's data in one piece, which is then copied no more."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(data)
        return len(data)


class BlockDecoder:
    """Blocks back to record batches of `schema`, or of some of its columns. Holds no state: one decoder serves many threads.

    The header that polars sees is made here from the stored schema with carrier types, so a value outside the range of Python's
    or polars' times comes back as the same number.
    """

    def __init__(self, schema: pa.Schema, fields: Sequence[str], columns: Sequence[str] | None = None) -> None:
        positions = range(len(schema)) if columns is None else [schema.get_field_index(name) for name in columns]
        self.schema = pa.schema([schema.field(position) for position in positions])
        self._fields = [fields[position] for position in positions]
        carriers = pa.schema([pa.field(column.name, _carrier(column.type)) for column in schema])
        record = _record(carriers, fields, docs=False)
        self._header = make_header(record, "null")
        self._names = None if columns is None else self._fields

    def decode(self, block: Block) -> pa.RecordBatch:
        """Raises BrokenContainer when the block does not hold the rows it says.

        polars unpacks snappy, too, but then takes half as long again for the whole block.
        """
        import polars as pl

        source = b"".join((self._header.data, *frame_pieces(_unpacked(block), self._header.sync)))
        try:
            frame = pl.read_avro(io.BytesIO(source), columns=self._names)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise BrokenContainer(f"a block cannot be decoded ({error})") from error
        if frame.height != block.rows:
            raise BrokenContainer(f"a block of {block.rows} rows holds {frame.height}")
        table = frame.to_arrow()
        arrays = [_restored(_one_chunk(table.column(field)), column.type) for field, column in zip(self._fields, self.schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _unpacked(block: Block) -> Block:
    try:
        return Block(block.rows, unpacked(block.codec, block.data, _LARGEST_BLOCK), "null")
    except (BadBlock, KeyError) as error:
        raise BrokenContainer(f"a block cannot be unpacked ({error})") from error


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _carrier(kind: pa.DataType) -> pa.DataType:
    return BINARY if pa.types.is_decimal(kind) else _CARRIERS.get(kind, kind)


def _carried(array: pa.Array) -> pa.Array:
    if pa.types.is_decimal(array.type):
        return decimals_to_bytes(array)
    carrier = _CARRIERS.get(array.type)
    return array if carrier is None else array.view(carrier)


def _restored(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(wanted):
        return decimals_from_bytes(array, wanted)
    if array.type == wanted:
        return array
    return array.view(wanted) if wanted in _CARRIERS else array.cast(wanted)


class PartFile:
    """One part in the writing: blocks are appended, the hash runs along. It stands under its name only after close()."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._sync = header.sync
        self._digest = hashlib.sha256()
        self._rows = self._bytes = 0
        self._context = atomic_file(path)
        self._file = self._context.__enter__()
        self._write(header.data)

    def append(self, block: Block) -> None:
        for piece in frame_pieces(block, self._sync):
            self._write(piece)
        self._rows += block.rows

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._bytes += len(data)

    def close(self) -> Part:
        self._context.__exit__(None, None, None)
        return Part(self._path.name, self._rows, self._bytes, self._digest.hexdigest())

    def abandon(self) -> None:
        reason = InterruptedError("abandoned")
        self._context.__exit__(type(reason), reason, None)


@contextmanager
def proven_file(folder: Path, part: Part) -> Iterator[BinaryIO]:
    """The part's file, open at its first byte, after its size and hash proved true. Raises StoredFileError naming the file.

    The hash costs 2 GB/s here; Avro itself lets a flipped bit pass.
    """
    path = folder / part.name
    try:
        file = path.open("rb")
    except OSError as error:
        raise StoredFileError(f"{path} cannot be read: {error.strerror}. Rebuild it from its dump.", path=str(path)) from error
    with file:
        digest, size = hashlib.sha256(), 0
        while data := file.read(_CHUNK):
            digest.update(data)
            size += len(data)
        if size != part.bytes:
            raise _damaged(path, f"it has {size} bytes, its manifest says {part.bytes}")
        if digest.hexdigest() != part.sha256:
            raise _damaged(path, "its SHA-256 is not the one in its manifest")
        file.seek(0)
        yield file


def part_blocks(folder: Path, part: Part) -> Iterator[Block]:
    """The blocks of one proven part, one in memory at a time. Raises StoredFileError naming the file."""
    path = folder / part.name
    with proven_file(folder, part) as file:
        rows = 0
        try:
            entries, sync = read_header(file)
            codec = entries.get("avro.codec", b"null").decode("ascii", "replace")
            for block in read_blocks(file, sync):
                rows += block.rows
                yield Block(block.rows, block.data, codec)
        except BrokenContainer as error:
            raise _damaged(path, str(error)) from error
        if rows != part.rows:
            raise _damaged(path, f"it holds {rows} rows, its manifest says {part.rows}")


def _damaged(path: Path, reason: str) -> StoredFileError:
    return StoredFileError(
        f"{path} is damaged or was replaced while it was read: {reason}. Read again, or rebuild it from its dump.", path=str(path)
    )
