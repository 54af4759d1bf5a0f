"""Dumps of `mysqldump --tab`: for each table a .sql with its definition and a .txt with its rows, or one .sql for all of them.

How rows are split is stream's, what a value means is mysql.bodies'; here is which rows belong to which table, and the verdict.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

import numpy as np

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import BATCH_ROWS, Dump, Event, Member, Notice, Unreadable
from platform_assets.formats.containers.opening import ignored_notices
from platform_assets.formats.mysql.bodies import BodyRows, body_events
from platform_assets.formats.mysql.ddl import Definition
from platform_assets.formats.mysql.reader import Verdict, member_events
from platform_assets.formats.mysql.rows import Plan
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.tables import KnownTable
from platform_assets.formats.mysql.types import Kind
from platform_assets.formats.mysql_tab.dialect import tab_dialect
from platform_assets.formats.mysql_tab.members import folder_of, layout_of, pair_in, stem_of, suffix_of, table_of
from platform_assets.formats.mysql_tab.stream import Block, TabStream
from platform_assets.formats.mysql_tab.tables import TabTables
from platform_assets.formats.sql.rows import shown_raw
from platform_assets.formats.sql.text import Losses, open_text
from platform_assets.formats.sql.tokens import STREAM_ERRORS

_MYSQL = ("mysqldump", "mysqldump 9")


class MySqlTab:
    """The Format of folders and archives that `mysqldump --tab` wrote."""

    name = "mysql-tab"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: a .sql of MySQL and, beside it, a .txt that is named by its table."""
        pair = pair_in(dump.members)
        return f"{pair[0].name} defines the table whose rows are in {pair[1].name}" if pair else None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base): first the definitions, then the rows of one .txt after the other.

        Raises UnreadableDump when no member holds a byte that can be read, SettingsError for a dialect or type that does not exist.
        Codes of notices beyond those of MySqlDump: orphan-rows, data-missing, line-ends, charset-assumed, folders-are-databases,
        columns-filled. Codes of rows: missing-cell, extra-cell, encoding-error, cut-row, row-too-long.
        """
        yield from _Reading(dump, source, dictionary).events()


class _Reading:
    """One dump while it is read."""

    def __init__(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        self.dump = dump
        self.source = source
        self.dialect = tab_dialect(source.mysql_tab, source.name)
        self.layout = layout_of(dump)
        self.tables = TabTables(source, dictionary)
        self.verdict = Verdict()
        self.losses = Losses()
        self.filled: set[str] = set()
        self.bytes = 0
        folders = {folder_of(member.name) for member in self.layout.definitions}
        self.by_folder = len(folders) > 1

    def events(self) -> Iterator[Event]:
        for event in self._events():
            yield self.losses.saw(event)
        if not self.verdict.read_any and not self.bytes:
            why = "; ".join(self.verdict.reasons) or "it is empty"
            raise UnreadableDump(f"{self.dump.name}: nothing in it can be read: {why}.", dump=self.dump.name)
        finished = self.verdict.finished(self.losses)
        if finished.completeness != "partial":
            finished = replace(finished, completeness="complete" if self.dump.sealed else "unknown")
        yield finished

    def _events(self) -> Iterator[Event]:
        yield from ignored_notices(self.dump)
        for member in self.layout.others:
            yield Notice("member-ignored", f"{member.name!r} is neither a .sql nor a .txt; it was not read.", member.name)
        if self.by_folder:
            message = "Tables lie in several folders: each folder is taken for a database."
            yield Notice("folders-are-databases", message, self.layout.definitions[0].name)
        for member in self.layout.definitions:
            yield from self._definitions(member)
        for member in self.layout.rows:
            yield from self._member(member)
        yield from self._without_rows()

    def _definitions(self, member: Member) -> Iterator[Event]:
        try:
            opened = open_text(member)
        except STREAM_ERRORS as error:
            self.verdict.reasons.append(f"{member.name}: it cannot be opened ({type(error).__name__}: {error})")
            return
        session = Session(charset=_charset(self.source), fixed="utf8mb4" if opened.recoded else None, database=self._database(member))
        try:
            yield from member_events(opened.stream, member, session, self.tables, self.verdict)
        finally:
            opened.close()
        tool = self.verdict.files[-1].segment.tool
        if tool is not None and tool.name in _MYSQL:
            self.tables.of_mysql.add(member.name)

    def _database(self, member: Member) -> str | None:
        return folder_of(member.name) or self.dump.name if self.by_folder else None

    def _without_rows(self) -> Iterator[Event]:
        """Tables that no .txt came for. The server writes one for an empty table too, so something may be missing."""
        for table in self.tables.known.values():
            if table.dropped and not table.rows:
                continue
            yield from self.tables.announce(table)
            if table.name not in self.filled and not table.rows:
                message = "No .txt with rows of this table is there. mysqldump writes one for an empty table too, so rows may be missing."
                yield Notice("data-missing", message, table.member, table=table.name, data_bearing=True)

    # ---- rows

    def _member(self, member: Member) -> Iterator[Event]:
        try:
            stream = member.open()
        except STREAM_ERRORS as error:
            self.verdict.reasons.append(f"{member.name}: it cannot be opened ({type(error).__name__}: {error})")
            return
        try:
            table = self._table(member)
            mark = table is None or table.definition.columns[0].native.kind not in (Kind.TEXT, Kind.BYTES, Kind.BITS)
            session, dialect = self._session(table), self.dialect
            lines = TabStream(
                stream,
                replace(dialect, lead=session.lexis.lead),
                lambda width: _bits(table.definition, width) if table is not None else (),
                settled=bool(self.source.mysql_tab.lines_terminated_by),
                mark=mark,
            )
            yield from self._rows(member, table, session, lines)
        finally:
            stream.close()

    def _table(self, member: Member) -> KnownTable | None:
        """The table of the .sql of the same stem when that has one, else the one that the file's name says."""
        stem = stem_of(member.name)
        beside = [table for table in self.tables.known.values() if stem_of(table.member) == stem and suffix_of(table.member) == ".sql"]
        if len(beside) == 1:
            return beside[0]
        key = self.tables.key((None, table_of(member.name)), Session(database=self._database(member)))
        return self.tables.find(key)

    def _session(self, table: KnownTable | None) -> Session:
        """The settings under which the server wrote the rows: encoding of platform.yaml, else the .sql's charset and zone."""
        written = self.tables.written.get(table.key) if table is not None else None
        charset = _charset(self.source)
        if written is not None and self.source.encoding is None:
            charset = "binary" if table is not None and self._by_column(table, written.charset) else written.charset
        session = Session(charset=charset)
        session.lexis.backslash = False
        if written is not None and written.zone is not None:
            session.variables["time_zone"] = written.zone
        return session

    def _by_column(self, table: KnownTable, charset: str) -> bool:
        """mysqldump of MySQL asks for CHARACTER SET binary unless a charset was given to it: each column comes in its own charset."""
        return table.member in self.tables.of_mysql and charset.startswith("utf8")

    def _rows(self, member: Member, table: KnownTable | None, session: Session, lines: TabStream) -> Iterator[Event]:
        plan: Plan | None = None
        for block in lines.blocks():
            self.bytes += 1
            if plan is None:
                table, plan = yield from self._begin(member, table, session, block, lines)
            assert table is not None
            yield from _block_events(table, plan, member, block)
        self.bytes += bool(lines.rest)
        if table is not None:
            self.filled.add(table.name)
            yield from self.tables.announce(table)
        elif not lines.rest and lines.broken is None:
            message = f"{member.name!r} is empty and no CREATE TABLE tells of its table."
            yield Notice("orphan-rows", message, member.name)
        yield from self._end(member, table, lines)

    def _begin(
        self, member: Member, table: KnownTable | None, session: Session, block: Block, lines: TabStream
    ) -> Generator[Event, None, tuple[KnownTable, Plan]]:
        """Settles table and columns by the first rows, and announces the table."""
        width = int(np.bincount(block.rows.widths).argmax())
        if table is None:
            table = self._orphan(member, width)
            named = "those of the dictionary" if table.dictionary is not None else "c1, c2, ..."
            message = f"No CREATE TABLE tells of these rows: they are kept as the table {table.name!r}, columns {named}, values as texts."
            yield Notice("orphan-rows", message, member.name, 1, table.name)
        names = _columns(table.definition, width)
        plan = self.tables.plan(table, names, session)
        yield from self.tables.announce(table)
        if lines.windows:
            message = "All lines end with CR LF, which the server does not write by itself; the CR is taken for part of the line's end."
            yield Notice("line-ends", message, member.name, 1, table.name)
        yield from self._told(member, table, plan)
        return table, plan

    def _orphan(self, member: Member, width: int) -> KnownTable:
        key = self.tables.key((None, table_of(member.name)), Session(database=self._database(member)))
        contract = self.tables.dictionary.get(self.tables.name_of(key))
        fits = contract is not None and len(contract.columns) == width
        return self.tables.orphan(key, () if fits else [f"c{number + 1}" for number in range(width)], member.name)

    def _told(self, member: Member, table: KnownTable, plan: Plan) -> Iterator[Event]:
        listed = {column.name for column in plan.columns}
        left = [column.name for column in table.definition.columns if column.name not in listed]
        if left:
            message = f"Rows come without the columns {', '.join(left)}: the table's default, or NULL where only the server computes it."
            yield Notice("columns-filled", message, member.name, 1, table.name)
        written = self.tables.written.get(table.key)
        if self.source.encoding is None and written is not None and self._by_column(table, written.charset):
            own = {column.charset or table.definition.charset for column in table.definition.columns} - {None, "utf8", "utf8mb3", "utf8mb4"}
            if own - {"binary", "ascii"}:
                message = (
                    f"Texts in {', '.join(sorted(str(one) for one in own))} are read in the charset of their column, as MySQL's mysqldump "
                    f"writes them unless it was given one. If it was, set sources.{self.source.name}.encoding."
                )
                yield Notice("charset-assumed", message, member.name, 1, table.name)

    def _end(self, member: Member, table: KnownTable | None, lines: TabStream) -> Iterator[Event]:
        place = f"the last whole row ends before line {lines.line}, byte {lines.offset}"
        if lines.broken:
            self.verdict.reasons.append(f"{member.name}: the stream breaks off ({lines.broken}); {place}")
        elif lines.rest:
            what = f"a row of more than {len(lines.rest):,} bytes" if lines.stopped else "a row without its end"
            self.verdict.reasons.append(f"{member.name}: the file ends with {what}; {place}")
        if lines.rest:
            code = "row-too-long" if lines.stopped else "cut-row"
            message = "the row's end is missing" if not lines.stopped else "no end of a row is found: is the dialect of the source right?"
            if table is not None:
                table.rows += 1
            yield Unreadable(
                table.name if table is not None else None,
                member.name,
                lines.line,
                table.rows if table is not None else None,
                shown_raw(lines.rest[: 8 << 20]),
                code,
                message,
                lines.offset,
            )


def _charset(source: SourceSettings) -> str:
    return source.encoding or "utf8mb4"


def _columns(definition: Definition, width: int) -> list[str]:
    """The columns whose values the rows hold: all, or without those that the server computes or hides, whichever are as many."""
    columns = definition.columns
    choices = (
        [column.name for column in columns],
        [column.name for column in columns if not column.generated],
        [column.name for column in columns if not column.invisible],
        [column.name for column in columns if not column.invisible and not column.generated],
    )
    return next((names for names in choices if len(names) == width), choices[0])


def _bits(definition: Definition, width: int) -> tuple[int, ...]:
    natives = [column.native for name in _columns(definition, width) if (column := definition.column(name)) is not None]
    return tuple(native.padded or 0 if native.kind is Kind.BITS else 0 for native in natives)


def _block_events(table: KnownTable, plan: Plan, member: Member, block: Block) -> Iterator[Event]:
    widths = block.rows.widths
    wanted = len(plan.columns)
    first = table.rows + 1
    table.rows += len(widths)
    lines = block.line + block.rows.lines
    good = np.flatnonzero(widths == wanted)
    for start in range(0, len(good), BATCH_ROWS):
        rows = good[start : start + BATCH_ROWS]
        columns = [block.rows.column(rows, at) for at in range(wanted)]
        given = BodyRows(columns, first + rows, lines[rows], lambda at, rows=rows: block.raw(int(rows[at])))  # type: ignore[misc]
        yield from body_events(plan, member.name, given)
    for row in np.flatnonzero(widths != wanted).tolist():
        count = int(widths[row])
        code = "missing-cell" if count < wanted else "extra-cell"
        message = f"the row has {count} fields, the table {wanted} columns"
        offset = block.offset + int(block.rows.starts[row])
        yield Unreadable(plan.table, member.name, int(lines[row]), first + row, shown_raw(block.raw(row)), code, message, offset)
