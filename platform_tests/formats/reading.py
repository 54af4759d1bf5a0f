"""What tests of readers share: a dump read to its events, and the events as plain values. No test stands here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import type_name
from platform_assets.formats.base import BATCH_ROWS, Finished, Format, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.cast import cast_batch
from platform_assets.formats.containers.opening import open_dump

APP = SourceSettings("app")


@dataclass
class Reading:
    """A dump as its reader gave it. `rows` are the cast values per table, `raw` what the caster kept of cells that failed."""

    tables: dict[str, Table] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    raw: dict[str, list[str | None]] = field(default_factory=dict)
    bad: list[Unreadable] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    finished: Finished | None = None

    @property
    def completeness(self) -> str:
        assert self.finished
        return self.finished.completeness

    def types(self, table: str) -> dict[str, str]:
        return {column.name: type_name(column.type) for column in self.tables[table].columns}

    def codes(self) -> list[str]:
        return sorted({notice.code for notice in self.notices})


def read(fmt: Format, path: Path, source: SourceSettings = APP, dictionary: Mapping[str, Table] | None = None) -> Reading:
    """Reads and casts; proves on the way that the events keep the contract of formats.base."""
    found = Reading()
    for event in fmt.read(open_dump(path, source), source, dictionary or {}):
        assert found.finished is None, "an event behind Finished"
        if isinstance(event, Rows):
            _add(found, event)
        elif isinstance(event, TableFound):
            found.tables[event.table.name] = event.table
            found.rows.setdefault(event.table.name, [])
        elif isinstance(event, Unreadable):
            found.bad.append(event)
        elif isinstance(event, Notice):
            found.notices.append(event)
        else:
            found.finished = event
    assert found.finished, "the reader ended without a verdict"
    assert bool(found.finished.reasons) == (found.completeness == "partial")
    return found


def _add(found: Reading, event: Rows) -> None:
    assert 0 < event.batch.num_rows == len(event.rows) == len(event.lines) <= BATCH_ROWS
    event.batch.validate(full=True)
    cast = cast_batch(event.batch, found.tables[event.table])
    found.rows.setdefault(event.table, []).extend(_plain(cast.batch))
    found.raw.setdefault(event.table, []).extend(cast.raw.to_pylist())
    found.numbers.setdefault(event.table, []).extend(event.rows.to_pylist())
    found.lines.setdefault(event.table, []).extend(event.lines.to_pylist())


def _plain(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return batch.to_pylist()
