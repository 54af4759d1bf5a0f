"""Connections that a process keeps from one piece of work to the next."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server import sessions
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.server.sessions import connected, kept_connections, kept_counts
from platform_assets.storage.warehouse.queries import read_matching, read_table

PID = "SELECT pg_backend_pid()"
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'platform-assets' AND datname = current_database()"


def _pid(url: str) -> int:
    with connected(url) as connection:
        return int(connection.execute(PID).fetchone()[0])


def _open(url: str) -> int:
    with psycopg.connect(url) as connection:
        return int(connection.execute(OURS).fetchone()[0])


def test_one_piece_of_work_after_the_other_uses_one_connection_and_none_stays_behind(database):
    with kept_connections():
        assert len({_pid(database) for _ in range(5)}) == 1
        with kept_connections():
            inner = _pid(database)
        assert _pid(database) == inner, "blocks overlap: only the end of the last one closes"
        assert kept_counts(database) == {"kept": 1, "free": 1, "waiting": 0}
        assert _open(database) == 1
    assert kept_counts(database) == {}
    assert _open(database) == 0
    assert _pid(database) != _pid(database)


def test_work_is_committed_and_failed_work_is_rolled_back_before_the_next_one_comes(database):
    with kept_connections():
        with connected(database) as connection:
            connection.execute("CREATE TABLE t (v int)")
        for _ in range(2):
            with pytest.raises(ZeroDivisionError), connected(database) as connection:
                connection.execute("INSERT INTO t VALUES (1)")
                raise ZeroDivisionError
            with pytest.raises(psycopg.errors.UndefinedTable), connected(database) as connection:
                connection.execute("INSERT INTO t VALUES (2)")
                connection.execute("SELECT * FROM missing")
        with connected(database) as connection:
            connection.execute("SET LOCAL timezone = 'Asia/Tokyo'")
            connection.execute("INSERT INTO t VALUES (3)")
        with connected(database) as connection:
            assert connection.execute("SELECT v FROM t").fetchall() == [(3,)]
            assert connection.execute("SHOW timezone").fetchone() != ("Asia/Tokyo",)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT v FROM t").fetchall() == [(3,)]


def test_a_table_that_changes_its_types_is_read_on(database):
    def cells() -> list[list[tuple[object, ...]]]:
        answers = []
        for opening in (read_table(database, "public", "t", limit=None), read_matching(database, "public", "t", {"v": "3"})):
            with opening as answer:
                answers.append(list(answer.rows))
        return answers

    with kept_connections():
        with connected(database) as connection:
            connection.execute("CREATE TABLE t (v int)")
            connection.execute("INSERT INTO t VALUES (3)")
        for _ in range(12):
            assert cells() == [[(3,)], [(3,)]]
        with psycopg.connect(database) as other:
            other.execute("ALTER TABLE t ALTER v TYPE text")
        assert cells() == [[("3",)], [("3",)]]


def test_a_server_that_was_stopped_is_an_error_at_once_and_one_that_came_back_is_used(embedded: EmbeddedServer):
    url = embedded.ensure_running().url("postgres")
    with kept_connections():
        with connected(url), connected(url):
            pass
        before = _pid(url)
        embedded.stop(force=True)
        with pytest.raises(DatabaseUnavailable):
            _pid(url)
        again = embedded.ensure_running().url("postgres")
        assert again == url, "the port is kept"
        assert _pid(url) != before


@pytest.mark.parametrize("patience", [0.2, 60.0])
def test_with_a_bound_who_comes_when_all_are_at_work_waits(database, monkeypatch, patience):
    monkeypatch.setattr(sessions, "WAIT_SECONDS", patience)
    begun, release = threading.Semaphore(0), threading.Event()

    def hold() -> int:
        with connected(database) as connection:
            begun.release()
            assert release.wait(60)
            return int(connection.execute(PID).fetchone()[0])

    with kept_connections(most=2), ThreadPoolExecutor(3) as pool:
        holding = [pool.submit(hold) for _ in range(2)]
        for _ in holding:
            assert begun.acquire(timeout=60)
        waits = pool.submit(_pid, database)
        if patience < 1:
            assert isinstance(waits.exception(60), DatabaseUnavailable)
        while not waits.done() and not kept_counts(database)["waiting"]:
            time.sleep(0.01)
        release.set()
        held = {one.result() for one in holding}
        assert patience < 1 or waits.result() in held
        assert kept_counts(database) == {"kept": 2, "free": 2, "waiting": 0}
