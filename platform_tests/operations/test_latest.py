"""The latest state through publications: what is in the warehouse counts, whatever runs are under way."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from platform_assets.operations import publish
from platform_assets.operations.latest import merge_table
from platform_assets.operations.ordering import source_order
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import publish_current, publish_version
from platform_assets.operations.register import located, register, scan
from platform_assets.operations.timeline import timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.snapshots import Snapshot
from platform_tests.operations.people import CONTRACT


@pytest.fixture
def settings(home: Home) -> Settings:
    home.dictionary.mkdir()
    (home.dictionary / "crm.odcs.yaml").write_text(CONTRACT)
    return Settings(home.root)


def drop(home: Home, name: str, text: str) -> Path:
    folder = home.dumps / "crm" / name
    folder.mkdir(parents=True)
    (folder / "people.csv").write_text(text)
    return folder


def ingest(settings: Settings, catalog: Catalog) -> list[str]:
    home, done = Home(settings.home), []
    for found in scan(home, catalog.known_files(), settle_seconds=0).new:
        record, _ = register(settings, catalog, found)
        commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
        publish_version(settings, catalog, record, run_id="test")
        done.append(record.version)
    publish_current(settings, catalog, merge_table(settings, catalog, "crm", "people").state.commit(), run_id="test")
    return done


def people(catalog: Catalog) -> list[tuple[int, str, str]]:
    with psycopg.connect(catalog.url) as connection:
        return connection.execute("SELECT id, name, split_part(_version, '.', 2) FROM crm.people ORDER BY id").fetchall()


OLD = "id,name,updated_at\n1,old,2024-01-01 00:00:00\n2,kept,2024-01-01 00:00:00\n"
NEW = "id,name,updated_at\n1,new,2024-02-01 00:00:00\n3,added,2024-02-01 00:00:00\n"
STATE = [(1, "new", "b"), (2, "kept", "a"), (3, "added", "b")]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_newest_row_of_each_key_wins_in_every_order_of_arrival(home, settings, catalog, order):
    for name in order:
        drop(home, name, OLD if name == "a" else NEW)
        ingest(settings, catalog)
    assert people(catalog) == STATE


@pytest.mark.parametrize("state", ["running", "failed", "parsed"])
def test_a_version_that_is_run_again_loses_no_row_of_the_latest_state(home, settings, catalog, state):
    drop(home, "a", OLD)
    drop(home, "b", NEW)
    first = ingest(settings, catalog)[0]
    catalog.set_state(first, state)
    publish_current(settings, catalog, merge_table(settings, catalog, "crm", "people").state.commit(), run_id="test")
    assert people(catalog) == STATE
    assert len(source_order(settings, catalog, "crm")) == 2


def test_a_version_that_was_parsed_again_but_not_published_is_read_from_its_snapshot(home, settings, catalog):
    """The version table still holds the rows of the earlier parse; a row number of the new one would name another row there."""
    drop(home, "a", OLD)
    version = ingest(settings, catalog)[0]
    (home.dictionary / "crm.odcs.yaml").write_text(CONTRACT.replace("logicalType: string}", "logicalType: string, required: true}"))
    drop(home, "b", NEW.replace("added", ""))
    ingest(settings, catalog)
    record = catalog.version(version)
    assert record is not None
    (home.dictionary / "crm.odcs.yaml").write_text(
        CONTRACT.replace("logicalType: string}", "logicalType: string, logicalTypeOptions: {maxLength: 3}}")
    )
    commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
    publish_current(settings, catalog, merge_table(settings, catalog, "crm", "people").state.commit(), run_id="test")
    assert people(catalog) == [(1, "new", "b")], "'kept' is longer than three characters and was rejected by the second parse"


def test_a_table_of_several_versions_has_its_keys_read_while_the_rows_are_at_hand(home, settings, catalog, monkeypatch):
    """Read again from Avro they would cost as much as the contest."""
    monkeypatch.setattr(publish, "INDEXED_ROWS", 1)
    drop(home, "a", OLD)
    ingest(settings, catalog)
    assert list(home.store.glob("snapshots/*/*/*/index-*")) == [], "nobody asks for the keys of a single version"
    drop(home, "b", NEW)
    ingest(settings, catalog)
    monkeypatch.setattr(Snapshot, "batches", None)
    timeline = timeline_of(settings, catalog, "crm", "people")
    for version in timeline.versions:
        assert version.keys(timeline.compared).num_rows == version.digests(timeline.union).num_rows == 2
