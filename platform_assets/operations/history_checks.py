"""Proofs of a stored history: the state that it gives at every full version is that version's snapshot, and its newest the latest state.

Counts and sums of digests are compared, in one pass over the spans; rows are counted one by one only where these differ. Not here:
how the findings are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from platform_assets.operations.history import identities_of
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.rows.latest_state import LatestState
from platform_assets.storage.rows.stored_history import InstanceHistory, StoredHistory

Digests = tuple[np.ndarray, np.ndarray]
"""(h0, h1) of rows, uint64."""


@dataclass(frozen=True)
class Difference:
    """Rows that the history lacks and rows that it has too many, by content. `spared` of these the guard kept."""

    instance: str
    version: str
    missing: int
    extra: int
    spared: int = 0

    @property
    def explained(self) -> bool:
        """Whether all of it is that keys were not deleted, since they are more than the guard allows."""
        return self.missing == 0 and 0 < self.extra <= self.spared


@dataclass(frozen=True)
class Comparison:
    """`compared` versions or instances, and those that differ. `outdated`: instances that the history was not folded from as they are."""

    compared: int
    differences: tuple[Difference, ...]
    outdated: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return not self.differences and not self.outdated


def compare_with_snapshots(settings: Settings, timeline: Timeline, history: StoredHistory) -> Comparison:
    """For every complete full version: the state after it against its snapshot. Raises StoredFileError for a damaged file."""
    compared, differences, outdated = 0, [], []
    for instance, versions in timeline.instances.items():
        own = history.of(instance)
        if own is None or not _folded_from(settings, timeline, own, versions):
            outdated.append(instance)
            continue
        full = [place for place, version in enumerate(versions) if version.full]
        compared += len(full)
        if own.whole or not full:  # the spans of a whole instance are its snapshot's rows
            continue
        counts, sums = _states(history, own)
        for place in full:
            expected = _digests(versions[place], timeline)
            if (counts[place], *sums[:, place]) != (len(expected[0]), *_sums(expected)):
                missing, extra = _counted(expected, _standing_at(history, own, place))
                spared = sum(version.spared for version in own.versions[: place + 1])
                differences.append(Difference(instance, versions[place].version, missing, extra, spared))
    return Comparison(compared, tuple(differences), tuple(outdated))


def compare_with_latest(settings: Settings, timeline: Timeline, history: StoredHistory, latest: LatestState) -> Comparison:
    """The open spans against the rows of the latest state, by content. Raises StoredFileError for a damaged file."""
    numbers, differences, outdated = latest.numbers(), [], []
    for instance, versions in timeline.instances.items():
        own = history.of(instance)
        merged = [one[0] for one in latest.facts["merged"].get(instance, [])]
        if own is None or not _folded_from(settings, timeline, own, versions) or merged != [version.version for version in versions]:
            outdated.append(instance)
            continue
        if own.whole and numbers[versions[0].version] is None:
            continue
        chosen = [_digests(version, timeline, numbers[version.version]) for version in versions]
        expected = np.concatenate([h0 for h0, _ in chosen]), np.concatenate([h1 for _, h1 in chosen])
        found = _digests(versions[0], timeline) if own.whole else _standing_at(history, own, len(versions) - 1)
        if (len(found[0]), _sums(found)) != (len(expected[0]), _sums(expected)):
            differences.append(Difference(instance, versions[-1].version, *_counted(expected, found)))
    return Comparison(len(timeline.instances), tuple(differences), tuple(outdated))


def _folded_from(settings: Settings, timeline: Timeline, own: InstanceHistory, versions: tuple[TableVersion, ...]) -> bool:
    guard = settings.source(timeline.source).delete_guard
    return identities_of(timeline, versions, guard) == [version.identity for version in own.versions]


def _states(history: StoredHistory, own: InstanceHistory) -> tuple[np.ndarray, np.ndarray]:
    """After each version: how many spans are open (n), and the sums of their digests (2 x n, uint64, modulo 2^64)."""
    size = len(own.versions) + 1
    counts, sums = np.zeros(size, np.int64), np.zeros((2, size), np.uint64)
    for batch in _spans(history, own):
        begin, end = batch.column("from_place").to_numpy(), _until(batch, size - 1)
        counts += np.bincount(begin, minlength=size) - np.bincount(end, minlength=size)
        for row, halves in zip(sums, _halves(batch), strict=True):
            np.add.at(row, begin, halves)
            np.subtract.at(row, end, halves)
    return np.cumsum(counts)[:-1], np.cumsum(sums, axis=1, dtype=np.uint64)[:, :-1]


def _standing_at(history: StoredHistory, own: InstanceHistory, place: int) -> Digests:
    """The spans that are open after the version at a place."""
    found: list[Digests] = [(np.empty(0, np.uint64),) * 2]
    for batch in _spans(history, own, since=place + 1):
        there = (batch.column("from_place").to_numpy() <= place) & (_until(batch, len(own.versions)) > place)
        h0, h1 = _halves(batch)
        found.append((h0[there], h1[there]))
    return np.concatenate([h0 for h0, _ in found]), np.concatenate([h1 for _, h1 in found])


def _spans(history: StoredHistory, own: InstanceHistory, since: int = 0) -> Iterator[pa.RecordBatch]:
    yield from history.ended(own, since=since)
    yield from history.standing(own)


def _until(batch: pa.RecordBatch, never: int) -> np.ndarray:
    found: np.ndarray = batch.column("until_place").fill_null(never).to_numpy()
    return found


def _digests(version: TableVersion, timeline: Timeline, numbers: np.ndarray | None = None) -> Digests:
    rows = version.digests(timeline.union)
    if numbers is not None:
        rows = rows.take(np.searchsorted(rows.column("row").to_numpy(), numbers))
    return _halves(rows)


def _halves(rows: pa.Table | pa.RecordBatch) -> Digests:
    return rows.column("h0").to_numpy().view(np.uint64), rows.column("h1").to_numpy().view(np.uint64)


def _sums(digests: Digests) -> tuple[np.uint64, np.uint64]:
    return digests[0].sum(dtype=np.uint64), digests[1].sum(dtype=np.uint64)


def _counted(expected: Digests, found: Digests) -> tuple[int, int]:
    """How many rows of `expected` are missing in `found`, and how many of `found` are too many; both as bags."""
    h0, h1 = (np.concatenate(both) for both in zip(expected, found, strict=True))
    sign = np.repeat(np.array([-1, 1]), [len(expected[0]), len(found[0])])
    order = np.lexsort((h1, h0))
    h0, h1, sign = h0[order], h1[order], sign[order]
    starts = np.flatnonzero(np.concatenate([[True], (h0[1:] != h0[:-1]) | (h1[1:] != h1[:-1])]))
    net = np.add.reduceat(sign, starts)
    return int(-net[net < 0].sum()), int(net[net > 0].sum())
