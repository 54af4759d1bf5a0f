"""Waiting for a server, against listeners that answer as PostgreSQL does in states that last too short to be met for real."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.folder import ServerFolder, ServerState, try_lock
from platform_assets.storage.server.start import ask, wait_for_server

ACCEPTING = b"R\0\0\0\x17\0\0\0\x0aSCRAM"
RECOVERING = b"E\0\0\0\x40SFATAL\0C57P03\0Mthe database system is starting up\0\0"
FULL = b"E\0\0\0\x40SFATAL\0C53300\0Msorry, too many clients already\0\0"


@contextmanager
def listener(answer: Callable[[], bytes]) -> Iterator[int]:
    """The port of something that gives these answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer())

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ServerFolder]:
    """A folder whose supervisor seems to live."""
    made = ServerFolder(tmp_path / "postgres")
    made.create()
    lock = made.open_lock(made.supervisor_lock)
    assert try_lock(lock, exclusive=True)
    yield made
    os.close(lock)


def state(status: str, port: int) -> ServerState:
    return ServerState(status, os.getpid(), "2020-01-01T00:00:00+00:00", port, "/nowhere")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "expected"), [(ACCEPTING, "accepting"), (RECOVERING, "recovering"), (FULL, "accepting"), (b"", "silent")]
)
def test_the_servers_first_answer_tells_how_it_is(answer: bytes, expected: str) -> None:
    with listener(lambda: answer) as port:
        assert ask("127.0.0.1", port) == expected
    assert ask("127.0.0.1", port) == "silent"


def test_a_server_that_recovers_is_waited_for_beyond_the_timeout(folder: ServerFolder) -> None:
    begin = time.monotonic()

    def answer() -> bytes:
        if time.monotonic() - begin < 2:
            return RECOVERING
        folder.write_state(state("ready", port))
        return ACCEPTING

    with listener(answer) as port:
        folder.write_state(state("starting", port))
        assert wait_for_server(folder, timeout=1).port == port
    assert time.monotonic() - begin >= 2


def test_a_server_that_says_nothing_is_given_up_after_the_timeout_with_its_log(folder: ServerFolder) -> None:
    folder.supervisor_log.write_text("the last line\n")
    with listener(lambda: b"") as port:
        folder.write_state(state("ready", port))
        with pytest.raises(DatabaseUnavailable, match=r"(?s)did not answer within 0.3 s.*the last line.*PLATFORM_DATABASE_URL"):
            wait_for_server(folder, timeout=0.3)
