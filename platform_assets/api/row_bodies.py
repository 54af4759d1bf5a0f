"""Bodies to rows: JSON, NDJSON, CSV. What has the shape of a row goes on as it came, word for word; what has not is refused with a reason.

Whether a row keeps the table's rules is not decided here (operations).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterator
from email.message import Message
from typing import Any, NoReturn

from platform_assets.api.problems import Problem
from platform_assets.dictionary.types import Number
from platform_assets.operations.row_batches import PostedRows, Refused

_SPACE = re.compile(r"[ \t\n\r]*")


class _Pairs(list[tuple[str, Any]]):
    """An object as it came, with keys that came twice."""


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON value")


_scan = json.JSONDecoder(object_pairs_hook=_Pairs, parse_constant=_constant, parse_int=Number, parse_float=Number).raw_decode
"""Numbers stay text: their digits would only be rounded, or cost time without bound."""


def rows_of(content_type: str, body: bytes, columns: Collection[str], most: int) -> PostedRows:
    """Raises a Problem: 415 for another kind of body, 400 for one that is none of its kind, 413 for more than `most` rows, 422 for none."""
    message = Message()
    message["content-type"] = content_type
    kind, charset = message.get_content_type() if content_type else "", str(message.get_param("charset", "utf-8")).lower()
    reader = READERS.get(kind)
    if reader is None:
        raise Problem(415, f"Rows are sent as {', '.join(READERS)}.")
    if charset not in ("utf-8", "utf8"):
        raise Problem(415, "Rows are sent in UTF-8.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8 (byte {error.start}).") from None
    lines: list[str] = []
    cells: list[dict[str, str | bool | None]] = []
    places: list[int] = []
    refused: list[Refused] = []
    for index, (row, raw) in enumerate(reader(text, columns)):
        if index >= most:
            raise Problem(413, f"These are more than {most:,} rows. Send them in several batches; none of these was taken.")
        wrong = row if isinstance(row, tuple) else _wrong(row, columns)
        if wrong is None:
            lines.append(raw)
            cells.append(dict(row))
            places.append(index)
        else:
            code, told = wrong
            refused.append(Refused(index, code, told, raw.replace("\0", "\\x00")))
    if not lines and not refused:
        raise Problem(422, "There is no row in the body; send 1 or more.")
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


Row = tuple[Any, str]
"""What a row was read as (or code and message of why it could not be), and its text as it came, on one line."""


def _json(text: str, columns: Collection[str]) -> Iterator[Row]:
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        row, at = _value(text, at)
        yield row, _one_line(text[_after_space(text, 0) : at])
    else:
        at = _after_space(text, at + 1)
        first = True
        while text[at : at + 1] != "]" or not first:
            row, end = _value(text, at)
            yield row, _one_line(text[at:end])
            first, at = False, _after_space(text, end)
            if text[at : at + 1] == "]":
                break
            if text[at : at + 1] != ",":
                raise Problem(400, f"The body is no JSON: ',' or ']' was to come at character {at}.")
            at = _after_space(text, at + 1)
        at += 1
    if _after_space(text, at) != len(text):
        raise Problem(400, f"The body is no JSON: something stands behind its end at character {at}.")


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _scan(text, at)
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
