"""Old version tables leave the warehouse and nothing is lost: states are made from the store, and what is wanted back comes back."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from dump_texts import ingest, write_dump

from platform_assets.dictionary.source import Retention, SourceSettings
from platform_assets.errors import NoSuchTable
from platform_assets.operations.as_of import state_at
from platform_assets.operations.inheritance import version_keys
from platform_assets.operations.latest import merge_table
from platform_assets.operations.listings import relation_of
from platform_assets.operations.publish import publish_current, publish_version
from platform_assets.operations.retention import put_away_old
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

PEOPLE = "`id` int NOT NULL, `name` varchar(40), PRIMARY KEY (`id`)"


def rows(catalog: Catalog, query: str) -> list[tuple]:
    with psycopg.connect(catalog.url) as connection:
        return connection.execute(query).fetchall()


def three(home: Home, settings: Settings, catalog: Catalog) -> list[str]:
    for day in (1, 2, 3):
        write_dump(home.dumps / "crm", f"v{day}", day, people=(PEOPLE, [(day, f"of v{day}"), (9, f"newest {day}")]))
    ingest(settings, catalog)
    return [record.version for record in sorted(catalog.versions(), key=lambda record: record.label)]


def keeping(settings: Settings, last: int, then: str) -> Settings:
    return replace(settings, sources={"crm": SourceSettings("crm", versions=Retention(last, then))})


STATE = [(1, "of v1"), (2, "of v2"), (3, "of v3"), (9, "newest 3")]


@pytest.mark.parametrize(("then", "stands"), [("drop", False), ("detach", True)])
def test_old_versions_are_put_away_and_no_state_loses_a_row(home, settings, catalog, then, stands):
    first, second, third = three(home, settings, catalog)
    kept = keeping(settings, 1, then)
    done = put_away_old(kept, catalog, "crm", published=third, run_id="test")
    assert [(one.version, one.outcome) for one in done] == [
        (first, f"{then}ped" if then == "drop" else "detached") for first in (first, second)
    ]
    assert put_away_old(kept, catalog, "crm", published=third, run_id="test") == ()
    assert rows(catalog, "SELECT id FROM crm_versions.people ORDER BY 1") == [(3,), (9,)]
    assert rows(catalog, "SELECT to_regclass('crm_versions.people__v1') IS NOT NULL") == [(stands,)]
    with psycopg.connect(catalog.url) as connection:
        connection.execute("DELETE FROM crm.people")
    publish_current(kept, catalog, merge_table(kept, catalog, "crm", "people").state.commit(), run_id="test")
    assert rows(catalog, "SELECT id, name FROM crm.people ORDER BY 1") == STATE
    with state_at(kept, catalog, "crm", "people", first) as then_state:
        assert then_state.state.rows == 2
    if not stands:
        with pytest.raises(NoSuchTable, match="in the store, but no longer in the warehouse"):
            relation_of(catalog, "people", first)


@pytest.mark.parametrize("then", ["drop", "detach"])
def test_a_version_that_is_published_again_is_attached_again_until_the_next_publication(home, settings, catalog, then):
    first, second, third = three(home, settings, catalog)
    kept = keeping(settings, 2, then)
    put_away_old(kept, catalog, "crm", published=third, run_id="test")
    publish_version(kept, catalog, catalog.version(first), run_id="again")
    assert put_away_old(kept, catalog, "crm", published=first, run_id="again") == ()
    assert rows(catalog, "SELECT count(*) FROM crm_versions.people") == [(6,)]
    put_away_old(kept, catalog, "crm", published=third, run_id="later")
    assert rows(catalog, "SELECT count(*) FROM crm_versions.people") == [(4,)]
    assert second in {version for (version,) in rows(catalog, "SELECT DISTINCT _version FROM crm_versions.people")}


def test_a_version_table_that_a_view_reads_stays_and_the_view_is_named(home, settings, catalog):
    first, _, third = three(home, settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("CREATE VIEW public.mine AS SELECT * FROM crm_versions.people__v1")
    done = {one.version: one for one in put_away_old(keeping(settings, 1, "drop"), catalog, "crm", published=third, run_id="test")}
    assert done[first].outcome == "kept"
    assert "public.mine" in done[first].why
    assert len(rows(catalog, "SELECT * FROM public.mine")) == 2


def test_rows_that_somebody_wrote_into_a_version_table_are_noticed(home, settings, catalog):
    first, second, _ = three(home, settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        connection.execute("INSERT INTO crm_versions.people__v1 (id, name, _row) VALUES (1, 'twice', 3)")
    (changed,) = version_keys(catalog, catalog.version(first))
    assert (changed.counts.rows, changed.counts.repeated, changed.sound) == (3, 1, False)
    (untouched,) = version_keys(catalog, catalog.version(second))
    assert (untouched.counts.rows, untouched.counts.repeated, untouched.counts.elsewhere, untouched.sound) == (2, 0, None, True)


def test_keys_that_several_instances_have_are_counted_and_no_error(home, settings, catalog):
    by_region = replace(settings, sources={"crm": SourceSettings("crm", pattern=r"(?P<instance>eu|us)_(?P<label>\w+)(\.sql)?")})
    for region in ("eu", "us"):
        write_dump(home.dumps / "crm", f"{region}_a", 1, people=(PEOPLE, [(1, region), (2 if region == "eu" else 3, region)]))
    ingest(by_region, catalog)
    for record in catalog.versions():
        (found,) = version_keys(catalog, record)
        assert (found.sound, found.counts.elsewhere) == (True, 1)
