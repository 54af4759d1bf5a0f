"""Data dictionaries for tests, as short as they can be. No test stands here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def column(name: str, logical: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "logicalType": logical, **more}


def number(name: str = "id", **more: Any) -> dict[str, Any]:
    return column(name, "integer", physicalType="int", **more)


def key(name: str = "id") -> dict[str, Any]:
    return number(name, required=True, primaryKey=True)


def table(name: str, *columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "logicalType": "object", "properties": list(columns), **more}


def custom(**values: Any) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def contract(*tables: dict[str, Any], **more: Any) -> str:
    """The text of a contract: JSON is YAML."""
    return json.dumps(
        {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"} | more | {"schema": tables}
    )


def write(folder: Path, source: str, *tables: dict[str, Any], **more: Any) -> Path:
    """The contract of a source in a home's dictionary folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source}.odcs.yaml"
    path.write_text(contract(*tables, **more), encoding="utf-8")
    return path
