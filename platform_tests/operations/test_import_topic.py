"""Topics through the whole way: pulled from a hostile server, landed as dumps, loaded, and the warehouse's rows are the server's."""

from __future__ import annotations

import os
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from platform_assets.errors import Conflict, SettingsError
from platform_assets.operations.import_topic import describe_topics
from platform_assets.settings import Settings
from platform_assets.sources.web import SourceError
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.warehouse.protocol import session_lock
from platform_tests.operations.pets import COLUMNS, DataSet, Socrata, load, loaded, pull, there, write_topic


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("platform_assets.sources.web._FIRST_PAUSE", 0.001)


@pytest.fixture
def site():
    data = DataSet(COLUMNS)
    for number in range(8):
        data.insert(name=f"pet {number}", age=str(number), born="2020-01-01T00:00:00.000", tame=True, where={"type": "Point"})
    with Socrata(data).running() as running:
        yield running


@pytest.fixture
def settings(home: Home, site: Socrata) -> Settings:
    write_topic(home, site)
    return Settings(home.root)


def test_a_pull_lands_as_a_dump_that_is_loaded_with_its_types(settings, catalog, site):
    done = pull(settings, catalog)
    assert (done.mode, done.rows, done.pages, done.total) == ("full", 8, 3, 8)
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)
    (version,) = catalog.versions()
    assert (version.format, version.completeness) == ("pull", "complete")
    with psycopg.connect(catalog.url) as connection:
        types = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'city' AND table_name = 'pets'"
        ).fetchall()
    expected = {"name": "text", "age": "bigint", "born": "timestamp without time zone", "tame": "boolean", "where": "text"}
    assert expected.items() <= dict(types).items()


def test_only_what_is_new_lands_and_nothing_new_lands_nothing(settings, catalog, site):
    pull(settings, catalog)
    load(settings, catalog)
    assert pull(settings, catalog).dumps == ()
    site.data.change(next(iter(site.data.rows)), name="other")
    site.data.insert(name="new")
    done = pull(settings, catalog)
    assert (done.mode, done.rows) == ("changes", 2), "the row that stands at the cursor came again and was known"
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)
    assert [row["pulls"] for row in describe_topics(settings)] == [2]


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_pull_that_failed_goes_on_behind_its_last_page_and_the_cursor_did_not_move(settings, catalog, site, pages):
    site.faults.extend(["", ""] + [""] * pages + ["500", "500"])
    with pytest.raises(SourceError, match="given up"):
        pull(settings, catalog)
    assert not list(Home(settings.home).dumps.glob("city/*"))
    site.requests.clear()
    done = pull(settings, catalog)
    assert (done.resumed, done.rows, done.pages) == (True, 8, 3)
    assert len(site.requests) == 3 - pages
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)


def test_every_step_is_in_the_import_log(settings, catalog, site):
    site.faults.extend(["", "", "", "html"])
    with pytest.raises(SourceError):
        pull(settings, catalog)
    pull(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        log = connection.execute("SELECT operation, outcome, rows FROM catalog.import_log ORDER BY id").fetchall()
        seen = connection.execute("SELECT details->>'request_id' FROM catalog.import_log WHERE operation = 'import_chunk'").fetchall()
    assert log == [
        ("import_start", "done", 0),
        ("import_chunk", "done", 3),
        ("import_end", "failed", 3),
        ("import_start", "done", 0),
        ("import_chunk", "done", 3),
        ("import_chunk", "done", 2),
        ("import_end", "done", 8),
    ]
    assert seen == [("request-7",)] * 3


def test_an_import_that_finds_nothing_or_cannot_begin_is_in_the_log_and_a_dry_run_is_not(home, settings, catalog, site):
    pull(settings, catalog)
    pull(settings, catalog)
    site.faults.append("html")
    with pytest.raises(SourceError, match="no JSON"):
        pull(settings, catalog)
    pull(settings, catalog, dry_run=True)
    write_topic(home, site, credentials={"app_token_env": "NOT_SET"})
    with pytest.raises(SettingsError, match="NOT_SET"):
        pull(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        query = "SELECT operation, outcome, coalesce(details->>'error', details->>'said') FROM catalog.import_log ORDER BY id OFFSET 5"
        log = connection.execute(query).fetchall()
    assert [row[0] for row in log] == ["import_start", "import_end"] * 3
    assert log[1] == ("import_end", "done", "nothing new")
    assert [row[1] for row in log[3::2]] == ["failed", "failed"]
    assert "request-7" in log[3][2]
    assert "NOT_SET" in log[5][2]


def test_a_dry_run_pulls_nothing_and_says_how_much_it_would(settings, catalog, site):
    done = pull(settings, catalog, dry_run=True)
    assert (done.dumps, done.said) == ((), "pets: would pull full: 8 rows, 8 columns")
    assert len(site.requests) == 2


def test_since_pulls_what_changed_from_a_value_of_the_cursor_on(settings, catalog, site):
    pull(settings, catalog)
    load(settings, catalog)
    third = sorted(row[":updated_at"] for row in site.data.rows.values())[2]
    assert pull(settings, catalog, since=third, dry_run=True).said == f"pets: would pull changes since {third}: 6 rows, 8 columns"
    site.data.now += timedelta(seconds=5)
    site.data.insert(name="late", late=timedelta(seconds=9))
    assert pull(settings, catalog).dumps == (), "it says that it came before the cursor"
    done = pull(settings, catalog, since=third)
    assert (done.mode, done.rows, done.since) == ("changes", 1, third), "the others are known in the same words"
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)
    newest = max(row[":updated_at"] for row in site.data.rows.values())
    assert describe_topics(settings)[0]["cursor"] == newest


def test_two_imports_of_one_topic_exclude_each_other(settings, catalog, site):
    with session_lock(catalog.url, "topic/pets"), pytest.raises(Conflict, match="Another import of the topic pets"):
        pull(settings, catalog)


def test_a_full_pull_deletes_what_is_gone_and_a_sweep_asks_for_one(home, settings, catalog, site):
    write_topic(home, site, sweep_every=2)
    pull(settings, catalog)
    load(settings, catalog)
    site.data.delete(next(iter(site.data.rows)))
    assert pull(settings, catalog).mode == "full"
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)


def test_append_keeps_every_row_that_ever_came(home, settings, catalog, site):
    write_topic(home, site, target="append")
    pull(settings, catalog)
    load(settings, catalog)
    changed = next(iter(site.data.rows))
    site.data.change(changed, name="other")
    pull(settings, catalog)
    load(settings, catalog)
    with psycopg.connect(catalog.url) as connection:
        names = connection.execute('SELECT name FROM city.pets WHERE ":id" = %s ORDER BY name', (changed,)).fetchall()
    assert names == [("other",), ("pet 0",)]


def test_a_clock_that_was_set_back_is_refused_and_nothing_moves(settings, catalog, site):
    """The pull would count as older than the one before: its rows would be lost without a word."""
    pull(settings, catalog)
    load(settings, catalog)
    right = site.data.now
    site.data.now = right.replace(year=1994)
    with pytest.raises(SourceError, match=r"the clock of the place says 1994.*before the last pull pets-.*Try again when its clock"):
        new = site.data.insert(name="new")
        pull(settings, catalog)
    assert [row["pulls"] for row in describe_topics(settings)] == [1]
    site.data.now = right
    site.data.change(new, name="newer")
    assert pull(settings, catalog).mode == "changes"
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)


def test_columns_that_go_and_types_that_change_reach_the_table_or_are_refused_whole(home, settings, catalog, site):
    pull(settings, catalog)
    load(settings, catalog)
    write_topic(home, site, columns=["name", "age"])
    del site.data.columns["age"]
    site.data.insert(name="new")
    with pytest.raises(SourceError, match="has no column age; it has name, born"):
        pull(settings, catalog)
    assert len(loaded(catalog)) == 8
    assert [row["pulls"] for row in describe_topics(settings)] == [1], "nothing landed, so the cursor is where it was"
    write_topic(home, site, columns=["name"])
    assert pull(settings, catalog).rows == 9, "another question: everything is pulled anew"
    load(settings, catalog)
    site.data.columns["age"] = "text"
    site.data.insert(name="newer", age="about three")
    write_topic(home, site)
    pull(settings, catalog)
    load(settings, catalog)
    assert len(loaded(catalog)) == 10
    assert "about three" in {row[1] for row in loaded(catalog).values()}


EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "3"))
change = st.sampled_from(["insert", "late", "many", "change", "delete", "replace", "pull", "pull", "fail"])


@examples(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(change, min_size=4, max_size=14), st.randoms(use_true_random=False))
def test_after_any_sequence_of_pulls_the_table_is_the_servers(tmp_path_factory, server, changes, random):
    """With a sweep at every pull, and an overlap that covers the late rows."""
    from uuid import uuid4

    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    home = Home(tmp_path_factory.mktemp("home"))
    data = DataSet(COLUMNS, random.randrange(1 << 30))
    data.insert(name="first")
    with Socrata(data).running() as site:
        write_topic(home, site, sweep_every=1, overlap="10s", page_size=2)
        (home.root / "platform.yaml").write_text("sources: {city: {delete_guard: 1.0}}\n")
        settings, catalog = Settings.load(home.root, {}), Catalog(server.url(name)).ensure()
        for step in [*changes, "pull", "pull"]:
            keys = list(data.rows)
            if step in ("insert", "late"):
                data.insert(name=step, age=str(random.randrange(100)), late=timedelta(seconds=5 if step == "late" else 0))
            elif step == "many":
                data.insert_many([{"name": "tie"}, {"name": "tie"}, {"name": "tie"}])
            elif step == "change" and keys:
                data.change(random.choice(keys), name=f"changed {random.randrange(9)}")
            elif step == "delete" and len(keys) > 1:
                data.delete(random.choice(keys))
            elif step == "replace":
                data.replace_all()
            elif step in ("pull", "fail"):
                site.faults.extend([""] * random.randrange(6) + ["500"] * 2 if step == "fail" else [])
                try:
                    pull(settings, catalog)
                except SourceError:
                    assert step == "fail"
                site.faults.clear()
                load(settings, catalog)
        assert loaded(catalog) == there(data)


def test_rows_that_an_overlap_brings_again_and_again_land_once(home, settings, catalog, site):
    """What a pull left out was forgotten: the next one landed it anew, and the one after that the others, for ever."""
    write_topic(home, site, overlap="3s")
    pull(settings, catalog)
    site.data.insert(name="new")
    assert pull(settings, catalog).rows == 1
    site.data.insert(name="newer")
    assert [pull(settings, catalog).rows for _ in range(3)] == [1, 0, 0]
