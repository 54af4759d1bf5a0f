"""Pulls that stand in the place of all rows before: built beside them, swapped in one moment, and nothing of the past is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest

from platform_assets.operations.as_of import state_at
from platform_assets.operations.import_topic import describe_topics
from platform_assets.operations.publish_history import refresh_history
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_tests.operations.pets import DataSet, Socrata, killed_import, load, loaded, pull, there, write_topic

ROWS = 600
STRIDE = 1 if "PLATFORM_EXAMPLES" in os.environ else 7
"""Every so many steps an import is killed: at every one, of some 35, where there is time."""
SEEN = "SELECT count(*), min(name), max(name) FROM city.pets"


@pytest.fixture
def site():
    data = DataSet({"name": "text", "age": "number", "born": "calendar_date"})
    with Socrata(data).running() as running:
        yield running


def generation(data: DataSet, name: str, rows: int = ROWS) -> None:
    """What a full upload does: every row under a new id."""
    data.rows.clear()
    data.insert_many([{"name": name}] * rows)


def query(catalog: Catalog, text: str) -> list[tuple]:
    with psycopg.connect(catalog.url) as connection:
        return connection.execute(text).fetchall()


@contextmanager
def reading(catalog: Catalog) -> Iterator[set[tuple]]:
    """What a reader who asks again and again sees."""
    seen, stop = set(), threading.Event()

    def read() -> None:
        with psycopg.connect(catalog.url, autocommit=True) as connection:
            while not stop.is_set():
                seen.update(connection.execute(SEEN).fetchall())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join()


@pytest.mark.parametrize("how", ["merge", "replace", "initialize"])
def test_a_new_generation_is_swapped_in_whole_and_the_past_stays(home, catalog, site, how):
    """By the guard's default: all keys of the old one are gone, and the table had the rows of both."""
    write_topic(home, site, page_size=250, target="replace" if how == "replace" else "merge")
    settings = Settings(home.root)
    generation(site.data, "0")
    pull(settings, catalog)
    load(settings, catalog)
    with reading(catalog) as seen:
        generation(site.data, "1")
        done = pull(settings, catalog, initialize=how == "initialize")
        assert (done.mode, done.rows) == ("full", ROWS)
        load(settings, catalog)
        assert loaded(catalog) == there(site.data)
    assert seen <= {(ROWS, name, name) for name in "01"}
    assert describe_topics(settings)[0]["cursor"] == max(row[":updated_at"] for row in site.data.rows.values())
    assert pull(settings, catalog).said == "pets: nothing is new"
    refresh_history(settings, catalog, "city", "pets", run_id="test")
    lives = query(catalog, "SELECT name, _closed_by, count(*) FROM city_history.pets GROUP BY 1, 2 ORDER BY 1")
    assert lives == [("0", "delete", ROWS), ("1", None, ROWS)]
    first = min(version.version for version in catalog.versions())
    with state_at(settings, catalog, "city", "pets", first) as then:
        assert {name for batch in then.state.batches(["name"]) for name in batch.column(0).to_pylist()} == {"0"}


def test_a_generation_of_far_fewer_rows_deletes_nothing_until_it_is_confirmed(home, catalog, site):
    write_topic(home, site, page_size=250)
    settings = Settings(home.root)
    generation(site.data, "0")
    pull(settings, catalog)
    load(settings, catalog)
    generation(site.data, "1", ROWS // 4)
    done = pull(settings, catalog)
    assert "far fewer than the table has" in done.said
    load(settings, catalog)
    assert query(catalog, SEEN) == [(ROWS + ROWS // 4, "0", "1")]
    (home.root / "platform.yaml").write_text(f"sources: {{city: {{deletes_confirmed: [{done.dumps[0].name}]}}}}\n")
    settings = Settings.load(home.root, {})
    site.data.insert(name="1")
    pull(settings, catalog)
    load(settings, catalog)
    assert query(catalog, SEEN) == [(ROWS // 4 + 1, "1", "1")]


def test_a_table_without_a_key_is_replaced_row_for_row(home, catalog, tmp_path):
    home.topics.mkdir()
    place = {"url": f"sqlite:///{tmp_path}/x.db", "table": "prices"}
    topic = {"source": "city", "table": "pets", "kind": "database", "from": place, "target": "replace"}
    (home.topics / "pets.yaml").write_text(json.dumps(topic))
    settings = Settings(home.root)
    for number in range(3):
        with sqlite3.connect(tmp_path / "x.db") as database:
            database.executescript("DROP TABLE IF EXISTS prices; CREATE TABLE prices (name TEXT, price INTEGER)")
            database.executemany("INSERT INTO prices VALUES (?, ?)", [(str(number), number)] * 5)
        pull(settings, catalog)
        load(settings, catalog)
        assert query(catalog, SEEN) == [(5, str(number), str(number))]


def test_what_a_topics_file_asks_anew_is_pulled_as_a_whole(home, catalog, site):
    """With the old cursor the rows of another data set that are older than it would never come."""
    write_topic(home, site, columns=["name"])
    settings = Settings(home.root)
    generation(site.data, "0", 8)
    pull(settings, catalog)
    load(settings, catalog)
    write_topic(home, site, columns=["name", "age"])
    assert (pull(settings, catalog).mode, pull(settings, catalog).said) == ("full", "pets: nothing is new")
    site.faults.extend(["", "", "", "", "500", "500"])
    write_topic(home, site)
    with pytest.raises(Exception, match="given up"):
        pull(settings, catalog)
    write_topic(home, site, columns=["age"])
    assert (pull(settings, catalog).resumed, describe_topics(settings)[0]["running"]) == (False, False)


def test_of_two_pulls_within_a_second_the_later_is_the_newer(home, catalog, site):
    write_topic(home, site)
    settings = Settings(home.root)
    for number in range(20):
        site.data.insert(name=str(number))
    pull(settings, catalog)
    moment, changed, gone = site.data.now, *list(site.data.rows)[:2]
    site.data.change(changed, name="changed")
    site.data.now = moment
    assert pull(settings, catalog).mode == "changes"
    site.data.delete(changed)
    site.data.delete(gone)
    site.data.now = moment
    assert pull(settings, catalog, initialize=True).mode == "full"
    load(settings, catalog)
    assert loaded(catalog) == there(site.data)


def test_an_import_killed_at_any_step_leaves_the_old_rows_and_goes_on(home, catalog, site, tmp_path):
    """SIGKILL before a change of a folder or a row of the import log, from the first until none is left."""
    write_topic(home, site, page_size=400)
    settings = Settings(home.root)
    generation(site.data, "0")
    pull(settings, catalog)
    load(settings, catalog)
    old = home.dumps / "city"
    (first,) = old.iterdir()
    generation(site.data, "1")
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["platform_tests.operations.pets", "platform_assets.sources.socrata"])
    for step in count(1, STRIDE):
        trial = Home(tmp_path / f"trial{step}")
        shutil.copytree(home.topics, trial.topics)
        shutil.copytree(old, trial.dumps / "city")
        process = processes.Process(target=killed_import, args=(trial.root, catalog.url, step, {"initialize": True}))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert query(catalog, SEEN) == [(ROWS, "0", "0")]
        landed = _landed(trial)
        committed = len(list(trial.pull("pets").glob("rows-*.jsonl.zst")))
        site.requests.clear()
        again = pull(Settings(trial.root), catalog)
        assert _landed(trial) == [ROWS, ROWS]
        if landed == [ROWS]:
            assert again.rows == ROWS
            assert sum("limit" in path for path in site.requests) <= 2 - max(0, committed - 1)
        else:
            assert (landed, again.said) == ([ROWS, ROWS], "pets: nothing is new")
        assert describe_topics(Settings(trial.root))[0]["running"] is False
    assert step > 12, "every page has at least two steps, and the landing some"
    (second,) = {path.name for path in (trial.dumps / "city").iterdir()} - {first.name}
    shutil.copytree(trial.dumps / "city" / second, old / second)
    load(settings, catalog)
    assert query(catalog, SEEN) == [(ROWS, "1", "1")]


def _landed(home: Home) -> list[int]:
    """The rows of each landed pull, by what lies there."""
    found = []
    for path in sorted((home.dumps / "city").iterdir()):
        manifest = json.loads((path / "pull.json").read_bytes())
        assert sorted(p.name for p in path.iterdir()) == sorted(["pull.json", *(chunk["name"] for chunk in manifest["chunks"])])
        found.append(manifest["rows"])
    return found
