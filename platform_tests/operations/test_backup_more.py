"""History and rejected rows in a backup, and tables as they were at an earlier day, restored beside and in place."""

from __future__ import annotations

import shutil
from dataclasses import replace

import fastavro
import pytest
from dump_texts import ingest, write_dump
from warehouse_tables import query

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import Conflict, NothingThen, PlatformError, StoredFileError
from platform_assets.operations.backup import back_up_table, verify_backup
from platform_assets.operations.drill import drill
from platform_assets.operations.restore import Target, restore
from platform_assets.operations.restore_as_of import restore_as_of
from platform_assets.settings import BackupSettings
from platform_assets.storage.catalog.records import RejectRow
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import list_backups
from platform_assets.storage.server.sessions import connected

DEFINITION = "`id` int NOT NULL, `name` varchar(200), PRIMARY KEY (`id`)"
WHOLE = "SELECT to_jsonb(h)::text FROM {} h ORDER BY 1"
NAMES = "SELECT id, name FROM {} ORDER BY id"


def load(settings, catalog, *days: int) -> None:
    """A version per day: the row 1 changes with each, and one comes."""
    for day in days:
        rows = [(1, f"ann {day}"), *((number + 1, f"new {number}") for number in range(1, day + 1))]
        write_dump(Home(settings.home).dumps / "crm", f"d{day}", day, people=(DEFINITION, rows))
    assert ingest(settings, catalog) == []


@pytest.fixture
def whole(settings):
    return replace(settings, backup=BackupSettings(history=True, rejects=True))


def reject(catalog) -> None:
    with connected(catalog.url) as connection:
        violations = [{"rule": "required:name", "code": "missing-value", "columns": ["name"], "value": None, "message": "no name"}]
        version = catalog.versions()[-1].version
        catalog.replace_rejects(connection, version, "crm", [RejectRow("5|", violations, table_name="people", line=2)])


@pytest.mark.parametrize("days", [(1,), (1, 2, 3)], ids=["as_a_view", "as_a_table"])
def test_history_and_rejects_are_backed_up_proven_tried_and_restored_beside(days, whole, catalog, database):
    load(whole, catalog, *days)
    reject(catalog)
    made, again = (back_up_table(whole, catalog, catalog.table("crm.people")) for _ in range(2))
    assert set(made.more) == {"history", "rejects"}
    assert [(made.folder / part.name).read_bytes() for part in made.files] == [
        (again.folder / part.name).read_bytes() for part in again.files
    ]
    before = query(database, WHOLE.format("crm_history.people"))
    (part,) = made.more["history"].stored.parts
    with (made.folder / part.name).open("rb") as file:
        read = list(fastavro.reader(file))
    assert len(before) == len(read) == made.more["history"].stored.rows == 2 * len(days)
    assert verify_backup(whole, catalog, made).ok
    assert drill(whole, catalog, made).why == ""

    load(whole, catalog, 5)
    for _ in range(2):
        done = restore(catalog, [made], Target(), run_id="test", more=["history", "rejects"])
    assert [one.relation for one in done] == ["crm.people_restored", "crm.people_restored_history", "crm.people_restored_rejects"]
    assert query(database, WHOLE.format("crm.people_restored_history")) == before
    assert query(database, "SELECT raw, violations::json -> 0 ->> 'message' FROM crm.people_restored_rejects") == [("5|", "no name")]
    assert len(query(database, NAMES.format("crm_history.people"))) > len(before), "what the platform made is not touched"


def test_a_flipped_byte_in_the_history_is_found_before_anything_is_touched_and_by_the_drill(whole, catalog, database):
    load(whole, catalog, 1, 2)
    made = back_up_table(whole, catalog, catalog.table("crm.people"))
    path = made.folder / made.more["history"].stored.parts[0].name
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(PlatformError, match="does not prove true"):
        restore(catalog, [made], Target(), run_id="test", more=["history"])
    assert not drill(whole, catalog, made).equal
    assert query(database, "SELECT relname FROM pg_class WHERE relname LIKE 'people_restored%%'") == []


def test_a_backup_without_history_and_a_name_that_is_taken_are_told(settings, whole, catalog, database):
    load(whole, catalog, 1)
    made = back_up_table(settings, catalog, catalog.table("crm.people"))
    with pytest.raises(PlatformError, match=r"has no history.*It has: rows"):
        restore(catalog, [made], Target(), run_id="test", more=["history"])
    made = back_up_table(whole, catalog, catalog.table("crm.people"))
    query(database, "CREATE TABLE crm.people_history (mine int)")
    with pytest.raises(Conflict, match="no earlier restore of this history"):
        restore(catalog, [made], Target(in_place=True), run_id="test", more=["history"])


# as of an earlier day


def as_of(settings, catalog, at: str, target: Target | None = None, **options):
    (done,) = restore_as_of(settings, catalog, [catalog.table("crm.people")], at, target or Target(), run_id="test", **options)
    return done


THEN = [(1, "ann 2"), (2, "new 1"), (3, "new 2")]


@pytest.mark.parametrize("at", ["d2", "2024-01-02"])
def test_the_state_of_a_version_or_a_time_is_restored_beside_and_in_place(at, settings, catalog, database):
    load(settings, catalog, 1, 2, 3)
    query(database, "CREATE VIEW public.names AS SELECT name FROM crm.people")
    planned = as_of(settings, catalog, at, dry_run=True)
    assert (planned.rows, planned.as_of, query(database, "SELECT to_regclass('crm.people_restored')")) == (3, at, [(None,)])
    for _ in range(2):
        assert as_of(settings, catalog, at).relation == "crm.people_restored"
        assert query(database, NAMES.format("crm.people_restored")) == THEN
    assert as_of(settings, catalog, at, Target(in_place=True)).rows == 3
    assert query(database, NAMES.format("crm.people")) == THEN
    assert query(database, "SELECT name FROM public.names ORDER BY 1") == [("ann 2",), ("new 1",), ("new 2",)]
    assert list((Home(settings.home).store / "work").iterdir()) == []
    assert list_backups(Home(settings.home).backups("crm", "people")) == []


def test_it_goes_to_another_database_under_its_own_name(settings, catalog, elsewhere):
    load(settings, catalog, 1, 2)
    assert as_of(settings, catalog, "d1", Target(url=elsewhere)).relation == "crm.people"
    assert query(elsewhere, NAMES.format("crm.people")) == [(1, "ann 1"), (2, "new 1")]


def test_what_the_history_no_longer_has_comes_from_the_newest_verified_backup_made_by_then(settings, catalog, database):
    load(settings, catalog, 1)
    record = catalog.table("crm.people")
    made = back_up_table(settings, catalog, record)
    later = back_up_table(settings, catalog, record)
    load(settings, catalog, 2)
    shutil.rmtree(Home(settings.home).store / "snapshots")
    with pytest.raises(PlatformError):
        as_of(settings, catalog, later.created_at)
    assert verify_backup(settings, catalog, made).ok
    done = as_of(settings, catalog, later.created_at)
    assert (done.backup_id, done.as_of) == (made.backup_id, None)
    assert "newest verified one made by then" in done.steps[0]
    assert query(database, NAMES.format("crm.people_restored")) == [(1, "ann 1"), (2, "new 1")]
    with pytest.raises(StoredFileError):
        as_of(settings, catalog, "2023-12-31")


def test_a_version_of_one_instance_does_not_take_the_place_of_all(settings, catalog, database):
    pattern = {"crm": SourceSettings("crm", pattern="(?P<instance>..)_(?P<label>d.)")}
    settings = replace(settings, sources=pattern)
    for number, instance in enumerate(("eu", "us"), 1):
        write_dump(Home(settings.home).dumps / "crm", f"{instance}_d{number}", number, people=(DEFINITION, [(1, instance)]))
    assert ingest(settings, catalog) == []
    with pytest.raises(Conflict, match="rows of us as well"):
        as_of(settings, catalog, "d1", Target(in_place=True))
    assert restored_names(settings, catalog, database, "d1") == [(1, "eu")]
    assert restored_names(settings, catalog, database, "2024-01-02") == [(1, "eu"), (1, "us")]


def restored_names(settings, catalog, database, at):
    as_of(settings, catalog, at)
    return sorted(query(database, NAMES.format("crm.people_restored")))


def test_of_a_source_the_tables_that_were_there_come_back_and_the_others_stay(settings, catalog, database):
    load(settings, catalog, 1)
    rows = {"people": (DEFINITION, [(1, "ann 2")]), "later": (DEFINITION, [(7, "seven")])}
    write_dump(Home(settings.home).dumps / "crm", "d2", 2, **rows)
    assert ingest(settings, catalog) == []
    done = restore_as_of(settings, catalog, catalog.tables(source="crm"), "2024-01-01", Target(in_place=True), run_id="test")
    assert [one.table for one in done] == ["people"]
    assert query(database, NAMES.format("crm.people")) == [(1, "ann 1"), (2, "new 1")]
    assert query(database, NAMES.format("crm.later")) == [(7, "seven")]
    with pytest.raises(NothingThen, match="No table of crm was there at 2023-01-01"):
        restore_as_of(settings, catalog, catalog.tables(source="crm"), "2023-01-01", Target(), run_id="test")
