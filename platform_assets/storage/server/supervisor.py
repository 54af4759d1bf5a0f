"""The small process that owns PostgreSQL: starts it, restarts it after a crash, and stops it when nobody uses it any more.

`python -m platform_assets.storage.server.supervisor <folder> <descriptor>`: the descriptor is the open, locked `supervisor.lock` that
the starting process hands over. It imports little, since it stays in memory as long as the server.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.cluster import Cluster
from platform_assets.storage.server.endpoints import remove_socket_folder
from platform_assets.storage.server.folder import ServerFolder, ServerState, log_tail, try_lock, unlock, write_pid
from platform_assets.storage.server.postmaster import PidFile, Postmaster, end_leftovers, find_postmaster, process_mark

TICK = 0.15
ASK_USERS = 0.3
GRACE = 1.0
"""Seconds without any user before the server stops: a command that follows another finds it running."""
STABLE = 10.0
"""Seconds after which a server that was ready counts as well: its next crash is the first again."""
MAX_FAILURES = 4
FIRST_PAUSE = 0.25


class Supervisor:
    """One server's life. All waiting is done in `run`, in ticks, so that a request to stop is never far."""

    def __init__(self, folder: ServerFolder) -> None:
        self.folder = folder
        self.cluster = Cluster.open(folder)
        self.state = ServerState("starting", os.getpid(), datetime.now(UTC).isoformat(timespec="milliseconds"))
        self.postmaster: Postmaster | None = None
        self.child: subprocess.Popen[bytes] | None = None
        self.users = folder.open_lock(folder.users_lock)
        self.stop_requested = False
        self._unused_since: float | None = None
        self._asked = self._ready_since = self._start_at = 0.0
        self._failures = 0

    def run(self, previous: ServerState | None) -> None:
        """Until a request to stop, nobody uses the server, or it cannot be started (DatabaseUnavailable)."""
        self.cluster.prepare()
        self._begin(previous)
        try:
            while not (self.stop_requested or self._unused()):
                self._watch()
                time.sleep(TICK if self.state.status == "ready" else TICK / 5)
        finally:
            self._stop()

    def _begin(self, previous: ServerState | None) -> None:
        """Adopts the server that a killed supervisor left, else starts one."""
        known = Postmaster(previous.postgres, previous.mark) if previous else None
        found = find_postmaster(self.folder.data, known)
        if found is None:
            remove_socket_folder(previous.socket if previous else "")
            self._start()
            return
        file = PidFile.read(self.folder.data)
        assert file is not None
        say(f"adopted process {found.pid}")
        self.postmaster = found
        self._publish("starting", port=file.port, socket=file.socket)

    def _start(self) -> None:
        self.child, port, socket = self.cluster.start()
        self.postmaster = Postmaster(self.child.pid, process_mark(self.child.pid))
        self._ready_since = 0.0
        say(f"started process {self.child.pid} on port {port}")
        self._publish("starting", port=port, socket=str(socket))

    def _publish(self, status: str, **changes: object) -> None:
        found = self.postmaster or Postmaster(0, "")
        self.state = replace(self.state, status=status, postgres=found.pid, mark=found.mark, **changes)  # type: ignore[arg-type]
        if self.folder.root.is_dir():  # writing would bring a removed home back
            self.folder.write_state(self.state)

    def _running(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return self.postmaster is not None and self.postmaster.alive()

    def _watch(self) -> None:
        """One look: a server that became ready is announced, one that died is started again after a pause that doubles."""
        now = time.monotonic()
        if self._running():
            if self.state.status == "starting" and self._says_ready():
                self._ready_since = now
                self._publish("ready")
            return
        if self.postmaster is not None:
            self._died(now)
        if now >= self._start_at:
            self._begin(self.state)

    def _says_ready(self) -> bool:
        """PostgreSQL writes `ready` into its pid file when recovery is done: how pg_ctl knows it, too."""
        file = PidFile.read(self.folder.data)
        return file is not None and self.postmaster is not None and file.pid == self.postmaster.pid and file.status == "ready"

    def _died(self, now: float) -> None:
        if self._ready_since and now - self._ready_since > STABLE:
            self._failures = 0
        self._failures += 1
        code = self.child.returncode if self.child else "unknown"
        say(f"process {self.postmaster.pid if self.postmaster else 0} ended with code {code}, failure {self._failures}")
        self.child = self.postmaster = None
        end_leftovers(self.folder.data)
        if self._failures >= MAX_FAILURES:
            raise DatabaseUnavailable(f"PostgreSQL ended {self._failures} times in a row (code {code}). {self._last_words()}")
        self._start_at = now + FIRST_PAUSE * 2 ** (self._failures - 1)
        self._publish("starting")

    def _last_words(self) -> str:
        logs = sorted(self.folder.log.glob("*.log"), key=lambda path: path.stat().st_mtime)
        newest = logs[-1] if logs else self.folder.supervisor_log
        return f"The end of {newest}:\n{log_tail(newest)}\nThe end of {self.folder.supervisor_log}:\n{log_tail(self.folder.supervisor_log)}"

    def _unused(self) -> bool:
        """Whether nobody used the server for the whole grace. True keeps the lock: whoever comes now waits until the server is down."""
        now = time.monotonic()
        if now - self._asked < ASK_USERS:
            return False
        self._asked = now
        if self._folder_gone():
            say("the folder is gone")
            return True
        if not try_lock(self.users, exclusive=True):
            self._unused_since = None
            return False
        self._unused_since = self._unused_since or now
        if now - self._unused_since >= GRACE:
            return True
        unlock(self.users)
        return False

    def _folder_gone(self) -> bool:
        """Somebody removed the home under a running server: a lock that users no longer find protects nothing."""
        try:
            return self.folder.users_lock.stat().st_ino != os.fstat(self.users).st_ino
        except OSError:
            return True

    def _stop(self) -> None:
        """Without its data PostgreSQL cannot shut down in order any more."""
        gone = self._folder_gone()
        self._publish("stopping")
        if self.postmaster is not None and not self.postmaster.stop(self._running, fast=not gone):
            say(f"process {self.postmaster.pid} does not end")
        remove_socket_folder(self.state.socket)


def say(text: str) -> None:
    """A line in supervisor.log."""
    sys.stderr.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} supervisor {os.getpid()}: {text}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Detaches from the process that started it, which waits for that only, and supervises. 0: stopped as asked, 1: failed."""
    folder, lock = ServerFolder(Path(arguments[0])), int(arguments[1])
    os.set_inheritable(lock, False)
    if os.fork():
        os._exit(0)
    write_pid(lock, os.getpid())
    return supervise(folder)


def supervise(folder: ServerFolder) -> int:
    previous = folder.read_state()
    try:
        supervisor = Supervisor(folder)

        def request(number: int, frame: object) -> None:
            supervisor.stop_requested = True

        signal.signal(signal.SIGTERM, request)
        for number in (signal.SIGINT, signal.SIGHUP):
            # Handlers, not SIG_IGN: PostgreSQL would inherit that. Ctrl-C in the terminal must not reach the server of others.
            signal.signal(number, lambda number, frame: None)
        supervisor.run(previous)
    except (DatabaseUnavailable, OSError) as error:
        say(f"failed: {error}")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        last = folder.read_state() or previous or ServerState("failed", os.getpid(), now)
        if folder.root.is_dir():
            folder.write_state(replace(last, status="failed", supervisor=os.getpid(), since=now, message=str(error)))
        return 1
    folder.state.unlink(missing_ok=True)
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
