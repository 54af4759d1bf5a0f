"""Rebuild: everything that is derived is taken away, so that ingest makes it again from dumps/; and whether the same came out.

First every dump is proven to be there: what is gone from dumps/ stands in the derived state alone, and would be lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from platform_assets.errors import Conflict, DumpGone, NoSuchTable, PlatformError, StoredFileError
from platform_assets.operations.register import located
from platform_assets.operations.serve import ServiceFolder
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.kept_facts import forget_derived
from platform_assets.storage.home import Home
from platform_assets.storage.leftovers import alone
from platform_assets.storage.rows.latest_state import open_latest
from platform_assets.storage.rows.row_hash import hash_of
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.removal import drop_own


def missing_dumps(settings: Settings, catalog: Catalog) -> tuple[str, ...]:
    """The versions whose dump is gone or holds other bytes; every dump is read."""
    gone = []
    for version in catalog.versions():
        try:
            located(settings, catalog, version)
        except DumpGone:
            gone.append(version.version)
    return tuple(gone)


def state_hashes(settings: Settings, catalog: Catalog, *, progress: Callable[[str, int], None]) -> dict[str, str | None]:
    """Per `source.table` the hash of its latest state's rows, origin included; None where it cannot be read."""
    found: dict[str, str | None] = {}
    for record in catalog.tables():
        name = f"{record.source}.{record.table_name}"
        try:
            state = open_latest(Home(settings.home).latest(record.source, record.table_name))
            found[name] = hash_of(state.batches())
            progress(name, state.rows)
        except StoredFileError:
            found[name] = None
    return found


def forget_all(settings: Settings, catalog: Catalog) -> int:
    """Empties the warehouse, the catalog and the store of what is derived; gives how many tables and views that were.

    Killed on the way, ingest makes what is missing all the same. Raises PlatformError naming versions whose dump is gone, Conflict when
    somebody works on the home or a view of somebody else hangs on a table: then nothing is changed.
    """
    home = Home(settings.home)
    if ServiceFolder(home.store).read() is not None:
        raise Conflict("The platform is up. Stop it first: platform-assets down")
    if gone := missing_dumps(settings, catalog):
        raise PlatformError(
            f"The dumps of {len(gone)} version(s) are gone from dumps/ or hold other bytes, so they could not be made again: "
            f"{', '.join(gone[:10])}. Nothing was changed: put the files back, or save what is there with: platform-assets backup",
            versions=list(gone),
        )
    with alone(home):
        with connected(catalog.url) as connection:
            dropped = drop_own(connection)
            forget_derived(connection)
        for folder in home.derived:
            shutil.rmtree(folder, ignore_errors=True)
    return dropped


def compared(catalog: Catalog, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[dict[str, object]]:
    """Per table that was or is there its rows, and whether the latest state is the same; None where it could not be read before."""
    rows: list[dict[str, object]] = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        try:
            count = catalog.table(name).rows
        except NoSuchTable:
            count = None
        rows.append({"table": name, "rows": count, "same": None if name in before and was is None else was == now})
    return rows
