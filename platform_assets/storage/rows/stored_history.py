"""The history of a table as it is stored: spans, not rows. A span says from which version to which a row of a snapshot was a key's state.

One folder per table, replaced as a whole: spans-*.avro, history.json last. Per instance the ended spans lie in *segments*, one per
stretch of versions that was folded at once, and the open ones apart: a newer version adds a segment and changes no other file, which
then are linked, not copied. An instance whose only version gives all its rows has no files: it is `whole`. How spans come about is
not known here; what they are spans of is read from the snapshots.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT32, INT64
from platform_assets.storage.files import temporary_sibling
from platform_assets.storage.rows.avro import Part
from platform_assets.storage.rows.row_store import RowWriter, prove_files, read_parts
from platform_assets.storage.rows.stored_table import PendingFolder, read_manifest, remove_folder

SPANS = pa.schema(
    [
        ("from_place", INT32),
        ("row", INT64),
        ("until_place", INT32),
        ("inserted", pa.bool_()),
        ("deleted", pa.bool_()),
        ("h0", INT64),
        ("h1", INT64),
    ]
)
"""Places are positions in `InstanceHistory.versions`. `until_place` and `deleted` are NULL for an open span; an ended one that was not
deleted was updated. `inserted`: the key was not there before. (h0, h1) is the digest of the row (key_index.digest_index)."""
_TAIL_ROWS = 1 << 16
"""A segment of fewer rows is written again with the next one, so that many small versions do not become many files."""


@dataclass(frozen=True)
class FoldedVersion:
    """One version of an instance and what it did. `identity` is all that its part in the history hangs on.

    `rows`: keys after it. `spared`: keys that it lacked and that stayed nevertheless, since they are more than the guard allows.
    """

    version: str
    identity: str
    rows: int
    inserts: int
    updates: int = 0
    deletes: int = 0
    spared: int = 0


@dataclass(frozen=True)
class Segment:
    """Ended spans, of which the first ended at place `first`, the last at `last`."""

    first: int
    last: int
    parts: tuple[Part, ...]

    def to_json(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last, "parts": [part.to_json() for part in self.parts]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Segment:
        return cls(data["first"], data["last"], tuple(Part.from_json(part) for part in data["parts"]))


@dataclass(frozen=True)
class InstanceHistory:
    """One instance: its versions in their order, oldest first."""

    instance: str
    versions: tuple[FoldedVersion, ...]
    ended: tuple[Segment, ...] = ()
    open: tuple[Part, ...] | None = None
    """None: every accepted row of the only version is an open span."""

    @property
    def whole(self) -> bool:
        return self.open is None

    @property
    def rows(self) -> int:
        """Keys that are there after the newest version."""
        return self.versions[-1].rows

    @property
    def spans(self) -> int:
        return sum(version.inserts + version.updates for version in self.versions)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*(part for segment in self.ended for part in segment.parts), *(self.open or ()))

    def known(self, identities: Sequence[str]) -> int:
        """How many of these versions, in their order, are the first of the history's own."""
        own = [version.identity for version in self.versions]
        return next((n for n, (a, b) in enumerate(zip(own, identities, strict=False)) if a != b), min(len(own), len(identities)))

    def to_json(self) -> dict[str, Any]:
        return {
            "instance": self.instance,
            "versions": [asdict(version) for version in self.versions],
            "ended": [segment.to_json() for segment in self.ended],
            "open": None if self.open is None else [part.to_json() for part in self.open],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> InstanceHistory:
        return cls(
            data["instance"],
            tuple(FoldedVersion(**version) for version in data["versions"]),
            tuple(Segment.from_json(segment) for segment in data["ended"]),
            None if data["open"] is None else tuple(Part.from_json(part) for part in data["open"]),
        )


@dataclass(frozen=True)
class StoredHistory(PendingFolder):
    """The stored history of one table, or one that waits for its commit. `table` is the union of the versions' columns."""

    MANIFEST: ClassVar[str] = "history.json"

    source: str
    table: Table
    instances: tuple[InstanceHistory, ...]
    facts: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Rows of the latest state."""
        return sum(instance.rows for instance in self.instances)

    @property
    def spans(self) -> int:
        return sum(instance.spans for instance in self.instances)

    def of(self, instance: str) -> InstanceHistory | None:
        return next((found for found in self.instances if found.instance == instance), None)

    def ended(self, instance: InstanceHistory, *, since: int = 0) -> Iterator[pa.RecordBatch]:
        """SPANS that ended at place `since` or later, streamed. Raises StoredFileError."""
        parts = [part for segment in instance.ended if segment.last >= since for part in segment.parts]
        for batch in read_parts(self.place, parts, SPANS, SPANS.names):
            kept = batch.filter(pa.array(batch.column("until_place").to_numpy() >= since))
            if kept.num_rows:
                yield kept

    def standing(self, instance: InstanceHistory) -> Iterator[pa.RecordBatch]:
        """SPANS that are open, streamed; none of a `whole` instance. Raises StoredFileError."""
        return read_parts(self.place, instance.open or (), SPANS, SPANS.names)

    def verify(self) -> None:
        """Proves every file. Raises StoredFileError naming the first bad one."""
        for instance in self.instances:
            prove_files(self.place, instance.parts)

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "rows": self.rows,
            "spans": self.spans,
            "facts": dict(self.facts),
            "table": self.table.to_json(),
            "instances": [instance.to_json() for instance in self.instances],
        }


def open_history(folder: Path) -> StoredHistory:
    """The committed history. Raises StoredFileError when there is none, or its manifest is damaged or unknown."""
    data = read_manifest(folder / StoredHistory.MANIFEST)
    instances = tuple(InstanceHistory.from_json(each) for each in data["instances"])
    return StoredHistory(data["source"], Table.from_json(data["table"]), instances, data["facts"], folder=folder)


class HistoryWriter:
    """Collects the history of each instance; `folder` is where it will stand after the commit."""

    def __init__(self, folder: Path, *, source: str) -> None:
        self._final, self._source = folder, source
        self._folder = temporary_sibling(folder)
        self._instances: list[InstanceHistory] = []
        self._files = 0

    def whole(self, instance: str, version: FoldedVersion) -> None:
        """An instance whose only version gives every accepted row."""
        self._instances.append(InstanceHistory(instance, (version,)))

    def begin(self, instance: str, before: StoredHistory | None, held: int) -> InstanceWriter:
        """An instance of which the first `held` versions stand as in `before`."""
        return InstanceWriter(self, instance, before, held)

    def add(self, done: InstanceHistory) -> None:
        self._instances.append(done)

    def link(self, folder: Path, part: Part) -> Part:
        """The file once more under a name of this folder. A file is never written again, so both may be one."""
        named = replace(part, name=self._name())
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            os.link(folder / part.name, self._folder / named.name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(folder / part.name, self._folder / named.name)
        return named

    def rows(self) -> RowWriter:
        return RowWriter(self._folder, part_name=lambda number: self._name())

    def _name(self) -> str:
        self._files += 1
        return f"spans-{self._files - 1:05d}.avro"

    def discard(self) -> None:
        """Throws away what was written."""
        remove_folder(self._folder)

    def finish(self, table: Table, *, facts: Mapping[str, Any]) -> StoredHistory:
        """Everything written but the manifest: pending until its commit. `facts` are of JSON's types."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return StoredHistory(self._source, table, tuple(self._instances), dict(facts), folder=self._final, pending=self._folder)


class InstanceWriter:
    """Writes one instance: what stands of an earlier history first, then the spans that end with each further version."""

    def __init__(self, writer: HistoryWriter, instance: str, before: StoredHistory | None, held: int) -> None:
        self._writer, self._instance, self._held = writer, instance, held
        self._before = before
        self._old = before.of(instance) if before is not None and held else None
        self._kept: list[Segment] = []
        self._ended = writer.rows()
        self._first = held

    def stand(self) -> Iterator[pa.RecordBatch]:
        """The spans that were open after the versions held: those that ended later are so again. Read to the end before `ended`."""
        if self._old is None or self._before is None:
            return
        for batch in self._before.standing(self._old):
            yield from _begun_before(batch, self._held)
        rewritten = []
        for number, segment in enumerate(self._old.ended):
            tail = number == len(self._old.ended) - 1 and sum(part.rows for part in segment.parts) < _TAIL_ROWS
            if segment.last < self._held and not tail:
                self._kept.append(replace(segment, parts=tuple(self._writer.link(self._before.place, part) for part in segment.parts)))
            else:
                rewritten.append(segment)
        for segment in rewritten:
            self._first = min(self._first, segment.first)
            for batch in read_parts(self._before.place, segment.parts, SPANS, SPANS.names):
                over = batch.column("until_place").to_numpy() < self._held
                self._ended.add(batch.filter(pa.array(over)))
                yield from _begun_before(_reopened(batch.filter(pa.array(~over))), self._held)

    def ended(self, spans: pa.RecordBatch) -> None:
        """Spans that ended with a version after those held."""
        self._ended.add(spans)

    def finish(self, versions: Sequence[FoldedVersion], standing: Iterator[pa.RecordBatch]) -> None:
        parts = self._ended.finish()
        if parts:
            self._kept.append(Segment(self._first, len(versions) - 1, parts))
        opened = self._writer.rows()
        for batch in standing:
            opened.add(batch)
        self._writer.add(InstanceHistory(self._instance, tuple(versions), tuple(self._kept), opened.finish()))

    def abandon(self) -> None:
        self._ended.abandon()


def _begun_before(batch: pa.RecordBatch, place: int) -> Iterator[pa.RecordBatch]:
    kept = batch.filter(pa.array(batch.column("from_place").to_numpy() < place))
    if kept.num_rows:
        yield kept


def _reopened(batch: pa.RecordBatch) -> pa.RecordBatch:
    cells = {"until_place": pa.nulls(batch.num_rows, INT32), "deleted": pa.nulls(batch.num_rows, pa.bool_())}
    return pa.RecordBatch.from_arrays([cells.get(name, batch.column(name)) for name in SPANS.names], schema=SPANS)
