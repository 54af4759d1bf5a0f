"""The folder of the embedded server as its supervisor and its users see it: names, locks, and the state that the supervisor writes.

Not here: anything that starts, stops or changes PostgreSQL (cluster, supervisor), and nothing that imports more than the standard library
needs, since the supervisor stays in memory as long as the server.

Two lock files carry the whole protocol, because flock() ends with its process however that process ends:
`users.lock` is held shared by every process that uses the server; whoever gets it exclusively knows that nobody does.
`supervisor.lock` is held exclusively by the one supervisor for as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from platform_assets.errors import DatabaseUnavailable, StoredFileError
from platform_assets.formats.postgres.programs import PACKAGE, program_folder
from platform_assets.storage.files import read_json, write_json

SUPERUSER = "platform"
"""The role that owns everything on the embedded server."""
HOST = "127.0.0.1"


def pg_bin() -> Path:
    """The folder with postgres, initdb, psql, pg_dump and pg_restore of the newest version in the wheel.

    Raises DatabaseUnavailable.
    """
    found = program_folder("postgres")
    if found is None:
        raise DatabaseUnavailable(
            f"The PostgreSQL programs of the package {PACKAGE.replace('_', '-')} are not installed here. "
            "Install it (it is a dependency of platform-assets), or set PLATFORM_DATABASE_URL to a PostgreSQL of your own.",
            package=PACKAGE,
        )
    return found


@dataclass(frozen=True)
class ServerState:
    """What the supervisor with that pid last wrote. A claim: it holds only while `supervisor.lock` is taken.

    `since` is ISO 8601 with zone; `postgres` the pid of the postmaster (0: none yet) and `mark` its start (see process_mark).
    """

    status: Literal["starting", "ready", "stopping", "failed"]
    supervisor: int
    since: str
    port: int = 0
    socket: str = ""
    postgres: int = 0
    mark: str = ""
    message: str = ""


@dataclass(frozen=True)
class ServerFolder:
    """Paths under `<home>/store/postgres`. `root` is absolute."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def socket(self) -> Path:
        return self.root / "socket"

    @property
    def password(self) -> Path:
        return self.root / "password"

    @property
    def passfile(self) -> Path:
        return self.root / "pgpass"

    @property
    def port(self) -> Path:
        return self.root / "port"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def users_lock(self) -> Path:
        return self.root / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "supervisor.log"

    def create(self) -> None:
        """Makes the folder, private to its owner; as root others may pass through, since the server runs under another account."""
        if self.root.is_dir():
            return
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)
            self.own(self.root, like=self.root.parent)
            if os.geteuid() == 0:
                self.root.chmod(0o711)
        except OSError as error:
            raise DatabaseUnavailable(
                f"{self.root} cannot be made: {error.strerror}. Choose a home that can be written to with --home or PLATFORM_HOME.",
                path=str(self.root),
            ) from error

    def own(self, path: Path, *, like: Path | None = None) -> None:
        """Gives what root made in a user's home to that user, so that he can go on without root."""
        if os.geteuid() != 0:
            return
        owner = (like or self.root).stat()
        if owner.st_uid != 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    def open_lock(self, path: Path) -> int:
        """A descriptor of one of the lock files; closed by exec, shared with forked children. Raises DatabaseUnavailable."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.own(path)
        except OSError as error:
            raise DatabaseUnavailable(
                f"{path} cannot be opened: {error.strerror}. The home belongs to another account; "
                "run as that one, or choose another home with --home or PLATFORM_HOME.",
                path=str(path),
            ) from error
        return descriptor

    def read_state(self) -> ServerState | None:
        """None when there is none, or when another version of the program wrote it."""
        try:
            value = read_json(self.state)
            value.pop("format_version")
            return ServerState(**value)
        except (StoredFileError, OSError, TypeError):
            return None

    def write_state(self, state: ServerState) -> None:
        write_json(self.state, asdict(state))
        self.own(self.state)

    def supervisor(self) -> int | None:
        """The pid of the living supervisor, 0 when it lives but has not said its pid yet, None when there is none."""
        if not self.supervisor_lock.exists():
            return None
        descriptor = self.open_lock(self.supervisor_lock)
        try:
            if try_lock(descriptor, exclusive=False):
                return None
            return int(os.pread(descriptor, 20, 0) or 0)
        finally:
            os.close(descriptor)


def try_lock(descriptor: int, *, exclusive: bool) -> bool:
    """Takes the lock of an open file if nobody is in the way; closing the descriptor gives it back."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_pid(descriptor: int, pid: int | None) -> None:
    """Says in the locked file of the supervisor who holds it; None when that is not known yet."""
    os.ftruncate(descriptor, 0)
    if pid is not None:
        os.pwrite(descriptor, str(pid).encode(), 0)


def unlock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def wait_until(condition: Callable[[], bool], seconds: float, *, pause: float = 0.03) -> bool:
    """Whether the condition became true within that time; it is asked at least once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True


def log_tail(path: Path, lines: int = 8) -> str:
    """The last lines of a log for an error message; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""
