"""Compares the table that `ingest` prints with the expected counts: `compare_counts.py EXPECTED.tsv OUTPUT.txt`.

Each expected row must stand in one printed line, its cells in the order of the columns; the printed version key is the dump's name here
with a hash after it. Ends with 1 and names what is missing, or what is there beyond it.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

COLUMNS = ("dump", "completeness", "table", "read", "accepted", "rejected")
VERDICTS = {"complete", "partial", "unknown"}
CELL = re.compile(r"[^\s│┃|]+")


def printed_cells(text: str) -> list[list[str]]:
    return [CELL.findall(line) for line in text.splitlines()]


def rows_of(text: str, dumps: set[str]) -> list[list[str]]:
    """The lines that begin with the version of a sample dump, as cells, the hash cut from the version."""
    lines = ([cell.rpartition(".")[0] if place == 0 else cell for place, cell in enumerate(cells)] for cells in printed_cells(text))
    return [line for line in lines if len(line) > 1 and line[0] in dumps and line[1] in VERDICTS]


def differences(expected: list[dict[str, str]], text: str) -> list[str]:
    wanted = [[row[name] for name in COLUMNS] for row in expected]
    printed = [line[: len(COLUMNS)] for line in rows_of(text, {row["dump"] for row in expected})]
    lost = [f"missing: {'  '.join(row)}" for row in wanted if row not in printed]
    return lost + [f"unexpected: {'  '.join(row)}" for row in printed if row not in wanted]


def main() -> None:
    expected_path, output_path = sys.argv[1:]
    with Path(expected_path).open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file, delimiter="\t"))
    found = differences(expected, Path(output_path).read_text(encoding="utf-8"))
    if found:
        sys.exit("\n".join(found))
    sys.stdout.write(f"all {len(expected)} expected rows are in the printed table\n")


if __name__ == "__main__":
    main()
