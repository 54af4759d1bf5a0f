"""Every form of export is read back by our own readers to equal rows, whatever the types; PostgreSQL loads the script."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from stored_cases import HOSTILE_NAMES, edge_table, exact, exact_rows, out_of_calendar, table_of, tables

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.dictionary.types import BINARY, FLOAT64, INT64, STRING, TIME
from platform_assets.errors import PlatformError
from platform_assets.formats.base import Rows
from platform_assets.formats.cast import cast_batch
from platform_assets.operations.reading import opened
from platform_assets.storage.exports.cell_texts import cell_texts
from platform_assets.storage.exports.csv_form import write_csv
from platform_assets.storage.exports.forms import FORMS
from platform_assets.storage.exports.relation import Relation, Written
from platform_assets.storage.server.folder import pg_bin

TYPED = ("avro", "parquet", "sql")
TEXT = ("csv", "jsonl")


def relation(table: Table, batches: Sequence[pa.RecordBatch]) -> Relation:
    return Relation(table, lambda columns: (batch.select(list(columns)) for batch in batches))


def written(form: str, table: Table, batches: Sequence[pa.RecordBatch]) -> tuple[bytes, Written]:
    stream = io.BytesIO()
    (found,) = (one for one in FORMS if one.name == form)
    done = found.write(relation(table, batches), stream)
    return stream.getvalue(), done


def read_back(data: bytes, form: str, dictionary: dict[str, Table] | None = None, **options: object) -> tuple[Table, list[pa.RecordBatch]]:
    """What a dump with this one file gives."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{form}"
        path.write_bytes(data)
        source = replace(SourceSettings("s"), **options)
        tables_, batches = {}, []
        for event in opened(path, source, dictionary or {}).events():
            if isinstance(event, Rows):
                cast = cast_batch(event.batch, tables_["t"], true=("true",), false=("false",))
                assert cast.raw.null_count == len(cast.raw), cast.raw
                batches.append(cast.batch)
            elif hasattr(event, "table") and isinstance(event.table, Table):
                tables_[event.table.name] = event.table
        return tables_["t"], batches


def plain_names(table: Table, batch: pa.RecordBatch) -> tuple[Table, pa.RecordBatch]:
    names = [f"c{n}" for n in range(batch.num_columns)]
    return table_of(list(zip(names, batch.schema.types, strict=True))), batch.rename_columns(names)


def as_told(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    """Rows in which NaN is NaN, whatever its bits: a text has one word for all of them."""
    return [tuple("NaN" if value != value else exact(value) for value in row.values()) for row in batch.to_pylist()]


def all_rows(batches: Sequence[pa.RecordBatch]) -> list[tuple[object, ...]]:
    return [row for batch in batches for row in as_told(batch)]


@pytest.mark.parametrize("form", ["avro", "parquet"])
@settings(max_examples=40, deadline=None)
@given(case=tables())
def test_a_columnar_form_comes_back_bit_for_bit_with_its_types(form, case):
    table, batch = plain_names(*case)
    data, done = written(form, table, [batch])
    found, batches = read_back(data, form)
    assert (done.rows, done.notices) == (batch.num_rows, ())
    assert [column.type for column in found.columns] == batch.schema.types
    assert exact_rows(batches) == exact_rows([batch])


@pytest.mark.parametrize("form", TEXT)
@settings(max_examples=40, deadline=None)
@given(case=tables(max_rows=8))
def test_a_text_form_comes_back_under_a_dictionary_with_its_types(form, case):
    table, batch = plain_names(*case)
    data, done = written(form, table, [batch, batch])
    table, batch = bytes_as_texts(batch)
    if batch.num_rows:
        delimited = DelimitedOptions(true=("true",), false=("false",), null=("\\N",) if done.notices else ("",))
        _, batches = read_back(data, form, {"t": table}, format="delimited" if form == "csv" else "json-lines", delimited=delimited)
        assert all_rows(batches) == as_told(batch) * 2


def bytes_as_texts(batch: pa.RecordBatch) -> tuple[Table, pa.RecordBatch]:
    """A text form has no type for bytes: they are texts of hexadecimal digits in it."""
    arrays = [cell_texts(column) if column.type == BINARY else column for column in batch.columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
    return table_of(list(zip(batch.schema.names, batch.schema.types, strict=True))), batch


@settings(max_examples=40, deadline=None)
@given(case=tables(max_rows=8))
def test_a_script_comes_back_with_its_types_and_its_key(case):
    table, batch = plain_names(*case)
    batch = without_nul(batch)
    data, done = written("sql", replace(table, key=("c0",)), [batch])
    found, batches = read_back(data, "sql")
    assert [column.type for column in found.columns] == batch.schema.types
    assert found.key == (() if batch.column(0).null_count else ("c0",))
    assert bool(done.notices) == bool(batch.column(0).null_count)
    assert all_rows(batches) == as_told(batch)


def without_nul(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        pa.array([value and value.replace("\0", "") for value in column.to_pylist()], STRING) if column.type == STRING else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def test_postgresql_loads_the_script_and_gives_the_same_texts(database: str, tmp_path: Path):
    table, batch = edge_table()
    batch = without_nul(batch)
    path = tmp_path / "t.sql"
    path.write_bytes(written("sql", table, [batch])[0])
    done = subprocess.run(
        [pg_bin() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(database) as connection:
        connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET extra_float_digits = 1")
        for place, column in enumerate(batch.columns):
            if column.type != FLOAT64:  # its digits are the same, their exponents are written otherwise
                rows = connection.execute(f"SELECT c{place}::text FROM t").fetchall()
                expected = cell_texts(column).to_pylist()
                assert [text for (text,) in rows] == expected
            else:
                numbers = connection.execute(f"SELECT c{place} FROM t").fetchall()
                assert [repr(number) for (number,) in numbers] == [repr(number) for number in column.to_pylist()]


def test_any_names_make_a_script_that_postgresql_loads(database: str, tmp_path: Path):
    names = [name for name in HOSTILE_NAMES if name]
    table = table_of([(name, INT64) for name in names], name='we"ird;\n\\t')
    batch = pa.RecordBatch.from_arrays([pa.array([n]) for n in range(len(names))], schema=table.arrow_schema())
    path = tmp_path / "t.sql"
    path.write_bytes(written("sql", table, [batch])[0])
    command = [pg_bin() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", path]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def test_what_postgresql_cannot_hold_is_null_in_the_script_and_told():
    table, batch = out_of_calendar()
    data, done = written("sql", table, [batch])
    assert "cannot hold" in done.notices[0]
    _, batches = read_back(data, "sql")
    assert {value for row in all_rows(batches) for value in row if value is not None} == set()


def test_a_text_in_csv_is_told_from_null_and_is_never_altered():
    table = table_of([("a", STRING), ("b", INT64), ("d", BINARY), ("e", TIME)])
    columns = [["", None, "=1+1"], [None, 2**63 - 1, -1], [b"", None, b"\xff"], [None, 0, 1]]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, table.arrow_schema(), strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=table.arrow_schema())
    data, _ = written("csv", table, [batch])
    assert data.decode().splitlines() == [
        '"a","b","d","e"',
        '"",,\\x,',
        ",9223372036854775807,,00:00:00",
        '"=1+1",-1,\\xff,00:00:00.000001',
    ]
    stream = io.BytesIO()
    write_csv(relation(table, [batch]), stream, null="\\N")
    assert stream.getvalue().splitlines()[1] == b'"",\\N,\\x,\\N'


def test_key_and_value_need_a_key():
    table, batch = edge_table()
    with pytest.raises(PlatformError, match="has no key"):
        written("kv", table, [batch])


@pytest.mark.parametrize("form", [form.name for form in FORMS if form.name != "kv"])
def test_a_table_without_rows_leaves_as_such(form):
    table = table_of([("a", INT64), ("b", STRING)])
    data, done = written(form, table, [])
    assert done.rows == 0
    if form in TYPED:
        found, batches = read_back(data, form)
        assert [column.type for column in found.columns] == [INT64, STRING]
        assert batches == []
