"""A MariaDB of our own for tests: a data folder of its own, a socket, no network. The fixture `mariadb` (conftest) starts and stops it.

Not here: what tests compare. No test stands here.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")
_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
_LEAN = (
    "--skip-networking",
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=32M",
    "--max-connections=20",
)
_PR_SET_PDEATHSIG = 1
_SECONDS = 60


@dataclass(frozen=True)
class MariaDb:
    """A server that runs. `folder` is one that the server may write to (for --tab)."""

    folder: Path

    @staticmethod
    def missing() -> list[str]:
        """Programs that are not there."""
        return [name for name in PROGRAMS if _program(name) is None]

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[MariaDb]:
        """Starts a server on an empty data folder; stops and removes it. Dies with its parent, should that be killed."""
        folder = Path(tempfile.mkdtemp(prefix="pa-m-"))  # short: a socket's path has at most 107 bytes
        server = cls(folder)
        try:
            process = server._start()
            try:
                server._wait(process)
                yield server
            finally:
                process.terminate()
                process.wait(_SECONDS)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    def client(self, *arguments: str, text: str = "") -> bytes:
        """What the client prints for this SQL: rows as lines, columns between tabs. Raises AssertionError with the server's words."""
        return self._run("mariadb", "--batch", "--skip-column-names", "--default-character-set=utf8mb4", *arguments, text=text)

    def dump(self, *arguments: str) -> bytes:
        """What mariadb-dump writes with these options."""
        return self._run("mariadb-dump", *arguments)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """An empty database, dropped afterwards."""
        self.client(text=f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4;")
        try:
            yield name
        finally:
            self.client(text=f"DROP DATABASE `{name}`;")

    def _run(self, program: str, *arguments: str, text: str = "") -> bytes:
        command = [_program(program) or program, "--no-defaults", f"--socket={self.socket}", "--user=root", *arguments]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=_SECONDS)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def _start(self) -> subprocess.Popen[bytes]:
        user = ["--user=root"] if os.geteuid() == 0 else []
        place = f"--datadir={self.folder / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", place, "--auth-root-authentication-method=normal", "--skip-test-db", *user]
        _checked(install, self.folder)
        command = [_program("mariadbd") or "", "--no-defaults", place, f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen([*command, *_LEAN, *user], stdout=log, stderr=log, preexec_fn=_die_with_parent, cwd=self.folder)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _SECONDS
        while True:
            try:
                self.client(text="SELECT 1;")
                return
            except AssertionError:
                log = (self.folder / "log").read_text(errors="replace")[-2000:]
                assert process.poll() is None and time.monotonic() < until, log
                time.sleep(0.1)


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PLACES)


def _checked(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run([_program(command[0]) or "", *command[1:]], capture_output=True, cwd=folder, check=False, timeout=_SECONDS)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-2000:]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
