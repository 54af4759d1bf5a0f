"""COPY ... FROM stdin: the statement, and the lines behind it up to the one that is `\\.`. What a line means is blocks'.

Only as much of the stream is held as one block, or one line when that is longer. Source: PostgreSQL 18 manual, COPY.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from platform_assets.formats.base import Event, Unreadable
from platform_assets.formats.postgres.blocks import Block, CopyColumn, CopyShape, read_block
from platform_assets.formats.postgres.catalog import Key
from platform_assets.formats.postgres.cursor import Cursor
from platform_assets.formats.postgres.file import FileReading
from platform_assets.formats.postgres.rows import PlannedColumn, constant_column
from platform_assets.formats.postgres.session import python_encoding
from platform_assets.formats.postgres.tables import KnownTable
from platform_assets.formats.sql.inserts import InsertReading
from platform_assets.formats.sql.rows import Places, rows_events, shown_raw
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import MAX_TOKEN, STRING, Token

COPY_STEP = 4 << 20
"""Bytes of lines that make a block."""
LONG_BLOCK = 2 * COPY_STEP
"""Bytes of lines beyond which there is one among them that is longer than a block."""
_ENDS = (b"\\.\n", b"\\.\r\n")


@dataclass(frozen=True)
class CopyHead:
    """A COPY statement. `problem` says why its rows are not read; `inline`: lines follow it."""

    key: Key
    names: tuple[str, ...] | None
    delimiter: bytes = b"\t"
    null: bytes = b"\\N"
    inline: bool = True
    problem: str = ""
    encoding: str | None = None


class CopyReading(FileReading, InsertReading):
    """Reads blocks of COPY. `copy_only` goes past them without a look: the survey wants statements alone."""

    copy_only = False
    copied = 0
    """Blocks of COPY that went to their end."""

    def _copy_statement(self, first: Token) -> Iterator[Event]:
        tokens = yield from self._rest(first)
        if tokens is None:
            return
        try:
            head = self._copy_head(self.session.cursor(tokens[1:]))
        except DdlError as error:
            message = f"A COPY is not understood: {error}."
            yield from self._notice("not-a-statement", message, first.line, raw=self._shown(first), bears=True)
            return
        if head is None:
            return
        if not head.inline:
            yield from self._notice("skipped-data-statement", f"COPY {head.problem} was not run.", first.line, bears=True)
            return
        self.tables.now.touch(head.key)
        crlf = self.tokens.rest_of_line().endswith(b"\r")
        if self.copy_only:
            self._pass_lines(first)
        elif head.problem:
            yield from self._notice("skipped-data-statement", f"COPY {head.problem}; its lines were not read.", first.line, bears=True)
            self._pass_lines(first)
        else:
            yield from self._copy_rows(head, first, crlf=crlf)

    def _copy_head(self, cursor: Cursor) -> CopyHead | None:
        """The cursor stands behind COPY. None for COPY ... TO, which gives no rows. Raises DdlError."""
        cursor.word(b"BINARY")
        if cursor.here is not None and cursor.here.punct(b"("):
            return None
        name = cursor.qualified()
        names = cursor.names() if cursor.here is not None and cursor.here.punct(b"(") else None
        key = self.tables.now.key(name, self.session)
        oids = cursor.words(b"WITH", b"OIDS")
        if cursor.word(b"TO"):
            return None
        if not cursor.word(b"FROM"):
            raise DdlError(f"FROM is missing at {cursor.quote()}")
        if not cursor.word(b"STDIN"):
            return CopyHead(key, names, inline=False, problem=f"{name[1]} from a file or program")
        options = _options(cursor)
        problem = f"{name[1]} with {options['problem']}" if "problem" in options else ""
        problem = f"{name[1]} with OIDS" if oids else problem
        delimiter, null = options.get("delimiter", "\t"), options.get("null", "\\N")
        if not problem and _refused(delimiter, null):
            problem = f"{name[1]} with the delimiter {delimiter[:10]!r} and NULL as {null[:10]!r}, which the server refuses"
        return CopyHead(key, names, delimiter.encode("utf-8"), null.encode("utf-8"), problem=problem, encoding=options.get("encoding"))

    def _lines(self, first: Token) -> Generator[bytes, None, None]:
        """Blocks of whole lines up to the line that ends them; the tokens stand behind that line afterwards, or at the file's end.

        An empty block stands for a line of more than MAX_TOKEN, which is not held.
        """
        tokens = self.tokens
        seen = tokens.position
        while True:
            buffer, begun = tokens.buffer, tokens.position
            end, behind = _end_of_rows(buffer, begun, max(seen, begun))
            last = end if end >= 0 else _last_line_end(buffer, begun, seen=seen)
            if last > begun and (end >= 0 or len(buffer) - begun >= COPY_STEP // 2):
                behind -= tokens.position
                del buffer
                yield from self._blocks(last - begun)
                behind += tokens.position - (last - begun)
            if end >= 0:
                tokens.position = behind
                self.copied += 1
                return
            waiting = len(tokens.buffer) - tokens.position
            if waiting > MAX_TOKEN:
                yield from self._before_long_line()
                seen = tokens.position
            elif tokens.fill():
                seen = tokens.position + max(waiting - 4, 0)
            else:
                break
        yield from self._cut_lines(first)

    def _blocks(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, which are whole lines, in one block; a line that is very long, in one of its own."""
        tokens = self.tokens
        while size:
            block = size if size <= LONG_BLOCK else _some_lines(tokens.buffer, tokens.position, tokens.position + size)
            data = tokens.buffer[tokens.position : tokens.position + block]
            tokens.position += block
            size -= block
            if block > LONG_BLOCK:
                tokens.let_go()
            yield data
            del data

    def _before_long_line(self) -> Iterator[bytes]:
        """The whole lines that are held; when there is none, the line is too long to be held and passed by."""
        last = _last_line_end(self.tokens.buffer, self.tokens.position)
        if last >= 0:
            yield from self._blocks(last - self.tokens.position)
        else:
            self._long_line = self.tokens.line
            self._pass_line()
            yield b""

    _long_line = 0

    def _pass_line(self) -> None:
        """Goes behind the end of the line, or to the end of the file."""
        tokens = self.tokens
        while (end := _line_end(tokens.buffer, tokens.position)) < 0:
            # A backslash whose partner or line end is still to come stays.
            open_escape = _backslashes(tokens.buffer, tokens.position, len(tokens.buffer)) % 2
            tokens.position = len(tokens.buffer) - open_escape
            if not tokens.fill():
                return
        tokens.position = end

    def _cut_lines(self, first: Token) -> Iterator[bytes]:
        """The file ends among the rows: whole lines are rows, unless the end is the line `\\.` without its line end."""
        tokens = self.tokens
        last = tokens.buffer.rfind(b"\n", tokens.position) + 1
        if last:
            yield from self._blocks(last - tokens.position)
        rest = tokens.buffer[tokens.position :]
        if rest == b"\\." and not tokens.broken:
            tokens.position = len(tokens.buffer)
            return
        self._cut(first)
        self._torn = rest

    _torn = b""

    def _pass_lines(self, first: Token) -> None:
        for _ in self._lines(first):
            pass
        self._at_end(first)

    def _at_end(self, first: Token) -> None:
        if self._torn:
            self.tokens.position = len(self.tokens.buffer)
            self._torn = b""

    def _copy_rows(self, head: CopyHead, first: Token, *, crlf: bool) -> Iterator[Event]:
        blocks = self._lines(first)
        data = next(blocks, None)
        table = yield from self._copy_table(head, first, data or b"")
        names = head.names if head.names is not None else self.tables.columns(head.key)
        names = names if names is not None else table.schema.column_names
        unknown = [name for name in names if name not in table.schema.column_names]
        if unknown or len(set(names)) != len(names):
            message = f"COPY into {table.name!r} names columns that the table has not, or one twice ({', '.join(unknown) or names})."
            yield from self._notice("skipped-data-statement", message, first.line, table=table.name, bears=True)
            self._pass_lines(first)
            return
        yield from self.tables.flush(table)
        yield from self.tables.announce(table)
        filled = yield from self._filled(table, set(names), first)
        columns = tuple(CopyColumn(name, table.target(name), table.native(name)) for name in names)
        shape = CopyShape(columns, head.delimiter, head.null, {at for at, name in enumerate(names) if name in table.textual})
        encoding = head.encoding or self.session.encoding
        encoding = "utf-8" if self.session.utf8 and head.encoding is None else encoding
        while data is not None:
            if not data:
                yield from self._line_too_long(table)
            else:
                line, block = self.tokens.line - data.count(b"\n"), read_block(data, shape, encoding, crlf=crlf)
                del data  # a long one is not held twice
                yield from self._copied(table, block, line, filled)
                table.textual |= {names[at] for at in shape.textual}
                del block
            data = next(blocks, None)
        if self._torn:
            yield from self._cut_row(table, first)

    def _copy_table(self, head: CopyHead, first: Token, data: bytes) -> Generator[Event, None, KnownTable]:
        table = yield from self._known(head.key, first)
        if table is None:
            names = head.names
            if names is None:
                names = tuple(f"c{at + 1}" for at in range(data.partition(b"\n")[0].count(head.delimiter) + 1))
            table = yield from self._without_definition(head.key, names, first, made_up=head.names is None)
        return table

    def _known(self, key: Key, first: Token) -> Generator[Event, None, KnownTable | None]:
        """The table that rows for `key` belong to; says once when that is another one, since it is partitioned."""
        table = self.tables.table(key, self.member)
        if table is not None and table.key != key and table.once(f"partition {key}"):
            message = f"Rows of the partition {key[2]!r} are rows of {table.name!r}."
            yield from self._notice("partition-rows", message, first.line, table=table.name)
        return table

    def _without_definition(self, key: Key, names: tuple[str, ...], first: Token, *, made_up: bool) -> Generator[Event, None, KnownTable]:
        table = self.tables.orphan(key, names, self.member)
        told = "made up" if made_up else "those of its column list"
        message = f"Rows come for {table.name!r} without any CREATE TABLE; the names of their columns are {told}, values are kept as texts."
        yield from self._notice("no-create-table", message, first.line, table=table.name)
        return table

    def _filled(self, table: KnownTable, listed: set[str], first: Token) -> Generator[Event, None, list[PlannedColumn]]:
        """Says once which columns rows leave out; those with a constant default, which the server would give them."""
        left = [column for name, column in table.natives.items() if name not in listed]
        constant = [one for one in left if one.default is not None]
        computed = [f"{one.name} (generated)" if one.generated else one.name for one in left if one.computed]
        if (constant or computed) and table.once("filled"):
            yield self._left_out(table.name, first.line, [one.name for one in constant], computed)
        return [PlannedColumn(one.name, table.target(one.name), one.native, one.default) for one in constant]

    def _copied(self, table: KnownTable, block: Block, line: int, filled: list[PlannedColumn]) -> Iterator[Event]:
        before = table.rows
        table.rows += block.total
        columns = block.columns | {one.name: constant_column(one, len(block.rows)) for one in filled}
        yield from rows_events(Places(table.name, self.member, block.rows + (before + 1), block.lines + line), columns)
        for one in block.bad:
            raw = shown_raw(one.raw)
            yield Unreadable(table.name, self.member, one.line + line, before + 1 + one.row, raw, one.code, one.message)

    def _line_too_long(self, table: KnownTable) -> Iterator[Event]:
        table.rows += 1
        message = f"a row of more than {MAX_TOKEN >> 20} MiB"
        yield Unreadable(table.name, self.member, self._long_line, table.rows, shown_raw(None), "row-too-long", message)

    def _cut_row(self, table: KnownTable, first: Token) -> Iterator[Event]:
        """What stands behind the last line end of a file that ends among rows."""
        table.rows += 1
        line, offset, raw = self.tokens.line, self.tokens.offset, shown_raw(self._torn)
        self._at_end(first)
        yield Unreadable(table.name, self.member, line, table.rows, raw, "cut-row", "the file ends inside this row", offset)


def _end_of_rows(buffer: bytes, begun: int, seen: int) -> tuple[int, int]:
    """Where the line `\\.` begins and where the next one does; (-1, -1) when it is not in the buffer. Looks from `seen` on."""
    at = begun if buffer.startswith(b"\\.", begun) else buffer.find(b"\n\\.", max(seen - 4, begun)) + 1
    while at > 0 or (at == begun and buffer.startswith(b"\\.", begun)):
        for end in _ENDS:
            if buffer.startswith(end, at):
                return at, at + len(end)
        at = buffer.find(b"\n\\.", at) + 1
    return -1, -1


def _last_line_end(buffer: bytes, begun: int, end: int | None = None, *, seen: int = 0) -> int:
    """Behind the last line end, from `seen` and before `end`, that no backslash makes a part of the data; -1 when there is none."""
    while (at := buffer.rfind(b"\n", max(begun, seen), end)) >= 0:
        if _backslashes(buffer, begun, at) % 2 == 0:
            return at + 1
        end = at
    return -1


def _line_end(buffer: bytes, begun: int) -> int:
    """Behind the first line end that no backslash makes a part of the data; -1 when there is none."""
    at = begun - 1
    while (at := buffer.find(b"\n", at + 1)) >= 0:
        if _backslashes(buffer, begun, at) % 2 == 0:
            return at + 1
    return -1


def _backslashes(buffer: bytes, begun: int, end: int) -> int:
    """How many there are right before `end`."""
    at = end
    while at > begun and buffer[at - 1] == 0x5C:
        at -= 1
    return end - at


def _some_lines(buffer: bytes, begun: int, end: int) -> int:
    """Bytes of the next lines before `end`, as many as make a usual block, or of the next one that is longer."""
    last = _last_line_end(buffer, begun, begun + COPY_STEP)
    last = last if last >= 0 else _line_end(buffer, begun)
    return (last if 0 <= last <= end else end) - begun


def _refused(delimiter: str, null: str) -> bool:
    """Whether the server refuses these in text format (ProcessCopyOptions in copy.c); so is a delimiter beyond ASCII, one byte or not."""
    return (
        len(delimiter) != 1
        or not delimiter.isascii()
        or delimiter in "\r\n\0\\.abcdefghijklmnopqrstuvwxyz0123456789"
        or delimiter in null
        or not {"\r", "\n"}.isdisjoint(null)
    )


def _options(cursor: Cursor) -> dict[str, str]:
    """Options behind FROM stdin in all their forms; `problem` names one whose rows are not read."""
    found: dict[str, str] = {}
    cursor.word(b"WITH")
    inner = cursor.sub(cursor.group()) if cursor.here is not None and cursor.here.punct(b"(") else cursor
    for part in dict.fromkeys((inner, cursor)):
        while part.here is not None:
            if part.word(b"FORMAT"):
                name = part.string() if part.here is not None and part.here.kind == STRING else part.name()
                if name != "text":
                    found["problem"] = f"format {name}"
            elif part.word(b"CSV", b"BINARY"):
                found["problem"] = "format csv or binary"
            elif part.word(b"WHERE"):
                found["problem"] = "a WHERE clause"
            elif part.word(b"DELIMITER", b"DELIMITERS", b"NULL", b"ENCODING"):
                option = (part.tokens[part.at - 1].text or b"").decode().lower().removesuffix("s")
                part.word(b"AS")
                value = part.string()
                if option == "encoding":
                    value = python_encoding(value or "")
                if value is not None:
                    found[option] = value
            elif part.word(b"HEADER"):
                found["problem"] = "a header line"
            else:
                part.at += 1
    return found
