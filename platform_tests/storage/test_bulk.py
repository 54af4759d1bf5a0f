"""Rows to the server and back: exact for every type, and nothing that the server cannot hold is lost."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_database import cleared_connection, temporary_database

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP
from platform_assets.dictionary.types import decimal as number
from platform_assets.errors import Conflict, PlatformError
from platform_assets.storage.server.embedded import ServerAddress
from platform_assets.storage.warehouse.bulk import COPY_ROWS, copy_rows, held, read_rows
from platform_assets.storage.warehouse.names import pg_type, qualified, quoted

UTC = dt.timezone.utc  # noqa: UP017 - a value here, not an idiom
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ["", "NULL", "\\N", "\\.", '"', "a,b\nc\r\n", "x" * 3000, "é😀", "  "]
)
DECIMALS = {(1, 0), (4, 4), (5, 1), (15, 3), (16, 2), (17, 9), (18, 0), (18, 2), (18, 16), (19, 0), (38, 0), (38, 3), (38, 37), (38, 38)}


def decimals(precision: int, scale: int) -> st.SearchStrategy[decimal.Decimal]:
    top = 10**precision - 1
    numbers = st.integers(-top, top) | st.sampled_from([0, top, -top, 1, -1, 10 ** (precision - 1)])
    return numbers.map(lambda n: decimal.Decimal(n).scaleb(-scale, decimal.Context(prec=76)))


CELLS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    INT32: st.integers(-(2**31), 2**31 - 1),
    INT64: st.integers(-(2**63), 2**63 - 1),
    FLOAT64: st.floats(),
    STRING: TEXT,
    BINARY: st.binary(max_size=12),
    DATE: st.dates(),
    TIMESTAMP: st.datetimes(),
    INSTANT: st.datetimes(timezones=st.just(UTC)),
    TIME: st.times(),
    **{number(p, s): decimals(p, s) for p, s in sorted(DECIMALS)},
}


@st.composite
def batches(draw: st.DrawFn) -> list[pa.RecordBatch]:
    types = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=6))
    schema = pa.schema([(f"c{i}", kind) for i, kind in enumerate(types)])
    made = []
    for _ in range(draw(st.integers(1, 2))):
        rows = draw(st.integers(0, 8))
        gaps = draw(st.booleans())
        columns = []
        for kind in types:
            cells = st.none() | CELLS[kind] if gaps else CELLS[kind]
            columns.append(pa.array(draw(st.lists(cells, min_size=rows, max_size=rows)), kind))
        whole = pa.RecordBatch.from_arrays(columns, schema=schema)
        made.append(whole.slice(draw(st.integers(0, rows))) if draw(st.booleans()) else whole)
    return made


@pytest.fixture(scope="module")
def shared(server: ServerAddress) -> Iterator[str]:
    with temporary_database(server) as url:
        yield url


@pytest.fixture
def connection(shared: str) -> Iterator[psycopg.Connection[Any]]:
    with cleared_connection(shared) as opened:
        yield opened


def create(connection: psycopg.Connection[Any], schema: pa.Schema, name: str = "t") -> list[tuple[str, pa.DataType]]:
    columns = [(field.name, field.type) for field in schema]
    body = ", ".join(f"{quoted(n)} {'json' if n == '_raw' else pg_type(t)}" for n, t in columns)
    connection.execute(f"DROP TABLE IF EXISTS {qualified('public', name)}; CREATE TABLE {qualified('public', name)} ({body})")  # type: ignore[call-overload]
    return columns


def plain(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    """Rows to compare: NaN equals itself and -0.0 is not 0.0."""

    def cell(value: Any) -> Any:
        if isinstance(value, float):
            return "nan" if math.isnan(value) else (value, math.copysign(1, value))
        return value

    return [tuple(cell(column[i].as_py()) for column in batch.columns) for i in range(len(batch))]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(given_batches=batches())
def test_what_is_copied_in_is_read_back_value_for_value(connection: psycopg.Connection[Any], given_batches: list[pa.RecordBatch]) -> None:
    columns = create(connection, given_batches[0].schema)
    rows = copy_rows(connection, ("public", "t"), columns, given_batches)
    expected = [row for batch in given_batches for row in plain(batch)]
    back = list(read_rows(connection, ("public", "t"), columns, batch_rows=3))
    connection.rollback()
    assert rows == len(expected)
    assert [row for batch in back for row in plain(batch)] == expected
    assert all(batch.schema == given_batches[0].schema for batch in back)


CASES = [
    (INT32, 42, "42"),
    (INT64, -(2**63), "-9223372036854775808"),
    (FLOAT64, 0.1, "0.1"),
    (FLOAT64, float("-inf"), "-Infinity"),
    (number(15, 3), decimal.Decimal("-20.000"), "-20.000"),
    (number(38, 0), decimal.Decimal(10**38 - 1), "9" * 38),
    (number(38, 0), decimal.Decimal(-(2**64)), "-18446744073709551616"),
    (number(38, 0), decimal.Decimal(-(2**63)), "-9223372036854775808"),
    (number(38, 38), decimal.Decimal(1).scaleb(-38), "0." + "0" * 37 + "1"),
    (number(9, 0), decimal.Decimal(100000000), "100000000"),
    (STRING, "it's", "it's"),
    (BINARY, b"\x00\xff", "\\x00ff"),
    (DATE, dt.date(1999, 12, 31), "1999-12-31"),
    (TIMESTAMP, dt.datetime(2008, 7, 25, 10, 27, 34), "2008-07-25 10:27:34"),
    (INSTANT, dt.datetime(2021, 11, 7, 2, 48, 42, tzinfo=UTC), "2021-11-07 02:48:42+00"),
    (TIME, dt.time(23, 59, 59, 999999), "23:59:59.999999"),
    (BOOLEAN, True, "true"),
]


@pytest.mark.parametrize(("kind", "value", "text"), CASES, ids=[f"{k}-{t[:12]}" for k, _, t in CASES])
def test_the_server_understands_each_type_as_it_was_meant(
    connection: psycopg.Connection[Any], kind: pa.DataType, value: Any, text: str
) -> None:
    """The round trip alone would not notice an encoding that is wrong both ways."""
    columns = create(connection, pa.schema([("a", kind), ("b", kind)]))
    copy_rows(connection, ("public", "t"), columns, [pa.record_batch({"a": pa.array([value], kind), "b": pa.array([None], kind)})])
    connection.execute("SET timezone = 'UTC'")
    assert connection.execute("SELECT a::text, b::text FROM t").fetchone() == (text, None)


def test_null_and_empty_text_stay_apart_in_a_table_of_one_column(connection: psycopg.Connection[Any]) -> None:
    batch = pa.record_batch({"a": pa.array(["", None, "NULL", "\\.", None, ""])})
    columns = create(connection, batch.schema)
    copy_rows(connection, ("public", "t"), columns, [batch])
    assert next(read_rows(connection, ("public", "t"), columns)).column(0).to_pylist() == ["", None, "NULL", "\\.", None, ""]


def test_a_cell_that_the_server_cannot_hold_is_null_and_kept_in_raw(connection: psycopg.Connection[Any]) -> None:
    late = 3_000_000
    batch = pa.record_batch(
        {
            "name": pa.array(["a\0b", "plain", None]),
            "day": pa.array([0, late, None], pa.int32()).cast(DATE),
            "_raw": pa.array(['{"price": "1e99"}', None, None], STRING),
        }
    )
    columns = create(connection, batch.schema)
    copy_rows(connection, ("public", "t"), columns, [batch], raw="_raw")
    rows = connection.execute("SELECT name, day, _raw::text FROM t").fetchall()
    assert rows[0][:2] == (None, dt.date(1970, 1, 1))
    assert json.loads(rows[0][2]) == {"price": "1e99", "name": "a\0b"}
    assert rows[1][:2] == ("plain", None)
    assert json.loads(rows[1][2]) == {"day": str(late)}
    assert rows[2] == (None, None, None)


def test_without_a_raw_column_such_a_cell_is_refused_by_name(connection: psycopg.Connection[Any]) -> None:
    batch = pa.record_batch({"name": pa.array(["fine", "a\0b"])})
    columns = create(connection, batch.schema)
    with pytest.raises(Conflict, match="'name'"):
        copy_rows(connection, ("public", "t"), columns, [batch])


@pytest.mark.parametrize("kind", [TIMESTAMP, INSTANT, DATE, TIME])
def test_the_first_and_last_moments_are_held_and_the_ones_beyond_are_not(kind: pa.DataType) -> None:
    stored = pa.int32() if kind == DATE else pa.int64()
    if kind == TIME:
        edges = [0, 86_400_000_000 - 1]
    else:
        epoch = dt.datetime(1970, 1, 1)
        span = [dt.datetime.min - epoch, dt.datetime.max - epoch]
        edges = [s.days if kind == DATE else (s.days * 86_400 + s.seconds) * 10**6 + s.microseconds for s in span]
    inside = pa.record_batch({"t": pa.array(edges, stored).cast(kind), "_raw": pa.nulls(2, STRING)})
    assert held(inside, 1) is inside
    outside = pa.array([edges[0] - 1, edges[1] + 1], stored)
    beyond = held(pa.RecordBatch.from_arrays([outside.view(kind), pa.nulls(2, STRING)], names=["t", "_raw"]), 1)
    assert beyond.column(0).null_count == 2
    assert [json.loads(text)["t"] for text in beyond.column(1).to_pylist()] == [str(edges[0] - 1), str(edges[1] + 1)]


def test_rows_come_in_the_order_asked_for_whatever_the_server_s_language(connection: psycopg.Connection[Any]) -> None:
    batch = pa.record_batch({"a": pa.array(["b", "B", None, "a", "ä", "Z"]), "n": pa.array([1, 2, 3, 4, 5, 6], INT64)})
    columns = create(connection, batch.schema)
    copy_rows(connection, ("public", "t"), columns, [batch])
    back = pa.Table.from_batches(
        read_rows(connection, ("public", "t"), columns, order=["a", "n"], fields=["first", "second"], batch_rows=2)
    )
    assert back.column("first").to_pylist() == ["B", "Z", "a", "b", "ä", None]


@pytest.mark.parametrize("locale", ["builtin LOCALE 'C.UTF-8'", "libc LOCALE 'C'", "libc LOCALE 'C.UTF-8'", "icu ICU_LOCALE 'de'"])
def test_text_is_sorted_by_its_bytes_in_a_database_of_any_language(locale: str, server: ServerAddress) -> None:
    name, texts = f"order_{uuid4().hex[:12]}", ["b", "B", "a", "ä", "Z", "\uffff", "\U0001f600", "a b", "a-b"]
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        try:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER {locale}")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.WrongObjectType) as error:
            pytest.skip(f"this server does not know {locale}: {error}")
        try:
            with psycopg.connect(server.url(name)) as connection:
                connection.execute("CREATE TABLE t (s text PRIMARY KEY)")
                copy_rows(connection, ("public", "t"), [("s", STRING)], [pa.record_batch({"s": pa.array(texts)})])
                back = pa.Table.from_batches(read_rows(connection, ("public", "t"), [("s", STRING)], order=["s"]))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert back.column("s").to_pylist() == sorted(texts, key=str.encode)


def test_a_year_that_no_calendar_type_holds_is_an_error_and_not_another_year(connection: psycopg.Connection[Any]) -> None:
    columns = create(connection, pa.schema([("t", TIMESTAMP)]))
    connection.execute("INSERT INTO t VALUES ('0044-03-15 12:00:00 BC')")
    with pytest.raises(PlatformError, match="'t'"):
        list(read_rows(connection, ("public", "t"), columns))


@pytest.mark.parametrize(("precision", "scale"), [(1, 0), (5, 1), (9, 9), (12, 2), (13, 5), (16, 2), (18, 0), (18, 8), (18, 17), (38, 12)])
def test_exact_numbers_come_back_wherever_their_zeros_stand(connection: psycopg.Connection[Any], precision: int, scale: int) -> None:
    """The server leaves out digits to the base 10,000 that are zero at either end, so a cell's form depends on its value."""
    tens = [sign * 10**power * digit for power in range(precision) for digit in (1, 2, 9) for sign in (1, -1)]
    sums = [a + b for a in tens[::5] for b in tens[::7] if abs(a + b) < 10**precision]
    kind = number(precision, scale)
    cells = [None if n is None else decimal.Decimal(n).scaleb(-scale, decimal.Context(prec=76)) for n in (None, 0, *tens, *sums, None)]
    batch = pa.record_batch({"n": pa.array(range(len(cells)), INT64), "d": pa.array(cells, kind)})
    columns = create(connection, batch.schema)
    copy_rows(connection, ("public", "t"), columns, [batch])
    back = pa.Table.from_batches(read_rows(connection, ("public", "t"), columns, order=["n"]))
    assert back.column("d").to_pylist() == cells


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1000", "-1234.5", "0.125", "1e-9", "1e40", "1e-300"])
@pytest.mark.parametrize("kind", [number(5, 2), number(38, 2)])
def test_a_number_that_the_type_cannot_hold_is_an_error_and_not_another_number(
    connection: psycopg.Connection[Any], kind: pa.DataType, text: str
) -> None:
    connection.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (d numeric)")
    connection.execute("INSERT INTO t VALUES (1.25), (NULL), (%s)", (text,))
    if kind.precision == 38 and text in ("1000", "-1234.5"):
        assert pa.Table.from_batches(read_rows(connection, ("public", "t"), [("d", kind)])).column("d")[2].as_py() == decimal.Decimal(text)
        return
    with pytest.raises(PlatformError, match="'d'"):
        list(read_rows(connection, ("public", "t"), [("d", kind)]))


def test_more_rows_than_one_block_arrive_complete_and_in_order(connection: psycopg.Connection[Any]) -> None:
    count = 2 * COPY_ROWS + 7
    batch = pa.record_batch({"n": pa.array(range(count), INT64), "s": pa.array([f"v{i}" if i % 5 else None for i in range(count)])})
    columns = create(connection, batch.schema)
    assert copy_rows(connection, ("public", "t"), columns, iter([batch, batch.slice(0, 0)])) == count
    back = pa.Table.from_batches(read_rows(connection, ("public", "t"), columns, order=["n"]))
    assert back.equals(pa.Table.from_batches([batch]))


def test_an_error_while_rows_are_made_ends_the_copy_and_leaves_no_thread(connection: psycopg.Connection[Any]) -> None:
    batch = pa.record_batch({"n": pa.array([1], INT64)})
    columns = create(connection, batch.schema)
    connection.commit()

    def broken() -> Iterator[pa.RecordBatch]:
        yield batch
        raise RuntimeError("the file ended")

    with pytest.raises(RuntimeError, match="the file ended"):
        copy_rows(connection, ("public", "t"), columns, broken())
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("copy")]


def test_a_reader_that_stops_early_leaves_a_working_connection(connection: psycopg.Connection[Any]) -> None:
    batch = pa.record_batch({"n": pa.array(range(5000), INT64)})
    columns = create(connection, batch.schema)
    copy_rows(connection, ("public", "t"), columns, [batch])
    connection.commit()
    rows = read_rows(connection, ("public", "t"), columns, batch_rows=10)
    assert len(next(rows)) == 10
    rows.close()  # type: ignore[attr-defined]
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (5000,)
