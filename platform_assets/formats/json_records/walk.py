"""Walks through a JSON document once and hands out the lists of objects in it, batch by batch, and what it passes by.

Outer brackets are followed step by step, the records of a list are cut out of whole buffers. Not here: which lists are tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from platform_assets.formats.json_records.records import Records, json_problem, read_records
from platform_assets.formats.json_records.structure import (
    CLOSE_LIST,
    COMMA,
    NEWLINE,
    Int64s,
    Structure,
    stripped,
    structure_of,
)
from platform_assets.formats.json_records.text import JsonText

DEEPEST = 4
"""Objects within objects that are looked into for lists; what lies deeper is passed by."""
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]\}\[\{:\"]+")

Path = tuple[str, ...]


@dataclass(frozen=True)
class ListFound:
    """A list of objects begins. `path` are the keys that lead to it from the outermost object."""

    path: Path
    line: int


@dataclass(frozen=True)
class Batch:
    """Consecutive records of the list last found. `lines` are those of all of them, `raws` the texts of the bad ones as they came."""

    records: Records
    lines: Int64s
    raws: tuple[str, ...]
    offsets: tuple[int | None, ...]


@dataclass(frozen=True)
class Passed:
    """A value that is no list of objects: `kind` is scalar, list, object or empty list."""

    path: Path
    kind: str
    line: int


@dataclass(frozen=True)
class Loose:
    """A comma before a closing bracket, which was left out."""

    line: int


Step = ListFound | Batch | Passed | Loose


class BrokenDocument(Exception):
    """The document is no JSON from here on, or ends here before it is complete. The message says what and where."""


def walk(text: JsonText) -> Iterator[Step]:
    """The steps of one document. Raises BrokenDocument, after everything that came before the broken place."""
    yield from _value(text, ())
    rest = text.peek()
    if text.cut:
        raise BrokenDocument(f"{text.cut}")
    if rest:
        raise BrokenDocument(f"{text.place()}: something follows the end of the document")


def _value(text: JsonText, path: Path) -> Iterator[Step]:
    first = text.peek()
    line = text.line_of(text.start)
    if first == b"{":
        if len(path) < DEEPEST:
            yield from _object(text, path)
        else:
            _skip(text)
            yield Passed(path, "object", line)
    elif first == b"[":
        yield from _list(text, path)
    else:
        _skip(text)
        yield Passed(path, "scalar", line)


def _object(text: JsonText, path: Path) -> Iterator[Step]:
    text.pass_to(text.start + 1)
    first = True
    while True:
        mark = text.peek()
        if mark == b"}":
            if not first:
                yield Loose(text.line_of(text.start))
            text.pass_to(text.start + 1)
            return
        name = _name(text)
        _expect(text, b":")
        yield from _value(text, (*path, name))
        first = False
        if text.peek() == b",":
            text.pass_to(text.start + 1)
            continue
        _expect(text, b"}")
        return


def _list(text: JsonText, path: Path) -> Iterator[Step]:
    line = text.line_of(text.start)
    if _after_bracket(text) != b"{":
        kind = "empty list" if _after_bracket(text) == b"]" else "list"
        _skip(text)
        yield Passed(path, kind, line)
        return
    text.pass_to(text.start + 1)
    yield ListFound(path, line)
    yield from _records(text)


def _after_bracket(text: JsonText) -> bytes:
    """The first byte within the list that begins here; nothing is passed."""
    while True:
        rest = text.data[text.start + 1 : text.start + 4096].lstrip(b" \t\r\n")
        if rest or len(text.data) - text.start > 4096:
            return rest[:1]
        if not text.more():
            return b""


def _records(text: JsonText) -> Iterator[Step]:
    """The elements of a list up to its bracket."""
    while True:
        data = text.rest()
        structure = structure_of(data)
        closed = np.flatnonzero(structure.depth < 0)
        end = int(structure.marks[closed[0]]) if len(closed) else None
        commas = structure.marks[(structure.depth == 0) & (structure.kinds == COMMA)]
        commas = commas if end is None else commas[commas < end]
        if end is not None and structure.kinds[closed[0]] != CLOSE_LIST:
            if len(commas):
                yield from _elements(text, structure, commas[:-1], int(commas[-1]), last=False)
            raise BrokenDocument(f"line {text.line_of(text.start + end):,}: a brace closes a list")
        stop = end if end is not None else (int(commas[-1]) if len(commas) else None)
        if stop is not None:
            inner = commas if end is not None else commas[:-1]
            yield from _elements(text, structure, inner, stop, last=end is not None)
            text.pass_to(text.start + stop + 1)
            if end is not None:
                return
        elif text.ended:
            yield from _remainder(text, structure)
            raise BrokenDocument(str(text.cut or f"{text.place()}: the file ends within this record; its list is not closed"))
        if text.too_long:
            raise BrokenDocument(f"{text.place()}: the record has no end within reach, most likely a bracket or quote that is never closed")
        if not text.ended:
            text.more()


def _elements(text: JsonText, structure: Structure, commas: Int64s, stop: int, *, last: bool) -> Iterator[Step]:
    starts = np.concatenate(([0], commas + 1)).astype(np.int64)
    starts, stops = stripped(structure.data, starts, np.append(commas, stop).astype(np.int64))
    if last and len(starts) and starts[-1] == stops[-1]:
        if len(starts) > 1 or text.data[: text.start].rstrip(b" \t\r\n").endswith(b","):
            yield Loose(text.line_of(text.start + stop))
        starts, stops = starts[:-1], stops[:-1]
    if len(starts):
        yield batch_of(text, structure, starts, stops)


def _remainder(text: JsonText, structure: Structure) -> Iterator[Step]:
    """A last record that is whole although the file ends behind it."""
    starts, stops = stripped(structure.data, np.array([0], np.int64), np.array([len(structure.data)], np.int64))
    raw = structure.data[int(starts[0]) : int(stops[0])].tobytes()
    if raw.endswith(b"}") and json_problem(raw.decode("utf-8", "replace")) is None:
        yield batch_of(text, structure, starts, stops)


def batch_of(text: JsonText, structure: Structure, starts: Int64s, stops: Int64s) -> Batch:
    records = read_records(structure, starts, stops)
    raws = tuple(text.show(structure.data[bad.start : bad.stop].tobytes()) for bad in records.bad)
    offsets = tuple(text.offset_of(text.start + bad.start) for bad in records.bad)
    return Batch(records, text.lines_of(starts), raws, offsets)


def _name(text: JsonText) -> str:
    if text.peek() != b'"':
        raise BrokenDocument(_why(text, "a name in double quotes should stand here"))
    raw = _match(text, _STRING)
    try:
        return str(json.loads(raw))
    except ValueError as error:
        raise BrokenDocument(_why(text, f"no JSON: {error}")) from error


def _match(text: JsonText, pattern: re.Pattern[bytes]) -> bytes:
    while True:
        found = pattern.match(text.data, text.start)
        if found and (found.end() < len(text.data) or text.ended):
            text.pass_to(found.end())
            return found[0]
        if text.too_long or not text.more():
            raise BrokenDocument(_why(text, "no JSON value stands here" if not found else "the file ends within this value"))


def _expect(text: JsonText, mark: bytes) -> None:
    if text.peek() != mark:
        raise BrokenDocument(_why(text, f"{mark.decode()!r} should stand here"))
    text.pass_to(text.start + 1)


def _why(text: JsonText, what: str) -> str:
    if text.cut:
        return str(text.cut)
    if text.start >= len(text.data):
        return f"{text.place()}: the file ends here, before the document does"
    return f"{text.place()}: {what}, not {text.show(text.data[text.start : text.start + 20])!r}"


def _skip(text: JsonText) -> None:
    """Passes one value, in buffers: it may be larger than memory."""
    first = text.peek()
    if first == b'"':
        _match(text, _STRING)
        return
    if first not in (b"{", b"["):
        raw = _match(text, _SCALAR) if first else b""
        if not first or json_problem(raw.decode("utf-8", "replace")):
            raise BrokenDocument(_why(text, "no JSON value stands here"))
        return
    depth = 0
    while True:
        structure = structure_of(text.rest())
        closed = np.flatnonzero(structure.depth + depth <= 0)
        if len(closed):
            text.pass_to(text.start + int(structure.marks[closed[0]]) + 1)
            return
        outside = len(structure.quotes) % 2 == 0
        if outside:
            depth += int(structure.depth[-1]) if len(structure.depth) else 0
            text.pass_to(len(text.data))
        elif len(structure.quotes) > 1:
            opening = int(structure.quotes[-1])
            before = structure.marks < opening
            depth += int(structure.depth[before][-1]) if before.any() else 0
            text.pass_to(text.start + opening)
        if text.too_long or not text.more():
            raise BrokenDocument(_why(text, "a bracket is never closed"))


def lines(text: JsonText) -> Iterator[Batch]:
    """The records of JSON lines: one object per line, blank lines apart. A broken line harms no other, since strings hold no line ends.

    Raises BrokenDocument behind the last line of a stream that was cut.
    """
    while True:
        stop = text.data.rfind(b"\n", text.start) + 1
        if text.ended:
            stop = len(text.data)
        if stop > text.start:
            yield from _lines_to(text, stop)
            text.pass_to(stop)
        if text.too_long:
            raise BrokenDocument(f"{text.place()}: the line has no end within reach")
        if not text.ended:
            text.more()
        elif text.start >= len(text.data):
            if text.cut:
                raise BrokenDocument(str(text.cut))
            return


def _lines_to(text: JsonText, stop: int) -> Iterator[Batch]:
    data = text.rest()[: stop - text.start].copy()
    ends = np.flatnonzero(data == NEWLINE)
    begins = np.concatenate(([0], ends + 1)).astype(np.int64)
    starts, stops = stripped(data, begins, np.append(ends, len(data)).astype(np.int64))
    filled = stops > starts
    starts, stops = starts[filled], stops[filled]
    if not len(starts):
        return
    framed, broken = _framed(data, starts, stops)
    if len(broken):
        for start, end in zip(starts[broken].tolist(), stops[broken].tolist(), strict=True):
            data[start:end] = ord("0")  # no object, and without a quote or bracket that would spoil its neighbours
        framed = structure_of(data)
    records = read_records(framed, starts, stops)
    raw = text.rest()
    texts = tuple(raw[bad.start : bad.stop].tobytes() for bad in records.bad)
    unframed = set(broken.tolist())
    for at, (bad, original) in enumerate(zip(records.bad, texts, strict=True)):
        if bad.index in unframed:
            problem = json_problem(original.decode("utf-8", "replace")) or "it is no JSON object"
            records.bad[at] = replace(bad, code="json-error", message=problem)
    offsets = tuple(text.offset_of(text.start + bad.start) for bad in records.bad)
    yield Batch(records, text.lines_of(starts), tuple(map(text.show, texts)), offsets)


def _framed(data: np.ndarray, starts: Int64s, stops: Int64s) -> tuple[Structure, Int64s]:
    """The structure, and the indexes of lines whose quotes or brackets do not close within them."""
    structure = structure_of(data)
    odd = structure.quotes_between(starts, stops) % 2 == 1
    if odd.any():
        clean = data.copy()
        for start, end in zip(starts[odd].tolist(), stops[odd].tolist(), strict=True):
            clean[start:end] = ord("0")
        structure = structure_of(clean)
    before = np.searchsorted(structure.marks, starts)
    behind = np.searchsorted(structure.marks, stops)
    depth = np.concatenate(([0], structure.depth))
    unbalanced = depth[behind] != depth[before]
    dipped = np.zeros(len(starts), np.bool_)
    if len(structure.marks):
        for index in np.flatnonzero(behind > before)[: len(starts)] if (structure.depth.min() < 0 or unbalanced.any()) else ():
            inner = structure.depth[before[index] : behind[index]] - depth[before[index]]
            dipped[index] = inner.min() < 0
    return structure, np.flatnonzero(odd | unbalanced | dipped)
