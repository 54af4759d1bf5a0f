"""Pulls as dumps: what their manifest states stands, and what is missing or damaged is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from reading import APP, read

from platform_assets.dictionary.types import INT64
from platform_assets.errors import UnreadableDump
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.formats.pull import KIND, Pull
from platform_assets.storage.pulls import MANIFEST, RunningPull, landed

COLUMNS = [("id", "int64"), ("name", "string"), ("raw", "binary"), ("ratio", "float64"), ("never", "date")]


def pulled(tmp_path: Path, *pages: list[dict], **manifest) -> Path:
    running = RunningPull(tmp_path / "running")
    running.begin({})
    for number, rows in enumerate(pages):
        running.add(number, b"".join(json.dumps(row).encode() + b"\n" for row in rows), len(rows), {}, None, {})
    about = {
        "kind": KIND,
        "topic": "t",
        "table": "people",
        "moment": "2024-05-01T10:00:00+00:00",
        "full": True,
        "columns": [{"name": name, "native": "", "type": kind} for name, kind in COLUMNS],
        "key": ["id"],
        "row_version": None,
    }
    target = tmp_path / "dumps" / "t-1"
    running.land(target, {**about, **manifest})
    return target


PAGES = ([{"id": 1, "name": "a", "raw": "AP8=", "ratio": "nan"}, {"id": 2}], [{"id": 3, "name": "c"}])


def test_rows_of_all_pages_come_under_the_stated_columns(tmp_path):
    folder = pulled(tmp_path, *PAGES)
    assert choose(open_dump(folder, APP), APP)[0].name == "pull"
    found = read(Pull(), folder)
    assert found.types("people") == dict(COLUMNS)
    assert found.tables["people"].key == ("id",)
    assert [(row["id"], row["name"], row["raw"]) for row in found.rows["people"]] == [
        (1, "a", b"\x00\xff"),
        (2, None, None),
        (3, "c", None),
    ]
    assert found.rows["people"][0]["ratio"] != found.rows["people"][0]["ratio"]
    assert found.finished is not None
    assert (found.completeness, found.finished.facts["full"]) == ("complete", "yes")
    assert found.finished.dump_time == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert [path.name for path, _ in landed(tmp_path / "dumps", "t")] == ["t-1"]


def test_a_pull_without_rows_is_a_table_without_rows(tmp_path):
    found = read(Pull(), pulled(tmp_path))
    assert (found.rows, found.completeness) == ({"people": []}, "complete")


def test_without_stated_columns_those_of_the_rows_count_and_a_key_that_they_lack_is_none(tmp_path):
    found = read(Pull(), pulled(tmp_path, [{"no": 1}], columns=[], key=["id"], row_version="at", full=False))
    assert found.tables["people"].column("no").type == INT64
    assert (found.tables["people"].key, found.tables["people"].row_version) == ((), None)
    assert found.finished is not None
    assert found.finished.facts["full"] == "no"


@pytest.mark.parametrize(
    ("damage", "code"),
    [("gone", "chunk-missing"), ("flipped", "chunk-damaged"), ("other rows", "rows-missing")],
)
def test_what_is_missing_or_damaged_makes_the_dump_partial(tmp_path, damage, code):
    folder = pulled(tmp_path, *PAGES)
    chunk = folder / "rows-000000.jsonl.zst"
    data = chunk.read_bytes()
    if damage == "gone":
        chunk.unlink()
    elif damage == "flipped":
        chunk.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        chunk.write_bytes((folder / "rows-000001.jsonl.zst").read_bytes())
    found = read(Pull(), folder)
    assert found.completeness == "partial"
    assert code in found.codes()


@pytest.mark.parametrize("text", ["", "{", '{"kind": "platform-assets pull"}', '{"kind": "platform-assets pull", "format_version": 2}'])
def test_a_manifest_that_cannot_be_understood_is_refused(tmp_path, text):
    folder = pulled(tmp_path, *PAGES)
    (folder / MANIFEST).write_text(text)
    with pytest.raises(UnreadableDump, match="cannot be understood"):
        read(Pull(), folder)
