"""The fold against a plain Python reference and against the contest: whole, built upon, with a late version put in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.engines.duckdb import open_engine
from platform_assets.errors import PlatformError
from platform_assets.operations.as_of import timeline_at
from platform_assets.operations.contest import hold_contest
from platform_assets.operations.history import folded
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.rows import stored_history
from platform_assets.storage.rows.stored_history import StoredHistory
from platform_assets.versions.history import counted_from
from platform_assets.versions.order import Place
from platform_tests.operations.timelines import FIRST_DAY, timeline_over

COLUMNS = (Column("id", INT32), Column('na"me', STRING), Column("updated", INT64))
TABLE = Table("t", COLUMNS, key=("id",))
GUARD = 0.5

cell = st.none() | st.sampled_from(["a", "b", "a:1", ""])
row = st.tuples(st.integers(0, 4) | st.none(), cell, st.none() | st.integers(0, 2))
drawn_versions = st.lists(st.tuples(st.lists(row, max_size=5), st.booleans()), min_size=1, max_size=5)


@contextmanager
def tail_of(rows: int) -> Iterator[None]:
    """With 0 every segment is a file of its own, which the next history links."""
    before, stored_history._TAIL_ROWS = stored_history._TAIL_ROWS, rows
    try:
        yield
    finally:
        stored_history._TAIL_ROWS = before


def fold(root: Path, timeline: Timeline, before: StoredHistory | None = None) -> StoredHistory:
    settings = Settings(root, sources={"s": SourceSettings("s", dumps="full", delete_guard=GUARD)})
    return folded(settings, timeline, root / "store" / "history" / "s" / "t", before=before).commit()


def spans_of(history: StoredHistory, timeline: Timeline) -> set[tuple]:
    """(from, row, until, inserted, deleted); a whole instance's are written out."""
    (instance,) = history.instances
    if instance.whole:
        accepted = timeline.versions[0].keys(TABLE.with_columns(())).column("row").to_pylist()
        return {(0, number, None, True, None) for number in accepted}
    found = [row for batch in (*history.ended(instance), *history.standing(instance)) for row in batch.to_pylist()]
    spans = {(s["from_place"], s["row"], s["until_place"], s["inserted"], s["deleted"]) for s in found}
    assert len(spans) == len(found) == history.spans
    return spans


def reference(versions, *, key, row_version):
    """Spans in plain Python, and per version (rows, inserts, updates, deletes, spared)."""
    state, ended, counts = {}, set(), []
    for place, (rows, full) in enumerate(versions):
        own, seen = {}, {}
        for number, cells in enumerate(rows, start=1):
            seen[cells] = seen.get(cells, 0) + 1
            identity = tuple(cells[n] for n in key) if key else (cells, seen[cells])
            rank = (cells[row_version] is not None, cells[row_version] or 0) if row_version is not None else (False, 0)
            if identity not in own or (rank, number) > own[identity][:2]:
                own[identity] = (rank, number, cells)
        missing = [identity for identity in state if identity not in own] if full else []
        spared = len(missing) > GUARD * len(state)
        inserts = updates = 0
        for identity, (rank, number, cells) in own.items():
            old = state.get(identity)
            if old is None:
                inserts += 1
            elif old[2] == cells or (rank < old[0] and not full):
                continue
            else:
                updates += 1
                ended.add((old[3], old[1], place, old[4], False))
            state[identity] = (rank, number, cells, place, old is None)
        for identity in [] if spared else missing:
            old = state.pop(identity)
            ended.add((old[3], old[1], place, old[4], True))
        counts.append((len(state), inserts, updates, 0 if spared else len(missing), len(missing) if spared else 0))
    standing = {(place, number, None, inserted, None) for _, number, _, place, inserted in state.values()}
    return ended | standing, counts


def counts_of(history: StoredHistory) -> list[tuple]:
    return [(v.rows, v.inserts, v.updates, v.deletes, v.spared) for v in history.instances[0].versions]


@pytest.mark.long
@hypothesis_settings(max_examples=40, deadline=None)
@given(drawn_versions, st.sampled_from([(0,), (0, 1), ()]), st.booleans(), st.booleans(), st.data())
def test_spans_are_those_of_the_reference_whole_built_upon_and_with_a_late_version(versions, key, proven, by_row_version, data):
    columns = COLUMNS if by_row_version else (*COLUMNS[:2], Column("other", INT64))
    table = Table("t", columns, key=tuple(columns[n].name for n in key), row_version="updated" if by_row_version else None)
    if key and proven:
        versions = [({tuple(cells[n] for n in key): cells for cells in rows}, full) for rows, full in versions]
        versions = [(list(rows.values()), full) for rows, full in versions]
    with TemporaryDirectory() as folder, tail_of(data.draw(st.sampled_from([0, 1 << 16]))):
        root = Path(folder)
        timeline = timeline_over(root, table, versions)
        if key and not proven:  # the newest version says what the key is, the older ones promise nothing
            older = [unproven(version) for version in timeline.versions[:-1]]
            last = timeline.versions[-1]
            rows = {tuple(cells[n] for n in key): cells for cells in versions[-1][0]}
            if len(rows) < len(versions[-1][0]):
                return
            timeline = timeline.narrowed([*older, last])
        expected, counts = reference(versions, key=key, row_version=2 if by_row_version else None)
        found = fold(root, timeline)
        assert (spans_of(found, timeline), counts_of(found)) == (expected, counts)
        held = data.draw(st.integers(1, len(versions)))
        first = fold(root, timeline.narrowed(timeline.versions[:held]))
        again = fold(root, timeline, first)
        assert (spans_of(again, timeline), counts_of(again)) == (expected, counts)
        late = data.draw(st.integers(0, len(versions) - 1))
        without = [version for place, version in enumerate(timeline.versions) if place != late]
        if without:
            found = fold(root, timeline, fold(root, timeline.narrowed(without), again))
            assert (spans_of(found, timeline), counts_of(found)) == (expected, counts)
        assert_contest_agrees(root, timeline, expected)


def unproven(version):
    stored = replace(version.snapshot.stored, table=replace(version.table, key=()))
    return replace(version, snapshot=replace(version.snapshot, stored=stored))


def assert_contest_agrees(root: Path, timeline: Timeline, spans: set[tuple]) -> None:
    """What is open at place k has the content of the winners of the contest over the versions up to k."""
    digests = [version.digests(timeline.union).to_pylist() for version in timeline.versions]
    contents = [{one["row"]: (one["h0"], one["h1"]) for one in version} for version in digests]
    for place in range(len(timeline.versions)):
        then = timeline.versions[: place + 1]
        with open_engine(root / "work") as engine:
            outcome = hold_contest(engine, timeline, then, GUARD)
        won = [
            contents[n][number]
            for n, numbers in enumerate(outcome.winners)
            for number in (contents[n] if numbers is None else numbers.tolist())
        ]
        standing = [contents[s[0]][s[1]] for s in spans if s[0] <= place and (s[2] is None or s[2] > place)]
        assert sorted(standing) == sorted(won)


def test_a_version_more_links_the_files_of_what_has_ended_and_writes_none_of_them_again(tmp_path):
    timeline = timeline_over(tmp_path, TABLE, [([(n, str(day), None) for n in range(5)], True) for day in range(4)])
    with tail_of(0):
        first = fold(tmp_path, timeline.narrowed(timeline.versions[:3]))
        ended = [(first.folder / part.name).stat().st_ino for segment in first.instances[0].ended for part in segment.parts]
        (instance,) = fold(tmp_path, timeline, first).instances
    found = [(first.folder / part.name).stat().st_ino for segment in instance.ended for part in segment.parts]
    assert (len(ended), found[: len(ended)]) == (1, ended)
    assert [(segment.first, segment.last) for segment in instance.ended] == [(0, 2), (3, 3)]


@given(st.lists(st.none() | st.integers(0, 6), min_size=1, max_size=6), st.integers(-1, 7))
def test_the_versions_that_count_from_a_time_or_earlier_are_those_that_had_come_at_it(days, day):
    moments = [None if one is None else FIRST_DAY + timedelta(days=one) for one in days]
    at = FIRST_DAY + timedelta(days=day)
    timeline = Timeline("s", "t", tuple(placed(place, moment) for place, moment in enumerate(moments)))
    counted = [version for version, moment in zip(timeline.versions, counted_from(moments), strict=True) if moment and moment <= at]
    try:
        come = list(timeline_at(timeline, at).versions)
    except PlatformError:
        come = []
    assert counted == come


def placed(place: int, moment):
    """A version that is nothing but its place in the order."""
    return TableVersion(None, Place(f"s.v{place}.0", "default", place, "declared", False, moment), "complete", False)
