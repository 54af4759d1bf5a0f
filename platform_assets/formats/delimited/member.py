"""One delimited member -> the events of one table. What its columns are is decided by whoever calls (a dictionary, a JSON schema)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.containers.opening import HEAD_BYTES
from platform_assets.formats.delimited.blocks import BadRow, Block, Splitter
from platform_assets.formats.delimited.dialect import CR, LF, Dialect
from platform_assets.formats.delimited.exact import newline_of
from platform_assets.formats.delimited.shape import Shape, with_formats
from platform_assets.formats.delimited.terminated import TerminatedSplitter
from platform_assets.formats.delimited.terminators import Terminators
from platform_assets.formats.delimited.text import Utf8Source, declared_encoding


@dataclass(frozen=True)
class Plan:
    """How the columns of a table come about: from its header's names, or without header from the number of fields of its first row.

    `columns` is the number of columns when it is known without looking at a row.
    """

    from_header: Callable[[tuple[str, ...]], Shape]
    from_width: Callable[[int], Shape]
    columns: int | None = None
    empty: Table | None = None
    """What is known of the table when its file holds nothing."""


@dataclass
class Verdict:
    """Collects over all members why the dump is partial."""

    reasons: list[str] = field(default_factory=list)
    tables: int = 0
    encodings: dict[str, None] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)
    """Per member that breaks off, the place behind its last whole row."""

    def watch(self, event: Event) -> Event:
        """Passes an event on; a data-bearing Notice makes the dump partial."""
        if isinstance(event, Notice) and event.data_bearing:
            place = event.member if event.line is None else f"{event.member}, line {event.line:,}"
            self.reasons.append(f"{place}: {event.message}")
        self.tables += isinstance(event, TableFound)
        return event

    def finished(self, dump: Dump, tool: str, *, proven: bool = False) -> Finished:
        """`proven`: the members themselves show that they are whole. Raises UnreadableDump when not a single table came about."""
        if not self.tables:
            why = "; ".join(self.reasons[:3]) or "no member is a table."
            raise UnreadableDump(f"{dump.name}: no table can be read. {why}", dump=dump.name)
        facts = {"encoding": ", ".join(self.encodings)} | ({"last_good": "; ".join(self.good)} if self.good else {})
        if self.reasons:
            return Finished("partial", tuple(self.reasons), tool=tool, facts=facts)
        return Finished("complete" if dump.sealed or proven else "unknown", tool=tool, facts=facts)


def dialect_of(source: SourceSettings) -> Dialect:
    """Raises SettingsError. Where terminators_of gives some, fields end with them, not with this dialect's separator."""
    terminators = terminators_of(source)
    return terminators.dialect if terminators else Dialect.of(source.delimited, f"sources.{source.name}.delimited")


def terminators_of(source: SourceSettings) -> Terminators | None:
    """Terminators of several characters, None where fields and rows end in the usual way. Raises SettingsError."""
    return Terminators.of(source.delimited, f"sources.{source.name}.delimited")


def _splitter(text: Utf8Source, source: SourceSettings, newline: bytes) -> Splitter | TerminatedSplitter:
    terminators = terminators_of(source)
    return TerminatedSplitter(text, terminators) if terminators else Splitter(text, replace(dialect_of(source), newline=newline))


def text_head(member: Member, source: SourceSettings, size: int = HEAD_BYTES) -> bytes:
    """The beginning of a member as UTF-8 without byte order mark. Raises OSError when not even that can be opened."""
    with member.open() as stream:
        return Utf8Source(stream, declared_encoding(source)).head(size)


def read_member(member: Member, table: str, source: SourceSettings, plan: Plan, verdict: Verdict) -> Iterator[Event]:
    """Yields TableFound, Rows, Unreadable and Notice of one table; never raises for bad data, only LimitExceeded and SettingsError."""
    try:
        newline = newline_of(text_head(member, source)) if terminators_of(source) is None else LF
        stream = member.open()
    except (EOFError, OSError) as error:
        yield verdict.watch(_lost(member, table, "stream-cut", str(error)))
        return
    with stream:
        text = Utf8Source(stream, declared_encoding(source))
        splitter = _splitter(text, source, newline)
        for event in _table_events(member, table, source, plan, splitter):
            yield verdict.watch(event)
        verdict.encodings[text.encoding] = None
        if text.mark and text.encoding != text.declared:
            message = f"a byte order mark says {text.encoding}, platform.yaml says {text.declared}: read as {text.encoding}."
            yield Notice("encoding-by-mark", message, member.name, table=table)
    if newline == CR:
        yield Notice("cr-line-ends", "its lines end with CR alone, so a LF is data.", member.name, table=table)
    if splitter.findings.cut is not None:
        line, offset = splitter.findings.good
        verdict.good.append(f"{member.name}: line {line}" + (f", byte {offset}" if offset is not None else ""))
    for event in _closing(member, table, splitter, source):
        yield verdict.watch(event)


def _table_events(
    member: Member, table: str, source: SourceSettings, plan: Plan, splitter: Splitter | TerminatedSplitter
) -> Iterator[Event]:
    shape = None
    if source.delimited.header:
        header, bad = splitter.header()
        if bad:
            yield _unreadable(bad, table, member, row=None)
            yield _lost(member, table, "header-unreadable", f"the header cannot be read, so no row was: {bad.message}.", bad.line)
            return
        shape = plan.from_header(header) if header is not None else None
    else:
        width = plan.columns or splitter.width()
        shape = plan.from_width(width) if width is not None else None
    if shape is None:
        yield from _nothing_read(member, table, plan, splitter, source)
        return
    yield TableFound(with_formats(shape.table, source.delimited.formats), member.name)
    for code, message in shape.remarks:
        yield Notice(code, message, member.name, table=table)
    for found in splitter.blocks(len(shape.fields)):
        yield _rows(found, shape, member, source) if isinstance(found, Block) else _unreadable(found, table, member, row=found.row)


def _nothing_read(
    member: Member, table: str, plan: Plan, splitter: Splitter | TerminatedSplitter, source: SourceSettings
) -> Iterator[Event]:
    """No header, or no readable row to count the fields of."""
    if plan.empty:
        yield TableFound(with_formats(plan.empty, source.delimited.formats), member.name)
    for found in splitter.blocks(1):
        if isinstance(found, BadRow):
            yield _unreadable(found, table, member, row=found.row)
    findings = splitter.findings
    if findings.rows > findings.unreadable:
        yield _lost(
            member,
            table,
            "width-unknown",
            "its first rows are unreadable, so the number of columns is unknown; describe the table in the dictionary.",
        )
    elif not findings.rows and findings.cut is None:
        wants_header = source.delimited.header
        message = "it is empty" + (": not even the header is there." if wants_header else ".")
        yield Notice("empty-member", message, member.name, table=table, data_bearing=wants_header)


def _rows(block: Block, shape: Shape, member: Member, source: SourceSettings) -> Rows:
    columns = block.batch.columns if source.delimited.quote else [_without_nul(column) for column in block.batch.columns]
    batch = pa.RecordBatch.from_arrays(columns, names=list(shape.fields))
    return Rows(shape.table.name, member.name, batch, pa.array(block.rows), pa.array(block.lines), strict=True)


def _without_nul(column: pa.Array) -> pa.Array:
    """Without quotes an empty field is NULL, so bcp writes one NUL for an empty text."""
    nul = pc.equal(column, "\0")
    return pc.if_else(nul, "", column) if pc.any(nul).as_py() else column


def _unreadable(bad: BadRow, table: str, member: Member, *, row: int | None) -> Unreadable:
    message = f"{member.name}, line {bad.line:,}: {bad.message}."
    return Unreadable(table, member.name, bad.line, row, bad.raw, bad.code, message, bad.offset)


def _lost(member: Member, table: str, code: str, message: str, line: int | None = None) -> Notice:
    return Notice(code, message, member.name, line=line, table=table, data_bearing=True)


def _closing(member: Member, table: str, splitter: Splitter | TerminatedSplitter, source: SourceSettings) -> Iterator[Event]:
    """What can be said only when the member was read to its end."""
    findings = splitter.findings
    if findings.cut is not None:
        yield _lost(member, table, "stream-cut", str(findings.cut) or "the stream ends early.")
    elif findings.stopped:
        yield _lost(member, table, "reading-stopped", findings.stopped)
    elif not findings.final_newline:
        yield Notice("no-final-newline", "its last line has no line end; it may have been cut there.", member.name, table=table)
    if findings.unreadable and (first := findings.first_unreadable):
        message = f"{findings.unreadable:,} of {findings.rows:,} rows could not be read (first: {first.code})."
        yield _lost(member, table, "rows-unreadable", message, first.line)
    if findings.blank_lines and findings.width == 1:
        message = f"{findings.blank_lines:,} empty lines were skipped; in a table of one column they may have been empty values."
        yield Notice("empty-lines", message, member.name, line=findings.first_blank_line, table=table)
