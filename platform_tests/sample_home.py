"""The sample home with its dumps loaded and one table backed up: made once in a run of the tests, copied for every process that wants it.

No test stands here."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

SAMPLE = Path(__file__).resolve().parents[1] / "data"
SAID = {"ingest": "ingest.json", "backup": "backup.json"}
"""What these commands said with --json, in files of the home."""


def copy_sample_home(shared: Path, root: Path) -> None:
    """Makes the home `root`, whose server does not run; `shared` is a folder of the whole run, where the first that comes leaves a copy."""
    with (shared / "sample-home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = shared / "sample-home"
        if made.exists():
            _copy(made, root)
            return
        _load(root)
        _copy(root, shared / "sample-home.part")
        (shared / "sample-home.part").rename(made)


def _copy(home: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", home, to], check=True)  # shutil would not keep the owner, which is the server's account under root


def _load(root: Path) -> None:
    shutil.copytree(SAMPLE, root, ignore=shutil.ignore_patterns("store"))
    server = EmbeddedServer(Home(root))
    try:
        server.hold()
        for words, code in ((["ingest"], 1), (["backup", "hr.jobs"], 0)):
            done = subprocess.run(
                [sys.executable, "-c", "from platform_assets.cli import entry; entry()", *words, "--home", str(root), "--json"],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == code, done.stderr
            root.joinpath(SAID[words[0]]).write_text(done.stdout)
        assert json.loads(done.stdout)[0]["restores"] is True, done.stdout
    finally:
        server.stop(force=True)
