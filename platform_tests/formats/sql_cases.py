"""SQL scripts that stand as files, and what is expected of each in a JSON file beside it: reading, writing, comparing. No test stands here.

The cases of one format are one folder under cases/; a module of tests per format names its reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mysql_reading import Reading

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Format

SOURCE = SourceSettings("shop")


def read_with(reader: Format, given: Dump, source: SourceSettings = SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    """What a consumer has after all events of this reader."""
    reading = Reading()
    events: Iterator[Event] = reader.read(given, source, dictionary or {})
    for event in events:
        assert not reading.finished, "an event after the verdict"
        reading.take(event)
    assert reading.finished, "no verdict"
    return reading


def expected_of(path: Path) -> Any:
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def unpaired(folder: Path) -> set[str]:
    """Cases without expectation and expectations without case."""
    return {path.stem for path in folder.glob("*.sql")} ^ {path.stem for path in folder.glob("*.json")}


def write_missing(folder: Path, read: Callable[[bytes], Reading]) -> None:
    """What the reader gives today, for cases that have no expectation yet; read it before it is committed."""
    for case in sorted(folder.glob("*.sql")):
        if not case.with_suffix(".json").exists():
            case.with_suffix(".json").write_text(_pretty(told(read(case.read_bytes()))) + "\n", encoding="utf-8")


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
        for reference in extras.get("foreign_keys", ()):  # what a dictionary alone says of one is not in a dump
            for word in reference.keys() - {"columns", "table", "references"}:
                del reference[word]
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


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with lists and objects of plain values on one line each: a row, a place, a notice."""
    items = list(value.items()) if isinstance(value, dict) else [("", item) for item in value] if isinstance(value, list) else []
    if not any(isinstance(item, list) or (isinstance(item, dict) and "hex" not in item) for _, item in items) and len(items) < 9:
        return json.dumps(value, ensure_ascii=False)
    names = [f"{json.dumps(name)}: " if isinstance(value, dict) else "" for name, _ in items]
    lines = [f"{indent} {name}{_pretty(item, indent + ' ')}" for name, (_, item) in zip(names, items, strict=True)]
    ends = "{}" if isinstance(value, dict) else "[]"
    return ends[0] + "\n" + ",\n".join(lines) + f"\n{indent}" + ends[1]
