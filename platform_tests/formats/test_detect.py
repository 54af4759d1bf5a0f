"""Which format is chosen, and what a person is told when none fits."""

from __future__ import annotations

import gzip
import io
import os
import random
import zipfile
from pathlib import Path

import pytest

from platform_assets.dictionary.source import DelimitedOptions, SourceSettings
from platform_assets.errors import SettingsError, UnreadableDump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import FORMATS, choose

REALDATA = Path(os.environ.get("PLATFORM_REALDATA", Path(__file__).parents[3] / "shared" / "realdata"))
APP = SourceSettings("app")
SQL = b"-- MySQL dump 10.13\nCREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1),(2);\n"
PG = b"--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nCOPY public.t (a, b) FROM stdin;\n1\t2\n"
CSV = b"id,name\n1,a\n2,b\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


ARCHIVE = zipped({"t.json": b'[{"column_name": "id", "column_type": "int"}]', "t.csv": CSV})


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.sql", SQL, "mysql"),
        ("a.csv", SQL, "mysql"),
        ("a.sql.gz", gzip.compress(SQL, mtime=0), "mysql"),
        ("a.sql", PG, "postgres"),
        ("a.csv", PG, "postgres"),
        ("a.csv", CSV, "delimited"),
        ("no_suffix", CSV, "delimited"),
        ("a.zip", zipped({"t.csv": CSV}), "delimited"),
        ("a.zip", ARCHIVE, "table-archive"),
        ("a.dat", ARCHIVE, "table-archive"),
        ("inner.zip", zipped({"v1.zip": ARCHIVE}), "table-archive"),
        ("one_column.csv", b"name\na\nb\n", "delimited"),
        ("list.csv", b'[{"a": 1}, {"a": 2}]\n', "json"),
        ("page.txt", b'{"count": 1, "results": [{"a": 1}]}', "json"),
        ("events", b'{"a": 1}\n{"a": 2}\n', "json-lines"),
        ("one.jsonl.gz", gzip.compress(b'{"a": 1}\n', mtime=0), "json-lines"),
        ("accents.csv", "id,name\n1,Müller\n".encode("cp1252"), "delimited"),
        ("sql_in_data.csv", b'id,statement\n1,"CREATE TABLE t (a int);"\n2,"-- INSERT INTO t VALUES (1);"\n', "delimited"),
    ],
)
def test_content_decides_and_the_reason_is_given(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(data)
    chosen, reason = choose(open_dump(tmp_path / name, APP), APP)
    assert chosen.name == expected
    assert reason


UNKNOWN = {
    "picture.csv": (PNG, "a PNG image"),
    "random.dat": (random.Random(1).randbytes(5000), "binary data"),
    "random.csv": (random.Random(2).randbytes(60), "looks like"),
    "backup": (b"\x7fELF\x02\x01\x01" + bytes(84), "a program"),
    "prose.txt": (b"Dear all,\nplease find the dump, as agreed, below.\nYours\n", "same number of fields"),
    "answer.json": (b'{"error": "not found", "code": 404}\n', "JSON text"),
    "page.csv": (b"<!DOCTYPE html><html><body>404, not found</body></html>", "XML or HTML"),
    "other.sql": (b"CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n", "SQL text"),
    "pipes.csv": (b"id|name|x\n1|a|b\n2|c|d\n", "fields separated by '|', not by ','"),
    "cyrillic.csv": ("имя;город\n" * 50).encode("cp1251") and (("имя,город\n" * 50).encode("cp1251"), "another encoding"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_format_is_refused_with_what_it_looks_like_and_what_to_do(tmp_path: Path, name: str) -> None:
    data, looks = UNKNOWN[name]
    (tmp_path / name).write_bytes(data)
    dump = open_dump(tmp_path / name, APP)
    with pytest.raises(UnreadableDump) as caught:
        choose(dump, APP)
    message = caught.value.message
    assert name in message
    assert looks in message
    assert ", ".join(known.name for known in FORMATS) in message
    assert "sources.app.format" in message


ORACLE = {
    "chinook_oracle.sql": b"SET DEFINE OFF;\nCREATE TABLE Album (AlbumId NUMBER NOT NULL, Title VARCHAR2(160));\n"
    b"INSERT INTO Album (AlbumId, Title) VALUES (1, q'[it's]');\n"
    b"INSERT INTO Album VALUES (2, TO_DATE('2009-1-1','yyyy-mm-dd'));\n/\nexit;\n",
    "full.dmp": b"\x03\x01\x01\x01\x00\x00\x00\x02" + bytes(60) + b'"SYS"."SYS_EXPORT_SCHEMA_01"' + bytes(4000),
    "exp.dmp": b"\x03\x03\x69EXPORT:V11.02.00\nDSHOP\nRTABLES\n" + bytes(500),
}


@pytest.mark.parametrize("name", ORACLE)
def test_or1_what_oracle_writes_is_refused_as_of_no_known_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(ORACLE[name])
    with pytest.raises(UnreadableDump, match="of no known format"):
        choose(open_dump(tmp_path / name, APP), APP)


def test_a_stream_of_which_nothing_can_be_unpacked_is_refused_with_the_cause(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV, mtime=0)[:11])
    with pytest.raises(UnreadableDump, match=r"a\.csv\.gz.*ends early"):
        choose(open_dump(tmp_path / "a.csv.gz", APP), APP)


def test_platform_yaml_overrules_the_content(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"one\ntwo\n")
    source = SourceSettings("app", format="delimited")
    chosen, reason = choose(open_dump(tmp_path / "list.txt", source), source)
    assert chosen.name == "delimited"
    assert "sources.app.format" in reason
    with pytest.raises(SettingsError, match=r"sources\.app\.format: 'csv' is none of pull, fixes, table-archive, .*delimited"):
        choose(open_dump(tmp_path / "list.txt", source), SourceSettings("app", format="csv"))


def test_the_dialect_of_the_source_counts(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(b"id|name|x\n1|a|b\n")
    source = SourceSettings("app", delimited=DelimitedOptions("|"))
    assert choose(open_dump(tmp_path / "a.dat", source), source)[0].name == "delimited"


def test_format_names_are_unique() -> None:
    assert len({known.name for known in FORMATS}) == len(FORMATS)


REAL = {
    "seeds/app_zips/dump_v1.zip": "table-archive",
    "seeds/csv_hr": "delimited",
    "seeds/sql_backups/backup_file_mdp.txt": "mysql",
    "delimited/seattle_pet_licenses_2019.csv": "delimited",
    "edge/my_default.sql": "mysql",
    "mssql/chinook.sql": "mssql",
    "edge/tab": "mysql-tab",
    "edge/my_xml.xml": "mysql-xml",
    "edge/mydumper": "mydumper",
    "mysql/homo_sapiens_variation_release_80.zip": "mysql-tab",
    "edge/pg_copy.sql": "postgres",
    "edge/pg.fc": "postgres",
    "edge/pg.tar": "postgres",
    "edge/pg_dir": "postgres",
    "sqlite/chinook.sqlite": "sqlite-database",
    "sqlite/northwind.sql": "sqlite",
}


@pytest.mark.skipif(not (REALDATA / "seeds").is_dir(), reason=f"no real dumps at {REALDATA}: set PLATFORM_REALDATA")
@pytest.mark.parametrize("name", REAL)
def test_real_dumps_are_chosen_rightly_or_refused(name: str) -> None:
    dump = open_dump(REALDATA / name, APP)
    if REAL[name]:
        assert choose(dump, APP)[0].name == REAL[name]
    else:
        with pytest.raises(UnreadableDump, match=r"Known formats are"):
            choose(dump, APP)
