"""A platform as its user brings it up: the command, what it starts, what it leaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

COMMAND = [sys.executable, "-c", "from platform_assets.cli import main; main()"]


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments, "--home", str(home)], capture_output=True, text=True, timeout=120)


def query(url: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(text).fetchall()  # type: ignore[call-overload]


def working_on(home: Path) -> list[psutil.Process]:
    """Every living process that names the home in its command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            named = str(home) in " ".join(process.cmdline()) or process.environ().get("PLATFORM_HOME") == str(home)
            if named and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def eventually(happened: Callable[[], Any], seconds: float) -> Any:
    """What it gives once it is true. Raises AssertionError after so many seconds."""
    until = time.monotonic() + seconds
    while not (value := happened()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.2)
    return value


def answers(address: str, path: str = "/server_info") -> bool:
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Up:
    """A running `platform-assets up`."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.log = (home / "up.err").open("a+")
        self.process = subprocess.Popen(
            [*COMMAND, "up", "--port", str(port), "--service-port", str(port), "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.process.stdout
        first = self.process.stdout.readline()
        assert first.startswith("Dagster UI"), (home / "up.err").read_text()
        self.address = first.split()[-1]
        self.service = self.process.stdout.readline().split()[2]

    def said(self) -> str:
        return (self.home / "up.err").read_text()

    def child(self, word: str) -> psutil.Process | None:
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):  # a zombie has no command line
                if word in child.cmdline():
                    return child
        return None

    def kill(self) -> None:
        for process in working_on(self.home):
            process.kill()
        self.process.wait()


@contextmanager
def fresh_place() -> Iterator[Path]:
    """A home in a place that the server's account may enter; whatever still works on it afterwards is killed."""
    folder = Path(tempfile.mkdtemp(prefix="pu-"))
    folder.chmod(0o755)
    home = folder / "home"
    (home / "dumps" / "shop").mkdir(parents=True)
    yield home
    for process in working_on(home):
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)
