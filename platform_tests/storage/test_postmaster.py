"""Whose process is it that stands in postmaster.pid?"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from server_processes import query

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.server.postmaster import find_postmaster


def test_a_foreign_process_in_a_stale_pid_file_is_not_harmed(embedded: EmbeddedServer) -> None:
    """The wheel's own supervisor kills whatever process has the pid of a stale postmaster.pid."""
    embedded.ensure_running()
    embedded.stop()
    folder = embedded.folder
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        pid_file = folder.data / "postmaster.pid"
        pid_file.write_text(f"{innocent.pid}\n{folder.data}\n{int(time.time())}\n20001\n{folder.socket}\n127.0.0.1\n 1 1\nready   \n")
        lock = folder.socket / ".s.PGSQL.20001.lock"
        lock.write_text(f"{innocent.pid}\n")
        embedded.ensure_running()
        embedded.stop()
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_a_server_that_somebody_else_started_on_the_data_is_neither_killed_nor_doubled(embedded: EmbeddedServer, tmp_path: Path) -> None:
    """A process that looks like ours in all but its start: an error, since killing it and starting beside it are both wrong."""
    embedded.ensure_running()
    data = embedded.folder.data
    pid_file = data / "postmaster.pid"
    text = pid_file.read_text()
    pid_file.write_text(text.replace(text.splitlines()[2], "1000000000"))
    with pytest.raises(DatabaseUnavailable, match=r"did not start when .*postmaster.pid says"):
        find_postmaster(data, None)
    assert pid_file.exists() and embedded.status().running
    pid_file.write_text(text)


def test_an_empty_pid_file_after_a_power_cut_is_no_obstacle(embedded: EmbeddedServer) -> None:
    embedded.ensure_running()
    embedded.stop()
    (embedded.folder.data / "postmaster.pid").write_text("")
    assert query(embedded.ensure_running().url("postgres"), "SELECT 1") == 1
