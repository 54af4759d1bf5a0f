"""Other processes that use an embedded server, and looking at what is left of them. No test stands here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.server.folder import ServerFolder, wait_until

ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="only root can hand the server to another account")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")

USER = """
import sys
from pathlib import Path
from platform_assets.storage.server.embedded import EmbeddedServer
from platform_assets.storage.home import Home
address = EmbeddedServer(Home(Path(sys.argv[1]))).ensure_running()
print(address.url("postgres"), flush=True)
sys.stdin.read()
"""


class User:
    """Another process that uses the server until its standard input is closed."""

    def __init__(self, home: Home, *, before: Callable[[], None] | None = None, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
            env=os.environ | environment,
            cwd="/",
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        if not url:
            raise AssertionError(self.process.communicate()[1])
        return url

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def processes_on(folder: Path) -> list[str]:
    """Supervisors and servers of that folder that are alive."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and any(part.startswith(str(folder)) for part in process.cmdline()):
                found.append(f"{process.pid} {process.cmdline()}")
    return found


def assert_gone(folder: Path, seconds: float = 8) -> None:
    assert wait_until(lambda: not processes_on(folder), seconds, pause=0.1), processes_on(folder)
    assert not ServerFolder(folder).state.exists()
    assert not (folder / "data" / "postmaster.pid").exists()


@contextmanager
def spoiled(path: Path, content: str) -> Iterator[None]:
    """Another content in a file of the server for a while."""
    kept = path.read_text()
    path.write_text(content)
    try:
        yield
    finally:
        path.write_text(kept)


def home_of(server: EmbeddedServer) -> Home:
    return Home(server.folder.root.parent.parent)
