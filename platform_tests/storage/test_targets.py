"""Tables in other people's databases: what goes in comes back, keys are made, nothing is named before it was compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mssql

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
    decimal,
)
from platform_assets.errors import Conflict, DatabaseUnavailable
from platform_assets.storage.rows.row_hash import hash_of
from platform_assets.storage.targets.database import TargetDatabase, TargetTable, open_target
from platform_assets.storage.targets.types import held

COLUMNS = (
    *(("id", INT64), ("a%b", STRING), ('q"u`o]te', BINARY), ("select", BOOLEAN), ("Größe", FLOAT64), ("n", INT32)),
    *(("d", DATE), ("t", TIMESTAMP), ("i", INSTANT), ("c", TIME), ("m", decimal(38, 10)), ("tiny", decimal(20, 20))),
)
TABLE = TargetTable("all % types", COLUMNS, ("id",), (("a%b",),), {"a%b": 40})
NO_SURROGATES = st.characters(codec="utf-8", exclude_characters="\0")
SMALL = Decimal("0.99")
CELLS = {
    "id": st.integers(-(2**63), 2**63 - 1),
    "a%b": st.none() | st.text(NO_SURROGATES, max_size=40),
    'q"u`o]te': st.none() | st.binary(max_size=40),
    "select": st.none() | st.booleans(),
    "Größe": st.none() | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map(lambda value: value + 0.0),
    "n": st.none() | st.integers(-(2**31), 2**31 - 1),
    "d": st.none() | st.dates(date(1000, 1, 1)),
    "t": st.none() | st.datetimes(datetime(1000, 1, 1)),
    "i": st.none() | st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)),
    "c": st.none() | st.times(),
    "m": st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**20), max_value=10**20),
    "tiny": st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-SMALL, max_value=SMALL),
}
ROW = st.fixed_dictionaries(CELLS)
PLAIN = {"id": 1, "a%b": "x", "t": datetime(2024, 1, 1), "c": time(23, 59, 59, 999_999)}


def batch(*rows: dict, schema: pa.Schema = TABLE.schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{**dict.fromkeys(schema.names), **row} for row in rows], schema=schema)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def target(request, tmp_path) -> Iterator[TargetDatabase]:
    """A database of each kind, empty."""
    if request.param == "sqlite":
        with open_target(f"sqlite:///{tmp_path / 'there.db'}") as opened:
            yield opened
    elif request.param == "postgresql":
        with open_target(request.getfixturevalue("database")) as opened:
            yield opened
    else:
        server = request.getfixturevalue("mariadb")
        with server.database("there") as name, open_target(f"mariadb://root@/{name}?unix_socket={server.socket}") as opened:
            yield opened


def there(target: TargetDatabase, name: str, table: TargetTable = TABLE) -> str:
    return hash_of(target.read(table, name))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=6, unique_by=lambda row: row["id"]))
def test_what_goes_in_comes_back(target, rows):
    sent = batch(*rows)
    assert target.fill(TABLE, [sent]) == len(rows)
    assert there(target, TABLE.staged) == hash_of([sent] if rows else [])


def test_a_table_gets_its_keys_and_its_name_and_replaces_another(target):
    assert target.columns_of(TABLE.name) is None
    for rows in ([PLAIN], [PLAIN, {"id": 2, "a%b": "X"}, {"id": 3, "a%b": "x "}]):
        target.fill(TABLE, [batch(*rows)])
        assert target.add_keys(TABLE) == ()
        target.rename(TABLE)
        assert target.columns_of(TABLE.name) == tuple(TABLE.schema.names)
        assert target.columns_of(TABLE.staged) is None
        assert there(target, TABLE.name) == hash_of([batch(*rows)])
    with target._connection.begin():
        found = sa.inspect(target._connection)
        assert found.get_pk_constraint(TABLE.name)["constrained_columns"] == ["id"]
        assert [index["column_names"] for index in found.get_indexes(TABLE.name) if index["unique"]] == [["a%b"]]


def test_what_an_earlier_try_left_is_replaced(target):
    target.fill(TABLE, [batch(PLAIN)])
    target.fill(TABLE, [batch({"id": 7})])
    assert there(target, TABLE.staged) == hash_of([batch({"id": 7})])


def test_a_unique_index_that_the_rows_break_is_told_and_the_table_stands(target):
    target.fill(TABLE, [batch(PLAIN, PLAIN | {"id": 2})])
    (told,) = target.add_keys(TABLE)
    assert told.startswith("unique index on a%b: ")
    target.rename(TABLE)
    assert there(target, TABLE.name) == hash_of([batch(PLAIN, PLAIN | {"id": 2})])


def test_keys_of_text_and_bytes_are_made_where_they_fit(target):
    table = TargetTable(
        "k", (("name", STRING), ("raw", BINARY), ("long", STRING)), ("name", "raw"), (("long",),), {"name": 3, "raw": 2, "long": 900}
    )
    rows = [{"name": "abc", "raw": b"\0\1", "long": "x" * 900}, {"name": "ABC", "raw": b"\0\1", "long": "y"}]
    target.fill(table, [batch(*rows, schema=table.schema)])
    assert len(target.add_keys(table)) == (target.dialect == "mysql"), "900 characters are too many for an index of InnoDB"
    assert there(target, table.staged, table) == hash_of([batch(*rows, schema=table.schema)])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_a_database_cannot_hold_is_refused_by_name(tmp_path, value):
    with open_target(f"sqlite:///{tmp_path / 'there.db'}") as target, pytest.raises(Conflict, match="'Größe' has a value that sqlite"):
        target.fill(TABLE, [batch(PLAIN | {"Größe": value})])


def test_many_rows_come_in_several_statements(target):
    table = TargetTable("many", (("id", INT64), ("name", STRING)), ("id",))
    sent = pa.RecordBatch.from_arrays([pa.array(range(25_000), INT64), pa.array([f"é{n}" for n in range(25_000)])], schema=table.schema)
    assert target.fill(table, [sent, sent.slice(0, 0)]) == 25_000
    assert there(target, table.staged, table) == hash_of([sent])


def test_what_is_held_otherwise_is_said():
    notes = {
        (dialect, kind): held(dialect, kind).note
        for dialect in ("postgresql", "mysql", "sqlite", "mssql")
        for kind in (INSTANT, decimal(38, 10), decimal(38, 35), STRING)
    }
    assert {key for key, note in notes.items() if note} == {
        *(("mysql", INSTANT), ("sqlite", INSTANT), ("mssql", INSTANT), ("mysql", decimal(38, 35))),
        *(("sqlite", decimal(38, 10)), ("sqlite", decimal(38, 35))),
    }


def test_the_types_of_sql_server_are_those_of_its_ddl():
    types = {name: held("mssql", kind, longest=20 if name == "a%b" else None).type.compile(mssql.dialect()) for name, kind in COLUMNS}
    assert types == {
        "id": "BIGINT",
        "a%b": "NVARCHAR(20) COLLATE Latin1_General_100_BIN2",
        'q"u`o]te': "VARBINARY(max)",
        "select": "BIT",
        "Größe": "DOUBLE PRECISION",
        "n": "INTEGER",
        "d": "DATE",
        "t": "DATETIME2(6)",
        "i": "DATETIME2(6)",
        "c": "TIME(6)",
        "m": "NUMERIC(38, 10)",
        "tiny": "NUMERIC(20, 20)",
    }


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("not a url", Conflict, "no URL"),
        ("oracle://u:geheim@h/d", Conflict, "can be copied into"),
        ("mysql://u:geheim@127.0.0.1:1/d", DatabaseUnavailable, "127.0.0.1"),
        ("postgresql://u:geheim@127.0.0.1:1/d", DatabaseUnavailable, "127.0.0.1"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url, error, words):
    with pytest.raises(error, match=words) as raised, open_target(url):
        pass
    assert "geheim" not in str(raised.value)


def test_a_password_can_come_from_elsewhere(mariadb):
    mariadb.client(text="CREATE USER 'pw'@'localhost' IDENTIFIED BY 'ge:h@im';")
    url = f"mysql://pw@/information_schema?unix_socket={mariadb.socket}"
    with open_target(url, password="ge:h@im") as target:
        assert "im" not in target.shown.partition("unix_socket")[0].partition("@")[0]
    with pytest.raises(DatabaseUnavailable, match="Access denied"), open_target(url):
        pass


def test_a_foreign_table_with_other_types_is_not_taken_for_a_copy(tmp_path):
    with sqlite3.connect(tmp_path / "there.db") as database:
        database.execute("CREATE TABLE k (id TEXT)")
        database.execute("INSERT INTO k VALUES ('no number')")
    with open_target(f"sqlite:///{tmp_path / 'there.db'}") as target, pytest.raises(Conflict, match="values of other types"):
        list(target.read(TargetTable("k", (("id", INT64),)), "k"))
