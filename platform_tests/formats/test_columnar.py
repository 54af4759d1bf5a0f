"""Parquet and Arrow files: types, any table there and back, cuts and flips."""

from __future__ import annotations

import datetime as dt
import io
import os
import subprocess
import sys
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import read

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Member
from platform_assets.formats.columnar.reader import Arrow, Parquet
from platform_assets.formats.columnar.spool import spooled
from platform_assets.formats.columnar.types import converted, target_type
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose

APP = SourceSettings("app")
EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "40"))
UTC = dt.UTC
NS = 1_577_836_800_000_000_000


def parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def arrow(table: pa.Table, *, stream: bool) -> bytes:
    buffer = io.BytesIO()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(buffer, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return buffer.getvalue()


def stored(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "t.bin").write_bytes(data)
    return tmp_path / "t.bin"


def cells(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind)


CELLS: list[tuple[pa.Array, str, list[Any]]] = [
    (cells([1, None], pa.uint8()), "int32", [1, None]),
    (cells([2**32 - 1], pa.uint32()), "int64", [2**32 - 1]),
    (cells([2**64 - 1, 0], pa.uint64()), "decimal(20,0)", [Decimal(2**64 - 1), Decimal(0)]),
    (cells([np.float16(1.5)], pa.float16()), "float64", [1.5]),
    (cells([0.5], pa.float32()), "float64", [0.5]),
    (cells(["a", "b", "a"], pa.string()).dictionary_encode(), "string", ["a", "b", "a"]),
    (cells(["a"], pa.large_string()), "string", ["a"]),
    (cells(["a"], pa.string_view()), "string", ["a"]),
    (cells([b"a"], pa.large_binary()), "binary", [b"a"]),
    (cells([b"ab"], pa.binary(2)), "binary", [b"ab"]),
    (cells([dt.date(2020, 1, 1)], pa.date64()), "date", [dt.date(2020, 1, 1)]),
    (cells([NS + 1_000], pa.timestamp("ns")), "timestamp", [dt.datetime(2020, 1, 1, 0, 0, 0, 1)]),
    (cells([1], pa.timestamp("s", "Europe/Paris")), "instant", [dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]),
    (cells([1], pa.time32("ms")), "time", [dt.time(0, 0, 0, 1000)]),
    (cells([2_000], pa.time64("ns")), "time", [dt.time(0, 0, 0, 2)]),
    (cells([5], pa.duration("us")), "int64", [5]),
    (cells([Decimal("1.10")], pa.decimal128(5, 2)), "decimal(5,2)", [Decimal("1.10")]),
    (cells([Decimal("1.10")], pa.decimal256(60, 2)), "decimal(38,2)", [Decimal("1.10")]),
    (pa.nulls(2), "string", [None, None]),
    (cells([[1, None], None, []], pa.list_(pa.int64())), "string", ["[1,null]", None, "[]"]),
    (cells([[1, 2]], pa.list_(pa.int8(), 2)), "string", ["[1,2]"]),
    (cells([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8())), "string", ['{"k":1,"k":2}']),
    (
        cells(
            [{"d": Decimal("1.20"), "t": dt.datetime(2020, 1, 1), "b": b"\1"}, None],
            pa.struct([("d", pa.decimal128(4, 2)), ("t", pa.timestamp("s")), ("b", pa.binary())]),
        ),
        "string",
        ['{"d":1.20,"t":"2020-01-01T00:00:00","b":"\\\\x01"}', None],
    ),
]


@pytest.mark.parametrize(("array", "type_name", "expected"), CELLS, ids=lambda value: str(getattr(value, "type", value))[:40])
def test_a_column_keeps_its_values_and_gets_its_type(tmp_path: Path, array: pa.Array, type_name: str, expected: list[Any]) -> None:
    table = pa.table({"a": array})
    for data, chosen in ((arrow(table, stream=True), Arrow()), (arrow(table, stream=False), Arrow())):
        found = read(chosen, stored(tmp_path, data))
        assert (found.types("t"), [row["a"] for row in found.rows["t"]]) == ({"a": type_name}, expected)
    if not pa.types.is_string_view(array.type):
        found = read(Parquet(), stored(tmp_path, parquet(table)))
        assert (found.types("t"), [row["a"] for row in found.rows["t"]]) == ({"a": type_name}, expected)


def test_what_a_column_cannot_hold_is_null_and_kept(tmp_path: Path) -> None:
    table = pa.table(
        {
            "ns": cells([NS, NS + 1], pa.timestamp("ns")),
            "day": cells([0, 3_000_000], pa.date32()),
            "t": cells([0, 1], pa.time64("ns")),
            "d": cells([Decimal(1), Decimal(10**50)], pa.decimal256(60, 0)),
            "i": cells([0, 300_000_000_000], pa.timestamp("s", "UTC")),
        }
    )
    found = read(Parquet(), stored(tmp_path, parquet(table)))
    first, second = found.rows["t"]
    assert first == {
        "ns": dt.datetime(2020, 1, 1),
        "day": dt.date(1970, 1, 1),
        "t": dt.time(0),
        "d": Decimal(1),
        "i": dt.datetime(1970, 1, 1, tzinfo=UTC),
    }
    assert set(second.values()) == {None}
    raw = found.raw["t"][1]
    assert raw is not None
    for text in ("2020-01-01T00:00:00.000000001", "10183-09-21", "00:00:00.000000001", "1" + "0" * 50, "11476-08-15"):
        assert text in raw


def test_text_that_is_no_utf8_is_kept_as_bytes() -> None:
    wrong = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")])
    assert converted(wrong).to_pylist() == [b"a", b"\xff"]
    assert target_type(wrong.type) == pa.string()


def test_names_that_occur_twice_and_a_table_without_rows(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    found = read(Arrow(), stored(tmp_path, arrow(table, stream=False)))
    assert found.rows["t"] == [{"a": 1, "a_2": 2}]
    assert found.codes() == ["header-renamed"]
    found = read(Parquet(), stored(tmp_path, parquet(pa.table({"a": pa.array([], pa.int64())}))))
    assert (found.rows["t"], found.completeness) == ([], "complete")


def test_the_formats_are_known_by_their_bytes(tmp_path: Path) -> None:
    table = pa.table({"a": [1]})
    for data, name in ((parquet(table), "parquet"), (arrow(table, stream=True), "arrow"), (arrow(table, stream=False), "arrow")):
        dump = open_dump(stored(tmp_path, data), APP)
        assert choose(dump, APP)[0].name == name


def test_a_stream_without_its_end_mark_is_unknown(tmp_path: Path) -> None:
    data = arrow(pa.table({"a": [1, 2, 3, 4]}), stream=True)
    assert read(Arrow(), stored(tmp_path, data)).completeness == "complete"
    assert read(Arrow(), stored(tmp_path, data[:-8])).completeness == "unknown"
    assert read(Arrow(), stored(tmp_path, data[:-20])).completeness == "partial"


KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "i": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "f": (pa.float64(), st.floats(allow_nan=False)),
    "s": (pa.string(), st.text(st.characters(codec="utf-8"))),
    "x": (pa.binary(), st.binary()),
    "b": (pa.bool_(), st.booleans()),
    "d": (pa.date32(), st.dates()),
    "t": (pa.timestamp("us"), st.datetimes()),
    "c": (pa.decimal128(20, 3), st.integers(-(10**20) + 1, 10**20 - 1).map(lambda n: Decimal(n).scaleb(-3, Context(prec=30)))),
}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({name: st.none() | kind for name, (_, kind) in KINDS.items()}), min_size=1, max_size=8))
def test_any_table_comes_back_as_it_was(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=pa.schema([(name, kind) for name, (kind, _) in KINDS.items()]))
    for data, chosen in ((parquet(table, row_group_size=3), Parquet()), (arrow(table, stream=True), Arrow())):
        found = read(chosen, stored(tmp_path, data))
        assert found.rows["t"] == rows
        assert found.completeness == "complete"


SAMPLE = pa.table({"id": list(range(200)), "s": [f"text {n}" for n in range(200)], "l": [[n, None] for n in range(200)]})


def test_a_cut_parquet_file_is_refused(tmp_path: Path) -> None:
    data = parquet(SAMPLE)
    for cut in range(4, len(data), max(1, len(data) // 80)):
        with pytest.raises(UnreadableDump, match="t\\.bin"):
            read(Parquet(), stored(tmp_path, data[:cut]))


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_flipped_bits_never_crash_nor_eat_memory(tmp_path: Path, kind: str) -> None:
    """In a process of its own: a crash in C++ would take the tests with it, and its memory can be bounded."""
    data = parquet(SAMPLE, compression="snappy") if kind == "parquet" else arrow(SAMPLE, stream=kind == "stream")
    stored(tmp_path, data)
    code = f"""
import random, resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from reading import read
from platform_assets.errors import UnreadableDump
from platform_assets.formats.columnar.reader import Arrow, Parquet
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
path, picked = Path({str(tmp_path / "t.bin")!r}), random.Random(7)
data = path.read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(250):
    flipped = bytearray(data)
    flipped[picked.randrange(8, len(data))] ^= 1 << picked.randrange(8)
    path.write_bytes(flipped)
    try:
        read({"Parquet" if kind == "parquet" else "Arrow"}(), path)
    except UnreadableDump:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 300_000


def test_the_copy_leaves_nothing_behind_however_reading_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    member = Member("t", 4, lambda: io.BytesIO(b"data"))
    with spooled(member) as copy:
        assert copy.path.read_bytes() == b"data"
        assert (copy.size, copy.error) == (4, None)
    with pytest.raises(RuntimeError), spooled(member):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    assert Dump("d", (member,)).members == (member,)
