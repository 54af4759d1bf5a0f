"""The write protocol under two claimers, dead processes and a dying server: the old state or the new, never a mixture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from shared_database import clear, temporary_database

from platform_assets.errors import Conflict, DatabaseUnavailable, FencedOut
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.database import engine
from platform_assets.storage.server.embedded import ServerAddress
from platform_assets.storage.server.sessions import connected, lock_number
from platform_assets.storage.warehouse import protocol

SUBJECT = "version:lms.v1.00000000"


@pytest.fixture(scope="module")
def shared(server: ServerAddress) -> Iterator[str]:
    with temporary_database(server) as url:
        Catalog(url).ensure()
        yield url


@pytest.fixture
def warehouse(shared: str) -> Iterator[str]:
    with psycopg.connect(shared) as connection:
        connection.execute("CREATE TABLE public.work (value text)")
    yield shared
    clear(shared)


def values(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [value for (value,) in connection.execute("SELECT value FROM public.work ORDER BY value").fetchall()]


def wait_until(condition: Any, *, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def free(url: str) -> bool:
    """Whether the subject's advisory lock can be had."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock_number(SUBJECT),)).fetchone()
        return bool(row and row[0])


def publish(url: str, value: str, run: str) -> None:
    with protocol.publication(url, protocol.claim(url, SUBJECT, run)) as tx:
        tx.connection.execute("INSERT INTO public.work VALUES (%s)", (value,))


def test_a_publication_is_there_with_its_log_row_and_not_before_its_end(warehouse: str) -> None:
    claim = protocol.claim(warehouse, SUBJECT, "run-1")
    with protocol.publication(warehouse, claim, locks=["table:lms.users"]) as tx:
        tx.connection.execute("INSERT INTO public.work VALUES ('new')")
        number = tx.log("load", source="lms", table_name="users", version="lms.v1.00000000", rows=1, size=3, details={"why": "test"})
        assert values(warehouse) == []
    assert values(warehouse) == ["new"]
    logged = Catalog(warehouse).log()[0]
    assert (logged.id, logged.operation, logged.subject, logged.rows, logged.bytes) == (number, "load", SUBJECT, 1, 3)
    assert (logged.epoch, logged.run_id, logged.outcome, logged.details) == (1, "run-1", "published", {"why": "test"})


def test_a_publication_that_logs_nothing_is_logged_all_the_same(warehouse: str) -> None:
    publish(warehouse, "a", "run-1")
    assert [record.operation for record in Catalog(warehouse).log()] == ["publish"]


def test_an_engine_serves_as_well_as_a_url(warehouse: str) -> None:
    opened = engine(warehouse)
    try:
        with protocol.publication(opened, protocol.claim(opened, SUBJECT, "run")) as tx:
            tx.connection.execute("INSERT INTO public.work VALUES ('a')")
    finally:
        opened.dispose()
    assert values(warehouse) == ["a"]


def test_each_claim_has_the_next_epoch_also_when_many_claim_at_once(warehouse: str) -> None:
    epochs: list[int] = []
    threads = [threading.Thread(target=lambda: epochs.append(protocol.claim(warehouse, SUBJECT, "r").epoch)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == list(range(1, 9))


def test_the_older_of_two_claimers_is_fenced_out_after_all_its_work_and_nothing_of_it_is_seen(warehouse: str) -> None:
    """kill -9 of a run worker leaves its step process alive, and the retry runs beside it (PITFALLS 9)."""
    older = protocol.claim(warehouse, SUBJECT, "old-run")
    told = r"old-run \(epoch 1\) may no longer publish, run new-run claimed it again \(epoch 2\)"
    with pytest.raises(FencedOut, match=told), protocol.publication(warehouse, older) as tx:
        tx.connection.execute("INSERT INTO public.work VALUES ('old')")
        tx.log("load")
        protocol.claim(warehouse, SUBJECT, "new-run")
    assert values(warehouse) == []
    assert Catalog(warehouse).log() == []


def test_a_claim_that_is_already_outdated_does_not_even_begin(warehouse: str) -> None:
    older = protocol.claim(warehouse, SUBJECT, "old")
    protocol.claim(warehouse, SUBJECT, "new")
    with pytest.raises(FencedOut), protocol.publication(warehouse, older):
        pytest.fail("the block ran")


def test_a_newer_claim_waits_while_the_older_one_commits(warehouse: str) -> None:
    """Otherwise a claim could come between the look at the fence and the COMMIT."""
    older = protocol.claim(warehouse, SUBJECT, "old")
    newer: list[protocol.Claim] = []
    seen: list[list[str]] = []

    def take() -> None:
        newer.append(protocol.claim(warehouse, SUBJECT, "new"))
        seen.append(values(warehouse))

    with psycopg.connect(warehouse) as connection:
        connection.execute("INSERT INTO public.work VALUES ('old')")
        protocol._check_fence(connection, older, hold=True)
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.2)
        assert not newer
    thread.join(60)
    assert newer[0].epoch == 2
    assert seen == [["old"]]


def test_the_newer_run_waits_for_the_older_one_to_give_up_and_then_publishes(warehouse: str) -> None:
    older = protocol.claim(warehouse, SUBJECT, "old")
    newer = protocol.claim(warehouse, "placeholder", "new")
    entered = threading.Event()

    def take_over() -> None:
        with protocol.publication(warehouse, newer) as tx:
            entered.set()
            tx.connection.execute("INSERT INTO public.work VALUES ('new')")

    thread = threading.Thread(target=take_over)
    with pytest.raises(FencedOut), protocol.publication(warehouse, older) as tx:
        tx.connection.execute("INSERT INTO public.work VALUES ('old')")
        newer = protocol.claim(warehouse, SUBJECT, "new")
        thread.start()
        assert not entered.wait(0.2)
    thread.join(60)
    assert values(warehouse) == ["new"]


def test_locks_are_taken_in_one_order_so_that_two_publications_cannot_deadlock(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr(protocol, "lock_number", lambda name: taken.append(name) or lock_number(name))
    for locks in (["a", "z", "k"], ["z", "k", "a", "a"]):
        with protocol.publication(warehouse, protocol.claim(warehouse, SUBJECT, "r"), locks=locks):
            assert taken == ["a", "k", SUBJECT, "z"]
        taken.clear()


def test_an_error_in_the_block_passes_through_and_leaves_nothing(warehouse: str) -> None:
    with pytest.raises(ZeroDivisionError), protocol.publication(warehouse, protocol.claim(warehouse, SUBJECT, "r")) as tx:
        tx.connection.execute("INSERT INTO public.work VALUES ('half')")
        _ = 1 / 0
    assert values(warehouse) == []
    assert free(warehouse)


KILLED = """
import sys, time
from platform_assets.storage.warehouse import protocol
claim = protocol.claim(sys.argv[1], sys.argv[2], "doomed")
with protocol.publication(sys.argv[1], claim) as tx:
    tx.connection.execute("INSERT INTO public.work VALUES ('half')")
    print("working", flush=True)
    {work}
"""


@pytest.mark.parametrize("work", ["time.sleep(60)", "tx.connection.execute('SELECT pg_sleep(60)')"], ids=["in Python", "in a statement"])
def test_kill_9_in_the_middle_leaves_the_old_state_and_the_lock_free(warehouse: str, work: str) -> None:
    publish(warehouse, "before", "first")
    process = subprocess.Popen([sys.executable, "-c", KILLED.format(work=work), warehouse, SUBJECT], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        assert not free(warehouse)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    wait_until(lambda: free(warehouse))
    assert values(warehouse) == ["before"]
    publish(warehouse, "retried", "second")
    assert values(warehouse) == ["before", "retried"]


def terminate(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_a_connection_that_is_cut_is_a_clear_error_and_the_retry_works(warehouse: str) -> None:
    claim = protocol.claim(warehouse, SUBJECT, "r")
    with pytest.raises(DatabaseUnavailable, match=r"the old state stands; run it again"), protocol.publication(warehouse, claim) as tx:
        tx.connection.execute("INSERT INTO public.work VALUES ('half')")
        terminate(warehouse, tx.connection.info.backend_pid)
        tx.connection.execute("INSERT INTO public.work VALUES ('more')")
    assert values(warehouse) == []
    publish(warehouse, "whole", "again")
    assert values(warehouse) == ["whole"]


class _LossyCommit:
    """A connection whose COMMIT goes wrong on the way: before the server has it, or with its answer lost after it."""

    def __init__(self, connection: Any, url: str, *, arrives: bool) -> None:
        self._connection, self._url, self._arrives = connection, url, arrives

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        pid = self._connection.info.backend_pid
        if self._arrives:
            self._connection.commit()
        terminate(self._url, pid)
        self._connection.execute("SELECT 1")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_acknowledgement_is_told_from_a_lost_commit(warehouse: str, monkeypatch: pytest.MonkeyPatch, arrives: bool) -> None:
    """1 of 200 cuts hit between COMMIT and its answer (PITFALLS 24)."""
    claim = protocol.claim(warehouse, SUBJECT, "r")
    opened = protocol.open_connection
    monkeypatch.setattr(protocol, "open_connection", lambda url: _LossyCommit(opened(url), warehouse, arrives=arrives))

    def run() -> None:
        with protocol.publication(warehouse, claim) as tx:
            tx.connection.execute("INSERT INTO public.work VALUES ('once')")

    if arrives:
        run()
    else:
        with pytest.raises(DatabaseUnavailable, match=r"The COMMIT .* did not happen"):
            run()
    assert values(warehouse) == (["once"] if arrives else [])


def test_a_server_that_is_not_there_is_a_clear_error_without_the_password() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        protocol.claim("postgresql://platform:hunter2@127.0.0.1:1/warehouse", SUBJECT, "r")
    assert "hunter2" not in str(caught.value)


def test_a_session_lock_keeps_a_second_run_off_and_goes_with_its_holder(warehouse: str) -> None:
    assert not protocol.held(warehouse, SUBJECT)
    with protocol.session_lock(warehouse, SUBJECT):
        assert protocol.held(warehouse, SUBJECT)
        assert not protocol.held(warehouse, "another")
        for wait in (0, 0.1):
            with pytest.raises(Conflict, match="another run"), protocol.session_lock(warehouse, SUBJECT, wait_seconds=wait):
                pytest.fail("two hold it")
        publish(warehouse, "a", "the holder publishes what it holds")
    assert not protocol.held(warehouse, SUBJECT)
    assert values(warehouse) == ["a"]


def test_a_session_lock_is_had_as_soon_as_it_is_free(warehouse: str) -> None:
    release = threading.Event()
    taken = threading.Event()

    def hold() -> None:
        with protocol.session_lock(warehouse, SUBJECT):
            taken.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(60)
    threading.Timer(0.2, release.set).start()
    with protocol.session_lock(warehouse, SUBJECT, wait_seconds=60):
        assert release.is_set()
    thread.join(60)


def test_lock_numbers_are_stable_and_fit_the_server(warehouse: str) -> None:
    assert lock_number("table:lms.users") == 2099533285219294741
    with connected(warehouse) as connection:
        for name in ("", "a", "é\0", "\udcff"):
            assert connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock_number(name),)).fetchone() == (True,)
