"""Folders and archives of mydumper: many SQL files that are one dump. What a file's statements do is mysql.statements'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Notice
from platform_assets.formats.containers.opening import ignored_notices
from platform_assets.formats.mydumper.files import DumpFile, Kind, database_of, files_of
from platform_assets.formats.mydumper.metadata import Metadata, read_metadata
from platform_assets.formats.mysql.reader import Verdict, member_events
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.tables import Tables
from platform_assets.formats.sql.statement import QualifiedName
from platform_assets.formats.sql.text import Losses, head_of, open_text
from platform_assets.formats.sql.tokens import STREAM_ERRORS

_MAX_METADATA = 64 << 20
_STARTS = (b"Started dump at:", b"[config]")


class MyDumper:
    """The Format of what mydumper writes into a folder."""

    name = "mydumper"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: mydumper's metadata, or files named as its schemas are that begin as its files do. One plain .sql is none of it."""
        files = files_of(dump.members)
        schemas = [file for file in files if file.kind is Kind.TABLE]
        if not any(file.kind in (Kind.TABLE, Kind.DATA, Kind.DATABASE) for file in files):
            return None
        for file in files:
            if file.kind is Kind.METADATA and any(start in head_of(file.member) for start in _STARTS):
                return f"{file.member.name} says when mydumper started"
        for file in schemas:
            if "." in file.stem and b"SET NAMES binary" in head_of(file.member)[:100]:
                return f"{file.member.name} is named and begins as mydumper's schemas do"
        return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base). Raises UnreadableDump when no member holds a byte that can be read.

        Codes of notices beyond those of MySqlDump: schema-missing, data-missing, rows-differ.
        """
        yield from _Reading(dump, source, dictionary).events()


class _Watched:
    """A stream that knows how many bytes it gave and how they end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.total = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self.total += len(part)
        self.last = part[-1:] or self.last
        return part


class _Reading:
    """One dump while it is read."""

    def __init__(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        self.dump = dump
        self.source = source
        self.files = files_of(dump.members)
        self.databases = [file.stem for file in self.files if file.kind is Kind.DATABASE]
        self.tables = Tables(source, dictionary)
        self.verdict = Verdict()
        self.losses = Losses()
        self.metadata = Metadata()
        self.unproven: list[DumpFile] = []
        self.counted: dict[str, QualifiedName] = {}
        """Which table a stem `db.table` stands for."""

    def events(self) -> Iterator[Event]:
        for event in self._events():
            yield self.losses.saw(event)
        if not self.verdict.read_any:
            why = "; ".join(self.verdict.reasons) or "it is empty"
            raise UnreadableDump(f"{self.dump.name}: nothing in it can be read: {why}.", dump=self.dump.name)
        yield self._finished()

    def _events(self) -> Iterator[Event]:
        yield from ignored_notices(self.dump)
        self._metadata()
        for file in self.files:
            if file.kind <= Kind.OTHER:
                yield from self._sql(file)
            elif file.kind is Kind.IGNORED:
                bears = file.member.name.lower().endswith((".dat", ".csv", ".json"))
                message = f"{file.member.name!r} is no SQL of mydumper; it was not read."
                yield Notice("member-ignored", message, file.member.name, data_bearing=bears)
        yield from self._missing()
        for table in self.tables.known.values():
            if table.rows or not table.dropped:
                yield from self.tables.announce(table)
        yield from self._row_counts()

    def _metadata(self) -> None:
        for file in self.files:
            if file.kind is Kind.METADATA:
                try:
                    with file.member.open() as stream:
                        self.metadata = read_metadata(stream.read(_MAX_METADATA).decode("utf-8", "backslashreplace"))
                except STREAM_ERRORS as error:
                    self.verdict.reasons.append(f"{file.member.name}: it cannot be read ({type(error).__name__}: {error})")

    def _sql(self, file: DumpFile) -> Iterator[Event]:
        member = file.member
        try:
            opened = open_text(member)
        except STREAM_ERRORS as error:
            self.verdict.reasons.append(f"{member.name}: it cannot be opened ({type(error).__name__}: {error})")
            return
        before = self._defined()
        session = Session(
            charset=self.source.encoding or "utf8mb4",
            fixed="utf8mb4" if opened.recoded else None,
            database=database_of(file, self.databases),
        )
        watched = _Watched(opened.stream)
        try:
            yield from member_events(watched, member, session, self.tables, self.verdict)  # type: ignore[arg-type]
        finally:
            opened.close()
        if watched.last != b"\n":
            self.verdict.reasons.append(f"{member.name}: it does not end with a line feed, as files of mydumper do; byte {watched.total}")
        packed = file.packed and watched.total != member.size
        if not (packed or self.dump.sealed):
            self.unproven.append(file)
        if file.kind in (Kind.TABLE, Kind.VIEW, Kind.SEQUENCE):
            created = self._defined() - before
            if created or file.kind is not Kind.TABLE:
                self.counted.update((file.stem, key) for key in created)
            else:
                message = f"{member.name!r} creates no table: mydumper failed at it, or it is cut. Rows may be missing."
                yield Notice("schema-missing", message, member.name, data_bearing=True)

    def _defined(self) -> set[QualifiedName]:
        return {*self.tables.known, *self.tables.views, *self.tables.sequences}

    def _missing(self) -> Iterator[Event]:
        """Files that other files let expect. An empty table has no file of rows, so that its lack alone proves nothing."""
        schemas = {file.stem: file for file in self.files if file.kind is Kind.TABLE}
        filled = {file.stem: file for file in self.files if file.kind is Kind.DATA}
        for stem, file in filled.items():
            if stem not in schemas:
                message = f"There are rows of {stem!r} and no {stem}-schema.sql: the names of its columns are made up, its values texts."
                yield Notice("schema-missing", message, file.member.name)
        for stem, file in schemas.items():
            key = self.counted.get(stem)
            table = self.tables.known.get(key) if key is not None else None
            if stem not in filled and table is not None and not table.rows:
                message = f"No file holds rows of {stem!r}: the table was empty when it was dumped, or its file is lost."
                yield Notice("data-missing", message, file.member.name, table=table.name)

    def _row_counts(self) -> Iterator[Event]:
        """The rows of each table as metadata counts them; tables that come out right prove their files."""
        right = set()
        by_stem = {stem: key for stem, key in self.counted.items() if key in self.tables.known}
        for (database, name), rows in self.metadata.rows.items():
            stem = f"{database}.{name}"
            key = by_stem.get(stem) or self.tables.key((database, name), Session())
            table = self.tables.find(key)
            if key in self.tables.views or key in self.tables.sequences:
                continue
            read = table.rows if table is not None else 0
            if read == rows:
                right.add(stem)
                right |= {other for other, known in by_stem.items() if known == key}
            else:
                message = f"metadata counts {rows} rows of {stem!r}, {read} were read."
                where = table.name if table is not None else None
                yield Notice("rows-differ", message, "metadata", table=where, data_bearing=read < rows)
        self.unproven = [file for file in self.unproven if not (file.kind is Kind.DATA and file.stem in right)]

    def _finished(self) -> Finished:
        if self.metadata.finished is None:
            self.verdict.reasons.append("metadata does not say when the dump finished: mydumper was still at work, or died")
        finished = self.verdict.finished(self.losses)
        facts = dict(finished.facts)
        if self.metadata.log_position:
            facts["log_position"] = self.metadata.log_position
        if self.metadata.gtid:
            facts["gtid"] = self.metadata.gtid
        # A table's file ends with its one CREATE: one that is cut is seen. A file of rows may be cut between two statements.
        open_ends = [file for file in self.unproven if file.kind not in (Kind.DATABASE, Kind.TABLE)]
        proven = finished.completeness != "partial" and not open_ends
        return replace(
            finished,
            completeness="partial" if finished.completeness == "partial" else "complete" if proven else "unknown",
            dump_time=self.metadata.started or self.metadata.finished,
            tool="mydumper",
            facts=facts,
        )
