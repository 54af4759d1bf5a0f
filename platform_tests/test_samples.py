"""The sample home is what the README says it is: every dump readable, every flaw in it there on purpose."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
import samples

from platform_assets.formats import base
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.detect import choose
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.settings import Settings

DATA = Path(__file__).resolve().parents[1] / "data"
DUMPS = sorted(path for folder in (DATA / "dumps").iterdir() for path in folder.iterdir())
HIRES = DATA / "dumps" / "hr" / "2024-03" / "hired_employees.csv"

FLAWS = {
    9: "no name",
    17: "no department",
    24: "no such job",
    31: "id seen before",
    42: "no such time",
    53: "too few fields",
}
"""Line of hired_employees.csv to what is wrong with it."""


def expected() -> dict[str, list[dict[str, str]]]:
    """sample_counts.tsv by path; .ci/run compares the printed table of `ingest` with the same file."""
    text = (Path(__file__).parent / "sample_counts.tsv").read_text(encoding="utf-8")
    by_dump: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        by_dump.setdefault(row["path"], []).append(row)
    return by_dump


def name_of(path: Path) -> str:
    return path.relative_to(DATA / "dumps").as_posix()


def read(path: Path) -> list[base.Event]:
    settings = Settings.load(DATA, {}).source(path.parent.name)
    dump = open_dump(path, settings)
    chosen, _ = choose(dump, settings)
    return list(chosen.read(dump, settings, usable_dictionary(DATA / "dictionary", path.parent.name)))


def test_the_expected_counts_cover_every_dump():
    assert sorted(expected()) == [name_of(path) for path in DUMPS]


@pytest.mark.parametrize("path", DUMPS, ids=name_of)
def test_a_sample_dump_reads_as_expected(path):
    events = read(path)
    rows = Counter({event.table.name: 0 for event in events if isinstance(event, base.TableFound)})
    for event in events:
        if isinstance(event, base.Rows):
            rows[event.table] += event.batch.num_rows
        elif isinstance(event, base.Unreadable):
            rows[event.table] += 1
    want = expected()[name_of(path)]
    assert rows == {row["table"]: int(row["read"]) for row in want}
    assert {events[-1].completeness} == {row["completeness"] for row in want}


@pytest.mark.parametrize("name", samples.DUMPS)
def test_a_committed_zip_holds_what_the_script_makes(name):
    """Members, times and bytes, not the packed bytes: those differ between builds of zlib."""
    with zipfile.ZipFile(samples.FOLDER / name) as archive:
        held = {info.filename: (info.date_time, archive.read(info)) for info in archive.infolist()}
    assert held == {member: (samples.WRITTEN, content) for member, content in samples.members(samples.DUMPS[name]).items()}


def test_no_zip_is_left_from_an_older_script():
    assert {path.name for path in samples.FOLDER.iterdir()} == set(samples.DUMPS)


def test_the_script_makes_the_same_zip_twice():
    assert samples.archive(samples.EU) == samples.archive(samples.EU)


@pytest.mark.parametrize("name", samples.DUMPS)
def test_the_pattern_finds_the_region_in_the_name_of_a_zip(name):
    found = re.fullmatch(Settings.load(DATA, {}).source("lms").pattern, name)
    region, month = name.removeprefix("lms_").removesuffix(".zip").split("_")
    assert found.groupdict() == {"instance": region, "label": f"{region}_{month}"}


def test_the_hires_have_six_flaws_in_six_ways():
    with HIRES.open(encoding="utf-8-sig", newline="") as file:
        hires = list(csv.reader(file))
    seen: set[str] = set()
    found = {}
    for line, hire in enumerate(hires, 1):
        if reason := _flaw(hire, seen):
            found[line] = reason
        seen.add(hire[0])
    assert found == FLAWS


def _flaw(hire: list[str], seen: set[str]) -> str | None:
    if len(hire) < 5:
        return "too few fields"
    number, name, moment, department, job = hire
    if not name:
        return "no name"
    if not department:
        return "no department"
    if job not in {str(known) for known in range(1, 9)}:
        return "no such job"
    if number in seen:
        return "id seen before"
    try:
        datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return "no such time"
    return None


def test_the_shop_backups_differ_as_the_readme_says():
    texts = {path.name: path.read_bytes() for path in DUMPS if path.parent.name == "shop"}
    assert {name for name, text in texts.items() if b"`colour`" in text} == {"backup_qf.sql", "backup_tz.sql"}
    assert b"Caf\xe9" in texts["backup_ba.sql"]
    assert "Café".encode() in texts["backup_kx.sql"]
    assert re.search(rb";\n \(12,", texts["backup_tz.sql"])
    assert texts["backup_mw.sql"].endswith(b"(39,'Jan K")
    assert {name for name, text in texts.items() if b"-- Dump completed on" in text} == {"backup_ba.sql", "backup_kx.sql"}
