"""The service on a real socket: several clients at once, slow and broken ones, the command that runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest
import uvicorn

from platform_assets.api import batches
from platform_assets.api.app import application
from platform_assets.api.limits import Limits
from platform_assets.api.service import Service
from platform_assets.operations.api_keys import create_key
from platform_assets.operations.serve import free_port


@pytest.fixture
def port(settings, catalog) -> Iterator[int]:
    """A service in a thread, with little patience."""
    app = application(settings, limits=Limits(silent_seconds=0.5))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def ask(port: int, path: str, token: str = "", body: object = None) -> tuple[int, dict]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def raw(port: int, data: bytes) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=60)
    opened.sendall(data)
    return opened


def test_clients_at_once_lose_no_row(port, catalog):
    token = create_key(catalog, "test", ["admin"])[1]

    def work(client: int) -> list[int]:
        rows = [[{"id": 100 * client + 10 * batch + n, "name": "x"} for n in range(5)] + [{"id": None}] for batch in range(2)]
        return [ask(port, "/v1/tables/shop.items/rows", token, body)[0] for body in rows]

    with ThreadPoolExecutor(4) as pool:
        assert [status for found in pool.map(work, range(4)) for status in found] == [207] * 8
    assert ask(port, "/v1/tables/shop.items", token)[1]["rows"] == 40
    assert len(ask(port, "/v1/tables/shop.items/rejects", token)[1]) == 8


def test_slow_and_broken_clients_are_let_go_and_the_service_stays_up(port, catalog):
    token = create_key(catalog, "test", ["admin"])[1]
    head = f"POST /v1/tables/shop.items/rows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    with raw(port, f"{head}Content-Length: 100\r\n\r\n[".encode()) as slow:
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
    raw(port, f"{head}Content-Length: 100\r\n\r\n[".encode()).close()
    with raw(port, f"{head}Content-Length: 99999999999\r\n\r\n".encode()) as large:
        assert large.recv(100).startswith(b"HTTP/1.1 413 ")
    with raw(port, b"\x16\x03\x01\x02\x00 no http\r\n\r\n") as stranger:
        assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
    assert ask(port, "/healthz") == (200, {"status": "ok"})
    assert ask(port, "/v1/tables", token) == (200, [])


def test_a_landing_that_takes_long_does_not_hold_the_end_of_the_service(settings, catalog, monkeypatch):
    begun, done = threading.Event(), threading.Event()
    monkeypatch.setattr(batches, "land_all", lambda *_: begun.set() or done.wait(30))
    monkeypatch.setattr(batches, "LAST_SECONDS", 0.1)
    service = Service(settings, Limits(landing_seconds=0.01))
    try:
        with closing(service), batches.landing(service):
            assert begun.wait(60)
        (working,) = [one for one in threading.enumerate() if one.name == "landing"]
    finally:
        done.set()
    working.join(60)
    assert not working.is_alive()


def test_the_command_serves_until_it_is_told_to_stop(settings, database):
    port = free_port(0)
    environment = {**os.environ, "PLATFORM_DATABASE_URL": database}
    command = [sys.executable, "-c", "from platform_assets.cli import entry; entry()", "--home", str(settings.home)]
    made = subprocess.run(
        [*command, "keys", "create", "x", "--scope", "read", "--json"], env=environment, capture_output=True, text=True, timeout=60
    )
    token = json.loads(made.stdout)["key"]
    running = subprocess.Popen([*command, "serve", "--port", str(port)], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and running.poll() is None:
            try:
                assert ask(port, "/readyz")[0] == 200
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        assert ask(port, "/v1/tables", token) == (200, [])
        listening = [one for one in psutil.Process(running.pid).net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
        assert ask(port, "/openapi.json")[1]["openapi"].startswith("3.1")
    finally:
        running.send_signal(signal.SIGTERM)
        _, log = running.communicate(timeout=90)
    assert running.returncode in (0, -signal.SIGTERM)
    assert token not in log
    listed = subprocess.run([*command, "keys", "list", "--json"], env=environment, capture_output=True, text=True, timeout=60)
    assert [(one["name"], one["scopes"], one["state"]) for one in json.loads(listed.stdout)] == [("x", ["read"], "valid")]
    key_id = json.loads(listed.stdout)[0]["id"]
    assert subprocess.run([*command, "keys", "revoke", key_id], env=environment, timeout=60, capture_output=True).returncode == 0
    assert subprocess.run([*command, "keys", "revoke", "nobody"], env=environment, timeout=60, capture_output=True).returncode == 2
