"""Backup, verify, drill and restore on disks that are full: said, nothing half-written, the space given back."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from small_disks import fill, small_disk
from warehouse_tables import NAMES, OLD, OLD_NAMES, USERS, put, query, restored

from platform_assets.errors import DatabaseUnavailable, StoreUnwritable
from platform_assets.operations.backup import back_up_table, find_backup, verify_backup
from platform_assets.operations.drill import drill
from platform_assets.operations.restore import Target
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

LARGE = [{"id": number, "name": hashlib.sha256(str(number).encode()).hexdigest()} for number in range(40_000)]


def test_a_backup_that_finds_no_room_is_said_and_leaves_none_taken(settings, catalog, database):
    folder = Home(settings.home).backups("lms", "users")
    with small_disk(folder.parent, "1m") as disk:
        put(catalog, "lms", USERS, LARGE)
        with pytest.raises(StoreUnwritable, match="No space left on device"):
            back_up_table(settings, catalog, catalog.table("lms.users"))
        assert list(folder.iterdir()) == []
        assert catalog.backups() == []
        assert shutil.disk_usage(disk).used <= 8192

        made = back_up_table(settings, catalog, put(catalog, "lms", USERS, OLD))
        fill(disk)
        assert shutil.disk_usage(disk).free == 0
        with pytest.raises(StoreUnwritable, match="0 MB are free there"):
            back_up_table(settings, catalog, catalog.table("lms.users"))
        assert [path.name for path in folder.iterdir()] == [made.backup_id]
        found = find_backup(settings, "lms", "users")
        assert verify_backup(settings, catalog, found).ok
        assert drill(settings, catalog, found).equal
        assert restored(catalog, found).rows == len(OLD)
    assert query(database, NAMES.format("lms.users_restored")) == OLD_NAMES


def test_a_restore_into_a_server_whose_disk_is_full_leaves_the_table_and_the_server_as_they_were():
    """All that the server has lies on that disk, its log too."""
    folder = Path(tempfile.mkdtemp(prefix="pf-"))
    try:
        with small_disk(folder, "700m"):
            home = Home(folder / "home")
            home.root.mkdir()
            server = EmbeddedServer(home)
            try:
                url = server.ensure_running().url("postgres")
                catalog, settings = Catalog(url).ensure(), Settings(home.root, database_url=url)
                kept = back_up_table(settings, catalog, put(catalog, "lms", USERS, LARGE))
                put(catalog, "lms", USERS, OLD)
                query(url, "VACUUM FULL lms.users")
                query(url, "CHECKPOINT")
                filler = fill(folder, leave=2 << 20)
                for target in (Target(in_place=True), Target()):
                    with pytest.raises(DatabaseUnavailable, match="No space left on device"):
                        restored(catalog, kept, target)
                    assert query(url, NAMES.format("lms.users")) == OLD_NAMES
                assert query(url, "SELECT relname FROM pg_class WHERE relname ~ '^restoring|_restored$'") == []
                assert shutil.disk_usage(folder).free > 1 << 20
                filler.unlink()
                assert restored(catalog, kept, Target(in_place=True)).rows == len(LARGE)
            finally:
                server.stop(force=True)
    finally:
        folder.rmdir()
