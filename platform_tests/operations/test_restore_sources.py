"""Restores of whole sources, and into other databases."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from warehouse_tables import NAMES, OLD_NAMES, PARENT, query, restored

from platform_assets.dictionary.model import ForeignKey
from platform_assets.errors import Conflict, DamagedBackup, DatabaseUnavailable
from platform_assets.operations.backup import back_up_table, newest_set
from platform_assets.operations.restore import Target, in_reference_order, restore
from platform_assets.storage.server.database_url import with_database


def test_into_another_database_a_table_bears_its_own_name(catalog, kept, elsewhere):
    for _ in range(2):
        assert restored(catalog, kept, Target(url=elsewhere)).relation == "lms.users"
        assert query(elsewhere, NAMES.format("lms.users")) == OLD_NAMES
    query(elsewhere, "CREATE TABLE lms.strange (n int)")
    with pytest.raises(Conflict, match="stands already"):
        restored(catalog, kept, Target(name="strange", url=elsewhere))


def test_a_login_that_fails_is_said_without_the_password(catalog, kept, elsewhere):
    wrong = elsewhere.partition("@")[2]
    with pytest.raises(DatabaseUnavailable) as caught:
        restored(catalog, kept, Target(url=f"postgresql://nobody:s3cret@{wrong.partition('?')[0]}"))
    assert "s3cret" not in caught.value.message
    with pytest.raises(DatabaseUnavailable):
        restored(catalog, kept, Target(url=with_database(elsewhere, "no_such_database")))


def test_a_source_comes_back_whole_with_its_foreign_keys(source, catalog, database):
    """Each alone could not: the rows of one refer to those of the other's other state."""
    for backup in source:
        with pytest.raises(Conflict, match="of_course"):
            restored(catalog, backup, Target(in_place=True))
    done = restore(catalog, source, Target(in_place=True), run_id="test")
    assert [one.table for one in done] == ["courses", "marks"]
    assert query(database, "SELECT m.id, title FROM lms.marks m JOIN lms.courses c ON c.id = course") == [(1, "seven")]
    assert query(database, "SELECT count(*) FROM pg_constraint WHERE conname = 'of_course'") == [(1,)]


def test_a_source_goes_to_another_database_with_its_foreign_keys(source, catalog, elsewhere):
    done = restore(catalog, source, Target(url=elsewhere), run_id="test")
    assert [(one.table, one.left_undone) for one in done] == [("courses", ()), ("marks", ())]
    assert query(elsewhere, "SELECT count(*) FROM pg_constraint WHERE conname = 'of_course'") == [(1,)]


def test_tables_that_refer_to_each_other_have_an_order_as_well(source):
    loop = replace(
        source[1], stored=replace(source[1].stored, table=replace(PARENT, foreign_keys=(ForeignKey(("id",), "marks", ("id",)),)))
    )
    assert [backup.table.name for backup in in_reference_order([source[0], loop])] == ["courses", "marks"]


def test_the_set_of_one_snapshot_is_preferred_to_newer_ones_of_single_tables(source, settings, catalog):
    alone = back_up_table(settings, catalog, catalog.table("lms.marks"))
    records = [catalog.table("lms.marks"), catalog.table("lms.courses")]
    assert newest_set(settings, records) == source
    shutil.rmtree(source[0].folder)
    assert newest_set(settings, records) == [alone, source[1]]


def test_one_table_that_cannot_be_restored_leaves_all_as_they_are(source, catalog, database):
    before = query(database, "SELECT id FROM lms.courses")
    part = source[0].folder / source[0].parts[0].name
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DamagedBackup, match=part.name):
        restore(catalog, source, Target(in_place=True), run_id="test")
    assert query(database, "SELECT id FROM lms.courses") == before
