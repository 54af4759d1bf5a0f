"""One XML file, element by element: structures become tables, data become rows, everything else is told and passed by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Event, Notice, Unreadable
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.tables import KnownTable, Tables
from platform_assets.formats.mysql_xml.markup import BROKEN, END, EOF, START, TEXT, BadReference, Markup, Piece
from platform_assets.formats.mysql_xml.rows import BadRow, RowBatch, pattern_of, read_row
from platform_assets.formats.mysql_xml.structure import Structure
from platform_assets.formats.sql.rows import shown_raw

_FROM = re.compile(r"\bFROM\s+(?:(?:`[^`]+`|[\w$]+)\s*\.\s*)?(?:`([^`]+)`|([\w$]+))", re.IGNORECASE)
_OBJECTS = (b"triggers", b"routines", b"events")
_ROW_EDGE = re.compile(rb"<row>|</row>|</table_data>|</resultset>")
_SEQUENCE = ("CREATE SEQUENCE", "DO SETVAL", "DO ")
_CONTAINERS = (b"mysqldump", b"database")


class XmlFile:
    """Reads one member: `events()` gives everything but the verdict, `reasons` says why the file is not whole."""

    def __init__(self, markup: Markup, member: str, source: SourceSettings, tables: Tables, *, recoded: bool) -> None:
        self.markup = markup
        self.member = member
        self.tables = tables
        self.reasons: list[str] = []
        self.session = Session(charset=source.encoding or "utf8mb4", fixed="utf8mb4" if recoded else None)
        self.session.lexis.backslash = False
        self._open: list[bytes] = []
        self._good = (1, 0)
        self._zone_told = False
        self._closed = 0

    def events(self) -> Iterator[Event]:
        """Everything of this file but the verdict."""
        while (piece := self.markup.next()).kind != EOF:
            if piece.kind == START:
                yield from self._element(piece)
            elif piece.kind == END:
                yield from self._end(piece)
            elif piece.text.strip(b"\xef\xbb\xbf \t\r\n"):
                yield from self._stray(piece)
        line, offset = self._good
        place = f"the last whole element ends at line {line}, byte {offset}"
        if self.markup.broken:
            self.reasons.insert(0, f"{self.member}: the stream breaks off ({self.markup.broken}); {place}")
        elif self.markup.stopped:
            self.reasons.insert(0, f"{self.member}: a text is longer than can be held; {place}")
        elif self._open or self._closed < max(self.markup.declarations, 1):
            name = self._open[-1].decode("utf-8", "backslashreplace") if self._open else "the root"
            self.reasons.append(f"{self.member}: the file ends before <{name}> does; {place}")
        if self.markup.doctype:
            yield Notice("document-type", "The document type was not read, and no entity of it is expanded.", self.member)
        for table in self.tables.known.values():
            yield from self.tables.announce(table)

    def _element(self, piece: Piece) -> Iterator[Event]:
        if piece.name in _CONTAINERS:
            if piece.name == b"database":
                name = self._attribute(piece, b"name")
                self.session.database = name
                self.tables.use(name or "")
            if not piece.empty:
                self._open.append(piece.name)
        elif piece.name == b"table_structure":
            yield from self._structure(piece)
        elif piece.name in (b"table_data", b"resultset"):
            yield from self._data(piece)
        else:
            yield from self._skip(piece)
        self._good = (self.markup.line, self.markup.offset)

    def _end(self, piece: Piece) -> Iterator[Event]:
        if self._open and self._open[-1] == piece.name:
            self._open.pop()
            self._closed += not self._open
            self._good = (self.markup.line, self.markup.offset)
        else:
            yield self._broken(piece, f"</{self.session.text(piece.name)}> ends nothing that is open here")

    def _broken(self, piece: Piece, message: str) -> Notice:
        return Notice("not-xml", f"{message}.", self.member, piece.line, data_bearing=True)

    def _stray(self, piece: Piece) -> Iterator[Event]:
        """Text between elements: mariadb-dump writes sequences so."""
        text = self.session.text(piece.text[:1000]).strip()
        if piece.kind == TEXT and text.startswith(_SEQUENCE):
            yield Notice("skipped-statement", "A sequence is not a table; it was skipped.", self.member, piece.line, raw=text)
        else:
            message = f"Text that belongs to no element was skipped: {text[:80]!r}."
            yield Notice("not-xml", message, self.member, piece.line, raw=text, data_bearing=True)

    def _skip(self, piece: Piece) -> Iterator[Event]:
        """An element that holds no table, with all that is in it."""
        bears, depth, line = piece.name not in _OBJECTS, 0 if piece.empty else 1, piece.line
        while depth:
            inner = self.markup.next()
            if inner.kind == EOF:
                self._open.append(piece.name)
                break
            depth += (inner.kind == START and not inner.empty) - (inner.kind == END)
        message = f"<{self.session.text(piece.name)}> holds no table; it was skipped."
        yield Notice("skipped-element", message, self.member, line, data_bearing=bears)

    def _attribute(self, piece: Piece, name: bytes) -> str | None:
        try:
            found = piece.attributes().get(name)
        except BadReference:
            return None
        return self.session.text(found) if found is not None else None

    # ---- structures

    def _structure(self, start: Piece) -> Iterator[Event]:
        structure = Structure(self._attribute(start, b"name") or "")
        whole = start.empty
        while not whole:
            piece = self.markup.next()
            if piece.kind == EOF:
                self._open.append(b"table_structure")
                return
            whole = piece.kind == END and piece.name == b"table_structure"
            if piece.kind == START and piece.name in (b"field", b"key", b"options"):
                try:
                    attributes = {self.session.text(key): self.session.text(value) for key, value in piece.attributes().items()}
                except BadReference as error:
                    yield self._broken(piece, str(error))
                    continue
                if piece.name == b"options":
                    structure.options = attributes
                else:
                    (structure.fields if piece.name == b"field" else structure.keys).append(attributes)
            elif piece.kind == BROKEN or piece.text.strip() or (piece.kind == START and piece.name in (b"table_data", b"row")):
                yield self._broken(piece, "A structure is damaged")
                if piece.kind == START:
                    break
        yield from self._defined(structure, start)

    def _defined(self, structure: Structure, start: Piece) -> Iterator[Event]:
        key = self.tables.key((None, structure.name), self.session)
        if structure.is_view:
            self.tables.views.add(key)
            yield Notice("skipped-element", f"The view {structure.name!r} is not a table; it was skipped.", self.member, start.line)
            return
        if not structure.fields:
            message = f"The structure of {structure.name!r} has no fields; its rows are read as texts."
            yield Notice("unreadable-definition", message, self.member, start.line)
            return
        known = self.tables.known.get(key)
        if known is not None and known.rows:
            message = f"A second structure of {known.name!r} after {known.rows} rows: its rows are read into the first one."
            yield Notice("table-exists", message, self.member, start.line, known.name, data_bearing=True)
            return
        definition = structure.definition()
        table = self.tables.create(key, definition, self.session, self.member)
        if structure.unknown:
            message = f"The types of {', '.join(structure.unknown)} are not understood; their values are kept as texts."
            yield Notice("unreadable-definition", message, self.member, start.line, table.name)
        if not self._zone_told and any(column.native.word == "timestamp" for column in definition.columns):
            self._zone_told = True
            message = "The XML does not say in which time zone TIMESTAMP values are written; they are kept as written, without a zone."
            yield Notice("time-zone-unknown", message, self.member, start.line, table.name)

    # ---- rows

    def _data(self, start: Piece) -> Iterator[Event]:
        """All rows up to the element's end, or to where something stands that is no row."""
        name = self._attribute(start, b"name") if start.name == b"table_data" else self._queried(start)
        key = self.tables.key((None, name or ""), self.session)
        table = self.tables.find(key)
        yield from _Data(self, table, key).read(start)

    def _queried(self, start: Piece) -> str:
        """The table of a query's result: the only one behind FROM, else the file's name."""
        statement = self._attribute(start, b"statement") or ""
        found = _FROM.findall(statement)
        simple = len(found) == 1 and not re.search(r"\bJOIN\b|\(\s*SELECT\b", statement, re.IGNORECASE)
        return found[0][0] or found[0][1] if simple else PurePosixPath(self.member).name.partition(".")[0]

    def cut(self, element: bytes) -> None:
        self._open.append(element)

    def closed(self) -> None:
        """A result set is a root of its own."""
        self._closed += not self._open


class _Data:
    """The rows of one element."""

    def __init__(self, file: XmlFile, table: KnownTable | None, key: tuple[str | None, str]) -> None:
        self.file = file
        self.markup = file.markup
        self.table = table
        self.key = key
        self.batch: RowBatch | None = None
        self.names: tuple[str, ...] = ()
        self.written: tuple[bytes, ...] = ()
        self.pattern: re.Pattern[bytes] | None = None

    def read(self, start: Piece) -> Iterator[Event]:
        whole = start.empty
        while not whole:
            yield from self._quick()
            self.markup.mark()
            piece = self.markup.next()
            if piece.kind == START and piece.name == b"row":
                yield from self._row(piece)
                continue
            raw = self.markup.raw()
            if piece.kind == EOF:
                self.file.cut(start.name)
                break
            whole = piece.kind == END and piece.name == start.name
            if not whole and (piece.kind != TEXT or piece.text.strip()):
                message = f"Between rows stands what is no row: {self.file.session.text(raw[:80])!r}."
                yield Notice("not-xml", message, self.file.member, piece.line, raw=shown_raw(raw[:1000]), data_bearing=True)
        if self.batch is not None:
            yield from self.batch.flush()
        if whole and start.name == b"resultset":
            self.file.closed()
        if self.table is not None:
            yield from self.file.tables.announce(self.table)

    def _quick(self) -> Iterator[Event]:
        """Rows in the buffer that are like the one before."""
        markup, pattern, batch, table = self.markup, self.pattern, self.batch, self.table
        if pattern is None or batch is None or table is None:
            return
        while True:
            found = pattern.match(markup.buffer, markup.position)
            if found is None:
                return
            begin = found.start() + len(found[0]) - len(found[0].lstrip())
            markup.position = begin
            line = markup.line
            markup.position = found.end()
            table.rows += 1
            batch.add(found.groups(), table.rows, line, found.end() - begin)
            if batch.full:
                yield from batch.flush()

    def _row(self, piece: Piece) -> Iterator[Event]:
        """A row piece by piece; what is wrong with it is told, and reading goes on behind it."""
        try:
            row, written = read_row(self.markup, self.file.session.text)
        except BadRow as error:
            yield from self._bad(piece, error)
            return
        raw = self.markup.raw()
        if row.names != self.names or self.batch is None:
            try:
                yield from self._plan(row.names, piece)
            except KeyError as error:
                message = f"field {error.args[0]!r} is no column of the table, or stands twice"
                yield from self._unreadable(piece, "extra-cell", message, raw)
                return
            self.names = row.names
        if written != self.written:
            self.written, self.pattern = written, pattern_of(written)
        assert self.batch is not None
        assert self.table is not None
        self.table.rows += 1
        self.batch.add(row.cells, self.table.rows, piece.line, len(raw), row.coded)
        if self.batch.full:
            yield from self.batch.flush()

    def _plan(self, names: tuple[str, ...], piece: Piece) -> Iterator[Event]:
        """Where fields of these names go. Raises KeyError."""
        file = self.file
        if self.table is None:
            if len(set(names)) != len(names):
                raise KeyError("a name")
            self.table = file.tables.orphan(self.key, names, file.member)
            message = f"No structure tells of {self.table.name!r}: its columns are those of its fields, its values texts."
            yield Notice("no-create-table", message, file.member, piece.line, self.table.name)
        plan = file.tables.plan(self.table, names, file.session)
        if self.batch is not None:
            yield from self.batch.flush()
        yield from file.tables.announce(self.table)
        self.batch = RowBatch(plan, file.member)
        left = [column.name for column in self.table.definition.columns if column.name not in {one.name for one in plan.columns}]
        if left and "filled" not in self.table.said:
            self.table.said.add("filled")
            message = f"Rows come without the columns {', '.join(left)}: the table's default, or NULL."
            yield Notice("columns-filled", message, file.member, piece.line, self.table.name)

    def _bad(self, piece: Piece, error: BadRow) -> Iterator[Event]:
        """Goes behind the damaged row: to its end, or before the next one's beginning."""
        markup = self.markup
        while (found := _ROW_EDGE.search(markup.buffer, markup.position)) is None:
            markup.position = max(markup.position, len(markup.buffer) - 16)
            if not markup.fill():
                markup.position = len(markup.buffer)
                break
        cut = found is None
        if found is not None:
            markup.position = found.end() if found[0] == b"</row>" else found.start()
        yield from self._unreadable(piece, "cut-row" if cut else "syntax-error", str(error), markup.raw())

    def _unreadable(self, piece: Piece, code: str, message: str, raw: bytes) -> Iterator[Event]:
        if self.batch is not None:
            yield from self.batch.flush()
        name = row = None
        if self.table is not None:
            yield from self.file.tables.announce(self.table)
            self.table.rows += 1
            name, row = self.table.name, self.table.rows
        yield Unreadable(name, self.file.member, piece.line, row, shown_raw(raw), code, message, piece.offset)
