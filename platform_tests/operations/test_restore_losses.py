"""Restores from damage, killed ones, and a server that goes away: the table is the old one or the new one."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from forked import forked
from small_disks import small_disk
from warehouse_tables import DISCONNECTED, NAMES, NEW, NEW_NAMES, OLD_NAMES, PARENT, USERS, put, query, restored

from platform_assets.errors import DamagedBackup, DatabaseUnavailable
from platform_assets.operations.backup import back_up_table, find_backup
from platform_assets.operations.drill import drill
from platform_assets.operations.restore import Target, restore
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import Backup
from platform_assets.storage.rows.stored_table import write_manifest


def test_rows_other_than_the_manifest_says_are_seen_after_loading_and_nothing_is_changed(catalog, kept, database):
    """Files that fit a manifest which tells of other rows: only reading back what was loaded can see it."""
    lied = replace(kept, rows_hash="3-" + "0" * 32)
    write_manifest(kept.folder / Backup.MANIFEST, lied.to_json())
    size = query(database, "SELECT pg_database_size(current_database())")[0][0]
    with pytest.raises(DamagedBackup, match="gave other rows"):
        restored(catalog, lied, Target(in_place=True))
    assert query(database, NAMES.format("lms.users")) == NEW_NAMES
    assert query(database, "SELECT pg_database_size(current_database())")[0][0] < size + (1 << 20)


def test_a_backup_of_another_table_is_refused(settings, catalog, kept, database):
    put(catalog, "lms", PARENT, [{"id": 1}])
    shutil.copytree(kept.folder, Home(settings.home).backups("lms", "courses") / kept.backup_id)
    with pytest.raises(DamagedBackup, match=r"it is of lms\.users, not of lms\.courses"):
        find_backup(settings, "lms", "courses")


KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from platform_assets.operations.backup import find_backup
from platform_assets.operations.restore import Target, restore
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

count = 0

def step():
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(kind, name):
    plain = getattr(kind, name)
    def stepping(self, *arguments, **options):
        step()
        found = plain(self, *arguments, **options)
        step()
        return found
    setattr(kind, name, stepping)

for kind, name in ((psycopg.Cursor, "execute"), (psycopg.Copy, "write"), (psycopg.Connection, "commit"), (psycopg.Connection, "close")):
    counted(kind, name)

def run(number):
    global last
    last = number
    settings = Settings(Path(sys.argv[1]), database_url=sys.argv[2])
    restore(Catalog(settings.database_url), [find_backup(settings, "lms", "users")], Target(in_place=True), run_id="killed")
    return count
"""


def test_killed_at_any_statement_the_table_is_the_old_or_the_new_one_and_the_next_restore_works(settings, catalog, kept, database):
    """kill -9 before and after each thing that the restore says to the server. The embedded server learns of it when its client is gone."""
    seen = set()
    with forked(KILLED, settings.home, database) as run:
        code, count = run(0)
        assert code == 0
        steps = int(count)
        assert steps > 60
        for last in range(1, steps, max(1, steps // 24)):
            put(catalog, "lms", USERS, NEW)
            assert run(last) == (-signal.SIGKILL, "")
            found = query(database, NAMES.format("lms.users"))
            assert found in (OLD_NAMES, NEW_NAMES)
            seen.add(found == OLD_NAMES)
            query(
                database,
                DISCONNECTED,
            )
            assert query(database, "SELECT relname FROM pg_class WHERE relname LIKE 'restoring%'") == []
    assert seen == {True, False}
    restored(catalog, kept, Target(in_place=True))
    assert query(database, NAMES.format("lms.users")) == OLD_NAMES


def test_a_server_that_goes_away_in_the_middle_leaves_the_table_as_it_was(catalog, kept, database):
    def gone(table: str, rows: int) -> None:
        query(
            database,
            DISCONNECTED,
        )

    with pytest.raises(DatabaseUnavailable, match="the old state stands"):
        restore(catalog, [kept], Target(in_place=True), run_id="test", progress=gone)
    assert query(database, NAMES.format("lms.users")) == NEW_NAMES
    assert query(database, "SELECT relname FROM pg_class WHERE relname LIKE 'restoring%'") == []


@pytest.fixture
def small_tables(database: str) -> Iterator[Path]:
    """A disk of 2 MB on which the database makes all new tables."""
    folder = Path(tempfile.mkdtemp(prefix="pd-"))
    folder.chmod(0o755)
    try:
        with small_disk(folder, "2m"):
            owner = Path(query(database, "SHOW data_directory")[0][0]).stat()
            os.chown(folder, owner.st_uid, owner.st_gid)
            name = query(database, "SELECT current_database()")[0][0]
            space = f"s_{name}"
            query(database, f"CREATE TABLESPACE {space} LOCATION '{folder}'")
            query(database, f"ALTER DATABASE {name} SET default_tablespace = {space}")
            yield folder
            query(database, f"ALTER DATABASE {name} RESET default_tablespace")
            query(database, f"DROP TABLESPACE {space}")
    finally:
        folder.rmdir()


def test_a_server_s_disk_that_is_full_is_said_and_its_space_given_back(settings, catalog, database, small_tables):
    query(database, "ALTER TABLE IF EXISTS lms.users SET TABLESPACE pg_default")
    put(catalog, "lms", USERS, [])
    rows = [{"id": number, "name": f"{number:0200d}"} for number in range(20_000)]
    query(database, "ALTER TABLE lms.users SET TABLESPACE pg_default; ALTER INDEX lms.users_pkey SET TABLESPACE pg_default")
    with psycopg.connect(database) as connection, connection.cursor().copy("COPY lms.users (id, name, _instance) FROM STDIN") as copy:
        for row in rows:
            copy.write_row((row["id"], row["name"], "default"))
    kept = back_up_table(settings, catalog, catalog.table("lms.users"))
    for target in (Target(in_place=True), Target()):
        with pytest.raises(DatabaseUnavailable, match="No space left on device"):
            restored(catalog, kept, target)
        assert query(database, "SELECT count(*) FROM lms.users") == [(20_000,)]
        query(database, "CHECKPOINT")
        assert shutil.disk_usage(small_tables).used < 200_000
    with pytest.raises(DatabaseUnavailable, match="No space left on device"):
        drill(settings, catalog, kept)
