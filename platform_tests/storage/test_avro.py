"""Avro files are read back exactly by us and by fastavro, the oracle, whatever the columns are called and hold."""

from __future__ import annotations

import io
import json
import random
import re
import zlib
from datetime import datetime
from pathlib import Path

import cramjam
import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_cases import HOSTILE_NAMES, edge_table, exact, exact_rows, file_of, out_of_calendar, read_back, table_of, tables

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INSTANT, INT64, STRING, TIME, TIMESTAMP
from platform_assets.errors import StoredFileError
from platform_assets.formats.avro.container import BrokenContainer, encode_long, read_blocks, read_header
from platform_assets.storage.rows import avro
from platform_assets.storage.rows.avro import Part, PartFile, encode_block, field_names, file_header, part_blocks, proven_file

LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def write_part(folder: Path, batch: pa.RecordBatch, blocks: int = 1) -> Part:
    fields = field_names(batch.schema.names)
    file = PartFile(folder / "part-00000.avro", file_header(batch.schema, fields))
    for _ in range(blocks):
        file.append(encode_block(pa.Table.from_batches([batch]), fields))
    return file.close()


def test_every_type_with_its_edges_comes_back_bit_for_bit() -> None:
    _, batch = edge_table()
    data, fields = file_of(batch)
    (back,) = read_back(data, batch.schema, fields)
    assert back.schema == batch.schema
    assert exact_rows([back]) == exact_rows([batch])


def test_a_block_that_ends_with_a_very_long_row_is_the_same_as_without_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    _, edges = edge_table()
    monkeypatch.setattr(avro, "_LONG_CELL", 30)
    for row in range(edges.num_rows):
        for batch in (edges.slice(0, row + 1), edges.slice(row, 1)):
            monkeypatch.setattr(avro, "_LONG_ROW", 1 << 40)
            expected, fields = file_of(batch)
            monkeypatch.setattr(avro, "_LONG_ROW", 0)
            data, _ = file_of(batch)
            assert exact_rows(read_back(data, batch.schema, fields)) == exact_rows([batch])
            assert _unpacked(data) == _unpacked(expected)


def _unpacked(data: bytes) -> bytes:
    """What stands in the one block of a file."""
    file = io.BytesIO(data)
    _, sync = read_header(file)
    (block,) = read_blocks(file, sync)
    packed, check = block.data[:-4], block.data[-4:]
    unpacked = bytes(cramjam.snappy.decompress_raw(packed))
    assert zlib.crc32(unpacked).to_bytes(4, "big") == check
    return unpacked


def test_fastavro_reads_the_same_values() -> None:
    _, batch = edge_table()
    data, fields = file_of(batch)
    rows = list(fastavro.reader(io.BytesIO(data)))
    for field, column in zip(fields, batch.columns, strict=True):
        assert [exact(row[field]) for row in rows] == [exact(value) for value in column.to_pylist()], column.type


@settings(max_examples=60, deadline=None)
@given(tables())
def test_any_table_comes_back_and_fastavro_agrees(case: tuple[Table, pa.RecordBatch]) -> None:
    _, batch = case
    if batch.num_rows == 0:
        return
    data, fields = file_of(batch)
    assert exact_rows(read_back(data, batch.schema, fields)) == exact_rows([batch])
    oracle = [tuple(exact(row[field]) for field in fields) for row in fastavro.reader(io.BytesIO(data))]
    assert oracle == [tuple(map(exact, row.values())) for row in rows_by_position(batch)]


def rows_by_position(batch: pa.RecordBatch) -> list[dict[str, object]]:
    return batch.rename_columns([str(number) for number in range(batch.num_columns)]).to_pylist()


def test_times_outside_the_calendar_come_back_as_the_same_numbers() -> None:
    _, batch = out_of_calendar()
    data, fields = file_of(batch)
    assert exact_rows(read_back(data, batch.schema, fields)) == exact_rows([batch])


def test_the_header_says_the_official_logical_types() -> None:
    schema = pa.schema([("t", TIMESTAMP), ("i", INSTANT), ("c", TIME), ("d", pa.decimal128(15, 3))])
    header, _ = read_header(io.BytesIO(file_header(schema, schema.names).data))
    fields = fastavro.schema.parse_schema(json.loads(header["avro.schema"]))["fields"]
    assert [field["type"][1].get("logicalType") for field in fields] == [
        "local-timestamp-micros",
        "timestamp-micros",
        "time-micros",
        "decimal",
    ]
    assert header["avro.codec"] == b"snappy"


def test_an_instant_is_read_as_utc_by_others() -> None:
    moment = datetime.fromisoformat("2021-11-07T02:48:42+00:00")
    data, _ = file_of(pa.record_batch({"at": pa.array([moment], INSTANT)}))
    assert next(iter(fastavro.reader(io.BytesIO(data))))["at"] == moment


def test_every_block_carries_its_true_checksum() -> None:
    """Java's reader checks the CRC32 that follows a snappy block; fastavro and polars do not."""
    _, batch = edge_table()
    data, _ = file_of(batch)
    file = io.BytesIO(data)
    _, sync = read_header(file)
    for block in read_blocks(file, sync):
        plain = bytes(cramjam.snappy.decompress_raw(block.data[:-4]))
        assert zlib.crc32(plain) == int.from_bytes(block.data[-4:], "big")


def test_columns_of_nothing_but_null_keep_their_type() -> None:
    table, batch = edge_table()
    empty = pa.RecordBatch.from_arrays([pa.nulls(3, column.type) for column in table.columns], schema=batch.schema)
    data, fields = file_of(empty)
    (back,) = read_back(data, batch.schema, fields)
    assert back.equals(empty)


def test_a_slice_of_a_larger_batch_writes_its_own_rows_only() -> None:
    _, batch = edge_table()
    data, fields = file_of(batch.slice(2, 3))
    assert exact_rows(read_back(data, batch.schema, fields)) == exact_rows([batch.slice(2, 3)])


def test_some_columns_can_be_read_in_another_order() -> None:
    _, batch = edge_table()
    data, fields = file_of(batch)
    (back,) = read_back(data, batch.schema, fields, ["c4", "c1"])
    assert back.schema.names == ["c4", "c1"]
    assert exact_rows([back]) == exact_rows([batch.select(["c4", "c1"])])


def test_equal_rows_give_equal_bytes_and_other_columns_another_sync_marker() -> None:
    _, batch = edge_table()
    assert file_of(batch)[0] == file_of(batch)[0]
    first, second = (read_header(io.BytesIO(file_header(pa.schema([(name, INT64)]), [name]).data))[1] for name in "ab")
    assert first != second


def test_hostile_names_become_legal_and_unique_fields() -> None:
    fields = field_names(HOSTILE_NAMES)
    assert all(LEGAL.fullmatch(field) for field in fields)
    assert len({field.lower() for field in fields}) == len(HOSTILE_NAMES)
    assert fields == field_names(HOSTILE_NAMES)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "name_2", "_row"], ["id", "name_2", "_row"]),
        (["a b", "a_b"], ["a_b_72a2b6", "a_b"]),
        (["a", "A"], ["a", "A_559aea"]),
    ],
)
def test_legal_names_stay_and_others_get_six_digits_of_their_hash(names: list[str], expected: list[str]) -> None:
    found = field_names(names)
    assert [re.sub(r"_[0-9a-f]{6}$", "_#", field) for field in found] == [re.sub(r"_[0-9a-f]{6}$", "_#", field) for field in expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=12, unique=True))
def test_field_names_are_legal_and_unique_for_any_names(names: list[str]) -> None:
    fields = field_names(names)
    assert all(LEGAL.fullmatch(field) for field in fields)
    assert len({field.lower() for field in fields}) == len(names)


def test_the_columns_own_name_stands_beside_its_field() -> None:
    table = table_of([('sel"ect', STRING)])
    data, _ = file_of(pa.RecordBatch.from_arrays([pa.array(["x"])], schema=table.arrow_schema()))
    assert fastavro.reader(io.BytesIO(data)).writer_schema["fields"][0]["doc"] == 'sel"ect'


def test_a_part_is_there_only_when_it_is_closed_and_says_what_it_is(tmp_path: Path) -> None:
    _, batch = edge_table()
    fields = field_names(batch.schema.names)
    file = PartFile(tmp_path / "part-00000.avro", file_header(batch.schema, fields))
    file.append(encode_block(pa.Table.from_batches([batch]), fields))
    assert not (tmp_path / "part-00000.avro").exists()
    part = file.close()
    assert (part.rows, part.bytes) == (batch.num_rows, (tmp_path / part.name).stat().st_size)
    with proven_file(tmp_path, part) as whole:
        assert whole.read(4) == b"Obj\x01"


def test_an_abandoned_part_leaves_nothing(tmp_path: Path) -> None:
    _, batch = edge_table()
    PartFile(tmp_path / "part-00000.avro", file_header(batch.schema, field_names(batch.schema.names))).abandon()
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_bit_is_found_before_a_row_is_given_out(tmp_path: Path) -> None:
    """PITFALLS 18: fastavro read a flipped bit silently wrong in 326 of 400 cases."""
    _, batch = edge_table()
    part = write_part(tmp_path, batch, blocks=2)
    path = tmp_path / part.name
    whole = path.read_bytes()
    chance = random.Random(18)
    for position in chance.sample(range(len(whole)), 300):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << chance.randrange(8)]) + whole[position + 1 :])
        with pytest.raises(StoredFileError, match=re.escape(str(path))):
            next(part_blocks(tmp_path, part))


def test_a_file_cut_at_any_block_boundary_is_found(tmp_path: Path) -> None:
    _, batch = edge_table()
    part = write_part(tmp_path, batch, blocks=4)
    whole = (tmp_path / part.name).read_bytes()
    _, sync = read_header(io.BytesIO(whole))
    ends = [found.end() for found in re.finditer(re.escape(sync), whole)]
    assert len(ends) == 5
    for end in ends[:-1]:
        (tmp_path / part.name).write_bytes(whole[:end])
        with pytest.raises(StoredFileError, match="bytes, its manifest says"):
            next(part_blocks(tmp_path, part))


@pytest.mark.parametrize("cut", [0, 3, 40, -1, -17, -30])
def test_a_container_cut_anywhere_is_broken_by_itself(cut: int) -> None:
    _, batch = edge_table()
    data, fields = file_of(batch)
    with pytest.raises(BrokenContainer):
        read_back(data[:cut], batch.schema, fields)


def test_a_missing_part_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoredFileError, match=r"part-00000\.avro cannot be read: No such file"):
        next(part_blocks(tmp_path, Part("part-00000.avro", 1, 1, "")))


@pytest.mark.parametrize("value", [0, -1, 1, 63, 64, -64, -65, 2**31, 2**63 - 1, -(2**63)])
def test_longs_are_written_as_fastavro_writes_them(value: int) -> None:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, {"type": "long"}, value)
    assert encode_long(value) == buffer.getvalue()
