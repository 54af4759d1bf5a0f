"""The JSON form is strict JSON and loses nothing, both ways; whatever is not whole is refused."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from stored_cases import edge_table, exact_rows, out_of_calendar, table_of, tables, with_meta

from platform_assets.dictionary.model import Column, ForeignKey, Rule, Table
from platform_assets.dictionary.types import BINARY, DATE, FLOAT64, INSTANT, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.errors import StoredFileError
from platform_assets.storage.rows.json_form import (
    from_json,
    latest_to_json,
    snapshot_from_json,
    snapshot_to_json,
    to_json,
)
from platform_assets.storage.rows.latest_state import LatestWriter
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.snapshots import Snapshot, SnapshotWriter


def written(table: Table, batches: list[pa.RecordBatch], **options: Any) -> bytes:
    stream = io.BytesIO()
    to_json(table, batches, stream, **options)
    return stream.getvalue()


def strict(data: bytes) -> Any:
    """Parsed by the letter of the standard: no NaN, no Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(data, parse_constant=refuse)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a socket does."""

    def __init__(self, data: bytes, seed: int) -> None:
        self._data, self._chance = data, random.Random(seed)

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._chance.randint(1, 7)) if size > 0 else len(self._data)
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def test_every_type_with_its_edges_comes_back_bit_for_bit() -> None:
    table, batch = edge_table()
    data = written(table, [batch])
    document = from_json(io.BytesIO(data))
    assert document.table == table
    assert exact_rows(list(document.batches())) == exact_rows([batch])
    document.end()
    assert len(strict(data)["rows"]) == batch.num_rows


@settings(max_examples=60, deadline=None)
@given(case=tables())
def test_any_table_comes_back_from_strict_json(case: tuple[Table, pa.RecordBatch]) -> None:
    table, batch = case
    data = written(table, [batch])
    document = from_json(io.BytesIO(data))
    assert exact_rows(list(document.batches())) == exact_rows([batch])
    assert strict(data)["columns"] == list(table.column_names)


def test_moments_outside_the_calendar_come_back_as_the_same_numbers() -> None:
    table, batch = out_of_calendar()
    data = written(table, [batch])
    assert exact_rows(list(from_json(io.BytesIO(data)).batches())) == exact_rows([batch])


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        (INT64, 2**53, 2**53),
        (INT64, 2**53 + 1, "9007199254740993"),
        (decimal(38, 38), "1E-38", "0." + "0" * 37 + "1"),
        (decimal(15, 3), "-1.5", "-1.500"),
        (FLOAT64, float("nan"), "NaN"),
        (FLOAT64, float("-inf"), "-Infinity"),
        (BINARY, b"\0\xff", "AP8="),
        (DATE, "0009-01-02", "0009-01-02"),
        (TIMESTAMP, "2008-07-25 10:27:34", "2008-07-25T10:27:34.000000"),
        (INSTANT, "2021-11-07T02:48:42Z", "2021-11-07T02:48:42.000000Z"),
        (TIME, dt.time(23, 59, 59, 1), "23:59:59.000001"),
        (STRING, "NaN", "NaN"),
        (STRING, None, None),
    ],
)
def test_a_cell_is_json_where_json_is_exact_else_text(kind: pa.DataType, value: Any, cell: Any) -> None:
    column = pa.array([value]).cast(kind) if isinstance(value, str) else pa.array([value], kind)
    table = table_of([("c", kind)])
    data = written(table, [pa.RecordBatch.from_arrays([column], schema=table.arrow_schema())])
    assert strict(data)["rows"] == [[cell]]


def test_the_schema_comes_back_with_keys_references_and_rules() -> None:
    table = Table(
        "orders",
        (Column("id", INT64, "int(11)", True, "Number of the order", ("%d.%m.%Y",)),),
        key=("id",),
        unique=(("id",),),
        foreign_keys=(ForeignKey(("id",), "others", ("id",)),),
        rules=(Rule("minimum:id", "minimum", ("id",), 1, "warning"),),
        row_version="id",
        description="Orders",
    )
    assert from_json(io.BytesIO(written(table, []))).table == table


def test_a_document_that_comes_in_crumbs_or_printed_prettily_is_the_same() -> None:
    table, batch = edge_table()
    small = batch.filter(pa.array([number != 9 for number in range(batch.num_rows)]))
    data = written(table, [small], lists={"more": [1, {"a": None}]})
    pretty = json.dumps(strict(data), indent=3).encode("utf-8")
    for stream in (Trickle(data, 1), Trickle(data, 2), io.BytesIO(pretty)):
        document = from_json(stream)  # type: ignore[arg-type]
        assert exact_rows(list(document.batches())) == exact_rows([small])
        assert list(document.items("more")) == [1, {"a": None}]
        document.end()


def test_rows_are_streamed_both_ways() -> None:
    table = table_of([("n", INT64)])
    taken: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(200):
            taken.append(number)
            yield pa.RecordBatch.from_arrays([pa.array(range(1_000), INT64)], schema=table.arrow_schema())

    class Sink(io.BytesIO):
        longest = 0

        def write(self, data: Any) -> int:
            self.longest = max(self.longest, len(data))
            return super().write(data)

    sink = Sink()
    assert to_json(table, batches(), sink) == 200_000
    assert sink.longest < 20_000
    sink.seek(0)
    sizes = [batch.num_rows for batch in from_json(sink).batches()]
    assert (sum(sizes), max(sizes)) == (200_000, 8_192)


def test_other_columns_than_the_tables_are_refused_on_writing() -> None:
    with pytest.raises(ValueError, match="takes the columns"):
        written(table_of([("n", INT64)]), [pa.record_batch({"n": ["x"]})])


GOOD = written(table_of([("n", INT64), ("f", FLOAT64)]), [pa.record_batch({"n": [1, 2], "f": [0.5, None]})])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"format_version":1', b'"format_version":2', "format_version 2; this program reads 1"),
        (b'"row_count":2', b'"row_count":3', "it holds 2 rows, but says 3"),
        (b",\n[2,null]", b"", "it holds 1 rows, but says 2"),
        (b"[2,null]", b"[2]", "row 2 is not a list of 2 cells"),
        (b"[2,null]", b'{"n":2}', "row 2 is not a list of 2 cells"),
        (b"[2,null]", b'["two",null]', "rows 1 to 2 is not of its type"),
        (b"[2,null]", b'[2,"inf"]', "rows 1 to 2 is not of its type"),
        (b"[2,null]", b"[2,NaN]", "NaN is no JSON value"),
        (b'"columns":["n","f"]', b'"columns":["f","n"]', "columns are not those of its table"),
        (b'"kind":"rows",', b"", "'kind' is missing"),
        (b'"int64"', b'"int65"', "'int65' is missing or not as it should be"),
        (b"[2,null]", b"[2,\xff]", "not UTF-8"),
        (b"\n}\n", b"\n}\n{}", "something stands after its end"),
    ],
)
def test_a_document_that_is_not_as_it_should_be_is_refused_with_the_reason(old: bytes, new: bytes, reason: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(StoredFileError, match=reason):
        read_whole(io.BytesIO(GOOD.replace(old, new)))


def read_whole(stream: io.BytesIO) -> None:
    document = from_json(stream)
    for _ in document.batches():
        pass
    document.end()


def test_a_document_cut_at_any_byte_is_refused() -> None:
    for end in range(len(GOOD.rstrip())):
        with pytest.raises(StoredFileError):
            read_whole(io.BytesIO(GOOD[:end]))
    read_whole(io.BytesIO(GOOD))


@pytest.mark.parametrize("text", ["", "[]", "null", "x", '{"a":1}', '{"format_version":1,"rows":[]}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(StoredFileError):
        from_json(io.BytesIO(text.encode()))


def snapshot(folder: Path, case: tuple[Table, pa.RecordBatch]) -> Snapshot:
    table, batch = case
    new = SnapshotWriter(folder, source="s", version="s.v.12345678", instance="eu", table_name=table.name)
    new.add(with_meta(batch))
    new.reject(RejectRecord(1, "a.csv", 2, 77, "é\0", '[{"rule":"required:n"}]'))
    new.reject(RejectRecord(None, "a.csv", None, None, "", "[]", recovered=True))
    return new.finish(
        table,
        rejected_rows=np.arange(1, batch.num_rows, 2),
        member="a.csv",
        unreadable=1,
        recovered=1,
        raw_counts={"n": 3},
        rule_counts={"required:n": (9, 4)},
        dictionary_version="2.1",
        facts={"tool": "x", "nested": {"list": [1, None, "é"]}},
    ).commit()


@settings(max_examples=25, deadline=None)
@given(case=tables())
def test_snapshot_to_json_to_snapshot_loses_nothing(case: tuple[Table, pa.RecordBatch], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Equal manifests: the same facts and counts, and files with the same bytes."""
    folder = tmp_path_factory.mktemp("json")
    first = snapshot(folder / "first", case)
    stream = io.BytesIO()
    assert snapshot_to_json(first, stream) == first.rows
    strict(stream.getvalue())
    stream.seek(0)
    second = snapshot_from_json(stream, folder / "second").commit()
    second.verify()
    assert second.to_json() == first.to_json()
    assert list(second.rejects()) == list(first.rejects())


def test_a_latest_state_to_json_and_back_loses_nothing(tmp_path: Path) -> None:
    first = snapshot(tmp_path / "snapshots" / "v" / "t", edge_table())
    writer = LatestWriter(tmp_path / "latest" / "t", source="s")
    writer.choose(first, None)
    state = writer.finish(first.table, facts={"load_id": 3}).commit()
    stream = io.BytesIO()
    assert latest_to_json(state, stream) == state.rows
    stream.seek(0)
    document = from_json(stream)
    assert (document.kind, document.head) == ("latest", {"source": "s", "versions": [first.version], "facts": {"load_id": 3}})
    assert document.table == state.table
    assert pa.Table.from_batches(document.batches()).to_pydict().keys() == pa.Table.from_batches(state.batches()).to_pydict().keys()
    stream.seek(0)
    back, stored = (pa.Table.from_batches(batches).combine_chunks() for batches in (from_json(stream).batches(), state.batches()))
    assert repr(back.to_pylist()) == repr(stored.to_pylist())


def test_a_cut_snapshot_document_leaves_nothing_behind(tmp_path: Path) -> None:
    first = snapshot(tmp_path / "first", edge_table())
    stream = io.BytesIO()
    snapshot_to_json(first, stream)
    for end in (len(stream.getvalue()) // 2, len(stream.getvalue()) - 3):
        with pytest.raises(StoredFileError):
            snapshot_from_json(io.BytesIO(stream.getvalue()[:end]), tmp_path / "second")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_snapshot_document_is_no_latest_state(tmp_path: Path) -> None:
    stream = io.BytesIO()
    snapshot_to_json(snapshot(tmp_path / "first", edge_table()), stream)
    stream.seek(0)
    assert from_json(stream).kind == "snapshot"
