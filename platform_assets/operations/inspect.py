"""Inspect: what a dump holds and what loading it would do, said without loading anything and without a database server.

The dump is read, cast and judged as `parse` does it; only counts and the first rejects are kept. Not here: how it is printed (cli).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import type_name
from platform_assets.engines.duckdb import open_engine, part_of_limit
from platform_assets.formats.base import Finished, Notice, Rows
from platform_assets.formats.cast import CastBatch
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.judge import Verdict, VersionJudge
from platform_assets.operations.memory import share_freed_memory
from platform_assets.operations.reading import DumpReading, OpenedDump, Progress, TableReading, opened, silent
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.rejects import RejectRecord

SAMPLES = 10
"""Rejects shown per table, of those that cannot be read and of those that broke a rule."""
RAW_SHOWN = 1_000
"""Characters of a reject's text that are shown."""
NO_SOURCE = "<source>"
"""Stands for the source's name in messages about a dump that belongs to none."""


@dataclass(frozen=True)
class BrokenRule:
    """A rule of a table that rows broke."""

    rule: str
    severity: str
    checked: int
    failed: int


@dataclass(frozen=True)
class InspectedTable:
    """One table of a dump. `raw_counts`: column -> values that its type cannot hold (NULL there, kept in `_raw` when loaded)."""

    table: Table
    rows: int
    unreadable: int
    rejected: int
    recovered: int
    judged_by: str
    raw_counts: Mapping[str, int]
    broken_rules: tuple[BrokenRule, ...]
    samples: tuple[RejectRecord, ...]

    @property
    def rows_read(self) -> int:
        return self.rows + self.unreadable

    @property
    def accepted(self) -> int:
        return self.rows_read - self.rejected

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.table.name,
            "rows_read": self.rows_read,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "unreadable": self.unreadable,
            "recovered": self.recovered,
            "key": list(self.table.key),
            "judged_by": self.judged_by,
            "columns": [self._column(column) for column in self.table.columns],
            "broken_rules": [
                {"rule": one.rule, "severity": one.severity, "checked": one.checked, "failed": one.failed} for one in self.broken_rules
            ],
            "samples": [_sample(record) for record in self.samples],
        }

    def _column(self, column: Column) -> dict[str, Any]:
        return {
            "column": column.name,
            "type": type_name(column.type),
            "native": column.native or None,
            "key": column.name in self.table.key,
            "required": column.required,
            "not_held": self.raw_counts.get(column.name, 0),
        }


@dataclass(frozen=True)
class Inspection:
    """All that is known of a dump after reading it once (twice where rows were rejected)."""

    path: Path
    source: str | None
    files: int
    bytes: int
    format: str
    format_reason: str
    finished: Finished
    tables: tuple[InspectedTable, ...]
    notice_counts: Mapping[str, int]
    first_notices: Mapping[str, Notice]

    @property
    def rejected(self) -> int:
        return sum(table.rejected for table in self.tables)

    @property
    def exit_code(self) -> int:
        """0: nothing is missing or rejected as far as can be told; 1: partial, or rows would be rejected or were recovered."""
        wrong = self.finished.completeness == "partial" or any(table.rejected or table.recovered for table in self.tables)
        return 1 if wrong else 0

    def to_json(self) -> dict[str, Any]:
        """The keys of docs/json.md."""
        facts = self.finished.facts
        return {
            "path": str(self.path),
            "source": self.source,
            "files": self.files,
            "bytes": self.bytes,
            "format": self.format,
            "format_reason": self.format_reason,
            "encoding": facts.get("encoding") or None,
            "tool": self.finished.tool or None,
            "server_version": facts.get("server_version"),
            "dump_time": _moment(self.finished.dump_time),
            "completeness": self.finished.completeness,
            "reasons": list(self.finished.reasons),
            "last_good": facts.get("last_good"),
            "tables": [table.to_json() for table in self.tables],
            "notices": [_notice(code, count, self.first_notices[code]) for code, count in self.notice_counts.items()],
            "exit_code": self.exit_code,
        }


def inspect_dump(settings: Settings, path: Path, source: str | None = None, *, progress: Progress = silent) -> Inspection:
    """Reads a file, archive or folder as a dump of `source`; without a name of the one in whose folder under dumps/ it lies, else of none.

    Memory stays flat, nothing is written but DuckDB's spill, which goes to a temporary folder. Raises DumpGone, UnreadableDump (also
    LimitExceeded) when no row can be read, UnknownSource, SettingsError.
    """
    share_freed_memory()
    home = Home(settings.home)
    name = source or source_of(home, path)
    said = settings.source(name) if name else SourceSettings(NO_SOURCE)
    found = opened(path, said, usable_dictionary(home.dictionary, name) if name else {})
    sink = _Samples()
    with (
        tempfile.TemporaryDirectory(prefix="platform-inspect-") as work,
        open_engine(Path(work), memory_limit=part_of_limit(settings.memory_limit), threads=settings.threads) as engine,
    ):
        reading = DumpReading(found, VersionJudge(engine, found.dictionary), sink, place=str(path), progress=progress, samples=SAMPLES)
        finished = reading.read()
        sink.judging = True
        verdicts = reading.judged()
    return Inspection(
        path=path,
        source=name,
        files=len(found.dump.members),
        bytes=sum(member.size for member in found.dump.members),
        format=found.format.name,
        format_reason=found.why,
        finished=finished,
        tables=tuple(_table(one, verdicts[key], sink, found) for key, one in reading.tables.items()),
        notice_counts=dict(reading.notice_counts),
        first_notices=reading.first_notices,
    )


def source_of(home: Home, path: Path) -> str | None:
    """The source in whose folder under dumps/ a path lies."""
    dumps, place = home.dumps.resolve(), path.resolve()
    parts = place.relative_to(dumps).parts if place.is_relative_to(dumps) else ()
    return parts[0] if len(parts) > 1 else None


class _Samples:
    """The sink that keeps the first rejects of each table and nothing else."""

    def __init__(self) -> None:
        self.judging = False
        """Set when the reading is over and the rows that broke a rule come."""
        self._unread: dict[str, list[RejectRecord]] = {}
        self._judged: dict[str, list[RejectRecord]] = {}

    def begin(self, table: Table) -> None:
        self.restart(table.name)

    def restart(self, name: str) -> None:
        self._unread[name], self._judged[name] = [], []

    def rows(self, event: Rows, cast: CastBatch) -> None:
        """Rows are counted and judged already."""

    def reject(self, name: str, record: RejectRecord) -> None:
        kept = (self._judged if self.judging else self._unread)[name]
        if len(kept) < SAMPLES:
            kept.append(replace(record, raw=_shortened(record.raw)))

    def of(self, name: str) -> tuple[RejectRecord, ...]:
        return (*self._unread[name], *self._judged[name])


def _shortened(text: str) -> str:
    return text if len(text) <= RAW_SHOWN else f"{text[:RAW_SHOWN]}… ({len(text) - RAW_SHOWN:,} more characters)"


def _table(reading: TableReading, verdict: Verdict, sink: _Samples, found: OpenedDump) -> InspectedTable:
    table = reading.table
    severities = {rule.id: rule.severity for rule in rules_of(table)}
    counts = verdict.rule_counts.items()
    broken = tuple(BrokenRule(rule, severities.get(rule, "error"), checked, failed) for rule, (checked, failed) in counts if failed)
    return InspectedTable(
        table=table,
        rows=reading.rows,
        unreadable=reading.unreadable,
        rejected=verdict.rejected + reading.unreadable,
        recovered=reading.recovered,
        judged_by="dictionary" if table.name in found.dictionary else "dump",
        raw_counts={name: count for name, count in reading.raw_counts.items() if count},
        broken_rules=broken,
        samples=sink.of(table.name),
    )


def _sample(record: RejectRecord) -> dict[str, Any]:
    return {
        "file": record.member,
        "line": record.line,
        "row": record.row,
        "offset": record.offset,
        "recovered": record.recovered,
        "violations": json.loads(record.violations),
        "raw": record.raw,
    }


def _notice(code: str, count: int, first: Notice) -> dict[str, Any]:
    return {
        "code": code,
        "count": count,
        "data_bearing": first.data_bearing,
        "file": first.member,
        "line": first.line,
        "table": first.table,
        "message": first.message,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
