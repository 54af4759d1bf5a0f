"""Tables and rows for the tests of what is stored: every type with its edges, and strategies that mix them."""

from __future__ import annotations

import datetime as dt
import io
import struct
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.formats.avro.container import framed, read_blocks, read_header
from platform_assets.storage.rows.avro import BlockDecoder, encode_block, field_names, file_header

_WIDE = Context(prec=60)
"""Python's own context rounds to 28 digits, on a mere change of sign too."""
_NINES = Decimal("9" * 38)
_MINUS = _NINES.copy_negate()
_ODD_NAN = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]
EDGES: dict[pa.DataType, list[Any]] = {
    BOOLEAN: [True, False],
    INT32: [0, -1, 2**31 - 1, -(2**31)],
    INT64: [0, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)],
    FLOAT64: [0.0, -0.0, 1.5, 0.1, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"), _ODD_NAN],
    STRING: ["", " ", "a\0b", "NULL", "NaN", '"\\\n\r\t,[]{}', "é漢\U0001f600", "\u2028\x7f", "x" * 70_000],
    BINARY: [b"", b"\0", b"\xff\xfe", bytes(range(256))],
    DATE: [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31), dt.date(2000, 2, 29)],
    TIMESTAMP: [
        dt.datetime(1, 1, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        dt.datetime(2024, 3, 31, 2, 30, 0, 1),
    ],
    INSTANT: [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(2021, 11, 7, 2, 48, 42, tzinfo=dt.UTC),
    ],
    TIME: [dt.time(0), dt.time(23, 59, 59, 999999), dt.time(0, 0, 0, 1)],
    decimal(38, 0): [_NINES, _MINUS, Decimal(0)],
    decimal(38, 38): [_NINES.scaleb(-38, _WIDE), _MINUS.scaleb(-38, _WIDE), Decimal("1E-38")],
    decimal(38, 3): [_NINES.scaleb(-3, _WIDE), _MINUS.scaleb(-3, _WIDE), Decimal("-1.500")],
    decimal(15, 3): [Decimal("999999999999.999"), Decimal("-0.001"), Decimal("0.000")],
    decimal(1, 0): [Decimal(9), Decimal(-9)],
}
OUT_OF_CALENDAR = [
    (DATE, [-719_163, 2_932_897, 2**31 - 1, -(2**31)]),
    (TIMESTAMP, [2**63 - 1, -(2**63), -62_135_596_800_000_001, 253_402_300_800_000_000]),
    (INSTANT, [2**63 - 1, -(2**63)]),
    (TIME, [86_400_000_000]),
]
"""Numbers that are values of the type, but no date or time of Python's: a server's own dump may hold them."""
HOSTILE_NAMES = ["a b", "1x", 'sel"ect', "ключ", "", "a.b", "Users", "users", "_", "x" * 300, "x" * 301, "a;b", "a-b", "\0", "null"]


def table_of(columns: Sequence[tuple[str, pa.DataType]], name: str = "t") -> Table:
    return Table(name, tuple(Column(column, kind) for column, kind in columns))


def edge_table() -> tuple[Table, pa.RecordBatch]:
    """Every type with its edges and a NULL first and last; as many rows as the longest list of edges needs."""
    height = max(map(len, EDGES.values())) + 2
    table = table_of([(f"c{number}", kind) for number, kind in enumerate(EDGES)])
    arrays = [pa.array([None, *values, *[None] * (height - 1 - len(values))], kind) for kind, values in EDGES.items()]
    return table, pa.RecordBatch.from_arrays(arrays, schema=table.arrow_schema())


def out_of_calendar() -> tuple[Table, pa.RecordBatch]:
    table = table_of([(f"c{number}", kind) for number, (kind, _) in enumerate(OUT_OF_CALENDAR)])
    arrays = []
    for kind, numbers in OUT_OF_CALENDAR:
        width = INT32 if kind == DATE else INT64
        arrays.append(pa.array([*numbers, *[None] * (5 - len(numbers))], width).view(kind))
    return table, pa.RecordBatch.from_arrays(arrays, schema=table.arrow_schema())


def cells(kind: pa.DataType) -> st.SearchStrategy[Any]:
    plain = {
        BOOLEAN: st.booleans(),
        INT32: st.integers(-(2**31), 2**31 - 1),
        INT64: st.integers(-(2**63), 2**63 - 1),
        FLOAT64: st.floats(),
        STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        BINARY: st.binary(max_size=20),
        DATE: st.dates(),
        TIMESTAMP: st.datetimes(),
        INSTANT: st.datetimes(timezones=st.just(dt.UTC)),
        TIME: st.times(),
    }
    found = plain.get(kind)
    if found is None:
        found = st.integers(1 - 10**kind.precision, 10**kind.precision - 1).map(lambda number: Decimal(number).scaleb(-kind.scale, _WIDE))
    return st.none() | found | st.sampled_from(EDGES[kind])


@st.composite
def tables(draw: st.DrawFn, max_rows: int = 12) -> tuple[Table, pa.RecordBatch]:
    """A table of one to five columns with any names but ours, and a batch of its rows."""
    kinds = draw(st.lists(st.sampled_from(list(EDGES)), min_size=1, max_size=5))
    names = draw(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: not name.startswith("_"))
            | st.sampled_from(HOSTILE_NAMES),
            min_size=len(kinds),
            max_size=len(kinds),
            unique=True,
        )
    )
    height = draw(st.integers(0, max_rows))
    table = table_of(list(zip(names, kinds, strict=True)))
    arrays = [pa.array(draw(st.lists(cells(kind), min_size=height, max_size=height)), kind) for kind in kinds]
    return table, pa.RecordBatch.from_arrays(arrays, schema=table.arrow_schema())


def with_meta(batch: pa.RecordBatch, first_row: int = 1) -> pa.RecordBatch:
    """The batch with `_row`, `_line` and `_raw`; every third row has something in `_raw`."""
    height = batch.num_rows
    meta = {
        "_row": pa.array(range(first_row, first_row + height), INT64),
        "_line": pa.array(range(first_row + 1, first_row + height + 1), INT64),
        "_raw": pa.array([None if number % 3 else '{"a":"0000-00-00"}' for number in range(height)], STRING),
    }
    return pa.RecordBatch.from_arrays([*batch.columns, *meta.values()], names=[*batch.schema.names, *meta])


def exact(value: Any) -> Any:
    """A form in which equal means the same bits: NaN equals NaN of the same bits, -0.0 is not 0.0."""
    return struct.pack(">d", value) if isinstance(value, float) else value


def exact_rows(batches: Sequence[pa.RecordBatch]) -> list[tuple[Any, ...]]:
    """Rows of exact cells; dates and times as their numbers, since Python's own types hold fewer of them."""
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        columns = [[exact(value) for value in _plain(column).to_pylist()] for column in batch.columns]
        rows.extend(zip(*columns, strict=True))
    return rows


def _plain(column: pa.Array) -> pa.Array:
    if column.type == DATE:
        return column.view(INT32)
    return column.view(INT64) if column.type in (TIMESTAMP, INSTANT, TIME) else column


def file_of(batch: pa.RecordBatch) -> tuple[bytes, tuple[str, ...]]:
    """A whole Avro file of one block, in memory."""
    fields = field_names(batch.schema.names)
    header = file_header(batch.schema, fields)
    block = encode_block(pa.Table.from_batches([batch]), fields)
    return header.data + framed(block, header.sync), fields


def read_back(data: bytes, schema: pa.Schema, fields: tuple[str, ...], columns: list[str] | None = None) -> list[pa.RecordBatch]:
    file = io.BytesIO(data)
    _, sync = read_header(file)
    decoder = BlockDecoder(schema, fields, columns)
    return [decoder.decode(block) for block in read_blocks(file, sync)]
