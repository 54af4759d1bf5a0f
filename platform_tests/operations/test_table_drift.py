"""Drift through publications: what changed with each version, whatever the order of arrival; renames that the content speaks for."""

from __future__ import annotations

import shutil
from itertools import permutations

import psycopg
import pytest
from dump_texts import publish_new, write_dump

from platform_assets.operations.drift import drift_of, record_drift
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

PLAIN = "`id` int NOT NULL, `mail` varchar(40), `age` int, PRIMARY KEY (`id`)"
WIDER = "`id` bigint NOT NULL, `mail` varchar(40), `age` int, `note` text, PRIMARY KEY (`id`)"
MOVED = "`note` text, `id` bigint NOT NULL, `mail` varchar(40) NOT NULL, `age` varchar(9), PRIMARY KEY (`id`)"
ROWS = [(n, f"m{n}@x.org", n % 7) for n in range(1, 60)]
DAYS = {
    "first": (1, PLAIN, ROWS),
    "second": (2, WIDER, [(*row, None) for row in ROWS]),
    "third": (3, MOVED, [(None, n, mail, str(age)) for n, mail, age in ROWS]),
}


def labelled(settings: Settings, catalog: Catalog) -> list[tuple[object, ...]]:
    keys = ("version", "since", "change", "column", "before", "after", "widening")
    changes = drift_of(settings, catalog, "crm.people")["changes"]
    return [tuple(row[key].split(".")[1] if key in ("version", "since") else row[key] for key in keys) for row in changes]


@pytest.mark.parametrize("arrival", list(permutations(DAYS)), ids="-".join)
def test_the_changes_follow_the_order_of_the_versions_not_of_their_arrival(home, settings, catalog, arrival):
    """A late dump that belongs in the middle changes what stands there."""
    for label in arrival:
        day, definition, rows = DAYS[label]
        write_dump(home.dumps / "crm", label, day, people=(definition, rows))
        publish_new(settings, catalog)
    assert labelled(settings, catalog) == [
        ("second", "first", "added", "note", None, "string", None),
        ("second", "first", "retyped", "id", "int32", "int64", True),
        ("third", "second", "moved", "note", "4", "1", None),
        ("third", "second", "required", "mail", "optional", "required", None),
        ("third", "second", "retyped", "age", "int32", "string", True),
    ]
    with psycopg.connect(catalog.url) as connection:
        asked = connection.execute("SELECT count(*) FROM catalog.schema_history WHERE change = 'retyped' AND widening").fetchone()
    assert asked == (2,)


def test_values_that_a_new_type_cannot_hold_are_counted_with_the_change(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=("`id` int, `born` varchar(10), PRIMARY KEY (`id`)", [(1, "0000-00-00")]))
    write_dump(home.dumps / "crm", "b", 2, people=("`id` int, `born` date, PRIMARY KEY (`id`)", [(1, "0000-00-00"), (2, "2000-01-02")]))
    publish_new(settings, catalog)
    (change,) = drift_of(settings, catalog, "people")["changes"]
    assert (change["before"], change["after"], change["widening"], change["kept_raw"]) == ("string", "date", False, 1)


RENAMED = "`id` int NOT NULL, `email` varchar(60), `years` int, PRIMARY KEY (`id`)"


def test_a_renamed_column_is_proposed_from_its_content_with_its_parts(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=(PLAIN, ROWS))
    write_dump(home.dumps / "crm", "b", 2, people=(RENAMED, [(n, mail if n % 9 else "other", age) for n, mail, age in ROWS]))
    publish_new(settings, catalog)
    found = drift_of(settings, catalog, "people")["renames"]
    assert [(row["old"], row["new"]) for row in found] == [("mail", "email"), ("age", "years")]
    assert all(row["score"] > 0.7 and row["shared_rows"] == 59 and row["parts"]["values"] > 0.8 for row in found)


def test_a_renamed_key_is_found_by_the_columns_that_stayed(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=(PLAIN, ROWS))
    new_key = "`person` int NOT NULL, `mail` varchar(40), `age` int, PRIMARY KEY (`person`)"
    write_dump(home.dumps / "crm", "b", 2, people=(new_key, ROWS))
    publish_new(settings, catalog)
    (found,) = drift_of(settings, catalog, "people")["renames"]
    assert (found["old"], found["new"], found["shared_rows"]) == ("id", "person", 59)


def test_columns_whose_values_differ_are_not_proposed(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=(PLAIN, ROWS))
    definition = "`id` int NOT NULL, `street` varchar(40), `floor` int, PRIMARY KEY (`id`)"
    write_dump(home.dumps / "crm", "b", 2, people=(definition, [(n, f"{n} Main St", 60 - n) for n, _, _ in ROWS]))
    publish_new(settings, catalog)
    assert drift_of(settings, catalog, "people")["renames"] == []


def test_a_renamed_table_is_proposed_under_both_names(home, settings, catalog):
    orders = ("`no` int, `total` int, PRIMARY KEY (`no`)", [(n, n * 3) for n in range(50)])
    write_dump(home.dumps / "crm", "a", 1, kunden=(PLAIN, ROWS), orders=orders)
    write_dump(home.dumps / "crm", "b", 2, people=(PLAIN, ROWS[5:]), orders=orders, other=("`x` int", [(1,)]))
    publish_new(settings, catalog)
    for name in ("kunden", "people"):
        (found,) = drift_of(settings, catalog, name)["renames"]
        assert (found["kind"], found["old"], found["new"], found["score"] > 0.8) == ("table", "kunden", "people", True)
    assert [row["change"] for row in drift_of(settings, catalog, "kunden")["changes"]] == ["vanished"]
    assert [row["change"] for row in drift_of(settings, catalog, "people")["changes"]] == ["appeared"]


def test_a_dump_that_breaks_off_before_a_table_does_not_say_that_it_vanished(home, settings, catalog):
    orders = ("`no` int, PRIMARY KEY (`no`)", [(1,)])
    for label, day in (("a", 1), ("b", 2), ("c", 3)):
        path = write_dump(home.dumps / "crm", label, day, orders=orders, people=(PLAIN, ROWS))
        if label == "b":
            text = path.read_text()
            path.write_text(text[: text.index("DROP TABLE IF EXISTS `people`")])
    publish_new(settings, catalog)
    assert [record.completeness for record in catalog.versions() if record.label == "b"] == ["partial"]
    assert drift_of(settings, catalog, "people")["changes"] == []


def test_tables_that_vanish_together_were_last_seen_in_versions_of_their_own(home, settings, catalog):
    """The partial dump has one of them and says nothing of the other; what came is compared with the version that held each."""
    orders = ("`no` int, `total` int, PRIMARY KEY (`no`)", [(n, n * 3) for n in range(50)])
    write_dump(home.dumps / "crm", "a", 1, kunden=(PLAIN, ROWS), orders=orders)
    partial = write_dump(home.dumps / "crm", "b", 2, kunden=(PLAIN, ROWS))
    partial.write_text(
        partial.read_text().replace("-- Dump completed", "INSERT INTO `kunden` SELECT * FROM `elsewhere`;\n-- Dump completed")
    )
    write_dump(home.dumps / "crm", "c", 3, people=(PLAIN, ROWS), sales=orders)
    publish_new(settings, catalog)
    for name, new, since in (("kunden", "people", "b"), ("orders", "sales", "a")):
        (found,) = drift_of(settings, catalog, name)["renames"]
        assert (found["old"], found["new"], found["since"].split(".")[1]) == (name, new, since)


def test_a_snapshot_that_is_gone_leaves_its_pair_without_evidence_and_says_so(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=(PLAIN, ROWS))
    publish_new(settings, catalog)
    (first,) = (record.version for record in catalog.versions())
    shutil.rmtree(home.snapshot("crm", first, "people"))
    write_dump(home.dumps / "crm", "b", 2, people=(RENAMED, ROWS))
    publish_new(settings, catalog)
    found = drift_of(settings, catalog, "people")["renames"]
    assert [(row["old"], row["new"], row["parts"]["values"]) for row in found] == [("mail", "email", None)]
    assert "snapshot.json" in found[0]["note"]


def test_pairs_are_compared_once_and_again_only_when_their_content_changed(home, settings, catalog, monkeypatch):
    write_dump(home.dumps / "crm", "a", 1, people=(PLAIN, ROWS))
    write_dump(home.dumps / "crm", "b", 2, people=(RENAMED, ROWS))
    publish_new(settings, catalog)
    before = drift_of(settings, catalog, "people")
    shutil.rmtree(home.store / "snapshots")
    record_drift(settings, catalog, "crm")
    assert drift_of(settings, catalog, "people") == before


def test_a_confirmed_rename_is_a_change_of_its_own_and_no_proposal(home, settings, catalog):
    write_dump(home.dumps / "crm", "a", 1, people=(PLAIN, ROWS))
    write_dump(home.dumps / "crm", "b", 2, people=(RENAMED, ROWS))
    publish_new(settings, catalog)
    home.dictionary.mkdir()
    (home.dictionary / "crm.odcs.yaml").write_text(
        "{apiVersion: v3.1.0, kind: DataContract, id: crm, version: 1.0.0, status: active, schema: [{name: people, properties: ["
        "{name: email, logicalType: string}, {name: mail, customProperties: [{property: renamedTo, value: email}]}]}]}"
    )
    assert labelled(settings, catalog) == [
        ("b", "a", "dropped", "age", "int32", None, None),
        ("b", "a", "added", "years", None, "int32", None),
        ("b", "a", "renamed", "email", "mail", "email", None),
    ]
    assert [row["old"] for row in drift_of(settings, catalog, "people")["renames"]] == ["age"]
