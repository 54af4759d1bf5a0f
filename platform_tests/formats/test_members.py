"""Dumps of several files under formats whose members each hold tables: what is read, what is told, what the tables are called."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from reading import read

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT64
from platform_assets.errors import UnreadableDump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.json_records.reader import Json, JsonLines

APP = SourceSettings("app")
ONE = b'[{"a": 1}]'


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def test_files_of_another_kind_are_told_and_documents_are_no_loss(tmp_path: Path) -> None:
    found = read(Json(), folder(tmp_path / "d", {"t.json": ONE, "README.md": b"# About\n"}))
    assert (found.completeness, found.codes()) == ("complete", ["member-ignored"])
    found = read(Json(), folder(tmp_path / "e", {"t.json": ONE, "blob": bytes(range(256))}))
    assert found.completeness == "partial"
    assert found.finished and "blob" in found.finished.reasons[0]


def test_the_kind_of_most_members_decides(tmp_path: Path) -> None:
    files = {"t.csv": b"a,b\n1,2\n", "u.csv": b"a,b\n1,2\n", "meta.json": ONE}
    assert choose(open_dump(folder(tmp_path / "d", files), APP), APP)[0].name == "delimited"
    files = {"t.csv": b"a,b\n1,2\n", "u.json": ONE, "v.json": ONE}
    assert choose(open_dump(folder(tmp_path / "e", files), APP), APP)[0].name == "json"


def test_no_two_tables_of_a_dump_have_one_name(tmp_path: Path) -> None:
    files = {
        "x/t.json": ONE,
        "y/t.json": ONE,
        "z.json": b'{"t": [{"a": 3}], "x.t": [{"a": 4}]}',
        "zz.json": b'{"t": [{"a": 5}], "q": [{"a": 6}]}',
    }
    found = read(Json(), folder(tmp_path / "d", files))
    assert {name: rows[0]["a"] for name, rows in found.rows.items()} == {"x.t": 1, "y.t": 1, "t": 3, "z.x.t": 4, "zz.t": 5, "q": 6}
    assert found.codes() == ["table-renamed"]


def test_an_archive_proves_lines_whole_and_a_wrong_checksum_does_not(tmp_path: Path) -> None:
    lines = b"".join(json.dumps({"a": n}).encode() + b"\n" for n in range(10))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("t.jsonl", lines)
    (tmp_path / "d.zip").write_bytes(buffer.getvalue())
    assert read(JsonLines(), tmp_path / "d.zip").completeness == "complete"
    (tmp_path / "d.zip").write_bytes(buffer.getvalue().replace(b'{"a": 9}', b'{"a": 8}'))
    found = read(JsonLines(), tmp_path / "d.zip")
    assert (found.completeness, len(found.rows["t"])) == ("partial", 10)


def test_a_forced_format_reads_what_it_would_not_claim(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"one": b'{"a": 1}'})
    source = SourceSettings("app", format="json-lines")
    chosen, _ = choose(open_dump(path, source), source)
    assert read(chosen, path, source).rows == {"one": [{"a": 1}]}
    with pytest.raises(UnreadableDump, match="no known format"):
        choose(open_dump(path, APP), APP)


def test_a_wrong_encoding_makes_rows_unreadable_and_a_declared_one_mends_it(tmp_path: Path) -> None:
    text = '[{"a": "x"},\n {"a": "Müller"},\n {"a": "y"}]'.encode("cp1252")
    path = folder(tmp_path / "d", {"t.json": text}) / "t.json"
    found = read(Json(), path)
    assert [row["a"] for row in found.rows["t"]] == ["x", "y"]
    assert [(bad.row, bad.line, bad.code, bad.raw) for bad in found.bad] == [(2, 2, "encoding-error", '{"a": "M\\xfcller"}')]
    assert found.completeness == "partial"
    found = read(Json(), path, SourceSettings("app", encoding="cp1252"))
    assert [row["a"] for row in found.rows["t"]] == ["x", "Müller", "y"]


def test_the_dictionarys_key_goes_with_the_table(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"T.jsonl": b'{"id": "7"}\n'}) / "T.jsonl"
    found = read(JsonLines(), path, APP, {"t": Table("t", (Column("id", INT64),), key=("id",))})
    assert (found.rows, found.tables["t"].key) == ({"t": [{"id": 7}]}, ("id",))
