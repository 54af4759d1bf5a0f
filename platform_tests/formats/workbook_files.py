"""Small .xlsx and .ods files built by hand, so that no library stands between a test and the reader. No test stands here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import xlwt

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STYLES = ("General", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "hh:mm", "0.00", "[h]:mm", '0 "days"')
"""Cell styles by number, as their format codes."""


@dataclass(frozen=True)
class Raw:
    """A cell as it stands in the file: attributes behind its reference, and its content."""

    attributes: str
    content: str


def number(text: str, style: int = 0) -> Raw:
    return Raw(f' s="{style}"', f"<v>{text}</v>")


def cell(value: object, shared: list[str]) -> Raw | None:
    if value is None or isinstance(value, Raw):
        return value
    if isinstance(value, bool):
        return Raw(' t="b"', f"<v>{int(value)}</v>")
    if isinstance(value, int | float):
        return number(repr(value))
    shared.append(str(value))
    return Raw(' t="s"', f"<v>{len(shared) - 1}</v>")


def sheet_xml(rows: Mapping[int, Sequence[object]], shared: list[str], tail: str = "", prefix: str = "") -> str:
    """`rows` by their number, from 1."""
    lines = []
    for at, values in rows.items():
        cells = [(column_name(index), cell(value, shared)) for index, value in enumerate(values)]
        inner = "".join(f'<c r="{name}{at}"{raw.attributes}>{raw.content}</c>' for name, raw in cells if raw)
        lines.append(f'<row r="{at}">{inner}</row>')
    return f'<?xml version="1.0"?>{prefix}<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData>{tail}</worksheet>'


def column_name(index: int) -> str:
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def xlsx(
    sheets: Mapping[str, Sequence[Sequence[object]] | Mapping[int, Sequence[object]] | str],
    *,
    hidden: Sequence[str] = (),
    epoch_1904: bool = False,
    tails: Mapping[str, str] | None = None,
    parts: Mapping[str, str] | None = None,
) -> bytes:
    """`tails` is XML behind a sheet's data, `parts` replaces or adds parts; a sheet given as text is its whole XML."""
    shared: list[str] = []
    written: dict[str, str] = {}
    listed, related = [], []
    for at, (name, rows) in enumerate(sheets.items(), 1):
        numbered = rows if isinstance(rows, Mapping | str) else dict(enumerate(rows, 1))
        text = numbered if isinstance(numbered, str) else sheet_xml(numbered, shared, (tails or {}).get(name, ""))
        written[f"xl/worksheets/sheet{at}.xml"] = text
        state = ' state="hidden"' if name in hidden else ""
        listed.append(f'<sheet name={quoteattr(name)} sheetId="{at}"{state} r:id="rId{at}"/>')
        related.append(f'<Relationship Id="rId{at}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>')
    related += [
        f'<Relationship Id="rs" Type="{OFFICE}/sharedStrings" Target="/xl/sharedStrings.xml"/>',
        f'<Relationship Id="rt" Type="{OFFICE}/styles" Target="styles.xml"/>',
    ]
    epoch = ' date1904="1"' if epoch_1904 else ""
    workbook = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><workbookPr{epoch}/><sheets>{"".join(listed)}</sheets></workbook>'
    strings = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in shared)
    formats = "".join(f'<numFmt numFmtId="{170 + at}" formatCode={quoteattr(code)}/>' for at, code in enumerate(STYLES))
    xfs = "".join(f'<xf numFmtId="{170 + at if at else 0}"/>' for at in range(len(STYLES)))
    everything = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "xl/workbook.xml": workbook,
        "xl/_rels/workbook.xml.rels": f"<Relationships>{''.join(related)}</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><cellXfs>{xfs}</cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        **written,
        **(parts or {}),
    }
    return zipped(everything)


def xls(sheets: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    """A real .xls (BIFF8 in a compound file), by xlwt. Dates are cells of a date format."""
    book = xlwt.Workbook(encoding="utf-8")
    day = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                sheet.write(at, column, value, *([day] if isinstance(value, date) else []))
    book.save(buffer := io.BytesIO())
    return buffer.getvalue()


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text, stored)
    return buffer.getvalue()


def ods(cells: str) -> bytes:
    """An OpenDocument spreadsheet with one sheet S1 of these rows."""
    names = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "table", "text")}
    spaces = " ".join(f'xmlns:{name}="{uri}"' for name, uri in names.items())
    body = f'<office:body><office:spreadsheet><table:table table:name="S1">{cells}</table:table></office:spreadsheet></office:body>'
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            "content.xml": f'<?xml version="1.0"?><office:document-content {spaces}>{body}</office:document-content>',
        }
    )
