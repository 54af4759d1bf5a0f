"""The MySQL reader on small dumps that stand as files under cases/mysql, what is expected beside each. Names begin with the edge case's id.

`python test_mysql_cases.py` writes what the reader gives today for cases that have no expectation yet; read it before it is committed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mysql_reading
import pytest

CASES = Path(__file__).parent / "cases" / "mysql"


def told(reading: mysql_reading.Reading) -> dict[str, Any]:
    """A reading as the expectations write it: bytes as {"hex": ...}, what depends on the wording of messages left away."""
    verdict = reading.verdict
    tables = {}
    for name, table in reading.tables.items():
        tables[name] = {
            "columns": {column["name"]: _column(column) for column in table.to_json()["columns"]},
            "rows": [[_cell(value) for value in row] for row in reading.rows(name)],
            "places": [list(place) for place in reading.places.get(name, [])],
        }
        extras = {key: table.to_json()[key] for key in ("key", "unique", "foreign_keys", "description") if table.to_json()[key]}
        tables[name].update(extras)
    return {
        "completeness": verdict.completeness,
        "tool": verdict.tool,
        "dump_time": None if verdict.dump_time is None else verdict.dump_time.isoformat(),
        "reasons": len(verdict.reasons),
        "tables": tables,
        "unreadable": [[one.table, one.code, one.row, one.line, one.raw] for one in reading.unreadable],
        "notices": [_notice(one) for one in reading.notices],
    }


def _column(column: dict[str, Any]) -> str:
    text = f"{column['type']} < {column['native']}" + (" required" if column["required"] else "")
    return text + (f" -- {column['description']}" if column["description"] else "")


def _notice(notice: Any) -> list[Any]:
    marks = "data" * notice.data_bearing + " recovered" * notice.recovered
    return [notice.code, notice.table, notice.line, notice.row, marks]


def _cell(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


@pytest.mark.parametrize("path", sorted(CASES.glob("*.sql")), ids=lambda path: path.stem)
def test_a_dump_is_read_as_expected(path):
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert told(mysql_reading.read(path.read_bytes())) == expected


def test_every_case_has_an_expectation_and_every_expectation_a_case():
    assert {path.stem for path in CASES.glob("*.sql")} == {path.stem for path in CASES.glob("*.json")}


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with lists and objects of plain values on one line each: a row, a place, a notice."""
    items = list(value.items()) if isinstance(value, dict) else [("", item) for item in value] if isinstance(value, list) else []
    if not any(isinstance(item, list) or (isinstance(item, dict) and "hex" not in item) for _, item in items) and len(items) < 9:
        return json.dumps(value, ensure_ascii=False)
    names = [f"{json.dumps(name)}: " if isinstance(value, dict) else "" for name, _ in items]
    lines = [f"{indent} {name}{_pretty(item, indent + ' ')}" for name, (_, item) in zip(names, items, strict=True)]
    ends = "{}" if isinstance(value, dict) else "[]"
    return ends[0] + "\n" + ",\n".join(lines) + f"\n{indent}" + ends[1]


if __name__ == "__main__":
    for case in sorted(CASES.glob("*.sql")):
        if not case.with_suffix(".json").exists():
            case.with_suffix(".json").write_text(_pretty(told(mysql_reading.read(case.read_bytes()))) + "\n", encoding="utf-8")
