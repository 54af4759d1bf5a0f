"""The formats `json` (one document per member) and `json-lines` (one object per line): recognition and the events of a member."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import BOOLEAN
from platform_assets.formats.base import BATCH_ROWS, Dump, Event, Member, Notice, Rows, TableFound, Unreadable
from platform_assets.formats.containers.opening import HEAD_BYTES, head
from platform_assets.formats.delimited.look import PACKED_SUFFIXES
from platform_assets.formats.delimited.shape import with_formats
from platform_assets.formats.delimited.text import Utf8Source
from platform_assets.formats.json_records.beginning import kind_of
from platform_assets.formats.json_records.facts import without_exponent
from platform_assets.formats.json_records.records import BOOLEAN as BOOLEAN_KIND
from platform_assets.formats.json_records.records import NUMBER, Values
from platform_assets.formats.json_records.tables import Bad, Part, Place, Sorter, Survey, name_of, survey
from platform_assets.formats.json_records.text import JsonText, encoding_of
from platform_assets.formats.json_records.walk import Step, lines, walk
from platform_assets.formats.members import Context, Reading, claim, lost, read_members

_LINE_SUFFIXES = (".ndjson", ".jsonl", ".jsonlines", ".ldjson")
_WORST = 5
"""Columns named in one remark; the others are counted."""


class _JsonFormat:
    """What both formats share. `name` is also what kind_of says of a member that is one."""

    name = ""

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: at least half of the members begin like it."""
        return claim(dump, lambda member: self._mine(member, source))

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the tables in the order of the members. Raises LimitExceeded, and UnreadableDump when there is no list of objects."""
        context = Context(source, dictionary)
        return read_members(dump, context, tool=self.name, mine=lambda member: self._mine(member, source), read=self.read_member)

    def _mine(self, member: Member, source: SourceSettings) -> str | None:
        start = head(member)
        encoding = encoding_of(start.data, source)
        text = Utf8Source(_Bytes(start.data), encoding).head(HEAD_BYTES)  # type: ignore[arg-type]
        path = PurePosixPath(member.name.lower())
        suffix = PurePosixPath(path.stem).suffix if path.suffix in PACKED_SUFFIXES else path.suffix
        kind = kind_of(text, whole=len(start.data) < HEAD_BYTES and not start.error, named_lines=suffix in _LINE_SUFFIXES)
        return f"begins as {'lines of JSON objects' if kind == 'json-lines' else 'a JSON document'}" if kind == self.name else None

    def _steps(self, text: JsonText) -> Iterator[Step]:
        raise NotImplementedError

    def _proof(self) -> bool:
        raise NotImplementedError

    def read_member(self, member: Member, name: str, context: Context) -> Reading:
        """The events of one member whose list, if it has no name of its own, is the table `name`."""
        try:
            encoding = encoding_of(head(member, 4).data, context.source)
            with member.open_first() as stream:
                found = survey(self._steps(JsonText(stream, encoding)))
        except (EOFError, OSError) as error:
            yield lost(member, "stream-cut", str(error), name)
            return False
        tables: dict[Place, Table] = {}
        for place in found.places():
            table, notices = context.table_name(name_of(place, name, found.places()), name, member)
            yield from notices
            yield from self._described(found, place, table, member, context, tables)
        empty = yield from _empty_tables(found, member, name, context)
        yield from _remarks(found, member, name)
        if tables:
            with member.open() as stream:
                yield from _second_pass(self._steps(JsonText(stream, encoding)), tables, member, context)
        if found.sorter.broken:
            yield lost(member, "document-broken", f"{found.sorter.broken}. What came before was read; fetch the file again.", name)
        elif not empty and not found.columns:
            yield lost(member, "no-records", f"no list of objects is in it{_instead(found)}.", name)
        return self._proof() and not found.sorter.broken

    def _described(
        self, found: Survey, place: Place, table: str, member: Member, context: Context, tables: dict[Place, Table]
    ) -> Iterator[Event]:
        if place in found.too_wide:
            message = (
                f"its objects have more than {len(found.columns[place]):,} different keys: that is data in the place of names. Not read."
            )
            yield lost(member, "too-many-columns", message, table)
            return
        if not found.columns[place]:
            yield Notice("no-columns", f"its {found.good[place]:,} objects are empty: a table without columns.", member.name, table=table)
            return
        contract = context.dictionary.get(table)
        stated = {column.name: column for column in contract.columns} if contract else {}
        columns = [stated.get(key) or facts.column(key) for key, facts in found.columns[place].items()]
        schema = replace(contract, columns=tuple(columns)) if contract else Table(table, tuple(columns))
        tables[place] = with_formats(schema, context.source.delimited.formats)
        yield TableFound(tables[place], member.name)
        yield from _column_remarks(found, place, table, member)


def _empty_tables(found: Survey, member: Member, name: str, context: Context) -> Generator[Event, None, int]:
    """Empty lists under a name that the dictionary knows are tables without rows. Returns how many there were."""
    count = 0
    for passed in found.sorter.passed:
        wanted = passed.path[-1] if passed.path else name
        known = next((table for known, table in context.dictionary.items() if known.casefold() == wanted.casefold()), None)
        if passed.kind == "empty list" and known is not None:
            table, notices = context.table_name(wanted, name, member)
            yield TableFound(replace(known, name=table), member.name)
            yield from notices
            count += 1
    return count


class Json(_JsonFormat):
    """A JSON document: a list of objects, an object of such lists, a page of an interface, a Django fixture."""

    name = "json"

    def _steps(self, text: JsonText) -> Iterator[Step]:
        return walk(text)

    def _proof(self) -> bool:
        return True


class JsonLines(_JsonFormat):
    """One JSON object per line; whether lines are missing at its end nobody can tell."""

    name = "json-lines"

    def _steps(self, text: JsonText) -> Iterator[Step]:
        return lines(text)

    def _proof(self) -> bool:
        return False


class _Bytes:
    """Bytes as the stream that a decoder wants."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        part, self._data = self._data[:size], self._data[size:]
        return part


def _second_pass(steps: Iterator[Step], tables: Mapping[Place, Table], member: Member, context: Context) -> Iterator[Event]:
    counts: dict[str, int] = {}
    for part in Sorter().sort(steps):
        if isinstance(part, Bad):
            table = tables.get(part.place) if part.place is not None else None
            if part.place is None or table is not None:
                name = table.name if table else None
                yield Unreadable(name, member.name, part.line, part.row, part.raw, part.code, part.message, part.offset)
                counts[name or ""] = counts.get(name or "", 0) + 1
        elif part.place in tables:
            yield from _rows(part, tables[part.place], member, context)
    for name, count in counts.items():
        yield lost(member, "rows-unreadable", f"{count:,} records could not be read.", name or None)


def _rows(part: Part, table: Table, member: Member, context: Context) -> Iterator[Rows]:
    count = len(part.rows)
    names = [name for name in table.column_names if name in part.columns]
    if not names:  # this part's objects are all empty
        part.columns[table.column_names[0]] = Values(np.empty(0, np.int64), np.empty(0, np.uint8), pa.array([], pa.string()))
        names = [table.column_names[0]]
    arrays = [_cells(part.columns[name], table.column(name), count, context) for name in names]
    rows, line_numbers = pa.array(part.rows, pa.int64()), pa.array(part.lines, pa.int64())
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    for start in range(0, count, BATCH_ROWS):
        cut = slice(start, start + BATCH_ROWS)
        yield Rows(table.name, member.name, batch.slice(start, BATCH_ROWS), rows[cut], line_numbers[cut], strict=True)


def _cells(values: Values, column: Column, count: int, context: Context) -> pa.Array:
    texts = values.texts
    if column.type == BOOLEAN:
        texts = _boolean_words(values, context.source)
    elif pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        texts = _plain_digits(values)
    if len(values.rows) == count:
        return texts
    where = np.full(count, -1, np.int64)
    where[values.rows] = np.arange(len(values.rows))
    return texts.take(pa.array(where, mask=where < 0))


def _plain_digits(values: Values) -> pa.Array:
    """Numbers with an exponent, which a dictionary may want in a whole or decimal column, without it."""
    scientific = pc.match_substring_regex(values.texts, "[eE]").to_numpy(zero_copy_only=False).astype(bool) & (values.kinds == NUMBER)
    if not scientific.any():
        return values.texts
    texts = [without_exponent(text) for text in values.texts.filter(pa.array(scientific)).to_pylist()]
    return pc.replace_with_mask(values.texts, pa.array(scientific), pa.array(texts, pa.string()))


def _boolean_words(values: Values, source: SourceSettings) -> pa.Array:
    """JSON's true and false are true and false, whatever words the source's text files have for them."""
    literal = pa.array(values.kinds == BOOLEAN_KIND)
    true, false = (pa.scalar((words or ("",))[0]) for words in (source.delimited.true, source.delimited.false))
    return pc.if_else(literal, pc.if_else(pc.equal(values.texts, "true"), true, false), values.texts)


def _column_remarks(found: Survey, place: Place, table: str, member: Member) -> Iterator[Notice]:
    total = found.good[place]
    facts = found.columns[place]
    missing = {name: total - fact.present for name, fact in facts.items() if fact.present < total}
    if missing:
        yield Notice("keys-missing", f"NULL where an object lacks the key: {_listed(missing)} of {total:,} rows.", member.name, table=table)
    for name, fact in facts.items():
        if mixed := fact.mixed():
            message = f"column {name} holds {mixed}: kept as text, in which a number and its digits in quotes look alike."
            yield Notice("kinds-mixed", message, member.name, table=table)


def _listed(counts: Mapping[str, int]) -> str:
    worst = sorted(counts.items(), key=lambda item: -item[1])[:_WORST]
    more = len(counts) - len(worst)
    return ", ".join(f"{name} in {count:,}" for name, count in worst) + (f" and {more:,} more columns" if more else "")


def _remarks(found: Survey, member: Member, name: str) -> Iterator[Notice]:
    sorter = found.sorter
    if sorter.twins:
        message = f"{sorter.twins:,} keys stand twice in their object; the last value counts, as in PostgreSQL's jsonb."
        yield Notice("duplicate-keys", message, member.name, table=name)
    if sorter.loose:
        message = f"a comma stands before a closing bracket ({sorter.loose:,} times); it was left out."
        yield Notice("lenient-json", message, member.name, table=name)
    if sorter.halves:
        message = f"{sorter.halves:,} strings hold half a surrogate pair, which is no character; they are kept with their escapes."
        yield Notice("half-surrogates", message, member.name, table=name)
    for passed in sorter.passed if found.columns else ():
        if passed.kind in ("scalar", "object"):
            continue
        what = "an empty list: a table without rows, or none" if passed.kind == "empty list" else "a list of values that are no objects"
        message = f"{'.'.join(passed.path) or 'the document'} was left out: {what}."
        yield Notice("value-left-out", message, member.name, line=passed.line, data_bearing=passed.kind == "list" and not _chosen(found))
    left = [".".join(passed.path) for passed in sorter.passed if found.columns and passed.kind in ("scalar", "object")]
    if left:
        more = len(left) - 20 + sorter.passed_more
        shown = ", ".join(left[:20]) + (f" and {more:,} more" if more > 0 else "")
        yield Notice("value-left-out", f"beside the records, not read: {shown}.", member.name)
    for path, model in found.left_out():
        message = f"the list {'.'.join(path)}{f' ({model})' if model else ''} lies deeper than the tables and was not read."
        yield lost(member, "list-left-out", message)


def _chosen(found: Survey) -> bool:
    return bool(found.places())


def _instead(found: Survey) -> str:
    kinds = sorted({passed.kind for passed in found.sorter.passed})
    return f", only {', '.join(kinds)}" if kinds else ""
