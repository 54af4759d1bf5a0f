"""Save and load: a home moves to another machine as one file that proves itself. What is derived is made again there by ingest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from platform_assets import __version__
from platform_assets.errors import Conflict, PlatformError
from platform_assets.operations.rebuild import missing_dumps
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.kept_facts import forget_derived, kept_facts, take_facts
from platform_assets.storage.files import fsync_folder, room_in, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.saved_home import FACTS, Progress, unpack_saved, write_saved
from platform_assets.storage.server.database import warehouse_url
from platform_assets.storage.server.sessions import connected, one_moment


@dataclass(frozen=True)
class Moved:
    """What was saved or loaded. `bytes` are those of the dumps and settings; `missing` are versions whose dump is not there any more."""

    path: Path
    files: int
    bytes: int
    missing: tuple[str, ...] = ()


def save_home(settings: Settings, catalog: Catalog, file: Path, *, progress: Progress) -> Moved:
    """Writes the home into `file`. Raises Conflict when that exists or lies where it would become part of itself, StoredFileError when a
    dump changes meanwhile, StoreUnwritable when there is no room: then there is no file."""
    home, file = Home(settings.home), file.expanduser().resolve()
    if file.exists():
        raise Conflict(f"{file} exists already and is not overwritten. Take another name.", path=str(file))
    if any(file.is_relative_to(top) for top in home.not_derived):
        raise Conflict(f"{file} lies in what is to be saved. Take a place outside of {home.root}.", path=str(file))
    if not file.parent.is_dir():
        raise PlatformError(f"{file.parent} is no folder.", path=str(file))
    missing = missing_dumps(settings, catalog)
    about = {"tool_version": __version__, "saved_at": datetime.now(UTC).isoformat(timespec="seconds")}
    with one_moment(catalog.url) as connection, room_in(file.parent):
        manifest = write_saved(file, home, kept_facts(connection), about, progress)
    return Moved(file, len(manifest["files"]) - 1, sum(e["bytes"] for e in manifest["files"] if e["name"] != FACTS), missing)


def load_home(root: Path, database_url: str | None, file: Path, *, progress: Progress) -> Moved:
    """Makes the home `root` of a saved one. Killed, it goes on where it was when it is run again.

    Raises Conflict when there is a home already, or a catalog in the database that PLATFORM_DATABASE_URL names; StoredFileError when the
    file does not prove true, StoreUnwritable when there is no room. Then nothing is there.
    """
    home, file = Home(root), file.expanduser().resolve()
    if not home.loading.exists():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise Conflict(f"{root} is there already and is not overwritten. Name a folder that is not there with --home.", path=str(root))
        if database_url and Catalog(warehouse_url(home, database_url)).ensure().versions():
            raise Conflict("The database of PLATFORM_DATABASE_URL is another home's warehouse. Name an empty one.")
        _place(home, file, progress)
    catalog = Catalog(warehouse_url(home, database_url)).ensure()
    with connected(catalog.url) as connection, (home.loading / FACTS).open("rb") as lines:
        take_facts(connection, lines)
        forget_derived(connection)
    shutil.rmtree(home.loading)
    kept = [path for top in home.not_derived for path in _files(top)]
    return Moved(root, len(kept), sum(path.stat().st_size for path in kept))


def _files(top: Path) -> Iterable[Path]:
    return [path for path in (top.rglob("*") if top.is_dir() else [top]) if path.is_file()]


def _place(home: Home, file: Path, progress: Progress) -> None:
    if not file.is_file():
        raise PlatformError(f"There is no file {file}.", path=str(file))
    home.root.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_sibling(home.root)
    try:
        with room_in(home.root.parent):
            unpack_saved(file, temporary, progress)
            loading = Home(temporary).loading
            loading.mkdir(parents=True)
            os.rename(temporary / FACTS, loading / FACTS)
            os.rename(temporary, home.root)
            fsync_folder(home.root.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
