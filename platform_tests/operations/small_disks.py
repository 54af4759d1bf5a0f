"""Disks of a few megabytes that are really full: only root may mount one; elsewhere the test is skipped and says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """`folder` is an empty disk of `size` (as mount takes it: 2m) for the time of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """A file that takes all the room but `leave` bytes."""
    path = folder / "filler"
    with path.open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(folder).free - leave)))
    return path
