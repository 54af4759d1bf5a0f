"""Dagster's storage on the platform's server: few statements, and none that fails after the server ended an idle connection."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy
from dagster import DagsterInstance

from platform_assets.defs.instance_storage import PlatformInstanceStorage
from platform_assets.storage.server import database


@pytest.fixture
def storage(platform_database: str, home) -> Iterator[PlatformInstanceStorage]:
    with DagsterInstance.ephemeral() as instance:
        made = PlatformInstanceStorage.from_config_value(None, {"home": str(home.root)})
        made.register_instance(instance)
        yield made
        for part in (made.run_storage, made.event_log_storage, made.schedule_storage):
            part.dispose()


def _end_connections(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() || '_dagster'"
        ).fetchall()
    assert all(ended for (ended,) in found)
    return len(found)


@pytest.mark.parametrize("trusted", [-1.0, 1e9])
def test_a_connection_that_was_idle_is_tried_before_it_is_used(storage, platform_database, monkeypatch, trusted):
    monkeypatch.setattr(database, "TRUSTED", trusted)
    assert storage.run_storage.get_runs() == []
    assert _end_connections(platform_database) >= 1
    if trusted < 0:
        assert storage.run_storage.get_runs() == []
        return
    with pytest.raises(sqlalchemy.exc.OperationalError):  # what is used again at once is not tried: this is the price
        storage.run_storage.get_runs()
    assert storage.run_storage.get_runs() == [], "the broken one was thrown away"


def test_whether_a_table_is_there_is_asked_until_it_is(storage):
    log, asked = storage.event_log_storage, []
    sqlalchemy.event.listen(log._engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert not log.has_table("later")
    with log.index_connection() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE later (v int)"))
    assert log.has_table("later")
    asked.clear()
    assert log.has_table("later")
    assert log.supports_asset_checks
    log.has_dynamic_partition("versions", "none")
    first = len(asked)
    for _ in range(5):
        assert log.has_table("later") and log.supports_asset_checks
        assert not log.has_dynamic_partition("versions", "none")
    assert len(asked) == first + 5, "one statement each: the partition's own"


def test_what_is_stored_is_read_again(storage):
    storage.event_log_storage.add_dynamic_partitions("versions", ["a", "b"])
    assert storage.event_log_storage.get_dynamic_partitions("versions") == ["a", "b"]
