"""The embedded PostgreSQL as its users see it: make sure that it runs, where it is, how it fares, stop it.

A process that called ensure_running is a user of the server until it ends or calls release(); when the last user is gone, however it went,
the supervisor stops the server. Not here: how PostgreSQL is made, started and watched (cluster, supervisor).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from platform_assets.errors import Conflict, DatabaseUnavailable
from platform_assets.storage.home import Home
from platform_assets.storage.server.folder import ServerFolder, pg_bin, try_lock, wait_until
from platform_assets.storage.server.postmaster import Postmaster, find_postmaster
from platform_assets.storage.server.start import ServerAddress, wait_for_server

__all__ = ["EmbeddedServer", "ServerAddress", "ServerStatus", "pg_bin"]

POLL = 0.03
END_SECONDS = 60.0
"""Patience with a server that was told to stop: as long as the supervisor's with PostgreSQL (postmaster.SHUTDOWN), and more."""

_HELD: dict[Path, int] = {}
"""Folder to the descriptor that makes this process a user of its server."""
_GUARD = threading.Lock()


@dataclass(frozen=True)
class ServerStatus:
    """How the server fares. `pid` is PostgreSQL's, `since` when its supervisor started; `users` are the pids of the processes that hold it
    (None where the system does not tell), `message` the reason of the last failure."""

    running: bool
    state: Literal["stopped", "starting", "ready", "stopping", "failed"] = "stopped"
    pid: int | None = None
    supervisor: int | None = None
    port: int | None = None
    since: datetime | None = None
    users: tuple[int, ...] | None = None
    message: str = ""


class EmbeddedServer:
    """The server of one home. Objects are cheap; what counts is the process: it is a user of the server or it is not."""

    def __init__(self, home: Home) -> None:
        self.folder = ServerFolder(home.postgres.resolve())

    def ensure_running(self, *, timeout: float = 60) -> ServerAddress:
        """The address of the running server; starts it (and makes its data on first use) when it does not run.

        `timeout` in seconds runs only while nothing happens: a server that recovers after a crash is waited for.
        Safe for any number of processes and threads at once. Raises DatabaseUnavailable, with the reason and what to do.
        """
        was_user = self.folder.root in _HELD
        try:
            self.hold(timeout=timeout)
            return wait_for_server(self.folder, timeout)
        except BaseException:
            if not was_user:
                self.release()
            raise

    def hold(self, *, timeout: float = 60) -> None:
        """Makes this process a user: a server that runs goes on until this process ends, even by kill -9, or calls release()."""
        with _GUARD:
            held = _HELD.get(self.folder.root)
            if held is not None:
                if _same_file(held, self.folder.users_lock):
                    return
                os.close(_HELD.pop(self.folder.root))  # the home was removed and made anew
            self.folder.create()
            descriptor = self.folder.open_lock(self.folder.users_lock)
            if not wait_until(lambda: try_lock(descriptor, exclusive=False), timeout, pause=POLL):
                os.close(descriptor)
                raise DatabaseUnavailable(
                    f"The database server under {self.folder.root} is being stopped and did not end within {timeout:g} s. "
                    f"Try again; {self.folder.supervisor_log} tells more.",
                    path=str(self.folder.root),
                )
            _HELD[self.folder.root] = descriptor

    def release(self) -> None:
        """This process uses the server no longer. Connections that are still open break when the server stops."""
        with _GUARD:
            descriptor = _HELD.pop(self.folder.root, None)
            if descriptor is not None:
                os.close(descriptor)

    def status(self) -> ServerStatus:
        """What is known without starting or touching anything."""
        if not self.folder.root.is_dir():
            return ServerStatus(running=False)
        supervisor, state = self.folder.supervisor(), self.folder.read_state()
        users = _lock_holders(self.folder.users_lock)
        if state is None or (supervisor is None and state.status != "failed"):
            return ServerStatus(running=False, state="stopped" if supervisor is None else "starting", supervisor=supervisor, users=users)
        return ServerStatus(
            running=state.status == "ready",
            state=state.status,
            pid=state.postgres or None,
            supervisor=supervisor,
            port=state.port or None,
            since=datetime.fromisoformat(state.since),
            users=users,
            message=state.message,
        )

    def stop(self, timeout: float = 10, *, force: bool = False) -> None:
        """Stops the server and waits for its end. This process is no user afterwards.

        Others are waited for up to `timeout` seconds, then Conflict names them; `force` stops it under their hands: their transactions
        are rolled back. The end itself takes as long as the last checkpoint; DatabaseUnavailable when it does not come within a minute.
        """
        self.release()
        if not self.folder.root.is_dir():
            return
        users = self.folder.open_lock(self.folder.users_lock)
        try:
            alone = wait_until(lambda: try_lock(users, exclusive=True), 0 if force else timeout, pause=POLL)
            if not alone and not force:
                holders = _lock_holders(self.folder.users_lock) or ()
                raise Conflict(
                    f"The database server under {self.folder.root} is in use by process {', '.join(map(str, holders)) or '(unknown)'}. "
                    "Stop that first, or stop the server by force: transactions that are open are rolled back.",
                    pids=holders,
                )
            self._end_supervisor()
            self._end_orphan()
        finally:
            os.close(users)

    def _end_supervisor(self) -> None:
        """The pid in a locked supervisor.lock is its holder's, so no other process can be hit."""
        deadline = time.monotonic() + END_SECONDS
        asked = None
        while (pid := self.folder.supervisor()) is not None:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"The database server under {self.folder.root} did not stop within {END_SECONDS:g} s (supervisor: process {pid}). "
                    f"{self.folder.supervisor_log} tells more.",
                    pid=pid,
                )
            if pid and pid != asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                asked = pid
            time.sleep(POLL)

    def _end_orphan(self) -> None:
        """A PostgreSQL whose supervisor was killed."""
        if not (self.folder.data / "postmaster.pid").exists():
            return
        lock = self.folder.open_lock(self.folder.supervisor_lock)
        try:
            if not try_lock(lock, exclusive=True):
                return  # somebody starts it anew
            state = self.folder.read_state()
            found = find_postmaster(self.folder.data, Postmaster(state.postgres, state.mark) if state else None)
            if found is not None:
                found.stop(found.alive)
        finally:
            os.close(lock)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _lock_holders(path: Path) -> tuple[int, ...] | None:
    """The processes that took a shared lock on the file, from /proc/locks (proc_locks(5)); None on other systems."""
    try:
        inode, lines = path.stat().st_ino, Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    fields = (line.split() for line in lines if "->" not in line)
    found = {int(each[4]) for each in fields if each[1] == "FLOCK" and each[3] == "READ" and each[5].rpartition(":")[2] == str(inode)}
    return tuple(sorted(found - {0, -1}))
