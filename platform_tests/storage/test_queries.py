"""What a user's query may do, and how its values come out."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from platform_assets.errors import DatabaseUnavailable, RefusedQuery
from platform_assets.storage.warehouse.queries import read_only, read_table
from platform_assets.storage.warehouse.reader import READER

REFUSED = {
    "insert": ("INSERT INTO precious VALUES (2)", "one query"),
    "update": ("UPDATE precious SET a = 2", "one query"),
    "delete in a with": ("WITH gone AS (DELETE FROM precious RETURNING a) SELECT * FROM gone", "WITH"),
    "two statements": ("SELECT 1; DROP TABLE precious", "multiple commands"),
    "an end of the transaction": ("COMMIT", "one query"),
    "select into": ("SELECT * INTO other FROM precious", "INTO"),
    "lock of rows": ("SELECT * FROM precious FOR UPDATE", "read-only"),
    "copy to a program": ("COPY (SELECT 1) TO PROGRAM 'true'", "one query"),
    "a file of the server": ("SELECT pg_read_file('/etc/hostname')", "permission denied"),
    "a folder of the server": ("SELECT pg_ls_dir('/')", "permission denied"),
    "a large object": ("SELECT lo_create(0)", "read-only"),
    "a large object to a file": ("SELECT lo_export(1, '/tmp/x')", "permission denied"),
    "a sequence": ("SELECT nextval('counter')", "permission denied|read-only"),
    "the superuser's role": ("SELECT set_config('role', 'platform', true)", "permission denied"),
    "the superuser's session": ("SELECT set_config('session_authorization', 'platform', true)", "permission denied"),
    "its own role, then a file": (
        "SELECT set_config('role', 'none', true), query_to_xml('SELECT pg_read_file(''/etc/hostname'')', true, true, '')",
        "permission denied",
    ),
    "writing again": ("SELECT set_config('transaction_read_only', 'off', true)", "before any query"),
    "settings of the server": ("SELECT pg_reload_conf()", "permission denied"),
    "nothing": ("", "one query"),
    "a comment": ("-- hello", "one query"),
    "a column that is not there": ("SELECT nope FROM precious", '"nope" does not exist'),
    "an error far down": ("SELECT 1 / (1500 - g) FROM generate_series(1, 2000) AS g", "division by zero"),
}


@pytest.fixture
def warehouse(database: str) -> str:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE precious (a int); INSERT INTO precious VALUES (1); CREATE SEQUENCE counter")
    return database


def answer(url: str, query: str, **options):
    with read_only(url, query, **options) as found:
        return found.columns, list(found.rows)


@pytest.mark.parametrize(("query", "says"), REFUSED.values(), ids=REFUSED)
def test_a_query_can_neither_write_nor_reach_the_server(query, says, warehouse):
    with pytest.raises(RefusedQuery, match=says) as refused:
        answer(warehouse, query)
    assert "\n" not in refused.value.message
    assert answer(warehouse, "SELECT a FROM precious") == (("a",), [(1,)]), "the table is as it was"


@pytest.mark.parametrize("query", ["SELECT 1 AS one", "WITH x AS (SELECT 1 AS one) TABLE x", "SELECT 1 AS one;", "VALUES (1)"])
def test_every_form_of_a_query_is_answered(query, warehouse):
    assert answer(warehouse, query)[1] == [(1,)]


def test_a_superuser_does_not_run_the_query_itself(warehouse):
    _, rows = answer(warehouse, "SELECT session_user, current_setting('is_superuser')")
    assert rows == [(READER, "off")]


def test_a_reader_whose_password_is_another_one_gets_the_right_one_again(warehouse):
    """A home that was made anew on a server that has the role already."""
    answer(warehouse, "SELECT 1")
    with psycopg.connect(warehouse) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(sql.Identifier(READER)))
    assert answer(warehouse, "SELECT 1")[1] == [(1,)]


def test_a_role_that_is_no_superuser_asks_for_itself(warehouse):
    with psycopg.connect(warehouse, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS modest")
        connection.execute("CREATE ROLE modest LOGIN PASSWORD 'modest'")
        connection.execute("GRANT SELECT ON precious TO modest; GRANT INSERT ON precious TO modest")
        host, port, name = connection.info.host, connection.info.port, connection.info.dbname
    modest = f"postgresql://modest:modest@{host}:{port}/{name}"
    try:
        assert answer(modest, "SELECT session_user::text, a FROM precious")[1] == [("modest", 1)]
        with pytest.raises(RefusedQuery):
            answer(modest, "INSERT INTO precious VALUES (2)")
    finally:
        with psycopg.connect(make_conninfo(warehouse), autocommit=True) as connection:
            connection.execute("DROP OWNED BY modest; DROP ROLE modest")


VALUES = {
    "an infinite time": ("'infinity'::timestamp", "infinity"),
    "a time before Christ": ("'0044-03-15 BC'::date", "0044-03-15 BC"),
    "a time with zone, in UTC": ("'2024-01-01 02:00+02'::timestamptz", "2024-01-01 00:00:00+00"),
    "a month": ("'1 mon'::interval", "1 mon"),
    "digits in JSON": ("'{\"a\": 1.10}'::jsonb", '{"a": 1.10}'),
    "a decimal": ("1.10::numeric", Decimal("1.10")),
    "a large integer": ("9007199254740993", 9007199254740993),
    "no number": ("'NaN'::float8", "NaN"),
    "bytes": ("'\\x00ff'::bytea", b"\x00\xff"),
    "an empty text": ("''", ""),
    "nothing": ("NULL", None),
    "a percent sign": ("'100%s'", "100%s"),
}


@pytest.mark.parametrize(("expression", "expected"), VALUES.values(), ids=VALUES)
def test_a_value_loses_nothing(expression, expected, warehouse):
    assert answer(warehouse, f"SELECT {expression}")[1] == [(expected,)]


def test_a_query_that_takes_too_long_is_stopped(warehouse):
    with pytest.raises(RefusedQuery, match="longer than 1 s"):
        answer(warehouse, "SELECT pg_sleep(20)", timeout_seconds=1)


def test_an_answer_is_streamed(warehouse):
    """The whole answer would hold 20 MB."""
    answer(warehouse, "SELECT 1")
    tracemalloc.start()
    with read_only(warehouse, "SELECT repeat('x', 1000) || g FROM generate_series(1, 20000) AS g") as found:
        assert sum(1 for _ in found.rows) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_an_empty_answer_has_its_columns(warehouse):
    assert answer(warehouse, "SELECT a AS x, 1 AS y FROM precious WHERE false") == (("x", "y"), [])


def test_a_table_is_read_whatever_its_name(warehouse):
    with psycopg.connect(warehouse) as connection:
        connection.execute('CREATE SCHEMA "a""; DROP"')
        connection.execute('CREATE TABLE "a""; DROP"."b%s" AS SELECT g AS "c d" FROM generate_series(1, 5) AS g')
    with read_table(warehouse, 'a"; DROP', "b%s", limit=2) as found:
        assert (found.columns, list(found.rows)) == (("c d",), [(1,), (2,)])
    with read_table(warehouse, 'a"; DROP', "b%s", limit=None) as found:
        assert len(list(found.rows)) == 5


def test_a_server_that_is_not_there_is_said_without_its_password():
    with pytest.raises(DatabaseUnavailable) as error:
        answer("postgresql://somebody:hidden-word@127.0.0.1:1/nothing", "SELECT 1")
    assert "hidden-word" not in str(error.value)
