"""One sheet's XML part -> its rows, streamed (ECMA-376 part 1, 18.3.1). Formulas are not computed: their stored values count."""

from __future__ import annotations

from collections.abc import Iterator

from platform_assets.formats.excel.cells import (
    BOOLEAN,
    DATE,
    DATETIME,
    ERROR,
    NUMBER,
    TEXT,
    Cell,
    SheetEnd,
    SheetRow,
    moment,
    number_text,
)
from platform_assets.formats.excel.package import Workbook, unescaped
from platform_assets.formats.excel.xml_stream import MAX_TEXT, BadXml, stream_elements

MAX_COLUMNS = 16_384


def read_rows(workbook: Workbook, part: str, end: SheetEnd) -> Iterator[SheetRow]:
    """Rows that have cells, in order; `end` is filled in on the way. Raises BadXml, EOFError, OSError, LimitExceeded."""
    parser = _Parser(workbook, end)
    with workbook.parts.open(part) as stream:
        for _ in stream_elements(stream, parser.start, parser.end, parser.text):
            rows, parser.rows = parser.rows, []
            yield from rows
    if not parser.closed:
        raise BadXml("it has no sheet data")


class _Parser:
    """Holds the cell and the row that are open."""

    def __init__(self, workbook: Workbook, end: SheetEnd) -> None:
        self.rows: list[SheetRow] = []
        self.closed = False
        self._workbook = workbook
        self._end = end
        self._number = 0
        self._cells: list[Cell] = []
        self._column = -1
        self._type = "n"
        self._style: str | None = None
        self._reading = False
        self._formula = False
        self._phonetic = False
        self._texts: list[str] | None = None
        self._length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            reference = attributes.get("r")
            self._column = column_of(reference) if reference else self._column + 1
            if self._column >= MAX_COLUMNS:
                raise BadXml(f"it has a cell {reference}, beyond the last column")
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s")
            self._texts, self._formula, self._length = None, False, 0
        elif name in ("v", "t"):
            self._reading = not self._phonetic
            self._texts = self._texts if self._texts is not None else []
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            given = attributes.get("r", "")
            self._number = int(given) if given.isdecimal() else self._number + 1
            self._cells, self._column = [], -1
        elif name == "mergeCell":
            self._end.merged += 1

    def text(self, text: str) -> None:
        if self._reading and self._texts is not None:
            self._length += len(text)
            if self._length > MAX_TEXT:
                raise BadXml(f"a cell of row {self._number:,} is longer than {MAX_TEXT:,} characters")
            self._texts.append(text)

    def end(self, name: str) -> None:
        if name == "c":
            self._cell()
        elif name in ("v", "t"):
            self._reading = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "row":
            if self._cells:
                self.rows.append(SheetRow(self._number, self._cells))
            self._cells = []
        elif name == "sheetData":
            self.closed = True

    def _cell(self) -> None:
        if self._texts is None:
            self._end.valueless += self._formula
            return
        kind, text = self._value("".join(self._texts))
        if kind != TEXT or text:
            self._cells.append(Cell(self._column, kind, text))

    def _value(self, text: str) -> tuple[int, str]:
        if self._type == "s":
            strings = self._workbook.strings
            try:
                return TEXT, strings[int(text)]  # type: ignore[index]
            except (IndexError, ValueError, TypeError) as error:
                raise BadXml(f"a cell of row {self._number:,} shows the shared string {text!r}, which is not there") from error
        if self._type in ("inlineStr", "str"):
            return TEXT, unescaped(text)
        if self._type == "b":
            return BOOLEAN, "true" if text.strip() == "1" else "false"
        if self._type == "e":
            return ERROR, text
        if self._type == "d":
            return (DATETIME if "T" in text else DATE), text
        return self._numeric(text.strip())

    def _numeric(self, text: str) -> tuple[int, str]:
        number = number_text(text)
        if number is None:
            return (TEXT, text) if text else (TEXT, "")
        shows = self._workbook.shows(self._style)
        if shows.date or shows.time:
            found = moment(float(number), epoch_1904=self._workbook.epoch_1904, dated=shows.date, timed=shows.time)
            if found:
                return found
        return NUMBER, number


def column_of(reference: str) -> int:
    """`B7` -> 1. Raises BadXml."""
    number = 0
    for letter in reference.rstrip("0123456789"):
        if not "A" <= letter <= "Z" or number > MAX_COLUMNS:
            raise BadXml(f"{reference!r} is no cell reference")
        number = number * 26 + ord(letter) - 64
    if not number:
        raise BadXml(f"{reference!r} is no cell reference")
    return number - 1
