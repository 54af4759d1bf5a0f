"""States of the past: at every version and time, under the schema of that day."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT32, INT64, STRING
from platform_assets.errors import PlatformError
from platform_assets.operations.as_of import moment_of, schema_then, timeline_at
from platform_assets.operations.latest import merged
from platform_assets.operations.timeline import Timeline
from platform_assets.settings import Settings
from platform_tests.operations.timelines import FIRST_DAY, snapshot_of, version_of

OLD = Table("t", (Column("id", INT32), Column("gone", STRING)), key=("id",))
NEW = Table("t", (Column("id", INT64), Column("note", STRING)), key=("id",))


@pytest.fixture
def timeline(tmp_path) -> Timeline:
    rows = [(OLD, [(1, "a"), (2, "b"), (3, "c")]), (OLD, [(1, "a"), (2, "B")]), (NEW, [(2, "x"), (4, "y")])]
    versions = [
        version_of(snapshot_of(tmp_path, table, f"s.{instance}{n}.00000000", cells, instance=instance), n, full=True)
        for instance in ("eu", "us")
        for n, (table, cells) in enumerate(rows)
    ]
    return Timeline("s", "t", tuple(versions))


def state(tmp_path, timeline, at):
    then = timeline_at(timeline, at)
    settings = Settings(tmp_path, sources={"s": SourceSettings("s", dumps="full", delete_guard=0.9)})
    return merged(settings, then, tmp_path / "store" / "work" / "then", under=schema_then)


def rows_of(found, *names):
    return [tuple(row[name] for name in names) for batch in found.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("instance", ["eu", "us"])
def test_the_state_at_a_full_version_is_its_snapshot_under_its_schema(tmp_path, timeline, instance, place):
    version = timeline.instances[instance][place]
    for at in (version.version, f"{instance}{place}"):
        found = state(tmp_path, timeline, at)
        assert found.table.columns == version.table.columns
        names = version.table.column_names
        assert rows_of(found, *names) == [tuple(row.values()) for batch in version.batches(names) for row in batch.to_pylist()]
        found.discard()


def test_a_time_speaks_for_all_instances_and_a_day_means_its_end(tmp_path, timeline):
    day = (FIRST_DAY + timedelta(days=1)).date().isoformat()
    found = state(tmp_path, timeline, day)
    assert rows_of(found, "_instance", "id", "gone") == [("eu", 1, "a"), ("eu", 2, "B"), ("us", 1, "a"), ("us", 2, "B")]
    assert state(tmp_path, timeline, FIRST_DAY + timedelta(hours=36)).versions == found.versions


def test_what_stands_before_in_the_order_was_there_before_also_without_a_time(tmp_path, timeline):
    versions = list(timeline.instances["eu"])
    object.__setattr__(versions[1].place, "moment", None)
    then = timeline_at(timeline.narrowed(versions), FIRST_DAY + timedelta(days=2))
    assert [version.place.place for version in then.versions] == [0, 1, 2]
    assert [v.place.place for v in timeline_at(timeline.narrowed(versions), FIRST_DAY + timedelta(days=1)).versions] == [0]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("eu9", "no version 'eu9', and that is no time"),
        ("2020-01-01", "the first came at 2024-01-01"),
        ("s.us0.00000000x", "no version"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(timeline, at, said):
    with pytest.raises(PlatformError, match=said):
        timeline_at(timeline, at)


def test_a_label_that_two_versions_bear_names_both(tmp_path):
    twins = [version_of(snapshot_of(tmp_path, OLD, f"s.a.{n}", [(n, "x")]), n) for n in range(2)]
    with pytest.raises(PlatformError, match=r"2 versions bear the label 'a'.*s\.a\.0, s\.a\.1"):
        timeline_at(Timeline("s", "t", tuple(twins)), "a")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-31", datetime(2024, 5, 31, 23, 59, 59, 999999)),
        ("2024-05-31T12:00:00+02:00", datetime(2024, 5, 31, 10)),
        ("2024-05-31 12:00", datetime(2024, 5, 31, 12)),
        ("eu_2024-05", None),
    ],
)
def test_a_time_is_read_as_iso_8601(text, moment):
    assert moment_of(text) == moment
