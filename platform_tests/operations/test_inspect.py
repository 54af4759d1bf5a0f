"""Inspect: what it says of a dump is what loading that dump would do, and nothing is written."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platform_assets.errors import DumpGone, SettingsError, UnknownSource, UnreadableDump
from platform_assets.operations.inspect import SAMPLES, Inspection, inspect_dump
from platform_assets.operations.parse import parse_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.records import VersionRecord

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE_DUMPS = sorted(path for path in (REPOSITORY / "data" / "dumps").glob("*/*") if not path.name.startswith("."))
HEADING = "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n-- Server version\t8.0.36\n/*!40101 SET NAMES utf8mb4 */;\n"
TABLE = "CREATE TABLE `t` (`id` int NOT NULL, `day` date, `name` varchar(20) NOT NULL, PRIMARY KEY (`id`));\n"
ENDING = "-- Dump completed on 2024-05-06 07:08:09\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home that is not there: inspecting needs none."""
    return Settings(tmp_path / "no home")


def inspected(settings: Settings, path: Path, content: str | bytes, source: str | None = None) -> Inspection:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return inspect_dump(settings, path, source)


def test_a_whole_dump_is_described_and_exit_code_0(settings, tmp_path):
    found = inspected(settings, tmp_path / "a.txt", HEADING + TABLE + "INSERT INTO `t` VALUES (1,'2020-01-02','a');\n" + ENDING)
    said = found.to_json()
    assert (said["format"], said["encoding"], said["server_version"]) == ("mysql", "utf8mb4", "8.0.36")
    assert said["tool"] == "MySQL dump 10.13 Distrib 8.0.36, for Linux (x86_64)"
    assert "its heading says" in said["format_reason"]
    assert (said["dump_time"], said["completeness"], said["reasons"], said["last_good"]) == ("2024-05-06T07:08:09", "complete", [], None)
    (table,) = said["tables"]
    assert (table["rows_read"], table["accepted"], table["rejected"], table["key"], table["judged_by"]) == (1, 1, 0, ["id"], "dump")
    columns = [(one["column"], one["type"], one["native"], one["key"], one["required"], one["not_held"]) for one in table["columns"]]
    assert columns == [
        ("id", "int32", "int", True, True, 0),
        ("day", "date", "date", False, False, 0),
        ("name", "string", "varchar(20)", False, True, 0),
    ]
    assert found.exit_code == said["exit_code"] == 0
    assert not settings.home.exists(), "inspecting writes nothing into a home"


def test_an_unknown_end_alone_is_exit_code_0(settings, tmp_path):
    found = inspected(settings, tmp_path / "a.csv", "id,name\n1,a\n")
    assert (found.finished.completeness, found.exit_code) == ("unknown", 0)
    assert found.to_json()["encoding"] == "utf-8"


def test_a_cut_dump_is_partial_with_its_reason_and_the_last_good_place(settings, tmp_path):
    whole = HEADING + TABLE + "INSERT INTO `t` VALUES (1,NULL,'a');\n"
    found = inspected(settings, tmp_path / "a.sql", whole + "INSERT INTO `t` VALUES (2,NULL,'b'),(3,'20")
    lines, end = whole.count("\n"), len(whole.rstrip("\n"))
    assert found.finished.completeness == "partial"
    assert "the file ends inside" in found.finished.reasons[0]
    assert found.to_json()["last_good"] == f"a.sql: line {lines}, byte {end}"
    assert found.exit_code == 1
    assert found.tables[0].rows_read >= 2


def test_a_cut_stream_of_delimited_text_has_its_last_good_place(settings, tmp_path):
    text = "id,name\n" + "".join(f"{number},name {number * 7919 % 10007}\n" for number in range(5_000))
    found = inspected(settings, tmp_path / "a.csv.gz", gzip.compress(text.encode())[:-4_000])
    place = found.to_json()["last_good"]
    line, byte = int(place.split("line ")[1].split(",")[0]), int(place.rpartition("byte ")[2])
    assert text.encode()[:byte].count(b"\n") == line - 1 == found.tables[0].rows + 1
    assert text[byte - 1] == "\n"
    assert found.finished.completeness == "partial"


def test_values_that_no_typed_column_holds_are_counted_per_column_and_reject_nothing(settings, tmp_path):
    rows = "(1,'0000-00-00','a'),(2,'2024-02-31','b'),(3,'2024-02-29','c')"
    found = inspected(settings, tmp_path / "a.sql", HEADING + TABLE + f"INSERT INTO `t` VALUES {rows};\n" + ENDING)
    assert found.tables[0].raw_counts == {"day": 2}
    assert [one["not_held"] for one in found.to_json()["tables"][0]["columns"]] == [0, 2, 0]
    assert found.exit_code == 0


def test_rows_that_break_the_dumps_own_rules_are_counted_by_rule_with_ten_samples(settings, tmp_path):
    rows = ",".join(f"(7,NULL,'n{number}')" for number in range(40))
    found = inspected(settings, tmp_path / "a.sql", HEADING + TABLE + f"INSERT INTO `t` VALUES {rows},(8,NULL,NULL);\n" + ENDING)
    (table,) = found.tables
    assert (table.rows_read, table.accepted, table.rejected) == (41, 1, 40)
    assert {one.rule: one.failed for one in table.broken_rules} == {"primaryKey:id": 39, "required:name": 1}
    assert len(table.samples) == SAMPLES
    assert json.loads(table.samples[0].raw) == {"id": "7", "day": None, "name": "n1"}
    assert json.loads(table.samples[0].violations)[0]["message"].startswith("id '7' stands in row 1 already")
    assert found.exit_code == 1


def test_unreadable_rows_and_notices_come_with_their_places(settings, tmp_path):
    skipped = "CREATE VIEW `v` AS SELECT 1;\nCREATE VIEW `w` AS SELECT 2;\nINSERT INTO `t` SELECT * FROM u;\n"
    found = inspected(settings, tmp_path / "a.sql", HEADING + TABLE + "INSERT INTO `t` VALUES (1,NOW(),'a');\n" + skipped + ENDING)
    said = found.to_json()
    (sample,) = said["tables"][0]["samples"]
    assert (sample["file"], sample["line"], sample["violations"][0]["code"]) == ("a.sql", 5, "not-a-literal")
    notices = {one["code"]: (one["count"], one["line"], one["data_bearing"]) for one in said["notices"]}
    assert notices == {"skipped-statement": (2, 6, False), "skipped-data-statement": (1, 8, True)}
    assert (said["completeness"], said["exit_code"]) == ("partial", 1)


def test_a_recovered_row_is_exit_code_1_and_shown(settings, tmp_path):
    found = inspect_dump(settings, REPOSITORY / "data" / "dumps" / "shop" / "backup_tz.sql")
    assert [(table.recovered, table.rejected) for table in found.tables] == [(1, 0)]
    assert [record.recovered for table in found.tables for record in table.samples] == [True]
    assert found.exit_code == 1


def test_a_long_text_of_a_reject_is_shortened(settings, tmp_path):
    found = inspected(settings, tmp_path / "a.csv", "id,name\n1," + "x" * 10_000 + ",more\n2,b\n")
    assert len(found.tables[0].samples[0].raw) < 1_100
    assert "more characters" in found.tables[0].samples[0].raw


def test_the_source_is_that_of_the_folder_under_dumps_or_the_named_one_or_none(home, tmp_path):
    (home.root / "platform.yaml").write_text("sources:\n  shop: {delimited: {separator: ';'}}\n")
    settings = Settings.load(home.root)
    inside = home.dumps / "shop" / "a.csv"
    inside.parent.mkdir(parents=True)
    assert [len(table.table.columns) for table in inspected(settings, inside, "a;b\n1;2\n").tables] == [2]
    outside = tmp_path / "b.csv"
    outside.write_text("a;b\n1;2\n")
    assert inspect_dump(settings, outside, "shop").source == "shop"
    with pytest.raises(UnreadableDump, match=r"set sources\.<source>\.format"):
        inspect_dump(settings, outside)
    assert inspected(settings, outside, "a,b\n1,2\n").source is None
    assert not home.store.exists()


def test_the_sources_dictionary_judges(home, tmp_path):
    home.dictionary.mkdir()
    (home.dictionary / "shop.odcs.yaml").write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: shop\nversion: 1.0.0\nstatus: active\nschema:\n"
        "  - {name: items, properties: [{name: id, logicalType: integer, physicalType: int},"
        " {name: name, logicalType: string, required: true}]}\n"
    )
    found = inspected(Settings.load(home.root), tmp_path / "items.csv", "id,name\n1,\nx,b\n3,c\n", "shop")
    (table,) = found.tables
    assert (table.judged_by, table.accepted) == ("dictionary", 1)
    assert {one.rule for one in table.broken_rules} == {"type:id", "required:name"}


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", UnreadableDump), (bytes(range(256)) * 40, UnreadableDump), (None, DumpGone)],
    ids=["empty", "unknown", "gone"],
)
def test_what_cannot_be_read_is_said(content, error, settings, tmp_path):
    path = tmp_path / "a.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error):
        inspect_dump(settings, path)


def test_a_name_that_can_be_no_source_is_refused(settings, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UnknownSource):
        inspect_dump(settings, tmp_path / "a.csv", "pg_x")


def test_settings_that_are_wrong_are_said(settings, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SettingsError):
        inspect_dump(Settings(settings.home, memory_limit="lots"), tmp_path / "a.csv")


@pytest.mark.parametrize("path", SAMPLE_DUMPS, ids=lambda path: path.name)
def test_what_is_said_is_what_loading_does(path, home):
    """The same counts as the snapshots of a parse, for every sample dump."""
    for name in ("platform.yaml", "dictionary"):
        (home.root / name).symlink_to(REPOSITORY / "data" / name)
    settings = Settings.load(home.root)
    source = path.parent.name
    record = VersionRecord(f"{source}.x.00000000", source, "default", "x", "0" * 64, path.name, 1, "file", datetime(2024, 1, 1, tzinfo=UTC))
    parsed = parse_version(settings, record, path)
    found = inspect_dump(settings, path, source)
    loaded = [(s.table, s.rows, s.unreadable, s.rejected, s.recovered) for s in parsed.snapshots]
    assert [(t.table, t.rows, t.unreadable, t.rejected, t.recovered) for t in found.tables] == loaded
    assert [dict(t.raw_counts) for t in found.tables] == [{n: c for n, c in s.raw_counts.items() if c} for s in parsed.snapshots]
    assert (found.finished.completeness, found.finished.reasons) == (parsed.completeness, parsed.reasons)
    assert dict(found.notice_counts) == dict(parsed.notice_counts)
