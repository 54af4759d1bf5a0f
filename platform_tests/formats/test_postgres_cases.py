"""The PostgreSQL reader on small dumps that stand as files under cases/postgres, what is expected beside each. Names begin with the edge
case's id.

`python test_postgres_cases.py` writes what the reader gives today for cases that have no expectation yet; read it before it is committed.
"""

from __future__ import annotations

import json
from pathlib import Path

import postgres_reading
import pytest
from sql_cases import told, write_missing

CASES = Path(__file__).parent / "cases" / "postgres"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.sql")), ids=lambda path: path.stem)
def test_a_dump_is_read_as_expected(path):
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert told(postgres_reading.read(path.read_bytes())) == expected


def test_every_case_has_an_expectation_and_every_expectation_a_case():
    assert {path.stem for path in CASES.glob("*.sql")} == {path.stem for path in CASES.glob("*.json")}


if __name__ == "__main__":
    write_missing(CASES, postgres_reading.read)
