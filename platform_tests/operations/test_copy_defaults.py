"""What a row gets that says nothing of a column goes along into other databases; what does not translate is told by name."""

from __future__ import annotations

import sqlite3
import subprocess

import pytest
import sqlalchemy as sa
from dump_texts import ingest
from servers.mariadb import MariaDb
from sqlalchemy.dialects import mssql, postgresql, sqlite
from sqlalchemy.dialects.mysql import pymysql
from warehouse_tables import query

from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.operations.copy import Copied, CopyOptions, copy_tables
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import pg_bin
from platform_assets.storage.targets.database import open_target
from platform_assets.storage.targets.defaults import translated

MARIADB = r"""CREATE TABLE things (id int PRIMARY KEY, name varchar(40) DEFAULT 'it''s\\ 5%', note text DEFAULT 'none',
  paid decimal(12,3) NOT NULL DEFAULT 1.5, share double DEFAULT -0.25, born date DEFAULT '1999-12-31',
  at datetime DEFAULT '2024-01-01 10:00:00', noon time DEFAULT '12:00:00',
  raw varbinary(9) DEFAULT x'00ff27', made datetime DEFAULT current_timestamp(), size bigint DEFAULT 7,
  odd varchar(40) DEFAULT uuid(), gap int DEFAULT NULL) CHARACTER SET utf8mb4;
INSERT INTO things (id) VALUES (1);
"""
GIVEN = "name, note, paid, share, born, noon, size, gap"
ROW = ["it's\\ 5%", "none", "1.500", "-0.25", "1999-12-31", "12:00:00", "7", "None"]


def copied(settings, catalog, source: str, target, *, dry_run: bool = False) -> Copied:
    records, options = catalog.tables(source=source), CopyOptions(dry_run=dry_run)
    (done,) = copy_tables(settings, catalog, records, target, options, say=lambda line: None, progress=lambda table, rows: None)
    assert done.outcome == ("planned" if dry_run else "copied")
    return done


def dump_of(settings, source: str, data: bytes) -> None:
    path = Home(settings.home).dumps / source / "d.sql"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)


def test_defaults_go_from_mariadb_to_postgresql_and_back_and_to_sqlite(settings, catalog, elsewhere, mariadb: MariaDb, tmp_path):
    with mariadb.database("shop") as name:
        mariadb.client(name, text=MARIADB)
        dump_of(settings, "shop", mariadb.dump(name))
    assert ingest(settings, catalog) == []
    lacking = ("default of odd (uuid()): postgresql has none that means the same",)
    with open_target(elsewhere, schema="moved") as target:
        assert copied(settings, catalog, "shop", target, dry_run=True).left_undone == lacking
        assert copied(settings, catalog, "shop", target).left_undone == lacking
    query(elsewhere, "INSERT INTO moved.things (id) VALUES (2)")
    (row,) = query(elsewhere, f"SELECT {GIVEN} FROM moved.things WHERE id = 2")
    assert [str(cell) for cell in row] == ROW
    moments = "at = '2024-01-01 10:00:00', encode(raw, 'hex'), made BETWEEN localtimestamp - interval '1 hour' AND localtimestamp, odd"
    assert query(elsewhere, f"SELECT {moments} FROM moved.things WHERE id = 2") == [(True, "00ff27", True, None)]

    with open_target(f"sqlite:///{tmp_path / 'there.db'}") as target:
        assert copied(settings, catalog, "shop", target).left_undone == ("default of odd (uuid()): sqlite has none that means the same",)
    with sqlite3.connect(tmp_path / "there.db") as database:
        database.execute("INSERT INTO things (id) VALUES (2)")
        (found,) = database.execute(f"SELECT {GIVEN}, hex(raw), made > '2024' FROM things WHERE id = 2").fetchall()
    assert [str(cell).removesuffix(".000000") for cell in found] == [*ROW, "00FF27", "1"]

    dump_of(settings, "back", subprocess.run([pg_bin() / "pg_dump", "-n", "moved", elsewhere], check=True, capture_output=True).stdout)
    assert ingest(settings, catalog) == []
    with mariadb.database("back") as name, open_target(f"mariadb://root@/{name}?unix_socket={mariadb.socket}") as target:
        done = copied(settings, catalog, "back", target)
        assert done.left_undone == ()
        lines = mariadb.client(
            name, text=f"INSERT INTO {done.name} (id) VALUES (3); SELECT {GIVEN}, hex(raw) FROM {done.name} WHERE id = 3;"
        )
        made = mariadb.client(name, text=f"SELECT made BETWEEN now() - INTERVAL 1 HOUR AND now(6) FROM {done.name} WHERE id = 3;")
    there = lines.decode().rstrip("\n").replace("\\\\", "\\").split("\t")
    assert [cell.removesuffix(".000000") for cell in there] == [*ROW[:-1], "NULL", "00FF27"]
    assert made.strip() == b"1"


DIALECTS: dict[str, sa.Dialect] = {
    "postgresql": postgresql.dialect(),
    "mysql": pymysql.dialect(),
    "sqlite": sqlite.dialect(),
    "mssql": mssql.dialect(),
}
CASES = [
    ("'a''b'", STRING, ("'a''b'", "('a''b')", "'a''b'", "'a''b'")),
    ("'1'", BOOLEAN, ("true", "1", "1", "1")),
    ("'false'", BOOLEAN, ("false", "0", "0", "0")),
    ("'0.5'", decimal(10, 2), ("0.50",) * 4),
    ("'0.555'", decimal(10, 2), (None,) * 4),
    ("'-7'", INT64, ("-7",) * 4),
    ("'nan'", FLOAT64, (None,) * 4),
    ("'0000-00-00'", DATE, (None,) * 4),
    ("'10:00:00.5'", TIME, ("'10:00:00.500000'",) * 4),
    ("'2024-01-01 00:00:00+02'", INSTANT, ("'2023-12-31 22:00:00.000000+00'", *["'2023-12-31 22:00:00.000000'"] * 3)),
    ("'2024-01-01 00:00:00'", INSTANT, (None,) * 4),
    ("x'00ff'", BINARY, ("'\\x00ff'", "(x'00ff')", "x'00ff'", "0x00ff")),
    (r"'\x00FF'", BINARY, ("'\\x00ff'", "(x'00ff')", "x'00ff'", "0x00ff")),
    ("x'00ff'", STRING, (None,) * 4),
    ("(getdate())", TIMESTAMP, ("LOCALTIMESTAMP", "(CURRENT_TIMESTAMP(6))", "(datetime('now', 'localtime'))", "SYSDATETIME()")),
    ("now()", INSTANT, ("CURRENT_TIMESTAMP", "(UTC_TIMESTAMP(6))", "CURRENT_TIMESTAMP", "SYSUTCDATETIME()")),
    ("CURRENT_DATE", DATE, ("CURRENT_DATE", "(CURRENT_DATE)", "CURRENT_DATE", "(CAST(SYSDATETIME() AS date))")),
    ("nextval('s'::regclass)", INT64, (None,) * 4),
    ("'a' || 'b'", STRING, (None,) * 4),
    ("now()", STRING, (None,) * 4),
]


@pytest.mark.parametrize(("default", "kind", "expected"), CASES, ids=[f"{default} of {kind}" for default, kind, _ in CASES])
def test_a_default_is_the_same_or_none(default, kind, expected):
    assert tuple(translated(default, kind, dialect, product) for product, dialect in DIALECTS.items()) == expected
