"""The supervisor for real: processes are killed, and what should live lives and what should not is gone."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable

import psycopg
import pytest
from server_processes import User, assert_gone, home_of, processes_on, query, spoiled

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.server.folder import wait_until
from platform_assets.storage.server.postmaster import process_mark


def test_a_killed_user_leaves_nothing_behind(embedded: EmbeddedServer, users: Callable[..., User]) -> None:
    user = users(home_of(embedded))
    user.url()
    user.kill()
    assert_gone(embedded.folder.root)


def test_a_server_whose_supervisor_was_killed_is_adopted(embedded: EmbeddedServer) -> None:
    address = embedded.ensure_running()
    before = embedded.status()
    assert before.supervisor
    with psycopg.connect(address.url("postgres")) as connection:
        os.kill(before.supervisor, signal.SIGKILL)
        assert wait_until(lambda: embedded.status().supervisor is None, 60)
        assert embedded.ensure_running() == address
        after = embedded.status()
        assert after.pid == before.pid and after.supervisor != before.supervisor
        assert connection.execute("SELECT 1").fetchone() == (1,)
    embedded.release()
    assert_gone(embedded.folder.root)


def test_a_killed_server_is_started_again_with_its_data(embedded: EmbeddedServer) -> None:
    """One of its processes is in the middle of a long query: left alone it would block the restart."""
    address = embedded.ensure_running()
    query(address.url("postgres"), "CREATE TABLE answers AS SELECT 42 AS answer")
    busy = psycopg.connect(address.url("postgres"))
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000) a")
    old = embedded.status().pid or 0
    os.kill(old, signal.SIGKILL)
    assert wait_until(lambda: process_mark(old) == "", 60)
    assert wait_until(lambda: embedded.status().running and embedded.status().pid != old, 60)
    again = embedded.ensure_running()
    assert again.port == address.port
    assert query(again.url("postgres"), "SELECT answer FROM answers") == 42
    busy.close()


def test_a_start_after_a_crash_recovers_what_was_committed(embedded: EmbeddedServer) -> None:
    address = embedded.ensure_running()
    query(address.url("postgres"), "CREATE TABLE numbers AS SELECT g AS x FROM generate_series(1, 50000) g")
    query(address.url("postgres"), "UPDATE numbers SET x = x + 1")
    status = embedded.status()
    os.kill(status.supervisor or 0, signal.SIGKILL)
    os.kill(status.pid or 0, signal.SIGKILL)
    assert wait_until(lambda: process_mark(status.pid or 0) == "", 60)
    again = embedded.ensure_running()
    assert query(again.url("postgres"), "SELECT sum(x) FROM numbers") == 50000 * 50001 // 2 + 50000


def test_a_terminals_signals_do_not_reach_the_server_and_sigterm_stops_it_cleanly(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    status = embedded.status()
    assert os.getsid(status.supervisor or 0) != os.getsid(0)
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(status.supervisor or 0, number)
    time.sleep(0.5)
    assert embedded.status() == status
    os.kill(status.supervisor or 0, signal.SIGTERM)
    assert_gone(embedded.folder.root)
    log = "".join(path.read_text() for path in embedded.folder.log.iterdir())
    assert "database system is shut down" in log
    assert query(embedded.ensure_running().url("postgres"), "SELECT 1") == 1


def test_a_removed_home_takes_its_server_with_it(fresh: EmbeddedServer) -> None:
    fresh.ensure_running()
    root = fresh.folder.root

    def removed() -> bool:
        """Like `rm -rf` typed again: the server still removes files of its own at the same time."""
        shutil.rmtree(root.parent.parent, ignore_errors=True)
        return not root.exists()

    assert wait_until(removed, 60)
    assert wait_until(lambda: not processes_on(root), 60, pause=0.1), processes_on(root)
    assert not root.exists()
    assert query(fresh.ensure_running().url("postgres"), "SELECT 1") == 1


def test_the_reason_of_a_failed_start_reaches_the_user_and_the_next_start_is_a_new_one(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    embedded.stop()
    with spoiled(embedded.folder.data / "PG_VERSION", "13\n"):
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="is of PostgreSQL 13; the installed programs are of"):
                embedded.ensure_running()
        assert embedded.status().state == "failed" and "PostgreSQL 13" in embedded.status().message
    assert query(embedded.ensure_running().url("postgres"), "SELECT 1") == 1


def test_a_server_that_cannot_start_is_given_up_with_its_last_words(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    embedded.stop()
    with spoiled(embedded.folder.data / "postgresql.conf", "no_such_setting = 1\n"):
        with pytest.raises(DatabaseUnavailable, match="no_such_setting"):
            embedded.ensure_running()
        assert processes_on(embedded.folder.root) == []
