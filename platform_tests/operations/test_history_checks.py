"""The proofs of a stored history: they hold, and they name what is wrong with a damaged one."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from platform_assets.dictionary.source import SourceSettings
from platform_assets.operations.history import folded, standing_history
from platform_assets.operations.history_checks import Comparison, Difference, compare_with_latest, compare_with_snapshots
from platform_assets.operations.latest import merged
from platform_assets.operations.timeline import Timeline
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import LatestState
from platform_assets.storage.rows.row_store import RowWriter
from platform_assets.storage.rows.stored_history import SPANS, StoredHistory
from platform_tests.operations.test_contest import TABLE
from platform_tests.operations.timelines import timeline_over

DAYS = [
    [(n, "a", None) for n in range(10)],
    [(n, "b", None) for n in range(9)],
    [(n, "b", None) for n in (0, 1)],
    [(0, "b", None), (1, "c", 1)],
]


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(tmp_path, sources={"s": SourceSettings("s", dumps="full", delete_guard=0.5)})


def made(settings: Settings, timeline: Timeline) -> tuple[StoredHistory, LatestState]:
    home = Home(settings.home)
    return folded(settings, timeline, home.history("s", "t")).commit(), merged(settings, timeline, home.latest("s", "t")).commit()


def days(settings: Settings, count: int) -> Timeline:
    return timeline_over(settings.home, TABLE, [(rows, True) for rows in DAYS[:count]])


@pytest.mark.parametrize("count", [1, 2])
def test_a_history_equals_the_snapshots_and_the_latest_state(settings, count):
    timeline = days(settings, count)
    history, latest = made(settings, timeline)
    assert compare_with_snapshots(settings, timeline, history) == Comparison(count, ())
    assert compare_with_latest(settings, timeline, history, latest) == Comparison(1, ())


def test_keys_that_the_guard_spared_are_extra_and_explained(settings):
    timeline = days(settings, 4)
    history, latest = made(settings, timeline)
    found = compare_with_snapshots(settings, timeline, history)
    versions = [version.version for version in timeline.versions]
    assert found.compared == 4
    assert found.differences == tuple(Difference("default", versions[n], 0, 7, 7 * (n - 1)) for n in (2, 3))
    assert all(one.explained for one in found.differences)
    assert compare_with_latest(settings, timeline, history, latest).equal


def damaged(history: StoredHistory) -> StoredHistory:
    """The last of the open spans is gone and another one has another content, in files that prove true."""
    (instance,) = history.instances
    (batch,) = history.standing(instance)
    rows = batch.to_pylist()[:-1]
    rows[0]["h0"] += 1
    writer = RowWriter(history.folder, part_name=lambda number: f"other-{number}.avro")
    writer.add(pa.RecordBatch.from_pylist(rows, SPANS))
    return replace(history, instances=(replace(instance, open=writer.finish()),))


def test_a_history_that_lost_a_span_and_has_another_content_fails_and_is_counted(settings):
    timeline = days(settings, 2)
    history, latest = made(settings, timeline)
    newest = timeline.versions[-1].version
    wrong = damaged(history)
    assert compare_with_snapshots(settings, timeline, wrong).differences == (Difference("default", newest, 2, 1),)
    assert compare_with_latest(settings, timeline, wrong, latest).differences == (Difference("default", newest, 2, 1),)


def test_a_history_of_other_versions_is_outdated(settings):
    history, latest = made(settings, days(settings, 2))
    timeline = days(settings, 3)
    assert compare_with_snapshots(settings, timeline, history).outdated == ("default",)
    assert compare_with_latest(settings, timeline, history, latest).outdated == ("default",)


def test_a_damaged_file_is_noticed_and_all_is_folded_anew(settings):
    timeline = days(settings, 3)
    history, _ = made(settings, timeline)
    part = history.folder / history.instances[0].parts[0].name
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert standing_history(history.folder) is None
