"""The format `excel`: workbooks whose sheets are tables. .xlsx is streamed by our own reader, .xls, .xlsb and .ods go through calamine.

A workbook proves itself: an archive has its directory at the end and every part a checksum; a cut .xls misses sectors.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.base import Dump, Event, Member, Notice, Rows, TableFound
from platform_assets.formats.columnar.spool import Spooled, spooled
from platform_assets.formats.containers.opening import head
from platform_assets.formats.containers.workbooks import kind_of, looks_like
from platform_assets.formats.delimited.shape import with_formats
from platform_assets.formats.excel.cells import Sheet, SheetEnd, SheetRow
from platform_assets.formats.excel.columns import SheetFacts, SheetShape, arrays_of, batches
from platform_assets.formats.excel.compound import least_size
from platform_assets.formats.excel.old import OldWorkbookError, old_steps
from platform_assets.formats.excel.package import Workbook
from platform_assets.formats.excel.parts import Parts
from platform_assets.formats.excel.worksheet import read_rows
from platform_assets.formats.excel.xml_stream import BadXml, stream_elements
from platform_assets.formats.members import Context, Reading, claim, lost, read_members

_BATCH = 8_192
_SECTOR = 512
"""The least that a compound file is short of when a sector is missing; less is missing within the last one, which may be padding."""
_KEPT_CELLS = 200_000
"""A sheet of up to so many cells (some 40 MB as Python values) is not parsed a second time."""
_BROKEN = (BadXml, OldWorkbookError, EOFError, OSError, zlib.error, ValueError)

OpenSheet = Callable[[Sheet, SheetEnd], Iterator[SheetRow]]


class Excel:
    """Workbooks by content: an archive with xl/workbook.xml (or .bin), an OpenDocument spreadsheet, a compound file."""

    name = "excel"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: at least half of the members are workbooks."""
        return claim(dump, _mine)

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the sheets in their order. Raises LimitExceeded, and UnreadableDump when not one can be read."""
        return read_members(dump, Context(source, dictionary), tool=self.name, mine=_mine, read=_read)


def _mine(member: Member) -> str | None:
    if not looks_like(head(member).data):
        return None
    with spooled(member) as copy:
        kind = kind_of(copy.path)
    return f"is a workbook ({kind})" if kind else None


def _read(member: Member, name: str, context: Context) -> Reading:
    with spooled(member) as copy:
        if copy.error:
            yield lost(member, "stream-cut", str(copy.error), name)
        proven = False
        try:
            proven = yield from _workbook(copy, member, name, context)
        except LimitExceeded:
            raise
        except UnreadableDump as error:
            yield lost(member, "file-damaged", str(error), name)
        except _BROKEN as error:
            message = f"it cannot be read on: {error or type(error).__name__}. What came before was read; fetch the file again."
            yield lost(member, "file-damaged", message, name)
        return proven and not copy.error


def _workbook(copy: Spooled, member: Member, name: str, context: Context) -> Reading:
    kind = kind_of(copy.path)
    if kind == "xlsx":
        workbook = Workbook(Parts(copy.path, member.name, context.source))

        def rows(sheet: Sheet, end: SheetEnd) -> Iterator[SheetRow]:
            return read_rows(workbook, sheet.part or "", end)

        proven = True
        for sheet in workbook.sheets:
            proven &= yield from _sheet(sheet, rows, member, name, context)
        return proven
    if kind is None:
        raise OldWorkbookError("its directory, which stands at the end, is cut off or damaged")
    cut = 0
    if kind == "xls":
        cut = max(least_size(copy.path) - copy.size, 0)
        if cut >= _SECTOR:
            raise OldWorkbookError(f"{cut:,} bytes or more are missing at its end")
    if kind in ("xlsb", "ods"):
        parts = Parts(copy.path, member.name, context.source)
        parts.prove()
        if kind == "ods":
            _prove_xml(parts, "content.xml")
    ends: dict[str, SheetEnd] = {}
    sheets = []
    with closing(old_steps(copy.path, copy.size)) as steps:  # type: ignore[type-var]
        for step in steps:
            if not isinstance(step, SheetRow):
                sheets.append(step[0])
                ends[step[0].name] = step[1]
    proven = True
    for sheet in sheets:
        proven &= yield from _sheet(sheet, _old_rows(copy, ends), member, name, context)
    if cut:
        yield lost(member, "stream-cut", f"{cut:,} bytes are missing at the end of its last sector", name)
    return proven and not cut


def _prove_xml(parts: Parts, part: str) -> None:
    """Raises BadXml where a part breaks off: calamine would read on for ever."""
    with parts.open(part) as stream:
        for _ in stream_elements(stream, lambda name, attributes: None, lambda name: None, lambda text: None):
            continue


def _old_rows(copy: Spooled, ends: Mapping[str, SheetEnd]) -> OpenSheet:
    """The rows of one sheet; each pass runs the reader anew, since it holds what it gives."""

    def rows(sheet: Sheet, end: SheetEnd) -> Iterator[SheetRow]:
        end.merged = ends[sheet.name].merged
        current = ""
        with closing(old_steps(copy.path, copy.size)) as steps:  # type: ignore[type-var]
            for step in steps:
                if not isinstance(step, SheetRow):
                    current = step[0].name
                elif current == sheet.name:
                    yield step

    return rows


def _sheet(sheet: Sheet, open_rows: OpenSheet, member: Member, name: str, context: Context) -> Generator[Event, None, bool]:
    """The events of one sheet, and whether it was read to its end."""
    if sheet.part is None:
        yield Notice("sheet-skipped", f"sheet {sheet.name} holds no cells (a chart or a macro sheet).", member.name)
        return True
    facts, end, broken = SheetFacts(context.source.delimited.header), SheetEnd(), None
    kept: list[SheetRow] | None = []
    cells = 0
    try:
        for row in open_rows(sheet, end):
            facts.see(row)
            cells += len(row.cells)
            if kept is not None and cells <= _KEPT_CELLS:
                kept.append(row)
            else:
                kept = None
    except _BROKEN as error:
        broken = f"sheet {sheet.name} cannot be read on: {error or type(error).__name__}. What came before was read; fetch the file again."
    if facts.header is None and not facts.rows:
        yield Notice("sheet-empty", f"sheet {sheet.name} is empty.", member.name)
    else:
        again = (lambda sheet, end: iter(kept)) if kept is not None else open_rows
        yield from _table(sheet, facts, end, again, member, name, context)
    if broken:
        yield lost(member, "sheet-damaged", broken, sheet.name)
    return broken is None


def _table(
    sheet: Sheet, facts: SheetFacts, end: SheetEnd, open_rows: OpenSheet, member: Member, name: str, context: Context
) -> Iterator[Event]:
    table_name, notices = context.table_name(sheet.name, name, member)
    contract = context.dictionary.get(table_name)
    shape = facts.shape(table_name, contract)
    table = with_formats(shape.table, context.source.delimited.formats)
    yield TableFound(table, member.name)
    yield from notices
    yield from (Notice(code, message, member.name, table=table_name) for code, message in shape.remarks)
    yield from _sheet_remarks(sheet, facts, end, table_name, member)
    yield from _batches(open_rows(sheet, SheetEnd()), facts, shape, table, member, context, strict=contract is not None)


def _batches(
    rows: Iterator[SheetRow], facts: SheetFacts, shape: SheetShape, table: Table, member: Member, context: Context, *, strict: bool
) -> Iterator[Event]:
    words = context.source.delimited
    booleans = (words.true or ("",))[0], (words.false or ("",))[0]
    count, errors, first = 0, 0, ""
    try:
        for batch in batches(_data_rows(rows, facts), _BATCH):
            arrays, found = arrays_of(batch, shape, booleans)
            errors += len(found)
            first = first or (f"{found[0][2]} in column {found[0][1]} of row {found[0][0].number:,}" if found else "")
            numbers = pa.array(range(count + 1, count + len(batch) + 1), pa.int64())
            lines = pa.array([row.number for row in batch], pa.int64())
            count += len(batch)
            yield Rows(table.name, member.name, pa.RecordBatch.from_arrays(arrays, names=list(table.column_names)), numbers, lines, strict)
    except _BROKEN:
        return  # the first pass met the same and tells it
    if errors:
        message = f"{errors:,} cells hold an error instead of a value and are NULL, first {first}."
        yield Notice("error-cells", message, member.name, table=table.name)


def _data_rows(rows: Iterator[SheetRow], facts: SheetFacts) -> Iterator[SheetRow]:
    header = facts.header.number if facts.header else None
    left = facts.rows
    for row in rows:
        if row.number == header:
            header = None
        elif left:
            left -= 1
            yield row


def _sheet_remarks(sheet: Sheet, facts: SheetFacts, end: SheetEnd, table: str, member: Member) -> Iterator[Notice]:
    if sheet.hidden:
        yield Notice("sheet-hidden", f"sheet {sheet.name} is hidden in the workbook; it was read.", member.name, table=table)
    if facts.empty_rows:
        yield Notice("rows-empty", f"{facts.empty_rows:,} empty rows were skipped.", member.name, table=table)
    if end.merged:
        message = f"{end.merged:,} ranges of cells are merged: the value stands in the first cell alone, the others are NULL."
        yield Notice("cells-merged", message, member.name, table=table)
    if end.valueless:
        message = f"{end.valueless:,} formulas have no stored value and are NULL; open and save the workbook in its program."
        yield Notice("formulas-without-value", message, member.name, table=table, data_bearing=True)
