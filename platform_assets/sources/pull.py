"""What a puller is asked and what it gives: a plan, then pages. One puller per kind of place implements it; operations drive it.

Everything that must outlive a killed process (plan, position) is of JSON's types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.errors import SettingsError

Mode = Literal["full", "changes"]
Position = Mapping[str, Any]
_WHITE = " \t\r\n"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?((?: ?[Zz]|[+-]\d\d(?::?\d\d)?)?))?")


@dataclass(frozen=True)
class PulledColumn:
    """A column as the place describes it: its name in the rows, its own name for the type, and ours (dictionary.types) if that is sure.

    An empty `type` is decided when all rows are there (storage.pulls): numbers whose width nobody states.
    """

    name: str
    native: str = ""
    type: str = ""

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "native": self.native, "type": self.type}


@dataclass(frozen=True)
class Plan:
    """What a pull will fetch: `full` everything, `changes` what changed since the cursor. `total`: rows, when the place can tell.

    `stable`: pages follow each other in an order that rows keep, so what a full pull lacks is gone. `cursor`: where the next
    incremental pull begins once this one is committed; None lets the pages say. `marks`: what tells cheaply that nothing changed (ETag
    and the like). `moment`: the place's own clock at the start, ISO 8601. No `columns`: those of the rows. `replaces`: every row there is
    a new one, whatever its key: what is pulled is to stand in the place of all that came before.
    """

    mode: Mode
    columns: tuple[PulledColumn, ...]
    key: tuple[str, ...] = ()
    row_version: str | None = None
    total: int | None = None
    since: Any = None
    cursor: Any = None
    marks: Mapping[str, str] = field(default_factory=dict)
    moment: str = ""
    stable: bool = False
    replaces: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "columns": [column.to_json() for column in self.columns], "key": list(self.key), "marks": dict(self.marks)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        columns = tuple(PulledColumn(**column) for column in data["columns"])
        return cls(**{**data, "columns": columns, "key": tuple(data["key"])})


@dataclass(frozen=True)
class Page:
    """Rows of one request, as JSON lines, with the position behind them and what is worth keeping of request and answer."""

    lines: bytes
    rows: int
    position: Position
    facts: Mapping[str, Any]
    cursor: Any = None
    """The highest value of the cursor column in it, if that may count as seen."""


@dataclass(frozen=True)
class Before:
    """What earlier pulls of the topic left: the cursor, the marks, and the keys that the warehouse has now (asked for only by a sweep)."""

    cursor: Any = None
    marks: Mapping[str, str] = field(default_factory=dict)
    sweep: bool = False
    keys: Iterable[pa.Array] = ()


class Puller(Protocol):
    """One place. Both methods raise SourceError; `pages` goes on behind a position that a killed pull had reached."""

    def plan(self, before: Before | None) -> Plan | None:
        """None: nothing is new. Without `before` everything is wanted."""

    def pages(self, plan: Plan, position: Position | None) -> Iterator[Page]: ...


def earlier(cursor: Any, overlap: timedelta) -> Any:
    """A cursor that is a time (ISO 8601), moved back by the overlap and in its own words: a place that compares texts finds it as well.

    Precision, separator and zone stay; what is finer than they tell goes, towards earlier. Raises SettingsError when it is no time.
    """
    if not overlap:
        return cursor
    found = _TIME.fullmatch(str(cursor))
    try:
        if not found:
            raise ValueError("another form")
        fraction = found[4] or ""
        moment = datetime.fromisoformat(f"{found[1]} {found[3] or '00:00'}")
        moment += timedelta(microseconds=int(fraction[:6].ljust(6, "0"))) - overlap
    except (ValueError, OverflowError):
        raise SettingsError(f"overlap is a time, and the cursor {cursor!r} is none: take overlap out of the topic.") from None
    if not found[2]:
        return moment.date().isoformat()
    clock = moment.strftime("%H:%M:%S")[: len(found[3])]
    digits = f".{moment.microsecond:06d}"[: len(fraction) + 1] + fraction[6:] if fraction else ""
    return f"{moment.date().isoformat()}{found[2]}{clock}{digits}{found[5]}"


def records_of(text: str, start: int = 0) -> Iterator[tuple[str, Any]]:
    """The elements of a JSON list that begins at `start`, each as its own text on one line and as a value.

    The text is kept since a number that was read and written again is another number. Raises ValueError when it is no list.
    """
    scan = json.JSONDecoder().raw_decode
    at = _skip(text, start)
    if text[at : at + 1] != "[":
        raise ValueError("not a list")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        value, end = scan(text, at)
        yield text[at:end].replace("\n", " ").replace("\r", " "), value
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            raise ValueError("a comma or the end of the list was to come")


def place_of(text: str, path: Sequence[str]) -> int:
    """Where the value at a path of keys begins in a JSON document. Raises ValueError when it is not there."""
    scan = json.JSONDecoder().raw_decode
    at = _skip(text, 0)
    for step in path:
        if text[at : at + 1] != "{":
            raise ValueError(f"{step!r} is asked of something that is no object")
        at = _skip(text, at + 1)
        while True:
            if text[at : at + 1] != '"':
                raise ValueError(f"there is no key {step!r}")
            key, at = scan(text, at)
            at = _skip(text, _skip(text, at) + 1)
            if key == step:
                break
            _, at = scan(text, at)
            at = _skip(text, at)
            if text[at : at + 1] != ",":
                raise ValueError(f"there is no key {step!r}")
            at = _skip(text, at + 1)
    return at


def members_of(text: str, names: Container[str]) -> str:
    """A JSON object, which `text` is, with the members of these names alone, each in its own words."""
    scan = json.JSONDecoder().raw_decode
    kept, at = [], _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        began = at
        name, at = scan(text, at)
        _, at = scan(text, _skip(text, _skip(text, at) + 1))
        if name in names:
            kept.append(text[began:at])
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return f"{{{', '.join(kept)}}}"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITE:
        at += 1
    return at


def number_width(values: Iterable[Any]) -> list[int] | str | None:
    """[digits before the point, digits behind it] that hold all of these numbers, given as text; `text` when one is no plain number.

    None when there is none at all.
    """
    texts = pa.array([value if value is None else str(value) for value in values], pa.string()).drop_null()
    if not len(texts):
        return None
    if not pc.all(pc.match_substring_regex(texts, r"^-?[0-9]+(\.[0-9]+)?$")).as_py():
        return "text"
    parts = pc.extract_regex(texts, r"^-?0*(?P<whole>[0-9]*)(?:\.(?P<scale>[0-9]+))?$")
    widths = [pc.max(pc.utf8_length(pc.struct_field(parts, name))).as_py() for name in ("whole", "scale")]
    return [int(width or 0) for width in widths]
