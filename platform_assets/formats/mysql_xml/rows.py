"""The rows of one `<table_data>` or `<resultset>`: a pattern takes rows that have the fields of the first one, pieces take the others."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.base import BATCH_ROWS, Event, Unreadable
from platform_assets.formats.mysql.bodies import BodyRows, body_events
from platform_assets.formats.mysql.rows import Plan
from platform_assets.formats.mysql_xml.markup import END, START, TEXT, BadReference, Markup, undo
from platform_assets.formats.sql.rows import shown_raw

BATCH_BYTES = 8 << 20
_HEX, _BASE64 = b"xs:hexBinary", b"xs:base64Binary"
_REFERENCES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
"""In the order in which they are undone: the ampersand last."""

Cell = bytes | None


class BadRow(ValueError):
    """A row that cannot be read."""


@dataclass(frozen=True)
class XmlRow:
    """A row taken piece by piece: names and values, the bytes of binary forms decoded, all else as it stands."""

    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    coded: tuple[bool, ...]


def pattern_of(written: Sequence[bytes]) -> re.Pattern[bytes]:
    """Takes a row that has just these fields in this order, names as they are written, each a text or nil."""
    fields = [rb'<field name="' + re.escape(name) + rb'"(?: xsi:nil="true" />|>([^<]*+)</field>)\s*+' for name in written]
    return re.compile(rb"\s*+<row>\s*+" + b"".join(fields) + rb"</row>")


def read_row(markup: Markup, text_of: Callable[[bytes], str]) -> tuple[XmlRow, tuple[bytes, ...]]:
    """The row whose `<row>` was just taken, and its fields' names as written. Raises BadRow, the place then within the row."""
    names: list[str] = []
    written: list[bytes] = []
    cells: list[Cell] = []
    coded: list[bool] = []
    while True:
        at, piece = markup.position, markup.next()
        if piece.kind == TEXT and not piece.text.strip():
            continue
        if piece.kind == END and piece.name == b"row":
            return XmlRow(tuple(names), tuple(cells), tuple(coded)), tuple(written)
        if piece.kind != START or piece.name != b"field":
            if piece.kind == START and piece.name == b"row":
                markup.position = max(markup.position - len(b"<row>"), 0)
            raise BadRow("a field or the row's end is missing" if at else "the row is cut")
        try:
            attributes = piece.attributes()
        except BadReference as error:
            raise BadRow(str(error)) from error
        if b"name" not in attributes:
            raise BadRow("a field without a name")
        body, form = (b"" if piece.empty else _body(markup)), attributes.get(b"xsi:type", b"")
        names.append(text_of(attributes[b"name"]))
        found = re.search(rb'name="([^"]*+)"', piece.text)
        written.append(found[1] if found else attributes[b"name"])
        coded.append(form in (_HEX, _BASE64))
        cells.append(None if attributes.get(b"xsi:nil") in (b"true", b"1") else _bytes_of(body, form))


def _body(markup: Markup) -> bytes:
    parts: list[bytes] = []
    while True:
        piece = markup.next()
        if piece.kind == TEXT:
            parts.append(piece.text)
        elif piece.kind == END and piece.name == b"field":
            return b"".join(parts)
        else:
            raise BadRow("a field's end is missing")


def _bytes_of(body: bytes, form: bytes) -> bytes:
    try:
        if form == _HEX:
            return bytes.fromhex(body.decode("ascii"))
        return binascii.a2b_base64(body, strict_mode=True) if form == _BASE64 else body
    except (ValueError, UnicodeDecodeError) as error:
        raise BadRow(f"no {form.decode()}: {error}") from error


class RowBatch:
    """Rows of one plan that wait. Cells are as they stand in the file; those of `coded` rows are bytes already."""

    def __init__(self, plan: Plan, member: str) -> None:
        self.plan = plan
        self.member = member
        self.bytes = 0
        self._cells: list[Sequence[Cell]] = []
        self._coded: dict[int, tuple[bool, ...]] = {}
        self._rows: list[int] = []
        self._lines: list[int] = []

    @property
    def full(self) -> bool:
        return len(self._cells) >= BATCH_ROWS or self.bytes >= BATCH_BYTES

    def add(self, cells: Sequence[Cell], row: int, line: int, size: int, coded: tuple[bool, ...] = ()) -> None:
        if any(coded):
            self._coded[len(self._cells)] = coded
        self._cells.append(cells)
        self._rows.append(row)
        self._lines.append(line)
        self.bytes += size

    def flush(self) -> Iterator[Event]:
        """One Rows event, an Unreadable for each row that cannot be read. Empties the batch."""
        cells, rows, lines, coded = self._cells, self._rows, self._lines, self._coded
        self._cells, self._rows, self._lines, self._coded, self.bytes = [], [], [], {}, 0
        if not cells:
            return
        bad: dict[int, str] = {}
        columns = []
        for at, values in enumerate(zip(*cells, strict=True)):
            keep = {row for row, flags in coded.items() if flags[at]}
            columns.append(_column(values, keep, bad))
        good = np.array([at for at in range(len(cells)) if at not in bad], np.int64)
        if bad:
            columns = [column.take(pa.array(good)) for column in columns]
        numbers, places = np.array(rows, np.int64)[good], np.array(lines, np.int64)[good]

        def raw(at: int) -> bytes:
            return _shown(self.plan, cells[int(good[at])])

        yield from body_events(self.plan, self.member, BodyRows(columns, numbers, places, raw))
        for at, reason in sorted(bad.items()):
            text = shown_raw(_shown(self.plan, cells[at]))
            yield Unreadable(self.plan.table, self.member, lines[at], rows[at], text, "syntax-error", reason)


def _column(values: Sequence[Cell], keep: set[int], bad: dict[int, str]) -> pa.Array:
    """References undone, for the whole column at once where they are the five of XML."""
    array = pa.array(values, pa.binary())
    ampersands = pc.sum(pc.count_substring(array, "&")).as_py()
    if not ampersands:
        return array
    known = sum(pc.sum(pc.count_substring(array, written)).as_py() for written, _ in _REFERENCES)
    if known == ampersands and not keep:
        for written, meant in _REFERENCES:
            array = pc.replace_substring(array, written, meant)
        return array
    undone: list[Cell] = []
    for at, value in enumerate(values):
        try:
            undone.append(value if value is None or at in keep else undo(value))
        except BadReference as error:
            bad[at] = str(error)
            undone.append(None)
    return pa.array(undone, pa.binary())


def _shown(plan: Plan, cells: Sequence[Cell]) -> bytes:
    """A row for people and for replay."""
    fields = []
    for column, cell in zip(plan.columns, cells, strict=True):
        name = column.name.encode("utf-8")
        fields.append(b'<field name="' + name + (b'" xsi:nil="true" />' if cell is None else b'">' + cell + b"</field>"))
    return b"<row>" + b"".join(fields) + b"</row>"
