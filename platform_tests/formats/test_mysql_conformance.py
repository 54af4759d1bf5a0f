"""Real dumps: every table equals what the native server held after its own client had loaded the file (realdata/README.md, truth.tsv)."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import canonical
import mysql_reading
import pytest

from platform_assets.dictionary.types import INSTANT
from platform_assets.formats.base import Dump, Member
from platform_assets.formats.mysql.reader import MySqlDump

LIKE_DEFAULT = (
    *("my_ansi", "my_compact", "my_complete", "my_default", "my_hexblob", "my_insertignore"),
    *("my_notzutc", "my_replace", "my_routines", "my_skipext", "my_skipsetcharset", "my_two_databases"),
)
OTHERS = (
    *("postgres/*.sql", "edge/pg*", "edge/sqlite_dump.sql", "sqlite/*", "mssql/*.sql"),
    *("delimited/*", "seeds/csv_hr/*", "seeds/app_zips/*", "edge/my_xml.xml"),
)
SERVED = ("mysql/wp-dump.sql", "mysql/wp-mu-subdir-dump.sql", "mysql/wp-wploader-wpdb-dump.sql", "mysql/chinook.sql")


def given(path: Path) -> Dump:
    return Dump(path.name, (Member(path.name, path.stat().st_size, lambda: path.open("rb")),))


def truth(realdata: Path, file: str) -> dict[str, tuple[int, int, str]]:
    with (realdata / "truth.tsv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if row["file"] == file]
    return {row["table"]: (int(row["rows"]), int(row["columns"]), row["sha256"]) for row in rows}


def hashed(reading: mysql_reading.Reading) -> dict[str, tuple[int, int, str]]:
    return {name: canonical.hashed(table.columns, reading.rows(name), canonical.mysql) for name, table in reading.tables.items()}


@pytest.mark.parametrize("file", SERVED)
def test_a_dump_equals_what_the_server_held(realdata, file):
    reading = mysql_reading.read_dump(given(realdata / file))
    assert hashed(reading) == truth(realdata, file)
    assert reading.unreadable == []
    assert reading.verdict.completeness == ("unknown" if "chinook" in file else "complete")


@pytest.mark.parametrize("name", LIKE_DEFAULT)
def test_every_way_of_dumping_one_database_gives_its_rows(realdata, name):
    reading = mysql_reading.read_dump(given(realdata / "edge" / f"{name}.sql"))
    found = hashed(reading)
    assert found.pop("nasty2.esc", None) == ((1, 2, hashlib.sha256(b"1\tdb2\n").hexdigest()) if name == "my_two_databases" else None)
    assert found == truth(realdata, "edge/my_default.sql")
    assert reading.unreadable == []
    assert reading.verdict.completeness == ("unknown" if name == "my_compact" else "complete")
    known = name not in ("my_notzutc", "my_compact")
    assert (reading.tables["dt"].column("ts").type == INSTANT) == known


def test_my10_what_latin1_could_not_hold_is_lost_at_the_source_and_nothing_else(realdata):
    reading = mysql_reading.read_dump(given(realdata / "edge" / "my_latin1.sql"))
    found, expected = hashed(reading), truth(realdata, "edge/my_default.sql")
    assert {name for name in expected if found[name] != expected[name]} == {"esc"}
    assert reading.rows("esc")[4][1] == "emoji ? ünïcode ?? u00a0"


def test_a_dump_without_rows_has_all_tables(realdata):
    reading = mysql_reading.read_dump(given(realdata / "edge" / "my_nodata.sql"))
    assert {name: len(reading.rows(name)) for name in reading.tables} == dict.fromkeys(truth(realdata, "edge/my_default.sql"), 0)
    assert reading.verdict.completeness == "complete"


def test_a_dump_without_definitions_rejects_only_what_is_no_text(realdata):
    reading = mysql_reading.read_dump(given(realdata / "edge" / "my_nocreate.sql"))
    expected = {name: rows for name, (rows, _, _) in truth(realdata, "edge/my_default.sql").items() if rows}
    unreadable = [(one.table, one.row) for one in reading.unreadable if one.code == "encoding-error"]
    assert unreadable == [("bin", 1), ("es", 1), ("es", 3), ("num", 3)]
    assert len(reading.unreadable) == 4
    assert {name: len(reading.rows(name)) + sum(one[0] == name for one in unreadable) for name in reading.tables} == expected
    assert reading.codes().count("no-create-table") == len(expected)


def test_a_dump_that_its_tool_cut_itself_is_partial(realdata):
    """mariadb-dump --skip-quote-names died at the table with a hostile name."""
    reading = mysql_reading.read_dump(given(realdata / "edge" / "my_noquote.sql"))
    expected = truth(realdata, "edge/my_default.sql")
    found = hashed(reading)
    assert {name for name in expected if found.get(name) != expected[name]} == {"weird `name`; -- x"}
    assert reading.verdict.completeness == "partial"


def test_a_script_with_functions_rejects_their_rows_alone(realdata):
    reading = mysql_reading.read_dump(given(realdata / "edge" / "nasty_mysql.sql"))
    assert [(one.table, one.row, one.code) for one in reading.unreadable] == [
        ("esc", 3, "not-a-literal"),
        ("es", 1, "not-a-literal"),
        ("es", 3, "not-a-literal"),
        ("latin", 2, "not-a-literal"),
    ]
    assert len(reading.rows("num")) == 3


def test_a_statement_of_another_server_is_rejected_row_by_row(realdata):
    reading = mysql_reading.read_dump(given(realdata / "mysql" / "wp-bad-dump.sql"))
    assert [(one.table, one.row, one.line, one.code) for one in reading.unreadable] == [("employees", 1, 5, "not-a-literal")]
    assert MySqlDump().recognize(given(realdata / "mysql" / "wp-bad-dump.sql"), mysql_reading.SOURCE) is None


BACKUPS = {
    "backup_file_mdp.txt": (
        ("1", "1", "2", None, None, "1.000", None, None),
        ("2", "1", "3", None, None, "1.000", None, None),
        ("3", None, "190", "2008-07-24 10:27:34", "2008-07-24 10:27:34", "5.000", None, None),
        ("4", "259", "358", "2008-11-19 16:50:36", "2008-11-19 16:52:20", "1.000", "80", "1"),
    ),
    "backup_file_xpb.txt": (
        ("3", None, "190", "2008-07-24 10:27:34", "2008-07-25 10:27:34", "20.000", None, None),
        ("8", "66", "22", "2008-01-19 00:00:00", "2008-01-19 00:52:00", "7.000", "99", "1"),
    ),
    "backup_file_xrf.txt": (
        ("4", "259", "358", "2008-11-19 16:50:36", "2008-11-26 17:00:00", "1.000", "80", "1"),
        ("5", "12", "100", "2008-11-20 16:55:00", "2008-11-20 16:55:00", "500.000", "60", "0"),
    ),
}


@pytest.mark.parametrize("name", BACKUPS)
def test_the_backups_of_compositions_give_exactly_their_rows(realdata, name):
    reading = mysql_reading.read_dump(given(realdata / "seeds" / "sql_backups" / name))
    table = reading.tables["compositions"]
    assert tuple(reading.rows("compositions")) == BACKUPS[name]
    assert table.key == ("id",)
    assert table.column_names == ("id", "product_id", "component_id", "created_at", "updated_at", "quantity", "line_num", "fixed")
    stray = name == "backup_file_xrf.txt"
    assert reading.verdict.completeness == ("partial" if stray else "unknown")
    recovered = [(one.code, one.row, one.line, one.recovered, one.data_bearing) for one in reading.notices]
    assert recovered == ([("row-outside-statement", 2, 27, True, True)] if stray else [])


def test_no_dump_of_another_kind_is_claimed(realdata):
    others = [path for pattern in OTHERS for path in sorted(realdata.glob(pattern)) if path.is_file()]
    assert len(others) > 20
    assert [path.name for path in others if MySqlDump().recognize(given(path), mysql_reading.SOURCE)] == []
