"""The contest over keys against a plain Python reference: whole, and built upon what was held before."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.engines.duckdb import open_engine
from platform_assets.operations import contest
from platform_assets.operations.contest import Outcome, hold_contest
from platform_assets.operations.timeline import Timeline
from platform_tests.operations.timelines import timeline_over

COLUMNS = (Column("id", INT32), Column('na"me', STRING), Column("updated", INT64))
TABLE = Table("t", COLUMNS, key=("id",))
GUARD = 0.5

cell = st.none() | st.sampled_from(["a", "b", "a:1", ""])
row = st.tuples(st.integers(0, 4), cell, st.none() | st.integers(0, 2))
drawn_versions = st.lists(st.tuples(st.lists(row, max_size=5), st.booleans()), min_size=1, max_size=5)


def outcome(root: Path, timeline: Timeline, before: Outcome | None = None) -> Outcome:
    with open_engine(root / "work") as engine:
        return hold_contest(engine, timeline, timeline.versions, GUARD, before)


def chosen(found: Outcome, timeline: Timeline) -> list[list[int]]:
    """Row numbers per version; None is written out."""
    accepted = [version.keys(TABLE.with_columns(())).column("row").to_pylist() for version in timeline.versions]
    return [every if rows is None else rows.tolist() for rows, every in zip(found.winners, accepted, strict=True)]


def reference(versions, *, key, row_version):
    """State after each version in plain Python: {identity: (row version, place, row number)}; then what the newest full dump did."""
    state, deleted, guarded = {}, 0, 0
    for place, (rows, full) in enumerate(versions):
        own, seen = {}, {}
        for number, cells in enumerate(rows, start=1):
            seen[cells] = seen.get(cells, 0) + 1
            identity = tuple(cells[n] for n in key) if key else (cells, seen[cells])
            rank = (cells[row_version] is not None, cells[row_version] or 0) if row_version is not None else (False, 0)
            own[identity] = max(own.get(identity, ((False, -1), -1, -1)), (rank, place, number))
        if full:
            missing = {identity: best for identity, best in state.items() if identity not in own}
            spared = len(missing) > GUARD * len(state)
            deleted, guarded = (0, len(missing)) if spared else (len(missing), 0)
            state = {**(missing if spared else {}), **own}
        else:
            state = {identity: max(best, own.get(identity, best)) for identity, best in {**own, **state}.items()}
    winners = [sorted(number for _, where, number in state.values() if where == place) for place in range(len(versions))]
    return winners, deleted, guarded


@settings(max_examples=40, deadline=None)
@given(drawn_versions, st.sampled_from([(0,), (0, 1), ()]), st.booleans(), st.data())
def test_the_winners_are_those_of_the_reference_also_when_built_upon_what_was_held_before(versions, key, by_row_version, data):
    columns = COLUMNS if by_row_version else (*COLUMNS[:2], Column("other", INT64))
    table = Table("t", columns, key=tuple(columns[n].name for n in key), row_version="updated" if by_row_version else None)
    if key:  # the judge lets no key through twice
        versions = [({tuple(cells[n] for n in key): cells for cells in rows}, full) for rows, full in versions]
        versions = [(list(rows.values()), full) for rows, full in versions]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        timeline = timeline_over(root, table, versions)
        winners, deleted, guarded = reference(versions, key=key, row_version=2 if by_row_version else None)
        found = outcome(root, timeline)
        assert (chosen(found, timeline), found.deleted, found.guarded) == (winners, deleted, guarded)
        held = data.draw(st.integers(1, len(versions)))
        first = outcome(root, timeline.narrowed(timeline.versions[:held]))
        again = outcome(root, timeline, first)
        assert (chosen(again, timeline), again.deleted, again.guarded) == (winners, deleted, guarded)


@pytest.mark.parametrize("limit", [0, 3, 1_000])
def test_when_the_contest_is_decided_in_between_does_not_matter(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(contest, "_UNSETTLED_ROWS", limit)
    table = Table("t", COLUMNS, key=("id",), row_version="updated")
    timeline = timeline_over(tmp_path, table, [([(n, str(v), (n * v) % 3) for n in range(4)], False) for v in range(6)])
    assert chosen(outcome(tmp_path, timeline), timeline) == [[], [], [], [], [3], [1, 2, 4]]


def test_keys_deleted_a_few_at_a_time_are_no_mass_deletion(tmp_path):
    """Each dump lost 30 % of the keys; all of them together 66 % of what ever was there."""
    counts = [10, 7, 5, 4]
    timeline = timeline_over(tmp_path, TABLE, [([(n, "x", None) for n in range(count)], True) for count in counts])
    found = outcome(tmp_path, timeline)
    assert (chosen(found, timeline), found.deleted, found.guarded) == ([[], [], [], [1, 2, 3, 4]], 1, 0)


def test_keys_that_the_guard_spared_stay_until_a_person_confirms(tmp_path):
    rows = [[(n, "x", None) for n in range(10)], [(0, "x", None)], [(0, "x", None), (1, "y", None)]]
    timeline = timeline_over(tmp_path, TABLE, [(each, True) for each in rows])
    found = outcome(tmp_path, timeline)
    assert (chosen(found, timeline), found.guarded) == ([[3, 4, 5, 6, 7, 8, 9, 10], [], [1, 2]], 8)
    confirmed = timeline.narrowed([*timeline.versions[:2], timeline.versions[2]])
    object.__setattr__(confirmed.versions[2], "deletes_confirmed", True)
    found = outcome(tmp_path, confirmed)
    assert (chosen(found, confirmed), found.deleted, found.guarded) == ([[], [], [1, 2]], 8, 0)


def test_a_full_dump_is_the_state_of_its_day_also_where_row_versions_ran_back(tmp_path):
    """A server that was set back to a backup: its dump says what was there then."""
    table = Table("t", COLUMNS, key=("id",), row_version="updated")
    timeline = timeline_over(tmp_path, table, [([(1, "new", 9)], True), ([(1, "old", 3)], True)])
    assert chosen(outcome(tmp_path, timeline), timeline) == [[], [1]]


def test_a_bag_keeps_as_many_equal_rows_as_one_version_had(tmp_path):
    table = Table("t", COLUMNS)
    timeline = timeline_over(tmp_path, table, [([(1, "a", None), (1, "a", None)], False), ([(1, "a", None)], False)])
    assert chosen(outcome(tmp_path, timeline), timeline) == [[2], [1]]
