"""Import topics against a local server that answers from memory: what a pull costs beside the requests themselves.

    python benchmarks/topics.py [--rows 51754] [--home FOLDER]
    python benchmarks/topics.py --memory [--rows 5000000]

Peers, in the same run: the same pages read with a bare HTTP client and COPY, and row-by-row inserts of the same rows. Prints seconds,
ratios, and the peak memory of the importing process. The pull is timed alone: what loads its dump is measured by bulk.py. With --memory
only the peak of a full pull and of a sweep of all keys, from a server that makes its rows as it is asked.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import requests

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.database import warehouse_url

NAMES = ("Rex", "Bella", "Luna", "Max", "Charlie", "Lucy", "Daisy", "Milo")
COLUMNS = {"license_issue_date": "calendar_date", "license_number": "text", "animal_s_name": "text", "species": "text", "zip_code": "text"}

ROW = (
    '{":id":"row-%08d",":created_at":"2024-01-01T00:00:00.000Z",":updated_at":"2024-01-01T00:00:00.000Z",'
    '"license_issue_date":"2018-11-17T00:00:00.000","license_number":"%d","animal_s_name":"Rex","species":"Dog","zip_code":"98101"}'
)


def rows_of(count: int) -> list[dict[str, str]]:
    pick = random.Random(1)
    return [
        {
            ":id": f"row-{number:08d}",
            ":created_at": "2024-01-01T00:00:00.000Z",
            ":updated_at": f"2024-01-{1 + number % 28:02d}T{number % 24:02d}:00:00.000Z",
            "license_issue_date": "2018-11-17T00:00:00.000",
            "license_number": str(100_000 + number),
            "animal_s_name": pick.choice(NAMES),
            "species": pick.choice(("Dog", "Cat")),
            "zip_code": str(98_100 + pick.randrange(99)),
        }
        for number in range(count)
    ]


class Site:
    """Answers count, description and keyset pages by `:id`, each page rendered once."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        self.rows, self.pages, self.requests = rows, dict[tuple[int, int], bytes](), 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Silence."""

            def do_GET(self) -> None:
                site.requests += 1
                body = site.answer(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> bytes:
        url = urlsplit(path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path.startswith("/api/views"):
            columns = [{"fieldName": name, "dataTypeName": kind} for name, kind in COLUMNS.items()]
            return json.dumps({"rowsUpdatedAt": 7, "columns": columns}).encode()
        if given["$select"].startswith("count"):
            return json.dumps([{"rows": str(len(self.rows)), "newest": "2024-01-28T23:00:00.000Z"}]).encode()
        found = re.search(r":id > 'row-(\d+)'", given.get("$where", ""))
        return self.page(int(found[1]) + 1 if found else 0, int(given["$limit"]))

    def page(self, start: int, size: int) -> bytes:
        if (start, size) not in self.pages:
            self.pages[start, size] = json.dumps(self.rows[start : start + size]).encode()
        return self.pages[start, size]


class Endless(Site):
    """Rows that are made when they are asked for; of a sweep only their ids."""

    def __init__(self, count: int) -> None:
        super().__init__([])
        self.count = count

    def answer(self, path: str) -> bytes:
        given = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if given.get("$select", "").startswith("count"):
            return json.dumps([{"rows": "0" if "$where" in given else str(self.count), "newest": "2024-01-28T23:00:00.000Z"}]).encode()
        self.row = '{":id":"row-%08d"}' if given.get("$select") == ":id" else ROW
        return super().answer(path)

    def page(self, start: int, size: int) -> bytes:
        row, fields = self.row, self.row.count("%")
        made = (row % ((number,) * fields) for number in range(start, min(start + size, self.count)))
        return f"[{','.join(made)}]".encode()


def write_topic(home: Home, site: Site, size: int) -> None:
    home.topics.mkdir(parents=True, exist_ok=True)
    place = {"domain": site.url, "dataset": "abcd-1234"}
    topic = {"source": "city", "table": "pets", "kind": "socrata", "from": place, "page_size": size, "allow": {"private": True}}
    (home.topics / "pets.yaml").write_text(json.dumps(topic))


PULL = """
import resource, sys, time
from platform_assets.operations.import_topic import import_topic, topic_named
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
settings = Settings.load(sys.argv[1], {})
catalog = Catalog(sys.argv[2]).ensure()
topic = topic_named(settings, "pets")
start = time.perf_counter()
done = import_topic(settings, catalog, topic, initialize=sys.argv[3] == "all", environment={})
print(time.perf_counter() - start, done.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

SWEEP = """
import resource, sys, time
import pyarrow as pa
from platform_assets.operations.import_topic import topic_named
from platform_assets.settings import Settings
from platform_assets.sources.kinds import open_puller
from platform_assets.sources.pull import Before
topic = topic_named(Settings.load(sys.argv[1], {}), "pets")
rows = int(sys.argv[2])
keys = (pa.array([f"row-{n:08d}" for n in range(at, min(at + 65536, rows))]) for at in range(0, rows, 65536))
start = time.perf_counter()
with open_puller(topic, {}) as puller:
    puller.plan(Before("2024-01-28T23:00:00.000Z", {}, True, keys))
assert next(keys, None) is None, "a key was taken for lost"
print(time.perf_counter() - start, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def memory(home: Home, url: str, rows: int) -> None:
    site = Endless(rows)
    write_topic(home, site, 10_000)
    seconds, came, peak = pulled(home, url, "all")
    print(f"pull of {came:,} rows in pages of 10,000: {seconds:.0f} s, peak {peak} MB")  # noqa: T201
    done = subprocess.run([sys.executable, "-c", SWEEP, str(home.root), str(rows)], capture_output=True, text=True, check=True)
    took, _, peak_ = done.stdout.split()
    print(f"sweep of {rows:,} keys: {float(took):.0f} s, peak {peak_} MB")  # noqa: T201


def pulled(home: Home, url: str, what: str) -> tuple[float, int, int]:
    """Seconds, rows, peak MB of one import in a process of its own."""
    done = subprocess.run([sys.executable, "-c", PULL, str(home.root), url, what], capture_output=True, text=True, check=True)
    seconds, rows, memory = done.stdout.split()
    return float(seconds), int(rows), int(memory)


def bare(site: Site, url: str, size: int) -> float:
    """The same pages by a bare client, and COPY of their rows."""
    with psycopg.connect(url, autocommit=True) as connection, requests.Session() as session:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(f"CREATE TABLE bare ({', '.join(f'{name} text' for name in ['id', *COLUMNS])})")
        start = time.perf_counter()
        last = ""
        while True:
            where = {"$where": f":id > '{last}'"} if last else {}
            rows = session.get(f"{site.url}/resource/x.json", params={"$select": "*", "$limit": str(size), **where}).json()
            with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN") as copy:
                for row in rows:
                    copy.write_row([row[":id"], *(row.get(name) for name in COLUMNS)])
            if len(rows) < size:
                return time.perf_counter() - start
            last = rows[-1][":id"]


def one_by_one(site: Site, url: str) -> float:
    """Seconds that inserting every row in a statement and a commit of its own takes, measured on the first 3,000."""
    some = site.rows[:3_000]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS single")
        connection.execute(f"CREATE TABLE single ({', '.join(f'{name} text' for name in ['id', *COLUMNS])})")
        marks = ", ".join(["%s"] * (1 + len(COLUMNS)))
        start = time.perf_counter()
        for row in some:
            connection.execute(f"INSERT INTO single VALUES ({marks})", [row[":id"], *(row[name] for name in COLUMNS)])
        return (time.perf_counter() - start) * len(site.rows) / len(some)


def speed(home: Home, url: str, rows: int) -> None:
    site = Site(rows_of(rows))
    slow = one_by_one(site, url)
    for size in (1_000, 50_000):
        write_topic(home, site, size)
        peer = bare(site, url, size)
        seconds, rows, peak = pulled(home, url, "all")
        pages = f"{rows:,} rows in pages of {size:,}: {seconds:.2f} s, {seconds / peer:.2f} x a bare client and COPY ({peer:.2f} s)"
        print(f"{pages}, {seconds / slow:.3f} x row by row ({slow:.1f} s); peak {peak} MB")  # noqa: T201
    before = site.requests
    seconds, rows, _ = pulled(home, url, "new")
    print(f"nothing new: {site.requests - before} request(s), {rows} rows, {seconds:.2f} s")  # noqa: T201


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rows", type=int)
    arguments.add_argument("--home", type=Path)
    arguments.add_argument("--memory", action="store_true", help="only the peak memory of a pull and of a sweep")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(given.home or Path(folder) / "home")
        home.root.mkdir(parents=True, exist_ok=True)
        url = warehouse_url(home, None)
        Catalog(url).ensure()
        if given.memory:
            memory(home, url, given.rows or 5_000_000)
        else:
            speed(home, url, given.rows or 51_754)
        subprocess.run(
            [Path(sys.executable).with_name("platform-assets"), "--home", str(home.root), "down"], check=False, capture_output=True
        )


if __name__ == "__main__":
    main()
