"""How a process comes to a running server: it looks, starts a supervisor when there is none, and waits as long as there is hope."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.folder import HOST, SUPERUSER, ServerFolder, log_tail, try_lock, write_pid

POLL = 0.03
ASK_AGAIN = 0.5
"""Seconds between two questions to a server that recovers: each one puts a line into its log."""
MAX_SPAWNS = 3
LOG_BYTES = 1 << 20
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
"""What the supervisor gets of the environment. It outlives the process that started it, so that one's secrets must not stay in it."""


@dataclass(frozen=True)
class ServerAddress:
    """Where the server listens. `passfile` holds the password for libpq, so that URLs need none."""

    host: str
    port: int
    socket_folder: Path
    user: str
    passfile: Path

    def url(self, database: str, driver: str | None = None, *, socket: bool = False) -> str:
        """A URL for psql, psycopg, psycopg2 and SQLAlchemy, without the password. `driver` as in `postgresql+<driver>://`."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        if socket:
            query = urlencode({"host": self.socket_folder, "port": self.port, "passfile": self.passfile}, quote_via=quote, safe="/")
            return f"{scheme}://{self.user}@/{quote(database, safe='')}?{query}"
        return f"{scheme}://{self.user}@{self.host}:{self.port}/{quote(database, safe='')}?passfile={quote(str(self.passfile), safe='/')}"

    def with_password(self, database: str) -> str:
        """A URL that holds the password, for BI tools that read no passfile. Not for logs or command lines."""
        password = (self.passfile.parent / "password").read_text(encoding="utf-8").strip()
        return f"postgresql://{self.user}:{quote(password, safe='')}@{self.host}:{self.port}/{quote(database, safe='')}"


def wait_for_server(folder: ServerFolder, timeout: float) -> ServerAddress:
    """Called by a user of the server only. Raises DatabaseUnavailable when it failed to start, or `timeout` seconds brought nothing."""
    return _Start(folder, timeout).wait()


class _Start:
    """One wait for a running server: looks, starts a supervisor when there is none, looks again."""

    def __init__(self, folder: ServerFolder, timeout: float) -> None:
        self.folder = folder
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.before = folder.read_state()
        self.spawns = 0
        self.asked = 0.0

    def wait(self) -> ServerAddress:
        while True:
            lock = self.folder.open_lock(self.folder.supervisor_lock)
            try:
                if try_lock(lock, exclusive=True):
                    self._spawn(lock)
                elif (address := self._address()) is not None:
                    return address
            finally:
                os.close(lock)
            if time.monotonic() > self.deadline:
                raise self._given_up(f"did not answer within {self.timeout:g} s")
            time.sleep(POLL)

    def _address(self) -> ServerAddress | None:
        """None while the server is not ready. A server that answers that it recovers moves the deadline."""
        state = self.folder.read_state()
        if state is None or state.status not in ("starting", "ready") or not state.port:
            return None
        now = time.monotonic()
        if state.status == "starting" and now - self.asked < ASK_AGAIN:
            self.asked = self.asked or now
            return None
        self.asked = now
        answer = ask(HOST, state.port)
        if answer == "recovering":
            self.deadline = now + self.timeout
        if answer != "accepting" or state.status != "ready":
            return None
        return ServerAddress(HOST, state.port, Path(state.socket), SUPERUSER, self.folder.passfile)

    def _spawn(self, lock: int) -> None:
        """Starts a supervisor that inherits the lock. There is none now: when one failed since we came, that is the answer."""
        state = self.folder.read_state()
        if state is not None and state.status == "failed" and state != self.before:
            raise DatabaseUnavailable(state.message, path=str(self.folder.root))
        if self.spawns >= MAX_SPAWNS:
            raise self._given_up(f"ended {self.spawns} times without a word")
        self.spawns += 1
        write_pid(lock, None)
        log = self.folder.supervisor_log
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        command = [sys.executable, "-P", "-m", "platform_assets.storage.server.supervisor", str(self.folder.root), str(lock)]
        environment = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("LC_")}
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
            self.folder.own(log)
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                cwd=self.folder.root,
                pass_fds=(lock,),
                start_new_session=True,
                check=False,
            )
        if done.returncode != 0:
            raise self._given_up(f"could not be started (exit code {done.returncode})")

    def _given_up(self, what: str) -> DatabaseUnavailable:
        log = self.folder.supervisor_log
        return DatabaseUnavailable(
            f"The database server under {self.folder.root} {what}. The end of {log}:\n{log_tail(log)}\n"
            "If the cause stays unclear, choose another home with --home, or set PLATFORM_DATABASE_URL to a PostgreSQL of your own.",
            path=str(self.folder.root),
        )


def ask(host: str, port: int) -> Literal["accepting", "recovering", "silent"]:
    """What pg_isready asks: begin a connection, read the first answer, go.

    Source: PostgreSQL documentation, Message Formats (protocol 3.0).
    """
    body = struct.pack("!i", 196_608) + f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = connection.recv(1024)
    except OSError:
        return "silent"
    if not answer:
        return "silent"
    return "recovering" if answer[:1] == b"E" and b"C57P03\0" in answer else "accepting"
