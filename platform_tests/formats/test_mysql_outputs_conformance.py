"""Real --tab folders, XML and mydumper folders: every table equals what the server held when its own client loaded my_default.sql.

The tables of truth.tsv are those of the INSERT dump of the same database (realdata/README.md). What a program lost when it wrote the
file is asserted as such, byte for byte.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import mysql_reading
import pytest
import test_mysql_conformance as inserts

from platform_assets.dictionary.types import INSTANT, TIMESTAMP
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose


def read(path: Path) -> mysql_reading.Reading:
    dump = open_dump(path, mysql_reading.SOURCE)
    reading = mysql_reading.Reading()
    for event in choose(dump, mysql_reading.SOURCE)[0].read(dump, mysql_reading.SOURCE, {}):
        reading.take(event)
    return reading


def by_inserts(realdata: Path) -> mysql_reading.Reading:
    return mysql_reading.read_dump(inserts.given(realdata / "edge" / "my_default.sql"))


def test_my19_xml_holds_the_rows_of_the_server(realdata):
    reading = read(realdata / "edge" / "my_xml.xml")
    assert inserts.hashed(reading) == inserts.truth(realdata, "edge/my_default.sql")
    assert (reading.unreadable, reading.verdict.completeness) == ([], "complete")
    assert reading.tables["dt"].column("ts").type == TIMESTAMP
    expected = by_inserts(realdata)
    for name, table in reading.tables.items():
        assert table.key == expected.tables[name].key
        assert [(one.name, one.native, one.required) for one in table.columns] == [
            (one.name, one.native, one.required) for one in expected.tables[name].columns
        ]


def _as_utf8mb4(value: object) -> object:
    """What CHARACTER SET utf8mb4 leaves of bytes that are no UTF-8: mariadb-dump --tab asks for it, for binary columns too."""
    return value.decode("ascii", "replace").replace("\ufffd", "?").encode() if isinstance(value, bytes) else value


def test_my18_tab_holds_the_rows_of_the_server_but_for_the_bytes_that_mariadb_replaced(realdata):
    reading = read(realdata / "edge" / "tab")
    found, expected = inserts.hashed(reading), inserts.truth(realdata, "edge/my_default.sql")
    lossy = {"bin", "es", "num"}
    assert {name for name in expected if found.get(name) != expected[name]} == lossy
    assert set(found) == set(expected)
    default = by_inserts(realdata)
    for name in lossy:
        assert reading.rows(name) == [tuple(map(_as_utf8mb4, row)) for row in default.rows(name)]
    assert reading.unreadable == []
    assert reading.verdict.completeness == "unknown"
    assert reading.tables["dt"].column("ts").type == INSTANT
    assert {name: table.key for name, table in reading.tables.items()} == {name: table.key for name, table in default.tables.items()}


def test_my18_a_sealed_tab_dump_is_complete(realdata, tmp_path):
    with zipfile.ZipFile(tmp_path / "tab.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((realdata / "edge" / "tab").iterdir()):
            archive.write(path, f"nasty/{path.name}")
    reading = read(tmp_path / "tab.zip")
    assert reading.verdict.completeness == "complete"
    assert inserts.hashed(reading) == inserts.hashed(read(realdata / "edge" / "tab"))


def test_my24_mydumper_holds_the_rows_of_the_server_but_for_what_it_left_out(realdata):
    reading = read(realdata / "edge" / "mydumper")
    found, expected = inserts.hashed(reading), inserts.truth(realdata, "edge/my_default.sql")
    assert {name for name in expected if found.get(name) != expected[name]} == {"es", "inv", "weird `name`; -- x"}
    default = by_inserts(realdata)
    assert reading.rows("es") == [(*row[:5], None, None) for row in default.rows("es")]
    assert (reading.rows("inv"), default.rows("inv")) == ([("1", "5")], [("1", "7")])
    assert "weird `name`; -- x" not in reading.tables
    assert (reading.unreadable, reading.verdict.completeness) == ([], "partial")
    assert "schema-missing" in reading.verdict.reasons[0]


@pytest.mark.parametrize("release", [80, 100])
def test_my18_an_export_of_ensembl_is_read_whole(realdata, release):
    path = realdata / "mysql" / f"homo_sapiens_variation_release_{release}.zip"
    reading = read(path)
    lines = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".txt"):
                lines[name.removesuffix(".txt")] = _rows(archive.read(name))
    bad = {table: sum(one.table == table for one in reading.unreadable) for table in {one.table for one in reading.unreadable}}
    counted = {name: len(reading.rows(name)) + bad.get(name, 0) for name in reading.tables}
    assert counted == {name: count for name, count in lines.items() if name in counted}
    assert {name for name in lines if name not in counted and lines[name]} == set()
    orphans = [one.table for one in reading.notices if one.code == "orphan-rows" and one.table]
    assert {name: len(reading.rows(name)) for name in orphans} == {"variation_feature_bak": 30}
    # Rows of four fields for five columns: LOAD DATA of a strict server refuses them as well.
    assert bad == ({"phenotype": 3} if release == 100 else {})
    assert reading.verdict.completeness == ("partial" if release == 100 else "complete")
    assert reading.tables["allele"].key == ("allele_id",)


def _rows(data: bytes) -> int:
    """Line feeds that no escape stands before, counted one by one."""
    count = at = 0
    while (at := data.find(b"\n", at)) >= 0:
        escapes = len(data[:at]) - len(data[:at].rstrip(b"\\")) if data[at - 1 : at] == b"\\" else 0
        count += escapes % 2 == 0
        at += 1
    return count
