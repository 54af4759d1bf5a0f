"""Up, as its user meets it: one home is brought up once, and everything that may happen to it happens to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from servers.up import Up, answers, eventually, fresh_place, query, run, working_on

from platform_assets.errors import Conflict
from platform_assets.operations.serve import ServiceFolder, ServiceState, end_leftovers, free_port, stop_service
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

CSV = "id,name\n1,one\n2,two\n"


@pytest.fixture
def place() -> Iterator[Path]:
    with fresh_place() as home:
        yield home


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"no port can be opened on the loopback address here: {error}")
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.long
def test_up_serves_supervises_loads_what_is_dropped_and_leaves_nothing(place, taken_port):
    """One test, since each start costs seconds: what it goes through is in its lines."""
    up = Up(place, taken_port)
    assert f"port {taken_port} is taken" in up.said()
    loopback = {c.laddr.ip for p in working_on(place) for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert loopback <= {"127.0.0.1", "::1"}

    assert json.loads(run(place, "status", "--json").stdout)["up"] is True
    second = run(place, "up")
    assert (second.returncode, up.address in second.stderr) == (2, True), (
        "a second one on the same home is refused and told where the first is"
    )

    _drop(place, "first.csv", CSV)
    url = run(place, "url").stdout.strip()
    rows = eventually(lambda: _rows(url), 180)
    assert rows == [(2,)], "the dump is in the warehouse without further action"

    _drop(place, "second.csv", CSV + "3,three\n")
    beside = run(place, "ingest")
    assert beside.returncode == 0, beside.stdout + beside.stderr
    loads = query(url, "SELECT version, count(*) FROM catalog.import_log WHERE operation = 'version' GROUP BY 1")
    versions = query(url, "SELECT version, state FROM catalog.versions")
    assert {state for _, state in versions} == {"published"}, versions
    assert query(url, "SELECT count(*) FROM shop_versions.second") == [(3,)], loads

    served = up.child("serve")
    assert served and answers(up.service, "/readyz")
    assert json.loads(run(place, "status", "--json").stdout)["service"] == up.service
    served.kill()
    eventually(lambda: up.child("serve") not in (None, served) and answers(up.service, "/readyz"), 180)
    assert answers(up.address), "the death of one leaves the other alone"

    old = up.child("dev")
    before = set(working_on(place))
    assert old
    old.kill()
    eventually(lambda: up.child("dev") not in (None, old) and answers(up.address), 180)
    assert "starting it again" in up.said()
    workers = {p for p in before if p.is_running() and "dagster" in " ".join(p.cmdline())} - {psutil.Process(up.process.pid)}
    assert workers == set(), "the killed one's web server and daemon do not go on beside the new ones"

    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(timeout=120) == 0, up.said()
    assert working_on(place) == []
    assert not (place / "store" / "service" / "up.lock").exists()
    assert not (place / "store" / "service" / "up.json").exists()
    assert run(place, "status").returncode == 1


def _rows(url: str) -> list[tuple[Any, ...]]:
    try:
        return query(url, "SELECT count(*) FROM shop.first")
    except psycopg.errors.UndefinedTable:
        return []


def _drop(home: Path, name: str, text: str) -> None:
    (home / "dumps" / "shop" / name).write_text(text)


@pytest.mark.long
def test_after_the_death_of_everything_up_closes_the_lost_run_and_loads_its_version(place, taken_port):
    """A power cut in the middle of a run: Dagster by itself leaves the run STARTED for ever, and its version is never loaded."""
    lines = "\n".join(f"{number},name {number},{number * 7},2024-01-01" for number in range(600_000))
    up = Up(place, taken_port)
    _drop(place, "big.csv", f"id,name,amount,day\n{lines}\n")
    url = run(place, "url").stdout.strip()
    eventually(lambda: _states(url) == ["running"], 180)
    up.kill()

    server = EmbeddedServer(Home(place))
    server.stop(force=True)
    up = Up(place, taken_port)
    url = run(place, "url").stdout.strip()
    records = url.replace("/warehouse?", "/dagster?")
    eventually(lambda: query(records, "SELECT status FROM runs ORDER BY id LIMIT 1 OFFSET 0") == [("FAILURE",)], 180)
    eventually(lambda: _states(url) == ["published"], 180)
    assert query(records, "SELECT count(*) FROM concurrency_slots WHERE run_id IN (SELECT run_id FROM runs WHERE status = 'FAILURE')") == [
        (0,)
    ]
    assert run(place, "down").returncode == 0
    assert up.process.wait(timeout=120) == 0, up.said()
    assert working_on(place) == []


def _states(url: str) -> list[str]:
    return [state for (state,) in query(url, "SELECT state FROM catalog.versions")]


def test_a_port_that_is_free_is_taken_as_wished_and_one_that_is_not_is_replaced(taken_port):
    assert free_port(taken_port) != taken_port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        wished = probe.getsockname()[1]
    assert free_port(wished) == wished


def test_a_home_can_be_up_once_only(tmp_path):
    folder = ServiceFolder(tmp_path)
    lock = folder.lock()
    with pytest.raises(Conflict, match="platform-assets down"):
        folder.lock()
    lock.close()
    folder.lock().close()


STALE = [
    ("not JSON", "{"),
    ("another program's file", '{"some": "thing"}'),
    ("a process that is gone", json.dumps({"pid": 2**22 - 7, "started": 1.0, "ui": "x"})),
    ("another process of that number", json.dumps({"pid": os.getpid(), "started": 1.0, "ui": "x"})),
]


@pytest.mark.parametrize("text", [text for _, text in STALE], ids=[name for name, _ in STALE])
def test_a_state_file_that_says_nothing_true_counts_as_not_up(text, tmp_path):
    folder = ServiceFolder(tmp_path)
    folder.folder.mkdir()
    folder.state_file.write_text(text)
    assert folder.read() is None
    assert stop_service(tmp_path, str(tmp_path)) is False


@pytest.fixture
def sleeper(tmp_path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a session and works on tmp_path, like the Dagster processes of a home."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True, env=os.environ | {"PLATFORM_HOME": str(tmp_path)}
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(("home", "ended"), [("mine", True), ("another", False)])
def test_what_a_killed_up_left_behind_is_ended_and_nothing_of_another_home(home, ended, sleeper, tmp_path):
    folder = ServiceFolder(tmp_path)
    folder.folder.mkdir()
    folder.state_file.write_text(json.dumps(ServiceState(2**22 - 7, 1.0, "x", sleeper.pid).__dict__))
    eventually(lambda: psutil.Process(sleeper.pid).environ().get("PLATFORM_HOME"), 5)
    assert end_leftovers(folder, str(tmp_path) if home == "mine" else "/elsewhere") is ended
    assert (sleeper.poll() is not None) is ended
