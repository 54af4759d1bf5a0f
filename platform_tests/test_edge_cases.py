"""docs/edge_cases.md and docs/formats/*.md name every known edge case, and the tests and case files that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "docs" / "edge_cases.md"
DOCUMENTS = [INDEX, *sorted((ROOT / "docs" / "formats").glob("*.md"))]
ALL = [
    f"{dialect}{number}"
    for dialect, last in (("G", 18), ("MY", 25), ("PG", 13), ("SL", 6), ("MS", 7), ("OR", 1), ("CS", 4))
    for number in range(1, last + 1)
]
ROW = re.compile(r"^\| (?P<case>[A-Z]+\d+) \|(?P<rest>.*)\|$", re.MULTILINE)


def named() -> set[str]:
    """Cases that a document speaks of."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    return {case for case in ALL if re.search(rf"\b{case}\b", text)}


@pytest.mark.parametrize("case", ALL)
def test_an_edge_case_stands_in_the_documents(case):
    assert case in named(), f"{case} stands in no document"


def bears(case: str, name: str) -> bool:
    """Whether the name of a test or of a case file begins with the case's id, its number with or without a leading zero."""
    dialect, number = re.fullmatch(r"([A-Z]+)(\d+)", case).groups()
    return re.search(rf"(?:^|_){dialect}0?{number}_", name, re.IGNORECASE) is not None


@pytest.mark.parametrize("case", ALL)
def test_an_edge_case_has_a_test_or_a_case_file_of_its_name(case):
    tests = ROOT / "platform_tests"
    names = [path.stem for path in (tests / "formats" / "cases").rglob("*")]
    for path in tests.rglob("test_*.py"):
        names += re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert any(bears(case, name) for name in names), f"no test and no case file bears the name {case}"


@pytest.mark.parametrize("row", ROW.findall(INDEX.read_text(encoding="utf-8")), ids=lambda row: row[0])
def test_the_tests_and_case_files_of_the_index_are_there(row):
    files = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "platform_tests").rglob("test_*.py"))
    found = re.findall(r"`(cases/[^`]+|test_\w+)`", row[1])
    assert found
    missing = [
        name
        for name in found
        if not ((ROOT / "platform_tests" / "formats" / name).is_file() if name.startswith("cases/") else f"def {name}(" in files)
    ]
    assert missing == []
