"""Bodies to rows: JSON, NDJSON, CSV. What has the shape of a row goes on as it came, word for word; what has not is refused with a reason.

Whether a row keeps the table's rules is not decided here (operations).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from email.message import Message
from typing import Any, NoReturn, TypeVar

from platform_assets.api.problems import Problem
from platform_assets.dictionary.types import Number
from platform_assets.operations.row_batches import PostedRows, Refused

_SPACE = re.compile(r"[ \t\n\r]*")
_Reader = TypeVar("_Reader")
Row = tuple[Any, str]
"""What a row was read as (or code and message of why it could not be), and its text as it came, on one line."""


class _Pairs(list[tuple[str, Any]]):
    """An object as it came, with keys that came twice."""


_NESTED = frozenset((list, _Pairs))


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON value")


_scan = json.JSONDecoder(object_pairs_hook=_Pairs, parse_constant=_constant, parse_int=Number, parse_float=Number).scan_once  # type: ignore[attr-defined]
"""Numbers stay text: their digits would only be rounded, or cost time without bound."""


def rows_of(content_type: str, body: bytes, columns: Set[str], most: int) -> PostedRows:
    """Raises a Problem: 415 for another kind of body, 400 for one that is none of its kind, 413 for more than `most` rows, 422 for none."""
    reader, text = _understood(content_type, body, READERS)
    posted = checked(_at_most(reader(text, columns), most, most), columns)
    if not posted.count:
        raise Problem(422, "There is no row in the body; send 1 or more.")
    return posted


def tables_of(content_type: str, body: bytes, most: int) -> dict[str, list[Row]]:
    """Rows for several tables, by their names as they came: `{"tables": {"source.table": [row, ...]}}`. Raises a Problem as `rows_of` does,
    422 for another shape; whether a row has the shape of one, `checked` says."""
    _, text = _understood(content_type, body, {"application/json": None})
    found: dict[str, list[Row]] = {}
    left = most
    named: list[str] = []
    members = _Members(text, 0, "The body is an object with the one name `tables`.")
    for name in members:
        named.append(name)
        if named != ["tables"]:
            raise Problem(422, "The body is an object with the one name `tables`.")
        tables = _Members(text, members.at, "`tables` is an object of `source.table` and rows.")
        for table in tables:
            if table in found:
                raise Problem(422, f"The table {table[:100]!a} stands in the body twice.")
            if text[tables.at : tables.at + 1] != "[":
                raise Problem(422, f"The rows of {table[:100]!a} are an array.")
            elements = _Elements(text, tables.at)
            found[table] = list(_at_most(elements, left, most))
            left -= len(found[table])
            tables.at = elements.at
            if not found[table]:
                raise Problem(422, f"There is no row for {table[:100]!a}; leave the table out.")
        members.at = tables.at
    _refuse_more(text, members.at)
    if not found:
        raise Problem(422, "There is no row in the body; send 1 or more.")
    return found


def _understood(content_type: str, body: bytes, kinds: Mapping[str, _Reader]) -> tuple[_Reader, str]:
    """What reads this kind of body, and its text."""
    message = Message()
    message["content-type"] = content_type
    kind, charset = message.get_content_type() if content_type else "", str(message.get_param("charset", "utf-8")).lower()
    if kind not in kinds:
        raise Problem(415, f"Rows are sent as {', '.join(kinds)}.")
    if charset not in ("utf-8", "utf8"):
        raise Problem(415, "Rows are sent in UTF-8.")
    try:
        return kinds[kind], body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8 (byte {error.start}).") from None


def _at_most(rows: Iterable[Row], left: int, most: int) -> Iterator[Row]:
    for index, row in enumerate(rows):
        if index >= left:
            raise Problem(413, f"These are more than {most:,} rows. Send them in several batches; none of these was taken.")
        yield row


def checked(rows: Iterable[Row], columns: Set[str]) -> PostedRows:
    """Rows of a table with these columns; what has not the shape of a row is refused alone."""
    lines: list[str] = []
    cells: list[dict[str, str | bool | None]] = []
    places: list[int] = []
    refused: list[Refused] = []
    for index, (row, raw) in enumerate(rows):
        found = dict(row) if type(row) is _Pairs else {}
        doubtful = "\\u" in raw or "\0" in raw  # a text in it may hold what no text in PostgreSQL can
        plain = found and len(found) == len(row) and found.keys() <= columns and _NESTED.isdisjoint(map(type, found.values()))
        if (plain and not doubtful) or (wrong := row if isinstance(row, tuple) else _wrong(row, columns)) is None:
            lines.append(raw)
            cells.append(found)
            places.append(index)
        else:
            code, told = wrong
            refused.append(Refused(index, code, told, raw.replace("\0", "\\x00")))
    return PostedRows(tuple(lines), tuple(cells), tuple(places), tuple(refused))


def _wrong(row: Any, columns: Collection[str]) -> tuple[str, str] | None:
    """(code, message) of what has not the shape of a row."""
    if not isinstance(row, _Pairs):
        return "type-error", "a row is an object of columns and values"
    if not row:
        return "missing-cell", "the row is empty"
    names = [name for name, _ in row]
    if len(set(names)) < len(names):
        return "extra-cell", "a column stands in it twice"
    for name, value in row:
        if name not in columns:
            return "extra-cell", f"the table has no column {name[:63]!a}"
        if isinstance(value, list):
            return "type-error", f"{name} holds a list or an object; a value is a text, a number, true, false or null"
        if isinstance(value, str) and (told := _no_text(value)):
            return "type-error", f"{name} {told}"
    return None


def _no_text(value: str) -> str | None:
    if "\0" in value:
        return "holds a NUL, which no text in PostgreSQL can hold"
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "holds half a surrogate pair, which is no character"
    return None


class _Elements:
    """The elements of the array that begins at `at`, each with its text; at the end `at` stands behind the array."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self.at = text, at

    def __iter__(self) -> Iterator[Row]:
        text, at = self._text, _after_space(self._text, self.at + 1)
        first, broken_up = True, "\n" in text or "\r" in text
        while text[at : at + 1] != "]" or not first:
            row, end = _value(text, at)
            yield row, _one_line(text[at:end]) if broken_up else text[at:end]
            if text.startswith(", {", end):
                at = end + 2
                continue
            first, at = False, _after_space(text, end)
            if text[at : at + 1] == "]":
                break
            at = _after_comma(text, at, "]")
        self.at = at + 1


class _Members:
    """The names of the object that begins at `at`. With each, `at` stands at its value, and whoever asks for the next one has put it behind
    that value. At the end it stands behind the object."""

    def __init__(self, text: str, at: int, shape: str) -> None:
        self._text, self.at = text, _after_space(text, at)
        if text[self.at : self.at + 1] != "{":
            _value(text, self.at)  # what is no JSON at all is told so
            raise Problem(422, shape)

    def __iter__(self) -> Iterator[str]:
        text = self._text
        self.at = _after_space(text, self.at + 1)
        first = True
        while text[self.at : self.at + 1] != "}" or not first:
            if text[self.at : self.at + 1] != '"':
                raise Problem(400, f"The body is no JSON: a name was to come at character {self.at}.")
            name, end = _value(text, self.at)
            end = _after_space(text, end)
            if text[end : end + 1] != ":":
                raise Problem(400, f"The body is no JSON: ':' was to come at character {end}.")
            self.at = _after_space(text, end + 1)
            yield str(name)
            first, self.at = False, _after_space(text, self.at)
            if text[self.at : self.at + 1] == "}":
                break
            self.at = _after_comma(text, self.at, "}")
        self.at += 1


def _after_comma(text: str, at: int, closing: str) -> int:
    if text[at : at + 1] != ",":
        raise Problem(400, f"The body is no JSON: ',' or {closing!r} was to come at character {at}.")
    return _after_space(text, at + 1)


def _refuse_more(text: str, at: int) -> None:
    at = _after_space(text, at)
    if at != len(text):
        raise Problem(400, f"The body is no JSON: something stands behind its end at character {at}.")


def _json(text: str, columns: Collection[str]) -> Iterator[Row]:
    begin = _after_space(text, 0)
    if text[begin : begin + 1] == "[":
        elements = _Elements(text, begin)
        yield from elements
        _refuse_more(text, elements.at)
    else:
        row, end = _value(text, begin)
        yield row, _one_line(text[begin:end])
        _refuse_more(text, end)


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _scan(text, at)
    except StopIteration as error:
        raise Problem(400, f"The body is no JSON: Expecting value at character {error.value}.") from None
    except json.JSONDecodeError as error:
        raise Problem(400, f"The body is no JSON: {error.msg} at character {error.pos}.") from None
    except ValueError as error:
        raise Problem(400, f"The body is no JSON: {error}.") from None
    except RecursionError:
        raise Problem(400, "The body is nested too deeply.") from None


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _one_line(raw: str) -> str:
    """Line ends stand between JSON's tokens alone: within a text they are escaped."""
    return raw.replace("\n", " ").replace("\r", " ")


def _ndjson(text: str, columns: Collection[str]) -> Iterator[Row]:
    for line in text.split("\n"):
        stripped = line.strip(" \t\r")
        if not stripped:
            continue
        try:
            row, end = _value(stripped, 0)
            yield (row if end == len(stripped) else ("type-error", "something stands behind the row on its line")), stripped
        except Problem as problem:
            yield ("type-error", problem.detail.replace("The body", "The line")), stripped


def _csv(text: str, columns: Collection[str]) -> Iterator[Row]:
    """Comma, double quotes, a header. An empty cell is NULL."""
    cells = _cells(text)
    header = next(cells, [])
    if unknown := [name for name in header if name not in columns]:
        raise Problem(422, f"The table has no column {', '.join(ascii(name[:63]) for name in unknown[:5])}, which the header names.")
    if len(set(header)) < len(header):
        raise Problem(422, "A column stands in the header twice.")
    for row in cells:
        if not row:
            continue
        if len(row) != len(header):
            code = "missing-cell" if len(row) < len(header) else "extra-cell"
            yield (code, f"it has {len(row)} cells where the header has {len(header)}"), json.dumps(row, ensure_ascii=False)
            continue
        pairs = _Pairs((name, cell or None) for name, cell in zip(header, row, strict=True))
        yield pairs, json.dumps(dict(pairs), ensure_ascii=False)


def _cells(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise Problem(400, f"The body is no CSV: {error}.") from None


READERS: dict[str, Callable[[str, Collection[str]], Iterator[Row]]] = {
    "application/json": _json,
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
}
