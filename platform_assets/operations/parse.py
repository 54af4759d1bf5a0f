"""Parse: the bytes of one version become snapshots, judged on the way, in one stream.

Reader -> cast -> (Avro parts, judge); when the last row is in, the judge knows every broken rule, and a second look at the dump,
only where rows were rejected, brings their cells as they came. Nothing is visible until `commit_version`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.contract import load_dictionary
from platform_assets.dictionary.model import META_COLUMNS, Table, Violation
from platform_assets.engines.duckdb import open_engine
from platform_assets.errors import UnreadableDump
from platform_assets.formats.ahead import ahead
from platform_assets.formats.base import Event, Finished, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.cast import CastBatch, cast_batch
from platform_assets.formats.containers.opening import open_dump
from platform_assets.formats.containers.told import told
from platform_assets.formats.detect import choose
from platform_assets.operations.judge import Verdict, VersionJudge
from platform_assets.settings import Settings
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.files import sha256_of, write_json
from platform_assets.storage.home import Home
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.snapshots import Snapshot, SnapshotWriter
from platform_assets.versions.merge import find_row_version

MAX_NOTICES = 200
"""Notices kept word by word per version; beyond that they are only counted."""

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class ParsedVersion:
    """What became of one dump. The snapshots are pending until commit_version."""

    version: str
    source: str
    instance: str
    snapshots: tuple[Snapshot, ...]
    completeness: str
    reasons: tuple[str, ...]
    format: str
    format_reason: str
    tool: str
    dump_time: datetime | None
    row_version_max: datetime | None
    notices: tuple[Notice, ...]
    notice_counts: Mapping[str, int]


@dataclass
class _Stream:
    """One table while it is read."""

    writer: SnapshotWriter
    table: Table
    restarts: int = 0
    unreadable: int = 0
    recovered: int = 0
    raw_counts: Counter[str] = field(default_factory=Counter)
    row_version_max: datetime | None = None


def parse_version(
    settings: Settings, version: VersionRecord, path: Path, *, progress: Progress = lambda table, rows: None
) -> ParsedVersion:
    """Reads, casts and judges one dump. Raises UnreadableDump (also LimitExceeded) when no row of it can be read."""
    source = settings.source(version.source)
    dictionary = load_dictionary(Home(settings.home).dictionary, version.source)
    work = Home(settings.home).store / "work"
    dump = open_dump(path, source, work=work)
    chosen, why = choose(dump, source)

    def events() -> Iterator[Event]:
        return told(dump, chosen.read(dump, source, dictionary))

    with open_engine(work, memory_limit=settings.memory_limit, threads=settings.threads) as engine:
        parser = _Parser(settings, version, dictionary, VersionJudge(engine, dictionary), progress)
        try:
            with closing(ahead(events())) as coming:
                for event in coming:
                    parser.take(event)
            return parser.finish(events, chosen.name, why)
        except BaseException:
            parser.discard()
            raise


class _Parser:
    """Holds the streams of all tables of one version while its events arrive."""

    def __init__(
        self, settings: Settings, version: VersionRecord, dictionary: Mapping[str, Table], judge: VersionJudge, progress: Progress
    ) -> None:
        self.home = Home(settings.home)
        self.source = settings.source(version.source)
        self.version = version
        self.dictionary = dictionary
        self.dictionary_version = contract_version(self.home, version.source)
        self.judge = judge
        self.progress = progress
        self.streams: dict[str, _Stream] = {}
        self.notices: list[Notice] = []
        self.notice_counts: Counter[str] = Counter()
        self.finished: Finished | None = None
        self.writing: str | None = None
        self.early: dict[str, list[Notice]] = {}
        """Recovered rows that were told before their table: a reader tells of a row at once and gives rows in batches."""

    def take(self, event: Event) -> None:
        if isinstance(event, Rows):
            self._rows(event)
        elif isinstance(event, TableFound):
            self._table(event.table)
        elif isinstance(event, Unreadable):
            self._unreadable(event)
        elif isinstance(event, Notice):
            self._notice(event)
        else:
            self.finished = event

    def _table(self, table: Table) -> None:
        table = governed(table, self.dictionary.get(table.name))
        stream = self.streams.get(table.name)
        if stream is None:
            folder = self.home.snapshot(self.version.source, self.version.version, table.name)
            writer = SnapshotWriter(
                folder,
                source=self.version.source,
                version=self.version.version,
                instance=self.version.instance,
                table_name=table.name,
                keep_hot=True,
            )
            self.streams[table.name] = _Stream(writer, table)
        else:
            stream.table = table
        self.judge.table(table)
        for notice in self.early.pop(table.name, ()):
            self._recovered(notice)

    def _rows(self, event: Rows) -> None:
        if self.writing not in (None, event.table):
            self.streams[self.writing].writer.flush()
        self.writing = event.table
        stream = self.streams[event.table]
        cast = self._cast(event)
        stream.raw_counts.update(cast.failures)
        self.judge.add(event.table, cast.batch, event.rows, cast.raw, strict=event.strict)
        meta = [event.rows, event.lines, cast.raw]
        fields = [pa.field("_row", pa.int64()), pa.field("_line", pa.int64()), pa.field("_raw", pa.string())]
        batch = pa.RecordBatch.from_arrays([*cast.batch.columns, *meta], schema=pa.schema([*cast.batch.schema, *fields]))
        stream.writer.add(batch)
        self._row_version(stream, cast.batch)
        self.progress(event.table, event.batch.num_rows)

    def _row_version(self, stream: _Stream, batch: pa.RecordBatch) -> None:
        name = find_row_version(stream.table)
        if name is None or not pa.types.is_timestamp(stream.table.column(name).type):
            return
        highest = pc.max(batch.column(batch.schema.get_field_index(name))).as_py()
        if highest is not None:
            highest = highest.replace(tzinfo=None)
            stream.row_version_max = max(highest, stream.row_version_max or highest)

    def _unreadable(self, event: Unreadable) -> None:
        if event.table is None or event.table not in self.streams:
            self._notice(Notice(event.code, event.message, event.member, event.line, raw=event.raw, data_bearing=True))
            return
        stream = self.streams[event.table]
        stream.unreadable += 1
        violation = Violation(event.code, event.code, (), None, event.message)
        stream.writer.reject(
            RejectRecord(
                row=event.row,
                member=event.member,
                line=event.line,
                offset=event.offset,
                raw=event.raw,
                violations=json.dumps([violation.to_json()], ensure_ascii=False),
                recovered=False,
            )
        )

    def _notice(self, notice: Notice) -> None:
        self.notice_counts[notice.code] += 1
        if len(self.notices) < MAX_NOTICES:
            self.notices.append(notice)
        if notice.recovered and notice.table is not None:
            self._recovered(notice)
        elif notice.code == "table-restarted" and notice.table in self.streams:
            stream = self.streams[notice.table]
            stream.writer.restart()
            self.judge.restart(notice.table)
            self.streams[notice.table] = _Stream(stream.writer, stream.table, restarts=stream.restarts + 1)

    def _recovered(self, notice: Notice) -> None:
        stream = self.streams.get(notice.table or "")
        if stream is None:
            self.early.setdefault(notice.table or "", []).append(notice)
            return
        stream.recovered += 1
        violation = Violation(notice.code, notice.code, (), None, notice.message)
        stream.writer.reject(
            RejectRecord(
                row=notice.row,
                member=notice.member,
                line=notice.line,
                offset=None,
                raw=notice.raw or "",
                violations=json.dumps([violation.to_json()], ensure_ascii=False),
                recovered=True,
            )
        )

    def finish(self, events: Callable[[], Iterator[Event]], format_name: str, why: str) -> ParsedVersion:
        if self.finished is None:
            raise UnreadableDump(f"{self.version.path}: the reader ended without a verdict.", version=self.version.version)
        if not self.streams:
            raise UnreadableDump(
                f"{self.version.path} was recognized as {format_name} ({why}), but holds no table. "
                "If it is of another format, set sources.<source>.format in platform.yaml.",
                version=self.version.version,
            )
        self._judge_again(events)
        verdicts = self.judge.verdicts()
        self._reject_judged(events, verdicts)
        completeness, reasons = self.finished.completeness, list(self.finished.reasons)
        facts = {
            "completeness": completeness,
            "reasons": reasons,
            "format": format_name,
            "tool": self.finished.tool,
            "dump_time": self.finished.dump_time.isoformat() if self.finished.dump_time else None,
            "parsed_at": datetime.now(UTC).isoformat(),
        }
        snapshots = []
        for name, stream in self.streams.items():
            verdict = verdicts[name]
            snapshots.append(
                stream.writer.finish(
                    stream.table,
                    rejected_rows=verdict.rejected_rows,
                    dictionary_version=self.dictionary_version,
                    unreadable=stream.unreadable,
                    recovered=stream.recovered,
                    raw_counts=dict(stream.raw_counts),
                    rule_counts=verdict.rule_counts,
                    facts=facts
                    | {
                        "row_version": find_row_version(stream.table),
                        "row_version_max": stream.row_version_max.isoformat() if stream.row_version_max else None,
                    },
                )
            )
        times = [stream.row_version_max for stream in self.streams.values() if stream.row_version_max]
        return ParsedVersion(
            version=self.version.version,
            source=self.version.source,
            instance=self.version.instance,
            snapshots=tuple(snapshots),
            completeness=completeness,
            reasons=tuple(reasons),
            format=format_name,
            format_reason=why,
            tool=self.finished.tool,
            dump_time=self.finished.dump_time,
            row_version_max=max(times) if times else None,
            notices=tuple(self.notices),
            notice_counts=dict(self.notice_counts),
        )

    def _judge_again(self, events: Callable[[], Iterator[Event]]) -> None:
        """Tables whose keys were told after their rows (phpMyAdmin, pg_dump) are read once more for their rules."""
        late = self.judge.late()
        for name in late:
            self.judge.restart(name)
        for event in self._final_rows(events, late):
            cast = self._cast(event)
            self.judge.add(event.table, cast.batch, event.rows, cast.raw, strict=event.strict)

    def _final_rows(self, events: Callable[[], Iterator[Event]], tables: Collection[str]) -> Iterator[Rows]:
        """The rows of some tables read again, those of a table's last beginning only. Costs a parse when there are any tables."""
        if not tables:
            return
        restarts = Counter[str]()
        for event in events():
            if isinstance(event, Notice) and event.code == "table-restarted" and event.table:
                restarts[event.table] += 1
            elif isinstance(event, Rows) and event.table in tables and restarts[event.table] == self.streams[event.table].restarts:
                yield event

    def _cast(self, event: Rows) -> CastBatch:
        delimited = self.source.delimited
        return cast_batch(_renamed(event.batch), self.streams[event.table].table, true=delimited.true, false=delimited.false)

    def _reject_judged(self, events: Callable[[], Iterator[Event]], verdicts: Mapping[str, Verdict]) -> None:
        """The second look: the cells of rejected rows as they came, with all their reasons. Costs a parse, only when there are any."""
        waiting = {name: verdict for name, verdict in verdicts.items() if verdict.rejected}
        reasons = {name: verdict.violations() for name, verdict in waiting.items()}
        for event in self._final_rows(events, waiting):
            hits = np.flatnonzero(np.isin(event.rows.to_numpy(), waiting[event.table].rejected_rows))
            for index, cells in zip(hits.tolist(), event.batch.take(pa.array(hits)).to_pylist(), strict=True):
                row, violations = next(reasons[event.table])
                if row != event.rows[index].as_py():
                    raise AssertionError(f"{event.table}: verdict on row {row} met row {event.rows[index]}")
                self.streams[event.table].writer.reject(
                    RejectRecord(
                        row=row,
                        member=event.member,
                        line=event.lines[index].as_py(),
                        offset=None,
                        raw=json.dumps(cells, ensure_ascii=False, default=_cell_text),
                        violations=json.dumps([violation.to_json() for violation in violations], ensure_ascii=False),
                        recovered=False,
                    )
                )

    def discard(self) -> None:
        for stream in self.streams.values():
            stream.writer.discard()


def _cell_text(value: object) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def contract_version(home: Home, source: str) -> str:
    """Twelve digits of the hash of the source's contract; empty when it has none and the dumps' own DDL governs."""
    path = home.dictionary / f"{source}.odcs.yaml"
    return sha256_of(path)[:12] if path.exists() else ""


def governed(table: Table, contract: Table | None) -> Table:
    """The dump's table under its contract: columns and types stay the dump's, keys, references and rules are the contract's.

    Platform column names (META_COLUMNS) in a dump get a trailing underscore, so that ours cannot be confused with theirs.
    """
    columns = tuple(replace(column, name=_safe(column.name)) for column in table.columns)
    key = tuple(map(_safe, table.key))
    if contract is None:
        unique = tuple(tuple(map(_safe, names)) for names in table.unique)
        references = tuple(replace(fk, columns=tuple(map(_safe, fk.columns))) for fk in table.foreign_keys)
        return replace(table, columns=columns, key=key, unique=unique, foreign_keys=references)
    stated = {column.name: column for column in contract.columns}
    return replace(
        contract,
        name=table.name,
        columns=tuple(
            replace(
                column,
                required=stated[column.name].required,
                description=stated[column.name].description or column.description,
                formats=stated[column.name].formats or column.formats,
            )
            if column.name in stated
            else column
            for column in columns
        ),
        key=contract.key or key,
        description=contract.description or table.description,
    )


def _safe(name: str) -> str:
    return f"{name}_" if name in META_COLUMNS else name


def _renamed(batch: pa.RecordBatch) -> pa.RecordBatch:
    names = [_safe(name) for name in batch.schema.names]
    return batch if names == batch.schema.names else batch.rename_columns(names)


def commit_version(home: Home, parsed: ParsedVersion) -> None:
    """Puts the snapshots in place, table by table, then version.json, by which the version exists. Tables of an earlier parse go."""
    folder = home.version(parsed.source, parsed.version)
    for snapshot in parsed.snapshots:
        snapshot.commit()
    write_json(folder / "version.json", describe(parsed))
    wanted = {snapshot.folder.name for snapshot in parsed.snapshots}
    for child in folder.iterdir():
        if child.is_dir() and not child.name.startswith(".") and child.name not in wanted:
            shutil.rmtree(child)


def describe(parsed: ParsedVersion) -> dict[str, Any]:
    """The stored form of version.json."""
    return {
        "version": parsed.version,
        "source": parsed.source,
        "instance": parsed.instance,
        "tables": {snapshot.table.name: snapshot.folder.name for snapshot in parsed.snapshots},
        "completeness": parsed.completeness,
        "reasons": list(parsed.reasons),
        "format": parsed.format,
        "format_reason": parsed.format_reason,
        "tool": parsed.tool,
        "dump_time": parsed.dump_time.isoformat() if parsed.dump_time else None,
        "row_version_max": parsed.row_version_max.isoformat() if parsed.row_version_max else None,
        "notices": [
            {"code": n.code, "message": n.message, "member": n.member, "line": n.line, "table": n.table, "data_bearing": n.data_bearing}
            for n in parsed.notices
        ],
        "notice_counts": dict(parsed.notice_counts),
    }
