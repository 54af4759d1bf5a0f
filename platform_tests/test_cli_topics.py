"""Import topics as a person runs them: the command line, against a server in another process, killed and run again."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from platform_assets.storage.home import Home

sys.path.insert(0, str(Path(__file__).parent / "sources"))
from socrata_server import DataSet, Socrata

COMMAND = [sys.executable, "-c", "from platform_assets.cli import entry; entry()"]


def run(*words: str, database: str, check: int = 0) -> str:
    environment = {**os.environ, "PLATFORM_DATABASE_URL": database, "COLUMNS": "200"}
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == check, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_topic(home: Home, site: Socrata, **more) -> None:
    place = {"domain": site.domain, "dataset": "abcd-1234"}
    topic = {"source": "city", "table": "pets", "kind": "socrata", "from": place, "allow": {"private": True}, **more}
    home.topics.mkdir(parents=True, exist_ok=True)
    (home.topics / "pets.yaml").write_text(json.dumps(topic))


def count(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM city.pets").fetchone()
    assert row is not None
    return row[0]


def test_an_import_that_is_killed_goes_on_and_the_listing_tells(home, platform_database):
    data = DataSet({"name": "text"})
    data.insert_many([{"name": f"pet {number}"} for number in range(35)])
    asked = threading.Semaphore(0)
    with Socrata(data).running() as site:
        write_topic(home, site, page_size=10)
        site.between = asked.release
        assert "would pull full: 35 rows" in run("import", "pets", "--home", str(home.root), "--dry-run", database=platform_database)
        site.hold_after(3)
        process = subprocess.Popen(
            [*COMMAND, "import", "pets", "--home", str(home.root)],
            env={**os.environ, "PLATFORM_DATABASE_URL": platform_database},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3):
            assert asked.acquire(timeout=60)
        while len(list(home.pull("pets").glob("rows-*.json"))) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        committed = len(list(home.pull("pets").glob("rows-*.json")))
        site.hold_after(None)
        assert not (home.dumps / "city").exists()
        (listed,) = json.loads(run("topics", "--home", str(home.root), "--json", database=platform_database))
        assert (listed["running"], listed["pulls"]) == (True, 0)
        pages = len([path for path in site.requests if "limit" in path])
        assert "pets: 35 rows in 4 pages (full)" in run("import", "pets", "--home", str(home.root), database=platform_database)
        assert len([path for path in site.requests if "limit" in path]) - pages == 4 - committed
        assert count(platform_database) == 35
        assert "nothing is new" in run("import", "pets", "--home", str(home.root), database=platform_database)
        write_topic(home, site, checks={"min_rows": 36, "row_count_matches": True})
        said = run("import", "pets", "--home", str(home.root), database=platform_database, check=1)
        assert "the check min_rows failed: 35 rows in the newest full pull, at least 36 wanted" in said
        (listed,) = json.loads(run("topics", "--home", str(home.root), "--json", database=platform_database))
        assert listed["checks"] == "min_rows: FAILED, row_count_matches: ok"


@pytest.mark.long
def test_the_licences_of_2019_come_as_the_file_has_them(home, platform_database, realdata):
    with (realdata / "delimited" / "seattle_pet_licenses_2019.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {
        "License Issue Date": "license_issue_date",
        "License Number": "license_number",
        "Animal's Name": "animal_s_name",
        "Species": "species",
        "Primary Breed": "primary_breed",
        "Secondary Breed": "secondary_breed",
        "ZIP Code": "zip_code",
    }
    data = DataSet(dict.fromkeys(names.values(), "text") | {"license_issue_date": "calendar_date"})
    data.insert_many([{names[name]: _socrata(name, value) for name, value in row.items()} for row in rows])
    with Socrata(data).running() as site:
        write_topic(home, site, page_size=20_000)
        run("import", "pets", "--home", str(home.root), database=platform_database)
    with psycopg.connect(platform_database) as connection:
        query = "SELECT license_issue_date::date::text, license_number, animal_s_name, species FROM city.pets"
        found = sorted(connection.execute(query).fetchall(), key=str)
    wanted = [
        (_day(row["License Issue Date"]), row["License Number"] or None, row["Animal's Name"] or None, row["Species"] or None)
        for row in rows
    ]
    assert len(found) == len(rows)
    assert found == sorted(wanted, key=str)


def _day(text: str) -> str:
    return datetime.strptime(text, "%B %d %Y").date().isoformat()


def _socrata(name: str, value: str) -> str | None:
    return f"{_day(value)}T00:00:00.000" if name == "License Issue Date" else value or None


@pytest.mark.parametrize("words", [("import", "nothing"), ("import", "wrong")])
def test_a_topic_that_is_not_there_or_wrong_is_one_line_and_exit_code_two(home, platform_database, words):
    home.topics.mkdir()
    (home.topics / "wrong.yaml").write_text("source: city\ntabel: pets\n")
    said = run(*words, "--home", str(home.root), database=platform_database, check=2)
    assert "wrong.yaml, line 2: the key 'tabel' is unknown" in said
