"""Combine: JSON documents of one table into one, by the rules of the latest state. Needs no home and no server.

A document's rows are given back to the versions that they came from; then those versions contend as they do in a merge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.errors import PlatformError
from platform_assets.operations.latest import merged
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.exports.target import refuse_existing, writable
from platform_assets.storage.files import atomic_file
from platform_assets.storage.rows.json_form import JsonDocument, latest_to_json
from platform_assets.storage.rows.json_objects import opened_document
from platform_assets.storage.rows.row_store import store_schema
from platform_assets.storage.rows.snapshots import SNAPSHOT_META, Snapshot, SnapshotWriter
from platform_assets.versions.drift import align, union_table
from platform_assets.versions.joining import joined
from platform_assets.versions.order import Place

_LONE = "default"


@dataclass(frozen=True)
class _Known:
    """What the head of a document tells of a version: its place, whether its dump was full, whether its deletes were confirmed."""

    place: Place
    full: bool
    confirmed: bool


@dataclass(frozen=True)
class _Head:
    """A document without its rows. `known` by version; `version` is the only one where the rows do not name theirs."""

    path: Path
    table: Table
    source: str
    known: Mapping[str, _Known]
    guard: float
    version: str | None


@dataclass(frozen=True)
class Combined:
    """`notices`: what evidence did not decide, and deletes that the guard held back."""

    rows: int
    notices: tuple[str, ...]


def combine(paths: Sequence[Path], stream: BinaryIO, *, work: Path | None = None) -> Combined:
    """Writes one document with the rows of all. `work` is the folder for what must be put aside, the system's own when None.

    Raises StoredFileError for a document that is none or damaged, PlatformError when they are of different tables or contradict
    each other.
    """
    heads = [_head(path) for path in paths]
    _refuse_strangers(heads)
    places, notices = _order(heads)
    with TemporaryDirectory(prefix="platform-combine-", dir=work) as folder:
        root = Path(folder)
        table = _union(heads, places)
        versions = list(_versions(root, heads, table, places))
        source = heads[0].source
        guard = min(head.guard for head in heads)
        settings = Settings(root, sources={source: SourceSettings(source, delete_guard=guard)})
        state = merged(settings, Timeline(source, table.name, tuple(versions)), root / "latest")
        told = {"as_of": None, "delete_guard": guard, "places": [place_json(version) for version in versions]}
        rows = latest_to_json(state, stream, told=told)
    spared = [
        f"{count:,} keys that the newest full dump of {instance} lacks stay: more than the guard allows"
        for instance, count in state.facts["guarded"].items()
    ]
    return Combined(rows, (*notices, *spared))


def combine_to_file(paths: Sequence[Path], output: Path, *, force: bool = False) -> Combined:
    """The same into a file, whole or not at all. Raises Conflict when it is there and `force` does not allow it."""
    refuse_existing([output], force=force)
    with writable(output), atomic_file(output) as file:
        return combine(paths, file)


def place_json(version: TableVersion) -> dict[str, Any]:
    """What the head of a document tells of a version: enough to put it in order beside those of another document."""
    place = version.place
    return {
        "version": place.version,
        "instance": place.instance,
        "place": place.place,
        "moment": place.moment.isoformat() if place.moment else None,
        "evidence": place.evidence,
        "ambiguous": place.ambiguous,
        "full": version.full,
        "deletes_confirmed": version.deletes_confirmed,
    }


def _head(path: Path) -> _Head:
    with opened_document(path) as document:
        head = document.head
        known = {one["version"]: _known(one) for one in head.get("places", ())}
        version = None if "_version" in document.meta else str(head.get("version") or path.name)
        if version is not None and version not in known:
            instance = str(head.get("instance") or _LONE)
            known[version] = _Known(Place(version, instance, 0, "none", True, None), False, False)
        return _Head(path, document.table, str(head.get("source") or "json"), known, float(head.get("delete_guard", 0.2)), version)


def _known(data: Mapping[str, Any]) -> _Known:
    moment = datetime.fromisoformat(data["moment"]) if data["moment"] else None
    place = Place(data["version"], data["instance"], data["place"], data["evidence"], data["ambiguous"], moment)
    return _Known(place, bool(data["full"]), bool(data["deletes_confirmed"]))


def _refuse_strangers(heads: Sequence[_Head]) -> None:
    first = heads[0]
    for head in heads[1:]:
        if (head.source, head.table.name) != (first.source, first.table.name):
            raise PlatformError(
                f"{first.path} holds {first.source}.{first.table.name}, {head.path} holds {head.source}.{head.table.name}: "
                "only documents of one table combine.",
                paths=[str(first.path), str(head.path)],
            )


def _order(heads: Sequence[_Head]) -> tuple[dict[str, tuple[Place, ...]], list[str]]:
    """Per instance the versions of all documents, oldest first."""
    found: dict[str, tuple[Place, ...]] = {}
    notices: list[str] = []
    for head in heads:
        own: dict[str, list[Place]] = {}
        for known in sorted(head.known.values(), key=lambda known: known.place.place):
            own.setdefault(known.place.instance, []).append(known.place)
        for instance, places in own.items():
            if instance not in found:
                found[instance] = tuple(places)
                continue
            found[instance], note = joined(found[instance], places)
            notices += [note] if note else []
    return found, notices


def _union(heads: Sequence[_Head], places: Mapping[str, tuple[Place, ...]]) -> Table:
    """The columns of all documents, those of the newest first."""
    rank = {place.version: place.place for found in places.values() for place in found}
    return union_table([head.table for head in sorted(heads, key=lambda head: max((rank[name] for name in head.known), default=-1))])


def _versions(root: Path, heads: Sequence[_Head], table: Table, places: Mapping[str, tuple[Place, ...]]) -> Iterator[TableVersion]:
    """The versions with the rows that the documents have of them, as snapshots in a folder."""
    known = {version: one for head in heads for version, one in head.known.items()}
    rows = _Rows(root, heads[0].source, table, {version: one.place.instance for version, one in known.items()})
    for head in heads:
        with opened_document(head.path) as document:
            rows.take(document, head.version)
    for instance in sorted(places):
        for place in places[instance]:
            one = known[place.version]
            yield TableVersion(rows.snapshot(place.version), place, "complete", one.full, one.confirmed)


class _Rows:
    """Rows sorted into the versions that they came from; a row that two documents have of one version is one row."""

    def __init__(self, root: Path, source: str, table: Table, instances: Mapping[str, str]) -> None:
        self._table, self._schema = table, store_schema(table, SNAPSHOT_META)
        self._writers = {
            version: SnapshotWriter(root / f"{number:05d}", source=source, version=version, instance=instance, table_name=table.name)
            for number, (version, instance) in enumerate(instances.items())
        }
        self._taken: dict[str, np.ndarray] = {}
        self._rejected: dict[str, list[int]] = {}
        self._last = ""

    def take(self, document: JsonDocument, version: str | None) -> None:
        """All rows of a document; `version` is whose they are where they do not say so themselves."""
        before = dict(self._taken)
        first = 1
        for batch in document.batches():
            whole = _numbered(batch, first)
            first += batch.num_rows
            for name, rows in _by_version(whole, version):
                if name not in self._writers:
                    raise PlatformError(f"A row is of version {name!r}, of which the head of its document knows nothing.", version=name)
                self._add(name, rows, before.get(name))
        if document.kind == "snapshot" and version is not None:
            self._rejected[version] = [int(number) for number in document.items("rejected_rows")]

    def _add(self, version: str, rows: pa.RecordBatch, known: np.ndarray | None) -> None:
        if known is not None:
            rows = rows.filter(pa.array(~np.isin(rows.column("_row").to_numpy(), known)))
        if self._last not in ("", version):
            self._writers[self._last].flush()  # rows come version by version: one of many is at work
        self._last = version
        data = align(rows, self._table)
        numbers = rows.column("_row")
        meta = [numbers, numbers, rows.column("_raw")]
        self._writers[version].add(pa.RecordBatch.from_arrays([*data.columns, *meta], schema=self._schema))
        held = self._taken.get(version, np.empty(0, np.int64))
        self._taken[version] = np.concatenate([held, numbers.to_numpy()])

    def snapshot(self, version: str) -> Snapshot:
        return self._writers[version].finish(self._table, rejected_rows=self._rejected.get(version, ())).commit()


def _numbered(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    """With `_row` and `_raw`, which a document of plain rows has not."""
    for name, values in (("_row", pa.array(np.arange(first, first + batch.num_rows), INT64)), ("_raw", pa.nulls(batch.num_rows, STRING))):
        if name not in batch.schema.names:
            batch = batch.append_column(name, values)
    return batch


def _by_version(batch: pa.RecordBatch, version: str | None) -> Iterator[tuple[str, pa.RecordBatch]]:
    if version is not None:
        yield version, batch
        return
    names = batch.column("_version")
    for name in pc.unique(names).to_pylist():
        yield name, batch.filter(pc.equal(names, name))
