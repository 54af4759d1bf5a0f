"""Spans of JSON objects -> columns: which keys each record has, and the text and kind of every value. Vectorised over a buffer.

A value is kept as its token stands in the file: digits of numbers are not read, nested objects and lists stay as text. Strings lose
their quotes and escapes. What is not JSON is a bad record with Python's own words for what is wrong. Not here: types of columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.delimited.arrow import is_utf8
from platform_assets.formats.json_records.structure import (
    BACKSLASH,
    CLOSE_LIST,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    OPEN_OBJECT,
    QUOTE,
    Bools,
    Bytes,
    Int64s,
    Structure,
    stripped,
    structure_of,
)

NULL, BOOLEAN, NUMBER, TEXT, NESTED, WORD = range(6)
"""Kinds of values; WORD is NaN or Infinity, which is no JSON but is written by many programs."""
KIND_NAMES = ("null", "boolean", "number", "text", "object or list", "NaN or Infinity")
_BAD = 255
_KIND_OF = np.full(256, _BAD, np.uint8)
_KIND_OF[list(b"n")] = NULL
_KIND_OF[list(b"tf")] = BOOLEAN
_KIND_OF[list(b"-0123456789")] = NUMBER
_KIND_OF[list(b'"')] = TEXT
_KIND_OF[list(b"{[")] = NESTED
_KIND_OF[list(b"NI")] = WORD
_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_WORDS = ["NaN", "Infinity", "-Infinity"]
_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)


@dataclass(frozen=True)
class Values:
    """One key's values: `rows` are indexes of records, rising; `texts` is NULL where the value is null."""

    rows: Int64s
    kinds: Bytes
    texts: pa.StringArray


@dataclass(frozen=True)
class BadRecord:
    """`index` counts all records of the batch; `start` and `stop` are its bytes in the buffer."""

    index: int
    start: int
    stop: int
    code: str
    message: str


@dataclass(frozen=True)
class Records:
    """`count` records of one buffer; `good` are the indexes of the readable ones, `columns` has their values, by `rows` into `good`."""

    count: int
    good: Int64s
    starts: Int64s
    columns: dict[str, Values]
    bad: list[BadRecord] = field(default_factory=list)
    twins: int = 0
    """Values that a later value of the same key in the same record replaced."""
    lenient: int = 0
    """Records with a comma before their closing brace."""
    halves: int = 0
    """Strings with half a surrogate pair, kept as they are written."""


def read_records(structure: Structure, starts: Int64s, stops: Int64s) -> Records:
    """`starts` and `stops` bound the records, stripped of white space, rising and not overlapping, each beginning at depth 0."""
    finding = _Finding(structure, starts, stops)
    finding.split()
    return finding.records()


def records_of_texts(texts: pa.StringArray) -> Records:
    """Records from texts that were JSON objects within other records; they are known to be well-formed JSON values."""
    joined = pc.binary_join(pa.array([texts.to_pylist()], pa.list_(pa.string())), "\n")[0].as_buffer()
    data = np.frombuffer(joined, np.uint8)
    lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    starts = np.concatenate(([0], np.cumsum(lengths + 1)[:-1])).astype(np.int64)
    return read_records(structure_of(data), starts, starts + lengths)


class _Finding:
    """The steps from spans to columns; each marks the records that it finds bad."""

    def __init__(self, structure: Structure, starts: Int64s, stops: Int64s) -> None:
        self.structure = structure
        self.data = structure.data
        self.starts = starts
        self.stops = stops
        self.count = len(starts)
        self.bad: Bools = np.zeros(self.count, np.bool_)
        self.undecodable: Bools = np.zeros(self.count, np.bool_)
        self.lenient = 0
        self.halves = 0

    def split(self) -> None:
        """Finds the spans of all keys and values of the outermost objects."""
        s = self.structure
        wanted = ((s.depth == 1) & (s.kinds != CLOSE_OBJECT) & (s.kinds != CLOSE_LIST)) | ((s.depth == 0) & (s.kinds == CLOSE_OBJECT))
        marks, kinds = s.marks[wanted], s.kinds[wanted]
        owner = np.searchsorted(self.starts, marks, "right") - 1
        inside = (owner >= 0) & (marks < self.stops[np.maximum(owner, 0)]) if self.count else np.zeros(len(marks), np.bool_)
        marks, kinds, owner = marks[inside], kinds[inside], owner[inside]
        counts = np.bincount(owner, minlength=self.count)
        first = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
        step = np.arange(len(marks)) - first[owner]
        last = step == counts[owner] - 1
        expected = np.where(step == 0, OPEN_OBJECT, np.where(last, CLOSE_OBJECT, np.where(step % 2 == 1, COLON, COMMA)))
        self._spoil(owner[kinds != expected])
        has_any = counts >= 2
        self.bad |= ~has_any
        filled = np.flatnonzero(has_any)
        self.bad[filled] |= marks[first[filled]] != self.starts[filled]
        self.bad[filled] |= marks[first[filled] + counts[filled] - 1] != self.stops[filled] - 1
        even = np.flatnonzero(has_any & (counts % 2 == 0) & ~self.bad)  # an empty object, or a comma before the closing brace
        closing = first[even] + counts[even] - 1
        gap_starts, gap_stops = stripped(self.data, marks[closing - 1] + 1, marks[closing])
        self.bad[even] |= gap_starts != gap_stops
        self.lenient = int(((counts[even] > 2) & ~self.bad[even]).sum())
        at = np.flatnonzero((kinds == COLON) & ~self.bad[owner])
        self.owner = owner[at]
        self.key_starts, self.key_stops = stripped(self.data, marks[at - 1] + 1, marks[at])
        self.value_starts, self.value_stops = stripped(self.data, marks[at] + 1, marks[at + 1])
        self._check_strings()

    def _spoil(self, records: Int64s) -> None:
        self.bad[records] = True

    def _check_strings(self) -> None:
        data, s = self.data, self.structure
        controls = np.flatnonzero(data < 32)
        controls = controls[(np.searchsorted(s.quotes, controls) & 1) == 1]
        if len(controls):
            owner = np.searchsorted(self.starts, controls, "right") - 1
            self._spoil(owner[(owner >= 0) & (controls < self.stops[np.maximum(owner, 0)])])
        self._spoil(self.owner[~self._quoted(self.key_starts, self.key_stops)])
        kinds = _KIND_OF[data[np.minimum(self.value_starts, len(data) - 1)]] if len(data) else np.empty(0, np.uint8)
        minus_word = (self.value_stops - self.value_starts == 9) & (data[np.minimum(self.value_starts + 1, len(data) - 1)] == ord("I"))
        kinds = np.where((kinds == NUMBER) & minus_word, WORD, kinds)
        wrong = (kinds == _BAD) | (self.value_stops <= self.value_starts)
        wrong |= (kinds == TEXT) & ~self._quoted(self.value_starts, self.value_stops)
        self._spoil(self.owner[wrong])
        self.kinds = kinds.astype(np.uint8)
        if not is_utf8(data.data):
            for index in range(self.count):
                self.undecodable[index] = not is_utf8(data[self.starts[index] : self.stops[index]].data)
            self.bad |= self.undecodable
        self._keep_good()

    def _quoted(self, starts: Int64s, stops: Int64s) -> Bools:
        """Whether spans are one string each, from quote to quote."""
        top = max(len(self.data) - 1, 0)
        ends = (self.data[np.minimum(starts, top)] == QUOTE) & (self.data[np.maximum(stops - 1, 0)] == QUOTE)
        return ends & (stops - starts >= 2) & (self.structure.quotes_between(starts, stops) == 2)

    def _keep_good(self) -> None:
        keep = ~self.bad[self.owner]
        for name in ("owner", "key_starts", "key_stops", "value_starts", "value_stops", "kinds"):
            setattr(self, name, getattr(self, name)[keep])

    def records(self) -> Records:
        texts = self._texts()
        self._keep_good_texts = ~self.bad[self.owner]
        good = np.flatnonzero(~self.bad)
        position = np.cumsum(~self.bad) - 1
        keys = _spans(self.data, self.key_starts + 1, self.key_stops - 1).dictionary_encode()
        codes = keys.indices.to_numpy(zero_copy_only=False)
        names = [_unescaped(name) for name in keys.dictionary.to_pylist()]
        columns: dict[str, Values] = {}
        twins = 0
        for name in dict.fromkeys(names):
            same = [code for code, other in enumerate(names) if other == name]
            at = np.flatnonzero(np.isin(codes, same) & self._keep_good_texts) if len(same) > 1 else self._positions(codes, same[0])
            rows = position[self.owner[at]]
            if len(rows) > 1 and (repeated := np.diff(rows) == 0).any():
                twins += int(repeated.sum())
                at = at[np.append(~repeated, True)]
                rows = position[self.owner[at]]
            columns[name] = Values(rows, self.kinds[at], texts.take(pa.array(at)))
        bad = [self._bad_record(index) for index in np.flatnonzero(self.bad).tolist()]
        return Records(self.count, good, self.starts, columns, bad, twins, self.lenient, self.halves)

    def _positions(self, codes: Int64s, code: int) -> Int64s:
        return np.flatnonzero((codes == code) & self._keep_good_texts)

    def _texts(self) -> pa.StringArray:
        """All values as text; those that turn out to be no JSON spoil their records."""
        is_text = self.kinds == TEXT
        inner = is_text.astype(np.int64)
        tokens = _spans(self.data, self.value_starts + inner, self.value_stops - inner)
        self._check(tokens, NUMBER, lambda values: pc.match_substring_regex(values, _NUMBER))
        for kind, words in ((BOOLEAN, ["true", "false"]), (NULL, ["null"]), (WORD, _WORDS)):
            self._check(tokens, kind, lambda values, words=words: pc.is_in(values, pa.array(words)))
        nested = np.flatnonzero(self.kinds == NESTED)
        for at, token in self._doubtful(nested, tokens):
            if json_problem(token):
                self.bad[self.owner[at]] = True
        escaped = self._with_escapes()
        if len(escaped):
            texts = [self._unescape(at, token) for at, token in zip(escaped.tolist(), tokens.take(escaped).to_pylist(), strict=True)]
            mask = np.zeros(len(tokens), np.bool_)
            mask[escaped] = True
            tokens = pc.replace_with_mask(tokens, pa.array(mask), pa.array(texts, pa.string()))
        nulls = self.kinds == NULL
        return pc.if_else(pa.array(nulls), pa.scalar(None, pa.string()), tokens) if nulls.any() else tokens

    def _check(self, tokens: pa.StringArray, kind: int, good: object) -> None:
        at = np.flatnonzero(self.kinds == kind)
        if len(at):
            fits = good(tokens.take(pa.array(at))).to_numpy(zero_copy_only=False)  # type: ignore[operator]
            self._spoil(self.owner[at[~fits]])

    def _doubtful(self, at: Int64s, tokens: pa.StringArray) -> Iterator[tuple[int, str]]:
        """Nothing, when all the tokens together are well-formed; otherwise each of them, to be looked at alone."""
        texts = tokens.take(pa.array(at)).to_pylist()
        if texts and json_problem(f"[{','.join(texts)}]"):
            yield from zip(at.tolist(), texts, strict=True)

    def _with_escapes(self) -> Int64s:
        slashes = np.flatnonzero(self.data == BACKSLASH)
        if not len(slashes):
            return slashes
        has = np.searchsorted(slashes, self.value_stops) > np.searchsorted(slashes, self.value_starts)
        return np.flatnonzero(has & (self.kinds == TEXT))

    def _unescape(self, at: int, inner: str) -> str:
        try:
            text = _DECODER.decode(f'"{inner}"')
        except ValueError:
            self.bad[self.owner[at]] = True
            return inner
        try:
            text.encode()
        except UnicodeEncodeError:
            self.halves += 1
            return inner
        return str(text)

    def _bad_record(self, index: int) -> BadRecord:
        start, stop = int(self.starts[index]), int(self.stops[index])
        if self.undecodable[index]:
            return BadRecord(index, start, stop, "encoding-error", "it holds bytes that the file's encoding does not know")
        text = bytes(self.data[start:stop]).decode("utf-8", "replace")
        problem = json_problem(text) or _no_object(text)
        return BadRecord(index, start, stop, "json-error", problem)


def _spans(data: Bytes, starts: Int64s, stops: Int64s) -> pa.StringArray:
    """The texts between positions, which must rise and lie within valid UTF-8 (records that are not were taken out before)."""
    if not len(starts):
        return pa.array([], pa.string())
    bounds = np.empty(2 * len(starts), np.int32)
    bounds[0::2], bounds[1::2] = starts, stops
    every = pa.Array.from_buffers(pa.string(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    return every.take(pa.array(np.arange(0, len(bounds), 2)))


def _unescaped(key: str) -> str:
    if "\\" not in key:
        return key
    try:
        text = json.loads(f'"{key}"')
        text.encode()
    except (ValueError, UnicodeEncodeError):
        return key
    return text


def json_problem(text: str) -> str | None:
    """What is wrong with a JSON value, in Python's words; None when nothing is. Digits are not read: a number may have any length."""
    try:
        _DECODER.decode(text)
    except ValueError as error:
        return f"it is no JSON: {error}"
    except RecursionError:
        return "it is nested too deeply to be looked into"
    return None


def _no_object(text: str) -> str:
    what = {"[": "a list", '"': "a text"}.get(text[:1], "a single value" if text else "nothing")
    return "its commas, colons or names do not stand as in a JSON object" if text[:1] == "{" else f"it is {what}, not an object"
