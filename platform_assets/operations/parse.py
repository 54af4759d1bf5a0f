"""Parse: the bytes of one version become snapshots, judged on the way (reading). Nothing is visible until `commit_version`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.engines.duckdb import open_engine, part_of_limit
from platform_assets.errors import PartialDump
from platform_assets.formats.base import Finished, Notice, Rows
from platform_assets.formats.cast import CastBatch
from platform_assets.formats.fixes import replayed_version
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.governing import reading_version
from platform_assets.operations.high_water import HighWater
from platform_assets.operations.judge import Verdict, VersionJudge
from platform_assets.operations.lending import Lender
from platform_assets.operations.measuring import measured
from platform_assets.operations.memory import share_freed_memory
from platform_assets.operations.mended import standing_rows
from platform_assets.operations.reading import DumpReading, OpenedDump, Progress, opened, silent
from platform_assets.operations.renaming import contract_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.files import write_json
from platform_assets.storage.home import Home
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.snapshots import Snapshot, SnapshotWriter
from platform_assets.versions.merge import find_row_version


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
    facts: Mapping[str, str]
    """What else the dump tells of itself, by the names of formats.base.Finished: counters, log position, encoding."""
    dictionary_version: str = ""
    reading: str = ""
    references: str = "reject"
    """What became of rows whose references name no row, as the source's settings said."""
    thresholds: tuple[int | None, float | None] = (None, None)
    """How many rows might be rejected, as the source's settings said: max_errors, max_error_ratio."""
    waits_for: Mapping[str, Any] | None = None
    """Whose versions the waiting rows wait for, see lending.Lender; None when none waits."""
    judged_again: bool = False
    """The dump was not read: only the dictionary's rules had changed since it was."""


def parse_version(
    settings: Settings, version: VersionRecord, path: Path, *, catalog: Catalog | None = None, progress: Progress = silent
) -> ParsedVersion:
    """Reads, casts and judges one dump. Parents of other versions are known by the `catalog` alone.

    Raises UnreadableDump (also LimitExceeded) when no row of it can be read, PartialDump when it is partial and its source refuses that.
    """
    share_freed_memory()
    home, source = Home(settings.home), settings.source(version.source)
    work = home.store / "work"
    dictionary_version = contract_version(home, version.source)
    dictionary = usable_dictionary(home.dictionary, version.source)
    reading_now = reading_version(source, dictionary)
    found = opened(path, source, dictionary, work=work)
    standing = standing_rows(home, version.source, replayed_version(path))
    sink = _Snapshots(home, version)
    lender = Lender(settings, catalog, version) if catalog else None
    with open_engine(work, memory_limit=part_of_limit(settings.memory_limit), threads=settings.threads) as engine:
        reading = DumpReading(found, VersionJudge(engine, found.dictionary, standing, lender), sink, place=version.path, progress=progress)
        try:
            finished = reading.read()
            refuse_partial(finished, source, version.path)
            verdicts = reading.judged()
            snapshots = sink.finish(reading, verdicts, finished, found, dictionary_version)
            waits_for = lender.waits_for((one.table, verdicts[name]) for name, one in reading.tables.items()) if lender else None
            snapshots = tuple(replace(one, facts={**one.facts, "measures": measured(engine, one)}) for one in snapshots)
        except BaseException:
            sink.discard()
            raise
    return ParsedVersion(
        version=version.version,
        source=version.source,
        instance=version.instance,
        snapshots=snapshots,
        completeness=finished.completeness,
        reasons=finished.reasons,
        format=found.format.name,
        format_reason=found.why,
        tool=finished.tool,
        dump_time=finished.dump_time,
        row_version_max=reading.row_version_max,
        notices=tuple(reading.notices),
        notice_counts=dict(reading.notice_counts),
        facts=dict(finished.facts),
        dictionary_version=dictionary_version,
        reading=reading_now,
        references=source.references,
        thresholds=source.thresholds,
        waits_for=waits_for,
    )


def refuse_partial(finished: Finished, source: SourceSettings, place: str) -> None:
    """Raises PartialDump for a partial dump of a source that takes none."""
    if finished.completeness == "partial" and source.partial == "refuse":
        shown = "; ".join(finished.reasons[:5]) + (f"; and {len(finished.reasons) - 5} more" if len(finished.reasons) > 5 else "")
        raise PartialDump(
            f"{place} is partial, and sources.{source.name}.partial in platform.yaml refuses that: {shown}. Nothing of it was loaded. "
            f"Fetch the dump again; or set sources.{source.name}.partial: load, then: platform-assets ingest PATH.",
            finished.reasons,
            source=source.name,
        )


class _Snapshots:
    """The sink that writes one snapshot per table; nothing of them is visible yet."""

    def __init__(self, home: Home, version: VersionRecord) -> None:
        self._home = home
        self._version = version
        self._writers: dict[str, SnapshotWriter] = {}
        self._writing: str | None = None

    def begin(self, table: Table) -> None:
        self._writers[table.name] = SnapshotWriter(
            self._home.snapshot(self._version.source, self._version.version, table.name),
            source=self._version.source,
            version=self._version.version,
            instance=self._version.instance,
            table_name=table.name,
            keep_hot=True,
        )

    def restart(self, name: str) -> None:
        self._writers[name].restart()

    def rows(self, event: Rows, cast: CastBatch) -> None:
        if self._writing not in (None, event.table):
            self._writers[self._writing].flush()
        self._writing = event.table
        meta = [event.rows, event.lines, cast.raw]
        fields = [pa.field("_row", pa.int64()), pa.field("_line", pa.int64()), pa.field("_raw", pa.string())]
        batch = pa.RecordBatch.from_arrays([*cast.batch.columns, *meta], schema=pa.schema([*cast.batch.schema, *fields]))
        self._writers[event.table].add(batch)

    def reject(self, name: str, record: RejectRecord) -> None:
        self._writers[name].reject(record)

    def finish(
        self, reading: DumpReading, verdicts: Mapping[str, Verdict], finished: Finished, found: OpenedDump, dictionary_version: str
    ) -> tuple[Snapshot, ...]:
        facts = {
            "completeness": finished.completeness,
            "reasons": list(finished.reasons),
            "format": found.format.name,
            "tool": finished.tool,
            "dump_time": finished.dump_time.isoformat() if finished.dump_time else None,
            "parsed_at": datetime.now(UTC).isoformat(),
            "full": finished.facts.get("full") == "yes",
            "replaces": finished.facts.get("replaces") == "yes",
        }
        snapshots = []
        for name, table in reading.tables.items():
            row_version = {
                "row_version": find_row_version(table.table),
                "row_version_max": table.row_version_max.isoformat() if table.row_version_max else None,
                "declared": table.declared.to_json() if table.declared != table.table else None,
                "strict": table.strict,
            }
            snapshots.append(
                self._writers[name].finish(
                    table.table,
                    rejected_rows=verdicts[name].rejected_rows,
                    dictionary_version=dictionary_version,
                    member=table.member or "",
                    unreadable=table.unreadable,
                    recovered=table.recovered,
                    raw_counts=dict(table.raw_counts),
                    rule_counts=verdicts[name].rule_counts,
                    facts=facts | row_version | high_water_facts(table.high_water, table.table.key),
                )
            )
        return tuple(snapshots)

    def discard(self) -> None:
        for writer in self._writers.values():
            writer.discard()


def high_water_facts(high_water: HighWater, key: tuple[str, ...]) -> dict[str, Any]:
    """How far the keys have grown, as snapshots store it."""
    keys = high_water.keys()
    return {
        "marks": high_water.marks(key),
        "keys": {"count": keys[0], "sketch": keys[1]} if keys else None,
    }


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
        "facts": dict(parsed.facts),
        "dictionary_version": parsed.dictionary_version,
        "reading": parsed.reading,
        "references": parsed.references,
        "thresholds": list(parsed.thresholds),
        "waits_for": dict(parsed.waits_for) if parsed.waits_for else None,
    }
