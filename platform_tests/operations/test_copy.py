"""Tables copied into other databases: from a dump of one product into another product, compared by the products' own words."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
import sqlalchemy as sa
from dump_texts import ingest, write_dump
from servers.mariadb import MariaDb
from warehouse_tables import query

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import Conflict, PlatformError
from platform_assets.operations.copy import Copied, CopyOptions, copy_tables
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import pg_bin
from platform_assets.storage.targets.database import TargetDatabase, open_target

DEFINITION = "`id` int NOT NULL, `name` varchar(200), `paid` decimal(12,3), `at` datetime(6), `raw` blob, PRIMARY KEY (`id`)"
MARIADB = f"""CREATE TABLE people ({DEFINITION}, UNIQUE KEY (`name`)) CHARACTER SET utf8mb4;
INSERT INTO people VALUES (1, 'ann', 12.5, '2024-01-01 10:00:00.123456', x'00ff27'),
  (2, 'b''o\\n|é', NULL, NULL, NULL), (3, '', -0.001, '1999-12-31', x'');
"""
POSTGRES = """CREATE SCHEMA hr;
CREATE TABLE hr.people (id bigint PRIMARY KEY, name text UNIQUE, paid numeric(12,3), at timestamp, raw bytea,
  seen timestamptz, ok boolean, born date, share double precision, noon time);
INSERT INTO hr.people VALUES
  (9007199254740993, 'ann', 12.5, '2024-01-01 10:00:00.123456', '\\x00ff27', '2024-01-01 10:00:00+02', true, '1970-02-28',
    0.1, '23:59:59.999999'),
  (2, E'b''o\\n|é', NULL, NULL, NULL, NULL, false, NULL, -1e300, NULL),
  (3, '', -0.001, '1999-12-31', '', NULL, NULL, NULL, NULL, NULL);
"""


def quiet(*_: object) -> None:
    pass


@pytest.fixture
def there(tmp_path) -> Iterator[TargetDatabase]:
    with open_target(f"sqlite:///{tmp_path / 'there.db'}") as target:
        yield target


def in_sqlite(tmp_path, text: str) -> list[tuple]:
    with sqlite3.connect(tmp_path / "there.db") as database:
        return database.execute(text).fetchall()


def load(settings: Settings, catalog: Catalog, *days: int) -> None:
    """One version per day: a row is changed, one comes and one goes with each."""
    for day in days:
        rows = [(1, f"ann {day}", f"{day}.500", "2024-01-01 10:00:00", None), (day + 1, f"new {day}", None, None, None)]
        write_dump(Home(settings.home).dumps / "crm", f"d{day}", day, people=(DEFINITION, rows))
    assert ingest(settings, catalog) == []


def copied(settings: Settings, catalog: Catalog, target: TargetDatabase, say=quiet, **options) -> list[Copied]:
    return list(copy_tables(settings, catalog, catalog.tables(), target, CopyOptions(**options), say=say, progress=quiet))


def test_a_mysql_dump_becomes_the_same_table_in_postgresql(settings, catalog, elsewhere, mariadb: MariaDb):
    with mariadb.database("crm") as name:
        mariadb.client(name, text=MARIADB)
        path = Home(settings.home).dumps / "crm" / "d.sql"
        path.parent.mkdir(parents=True)
        path.write_bytes(mariadb.dump(name))
        asked = "SELECT id, name, paid, at, lower(hex(raw)) FROM people ORDER BY id;"
        original = mariadb.client(name, text=asked).decode()
    ingest(settings, catalog)
    with open_target(elsewhere, schema="moved") as target:
        (done,) = copied(settings, catalog, target)
    assert (done.table, done.rows, done.outcome, done.left_undone) == ("crm.people", 3, "copied", ())
    found = query(
        elsewhere, "SELECT id, name, paid, to_char(at, 'YYYY-MM-DD HH24:MI:SS.US'), encode(raw, 'hex') FROM moved.people ORDER BY id"
    )
    assert "".join("\t".join("NULL" if cell is None else str(cell) for cell in row) + "\n" for row in found) == original.replace(
        "\\n", "\n"
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        query(elsewhere, "INSERT INTO moved.people (id) VALUES (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        query(elsewhere, "INSERT INTO moved.people (id, name) VALUES (9, 'ann')")


def test_a_postgresql_dump_becomes_the_same_table_in_mariadb(settings, catalog, elsewhere, mariadb: MariaDb):
    query(elsewhere, POSTGRES)
    path = Home(settings.home).dumps / "hr" / "d.sql"
    path.parent.mkdir(parents=True)
    path.write_bytes(subprocess.run([pg_bin() / "pg_dump", elsewhere], check=True, capture_output=True).stdout)
    ingest(settings, catalog)
    said: list[str] = []
    with mariadb.database("moved") as name, open_target(f"mariadb://root@/{name}?unix_socket={mariadb.socket}") as target:
        (done,) = copied(settings, catalog, target, said.append)
        assert (done.rows, done.outcome, done.left_undone) == (3, "copied", ())
        columns = "id, name, paid, at, lower(hex(raw)), seen, ok, born, share, noon"
        found = mariadb.client(name, text=f"SELECT {columns} FROM `{done.name}` ORDER BY id;").decode()
        keys = mariadb.client(name, text=f"SHOW INDEX FROM `{done.name}`;").decode()
        again = copied(settings, catalog, target)
    assert said == [f"{done.table}: seen: in UTC, without a zone"]
    assert found.splitlines() == [
        "2\tb'o\\n|é\tNULL\tNULL\tNULL\tNULL\t0\tNULL\t-1e300\tNULL",
        "3\t\t-0.001\t1999-12-31 00:00:00.000000\t\tNULL\tNULL\tNULL\tNULL\tNULL",
        "9007199254740993\tann\t12.500\t2024-01-01 10:00:00.123456\t00ff27\t"
        "2024-01-01 08:00:00.000000\t1\t1970-02-28\t0.1\t23:59:59.999999",
    ]
    assert [(line.split("\t")[1], line.split("\t")[4]) for line in keys.splitlines()] == [("0", "id"), ("0", "name")]
    assert [one.outcome for one in again] == ["same"]


def test_what_was_copied_is_not_copied_again_and_what_differs_needs_a_word(settings, catalog, there, tmp_path):
    load(settings, catalog, 1)
    assert [one.outcome for one in copied(settings, catalog, there, dry_run=True)] == ["planned"]
    assert in_sqlite(tmp_path, "SELECT name FROM sqlite_master") == []
    assert [one.outcome for one in copied(settings, catalog, there)] == ["copied"]
    assert [one.outcome for one in copied(settings, catalog, there)] == ["same"]
    load(settings, catalog, 2)
    with pytest.raises(Conflict, match=r"other columns or rows.*--replace"):
        copied(settings, catalog, there)
    assert in_sqlite(tmp_path, "SELECT id, name, paid FROM people ORDER BY id") == [(1, "ann 1", "1.500"), (2, "new 1", None)]
    assert [one.outcome for one in copied(settings, catalog, there, replace=True)] == ["copied"]
    assert in_sqlite(tmp_path, "SELECT id, name FROM people ORDER BY id") == [(1, "ann 2"), (2, "new 1"), (3, "new 2")]


def test_a_past_state_is_copied_as_it_was(settings, catalog, there, tmp_path):
    load(settings, catalog, 1, 2, 3)
    copied(settings, catalog, there, at="2024-01-02")
    assert in_sqlite(tmp_path, "SELECT id, name FROM people ORDER BY id") == [(1, "ann 2"), (2, "new 1"), (3, "new 2")]
    copied(settings, catalog, there, at="d1", replace=True)
    assert in_sqlite(tmp_path, "SELECT id, name FROM people ORDER BY id") == [(1, "ann 1"), (2, "new 1")]


def test_a_copy_that_was_killed_is_done_again_and_nothing_half_bears_the_name(settings, catalog, there, tmp_path, monkeypatch):
    load(settings, catalog, 1)
    monkeypatch.setattr(TargetDatabase, "rename", lambda self, table: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        copied(settings, catalog, there)
    assert [name for (name,) in in_sqlite(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'")] != ["people"]
    monkeypatch.undo()
    assert [one.outcome for one in copied(settings, catalog, there)] == ["copied"]
    assert in_sqlite(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("people",)]


def test_what_comes_back_otherwise_gets_no_name(settings, catalog, there, tmp_path, monkeypatch):
    load(settings, catalog, 1)
    fill = TargetDatabase.fill

    def filled(self, table, batches):
        count = fill(self, table, batches)
        with self._connection.begin():
            self._connection.exec_driver_sql(f"UPDATE {table.staged} SET name = 'ann 2' WHERE id = 1")
        return count

    monkeypatch.setattr(TargetDatabase, "fill", filled)
    with pytest.raises(PlatformError, match=r"came back from .* otherwise"):
        copied(settings, catalog, there)
    assert there.columns_of("people") is None


def test_rows_of_several_instances_go_with_their_origin(home, database, catalog, there, tmp_path):
    settings = Settings(home.root, database_url=database, sources={"crm": SourceSettings("crm", pattern="(?P<instance>..)_(?P<label>d.)")})
    for number, instance in enumerate(("eu", "us"), 1):
        write_dump(
            home.dumps / "crm",
            f"{instance}_d{number}",
            number,
            people=("`id` int NOT NULL, `name` text, PRIMARY KEY (`id`)", [(1, instance)]),
        )
    ingest(settings, catalog)
    with pytest.raises(Conflict, match=r"2 instances \(eu, us\).*--with-origin"):
        copied(settings, catalog, there)
    copied(settings, catalog, there, origin=True)
    assert in_sqlite(tmp_path, "SELECT _instance, id, name, _row FROM people ORDER BY 1") == [("eu", 1, "eu", 1), ("us", 1, "us", 1)]


def test_values_that_their_column_cannot_hold_are_told_before(settings, catalog, there, tmp_path):
    write_dump(Home(settings.home).dumps / "crm", "d1", 1, people=("`id` int NOT NULL, `at` date, PRIMARY KEY (`id`)", [(1, "0000-00-00")]))
    ingest(settings, catalog)
    said: list[str] = []
    copied(settings, catalog, there, said.append)
    assert said == ["crm.people: 1 row(s) have values that their column cannot hold: NULL there; --with-origin takes them along, in _raw"]
    copied(settings, catalog, there, origin=True, replace=True)
    assert in_sqlite(tmp_path, "SELECT at, _raw FROM people") == [(None, '{"at": "0000-00-00"}')]


LINKED = """CREATE TABLE courses (code varchar(20) NOT NULL, title text, PRIMARY KEY (code));
INSERT INTO courses VALUES ('a', 'A'), ('b', {title});
CREATE TABLE marks (id int NOT NULL, course varchar(20), PRIMARY KEY (id),
  CONSTRAINT of_course FOREIGN KEY (course) REFERENCES courses (code));
INSERT INTO marks VALUES (1, 'a'), (2, NULL), (3, {course});
"""


@pytest.mark.parametrize("product", ["postgresql", "mariadb"])
def test_foreign_keys_come_after_the_rows_and_outlive_a_replaced_table(product, settings, catalog, elsewhere, request):
    def linked(day: int, title: str, course: str) -> None:
        text = LINKED.format(title=title, course=course)
        path = Home(settings.home).dumps / "lms" / f"d{day}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"-- MySQL dump 10.13\n{text}-- Dump completed on 2024-01-0{day} 10:00:00\n")
        assert ingest(settings, catalog) == []

    def keys(target: TargetDatabase) -> list[tuple[list[str], str, list[str]]]:
        found = sa.inspect(target._connection).get_foreign_keys("marks")
        return [(key["constrained_columns"], key["referred_table"], key["referred_columns"]) for key in found]

    with ExitStack() as stack:
        url = elsewhere
        if product == "mariadb":
            server = request.getfixturevalue("mariadb")
            url = f"mariadb://root@/{stack.enter_context(server.database('lms'))}?unix_socket={server.socket}"
        said: list[str] = []
        target = stack.enter_context(open_target(url))
        linked(1, "'B'", "'b'")
        for _ in range(2):
            copied(settings, catalog, target, said.append)
            assert (keys(target), said) == ([(["course"], "courses", ["code"])], [])
            target._connection.rollback()
        linked(2, "'other'", "'b'")
        courses = [catalog.table("lms.courses")]
        again = copy_tables(settings, catalog, courses, target, CopyOptions(replace=True), say=said.append, progress=quiet)
        assert [one.outcome for one in again] == ["copied"]
        assert (keys(target), said) == ([(["course"], "courses", ["code"])], []), "that of a table which was not copied now"
        target._connection.rollback()
        with target._connection.begin():
            for table in ("marks", "courses"):
                target._connection.exec_driver_sql(f"DROP TABLE {table}")
        alone = copy_tables(settings, catalog, [catalog.table("lms.marks")], target, CopyOptions(), say=said.append, progress=quiet)
        assert [one.outcome for one in alone] == ["copied"]
        assert (keys(target), said) == ([], ["lms.marks: not made: foreign key on course to courses: that table is not there"])
