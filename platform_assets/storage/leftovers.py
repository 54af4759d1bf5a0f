"""What killed processes left unfinished in a home, and when it goes: before the first of those who work on the home begins.

Whoever writes into the store holds a shared lock on `store/working.lock` for as long as it does. flock() ends with its process however
that ends, so who gets the lock alone knows that every temporary name in the store is nobody's. Not here: PostgreSQL's own folder and
Dagster's, which have locks of their own and nothing of ours.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platform_assets.errors import Conflict
from platform_assets.storage.files import TEMPORARY, recover_folder
from platform_assets.storage.home import Home

LOCK = "working.lock"
_PLACES = ("work", "raw/*", "latest/*", "history/*", "snapshots/*", "snapshots/*/*", "backups/*", "backups/*/*", "pulls/*")
"""Where temporary names arise in the store; a temporary folder is looked at no deeper."""
_COPY = re.compile(rf"\..+{re.escape(TEMPORARY)}[0-9a-f]{{12}}")
"""A dump that was being copied into dumps/, as temporary_sibling names it; other hidden files there are not ours."""


@contextmanager
def working(home: Home) -> Iterator[tuple[Path, ...]]:
    """Makes this process one that works on the home. Gives the leftovers that were swept first, none while others work.

    The locks of several `working` in one process are each their own. Costs a look into every version's folder when nobody else works.
    """
    home.store.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home.store / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        swept: tuple[Path, ...] = ()
        if _alone(descriptor):
            swept = tuple(_sweep(home))
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield swept
    finally:
        os.close(descriptor)


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Makes this process the only one that works on the home. Raises Conflict when another does."""
    home.store.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home.store / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _alone(descriptor):
            raise Conflict(f"Another process works on {home.root}. Wait for it, or stop the platform: platform-assets down")
        yield
    finally:
        os.close(descriptor)


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(home: Home) -> Iterator[Path]:
    for path in [*_unfinished(home.store), *_copies(home.dumps)]:
        if path.name.endswith(f"{TEMPORARY}old"):
            recover_folder(path.with_name(path.name.removeprefix(".").removesuffix(f"{TEMPORARY}old")))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        yield path


def _unfinished(store: Path) -> Iterator[Path]:
    for place in _PLACES:
        yield from store.glob(f"{place}/.*{TEMPORARY}*")


def _copies(dumps: Path) -> Iterator[Path]:
    for path in dumps.glob(f"*/.*{TEMPORARY}*"):
        if _COPY.fullmatch(path.name):
            yield path
