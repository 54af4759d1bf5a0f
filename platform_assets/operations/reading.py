"""Reading: the events of one dump, cast and judged on the way, in one stream. What becomes of the rows is the sink's business.

Reader -> cast -> (sink, judge); when the last row is in, the judge knows every broken rule, and a second look at the dump, only where
rows were rejected, brings their cells as they came. Not here: files that are written (parse), what is shown of a dump (inspect).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table, Violation
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.ahead import ahead
from platform_assets.formats.base import BATCH_ROWS, Dump, Event, Finished, Format, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.cast import CastBatch, cast_batch
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.containers.told import told
from platform_assets.formats.detect import choose
from platform_assets.operations.governing import governed, renamed
from platform_assets.operations.high_water import HighWater
from platform_assets.operations.judge import Verdict, VersionJudge
from platform_assets.operations.memory import give_back_memory
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.versions.merge import find_row_version

MAX_NOTICES = 200
"""Notices kept word by word per dump; beyond that they are only counted."""
HELD_CELLS = 1 << 16
"""Cells of rejected rows that are Python objects at once: a batch of a table of 1,600 columns has a hundred million."""

Progress = Callable[[str, int], None]


def silent(table: str, rows: int) -> None:
    """The progress that nobody looks at."""


@dataclass(frozen=True)
class OpenedDump:
    """A dump whose format is known. Its events can be asked for more than once: each time it is read from the beginning."""

    dump: Dump
    format: Format
    why: str
    source: SourceSettings
    dictionary: Mapping[str, Table]

    def events(self) -> Iterator[Event]:
        return told(self.dump, self.format.read(self.dump, self.source, self.dictionary))

    def coming(self) -> Generator[Event, None, None]:
        """The events, read while those before are worked on."""
        return ahead(self.events())


def opened(path: Path, source: SourceSettings, dictionary: Mapping[str, Table], *, work: Path | None = None) -> OpenedDump:
    """`work` is the folder for what must be spooled, the system's temporary one when None.

    Raises DumpGone, UnreadableDump (also LimitExceeded) when there is nothing to read or no format claims it, SettingsError.
    """
    dump = open_dump(path, source, work=work)
    chosen, why = choose(dump, source)
    return OpenedDump(dump, chosen, why, source, dictionary)


class Sink(Protocol):
    """Where tables, rows and rejects go. A table begins before its rows and rejects; its rows come in batches, in their order."""

    def begin(self, table: Table) -> None: ...

    def restart(self, name: str) -> None:
        """What came of the table so far is void: the dump emptied it, or created it anew."""

    def rows(self, event: Rows, cast: CastBatch) -> None: ...

    def reject(self, name: str, record: RejectRecord) -> None: ...


@dataclass
class TableReading:
    """One table while it is read. `raw_counts`: column -> cells that its type cannot hold."""

    table: Table
    declared: Table
    """As the dump says, before the dictionary's word."""
    member: str | None = None
    """The file that all its rows stand in; "" when there are several."""
    strict: bool = False
    restarts: int = 0
    rows: int = 0
    unreadable: int = 0
    recovered: int = 0
    raw_counts: Counter[str] = field(default_factory=Counter)
    row_version_max: datetime | None = None
    high_water: HighWater = field(default_factory=HighWater)


_NARROW = 200
_LEFT_CELLS = 1 << 20
"""Cells of tables of more columns than that, after which freed memory is given back. Between the many small pieces of their columns it
stays in gaps that nothing fits: 30,000 rows x 1,600 columns came to 1,150 MB instead of 430, for a fiftieth of the time."""


class DumpReading:
    """All tables of one dump while its events arrive: `read` first, then `judged`; the attributes tell what was found.

    `place` names the dump in errors. `samples` bounds the judged rejects that the sink gets per table; None: all of them. Rows that
    cannot be read, and recovered ones, go to the sink without bound.
    """

    def __init__(
        self, source: OpenedDump, judge: VersionJudge, sink: Sink, *, place: str, progress: Progress = silent, samples: int | None = None
    ) -> None:
        self.tables: dict[str, TableReading] = {}
        self.notices: list[Notice] = []
        self.notice_counts: Counter[str] = Counter()
        self.first_notices: dict[str, Notice] = {}
        self._opened = source
        self._judge = judge
        self._sink = sink
        self._place = place
        self._progress = progress
        self._samples = samples
        self._finished: Finished | None = None
        self._cells = 0
        self._early: dict[str, list[Notice]] = {}
        """Recovered rows that were told before their table: a reader tells of a row at once and gives rows in batches."""

    def read(self) -> Finished:
        """Reads the dump once. Raises UnreadableDump (also LimitExceeded) when nothing in it can be read or it holds no table."""
        with closing(self._opened.coming()) as coming:
            for event in coming:
                self._take(event)
        if self._finished is None:
            raise UnreadableDump(f"{self._place}: the reader ended without a verdict.", dump=self._place)
        if not self.tables:
            raise UnreadableDump(
                f"{self._place} was recognized as {self._opened.format.name} ({self._opened.why}), but holds no table. "
                f"If it is of another format, set sources.{self._opened.source.name}.format in platform.yaml.",
                dump=self._place,
            )
        return self._finished

    def judged(self) -> dict[str, Verdict]:
        """The verdict on every table; rejected rows have gone to the sink with all their reasons. After `read`."""
        self._judge_again()
        if any(reading.rows > BATCH_ROWS for reading in self.tables.values()):
            give_back_memory()
        verdicts = self._judge.verdicts()
        self._reject_judged(verdicts)
        return verdicts

    @property
    def row_version_max(self) -> datetime | None:
        """The highest row version over all tables."""
        return max((one.row_version_max for one in self.tables.values() if one.row_version_max), default=None)

    def _take(self, event: Event) -> None:
        if isinstance(event, Rows):
            self._rows(event)
        elif isinstance(event, TableFound):
            self._table(event.table)
        elif isinstance(event, Unreadable):
            self._unreadable(event)
        elif isinstance(event, Notice):
            self._notice(event)
        else:
            self._finished = event

    def _table(self, declared: Table) -> None:
        table = governed(declared, self._opened.dictionary.get(declared.name), self._opened.source)
        reading = self.tables.get(table.name)
        if reading is None:
            self.tables[table.name] = TableReading(table, declared)
            self._sink.begin(table)
        else:
            reading.table, reading.declared = table, declared
        self._judge.table(table)
        for notice in self._early.pop(table.name, ()):
            self._recovered(notice)

    def _rows(self, event: Rows) -> None:
        reading = self.tables[event.table]
        cast = self._cast(event)
        reading.rows += event.batch.num_rows
        reading.member = event.member if reading.member in (None, event.member) else ""
        reading.strict = reading.strict or event.strict
        reading.raw_counts.update(cast.failures)
        self._judge.add(event.table, cast.batch, event.rows, cast.raw, strict=event.strict)
        self._sink.rows(event, cast)
        reading.high_water.add(cast.batch, reading.table.key)
        reading.row_version_max = newer(reading.row_version_max, row_version_of(reading.table, cast.batch))
        self._progress(event.table, event.batch.num_rows)

    def _unreadable(self, event: Unreadable) -> None:
        if event.table is None or event.table not in self.tables:
            self._notice(Notice(event.code, event.message, event.member, event.line, raw=event.raw, data_bearing=True))
            return
        self.tables[event.table].unreadable += 1
        violations = _told(event.code, event.message)
        self._sink.reject(event.table, RejectRecord(event.row, event.member, event.line, event.offset, event.raw, violations))

    def _notice(self, notice: Notice) -> None:
        self.notice_counts[notice.code] += 1
        self.first_notices.setdefault(notice.code, notice)
        if len(self.notices) < MAX_NOTICES:
            self.notices.append(notice)
        if notice.recovered and notice.table is not None:
            self._recovered(notice)
        elif notice.code == "table-restarted" and notice.table in self.tables:
            reading = self.tables[notice.table]
            self._sink.restart(notice.table)
            self._judge.restart(notice.table)
            self.tables[notice.table] = TableReading(reading.table, reading.declared, restarts=reading.restarts + 1)

    def _recovered(self, notice: Notice) -> None:
        name = notice.table or ""
        if name not in self.tables:
            self._early.setdefault(name, []).append(notice)
            return
        self.tables[name].recovered += 1
        violations = _told(notice.code, notice.message)
        self._sink.reject(name, RejectRecord(notice.row, notice.member, notice.line, None, notice.raw or "", violations, recovered=True))

    def _judge_again(self) -> None:
        """Tables whose keys were told after their rows (phpMyAdmin, pg_dump) are read once more for their rules."""
        late = self._judge.late()
        for name in late:
            self._judge.restart(name)
            self.tables[name].high_water.forget_keys()
        for event in self._final_rows(late):
            cast = self._cast(event)
            self._judge.add(event.table, cast.batch, event.rows, cast.raw, strict=event.strict)
            reading = self.tables[event.table]
            if reading.table.key:
                reading.high_water.add_keys(cast.batch, reading.table.key)

    def _final_rows(self, tables: Collection[str]) -> Iterator[Rows]:
        """The rows of some tables read again, those of a table's last beginning only. Costs a parse when there are any tables."""
        if not tables:
            return
        restarts = Counter[str]()
        for event in self._opened.events():
            if isinstance(event, Notice) and event.code == "table-restarted" and event.table:
                restarts[event.table] += 1
            elif isinstance(event, Rows) and event.table in tables and restarts[event.table] == self.tables[event.table].restarts:
                yield event

    def _cast(self, event: Rows) -> CastBatch:
        if event.batch.num_columns > _NARROW:
            self._cells += event.batch.num_columns * event.batch.num_rows
            if self._cells > _LEFT_CELLS:
                give_back_memory()
                self._cells = 0
        delimited = self._opened.source.delimited
        return cast_batch(renamed(event.batch), self.tables[event.table].table, true=delimited.true, false=delimited.false)

    def _reject_judged(self, verdicts: Mapping[str, Verdict]) -> None:
        """The second look: the cells of rejected rows as they came, with all their reasons. Costs a parse, only when there are any."""
        waiting = {name: verdict.rejected_rows[: self._samples] for name, verdict in verdicts.items() if verdict.rejected}
        reasons = {name: verdicts[name].violations() for name in waiting}
        missing = sum(len(rows) for rows in waiting.values())
        with closing(self._final_rows(waiting)) as coming:  # type: ignore[type-var]
            while missing and (event := next(coming, None)) is not None:
                missing -= self._reject_batch(event, waiting[event.table], reasons[event.table])

    def _reject_batch(self, event: Rows, waiting: np.ndarray, reasons: Iterator[tuple[int, tuple[Violation, ...]]]) -> int:
        numbers = event.rows.to_numpy()
        hits = places_among(numbers, waiting)
        for part in of_few_cells(hits, event.batch.num_columns):
            lines, rows = event.lines.take(pa.array(part)).to_pylist(), event.batch.take(pa.array(part)).to_pylist()
            for number, line, cells in zip(numbers[part].tolist(), lines, rows, strict=True):
                row, violations = next(reasons)
                if row != number:
                    raise AssertionError(f"{event.table}: verdict on row {row} met row {number}")
                record = RejectRecord(row, event.member, line, None, cells_text(cells), violations_text(violations))
                self._sink.reject(event.table, record)
        return len(hits)


def places_among(numbers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The places of the numbers that are among the wanted ones, which ascend. The cost follows the numbers, not the wanted ones."""
    return np.flatnonzero(np.append(wanted, -1)[np.searchsorted(wanted, numbers)] == numbers)


def of_few_cells(places: np.ndarray, columns: int) -> Iterator[np.ndarray]:
    """The places of rows in parts that may become Python objects together."""
    size = max(1, HELD_CELLS // max(1, columns))
    return (places[at : at + size] for at in range(0, len(places), size))


def row_version_of(table: Table, batch: pa.RecordBatch) -> datetime | None:
    """The highest value of the table's row-version column in a batch that has it; None where that is no time."""
    name = find_row_version(table)
    if name is None or not pa.types.is_timestamp(table.column(name).type):
        return None
    highest: datetime | None = pc.max(batch.column(batch.schema.get_field_index(name))).as_py()
    return highest.replace(tzinfo=None) if highest else None


def newer(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two times, of which either may not be known."""
    return max(one, other) if one and other else one or other


def _told(code: str, message: str) -> str:
    return violations_text([Violation(code, code, (), None, message)])


def reject_of(record: RejectRecord, violations: Sequence[Violation]) -> RejectRecord:
    """The record of a row with all that is wrong with it."""
    return replace(record, violations=violations_text(violations))


def violations_text(violations: Sequence[Violation]) -> str:
    """All that is wrong with a row as a reject holds it."""
    return _VIOLATIONS.encode([violation.to_json() for violation in violations])


def cells_text(cells: Mapping[str, object]) -> str:
    """A readable row as a reject shows it: a JSON object."""
    return _CELLS.encode(cells)


def _cell_text(value: object) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


_VIOLATIONS = json.JSONEncoder(ensure_ascii=False)
_CELLS = json.JSONEncoder(ensure_ascii=False, default=_cell_text)
