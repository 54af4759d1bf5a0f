"""Avro container files as dumps: types, any table there and back, cuts, flips, and lengths that nobody could hold."""

from __future__ import annotations

import datetime as dt
import io
import os
import random
import uuid
import zipfile
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import read

from platform_assets.dictionary.source import Limits, SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.avro.codecs import BadBlock, unpacked
from platform_assets.formats.avro.container import encode_long
from platform_assets.formats.avro.reader import Avro
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose

APP = SourceSettings("app")
EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "40"))
UTC = dt.UTC


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "r", "namespace": "x.y", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}


def avro(schema: dict[str, Any], rows: list[dict[str, Any]], codec: str = "null", **options: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, rows, codec=codec, **options)
    return buffer.getvalue()


def stored(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "t.avro").write_bytes(data)
    return tmp_path / "t.avro"


def logical(kind: str, meaning: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": meaning, **more}


INNER = [{"name": "d", "type": logical("int", "date")}, {"name": "b", "type": ["null", "bytes"]}]
CELLS: list[tuple[Any, Any, str, Any]] = [
    ("int", 7, "int32", 7),
    ("long", 9007199254740993, "int64", 9007199254740993),
    ("float", 0.5, "float64", 0.5),
    ("double", 0.1, "float64", 0.1),
    ("boolean", True, "boolean", True),
    ("string", "007", "string", "007"),
    ("bytes", b"\x00\xff", "binary", b"\x00\xff"),
    ({"type": "fixed", "name": "F", "size": 2}, b"ab", "binary", b"ab"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "string", "B"),
    (logical("bytes", "decimal", precision=30, scale=2), Decimal("-1.10"), "decimal(30,2)", Decimal("-1.10")),
    (logical("fixed", "decimal", name="D", size=8, precision=18, scale=3), Decimal("12.500"), "decimal(18,3)", Decimal("12.500")),
    (logical("int", "date"), dt.date(2020, 2, 29), "date", dt.date(2020, 2, 29)),
    (logical("int", "time-millis"), dt.time(1, 2, 3, 4000), "time", dt.time(1, 2, 3, 4000)),
    (logical("long", "time-micros"), dt.time(1, 2, 3, 4), "time", dt.time(1, 2, 3, 4)),
    (logical("long", "timestamp-millis"), dt.datetime(2020, 1, 1, tzinfo=UTC), "instant", dt.datetime(2020, 1, 1, tzinfo=UTC)),
    (logical("long", "timestamp-micros"), dt.datetime(1, 1, 1, tzinfo=UTC), "instant", dt.datetime(1, 1, 1, tzinfo=UTC)),
    (logical("long", "timestamp-nanos"), 1_577_836_800_000_001_000, "instant", dt.datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    (logical("long", "local-timestamp-micros"), dt.datetime(2020, 1, 1, 1), "timestamp", dt.datetime(2020, 1, 1, 1)),
    (logical("string", "uuid"), uuid.UUID(int=5), "string", "00000000-0000-0000-0000-000000000005"),
    (logical("fixed", "duration", name="U", size=12), bytes([1, 0, 0, 0, 2, 0, 0, 0, 0xDC, 5, 0, 0]), "string", "P1M2DT1.500S"),
    (logical("string", "no such thing"), "x", "string", "x"),
    (["null", "int"], None, "int32", None),
    (["null", "int", "long"], 2**40, "int64", 2**40),
    (["int", "string"], 5, "string", "5"),
    (["null", "int", logical("int", "date")][:2], 3, "int32", 3),
    ({"type": "array", "items": ["null", "double"]}, [None, 1.5], "string", "[null,1.5]"),
    ({"type": "map", "values": logical("bytes", "decimal", precision=5, scale=1)}, {"k": Decimal("1.0")}, "string", '{"k":1.0}'),
    (
        {
            "type": "record",
            "name": "in",
            "fields": [{"name": "d", "type": logical("int", "date")}, {"name": "b", "type": ["null", "bytes"]}],
        },
        {"d": dt.date(2020, 1, 1), "b": b"\x01"},
        "string",
        '{"d":"2020-01-01","b":"\\\\x01"}',
    ),
]


@pytest.mark.parametrize(("kind", "value", "type_name", "expected"), CELLS, ids=lambda value: str(value)[:40])
def test_a_cell_keeps_its_value_and_gets_its_type(tmp_path: Path, kind: Any, value: Any, type_name: str, expected: Any) -> None:
    found = read(Avro(), stored(tmp_path, avro(record(a=kind), [{"a": value}])))
    assert found.types("t") == {"a": type_name}
    assert found.rows["t"] == [{"a": expected}]
    assert found.raw["t"] == [None]


def test_cs4_avro_written_with_int_for_ids(tmp_path: Path) -> None:
    data = avro(record(id="int", name=["null", "string"]), [{"id": 1, "name": "a"}, {"id": 2**31 - 1, "name": None}])
    path = stored(tmp_path, data)
    assert choose(open_dump(path, APP), APP)[0].name == "avro"
    found = read(Avro(), path)
    assert found.rows["t"] == [{"id": 1, "name": "a"}, {"id": 2**31 - 1, "name": None}]
    assert [column.required for column in found.tables["t"].columns] == [True, False]
    assert found.completeness == "unknown"


def test_what_a_column_cannot_hold_is_null_and_kept(tmp_path: Path) -> None:
    schema = record(n=logical("long", "timestamp-nanos"), y=logical("int", "date"), d=logical("bytes", "decimal", precision=45, scale=1))
    plain = record(n="long", y="int", d="bytes")
    good = {"n": 1_577_836_800_000_000_000, "y": 0, "d": b"\x0f"}
    far = {"n": 1_577_836_800_000_000_001, "y": 2**31 - 1, "d": (10**44).to_bytes(20, "big")}
    blocks = avro(plain, [good, far])
    data = blocks.replace(avro(plain, [])[:-16], avro(schema, [])[:-16])
    found = read(Avro(), stored(tmp_path, data))
    day = dt.datetime(2020, 1, 1, tzinfo=UTC)
    assert found.rows["t"] == [{"n": day, "y": dt.date(1970, 1, 1), "d": Decimal("1.5")}, {"n": None, "y": None, "d": None}]
    kept = found.raw["t"][1]
    assert kept is not None
    assert "2020-01-01T00:00:00.000000001Z" in kept and "5881580" in kept and "0000000000.0" in kept


def test_branches_of_a_union_are_told_apart_by_the_file_not_by_their_looks(tmp_path: Path) -> None:
    schema = record(u=["null", "string", logical("long", "timestamp-micros"), logical("bytes", "decimal", precision=4, scale=2)])
    rows = [{"u": "2020"}, {"u": dt.datetime(2020, 1, 1, tzinfo=UTC)}, {"u": Decimal("1.50")}, {"u": None}]
    found = read(Avro(), stored(tmp_path, avro(schema, rows)))
    assert [row["u"] for row in found.rows["t"]] == ["2020", "2020-01-01T00:00:00Z", "1.50", None]


def test_names_are_resolved_and_reused(tmp_path: Path) -> None:
    address = {"type": "record", "name": "Address", "fields": [{"name": "street", "type": "string"}]}
    schema = record(home=address, work=["null", "Address"], other={"type": "array", "items": "x.y.Address"})
    rows = [{"home": {"street": "a"}, "work": {"street": "b"}, "other": [{"street": "c"}]}]
    found = read(Avro(), stored(tmp_path, avro(schema, rows)))
    assert found.rows["t"] == [{"home": '{"street":"a"}', "work": '{"street":"b"}', "other": '[{"street":"c"}]'}]


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2", "xz"])
def test_all_codecs(tmp_path: Path, codec: str) -> None:
    rows = [{"id": n, "s": f"text {n}"} for n in range(3_000)]
    found = read(Avro(), stored(tmp_path, avro(record(id="int", s="string"), rows, codec, sync_interval=4_000)))
    assert found.rows["t"] == rows
    assert found.numbers["t"] == list(range(1, 3_001))


AMOUNTS = st.integers(-(10**20) + 1, 10**20 - 1).map(lambda number: Decimal(number).scaleb(-3, Context(prec=30)))
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": ("int", st.integers(-(2**31), 2**31 - 1)),
    "long": ("long", st.integers(-(2**63), 2**63 - 1)),
    "double": ("double", st.floats(allow_nan=False)),
    "string": ("string", st.text(st.characters(codec="utf-8"))),
    "bytes": ("bytes", st.binary()),
    "boolean": ("boolean", st.booleans()),
    "date": (logical("int", "date"), st.dates()),
    "instant": (logical("long", "timestamp-micros"), st.datetimes(timezones=st.just(UTC))),
    "decimal": (
        logical("bytes", "decimal", precision=20, scale=3),
        st.integers(-(10**20) + 1, 10**20 - 1).map(lambda n: Decimal(n).scaleb(-3)),
    ),
}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({name: st.none() | kind for name, (_, kind) in KINDS.items()}), min_size=1, max_size=8))
def test_any_table_comes_back_as_it_was(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    schema = record(**{name: ["null", kind] for name, (kind, _) in KINDS.items()})
    found = read(Avro(), stored(tmp_path, avro(schema, rows, "deflate")))
    assert found.rows["t"] == rows


def test_no_cut_is_ever_complete_and_no_row_is_shown_that_was_not_there(tmp_path: Path) -> None:
    rows = [{"id": n, "s": f"text {n}"} for n in range(60)]
    data = avro(record(id="int", s="string"), rows, sync_interval=100)
    for cut in range(4, len(data), 7):
        try:
            found = read(Avro(), stored(tmp_path, data[:cut]))
        except UnreadableDump:
            continue
        assert found.completeness in ("partial", "unknown")
        assert found.rows["t"] == rows[: len(found.rows["t"])]
        assert found.completeness == "partial" or len(found.rows["t"]) < 60


def test_in_an_archive_it_is_complete(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("t.avro", avro(record(id="int"), [{"id": 1}]))
    assert read(Avro(), tmp_path / "d.zip").completeness == "complete"


def test_flipped_bits_end_in_words(tmp_path: Path) -> None:
    rows = [{"id": n, "s": f"text {n}", "l": [n, None]} for n in range(40)]
    items = {"type": "array", "items": ["null", "long"]}
    data = avro(record(id="int", s="string", l=items), rows, "null", sync_interval=200)
    picked = random.Random(3)
    for _ in range(200):
        flipped = bytearray(data)
        flipped[picked.randrange(4, len(data))] ^= 1 << picked.randrange(8)
        try:
            assert read(Avro(), stored(tmp_path, bytes(flipped))).completeness != "complete"
        except UnreadableDump as error:
            assert "t.avro" in error.message


def container(schema: dict[str, Any], rows: int, block: bytes, size: int | None = None) -> bytes:
    """A file with one block of our making."""
    empty = avro(schema, [])
    return empty + encode_long(rows) + encode_long(len(block) if size is None else size) + block + empty[-16:]


HOSTILE = {
    "a block of 4 exabytes": container(record(a="string"), 1, b"\x02a", 1 << 62),
    "a block that is longer than its file": container(record(a="string"), 1, b"\x02a", 100 << 20),
    "a negative block": container(record(a="string"), 1, b"\x02a", -5),
    "a string of 2 exabytes": container(record(a="string"), 1, encode_long(1 << 61) + b"abc"),
    "more rows than bytes": container(record(a="int"), 1 << 60, b"\x02\x04"),
    "endless rows of nothing": container(record(a="null"), 1 << 60, b""),
    "an array without end": container(record(a={"type": "array", "items": "int"}), 1, encode_long(1 << 60) + b"\x02"),
    "an array of nothings": container(record(a={"type": "array", "items": "null"}), 1, encode_long(1 << 60) + b"\x00"),
    "a type within itself": container(record(a=["null", "x.y.r"]), 1, b"\x02" * 1_000_000),
    "no UTF-8": container(record(a="string"), 1, b"\x04\xff\xfe"),
    "a branch that is not there": container(record(a=["null", "int"]), 1, b"\x08"),
    "bytes left over": container(record(a="int"), 1, b"\x02\x04\x06"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lengths_are_stopped_with_words(tmp_path: Path, name: str) -> None:
    try:
        found = read(Avro(), stored(tmp_path, HOSTILE[name]))
    except UnreadableDump as error:
        assert "t.avro" in error.message
    else:
        assert found.completeness == "partial"


def test_a_row_that_cannot_be_decoded_costs_those_behind_it_in_its_block_alone(tmp_path: Path) -> None:
    schema = record(a="string")
    empty = avro(schema, [])
    sync = empty[-16:]
    blocks = [b"\x02a\x02b", b"\x02c\x04\xff\xfe\x02d", b"\x02e"]
    counts = [2, 3, 1]
    data = empty + b"".join(
        encode_long(count) + encode_long(len(block)) + block + sync for count, block in zip(counts, blocks, strict=True)
    )
    found = read(Avro(), stored(tmp_path, data))
    assert [row["a"] for row in found.rows["t"]] == ["a", "b", "c", "e"]
    assert [(bad.row, bad.code) for bad in found.bad] == [(4, "avro-error")]
    assert "2 rows of the block" in next(notice.message for notice in found.notices if notice.code == "rows-unreadable")
    assert found.completeness == "partial"


def test_a_packed_bomb_is_stopped(tmp_path: Path) -> None:
    data = avro(record(a="bytes"), [{"a": bytes(140 << 20)}], "deflate")
    assert len(data) < 1_000_000
    with pytest.raises(LimitExceeded):
        read(Avro(), stored(tmp_path, data), SourceSettings("app", limits=Limits(max_dump_bytes=1_000)))
    found = read(Avro(), stored(tmp_path, data))
    assert found.rows["t"] == []
    assert found.completeness == "partial"
    assert any("unpacks to more than" in notice.message for notice in found.notices)


def test_zstandard_blocks_are_unpacked_and_bounded(tmp_path: Path) -> None:
    schema = record(a="string")
    empty = avro(schema, [])
    head = empty[:-16].replace(b"\x08null", b"\x12zstandard")
    assert head != empty[:-16]
    block = pa.compress(b"\x04hi\x02x", codec="zstd", asbytes=True)
    data = head + empty[-16:] + encode_long(2) + encode_long(len(block)) + block + empty[-16:]
    assert read(Avro(), stored(tmp_path, data)).rows["t"] == [{"a": "hi"}, {"a": "x"}]
    with pytest.raises(BadBlock, match="more than 1,000 bytes"):
        unpacked("zstandard", pa.compress(bytes(5_000), codec="zstd", asbytes=True), 1_000)
    with pytest.raises(BadBlock, match="claims"):
        unpacked("snappy", encode_long(1 << 30) + b"xxxxx", 1_000)
