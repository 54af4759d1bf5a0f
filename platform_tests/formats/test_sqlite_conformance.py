"""Real files: every cell is what Python's own sqlite3 holds after it loaded the file, and what truth.tsv says of their tables."""

from __future__ import annotations

import csv
import sqlite3

import pytest
import sql_cases
import sqlite_reading
from mysql_reading import dump

from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose

SCRIPTS = ("edge/sqlite_dump.sql", "sqlite/chinook.sql", "sqlite/northwind.sql", "sqlite/wp-single.sql")
OTHERS = ("mysql/*.sql", "postgres/*.sql", "mssql/*.sql", "edge/my_*.sql", "edge/nasty*", "edge/pg*", "delimited/*", "seeds/*/*")


@pytest.mark.parametrize("file", SCRIPTS)
def test_every_cell_of_a_script_is_what_sqlite_holds(realdata, file):
    path = realdata / file
    reading = sqlite_reading.typed_file(path)
    assert sqlite_reading.differences(reading, sqlite_reading.loaded(path.read_bytes().decode("utf-8-sig"))) == []
    assert reading.unreadable == []
    assert reading.verdict.completeness == ("complete" if file.startswith("edge") else "unknown")


def test_every_cell_of_a_database_is_what_sqlite_holds(realdata):
    path = realdata / "sqlite" / "chinook.sqlite"
    reading = sqlite_reading.typed_file(path)
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
        assert sqlite_reading.differences(reading, connection) == []
    assert reading.verdict.completeness == "complete"


@pytest.mark.parametrize("file", ["sqlite/chinook.sql", "sqlite/northwind.sql"])
def test_the_tables_are_those_of_the_truth(realdata, file):
    with (realdata / "truth.tsv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if row["file"] == file]
    reading = sqlite_reading.typed_file(realdata / file)
    found = {name: (len(reading.rows(name)), len(table.columns)) for name, table in reading.tables.items()}
    assert found == {row["table"]: (int(row["rows"]), int(row["columns"])) for row in rows}


def test_what_sqlite_dumps_of_a_real_database_is_read_as_the_database(realdata):
    with sqlite3.connect(f"file:{realdata / 'sqlite' / 'chinook.sqlite'}?mode=ro&immutable=1", uri=True) as connection:
        reading = sqlite_reading.typed(sqlite_reading.READER, dump("\n".join(connection.iterdump())))
        assert sqlite_reading.differences(reading, connection) == []
    assert reading.verdict.completeness == "complete"


@pytest.mark.parametrize("file", [*SCRIPTS, "sqlite/chinook.sqlite"])
def test_files_of_sqlite_are_recognized(realdata, file):
    chosen, why = choose(open_dump(realdata / file, sql_cases.SOURCE), sql_cases.SOURCE)
    assert chosen.name == ("sqlite-database" if file.endswith("sqlite") else "sqlite")
    assert why


def test_no_dump_of_another_kind_is_claimed(realdata):
    others = [path for pattern in OTHERS for path in sorted(realdata.glob(pattern)) if path.is_file()]
    assert len(others) > 30
    for reader in (sqlite_reading.READER, sqlite_reading.DATABASE):
        claimed = [path.name for path in others if reader.recognize(open_dump(path, sql_cases.SOURCE), sql_cases.SOURCE)]
        assert claimed == []
