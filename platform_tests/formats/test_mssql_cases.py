"""The reader of SQL Server's scripts on small scripts that stand as files under cases/mssql, what is expected beside each.

Names begin with the edge case's id. `python test_mssql_cases.py` writes what the reader gives today for cases that have no expectation
yet; read it before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sql_cases
from mssql_reading import READER, read
from mysql_reading import dump

from platform_assets.formats.detect import FORMATS

CASES = Path(__file__).parent / "cases" / "mssql"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.sql")), ids=lambda path: path.stem)
def test_a_script_is_read_as_expected(path):
    assert sql_cases.told(read(path.read_bytes())) == sql_cases.expected_of(path)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.sql")), ids=lambda path: path.stem)
def test_every_case_is_recognized_by_one_reader_alone(path):
    """By this reader and by none that is asked before or after it."""
    given = dump(path.read_bytes())
    assert [known.name for known in FORMATS if known.recognize(given, sql_cases.SOURCE)] == [READER.name]


def test_every_case_has_an_expectation_and_every_expectation_a_case():
    assert sql_cases.unpaired(CASES) == set()


if __name__ == "__main__":
    sql_cases.write_missing(CASES, read)
