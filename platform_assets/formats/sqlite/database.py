"""The format `sqlite-database`: database files of SQLite 3, read by SQLite itself (the standard library's sqlite3).

Source: https://sqlite.org/fileformat2.html. Only rows of ordinary tables are read: views, triggers, virtual tables and generated columns
would run what the file says. How the file is opened is connection's business, how one table is read table_scan's.
"""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.columnar.spool import spooled
from platform_assets.formats.containers.opening import head
from platform_assets.formats.members import Context, is_document
from platform_assets.formats.sql.file import MAX_TOKENS, RAW_BYTES
from platform_assets.formats.sql.statement import DdlError, Statement
from platform_assets.formats.sql.text import Losses
from platform_assets.formats.sql.tokens import END, EOF, Token
from platform_assets.formats.sqlite.connection import DAMAGE, ignore_broken_schema, name_quoted, opened
from platform_assets.formats.sqlite.ddl import ColumnDefinition, Definition, create_table, key_columns
from platform_assets.formats.sqlite.table_scan import Scan
from platform_assets.formats.sqlite.tables import KnownTable, Tables
from platform_assets.formats.sqlite.tokens import SqliteTokens
from platform_assets.formats.sqlite.virtual import is_internal

MAGIC = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm", "-journal")
_MAX_FINDINGS = 20
_MAX_SCHEMA = 100_000


class SqliteDatabase:
    """The Format of SQLite 3 database files."""

    name = "sqlite-database"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: at least half of the members, documents and -wal, -shm, -journal files aside, begin with the magic bytes."""
        candidates = [member for member in dump.members if not (is_document(member) or member.name.endswith(_BESIDE))]
        found = [member for member in candidates if _is_database(member)]
        return f"{found[0].name}: it begins with {MAGIC[:15]!r}" if found and 2 * len(found) >= len(candidates) else None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base); a row's line is its number. quick_check decides whether a file is whole.

        Raises UnreadableDump when not a single table can be read, LimitExceeded, SettingsError for a type of platform.yaml that does not
        exist. Codes of notices: database-damaged, stream-cut, journal-beside, storage-class, virtual-table, skipped-statement,
        unreadable-definition, columns-filled, member-ignored, table-renamed. Codes of rows: encoding-error.
        """
        reading = _DumpReading(dump, source, dictionary)
        losses = Losses()
        for event in reading.events():
            yield losses.saw(event)
        reasons = losses.reasons()
        if not reading.tables:
            raise UnreadableDump(f"{dump.name}: no table can be read. {'; '.join(reading.troubles[:3])}", dump=dump.name)
        complete = reading.proven and not reasons
        yield Finished(
            "partial" if reasons else "complete" if complete else "unknown",
            tuple(dict.fromkeys((*reading.troubles, *reasons))) if reasons else (),
            tool="SQLite",
            facts=reading.facts,
        )


def _is_database(member: Member) -> bool:
    return head(member, len(MAGIC)).data == MAGIC


@dataclass(frozen=True)
class _Object:
    """A row of the file's schema."""

    kind: str
    name: str
    sql: str
    root: int = 0


@dataclass(frozen=True)
class _File:
    """A database to open: whole pages only. `missing` are the bytes that its end lacks, `error` is what ended the stream early."""

    path: Path
    size: int
    missing: int
    error: Exception | None


class _DumpReading:
    """All databases of a dump, one after the other."""

    def __init__(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        self.dump = dump
        self.source = source
        self.context = Context(source, dictionary)
        self.facts: dict[str, str] = {}
        self.troubles: list[str] = []
        self.tables = 0
        self.proven = True

    def events(self) -> Iterator[Event]:
        for member in self.dump.members:
            if _is_database(member) or (self.source.format == SqliteDatabase.name and not member.name.endswith(_BESIDE)):
                yield from self._beside(member)
                yield from self._member(member)
            elif not member.name.endswith(_BESIDE):
                told = not is_document(member)
                yield Notice("member-ignored", "it was not read: it is no SQLite database.", member.name, data_bearing=told)

    def _beside(self, member: Member) -> Iterator[Event]:
        """A write-ahead log or journal holds changes that are not in the file, or is needed to make it whole."""
        sizes = {other.name: other.size for other in self.dump.members if other.name in [member.name + end for end in _BESIDE]}
        if member.path is not None:
            for end in _BESIDE:
                beside = member.path.with_name(member.path.name + end)
                if beside.is_file():
                    sizes.setdefault(member.name + end, beside.stat().st_size)
        for name, size in sizes.items():
            bears = size > 0 and not name.endswith("-shm")
            what = "changes that are not in the database are in it, and were not read" if bears else "it holds no changes"
            advice = " Close the database first (PRAGMA wal_checkpoint(TRUNCATE)) or bring the result of .backup." if bears else ""
            yield Notice("journal-beside", f"{name} ({size:,} bytes) lies beside the database: {what}.{advice}", name, data_bearing=bears)

    def _member(self, member: Member) -> Iterator[Event]:
        with _file_of(member) as file:
            if file.error:
                yield self._lost(member, "stream-cut", f"{type(file.error).__name__}: {file.error}")
            elif file.missing:
                yield self._lost(member, "stream-cut", f"the file ends {file.missing:,} bytes before the end of the database.")
            try:
                with opened(file.path) as connection:
                    yield from _Database(self, member, connection, file.size).events()
            except DAMAGE as error:
                yield self._lost(member, "database-damaged", f"it cannot be read on: {error}.")

    def _lost(self, member: Member, code: str, message: str) -> Notice:
        self.proven = False
        self.troubles.append(f"{member.name}: {message}")
        return Notice(code, message, member.name, data_bearing=True)


def _missing_bytes(path: Path, size: int) -> int:
    """By how much the file is shorter than its header says (fileformat2, 1.3), or than whole pages where that is out of date."""
    with path.open("rb") as stream:
        header = stream.read(100)
    if len(header) < 100:
        return 100 - len(header)
    page = _page_size(header)
    pages = int.from_bytes(header[28:32], "big") if header[24:28] == header[92:96] else 0
    return max(pages * page - size, 0) if pages else -size % page


def _page_size(header: bytes) -> int:
    page = int.from_bytes(header[16:18], "big")
    return 65_536 if page == 1 else max(page, 1)


@contextmanager
def _file_of(member: Member) -> Iterator[_File]:
    """The member itself where it is a plain file of whole pages, else a private copy.

    SQLite takes the missing end of a page for zeros and reads rows from it that nobody wrote: such a page is cut off the copy.
    """
    if member.path is not None:
        size = member.path.stat().st_size
        missing = _missing_bytes(member.path, size)
        if not missing or not size % _page_size(head(member, 100).data):
            yield _File(member.path, size, missing, None)
            return
    with spooled(member, named=True) as copy:
        missing = _missing_bytes(copy.path, copy.size)
        size = copy.size - copy.size % _page_size(head(member, 100).data) if missing else copy.size
        os.truncate(copy.path, size)
        yield _File(copy.path, size, missing, copy.error)


class _Database:
    """One open database."""

    def __init__(self, dump: _DumpReading, member: Member, connection: sqlite3.Connection, size: int) -> None:
        self.dump = dump
        self.member = member
        self.connection = connection
        self.size = size
        self.known = Tables(dump.source, dump.context.dictionary)

    def events(self) -> Iterator[Event]:
        objects = yield from self._schema()
        yield from self._checked()
        self._facts()
        for one in objects:
            yield from self._declare(one)
        for one in objects:
            if one.kind == "index":
                self._index(one)
        for table in list(self.known.known.values()):
            yield from self._table(table)

    def _schema(self) -> Generator[Event, None, list[_Object]]:
        try:
            return self._objects()
        except DAMAGE as error:
            yield self.dump._lost(self.member, "database-damaged", f"its schema is damaged ({error}); what can be read of it is.")
            ignore_broken_schema(self.connection)
            return self._objects()

    def _objects(self) -> list[_Object]:
        """The entries of the schema; a text that is none is shown with \\xNN."""
        self.connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
        try:
            rows = self.connection.execute("SELECT type, name, sql, rootpage FROM sqlite_master").fetchmany(_MAX_SCHEMA)
        finally:
            self.connection.text_factory = str
        return [_Object(str(kind), str(name), sql if isinstance(sql, str) else "", root or 0) for kind, name, sql, root in rows]

    def _checked(self) -> Iterator[Event]:
        """quick_check looks at every page: what is missing of a cut file, what was flipped in its structure."""
        try:
            self.connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
            findings = [str(row[0]) for row in self.connection.execute(f"PRAGMA quick_check({_MAX_FINDINGS})")]
        except DAMAGE as error:
            findings = [str(error)]
        finally:
            self.connection.text_factory = str
        if findings == ["ok"]:
            return
        shown = "; ".join(" ".join(finding.split()) for finding in findings[:3])[:500] or "no answer"
        yield self.dump._lost(self.member, "database-damaged", f"PRAGMA quick_check finds damage: {shown}.")

    def _facts(self) -> None:
        start = head(self.member, 100).data
        number = int.from_bytes(start[96:100], "big")
        facts = self.dump.facts
        facts["server_version"] = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
        facts["user_version"] = str(int.from_bytes(start[60:64], "big", signed=True))
        facts["encoding"] = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}.get(int.from_bytes(start[56:60], "big"), "utf-8")

    def _declare(self, one: _Object) -> Iterator[Event]:
        if one.kind == "table" and one.name == "sqlite_sequence":
            self._sequences()
        elif one.kind == "table" and one.sql[:14].upper() == "CREATE VIRTUAL":
            yield self._virtual(one)
        elif one.kind == "table" and not is_internal(one.name):
            definition = yield from self._definition(one)
            if definition is not None and definition.columns:
                self.known.create((None, one.name), definition, self.member.name)
        elif one.kind in ("view", "trigger"):
            message = f"The {one.kind} {one.name!r} is not a table; it was not run."
            yield Notice("skipped-statement", message, self.member.name, raw=one.sql[:RAW_BYTES])

    def _virtual(self, one: _Object) -> Notice:
        words = one.sql.split("(")[0].split()
        upper = [word.upper() for word in words]
        module = words[upper.index("USING") + 1] if "USING" in upper[:-1] else "?"
        self.known.virtual.add(one.name, module.strip("\"'`[]"))
        message = f"{one.name!r} is a virtual table of the module {module}; it is not run. The tables in which it keeps its rows are read."
        return Notice("virtual-table", message, self.member.name, raw=one.sql[:RAW_BYTES])

    def _definition(self, one: _Object) -> Generator[Event, None, Definition | None]:
        """By the table's own CREATE; where that is not understood, what SQLite makes of it."""
        try:
            return create_table(_tokens(one.sql))
        except (DdlError, ValueError) as error:
            message = f"The CREATE TABLE of {one.name!r} is not understood: {error}; its columns are those that SQLite tells."
            yield Notice("unreadable-definition", message, self.member.name, table=one.name, raw=one.sql[:RAW_BYTES])
        try:
            rows = self.connection.execute(f"PRAGMA table_xinfo({name_quoted(one.name)})").fetchall()
        except DAMAGE:
            return None
        columns = (
            ColumnDefinition(str(row[1]), str(row[2] or ""), bool(row[3]), generated=row[6] in (2, 3)) for row in rows if row[6] != 1
        )
        return Definition(one.name, tuple(columns))

    def _index(self, one: _Object) -> None:
        """CREATE UNIQUE INDEX over plain columns and all rows states a rule."""
        statement = Statement(_tokens(one.sql), 1)
        if not statement.word(b"UNIQUE"):
            return
        try:
            while statement.here is not None and not statement.word(b"ON"):
                statement.at += 1
            table, columns = self.known.known.get(self.known.key((None, statement.name()))), key_columns(statement)
        except DdlError:
            return
        if table is not None and columns and statement.here is None:
            table.definition = table.definition.with_unique(columns)

    def _sequences(self) -> None:
        """The counters of AUTOINCREMENT."""
        try:
            for name, number in self.connection.execute("SELECT name, seq FROM sqlite_sequence").fetchmany(_MAX_SCHEMA):
                self.dump.facts[f"auto_increment.{name}"] = str(number)
        except DAMAGE as error:
            self.dump.troubles.append(f"{self.member.name}: sqlite_sequence: {error}")

    def _table(self, table: KnownTable) -> Iterator[Event]:
        wanted = table.name
        table.name, notices = self.dump.context.table_name(wanted, Path(self.member.name).stem, self.member)
        self.dump.tables += 1
        scan = Scan(self.connection, self.known, table, self.member, wanted, self.size)
        yield from scan.events()
        yield from notices
        if scan.broken:
            message = f"Table {table.name!r} cannot be read behind row {scan.rows:,}: {scan.broken}."
            yield self.dump._lost(self.member, "database-damaged", message)


def _tokens(sql: str) -> list[Token]:
    tokens, found = SqliteTokens(io.BytesIO(sql.encode("utf-8", "surrogatepass")), lambda *_: None), list[Token]()
    while (token := tokens.next()).kind not in (END, EOF) and len(found) < MAX_TOKENS:
        found.append(token)
    return found
