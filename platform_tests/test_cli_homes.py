"""save, load and rebuild as commands, on the embedded server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cli import documented

from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

COMMAND = "import sys; from platform_assets.cli import main; main(sys.argv[1:])"
ROWS = "id,name\n1,ann\n2,bob\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the server's account may enter; the servers of the homes in it are stopped."""
    folder = Path(tempfile.mkdtemp(prefix="ph-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for root in folder.iterdir():
            if root.is_dir():
                EmbeddedServer(Home(root)).stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_a_home_is_saved_loaded_elsewhere_and_rebuilt_there(place):
    (place / "people.csv").write_text(ROWS)
    first, second = str(place / "one"), str(place / "two")
    assert run("--home", first, "ingest", str(place / "people.csv"), "--source", "crm").returncode == 0
    saved = run("--home", first, "save", str(place / "h.tar.zst"), "--json")
    assert set(json.loads(saved.stdout)) == documented("save")
    loaded = run("--home", second, "load", str(place / "h.tar.zst"), "--json")
    assert set(json.loads(loaded.stdout)) == documented("load")
    again = run("--home", second, "load", str(place / "h.tar.zst"))
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert run("--home", second, "ingest").returncode == 0
    made = run("--home", second, "rebuild", "--yes", "--json")
    assert (made.returncode, json.loads(made.stdout)) == (0, [{"table": "crm.people", "rows": 2, "same": True}]), made.stderr
    assert set(json.loads(made.stdout)[0]) == documented("rebuild")
    assert run("--home", second, "rebuild").returncode == 1, "nobody said yes"


def test_a_home_that_is_not_loaded_to_its_end_says_so(place):
    Home(place / "one").loading.mkdir(parents=True)
    done = run("--home", str(place / "one"), "tables")
    assert (done.returncode, "is not loaded to its end" in done.stderr) == (2, True)
