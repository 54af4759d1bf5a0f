"""What the sensors ask for, on a real catalog and an instance of their own."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from platform_assets.defs.partitions import TABLES, VERSIONS
from platform_assets.defs.platform import Platform
from platform_assets.defs.sensors import active_keys, dump_files, nightly_backup, stale_tables
from platform_assets.operations.requests import MAX_ATTEMPTS
from platform_assets.operations.run_plans import PARTITION, RANGE_END, RANGE_START, run_tags
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.protocol import session_lock, version_subject


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def platform(home: Home, database: str) -> Platform:
    return Platform(Settings(home.root, database_url=database))


def drop(platform: Platform, name: str, text: str = "id\n1\n", *, age: float = 60) -> Path:
    path = platform.home.dumps / "shop" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


def tick(sensor, platform, instance, cursor=None):
    """One evaluation; what the daemon does with the answer: it adds the partitions and stores the events."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"platform": platform}) as context:
        result = sensor(context)
        assert len(context.cursor or "") <= 12, "it is stored with every tick"
    if isinstance(result, dg.SensorResult):
        for event in result.asset_events or ():
            instance.report_runless_asset_event(event)
        for request in result.dynamic_partitions_requests or ():
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return result.skip_reason or result
    return result


def tags_of(result) -> list[dict[str, str]]:
    return [
        {name: value for name, value in request.tags.items() if name in (PARTITION, RANGE_START, RANGE_END)}
        for request in result.run_requests
    ]


def forget_when(database: str) -> None:
    """As if the requests of the last ticks were made long ago."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE catalog.work_requests SET requested_at = requested_at - interval '1 hour'")


def keys(platform: Platform) -> list[str]:
    return [record.version for record in platform.catalog.versions()]


def test_a_few_new_dumps_run_alone(platform, instance):
    for number in range(3):
        drop(platform, f"d{number}.csv", f"id\n{number}\n")
    result = tick(dump_files, platform, instance)
    assert tags_of(result) == [{PARTITION: key} for key in keys(platform)]
    assert list(instance.get_dynamic_partitions("versions")) == keys(platform)


def test_a_posted_batch_that_its_poster_is_loading_is_left_to_it_and_taken_up_when_that_is_gone(platform, instance):
    drop(platform, "api-20240531120000000000-0123456789ab@default")
    tick(dump_files, platform, instance)  # registered now, as whoever posts it registers it
    with connected(platform.catalog.url) as connection:
        connection.execute("DELETE FROM catalog.work_requests")
    (key,) = keys(platform)
    with session_lock(platform.catalog.url, version_subject(key)):
        assert isinstance(tick(dump_files, platform, instance), dg.SkipReason)
    assert tags_of(tick(dump_files, platform, instance)) == [{PARTITION: key}]


def test_many_new_dumps_run_in_batches_of_25(platform, instance):
    for number in range(60):
        drop(platform, f"d{number:02}.csv", f"id\n{number}\n")
    result = tick(dump_files, platform, instance)
    known = list(instance.get_dynamic_partitions("versions"))
    assert tags_of(result) == [run_tags(known[start : start + 25]) for start in (0, 25, 50)]
    assert len({request.run_key for request in result.run_requests}) == 3


def test_nothing_new_is_said_with_the_number_known(platform, instance):
    drop(platform, "a.csv")
    tick(dump_files, platform, instance)
    platform.catalog.set_state(keys(platform)[0], "published")
    skip = tick(dump_files, platform, instance)
    assert isinstance(skip, dg.SkipReason)
    assert skip.skip_message == "1 dumps known, nothing new"


def test_a_dump_that_is_growing_waits(platform, instance):
    drop(platform, "a.csv", age=0)
    skip = tick(dump_files, platform, instance)
    assert "1 still growing" in skip.skip_message
    assert keys(platform) == []


def test_a_dump_that_cannot_be_taken_is_said_and_the_others_go_on(platform, instance):
    drop(platform, "good.csv")
    (platform.home.dumps / "stray.csv").write_text("id\n1\n")
    os.utime(platform.home.dumps / "stray.csv", (1, 1))
    result = tick(dump_files, platform, instance)
    assert len(tags_of(result)) == 1
    platform.catalog.set_state(keys(platform)[0], "published")
    assert "stray.csv" in tick(dump_files, platform, instance).skip_message


def test_what_does_not_get_done_is_asked_for_three_times_and_then_given_up(platform, instance, database):
    """A run key is new for every attempt: Dagster skips one that it has seen, whatever became of its run."""
    drop(platform, "a.csv")
    seen = []
    for _ in range(MAX_ATTEMPTS):
        seen += [request.run_key for request in tick(dump_files, platform, instance).run_requests]
        assert isinstance(tick(dump_files, platform, instance), dg.SkipReason), "just asked for"
        forget_when(database)
    assert len(set(seen)) == MAX_ATTEMPTS == 3
    assert "given up" in tick(dump_files, platform, instance).skip_message


def test_after_a_success_attempts_count_anew(platform, instance, database):
    """Materialized by hand three times, a version would else never be taken up again when a run of it is lost."""
    drop(platform, "a.csv")
    for _ in range(MAX_ATTEMPTS):
        tick(dump_files, platform, instance)
        forget_when(database)
    (key,) = keys(platform)
    platform.catalog.set_state(key, "published")
    platform.catalog.set_state(key, "running")
    assert tags_of(tick(dump_files, platform, instance)) == [{PARTITION: key}]


def test_new_content_under_the_name_of_one_given_up_starts_anew(platform, instance, database):
    drop(platform, "a.csv")
    for _ in range(MAX_ATTEMPTS):
        tick(dump_files, platform, instance)
        forget_when(database)
    drop(platform, "a.csv", "id\n1\n2\n", age=30)
    result = tick(dump_files, platform, instance)
    assert tags_of(result) == [{PARTITION: keys(platform)[-1]}]


@pytest.mark.parametrize("state", ["running", "parsed"])
def test_a_version_whose_run_is_over_without_publishing_it_is_asked_for_again(state, platform, instance, database):
    drop(platform, "a.csv")
    tick(dump_files, platform, instance)
    (key,) = keys(platform)
    platform.catalog.set_state(key, state)
    forget_when(database)
    assert tags_of(tick(dump_files, platform, instance)) == [{PARTITION: key}]


@pytest.mark.parametrize("state", ["failed", "published"])
def test_a_version_that_failed_or_is_published_is_not_asked_for_again(state, platform, instance, database):
    drop(platform, "a.csv")
    tick(dump_files, platform, instance)
    platform.catalog.set_state(keys(platform)[0], state)
    forget_when(database)
    assert isinstance(tick(dump_files, platform, instance), dg.SkipReason)


@dg.job
def any_job():
    pass


def queue(instance, tags) -> None:
    instance.create_run_for_job(any_job, tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)


def test_a_version_that_a_queued_run_covers_is_not_asked_for_again(platform, instance, database):
    for number in range(5):
        drop(platform, f"d{number}.csv", f"id\n{number}\n")
    tick(dump_files, platform, instance)
    forget_when(database)
    known = list(instance.get_dynamic_partitions("versions"))
    queue(instance, {RANGE_START: known[0], RANGE_END: known[2]})
    queue(instance, {PARTITION: known[3]})
    assert active_keys(instance, VERSIONS) == set(known[:4])
    assert tags_of(tick(dump_files, platform, instance)) == [{PARTITION: known[4]}]


def stale(platform: Platform, *tables: str) -> None:
    platform.catalog  # noqa: B018  (makes its schema)
    with psycopg.connect(platform.settings.database_url) as connection:
        for table in tables:
            connection.execute(
                """INSERT INTO catalog.tables (source, table_name, table_key, changed_load_id, versions) VALUES ('shop', %s, %s, 1, 1)
                   ON CONFLICT (source, table_name) DO UPDATE SET changed_load_id = catalog.tables.changed_load_id + 1""",
                (table, f"shop.{table}"),
            )


def test_exactly_the_stale_tables_are_refreshed(platform, instance):
    stale(platform, "a", "b")
    result = tick(stale_tables, platform, instance)
    assert tags_of(result) == [{PARTITION: "shop.a"}, {PARTITION: "shop.b"}]
    assert isinstance(tick(stale_tables, platform, instance), dg.SkipReason)
    stale(platform, "b")
    assert tags_of(tick(stale_tables, platform, instance)) == [{PARTITION: "shop.b"}], "a newer change is a new request"


def test_tables_wait_until_the_versions_are_through(platform, instance):
    stale(platform, "a")
    instance.add_dynamic_partitions(VERSIONS.name, ["v"])
    queue(instance, {PARTITION: "v"})
    assert "when 1 versions are through" in tick(stale_tables, platform, instance).skip_message


def test_a_table_as_new_as_its_versions_is_left_alone(platform, instance):
    assert "as new as" in tick(stale_tables, platform, instance).skip_message


def night(platform, instance):
    at = datetime(2024, 1, 1, 2, tzinfo=UTC)
    with dg.build_schedule_context(instance=instance, resources={"platform": platform}, scheduled_execution_time=at) as context:
        return nightly_backup(platform.settings).evaluate_tick(context)


def test_every_table_is_backed_up_at_night(platform, tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert night(platform, instance).skip_message == "there is no table yet"
        stale(platform, *"abcdefgh")
        with connected(platform.catalog.url) as connection:
            connection.execute("UPDATE catalog.tables SET relation = table_name WHERE table_name <> 'g'")
        instance.add_dynamic_partitions(TABLES.name, [f"shop.{name}" for name in "abcdefgh"])
        *requests, last = night(platform, instance).run_requests
    assert last.tags[PARTITION] == "shop.h", "a table that is not published yet is left out"
    assert [request.tags[RANGE_START] for request in requests] == ["shop.a"]
    assert [request.tags[RANGE_END] for request in requests] == ["shop.f"]
