"""Where the embedded server is reached: its port, its socket folder, and the passfile by which libpq finds the password for both."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.files import atomic_file
from platform_assets.storage.server.folder import HOST, SUPERUSER, ServerFolder

MAX_SOCKET_PATH = 103
"""sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero."""
SOCKET_PREFIX = "platform-assets-"
PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections (from 32768 or 49152), which would take a kept port now and then."""


def choose_port(folder: ServerFolder) -> int:
    """The port of the last time when it is free, else a free one, which is kept from now on."""
    try:
        kept = int(folder.port.read_text())
    except (OSError, ValueError):
        kept = 0
    if kept and _free(kept):
        return kept
    for _ in range(200):
        port = secrets.choice(PORTS)
        if _free(port):
            with atomic_file(folder.port) as file:
                file.write(f"{port}\n".encode())
            folder.own(folder.port)
            return port
    raise DatabaseUnavailable(f"No free port found on {HOST} between {PORTS.start} and {PORTS.stop}.")


def make_socket_folder(folder: ServerFolder) -> Path:
    """`socket` beside the data, or a folder of ours in the temporary folder when that path is too long or its volume has no sockets."""
    near = folder.socket
    near.mkdir(mode=0o700, exist_ok=True)
    for left in near.glob(".s.PGSQL.*"):
        left.unlink()  # no server of ours runs: its lock file may name the pid of another process by now
    if not _takes_sockets(near):
        near = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=_short_temporary()))
    return near


def write_passfile(folder: ServerFolder, socket_folder: Path) -> None:
    password = folder.password.read_text().strip()
    hosts = (HOST, "localhost", str(socket_folder).replace("\\", "\\\\").replace(":", "\\:"))
    with atomic_file(folder.passfile, mode=0o600) as file:
        file.write("".join(f"{host}:*:*:{SUPERUSER}:{password}\n" for host in hosts).encode())
    folder.own(folder.passfile)


def remove_socket_folder(used: str) -> None:
    """Takes away a socket folder that was made in the temporary folder; any other stays."""
    if Path(used).name.startswith(SOCKET_PREFIX):
        shutil.rmtree(used, ignore_errors=True)


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as postgres does: its own port right after a crash is free
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _takes_sockets(folder: Path) -> bool:
    path = folder / ".s.PGSQL.00000.lock"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH or "," in str(path):  # libpq takes a comma for the next host
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(str(path))
        except OSError:
            return False
        path.unlink()
    return True


def quoted(folder: Path) -> str:
    """As an element of a list in a PostgreSQL setting."""
    return '"' + str(folder).replace('"', '""') + '"'


def _short_temporary() -> str | None:
    """/tmp where TMPDIR is long, as it is on macOS and in test runs."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) < 40 else "/tmp"
