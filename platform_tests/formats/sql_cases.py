"""Small dumps as files, what is expected beside each: how a reading is written down. Shared by the readers of SQL. No test stands here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sql_reading import Reading


def told(reading: Reading) -> dict[str, Any]:
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
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def pretty(value: Any, indent: str = "") -> str:
    """JSON with lists and objects of plain values on one line each: a row, a place, a notice."""
    items = list(value.items()) if isinstance(value, dict) else [("", item) for item in value] if isinstance(value, list) else []
    if not any(isinstance(item, list) or (isinstance(item, dict) and "hex" not in item) for _, item in items) and len(items) < 9:
        return json.dumps(value, ensure_ascii=False)
    names = [f"{json.dumps(name)}: " if isinstance(value, dict) else "" for name, _ in items]
    lines = [f"{indent} {name}{pretty(item, indent + ' ')}" for name, (_, item) in zip(names, items, strict=True)]
    ends = "{}" if isinstance(value, dict) else "[]"
    return ends[0] + "\n" + ",\n".join(lines) + f"\n{indent}" + ends[1]


def write_missing(cases: Path, read: Callable[[bytes], Reading]) -> None:
    """Writes what the reader gives today for cases that have no expectation yet; read it before it is committed."""
    for case in sorted(cases.glob("*.sql")):
        if not case.with_suffix(".json").exists():
            case.with_suffix(".json").write_text(pretty(told(read(case.read_bytes()))) + "\n", encoding="utf-8")
