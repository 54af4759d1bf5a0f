"""Avro files that others wrote: restored into a table whole, or not at all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import fastavro
import pytest
from warehouse_tables import NAMES, NEW_NAMES, OLD_NAMES, query

from platform_assets.errors import Conflict, NoSuchTable, UnreadableDump
from platform_assets.operations.backup import back_up_table
from platform_assets.operations.foreign_avro import restore_file
from platform_assets.operations.restore import Target
from platform_assets.storage.home import Home

SCHEMA = {
    "type": "record",
    "name": "Person",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "name", "type": ["null", "string"]},
        {"name": "paid", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}]},
        {"name": "seen", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "either", "type": ["null", "int", "string"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
    ],
}
PEOPLE = [
    {
        "id": 1,
        "name": "ann",
        "paid": Decimal("1.50"),
        "seen": dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
        "day": dt.date(2024, 1, 2),
        "either": 5,
        "tags": ["x", "y"],
        "kind": "a",
    },
    {"id": 2, "name": None, "paid": None, "seen": None, "day": dt.date(1969, 1, 1), "either": "five", "tags": [], "kind": "b"},
]


def written(path: Path, schema: dict, rows: list[dict], codec: str = "deflate") -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows, codec=codec)
    return path


def restored(settings, catalog, path: Path, name: str = "lms.people", target: Target | None = None, **options: bool):
    return restore_file(settings, catalog, path, name, target or Target(), run_id="test", **options)


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard"])
def test_int_ids_unions_and_logical_types_arrive(codec, settings, catalog, database, tmp_path):
    path = written(tmp_path / "people.avro", SCHEMA, PEOPLE, codec)
    for _ in range(2):
        done = restored(settings, catalog, path)
        assert (done.relation, done.rows) == ("lms.people_restored", 2)
        assert query(database, "SELECT id, name, paid, day, either, tags, kind, _instance, _row FROM lms.people_restored ORDER BY id") == [
            (1, "ann", Decimal("1.50"), dt.date(2024, 1, 2), "5", '["x","y"]', "a", "default", 1),
            (2, None, None, dt.date(1969, 1, 1), "five", "[]", "b", "default", 2),
        ]
        assert query(database, "SELECT seen AT TIME ZONE 'UTC' FROM lms.people_restored WHERE id = 1") == [(dt.datetime(2024, 1, 2),)]
    work = Home(settings.home).store / "work"
    assert not work.exists() or list(work.iterdir()) == []


SMALL = {
    "type": "record",
    "name": "U",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "name", "type": ["string", "null"]},
        {"name": "paid", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}]},
        {"name": "seen", "type": ["null", {"type": "long", "logicalType": "local-timestamp-micros"}]},
    ],
}
USERS = [{"id": number, "name": name, "paid": None, "seen": None} for number, name in OLD_NAMES]


def test_in_the_place_of_a_table_types_are_widened_to_those_that_stand_there(settings, catalog, kept, database, tmp_path):
    done = restored(settings, catalog, written(tmp_path / "u.avro", SMALL, USERS), "lms.users", Target(in_place=True))
    assert query(database, NAMES.format("lms.users")) == OLD_NAMES
    assert done.steps == ("column paid is widened from decimal(8,2) to decimal(10,2)",)


def test_a_key_that_comes_twice_is_a_conflict_and_nothing_is_changed(settings, catalog, kept, database, tmp_path):
    path = written(tmp_path / "u.avro", SMALL, [*USERS, USERS[0]])
    with pytest.raises(Conflict, match=r"\(1, default\)"):
        restored(settings, catalog, path, "lms.users", Target(in_place=True))
    assert query(database, NAMES.format("lms.users")) == NEW_NAMES


def test_a_file_of_a_backup_is_such_a_file_as_well(settings, catalog, kept, database, tmp_path):
    path = tmp_path / "copied.avro"
    path.write_bytes((kept.folder / kept.parts[0].name).read_bytes())
    restored(settings, catalog, path, "lms.users", Target(in_place=True))
    assert query(database, NAMES.format("lms.users")) == OLD_NAMES
    again = back_up_table(settings, catalog, catalog.table("lms.users"))
    assert again.rows_hash == kept.rows_hash, "the platform's own columns came with it"


def test_a_text_that_the_server_cannot_hold_is_kept_in_raw(settings, catalog, database, tmp_path):
    restored(settings, catalog, written(tmp_path / "n.avro", SMALL, [{"id": 1, "name": "a\0b", "paid": None, "seen": None}]))
    assert query(database, "SELECT name, _raw::text FROM lms.people_restored") == [(None, '{"name": "a\\u0000b"}')]


@pytest.mark.parametrize("damage", ["cut", "flipped", "not avro"])
def test_a_file_that_is_not_whole_is_refused_and_changes_nothing(damage, settings, catalog, database, tmp_path):
    path = written(tmp_path / "u.avro", SMALL, USERS * 50, codec="null")
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-5], "flipped": data[:-20] + b"\xff" * 20, "not avro": b"id,name\n1,x\n"}[damage])
    with pytest.raises(UnreadableDump):
        restored(settings, catalog, path)
    assert query(database, "SELECT to_regclass('lms.people_restored')") == [(None,)]
    work = Home(settings.home).store / "work"
    assert not work.exists() or list(work.iterdir()) == []


def test_a_dry_run_changes_nothing(settings, catalog, database, tmp_path):
    done = restored(settings, catalog, written(tmp_path / "u.avro", SMALL, USERS), dry_run=True)
    assert done.rows == 3
    assert query(database, "SELECT to_regclass('lms.people_restored')") == [(None,)]


def test_a_table_needs_a_source(settings, catalog, tmp_path):
    with pytest.raises(NoSuchTable):
        restored(settings, catalog, written(tmp_path / "u.avro", SMALL, USERS), "people")
