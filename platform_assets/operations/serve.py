"""Up: the processes of a running platform, started, watched, restarted with patience, and all stopped together.

One child: `dagster dev`, which itself runs the web server, the daemon and one code server. The PostgreSQL server is not a child: it
lives as long as anybody uses it (storage.embedded), and this process uses it from the first to the last moment.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

from platform_assets.errors import Conflict, PlatformError
from platform_assets.storage.files import atomic_file

STOP_SECONDS = 8.0
READY_SECONDS = 120.0
BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class ServiceState:
    """What `status` and `down` know of a running platform."""

    pid: int
    started: float
    ui: str


class ServiceFolder:
    """store/service: the lock that makes `up` single, its state file, and the log of what it started."""

    def __init__(self, store: Path) -> None:
        self.folder = store / "service"
        self.state_file = self.folder / "up.json"
        self.lock_file = self.folder / "up.lock"
        self.log_file = self.folder / "dagster.log"

    def read(self) -> ServiceState | None:
        """The running platform, None when there is none: a state file whose process is gone counts as none."""
        try:
            state = ServiceState(**json.loads(self.state_file.read_text(encoding="utf-8")))
            process = psutil.Process(state.pid)
        except (FileNotFoundError, ValueError, TypeError, psutil.NoSuchProcess):
            return None
        return state if abs(process.create_time() - state.started) < 0.05 else None

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

    def run(self, *, ready: Callable[[str], None]) -> None:
        """Blocks. `ready` is called with the UI's address once its first page answers. Raises PlatformError when it never does."""
        lock = self.place.lock()
        previous = {number: signal.signal(number, self._ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            port = free_port(self.port)
            address = f"http://127.0.0.1:{port}"
            self._note(address)
            self._supervise(port, address, ready)
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
            file.write(json.dumps(asdict(ServiceState(me.pid, me.create_time(), address))).encode())

    def _supervise(self, port: int, address: str, ready: Callable[[str], None]) -> None:
        restarts, announced = 0, False
        while not self.stopping:
            started = time.monotonic()
            self._start(port)
            announced = self._await_ready(address, announced, ready)
            while not self.stopping and self.child and self.child.poll() is None:
                time.sleep(0.2)
            if self.stopping:
                return
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
        return announced

    def _stop_child(self) -> None:
        """SIGTERM to `dagster dev`; when it has ended, to what it leaves behind (its code server would wait 45 s for a heartbeat).

        Whatever of the tree still lives after 8 s is killed, by pid.
        """
        if self.child is None:
            return
        tree = _tree(self.child.pid)
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        until, asked = time.monotonic() + STOP_SECONDS, False
        while time.monotonic() < until and any(_alive(process) for process in tree):
            tree |= _tree(self.child.pid)
            if self.child.poll() is not None and not asked:
                asked = True
                for process in filter(_alive, tree):
                    process.terminate()
            time.sleep(0.05)
        for process in filter(_alive, tree):
            process.kill()
        self.child.wait()


def _tree(pid: int) -> set[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return {process, *process.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


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


def stop_service(store: Path, *, timeout: float = 20.0) -> bool:
    """Asks the running platform to stop and waits until it has. False when none runs. Raises PlatformError when it does not stop."""
    place = ServiceFolder(store)
    state = place.read()
    if state is None:
        return False
    os.kill(state.pid, signal.SIGTERM)
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if place.read() is None:
            return True
        time.sleep(0.1)
    raise PlatformError(f"The platform (pid {state.pid}) did not stop within {timeout:.0f} s.", pid=state.pid)
