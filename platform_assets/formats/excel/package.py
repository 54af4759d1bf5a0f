"""An .xlsx file as parts: its sheets, shared strings and styles, each read as a stream.

Office Open XML, ECMA-376 parts 1 (SpreadsheetML) and 2 (packaging).
"""

from __future__ import annotations

import posixpath
import re
from array import array
from collections.abc import Callable

from platform_assets.formats.excel.cells import Sheet
from platform_assets.formats.excel.parts import Parts
from platform_assets.formats.excel.styles import NOTHING, Shows, shows_of
from platform_assets.formats.excel.xml_stream import BadXml, stream_elements

MAX_STRINGS_BYTES = 512 << 20
"""Shared strings stand apart from the cells that show them, so they are held in memory, packed."""
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Workbook:
    """The sheets of a package in their order, whether its days count from 1904, and what its cell styles show."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.epoch_1904 = False
        self.sheets: list[Sheet] = []
        targets = _relations(parts)
        self._read_sheets(targets)
        strings = next((part for kind, part in targets.values() if kind == "sharedStrings"), None)
        styles = next((part for kind, part in targets.values() if kind == "styles"), None)
        self.styles = _styles(parts, styles) if styles else []
        self.strings = Strings(parts, strings) if strings else None

    def _read_sheets(self, targets: dict[str, tuple[str, str]]) -> None:
        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                self.epoch_1904 = attributes.get("date1904", "0") in ("1", "true")
            elif name == "sheet":
                identity = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), "")
                kind, part = targets.get(identity, ("", ""))
                hidden = attributes.get("state", "visible") != "visible"
                self.sheets.append(Sheet(attributes.get("name", ""), part if kind == "worksheet" else None, hidden))

        _elements(self.parts, "xl/workbook.xml", start)

    def shows(self, style: str | None) -> Shows:
        number = int(style) if style and style.isdecimal() else 0
        return self.styles[number] if number < len(self.styles) else NOTHING


def _elements(parts: Parts, part: str, start: Callable[[str, dict[str, str]], None]) -> None:
    """Calls `start` for every element of a part."""
    with parts.open(part) as stream:
        for _ in stream_elements(stream, start, lambda name: None, lambda text: None):
            continue


def _relations(parts: Parts) -> dict[str, tuple[str, str]]:
    """Id to kind and part name."""
    found: dict[str, tuple[str, str]] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            found[attributes.get("Id", "")] = attributes.get("Type", "").rpartition("/")[2], part

    _elements(parts, "xl/_rels/workbook.xml.rels", start)
    return found


def _styles(parts: Parts, part: str) -> list[Shows]:
    codes: dict[int, str] = {}
    numbers: list[int] = []
    inside = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if name == "numFmt":
            codes[_number(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            inside = name == "cellXfs"
        elif name == "xf" and inside:
            numbers.append(_number(attributes.get("numFmtId")))

    _elements(parts, part, start)
    return [shows_of(number, codes.get(number)) for number in numbers]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


class Strings:
    """The shared strings, packed as UTF-8 in one piece."""

    def __init__(self, parts: Parts, part: str) -> None:
        self._data = bytearray()
        self._ends = array("Q")
        self._texts: list[str] = []
        self._depth_of_phonetic = 0
        self._inside_text = False
        with parts.open(part) as stream:
            for _ in stream_elements(stream, self._start, self._end, self._text):
                if len(self._data) > MAX_STRINGS_BYTES:
                    raise BadXml(f"its shared strings are larger than {MAX_STRINGS_BYTES:,} bytes; save it as CSV")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth_of_phonetic += name == "rPh"
        self._inside_text = name == "t" and not self._depth_of_phonetic

    def _text(self, text: str) -> None:
        if self._inside_text:
            self._texts.append(text)

    def _end(self, name: str) -> None:
        self._depth_of_phonetic -= name == "rPh"
        self._inside_text = False
        if name == "si":
            self._data += unescaped("".join(self._texts)).encode("utf-8", "surrogatepass")
            self._ends.append(len(self._data))
            self._texts = []

    def __getitem__(self, number: int) -> str:
        """Raises IndexError."""
        if number < 0:
            raise IndexError(number)
        begin = self._ends[number - 1] if number else 0
        return self._data[begin : self._ends[number]].decode("utf-8", "replace")


def unescaped(text: str) -> str:
    """`_x000D_` is the character that XML cannot hold; `_x005F_` an underscore before such a text (ECMA-376 part 1, 22.9.2.19)."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: _character(found[0], int(found[1], 16)), text)


def _character(written: str, code: int) -> str:
    return written if 0xD800 <= code < 0xE000 else chr(code)
