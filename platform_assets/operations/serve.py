"""Up: the processes of a running platform, started, watched, restarted with patience, and all stopped together.

Two children: `dagster dev`, which itself runs the web server, the daemon and one code server, and the HTTP service. The PostgreSQL
server is not a child: it lives as long as anybody uses it (storage.server.embedded), and this process uses it from the first to the last
moment.
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
from collections.abc import Callable, Mapping, Sequence
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
UI_PATH = "/dagster"
"""The Dagster UI lives under this path, on its own port and behind the HTTP service's login alike."""


@dataclass(frozen=True)
class ServiceState:
    """What `status` and `down` know of a running platform."""

    pid: int
    started: float
    ui: str
    session: int = 0
    """The session of the Dagster processes: it outlives their leader, so that none of them is left behind when it is killed."""
    service: str = ""
    """The address of the HTTP service; empty when none is wanted."""
    service_session: int = 0

    @property
    def sessions(self) -> list[int]:
        return [session for session in (self.session, self.service_session) if session]


class ServiceFolder:
    """store/service: the lock that makes `up` single, its state file, and the log of what it started."""

    def __init__(self, store: Path) -> None:
        self.folder = store / "service"
        self.state_file = self.folder / "up.json"
        self.lock_file = self.folder / "up.lock"
        self.log_file = self.folder / "dagster.log"
        self.service_log_file = self.folder / "service.log"

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


def free_port(wanted: int, host: str = "127.0.0.1") -> int:
    """The wanted port of the address, or any free one when it is taken."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PlatformError(f"No port can be opened on {host}.")


class Child:
    """A process of ours in a session of its own, that answers at `probe` when it is ready."""

    def __init__(self, name: str, command: Sequence[str], folder: str, environment: Mapping[str, str], log_file: Path, probe: str) -> None:
        self.name, self.log_file, self._probe = name, log_file, probe
        self._command, self._folder, self._environment = command, folder, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._restarts = 0.0, 0

    @property
    def session(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def start(self) -> None:
        self._started = time.monotonic()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ready(self) -> bool:
        """Whether it answers. Raises PlatformError when it has not for two minutes."""
        if _answers(self._probe):
            return True
        if time.monotonic() - self._started > READY_SECONDS:
            raise PlatformError(f"{self.name} did not answer within {READY_SECONDS:.0f} s; the last words are in {self.log_file}.")
        return False

    def patience(self) -> float:
        """Seconds to wait before the next start. Raises PlatformError when it ended too often in a row."""
        self._restarts = 0 if time.monotonic() - self._started > 300 else self._restarts + 1
        if self._restarts > len(BACK_OFF):
            raise PlatformError(f"{self.name} ended {self._restarts} times in a row; the last words are in {self.log_file}.")
        return BACK_OFF[max(0, self._restarts - 1)]

    def ask_to_stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, home: str) -> None:
        """SIGTERM; when it has ended, to what it leaves behind (Dagster's code server would wait 45 s for a heartbeat)."""
        if self._process is None:
            return
        self.ask_to_stop()
        until = time.monotonic() + STOP_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        _end(self._process.pid, home, until)
        self._process.wait()
        self._process = None


@dataclass(frozen=True)
class Listen:
    """Where the HTTP service is to listen."""

    host: str
    port: int


class Service:
    """Runs until `stop` is asked for (Ctrl-C, SIGTERM, `down`)."""

    def __init__(
        self, store: Path, environment: Mapping[str, str], *, port: int, tell: Callable[[str], None], service: Listen | None = None
    ) -> None:
        self.place = ServiceFolder(store)
        self.environment = {**os.environ, **environment, "DAGSTER_WEBSERVER_PATH_PREFIX": UI_PATH}
        self.port, self.service = port, service
        self.tell = tell
        self.stopping = False
        self.children: list[Child] = []
        self._ports: set[int] = set()
        self.home = self.environment["PLATFORM_HOME"]

    def run(self, *, ready: Callable[[str, str], None]) -> None:
        """Blocks. `ready` is called with the addresses of the UI and of the service ("": none) once both answer.

        Raises PlatformError when they never do.
        """
        lock = self.place.lock()
        previous = {number: signal.signal(number, self._ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            if end_leftovers(self.place, self.home):
                self.tell("ended the processes that a killed `up` had left behind")
            self.ui, self.address = self._dagster(), self._http() if self.service else ""
            self._supervise(ready)
        finally:
            for child in self.children:
                child.ask_to_stop()
            for child in self.children:
                child.stop(self.home)
            self.place.state_file.unlink(missing_ok=True)
            lock.close()
            self.place.lock_file.unlink(missing_ok=True)
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _dagster(self) -> str:
        port = self._port("UI", self.port, "127.0.0.1")
        ui = f"http://127.0.0.1:{port}{UI_PATH}"
        command = ["-m", "dagster", "dev", "-m", "platform_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
        self._child("Dagster", command, self.place.log_file, f"{ui}/server_info")
        return ui

    def _http(self) -> str:
        assert self.service is not None
        host = self.service.host
        port = self._port("HTTP service", self.service.port, host)
        shown = f"[{host}]" if ":" in host else host
        reached = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)
        command = [
            "-c",
            "from platform_assets.cli import entry; entry()",
            "serve",
            "--host",
            host,
            "--port",
            str(port),
            "--home",
            self.home,
        ]
        self._child("The HTTP service", command, self.place.service_log_file, f"http://{reached}:{port}/healthz")
        return f"http://{shown}:{port}"

    def _port(self, name: str, wanted: int, host: str) -> int:
        port = free_port(0 if wanted in self._ports else wanted, host)
        self._ports.add(port)  # nobody listens on it before its process has started
        if wanted and port != wanted:
            self.tell(f"port {wanted} is taken; the {name} is on {port}")
        return port

    def _child(self, name: str, command: Sequence[str], log_file: Path, probe: str) -> None:
        self.children.append(Child(name, [sys.executable, *command], self.environment["DAGSTER_HOME"], self.environment, log_file, probe))

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def _note(self) -> None:
        me = psutil.Process()
        session, service_session = (*(child.session for child in self.children), 0)[:2]
        state = ServiceState(me.pid, me.create_time(), self.ui, session, self.address, service_session)
        with atomic_file(self.place.state_file) as file:
            file.write(json.dumps(asdict(state)).encode())

    def _supervise(self, ready: Callable[[str, str], None]) -> None:
        for child in self.children:
            child.start()
        self._note()
        waiting, announced = list(self.children), False
        while not self.stopping:
            for child in self.children:
                if child.ended:
                    self._again(child)
                    waiting = [*(one for one in waiting if one is not child), child]
            waiting = [child for child in waiting if not child.ready()]
            if not waiting and not announced:
                ready(self.ui, self.address)
                announced = True
            self._pause(0.2)

    def _again(self, child: Child) -> None:
        child.stop(self.home)
        pause = child.patience()
        self.tell(f"{child.name} ended unexpectedly; starting it again in {pause:.0f} s (log: {child.log_file})")
        self._pause(pause)
        if not self.stopping:
            child.start()
            self._note()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(min(0.1, seconds))


def end_leftovers(place: ServiceFolder, home: str) -> bool:
    """Ends the processes of an `up` that was killed: beside a new daemon the old one would go on asking for runs."""
    state = place.last()
    if state is None or not state.sessions or place.read() is not None:
        return False
    found = [_end(session, home, time.monotonic() + STOP_SECONDS) for session in state.sessions]
    place.state_file.unlink(missing_ok=True)
    return any(found)


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


def stop_service(store: Path, home: str, *, timeout: float = 90.0) -> bool:
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
