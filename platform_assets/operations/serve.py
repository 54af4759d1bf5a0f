"""Up: the processes of a running platform, started, watched, restarted with patience, and all stopped together.

One child: `dagster dev`, which itself runs the web server, the daemon and one code server. The PostgreSQL server is not a child: it
lives as long as anybody uses it (storage.server.embedded), and this process uses it from the first to the last moment.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

from platform_assets.errors import Conflict, PlatformError
from platform_assets.storage.files import atomic_file

STOP_SECONDS = 6.0
READY_SECONDS = 120.0
BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class ServiceState:
    """What `status` and `down` know of a running platform."""

    pid: int
    started: float
    ui: str
    session: int = 0
    """The session of the Dagster processes: it outlives their leader, so that none of them is left behind when it is killed."""


class ServiceFolder:
    """store/service: the lock that makes `up` single, its state file, and the log of what it started."""

    def __init__(self, store: Path) -> None:
        self.folder = store / "service"
        self.state_file = self.folder / "up.json"
        self.lock_file = self.folder / "up.lock"
        self.log_file = self.folder / "dagster.log"

    def read(self) -> ServiceState | None:
        """The running platform, None when there is none: a state file whose process is gone counts as none."""
        state = self.last()
        try:
            alive = state is not None and abs(psutil.Process(state.pid).create_time() - state.started) < 0.05
        except psutil.NoSuchProcess:
            return None
        return state if alive else None

    def last(self) -> ServiceState | None:
        """What the state file says, true or not: an `up` that was killed leaves it behind."""
        try:
            return ServiceState(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def lock(self) -> IO[str]:
        """Raises Conflict when another `up` runs on this home."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.lock_file.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            state = self.read()
            where = f" (pid {state.pid}, {state.ui})" if state else ""
            raise Conflict(f"The platform of this home is already up{where}. Stop it with: platform-assets down") from None
        return file


def free_port(wanted: int) -> int:
    """The wanted port of the loopback address, or any free one when it is taken."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PlatformError("No port is free on 127.0.0.1.")


class Service:
    """Runs until `stop` is asked for (Ctrl-C, SIGTERM, `down`)."""

    def __init__(self, store: Path, environment: Mapping[str, str], *, port: int, tell: Callable[[str], None]) -> None:
        self.place = ServiceFolder(store)
        self.environment = {**os.environ, **environment}
        self.port = port
        self.tell = tell
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None
        self.home = self.environment["PLATFORM_HOME"]

    def run(self, *, ready: Callable[[str], None]) -> None:
        """Blocks. `ready` is called with the UI's address once its first page answers. Raises PlatformError when it never does."""
        lock = self.place.lock()
        previous = {number: signal.signal(number, self._ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            if end_leftovers(self.place, self.home):
                self.tell("ended the Dagster processes that a killed `up` had left behind")
            port = free_port(self.port)
            if port != self.port:
                self.tell(f"port {self.port} is taken; the UI is on {port}")
            self._supervise(port, f"http://127.0.0.1:{port}", ready)
        finally:
            self._stop_child()
            self.place.state_file.unlink(missing_ok=True)
            lock.close()
            self.place.lock_file.unlink(missing_ok=True)
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _note(self, address: str) -> None:
        me = psutil.Process()
        with atomic_file(self.place.state_file) as file:
            session = self.child.pid if self.child else 0
            file.write(json.dumps(asdict(ServiceState(me.pid, me.create_time(), address, session))).encode())

    def _supervise(self, port: int, address: str, ready: Callable[[str], None]) -> None:
        restarts, announced = 0, False
        while not self.stopping:
            started = time.monotonic()
            self._start(port)
            self._note(address)
            announced = self._await_ready(address, announced, ready)
            while not self.stopping and self.child and self.child.poll() is None:
                time.sleep(0.2)
            if self.stopping:
                return
            self._stop_child()
            restarts = 0 if time.monotonic() - started > 300 else restarts + 1
            if restarts > len(BACK_OFF):
                raise PlatformError(f"The Dagster processes ended {restarts} times in a row; the last words are in {self.place.log_file}.")
            pause = BACK_OFF[max(0, restarts - 1)]
            self.tell(f"the Dagster processes ended unexpectedly; starting them again in {pause:.0f} s (log: {self.place.log_file})")
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(0.1)

    def _start(self, port: int) -> None:
        command = [sys.executable, "-m", "dagster", "dev", "-m", "platform_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
        with self.place.log_file.open("ab") as log:
            self.child = subprocess.Popen(
                command,
                cwd=self.environment["DAGSTER_HOME"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_ready(self, address: str, announced: bool, ready: Callable[[str], None]) -> bool:
        until = time.monotonic() + READY_SECONDS
        while not self.stopping and self.child and self.child.poll() is None and time.monotonic() < until:
            if _answers(f"{address}/server_info"):
                if not announced:
                    ready(address)
                return True
            time.sleep(0.2)
        if time.monotonic() >= until:
            raise PlatformError(f"The UI did not answer within {READY_SECONDS:.0f} s; the last words are in {self.place.log_file}.")
        return announced

    def _stop_child(self) -> None:
        """SIGTERM to `dagster dev`; when it has ended, to what it leaves behind (its code server would wait 45 s for a heartbeat)."""
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while self.child.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        _end(self.child.pid, self.home, until)
        self.child.wait()
        self.child = None


def end_leftovers(place: ServiceFolder, home: str) -> bool:
    """Ends the Dagster processes of an `up` that was killed: beside a new daemon the old one would go on asking for runs."""
    state = place.last()
    if state is None or not state.session or place.read() is not None:
        return False
    found = _end(state.session, home, time.monotonic() + STOP_SECONDS)
    place.state_file.unlink(missing_ok=True)
    return found


def _end(session: int, home: str, until: float) -> bool:
    """SIGTERM to every process of a session that works on the home; whatever still lives at `until` is killed, by pid."""
    asked: set[psutil.Process] = set()
    while members := _members(session, home):
        for process in members - asked:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        asked |= members
        if time.monotonic() > until:
            for process in members:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        time.sleep(0.05)
    return bool(asked)


def _members(session: int, home: str) -> set[psutil.Process]:
    """The living processes of a session; a session number that was used again is another home's or has no home."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session and _alive(process) and process.environ().get("PLATFORM_HOME") == home:
                found.add(process)
    return found


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def stop_service(store: Path, home: str, *, timeout: float = 20.0) -> bool:
    """Asks the running platform to stop and waits until it has. False when none runs. Raises PlatformError when it does not stop."""
    place = ServiceFolder(store)
    state = place.read()
    if state is None:
        return end_leftovers(place, home)
    os.kill(state.pid, signal.SIGTERM)
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if place.read() is None:
            return True
        time.sleep(0.1)
    raise PlatformError(f"The platform (pid {state.pid}) did not stop within {timeout:.0f} s.", pid=state.pid)
