"""The other outputs of MySQL's dump programs on small dumps under cases/mysql_tab, mysql_xml and mydumper: a folder or an XML each.

What is expected stands in expected.json in the folder, or beside the file. Names begin with the edge case's id. `python
test_mysql_outputs_cases.py` writes what the readers give today for cases without an expectation; read it before it is committed.
"""

from __future__ import annotations

import json
from pathlib import Path

import mysql_reading
import pytest
import sql_cases as written

from platform_assets.formats.base import Dump, Format
from platform_assets.formats.detect import FORMATS, choose

CASES = Path(__file__).parent / "cases"
KINDS = {"mysql_tab": "mysql-tab", "mysql_xml": "mysql-xml", "mydumper": "mydumper"}
PATHS = [path for kind in KINDS for path in sorted((CASES / kind).iterdir()) if path.suffix != ".json"]


def expectation(path: Path) -> Path:
    return path / "expected.json" if path.is_dir() else path.with_suffix(".json")


def dump_of(path: Path) -> Dump:
    """The dump without its expectation, as open_dump gives it."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "expected.json") if path.is_dir() else [path]
    members = [(file.relative_to(path).as_posix() if path.is_dir() else file.name, file.read_bytes()) for file in files]
    return Dump(path.name, tuple(mysql_reading.member(name, data) for name, data in members))


def format_of(path: Path) -> Format:
    return next(known for known in FORMATS if known.name == KINDS[path.parent.name])


def reading(path: Path) -> mysql_reading.Reading:
    found = mysql_reading.Reading()
    for event in format_of(path).read(dump_of(path), mysql_reading.SOURCE, {}):
        assert not found.finished, "an event after the verdict"
        found.take(event)
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_dump_is_read_as_expected(path):
    expected = json.loads(expectation(path).read_text(encoding="utf-8"))
    assert written.told(reading(path)) == expected


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_dump_is_claimed_by_its_own_format(path):
    chosen, reason = choose(dump_of(path), mysql_reading.SOURCE)
    assert chosen.name == KINDS[path.parent.name]
    assert any(member.name in reason for member in dump_of(path).members)


if __name__ == "__main__":
    for case in PATHS:
        if not expectation(case).exists():
            expectation(case).write_text(written._pretty(written.told(reading(case))) + "\n", encoding="utf-8")
