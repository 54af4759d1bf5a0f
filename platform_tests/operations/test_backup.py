"""Backups of warehouse tables: one moment for all, whole or not there, with all that a person needs to make the table again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from forked import forked
from warehouse_tables import CHILD, DISCONNECTED, NEW, OLD, PARENT, USERS, put, query

from platform_assets import __version__
from platform_assets.errors import Conflict, DatabaseUnavailable, NoSuchTable, PlatformError, StoreUnwritable
from platform_assets.operations.backup import back_up_table, backups_of, chosen_tables, find_backup, snapshot, verify_backup
from platform_assets.operations.drill import drill
from platform_assets.settings import BackupSettings
from platform_assets.storage.catalog.records import RejectRow
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import Backup, damaged_backups, list_backups, verify
from platform_assets.storage.rows.row_hash import hash_of
from platform_assets.storage.server.sessions import connected


def files(backup: Backup) -> list[bytes]:
    return [(backup.folder / part.name).read_bytes() for part in backup.files]


def test_equal_rows_give_equal_bytes_whatever_happened_to_the_table_in_between(settings, catalog):
    one = back_up_table(settings, catalog, put(catalog, "lms", USERS, OLD))
    put(catalog, "lms", USERS, NEW)
    two = back_up_table(settings, catalog, put(catalog, "lms", USERS, list(reversed(OLD))))
    again = back_up_table(settings, catalog, put(catalog, "lms", USERS, OLD))
    assert files(one) == files(again)
    assert files(one) != files(two), "their row numbers differ"
    assert one.rows_hash == again.rows_hash == hash_of(one.batches())


def test_rows_come_in_the_order_of_the_key(settings, catalog):
    made = back_up_table(settings, catalog, put(catalog, "lms", USERS, [{"id": number} for number in (10, 9, -1, 100)]))
    assert [row for batch in made.batches(["id"]) for row in batch.column(0).to_pylist()] == [-1, 9, 10, 100]


def test_the_tables_of_one_snapshot_are_of_one_moment(settings, catalog):
    for table, rows in ((PARENT, [{"id": 7}]), (CHILD, [{"id": 1, "course": 7}])):
        put(catalog, "lms", table, rows)
    with snapshot(catalog) as at:
        children = back_up_table(settings, catalog, catalog.table("lms.marks"), at=at)
        put(catalog, "lms", CHILD, [])
        put(catalog, "lms", PARENT, [{"id": 8}])
        parents = back_up_table(settings, catalog, catalog.table("lms.courses"), at=at)
    assert [row for batch in parents.batches(["id"]) for row in batch.column(0).to_pylist()] == [7]
    assert children.rows == 1
    assert children.facts["snapshot"] == parents.facts["snapshot"]


REWRITING = {
    "columns": "ALTER TABLE lms.courses ALTER title TYPE varchar(30) USING title || '!'",
    "emptied": "TRUNCATE lms.courses",
    "replaced": "CREATE TABLE lms.new (LIKE lms.courses); DROP TABLE lms.courses; ALTER TABLE lms.new RENAME TO courses",
    "gone": "DROP TABLE lms.courses",
}


@pytest.mark.parametrize("change", REWRITING)
def test_a_table_that_is_rewritten_after_the_snapshot_is_not_backed_up_as_an_empty_one(change, settings, catalog, database):
    """PostgreSQL shows the rows of a rewritten table to no older snapshot: it would look empty, and prove true."""
    record = put(catalog, "lms", PARENT, [{"id": 7, "title": "x"}])
    with snapshot(catalog) as at:
        query(database, REWRITING[change])
        with pytest.raises(Conflict, match="run it again"):
            back_up_table(settings, catalog, record, at=at)
    assert list_backups(Home(settings.home).backups("lms", "courses")) == []


def test_a_backup_keeps_no_table_locked_that_it_has_read(settings, catalog, database):
    record = put(catalog, "lms", PARENT, [{"id": 7, "title": "x"}])
    with snapshot(catalog) as at:
        back_up_table(settings, catalog, record, at=at)
        query(database, "SET lock_timeout = '1s'; ALTER TABLE lms.courses ADD COLUMN later text")


def test_a_column_that_came_after_the_snapshot_is_not_looked_for_in_it(settings, catalog):
    """The caller's record of the table may be newer than the moment that is backed up."""
    put(catalog, "lms", PARENT, [{"id": 7, "title": "x"}])
    with snapshot(catalog) as at:
        at.connection.execute("SELECT 1 FROM catalog.tables")
        newer = put(catalog, "lms", replace(PARENT, name="other"), [{"id": 1}])
        with pytest.raises(NoSuchTable, match="when the snapshot was taken"):
            back_up_table(settings, catalog, newer, at=at)
        assert back_up_table(settings, catalog, catalog.table("lms.courses"), at=at).rows == 1


def test_the_manifest_says_what_was_backed_up_by_what(settings, catalog, database):
    (settings.home / "dictionary").mkdir()
    (settings.home / "dictionary" / "lms.odcs.yaml").write_text("x")
    record = put(catalog, "lms", USERS, OLD)
    query(
        database,
        """INSERT INTO catalog.snapshots (version, source, table_name, rows_read, accepted, rejected, recovered, unreadable, content)
           VALUES ('lms.a.1', 'lms', 'users', 3, 3, 0, 0, 0, 'c')""",
    )
    query(database, "CREATE INDEX by_name ON lms.users (name); COMMENT ON COLUMN lms.users.name IS 'it''s full'")
    facts = back_up_table(settings, catalog, record).facts
    assert facts["tool_version"] == __version__
    assert facts["server_version"] >= 140000
    assert facts["versions"] == [{"version": "lms.a.1", "content": "c"}]
    assert len(facts["dictionary_version"]) == 12
    ddl = facts["ddl"]
    query(database, "DROP TABLE lms.users")
    for statement in (ddl["create"], *ddl["extras"], *ddl["comments"], *ddl["grants"]):
        query(database, statement.replace("%", "%%"))
    again = back_up_table(settings, catalog, record).facts["ddl"]
    assert again == ddl
    assert "PRIMARY KEY (id, _instance)" in ddl["create"]
    assert any("by_name" in statement for statement in ddl["extras"])


def test_rejected_rows_go_with_the_table_when_asked_for(settings, catalog, database):
    record = put(catalog, "lms", USERS, OLD)
    with connected(catalog.url) as connection:
        violations = [{"rule": "required:name", "code": "missing-value", "columns": ["name"], "value": None, "message": "no name"}]
        catalog.replace_rejects(connection, "lms.a.1", "lms", [RejectRow("5|", violations, table_name="users", line=2)])
    assert not back_up_table(settings, catalog, record).more
    made = back_up_table(replace(settings, backup=BackupSettings(rejects=True)), catalog, record)
    (row,) = [row for batch in made.batches(relation="rejects") for row in batch.to_pylist()]
    assert (row["raw"], row["line"], row["version"], "no name" in row["violations"]) == ("5|", 2, "lms.a.1", True)
    assert verify(made).ok


def test_a_table_without_a_latest_state_and_a_backup_that_is_not_there_are_said(settings, catalog):
    record = put(catalog, "lms", USERS, OLD)
    with pytest.raises(NoSuchTable, match="no latest state yet"):
        back_up_table(settings, catalog, replace(record, relation=None))
    with pytest.raises(PlatformError, match="none; make one with platform-assets backup"):
        find_backup(settings, "lms", "users")
    made = back_up_table(settings, catalog, record)
    with pytest.raises(PlatformError, match=made.backup_id):
        find_backup(settings, "lms", "users", "2020")


def test_a_source_names_all_of_its_tables(settings, catalog):
    for source, table in (("lms", USERS), ("lms", PARENT), ("hr", USERS)):
        back_up_table(settings, catalog, put(catalog, source, table, []))
    named = [(record.source, record.table_name) for record in chosen_tables(catalog, "lms")]
    assert named == [("lms", "courses"), ("lms", "users")]
    assert [record.source for record in chosen_tables(catalog, "hr.users")] == ["hr"]
    assert len(backups_of(settings, catalog, None)[0]) == 3


def test_the_fast_proof_of_files_does_not_pass_for_the_whole_one(settings, catalog):
    made = back_up_table(settings, catalog, put(catalog, "lms", USERS, OLD))
    assert verify_backup(settings, catalog, made, level="files").ok
    assert catalog.backups("lms", "users")[0].verified_ok is None
    assert verify_backup(settings, catalog, made).ok
    assert catalog.backups("lms", "users")[0].verified_ok is True


# drills


def test_a_drill_compares_with_the_table_as_it_was_backed_up_and_leaves_nothing(settings, catalog, kept, database):
    """The table has changed since: that is no fault of the backup."""
    done = drill(settings, catalog, kept)
    assert (done.equal, done.rows, done.why) == (True, 3, "")
    (record,) = catalog.backups("lms", "users")
    assert (record.drill_ok, record.verified_ok) == (True, True)
    assert record.details["drill_seconds"] == done.seconds
    assert query(database, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'platform_drill%'") == []


@pytest.mark.parametrize("damage", ["file", "rows"])
def test_a_drill_of_a_damaged_backup_is_told_as_one_that_failed(damage, settings, catalog, kept):
    if damage == "file":
        (kept.folder / kept.parts[0].name).write_bytes(b"")
    bad = kept if damage == "file" else replace(kept, rows_hash="0-0")
    if damage == "rows":
        from platform_assets.storage.rows.stored_table import write_manifest

        write_manifest(kept.folder / Backup.MANIFEST, bad.to_json())
    done = drill(settings, catalog, bad)
    assert not done.equal
    assert catalog.backups("lms", "users")[0].drill_ok is False
    assert catalog.backups("lms", "users")[0].details["drill_problem"] == done.why != ""


# losses

ROWS = [{"id": number, "name": f"{number * 7919 % 100_003:040d}"} for number in range(20_000)]

LIMITED = """
import resource, sys
from pathlib import Path
from platform_assets.operations.backup import back_up_table
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

settings, catalog = Settings(Path(sys.argv[1]), database_url=sys.argv[2]), Catalog(sys.argv[2])
record = catalog.table("lms.users")
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
back_up_table(settings, catalog, record)
"""


VERIFIED = """
import resource, sys
from pathlib import Path
from platform_assets.operations.backup import find_backup, verify_backup
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

settings, catalog = Settings(Path(sys.argv[1]), database_url=sys.argv[2]), Catalog(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
assert verify_backup(settings, catalog, find_backup(settings, "lms", "users")).ok
"""


def test_verifying_needs_no_room(settings, catalog, kept, database):
    assert in_process(VERIFIED, settings, database).returncode == 0


def left(settings) -> list[Path]:
    """What lies where the table's backups do."""
    folder = Home(settings.home).backups("lms", "users")
    return list(folder.iterdir()) if folder.exists() else []


def in_process(code: str, settings, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, str(settings.home), url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_disk_that_is_full_is_said_and_its_space_given_back(settings, catalog, database):
    put(catalog, "lms", USERS, ROWS)
    done = in_process(LIMITED, settings, database)
    assert "StoreUnwritable" in done.stderr.splitlines()[-1], done.stderr
    assert left(settings) == []


def test_no_room_is_the_same_error_here(settings, catalog, monkeypatch):
    record = put(catalog, "lms", USERS, OLD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnwritable, match="No space left"):
        back_up_table(settings, catalog, record)
    assert left(settings) == []


def test_a_server_that_goes_away_in_the_middle_leaves_no_backup(settings, catalog, database):
    record = put(catalog, "lms", USERS, ROWS)
    with pytest.raises(DatabaseUnavailable):
        back_up_table(settings, catalog, record, progress=lambda table, rows: query(database, DISCONNECTED) and None)
    assert left(settings) == []
    assert catalog.backups() == []
    assert back_up_table(settings, catalog, record).rows == len(ROWS)


KILLED = """
import os, signal, sys
from pathlib import Path
from platform_assets.operations.backup import back_up_table
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

count = 0

def step(event, arguments):
    global count
    if event == "fsync" or (event.partition(".")[0] in ("open", "os") and arguments and str(arguments[0]).startswith(sys.argv[1])):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

plain = os.fsync
os.fsync = lambda file: (step("fsync", ()), plain(file))

def run(number):
    global last
    last = number
    settings, catalog = Settings(Path(sys.argv[1]), database_url=sys.argv[2]), Catalog(sys.argv[2])
    record = catalog.table("lms.users")
    sys.addaudithook(step)
    back_up_table(settings, catalog, record)
    return count
"""


@pytest.mark.parametrize("linked", [False, True], ids=["written", "linked"])
def test_killed_at_any_call_to_the_file_system_a_backup_is_whole_or_not_there(linked, settings, catalog, database):
    record = put(catalog, "lms", USERS, ROWS[:500])
    folder = Home(settings.home).backups("lms", "users")

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if linked:
            back_up_table(settings, catalog, record)

    fresh()
    killed = 0
    with forked(KILLED, settings.home, database) as run:
        code, steps = run(0)
        assert code == 0
        last_one = list_backups(folder)[-1]
        for last in range(1, int(steps) + 1, 2):
            fresh()
            killed += run(last)[0] == -signal.SIGKILL
            found = list_backups(folder)
            assert damaged_backups(folder) == []
            assert len(found) in ((1, 2) if linked else (0, 1))
            assert all(verify(one).ok and one.rows_hash == last_one.rows_hash for one in found)
    assert killed >= 5


def test_wrong_credentials_are_said(settings, catalog, database):
    record = put(catalog, "lms", USERS, OLD)
    place = database.partition("@")[2].partition("?")[0]
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"), snapshot(type(catalog)(f"postgresql://nobody:x@{place}")) as at:
        back_up_table(settings, catalog, record, at=at)
    assert isinstance(at_once(database), psycopg.Connection)


def at_once(url: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(url)
    connection.close()
    return connection
