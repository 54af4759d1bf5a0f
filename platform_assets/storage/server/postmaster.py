"""Which process is our PostgreSQL: postmaster.pid read with suspicion. A pid proves nothing, since the system gives it to others later.

Source of the file's lines: PostgreSQL, src/include/utils/pidfile.h.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.folder import wait_until

if TYPE_CHECKING:
    import psutil

SHUTDOWN = ((signal.SIGINT, 40.0), (signal.SIGQUIT, 7.0), (signal.SIGKILL, 2.0))
"""Fast shutdown (transactions are rolled back, a checkpoint is written), immediate shutdown, the end; with seconds of patience."""
START_TOLERANCE = 60.0
"""Seconds between a process' start and the start in its postmaster.pid; only asked when its exact start was not recorded."""


@dataclass(frozen=True)
class PidFile:
    """postmaster.pid. `started` is in seconds since 1970, `status` one of starting, stopping, ready, standby."""

    pid: int
    started: int
    port: int
    socket: str
    status: str

    @classmethod
    def read(cls, data: Path) -> PidFile | None:
        """None when there is none, or not yet enough of it: PostgreSQL writes it line by line."""
        try:
            lines = (data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
            return cls(int(lines[0]), int(lines[2]), int(lines[3]), lines[4].strip(), lines[7].strip() if len(lines) > 7 else "starting")
        except (OSError, ValueError, IndexError):
            return None


@dataclass(frozen=True)
class Postmaster:
    """A running PostgreSQL of ours: its pid, and its start as process_mark gave it, so that no other process is taken for it."""

    pid: int
    mark: str

    def alive(self) -> bool:
        return bool(self.mark) and process_mark(self.pid) == self.mark

    def stop(self, alive: Callable[[], bool], *, fast: bool = True) -> bool:
        """Asks ever less politely until `alive` says no. False when even the last did not help."""
        for number, seconds in SHUTDOWN[0 if fast else 1 :]:
            if alive():
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            if wait_until(lambda: not alive(), seconds):
                return True
        return False


def process_mark(pid: int) -> str:
    """When a process started, in a form that changes of the clock do not touch; "" when it is gone or a zombie."""
    if sys.platform != "linux":
        return _portable_mark(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, ValueError):
        return ""
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _portable_mark(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return ""


def serves(pid: int, data: Path) -> bool:
    """Whether this process is a postmaster on that data folder: its owner, its command line and its working folder say so."""
    import psutil

    try:
        process = psutil.Process(pid)
        return Path(process.cmdline()[0]).name == "postgres" and _works_in(process, data)
    except (psutil.Error, OSError, IndexError):
        return False


def end_leftovers(data: Path) -> None:
    """Ends the children of a postmaster that was killed: one that is busy with a query goes on for hours and lets no other server start.

    They are told from all other processes by their name, owner and working folder. Only for when no postmaster runs.
    """
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, IndexError):
            if process.cmdline()[0].startswith("postgres: ") and _works_in(process, data):
                process.send_signal(signal.SIGQUIT)


def _works_in(process: psutil.Process, data: Path) -> bool:
    return bool(process.uids().real == data.stat().st_uid and Path(process.cwd()).samefile(data))


def find_postmaster(data: Path, known: Postmaster | None) -> Postmaster | None:
    """The postmaster that runs on the data folder, None when none does; then a foreign process' pid file is taken away.

    `known` is the one that the last supervisor recorded. A stale file whose pid is nobody's stays: PostgreSQL checks it further itself.
    Raises DatabaseUnavailable when the process looks like ours but did not start when it should have: neither killing nor starting is safe.
    """
    file = PidFile.read(data)
    if file is None:
        _remove_empty(data / "postmaster.pid")
        return None
    mark = process_mark(file.pid)
    if not mark:
        return None
    if not serves(file.pid, data):
        (data / "postmaster.pid").unlink(missing_ok=True)
        return None
    found = Postmaster(file.pid, mark)
    if found != known and abs(_started(file.pid) - file.started) > START_TOLERANCE:
        raise DatabaseUnavailable(
            f"Process {file.pid} works on {data}, but did not start when {data / 'postmaster.pid'} says. "
            "It may be a PostgreSQL that somebody started by hand: stop that process, then try again.",
            pid=file.pid,
            path=str(data),
        )
    return found


def _remove_empty(path: Path) -> None:
    """A pid file that a power cut left empty stops PostgreSQL ("lock file is empty"); with no supervisor at work it can go."""
    if path.exists() and path.stat().st_size == 0:
        path.unlink()


def _started(pid: int) -> float:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
