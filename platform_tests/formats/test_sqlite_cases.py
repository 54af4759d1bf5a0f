"""The reader of SQLite's SQL on small dumps that stand as files under cases/sqlite. Names begin with the edge case's id.

`python test_sqlite_cases.py` writes what the reader gives today for cases that have no expectation yet; read it before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sql_cases
import sqlite_reading

CASES = Path(__file__).parent / "cases" / "sqlite"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.sql")), ids=lambda path: path.stem)
def test_a_dump_is_read_as_expected(path):
    assert sql_cases.told(sqlite_reading.read(path.read_bytes())) == sql_cases.expected_of(path)


def test_every_case_has_an_expectation_and_every_expectation_a_case():
    assert sql_cases.unpaired(CASES) == set()


if __name__ == "__main__":
    sql_cases.write_missing(CASES, sqlite_reading.read)
