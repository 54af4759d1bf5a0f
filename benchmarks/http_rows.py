"""Batches of 1,000 rows posted over HTTP, against psycopg's COPY of the same rows in commits of 1,000 into a table with the same key.

    python benchmarks/http_rows.py [--batches 100] [--clients 1] [--seconds 0] [--single 200]

The service is a process of its own beside the embedded PostgreSQL; every batch has an Idempotency-Key, and one row in a hundred is wrong,
so that all rules, the quarantine and the stored answers are at work. `--seconds` posts for so long instead of a number of batches.
`landed_rows_per_second` counts until all rows have landed as dumps too. `single`: requests of one row against requests of one row to a
bare service of FastAPI and psycopg, in a process of its own, that checks the types by its model and inserts in a commit of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg

from platform_assets.operations.api_keys import create_key
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.posted_batches import waiting
from platform_assets.storage.home import Home
from platform_assets.storage.server.database import warehouse_url
from platform_assets.storage.server.embedded import EmbeddedServer

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: shop
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: mail, logicalType: string, required: true, logicalTypeOptions: {pattern: "^[a-z0-9]+@[a-z.]+$", maxLength: 60}}
      - {name: code, logicalType: string, unique: true}
      - {name: state, logicalType: string, logicalTypeOptions: {maxLength: 12}}
      - {name: pieces, logicalType: integer, physicalType: int, logicalTypeOptions: {minimum: 1, maximum: 1000}}
      - {name: price, logicalType: number, physicalType: "decimal(12,2)", logicalTypeOptions: {minimum: 0}}
      - {name: at, logicalType: timestamp}
      - {name: note, logicalType: string}
"""
COLUMNS = "id bigint, mail text, code text, state text, pieces int, price numeric(12,2), at timestamp, note text"
PORT = 18_431
BARE_PORT = 18_432
BARE = f"""
import datetime, decimal, sys
import psycopg, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

class Order(BaseModel):
    id: int
    mail: str
    code: str
    state: str
    pieces: int
    price: decimal.Decimal
    at: datetime.datetime
    note: str

app, connection = FastAPI(), psycopg.connect(sys.argv[1])

@app.post("/rows", status_code=201)
def post(row: Order) -> dict[str, int]:
    connection.execute("INSERT INTO baseline VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", tuple(row.model_dump().values()))
    connection.commit()
    return {{"accepted": 1}}

uvicorn.run(app, host="127.0.0.1", port={BARE_PORT}, log_level="error")
"""


def rows(start: int, count: int = 1_000, wrong: int = 100) -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "mail": f"c{n % 5000}@example.org" if not wrong or n % wrong else "nobody",
            "code": f"{n * 2654435761 % 4294967296:08x}-{n}",
            "state": ("open", "paid", "sent", "returned")[n % 4],
            "pieces": 1 + n % 999,
            "price": f"{n % 100000}.{n % 90 + 10}",
            "at": f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d}T08:00:00",
            "note": f"row number {n} of the benchmark",
        }
        for n in range(start, start + count)
    ]


class Client:
    """One connection that stays open."""

    def __init__(self, token: str, port: int = PORT, path: str = "/v1/tables/shop.orders/rows") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._path = path
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, body: bytes, key: str) -> float:
        begin = time.perf_counter()
        self._connection.request("POST", self._path, body, self._headers | {"Idempotency-Key": key})
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status not in (201, 207):
            raise SystemExit(f"{answer.status}: {told[:500]!r}")
        return time.perf_counter() - begin


def posted(token: str, bodies: list[bytes], clients: int, name: str) -> tuple[float, list[float]]:
    times: list[float] = []
    share = [bodies[number::clients] for number in range(clients)]

    def work(number: int) -> None:
        client = Client(token)
        for at, body in enumerate(share[number]):
            times.append(client.post(body, f"{name}-{number}-{at}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin, times


def endured(token: str, clients: int, seconds: float) -> list[float]:
    """Clients that post one batch after the other for so long."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        client, at = Client(token), 0
        while time.monotonic() < end:
            start = 1_000_000_000 * (number + 1) + at * 1_000
            times.append(client.post(json.dumps(rows(start)).encode(), f"endured-{number}-{at}"))
            at += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def copied(url: str, batches: int, size: int) -> float:
    """psycopg's COPY, row by row from Python objects as its users write it, a commit per batch."""
    made = [[tuple(row.values()) for row in rows(start * size, size, 0)] for start in range(batches)]
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS baseline ({COLUMNS}, PRIMARY KEY (id))")
        connection.execute("TRUNCATE baseline")
        connection.commit()
        begin = time.perf_counter()
        for batch in made:
            with connection.cursor() as cursor, cursor.copy("COPY baseline FROM STDIN") as copy:
                for row in batch:
                    copy.write_row(row)
            connection.commit()
        return time.perf_counter() - begin


def inserted(url: str, count: int) -> float:
    """One row a request to the bare service."""
    copied(url, 1, 1)  # makes the table
    bodies = [json.dumps(rows(10**10 + n, 1, 0)[0]).encode() for n in range(count + 20)]
    service = subprocess.Popen([sys.executable, "-c", BARE, url])
    try:
        wait(BARE_PORT, "/openapi.json")
        client = Client("", BARE_PORT, "/rows")
        for body in bodies[count:]:
            client.post(body, "warm")
        begin = time.perf_counter()
        for body in bodies[:count]:
            client.post(body, "single")
        return time.perf_counter() - begin
    finally:
        service.terminate()
        service.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--single", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.dictionary.mkdir(parents=True)
        (home.dictionary / "shop.odcs.yaml").write_text(CONTRACT)
        (home.root / "platform.yaml").write_text("sources: {}\n")
        server = EmbeddedServer(home)
        try:
            server.ensure_running()
            print(json.dumps(measure(options, Settings.load(home.root), warehouse_url(home, None))))  # noqa: T201
        finally:
            server.stop(force=True)


def measure(options: argparse.Namespace, settings: Settings, url: str) -> dict[str, Any]:
    catalog = Catalog(url).ensure()
    token = create_key(catalog, "benchmark", ["admin"])[1]
    command = [str(Path(sys.executable).with_name("platform-assets")), "--home", str(settings.home), "serve", "--port", str(PORT)]
    service = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    try:
        wait(PORT, "/readyz")
        posted(token, [json.dumps(rows(10**12 + n * 1_000)).encode() for n in range(5)], 1, "warm")
        found: dict[str, Any] = {"clients": options.clients}
        if options.seconds:
            times = endured(token, options.clients, options.seconds)
            found["rows_per_second"] = round(len(times) * 1_000 / options.seconds)
        else:
            bodies = [json.dumps(rows(n * 1_000)).encode() for n in range(options.batches)]
            begin = time.perf_counter()
            seconds, times = posted(token, bodies, options.clients, "many")
            while waiting(catalog):
                time.sleep(0.05)
            landed = time.perf_counter() - begin
            found["rows_per_second"] = round(len(times) * 1_000 / seconds)
            found["landed_rows_per_second"] = round(len(times) * 1_000 / landed)
            peer = copied(url, options.batches, 1_000)
            found["copy_rows_per_second"] = round(options.batches * 1_000 / peer)
            found["of_copy"] = round(peer / seconds, 2)
        times.sort()
        found |= {"p50_ms": round(statistics.median(times) * 1e3, 1), "p99_ms": round(times[int(len(times) * 0.99)] * 1e3, 1)}
        if options.single:
            seconds, _ = posted(token, [json.dumps(rows(10**10 + n, 1, 0)).encode() for n in range(options.single)], 1, "single")
            bare = inserted(url, options.single)
            found |= {
                "single_per_second": round(options.single / seconds),
                "bare_per_second": round(options.single / bare),
                "single_of_bare": round(bare / seconds, 2),
            }
        return found
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)


def wait(port: int, path: str) -> None:
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the service did not come up")


if __name__ == "__main__":
    main()
