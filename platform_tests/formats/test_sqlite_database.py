"""Database files of SQLite: nothing of them is run, what lies beside them is told, what can be read of damaged ones is."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
from pathlib import Path

import pytest
import sql_cases
import sqlite_reading

from platform_assets.errors import UnreadableDump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose


def made(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def codes(reading: sqlite_reading.TypedReading) -> list[str]:
    return sorted({notice.code for notice in reading.notices})


def test_sl6_a_database_is_recognized_by_its_first_bytes_under_any_name(tmp_path):
    path = made(tmp_path / "notes.csv", "CREATE TABLE t(x); INSERT INTO t VALUES(1);")
    dump = open_dump(path, sql_cases.SOURCE)
    assert choose(dump, sql_cases.SOURCE)[0].name == "sqlite-database"
    assert dump.members[0].path == path


def test_sl6_packed_databases_are_read_from_a_private_copy(tmp_path):
    plain = made(tmp_path / "a.db", "CREATE TABLE t(x TEXT); INSERT INTO t VALUES('é');").read_bytes()
    (tmp_path / "a.db.gz").write_bytes(gzip.compress(plain))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/a.db", plain)
    for name in ("a.db.gz", "a.zip"):
        reading = sqlite_reading.typed(sqlite_reading.DATABASE, open_dump(tmp_path / name, sql_cases.SOURCE))
        assert (reading.rows("t"), reading.verdict.completeness) == ([("é",)], "complete")


def test_sl2_a_text_with_a_nul_is_whole_in_a_database(tmp_path):
    """`.dump` cuts it: only the database file has it."""
    path = made(tmp_path / "a.db", "CREATE TABLE t(x TEXT); INSERT INTO t VALUES('a'||char(0)||'b');")
    assert sqlite_reading.typed_file(path).rows("t") == [("a\0b",)]


def test_sl4_nothing_of_the_file_is_run(tmp_path):
    """Views, triggers, generated columns and CHECKs are expressions of the file; a virtual table is a module run on its words."""
    path = made(
        tmp_path / "a.db",
        "CREATE TABLE t(x INT CHECK (length(randomblob(9)) > 0), y AS (abs(x)) VIRTUAL, z AS (x + 1) STORED);"
        "INSERT INTO t VALUES(-1); CREATE VIEW v AS SELECT load_extension('x'); CREATE INDEX i ON t(abs(x));"
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END;"
        "CREATE VIRTUAL TABLE ft USING fts5(body); INSERT INTO ft VALUES('hello');",
    )
    before = path.read_bytes()
    reading = sqlite_reading.typed_file(path)
    assert reading.rows("t") == [(-1, None, None)]
    assert reading.verdict.completeness == "complete"
    assert set(reading.tables) == {"t", "ft_data", "ft_idx", "ft_content", "ft_docsize", "ft_config"}
    assert reading.rows("ft_content") == [(1, "hello")]
    assert "virtual table 'ft'" in reading.tables["ft_content"].description
    assert codes(reading) == ["columns-filled", "skipped-statement", "virtual-table"]
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


def test_a_schema_that_was_written_by_hand_hides_no_other_table(tmp_path):
    path = made(
        tmp_path / "a.db",
        "CREATE TABLE good(x INT); INSERT INTO good VALUES(7); CREATE TABLE evil(x);"
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql='CREATE TABLE evil(x, y DEFAULT (' WHERE name='evil';",
    )
    reading = sqlite_reading.typed_file(path)
    assert reading.rows("good") == [(7,)]
    assert reading.verdict.completeness == "partial"
    assert "database-damaged" in codes(reading)


def test_keys_counters_and_rules_are_those_of_the_file(tmp_path):
    path = made(
        tmp_path / "a.db",
        "PRAGMA user_version=12; CREATE TABLE p(id INTEGER PRIMARY KEY AUTOINCREMENT, m TEXT NOT NULL); INSERT INTO p(m) VALUES('a'),('b');"
        "CREATE TABLE c(p INT REFERENCES p, q TEXT, UNIQUE(q)); CREATE UNIQUE INDEX u ON c(p, q); DELETE FROM p WHERE id = 2;",
    )
    reading = sqlite_reading.typed_file(path)
    assert (reading.tables["p"].key, reading.tables["c"].unique) == (("id",), (("q",), ("p", "q")))
    assert [(one.columns, one.table, one.references) for one in reading.tables["c"].foreign_keys] == [(("p",), "p", ("id",))]
    facts = reading.verdict.facts
    assert (facts["user_version"], facts["auto_increment.p"], facts["encoding"]) == ("12", "2", "utf-8")


@pytest.mark.parametrize(
    ("end", "size", "completeness"), [("-wal", 5000, "partial"), ("-wal", 0, "complete"), ("-journal", 600, "partial")]
)
def test_changes_that_lie_beside_a_database_make_it_partial(tmp_path, end, size, completeness):
    (tmp_path / "dump").mkdir()
    path = made(tmp_path / "dump" / "a.db", "CREATE TABLE t(x); INSERT INTO t VALUES(1);")
    path.with_name("a.db" + end).write_bytes(bytes(size))
    for given in (path, path.parent):
        dump = open_dump(given, sql_cases.SOURCE)
        assert choose(dump, sql_cases.SOURCE)[0].name == "sqlite-database"
        reading = sqlite_reading.typed(sqlite_reading.DATABASE, dump)
        assert (reading.verdict.completeness, reading.rows("t")) == (completeness, [(1,)])
        assert codes(reading) == ["journal-beside"]


def test_g10_a_text_that_is_no_utf8_rejects_its_row_alone(tmp_path):
    path = made(tmp_path / "a.db", "CREATE TABLE t(id INT, x TEXT); INSERT INTO t VALUES(1,'a'),(2,CAST(X'61ff' AS TEXT)),(3,X'62');")
    reading = sqlite_reading.typed_file(path)
    assert reading.rows("t") == [(1, "a"), (3, "X'62'")]
    assert [(one.row, one.code, one.raw) for one in reading.unreadable] == [(2, "encoding-error", "(2, 'a\\xff')")]
    assert reading.verdict.completeness == "partial"


def test_g06_two_databases_of_a_dump_keep_tables_of_one_name_apart(tmp_path):
    (tmp_path / "dump").mkdir()
    for name in ("a", "b"):
        made(tmp_path / "dump" / f"{name}.db", f"CREATE TABLE t(x TEXT); INSERT INTO t VALUES('{name}');")
    reading = sqlite_reading.typed(sqlite_reading.DATABASE, open_dump(tmp_path / "dump", sql_cases.SOURCE))
    assert {name: reading.rows(name) for name in reading.tables} == {"t": [("a",)], "b.t": [("b",)]}


def test_g03_a_cut_database_gives_the_rows_that_are_there(tmp_path):
    rows = ",".join(f"({number},'{'x' * 100}')" for number in range(1, 500))
    path = made(tmp_path / "a.db", f"PRAGMA page_size=4096; CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES {rows};")
    path.write_bytes(path.read_bytes()[:30_000])
    reading = sqlite_reading.typed_file(path)
    numbers = [row[0] for row in reading.rows("t")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 100 < len(numbers) < 499
    assert reading.verdict.completeness == "partial"
    assert any("behind row" in notice.message for notice in reading.notices)


def test_a_file_of_which_only_the_first_bytes_are_a_databases_is_refused(tmp_path):
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + bytes(84))
    with pytest.raises(UnreadableDump, match="no table can be read"):
        sqlite_reading.typed_file(tmp_path / "a.db")


def test_hostile_names_are_read_and_given_back(tmp_path):
    path = made(
        tmp_path / "a.db", """CREATE TABLE "a""b; DROP TABLE x"("c""d" INT, [e f] TEXT); INSERT INTO "a""b; DROP TABLE x" VALUES(1,'2');"""
    )
    reading = sqlite_reading.typed_file(path)
    assert reading.tables['a"b; DROP TABLE x'].column_names == ('c"d', "e f")
    assert reading.rows('a"b; DROP TABLE x') == [(1, "2")]
