"""Reads dumps of PostgreSQL as operations.parse would, and writes rows as the server's own text, for tests. No test stands here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sql_reading import SOURCE, Reading, dump, read_with

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Notice, Rows, TableFound
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.postgres.reader import PostgresDump


def read_dump(given: Dump, source: SourceSettings = SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    return read_with(PostgresDump(), given, source, dictionary)


def read(*contents: bytes | str, source: SourceSettings = SOURCE, dictionary: Mapping[str, Table] | None = None) -> Reading:
    return read_dump(dump(*contents), source, dictionary)


def typed_rows(given: Dump, source: SourceSettings = SOURCE) -> dict[str, list[tuple[Any, ...]]]:
    """Per table the rows as the platform stores them; a cell that its type cannot hold is its text from `_raw`."""
    tables: dict[str, Table] = {}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for event in PostgresDump().read(given, source, {}):
        if isinstance(event, TableFound):
            tables[event.table.name] = event.table
            found.setdefault(event.table.name, [])
        elif isinstance(event, Notice) and event.code == "table-restarted" and event.table:
            found[event.table] = []
        elif isinstance(event, Rows):
            if not event.batch.num_columns:
                found[event.table] += [()] * event.batch.num_rows
                continue
            cast = cast_batch(event.batch, tables[event.table])
            for row, raw in zip(cast.batch.to_pylist(), cast.raw.to_pylist(), strict=True):
                row |= json.loads(raw) if raw else {}
                found[event.table].append(tuple(row[name] for name in tables[event.table].column_names))
    return found


def server_text(value: Any) -> str:
    """The text that the server gives in a UTC session with ISO dates and shortest floats."""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(" ")
        return (text.rstrip("0") if "." in text else text) + ("+00" if value.tzinfo else "")
    if isinstance(value, time):
        text = value.isoformat()
        return text.rstrip("0") if "." in text else text
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return value.isoformat() if isinstance(value, date) else f"{value:f}" if isinstance(value, Decimal) else str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if 1e15 <= abs(value) < 1e16:
        return f"{value:.15e}".replace("0e", "e").rstrip("0")
    return repr(value).removesuffix(".0")


def hashed(rows: Mapping[str, list[tuple[Any, ...]]]) -> dict[str, tuple[int, str]]:
    """Per table the number of rows and the hash of realdata/README.md."""
    found = {}
    for name, values in rows.items():
        lines = sorted(b"\t".join(map(_canonical, row)) + b"\n" for row in values)
        found[name] = (len(lines), hashlib.sha256(b"".join(lines)).hexdigest())
    return found


def _canonical(value: Any) -> bytes:
    if value is None:
        return b"\\N"
    text = server_text(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").encode("utf-8")
