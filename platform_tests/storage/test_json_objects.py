"""A JSON document as Python objects and back: nothing is lost on the way."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from stored_cases import edge_table, exact_rows, out_of_calendar, tables

from platform_assets.dictionary.model import Table
from platform_assets.errors import StoredFileError
from platform_assets.storage.rows.json_form import from_json, to_json
from platform_assets.storage.rows.json_objects import JsonTable, arrow, load, objects, save


def written(path: Path, table: Table, batch: pa.RecordBatch) -> bytes:
    stream = io.BytesIO()
    to_json(table, [batch], stream, kind="latest", head={"source": "s", "versions": ["v"]})
    path.write_bytes(stream.getvalue())
    return stream.getvalue()


@pytest.mark.parametrize("case", [edge_table(), out_of_calendar()])
def test_a_document_is_the_same_byte_for_byte_after_python(tmp_path, case):
    data = written(tmp_path / "a.json", *case)
    save(tmp_path / "b.json", load(tmp_path / "a.json"))
    assert (tmp_path / "b.json").read_bytes() == data


@settings(max_examples=60, deadline=None)
@given(case=tables())
def test_any_rows_come_back_from_python_objects(case):
    _, batch = case
    assert exact_rows([arrow(list(objects(batch)), batch.schema)]) == exact_rows([batch])


def test_rows_made_in_python_become_a_document(tmp_path):
    table, batch = edge_table()
    rows = [{"c1": 7}, {}]
    save(tmp_path / "a.json", JsonTable(table, rows))
    with (tmp_path / "a.json").open("rb") as file:
        found = [row for one in from_json(file).batches() for row in one.to_pylist()]
    assert [row["c1"] for row in found] == [7, None]
    assert load(tmp_path / "a.json").rows[1] == dict.fromkeys(batch.schema.names)


def test_a_packed_document_is_read_as_it_is(tmp_path):
    with TemporaryDirectory() as folder:
        data = written(Path(folder) / "a.json", *edge_table())
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(data))
    assert load(tmp_path / "a.json.gz").head["source"] == "s"


@pytest.mark.parametrize("content", [b"", b"{", b'{"format_version":9,"rows":[', gzip.compress(b"{" * 99, mtime=0)[:-12]])
def test_what_is_no_whole_document_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(StoredFileError, match=r"a\.json"):
        load(tmp_path / "a.json")
    with pytest.raises(StoredFileError, match=r"none\.json"):
        load(tmp_path / "none.json")
