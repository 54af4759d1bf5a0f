"""Records of one member sorted into tables: which lists are tables, what they are called, which columns they have. Two passes use it.

The first pass gathers facts (survey), the second hands out the same parts in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.formats.json_records.facts import Facts
from platform_assets.formats.json_records.records import NESTED, TEXT, Values, records_of_texts
from platform_assets.formats.json_records.structure import Int64s
from platform_assets.formats.json_records.walk import Batch, BrokenDocument, ListFound, Loose, Passed, Path, Step

MAX_COLUMNS = 1_500
"""PostgreSQL's tables have at most 1,600. More keys than that are data (a dictionary by id), not columns."""
_WRAPPERS = """content data docs documents elements entities entries hits items list member members objects payload records response
result results rows value values"""
WRAPPERS = frozenset(_WRAPPERS.split())
"""Keys under which interfaces put a page of records; they say nothing of what the records are."""
_FIXTURE = {"model", "pk", "fields"}

Place = tuple[Path, str | None]
"""A table's place in a member: the path of its list and, of Django fixtures, the model."""


@dataclass(frozen=True)
class Part:
    """Consecutive good records of one table: `rows` are their numbers in the table, from 1, `lines` theirs in the member."""

    place: Place
    columns: dict[str, Values]
    rows: Int64s
    lines: Int64s


@dataclass(frozen=True)
class Bad:
    """A record that cannot be read. `place` is None when it is not known to which table it belongs."""

    place: Place | None
    row: int | None
    line: int
    offset: int | None
    raw: str
    code: str
    message: str


@dataclass
class Sorter:
    """Turns steps into parts, and counts on the way. `fixtures` are the lists whose records name their tables themselves."""

    fixtures: set[Path] = field(default_factory=set)
    seen: Counter[Place] = field(default_factory=Counter)
    twins: int = 0
    loose: int = 0
    halves: int = 0
    passed: list[Passed] = field(default_factory=list)
    passed_more: int = 0
    broken: str | None = None
    _path: Path = ()
    _undecided: bool = True

    def sort(self, steps: Iterator[Step]) -> Iterator[Part | Bad]:
        """All parts; a document that breaks off ends them, and `broken` says why."""
        try:
            for step in steps:
                if isinstance(step, Batch):
                    yield from self._batch(step)
                elif isinstance(step, ListFound):
                    self._path, self._undecided = step.path, True
                elif isinstance(step, Loose):
                    self.loose += 1
                elif len(self.passed) < 1_000:
                    self.passed.append(step)
                else:
                    self.passed_more += 1
        except BrokenDocument as error:
            self.broken = str(error)

    def _batch(self, batch: Batch) -> Iterator[Part | Bad]:
        records = batch.records
        self.twins += records.twins
        self.loose += records.lenient
        self.halves += records.halves
        if self._undecided and len(records.good):
            self._undecided = False
            if _is_fixture(records.columns, len(records.good)):
                self.fixtures.add(self._path)
        if self._path in self.fixtures:
            yield from self._models(batch)
            return
        place = (self._path, None)
        first = self.seen[place] + 1
        self.seen[place] += records.count
        if len(records.good):
            yield Part(place, records.columns, first + records.good, batch.lines[records.good])
        for bad, raw, offset in zip(records.bad, batch.raws, batch.offsets, strict=True):
            yield Bad(place, first + bad.index, int(batch.lines[bad.index]), offset, raw, bad.code, bad.message)

    def _models(self, batch: Batch) -> Iterator[Part | Bad]:
        """Records of a Django fixture: columns `pk` and those of the fields, one table per model."""
        records, count = batch.records, len(batch.records.good)
        lines = batch.lines[records.good]
        for bad, raw, offset in zip(records.bad, batch.raws, batch.offsets, strict=True):
            yield Bad(None, None, int(batch.lines[bad.index]), offset, raw, bad.code, bad.message)
        if not _is_fixture(records.columns, count):
            for line in lines.tolist():
                yield Bad(
                    None, None, line, None, "", "json-error", "the list is a fixture, but one of these records has no model or fields"
                )
            return
        models, fields = records.columns["model"].texts, records.columns["fields"].texts
        for model in pc.unique(models).to_pylist():
            at = pc.equal(models, model).to_numpy(zero_copy_only=False).nonzero()[0]
            place = (self._path, model)
            inner = records_of_texts(fields.take(pa.array(at)))
            self.twins += inner.twins
            columns = dict(inner.columns)
            if "pk" in records.columns:
                columns = {("pk" if "pk" not in columns else "pk_"): _taken(records.columns["pk"], at, count)} | columns
            first = self.seen[place] + 1
            self.seen[place] += len(at)
            yield Part(place, columns, first + np.arange(len(at)), lines[at])


def _is_fixture(columns: dict[str, Values], count: int) -> bool:
    if not set(columns) <= _FIXTURE or "model" not in columns or "fields" not in columns:
        return False
    models, fields = columns["model"], columns["fields"]
    whole = len(models.rows) == len(fields.rows) == count
    objects = whole and bool((fields.kinds == NESTED).all()) and pc.all(pc.starts_with(fields.texts, "{")).as_py()
    return bool(objects and (models.kinds == TEXT).all())


def _taken(values: Values, at: Int64s, count: int) -> Values:
    """The values of some records, renumbered 0, 1, ..."""
    where = np.full(count, -1, np.int64)
    where[values.rows] = np.arange(len(values.rows))
    found = where[at]
    there = np.flatnonzero(found >= 0)
    picked = found[there]
    return Values(there, values.kinds[picked], values.texts.take(pa.array(picked)))


@dataclass
class Survey:
    """The facts of all places of one member after the first pass."""

    sorter: Sorter
    columns: dict[Place, dict[str, Facts]] = field(default_factory=dict)
    good: Counter[Place] = field(default_factory=Counter)
    too_wide: set[Place] = field(default_factory=set)

    def add(self, part: Part) -> None:
        facts = self.columns.setdefault(part.place, {})
        self.good[part.place] += len(part.rows)
        for name, values in part.columns.items():
            if len(facts) >= MAX_COLUMNS and name not in facts:
                self.too_wide.add(part.place)
                return
            facts.setdefault(name, Facts()).add(values)

    def places(self) -> list[Place]:
        """The tables: of all lists of objects those nearest to the outside."""
        found = list(self.columns)
        nearest = min((len(path) for path, _ in found), default=0)
        return [place for place in found if len(place[0]) == nearest]

    def left_out(self) -> list[Place]:
        chosen = set(self.places())
        return [place for place in self.columns if place not in chosen]


def survey(steps: Iterator[Step]) -> Survey:
    found = Survey(Sorter())
    for part in found.sorter.sort(steps):
        if isinstance(part, Part):
            found.add(part)
    return found


def name_of(place: Place, member_table: str, places: list[Place]) -> str:
    """A fixture's model; the key of a list; the member's name where the list is the document or the only one under a wrapper's key."""
    path, model = place
    if model is not None:
        return model
    if not path or (len(places) == 1 and path[-1].lower() in WRAPPERS):
        return member_table
    return path[-1]
