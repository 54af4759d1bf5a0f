"""The history in the warehouse through publications: whatever came when, its rows are those of a history made at once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import INT32
from platform_assets.errors import Conflict
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import publish_version
from platform_assets.operations.publish_history import PublishedHistory, refresh_history
from platform_assets.operations.register import located, register, scan
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.warehouse import version_tables
from platform_tests.operations.people import CONTRACT

ORDER = ("a", "b", "c", "d")


@pytest.fixture
def settings(home: Home) -> Settings:
    home.dictionary.mkdir()
    (home.dictionary / "crm.odcs.yaml").write_text(CONTRACT)
    return Settings(home.root, sources={"crm": SourceSettings("crm", dumps="full", order=ORDER, delete_guard=0.9)})


def drop(settings: Settings, name: str, rows: dict[int, str], day: int | None) -> None:
    moment = f"2024-01-{day:02d} 00:00:00" if day else ""
    folder = settings.home / "dumps" / "crm" / name
    folder.mkdir(parents=True)
    lines = [f"{key},{text},{moment}" for key, text in rows.items()]
    (folder / "people.csv").write_text("\n".join(["id,name,updated_at", *lines, ""]))


def ingest(settings: Settings, catalog: Catalog) -> PublishedHistory:
    home = Home(settings.home)
    for found in scan(home, catalog.known_files(), settle_seconds=0).new:
        record, _ = register(settings, catalog, found)
        commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
        publish_version(settings, catalog, record, run_id="test")
        catalog.update_version(record.version, completeness="complete")  # a text file has no end mark
    return refresh_history(settings, catalog, "crm", "people", run_id="test")


def query(catalog: Catalog, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(catalog.url) as connection:
        return connection.execute(text).fetchall()


LIFE = """SELECT id, name, split_part(_version, '.', 2), _operation, split_part(_until_version, '.', 2), _closed_by,
    extract(day FROM _valid_from)::int, extract(day FROM _valid_to)::int FROM crm_history.people ORDER BY id, _version, 2"""
DUMPS: dict[str, tuple[dict[int, str], int | None]] = {
    "a": ({1: "ann", 2: "bob"}, 1),
    "b": ({1: "ann", 2: "Bob", 3: "cy"}, 2),
    "c": ({1: "ann", 3: "cy"}, 3),
    "d": ({1: "Ann", 2: "bob", 3: "cy"}, 4),
}


def everything(catalog: Catalog) -> list[tuple[Any, ...]]:
    rows = query(catalog, "SELECT to_jsonb(h)::text FROM crm_history.people h ORDER BY 1")
    return rows + query(catalog, 'SELECT * FROM crm_history."people__changes"')


def test_while_there_is_one_version_the_history_is_a_view_of_it(settings, catalog):
    drop(settings, "a", *DUMPS["a"])
    done = ingest(settings, catalog)
    assert (done.view, done.rows) == (True, 2)
    assert query(catalog, LIFE) == [(1, "ann", "a", "insert", None, None, 1, None), (2, "bob", "a", "insert", None, None, 1, None)]
    assert query(catalog, 'SELECT moment::date::text, rows, inserts FROM crm_history."people__changes"') == [("2024-01-01", 2, 2)]


@pytest.mark.parametrize("arrivals", ["abcd", "dcba", "badc", "cadb"])
def test_the_history_is_the_same_for_every_order_of_arrival(settings, catalog, arrivals):
    """Each row moved with its updated_at, so a state changes with every version that has its key."""
    for name in arrivals:
        drop(settings, name, *DUMPS[name])
        ingest(settings, catalog)
    stepwise = everything(catalog)
    assert query(catalog, LIFE) == [
        (1, "ann", "a", "insert", "b", "update", 1, 2),
        (1, "ann", "b", "update", "c", "update", 2, 3),
        (1, "ann", "c", "update", "d", "update", 3, 4),
        (1, "Ann", "d", "update", None, None, 4, None),
        (2, "bob", "a", "insert", "b", "update", 1, 2),
        (2, "Bob", "b", "update", "c", "delete", 2, 3),
        (2, "bob", "d", "insert", None, None, 4, None),
        (3, "cy", "b", "insert", "c", "update", 2, 3),
        (3, "cy", "c", "update", "d", "update", 3, 4),
        (3, "cy", "d", "update", None, None, 4, None),
    ]
    with psycopg.connect(catalog.url) as connection:
        connection.execute("DROP TABLE crm_history.people; DELETE FROM catalog.history_versions")
    shutil.rmtree(Home(settings.home).history("crm", "people"))
    ingest(settings, catalog)
    assert everything(catalog) == stepwise


def test_a_state_that_does_not_change_is_one_row_and_another_version_touches_it_not(settings, catalog):
    for name in "abc":
        drop(settings, name, DUMPS[name][0], None)
        ingest(settings, catalog)
    before = query(catalog, "SELECT ctid, xmin FROM crm_history.people WHERE id = 1")
    drop(settings, "d", DUMPS["c"][0] | {9: "zoe"}, None)
    done = ingest(settings, catalog)
    assert (len(before), done.inserted, done.closed) == (1, 1, 0)
    assert query(catalog, "SELECT ctid, xmin FROM crm_history.people WHERE id = 1") == before
    assert query(catalog, "SELECT DISTINCT _valid_from, _valid_to FROM crm_history.people") == [(None, None)]


def test_what_people_put_on_a_history_survives_the_second_version_and_a_new_column(settings, catalog):
    drop(settings, "a", *DUMPS["a"])
    ingest(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.lives AS SELECT id, count(*) AS states FROM crm_history.people GROUP BY id")
        connection.execute("GRANT SELECT ON crm_history.people TO PUBLIC")
    drop(settings, "b", *DUMPS["b"])
    assert not ingest(settings, catalog).view
    assert query(catalog, "SELECT * FROM public.lives ORDER BY id") == [(1, 2), (2, 2), (3, 1)]
    contract = settings.home / "dictionary" / "crm.odcs.yaml"
    contract.write_text(CONTRACT + "      - {name: phone, logicalType: string}\n")
    folder = settings.home / "dumps" / "crm" / "c"
    folder.mkdir()
    (folder / "people.csv").write_text("id,name,updated_at,phone\n1,ann,2024-01-03 00:00:00,5\n")
    ingest(settings, catalog)
    assert query(catalog, "SELECT name, phone, _until_version IS NULL FROM crm_history.people WHERE id = 1 ORDER BY _valid_from") == [
        ("ann", None, False),
        ("ann", None, False),
        ("ann", "5", True),
    ]
    assert query(catalog, "SELECT * FROM public.lives ORDER BY id") == [(1, 3), (2, 2), (3, 1)]
    assert query(catalog, "SELECT relacl::text LIKE '%=r/%' FROM pg_class WHERE oid = 'crm_history.people'::regclass") == [(True,)]


@pytest.mark.parametrize("drops", [False, True], ids=["replaced", "dropped"])
def test_a_version_table_that_goes_is_not_held_back_by_the_history_that_reads_it(settings, catalog, drops):
    """The view of the history stands as a table, with the rows of before, until it is refreshed."""
    drop(settings, "a", *DUMPS["a"])
    ingest(settings, catalog)
    (record,) = catalog.versions(source="crm")
    before = query(catalog, LIFE)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.names AS SELECT name FROM crm_history.people")
        if drops:
            version_tables.drop_version(connection, source="crm", version=record.version, table="people")
        else:
            narrower = Table("people", (Column("id", INT32),))
            version_tables.publish_version(connection, source="crm", version=record.version, label="a", table=narrower, batches=[])
    assert query(catalog, LIFE) == before
    assert query(catalog, "SELECT * FROM public.names ORDER BY 1") == [("ann",), ("bob",)]
    assert not refresh_history(settings, catalog, "crm", "people", run_id="test").view, "its rows are those of the snapshot"
    publish_version(settings, catalog, record, run_id="test")
    assert refresh_history(settings, catalog, "crm", "people", run_id="test").view
    assert query(catalog, LIFE) == before
    assert query(catalog, "SELECT * FROM public.names ORDER BY 1") == [("ann",), ("bob",)]


def test_a_version_that_was_parsed_again_and_not_published_is_read_from_its_snapshot(settings, catalog):
    drop(settings, "a", *DUMPS["a"])
    drop(settings, "b", *DUMPS["b"])
    ingest(settings, catalog)
    record = next(one for one in catalog.versions(source="crm") if one.label == "a")
    contract = CONTRACT.replace("logicalType: string}", "logicalType: string, logicalTypeOptions: {pattern: 'b.*'}}")
    (settings.home / "dictionary" / "crm.odcs.yaml").write_text(contract)
    commit_version(Home(settings.home), parse_version(settings, record, located(settings, catalog, record)))
    refresh_history(settings, catalog, "crm", "people", run_id="test")
    assert query(catalog, "SELECT id, name, _operation FROM crm_history.people ORDER BY id, _version") == [
        (1, "ann", "insert"),
        (2, "bob", "insert"),
        (2, "Bob", "update"),
        (3, "cy", "insert"),
    ]


def test_a_column_whose_type_widens_is_compared_and_kept_under_the_wider_type(settings, catalog):
    contract = settings.home / "dictionary" / "crm.odcs.yaml"
    contract.write_text(CONTRACT.replace("{name: name, logicalType: string}", "{name: name, logicalType: integer}"))
    drop(settings, "a", {1: "7", 2: "8"}, None)
    ingest(settings, catalog)
    contract.write_text(CONTRACT)
    drop(settings, "b", {1: "7", 2: "eight"}, None)
    ingest(settings, catalog)
    assert query(catalog, "SELECT id, name, _operation, _until_version IS NULL FROM crm_history.people ORDER BY id, 4") == [
        (1, "7", "insert", True),
        (2, "8", "insert", False),
        (2, "eight", "update", True),
    ]


def test_times_that_change_with_the_order_are_changed_in_the_rows(settings, catalog):
    """An undated version counts from the first later one that is dated: by then it was there."""
    drop(settings, "a", DUMPS["a"][0], None)
    drop(settings, "b", DUMPS["b"][0], None)
    ingest(settings, catalog)
    assert query(catalog, "SELECT DISTINCT _valid_from FROM crm_history.people") == [(None,)]
    drop(settings, "c", *DUMPS["c"])
    ingest(settings, catalog)
    assert {row[6] for row in query(catalog, LIFE)} == {3}
    assert query(catalog, "SELECT count(*) FROM crm_history.people WHERE _until_version IS NOT NULL AND _valid_to IS NULL") == [(0,)]


def test_a_relation_of_somebody_else_is_a_conflict(settings, catalog):
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE SCHEMA crm_history; CREATE TABLE crm_history.people (id int)")
    drop(settings, "a", *DUMPS["a"])
    with pytest.raises(Conflict, match=r"crm_history\.people .*not made by this platform"):
        ingest(settings, catalog)


def test_other_settings_fold_again_what_hangs_on_them(settings, catalog):
    for name in "abc":
        drop(settings, name, *DUMPS[name])
    ingest(settings, catalog)
    strict = replace(settings, sources={"crm": replace(settings.source("crm"), delete_guard=0.1)})
    refresh_history(strict, catalog, "crm", "people", run_id="test")
    assert query(catalog, 'SELECT deletes, spared FROM crm_history."people__changes" ORDER BY place') == [(0, 0), (0, 0), (0, 1)]
    assert query(catalog, "SELECT count(*) FROM crm_history.people WHERE _closed_by = 'delete'") == [(0,)]
