"""A small .xlsb of our own making, record by record: no library at hand writes one. Source: [MS-XLSB] 2.1.4, 2.4. No test stands here."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from workbook_files import zipped

_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOL, REAL, TEXT, ROW = 4, 5, 6, 0
BEGIN_SHEET, END_SHEET, BEGIN_BOOK, END_BOOK, BEGIN_SHEETS, END_SHEETS = 129, 130, 131, 132, 143, 144
BEGIN_ROWS, END_ROWS, DIMENSION, SHEET = 145, 146, 148, 156


def xlsb(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """Sheets of texts, numbers and booleans; None leaves a cell out."""
    listed = b"".join(_record(SHEET, struct.pack("<II", 0, at) + _text(f"r{at}") + _text(name)) for at, name in enumerate(sheets, 1))
    related = "".join(
        f'<Relationship Id="r{at}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{at}.bin"/>' for at in range(1, len(sheets) + 1)
    )
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"/>',
        "xl/workbook.bin": _record(BEGIN_BOOK) + _record(BEGIN_SHEETS) + listed + _record(END_SHEETS) + _record(END_BOOK),
        "xl/_rels/workbook.bin.rels": f"<Relationships>{related}</Relationships>",
    }
    return zipped(parts | {f"xl/worksheets/sheet{at}.bin": _sheet(rows) for at, rows in enumerate(sheets.values(), 1)})


def _sheet(rows: Sequence[Sequence[object]]) -> bytes:
    width = max(map(len, rows), default=1)
    body = b"".join(_record(ROW, struct.pack("<IIHBBBI", at, 0, 300, 0, 0, 0, 0)) + _cells(row) for at, row in enumerate(rows))
    dimension = _record(DIMENSION, struct.pack("<IIII", 0, max(len(rows) - 1, 0), 0, width - 1))
    return _record(BEGIN_SHEET) + dimension + _record(BEGIN_ROWS) + body + _record(END_ROWS) + _record(END_SHEET)


def _cells(row: Sequence[object]) -> bytes:
    return b"".join(_cell(struct.pack("<II", at, 0), value) for at, value in enumerate(row) if value is not None)


def _cell(place: bytes, value: object) -> bytes:
    if isinstance(value, bool):
        return _record(BOOL, place + bytes([value]))
    if isinstance(value, int | float):
        return _record(REAL, place + struct.pack("<d", value))
    return _record(TEXT, place + _text(str(value)))


def _text(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return struct.pack("<I", len(data) // 2) + data


def _record(kind: int, data: bytes = b"") -> bytes:
    """Kind and length, seven bits a byte, and the content."""
    return _varying(kind) + _varying(len(data)) + data


def _varying(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 0x7F | 0x80, number >> 7])
