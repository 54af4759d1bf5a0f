"""Delimited dumps: cases as files with what must come of them beside, and dumps of several members."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import DelimitedOptions, Limits, SourceSettings
from platform_assets.dictionary.types import DATE, INT64, STRING, TIMESTAMP, type_name, type_named
from platform_assets.errors import LimitExceeded, SettingsError, UnreadableDump
from platform_assets.formats.base import Event, Finished, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.delimited.reader import Delimited, table_names
from platform_assets.formats.delimited.text import RAW_LIMIT, Utf8Source

CASES = Path(__file__).parent / "cases" / "delimited"
REALDATA = Path(os.environ.get("PLATFORM_REALDATA", Path(__file__).parents[3] / "shared" / "realdata"))
CSV = SourceSettings("app")
HEADERLESS = SourceSettings("hr", delimited=DelimitedOptions(header=False))


def events(path: Path, source: SourceSettings, dictionary: Mapping[str, Table] | None = None) -> list[Event]:
    found = list(Delimited().read(open_dump(path, source), source, dictionary or {}))
    assert sum(isinstance(event, Finished) for event in found) == 1
    assert isinstance(found[-1], Finished)
    return found


def rows_of(found: Iterable[Event], table: str | None = None) -> list[list[Any]]:
    """[row, line, values in the table's order] of all readable rows of a table."""
    rows: list[list[Any]] = []
    for event in found:
        if isinstance(event, Rows) and table in (None, event.table):
            assert event.strict
            assert len(event.rows) == len(event.lines) == event.batch.num_rows
            cells = [list(row.values()) for row in event.batch.to_pylist()]
            rows += [[row, line, *values] for row, line, values in zip(event.rows.to_pylist(), event.lines.to_pylist(), cells, strict=True)]
    return sorted(rows)


def notices(found: Iterable[Event]) -> list[str]:
    return sorted(event.code for event in found if isinstance(event, Notice))


def finished(found: list[Event]) -> Finished:
    assert isinstance(found[-1], Finished)
    return found[-1]


def tables(found: Iterable[Event]) -> dict[str, Table]:
    return {event.table.name: event.table for event in found if isinstance(event, TableFound)}


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize("path", sorted(CASES.glob("*.expected.json")), ids=lambda path: path.name.removesuffix(".expected.json"))
def test_a_case_gives_what_stands_beside_it(path: Path) -> None:
    expected = json.loads(path.read_text(encoding="utf-8"))
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in expected.get("options", {}).items()}
    source = SourceSettings("app", delimited=DelimitedOptions(**options))
    name = path.name.removesuffix(".expected.json").rpartition(".")[0]
    columns = tuple(Column(column, type_named(kind)) for column, kind in expected.get("dictionary", []))
    dump = open_dump(path.with_name(path.name.removesuffix(".expected.json")), source)
    assert Delimited().recognize(dump, source)
    found = list(Delimited().read(dump, source, {name: Table(name, columns)} if columns else {}))
    table = tables(found)[name]
    assert list(table.column_names) == expected["columns"]
    if "types" in expected:
        assert [type_name(column.type) for column in table.columns] == expected["types"]
    assert rows_of(found) == expected["rows"]
    bad = [[event.row, event.line, event.code, event.raw] for event in found if isinstance(event, Unreadable)]
    assert bad == expected["unreadable"]
    assert notices(found) == expected["notices"]
    assert finished(found).completeness == expected["completeness"]
    assert bool(finished(found).reasons) == (expected["completeness"] == "partial")


def test_an_unreadable_row_names_file_line_and_reason(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_bytes(b"id,name\n1,a\n2\n")
    bad = next(event for event in events(tmp_path / "jobs.csv", CSV) if isinstance(event, Unreadable))
    assert (bad.table, bad.member, bad.line, bad.row, bad.offset) == ("jobs", "jobs.csv", 3, 2, 12)
    assert bad.message == "jobs.csv, line 3: the row has 1 fields where the table has 2."


def test_a_folder_is_one_table_per_file(tmp_path: Path) -> None:
    files = {"a.csv": b"1,x\n", "b.csv.gz": gzip.compress(b"2\n3\n"), "c.CSV": b"4,y,z\n"}
    found = events(folder(tmp_path / "d", files), HEADERLESS)
    assert {name: len(rows_of(found, name)) for name in tables(found)} == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("members", "names"),
    [
        (["hr.csv.gz"], ["hr"]),
        (["a/hr.csv", "b/jobs.csv"], ["hr", "jobs"]),
        (["a/hr.csv", "b/hr.csv", "x.csv"], ["a.hr", "b.hr", "x"]),
        (["hr.csv", "hr.tsv"], ["hr.csv", "hr.tsv"]),
        (["hr.csv", "hr.csv.gz"], ["hr.csv", "hr.csv.gz"]),
        (["v1.2/users.v3.csv"], ["users.v3"]),
        (["Hr.csv", "hr.csv"], ["Hr", "hr"]),
    ],
)
def test_tables_are_called_after_their_files_and_never_alike(members: list[str], names: list[str]) -> None:
    assert table_names(members) == names


def test_a_file_name_in_another_case_is_the_dictionarys_table(tmp_path: Path) -> None:
    dictionary = {"jobs": Table("jobs", (Column("id", INT64),), key=("id",))}
    found = events(folder(tmp_path / "d", {"Jobs.csv": b"1\n"}), HEADERLESS, dictionary)
    assert tables(found)["jobs"].key == ("id",)
    assert "table-case" in notices(found)
    twins = events(folder(tmp_path / "e", {"Jobs.csv": b"1\n", "JOBS.csv": b"2\n"}), HEADERLESS, dictionary)
    assert set(tables(twins)) == {"jobs", "Jobs"}


def test_formats_of_the_source_go_to_dates_that_have_none(tmp_path: Path) -> None:
    columns = (Column("a", DATE), Column("b", TIMESTAMP, formats=("%Y",)), Column("c", TIMESTAMP), Column("d", STRING))
    source = SourceSettings("app", delimited=DelimitedOptions(formats=("%d.%m.%Y",)))
    found = events(folder(tmp_path / "d", {"t.csv": b"a,b,c,d\n"}), source, {"t": Table("t", columns)})
    assert [column.formats for column in tables(found)["t"].columns] == [("%d.%m.%Y",), ("%Y",), ("%d.%m.%Y",), ()]


def test_a_cut_gz_gives_its_rows_and_is_partial(tmp_path: Path) -> None:
    text = b"id,name\n" + b"".join(b"%d,%s\n" % (n, os.urandom(20).hex().encode()) for n in range(5000))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text)[:-9000])
    found = events(tmp_path / "t.csv.gz", CSV)
    rows = rows_of(found)
    assert 1000 < len(rows) < 5000
    assert [row[2] for row in rows] == [str(n) for n in range(len(rows))]
    bad = [event for event in found if isinstance(event, Unreadable)]
    assert [(event.code, event.row) for event in bad] == [("cut-short", len(rows) + 1)]
    assert finished(found).completeness == "partial"
    assert any("t.csv.gz" in reason and "Fetch the dump again" in reason for reason in finished(found).reasons)


def test_a_dump_cut_anywhere_never_shows_a_row_that_was_not_there(tmp_path: Path) -> None:
    text = b'id,name\n1,"a\nb"\n22,"c""d"\n333,e\n'
    whole = [["1", "a\nb"], ["22", 'c"d'], ["333", "e"]]
    packed = gzip.compress(text)
    for cut in range(11, len(packed)):
        (tmp_path / "t.csv.gz").write_bytes(packed[:cut])
        try:
            found = events(tmp_path / "t.csv.gz", CSV)
        except UnreadableDump as error:
            assert "Fetch the dump again" in error.message
            continue
        assert [row[2:] for row in rows_of(found)] == whole[: len(rows_of(found))]
        assert finished(found).completeness == "partial"


def test_a_zip_is_complete_and_with_a_bad_crc_partial(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("t.csv", b"id,name\n1,a\n2,b\n")
    (tmp_path / "d.zip").write_bytes(buffer.getvalue())
    assert finished(events(tmp_path / "d.zip", CSV)).completeness == "complete"
    (tmp_path / "d.zip").write_bytes(buffer.getvalue().replace(b"2,b\n", b"2,c\n"))
    found = events(tmp_path / "d.zip", CSV)
    assert finished(found).completeness == "partial"
    assert len(rows_of(found)) == 2
    assert "d.zip: member t.csv" in finished(found).reasons[0]


def test_what_is_no_table_makes_the_dump_partial_unless_it_is_a_document(tmp_path: Path) -> None:
    files = {"t.csv": b"a,b\n1,2\n", "README.md": b"# About\n", ".hidden": b"x"}
    found = events(folder(tmp_path / "d", files), CSV)
    assert (finished(found).completeness, notices(found)) == ("unknown", ["member-ignored", "member-ignored"])
    found = events(folder(tmp_path / "d", {"blob.bin": bytes(range(256)) * 20, "t.csv": b"a,b\n1,2\n"}), CSV)
    assert finished(found).completeness == "partial"
    assert "blob.bin" in finished(found).reasons[0]
    assert "binary" in finished(found).reasons[0]


def test_an_empty_file_is_said_and_without_header_it_is_a_table_of_no_rows(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", {"t.csv": b"", "u.csv": b"1,2\n"})
    dictionary = {"t": Table("t", (Column("id", INT64),))}
    found = events(path, HEADERLESS, dictionary)
    assert set(tables(found)) == {"t", "u"}
    assert finished(found).completeness == "unknown"
    found = events(path, CSV, dictionary)
    assert "empty-member" in notices(found)
    assert finished(found).completeness == "partial"


def test_an_unreadable_header_costs_its_table_and_is_said(tmp_path: Path) -> None:
    found = events(folder(tmp_path / "d", {"t.csv": b"id,n\xe4me\n1,2\n", "u.csv": b"a,b\n1,2\n"}), CSV)
    assert set(tables(found)) == {"u"}
    assert [(event.line, event.code, event.row) for event in found if isinstance(event, Unreadable)] == [(1, "encoding-error", None)]
    assert finished(found).completeness == "partial"


def test_a_dump_without_a_single_table_is_unreadable_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDump, match=r"d: no table can be read\. t\.csv: it is empty"):
        events(folder(tmp_path / "d", {"t.csv": b""}), CSV)


def test_a_bomb_stops_the_reading(tmp_path: Path) -> None:
    source = SourceSettings("app", limits=Limits(max_dump_bytes=1_000_000))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000))
    with pytest.raises(LimitExceeded, match="max_dump_bytes"):
        events(tmp_path / "t.csv.gz", source)


def test_an_unknown_encoding_is_a_settings_error(tmp_path: Path) -> None:
    source = SourceSettings("app", encoding="klingon")
    with pytest.raises(SettingsError, match=r"sources\.app.*klingon"):
        events(folder(tmp_path / "d", {"t.csv": b"a\n"}), source)


@pytest.mark.skipif(not (REALDATA / "seeds").is_dir(), reason=f"no real dumps at {REALDATA}: set PLATFORM_REALDATA")
def test_the_real_hr_dump_is_read_to_the_last_row() -> None:
    hires = Table("hired_employees", tuple(Column(name, STRING) for name in ("id", "name", "datetime", "department_id", "job_id")))
    found = events(REALDATA / "seeds" / "csv_hr", HEADERLESS, {"hired_employees": hires})
    assert {name: len(rows_of(found, name)) for name in tables(found)} == {"departments": 12, "hired_employees": 1999, "jobs": 183}
    rows = rows_of(found, "hired_employees")
    assert rows[0] == [1, 1, "1", "Harold Vogt", "2021-11-07T02:48:42Z", "2", "96"]
    assert sum(None in row for row in rows) == 70
    assert not [event for event in found if isinstance(event, Unreadable)]


@pytest.mark.skipif(not (REALDATA / "delimited").is_dir(), reason=f"no real dumps at {REALDATA}: set PLATFORM_REALDATA")
def test_the_real_pet_licenses_are_read_as_pythons_csv_reads_them() -> None:
    import csv

    path = REALDATA / "delimited" / "seattle_pet_licenses_2019.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        expected = [[cell or None for cell in row] for row in csv.reader(file)]
    found = events(path, CSV)
    assert list(tables(found)["seattle_pet_licenses_2019"].column_names) == expected[0]
    assert [row[2:] for row in rows_of(found)] == expected[1:]


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        (b"a\xed\xb2\x80b\xed\xb3\xbf", "a\\x80b\\xff"),
        (b"a\xed\xb2", "a\\xed\\xb2"),
        (b"\x80\xc3\xa4\xe2\x82", "\\x80ä\\xe2\\x82"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"a" * RAW_LIMIT + b"\xed", "a" * RAW_LIMIT + " … (1 more bytes)"),
        (b"a" * (RAW_LIMIT - 1) + b"\xed\xb2\x80", "a" * (RAW_LIMIT - 1) + "\\xed … (2 more bytes)"),
    ],
    ids=["kept bytes", "cut within a kept byte", "cut within characters", "half a pair", "at the limit", "over the limit"],
)
def test_a_piece_of_transcoded_text_is_shown_whatever_was_cut(piece: bytes, shown: str) -> None:
    source = Utf8Source(io.BytesIO(b""), "utf-16-le")
    assert source.show(piece) == shown
