"""Tables pulled from databases: whole, in keyset chunks, by cursor; types and values as the server has them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from platform_assets.errors import SettingsError
from platform_assets.sources.kinds import open_puller
from platform_assets.sources.pull import Before
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import SourceError


def topic_for(url: str, **changes) -> Topic:
    topic = Topic("t", Path("topics/t.yaml"), "erp", "orders", "database", {"url": url, "table": "orders"}, page_size=3)
    return replace(topic, **changes)


def pull(topic: Topic, before=None, environment=None, position=None):
    with open_puller(topic, environment or {}) as puller:
        plan = puller.plan(before)
        pages = list(puller.pages(plan, position)) if plan else []
    return plan, [json.loads(line) for page in pages for line in page.lines.splitlines()], pages


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE orders (region TEXT, no INTEGER, at TIMESTAMP, note TEXT, raw BLOB, PRIMARY KEY (region, no))")
        rows = [(region, no, f"2024-01-0{no} 10:00:00.000000", f"{region}{no}", bytes([no])) for no in range(1, 5) for region in "ab"]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
    return f"sqlite:///{path}"


def test_a_table_comes_in_chunks_by_its_composite_key(shop):
    plan, rows, pages = pull(topic_for(shop))
    assert (plan.mode, plan.total, plan.key, [page.rows for page in pages]) == ("full", 8, ("region", "no"), [3, 3, 2])
    assert [(row["region"], row["no"]) for row in rows] == [(region, no) for region in "ab" for no in range(1, 5)]
    assert [(column.name, column.type) for column in plan.columns] == [
        ("region", "string"),
        ("no", "int32"),
        ("at", "timestamp"),
        ("note", "string"),
        ("raw", "binary"),
    ]
    assert rows[0]["raw"] == "AQ=="
    assert pull(topic_for(shop), position=pages[1].position)[1] == rows[6:]


def test_by_cursor_only_what_came_since_is_pulled_equal_ones_included(shop, tmp_path):
    topic = topic_for(shop, cursor="at")
    plan, _, _ = pull(topic)
    assert plan.cursor == "2024-01-04 10:00:00"
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("INSERT INTO orders VALUES ('c', 1, '2024-01-04 10:00:00.000000', 'same time', NULL)")
        database.execute("INSERT INTO orders VALUES ('c', 2, '2024-01-05 10:00:00.000000', 'later', NULL)")
    again, rows, _ = pull(topic, Before(plan.cursor))
    assert (again.mode, again.total, [row["note"] for row in rows]) == ("changes", 4, ["a4", "b4", "same time", "later"])


def test_a_table_without_a_key_streams_in_one_go(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE orders (a INTEGER)")
        database.executemany("INSERT INTO orders VALUES (?)", [(n,) for n in range(7)])
    plan, rows, pages = pull(topic_for(f"sqlite:///{tmp_path}/x.db"))
    assert (plan.key, plan.stable, [page.rows for page in pages], len(rows)) == ((), False, [3, 3, 1], 7)


def test_a_key_of_bytes_goes_on_behind_its_position(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE orders (id BLOB NOT NULL PRIMARY KEY, at BLOB)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", [(bytes([n, 255]), bytes([n])) for n in range(7)])
    topic = topic_for(f"sqlite:///{tmp_path}/x.db", cursor="at")
    _, rows, pages = pull(topic)
    assert pull(topic, position=pages[0].position)[1] == rows[3:]
    assert pull(topic, Before("BQ=="))[1] == rows[5:]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([1, None, 2], r"1 rows of orders have NULL in the key \(id\).*name another key"),
        ([1, 2, 3, 3, 4], r"more than one row of orders has the key \(id\) = \(3\).*Name a unique key"),
    ],
)
def test_a_key_by_which_rows_would_be_lost_between_pages_is_refused(tmp_path, keys, said):
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
        database.executemany("INSERT INTO orders VALUES (?)", [(key,) for key in keys])
    with pytest.raises(SourceError, match=said):
        pull(topic_for(f"sqlite:///{tmp_path}/x.db", key=("id",)))


def test_postgres_types_are_those_of_the_server_and_the_snapshot_is_one(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, price numeric(12,4), free numeric, at timestamptz, day date, clock time,"
            " ok boolean, bits bytea, doc jsonb, ratio float8)"
        )
        connection.execute(
            "INSERT INTO orders SELECT n, n + 0.5, 1e30, '2024-01-01 12:00+02', '2024-02-29', '23:59:59.5', true, '\\x00ff',"
            " '{\"a\": 1}', 'NaN' FROM generate_series(1, 5) AS n"
        )
        topic = topic_for(database)
        with open_puller(topic, {}) as puller:
            plan = puller.plan(None)
            pages = puller.pages(plan, None)
            rows = [json.loads(line) for line in next(pages).lines.splitlines()]
            connection.execute("INSERT INTO orders (id) SELECT n FROM generate_series(6, 9) AS n")
            rows += [json.loads(line) for page in pages for line in page.lines.splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert {column.name: column.type for column in plan.columns} == {
        "id": "int64",
        "price": "decimal(12,4)",
        "free": "string",
        "at": "instant",
        "day": "date",
        "clock": "time",
        "ok": "boolean",
        "bits": "binary",
        "doc": "string",
        "ratio": "float64",
    }
    assert rows[0] == {
        "id": 1,
        "price": "1.5000",
        "free": "1" + "0" * 30,
        "at": rows[0]["at"],
        "day": "2024-02-29",
        "clock": "23:59:59.500000",
        "ok": True,
        "bits": "AP8=",
        "doc": {"a": 1},
        "ratio": "nan",
    }


def test_mariadb_types_and_values_are_those_of_the_server(mariadb):
    with mariadb.database("erp") as name:
        mariadb.client(
            name,
            text="CREATE TABLE orders (id INT UNSIGNED, part VARCHAR(10), big BIGINT UNSIGNED, price DECIMAL(12,4), at DATETIME(6),"
            " day DATE, clock TIME, bits VARBINARY(4), flag BOOLEAN, kind ENUM('a','b'), doc JSON, ratio DOUBLE, PRIMARY KEY (id, part));"
            " INSERT INTO orders VALUES (4000000000, 'x', 18446744073709551615, 1.5, '2024-01-01 10:00:00.123456', '2024-02-29',"
            " '-30:00:01', X'00ff', 1, 'b', '{\"a\": 1}', 1e300),"
            " (4000000000, 'y', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
            " (5, 'x', 1, 2, '2024-01-02', '2024-01-02', '10:00', '', 0, 'a', '[]', 0.1),"
            " (6, 'x', 1, 2, NULL, NULL, NULL, '', 0, 'a', '[]', 0)",
        )
        topic = topic_for(f"mysql://root@localhost/{name}?unix_socket={mariadb.socket}")
        plan, rows, pages = pull(topic)
        rest = pull(topic, position=pages[0].position)[1]
    assert {column.name: column.type for column in plan.columns} == {
        "id": "int64",
        "part": "string",
        "big": "decimal(20,0)",
        "price": "decimal(12,4)",
        "at": "timestamp",
        "day": "date",
        "clock": "string",
        "bits": "binary",
        "flag": "int32",
        "kind": "string",
        "doc": "string",
        "ratio": "float64",
    }
    assert [(row["id"], row["part"]) for row in rows] == [(5, "x"), (6, "x"), (4000000000, "x"), (4000000000, "y")]
    assert rest == rows[3:]
    assert rows[2] == {
        "id": 4000000000,
        "part": "x",
        "big": 18446744073709551615,
        "price": "1.5000",
        "at": "2024-01-01 10:00:00.123456",
        "day": "2024-02-29",
        "clock": "-30:00:01",
        "bits": "AP8=",
        "flag": 1,
        "kind": "b",
        "doc": rows[2]["doc"],
        "ratio": 1e300,
    }


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"place": {"url": "URL", "table": "order"}}, SourceError, "there is no table 'order'; there are orders"),
        ({"columns": ("nothing",)}, SourceError, "no column nothing; it has region, no, at"),
        ({"place": {"url": "URL"}}, SettingsError, "`from` of a database topic"),
        ({"place": {"url": "nonsense", "table": "x"}}, SettingsError, "none that SQLAlchemy understands"),
        ({"place": {"url": "postgresql://u:secret-word@127.0.0.1:9/x", "table": "x"}}, SourceError, "127.0.0.1:9"),
    ],
)
def test_what_is_wrong_is_said_without_secrets(shop, changes, error, said):
    if changes.get("place", {}).get("url") == "URL":
        changes = {"place": {**changes["place"], "url": shop}}
    with pytest.raises(error, match=said) as caught:
        pull(topic_for(shop, **changes))
    assert "secret-word" not in str(caught.value)


def test_the_url_may_stand_in_the_environment(shop):
    topic = topic_for("", place={"table": "orders"}, credentials={"url_env": "SHOP_URL"})
    assert len(pull(topic, environment={"SHOP_URL": shop})[1]) == 8
    with pytest.raises(SettingsError, match="SHOP_URL, which is not set"):
        pull(topic)
