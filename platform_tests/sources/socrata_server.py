"""A Socrata server for tests, as hostile as the real ones: rows in no order unless asked, changes between pages, faults on demand.

SoQL is answered by SQLite, whose SELECT it shares as far as pullers use it. Facts of the interface as in sources/socrata.py.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import listening

SYSTEM = (":id", ":created_at", ":updated_at")
START = datetime(2024, 1, 1, tzinfo=UTC)


class DataSet:
    """Rows by `:id`, as texts; None is left out of answers. `columns`: field name -> Socrata's type. The clock moves with every change."""

    def __init__(self, columns: Mapping[str, str], seed: int = 0) -> None:
        self.columns = dict(columns)
        self.rows: dict[str, dict[str, Any]] = {}
        self.random = random.Random(seed)
        self.now = START
        self.rows_updated_at = 0
        self._number = 0

    def insert(self, *, late: timedelta = timedelta(0), **values: Any) -> str:
        """`late`: the row says that it came earlier than it did."""
        self._number += 1
        key = f"row-{self.random.getrandbits(24):06x}-{self._number:04d}"
        moment = self._tick() if not late else _text(self.now - late)
        self.rows[key] = {":id": key, ":created_at": moment, ":updated_at": moment, **values}
        self.rows_updated_at += 1
        return key

    def insert_many(self, rows: list[dict[str, Any]]) -> None:
        """All in one transaction: with one `:updated_at`."""
        moment = self._tick()
        for values in rows:
            key = self.insert(**values)
            self.rows[key][":updated_at"] = self.rows[key][":created_at"] = moment

    def change(self, key: str, **values: Any) -> None:
        self.rows[key].update(values)
        self.rows[key][":updated_at"] = self._tick()
        self.rows_updated_at += 1

    def delete(self, key: str) -> None:
        del self.rows[key]
        self._tick()
        self.rows_updated_at += 1

    def replace_all(self) -> None:
        """What a publisher's full upload does: the same rows under new ids."""
        rows = [{name: value for name, value in row.items() if name not in SYSTEM} for row in self.rows.values()]
        self.rows.clear()
        self.insert_many(rows)

    def _tick(self) -> str:
        self.now += timedelta(seconds=1)
        return _text(self.now)

    def described(self) -> dict[str, Any]:
        columns = [{"fieldName": name, "dataTypeName": kind, "position": n} for n, (name, kind) in enumerate(self.columns.items(), 1)]
        return {"id": "abcd-1234", "rowsUpdatedAt": self.rows_updated_at, "columns": columns}

    def ask(self, soql: str) -> list[dict[str, Any]]:
        """Raises sqlite3.Error for what a real server would call a bad query."""
        with sqlite3.connect(":memory:") as database:
            names = [*SYSTEM, *self.columns]
            database.execute(f"CREATE TABLE rows ({', '.join(f'{_quoted(name)} TEXT' for name in names)})")
            rows = list(self.rows.values())
            self.random.shuffle(rows)
            marks = ", ".join("?" * len(names))
            database.executemany(f"INSERT INTO rows VALUES ({marks})", [[_cell(row.get(name)) for name in names] for row in rows])
            cursor = database.execute(_sql(soql, list(self.columns)))
            found = [description[0] for description in cursor.description]
            return [{n: v for n, v in zip(found, row, strict=True) if v is not None} for row in cursor]


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | bool) else value


def _quoted(name: str) -> str:
    return f'"{name}"'


def _sql(soql: str, columns: list[str]) -> str:
    """System fields in quotes, the star as the columns it means: in SQLite both mean something else."""
    select, _, rest = soql.partition(" FROM ")
    select = re.sub(r"(?<!\()\*", ", ".join(map(_quoted, columns)), select)
    parts = re.split(r"('(?:[^']|'')*')", f"{select} FROM {rest}")
    return "".join(part if part.startswith("'") else re.sub(r":(id|created_at|updated_at)", r'":\1"', part) for part in parts)


class Socrata:
    """The server. `faults` are taken one per request, from the left; `between` is called after every page of rows."""

    def __init__(self, data: DataSet, *, token: str | None = None) -> None:
        self.data, self.token = data, token
        self.faults: deque[str] = deque()
        self.between: Callable[[], None] = lambda: None
        self.requests: list[str] = []
        self.domain = ""
        self.dated = False
        self._held = threading.Event()
        self._held.set()
        self._pages_left: int | None = None

    @contextmanager
    def running(self) -> Iterator[Socrata]:
        with listening(type("Handler", (_Handler,), {"site": self})) as self.domain:
            yield self

    def hold_after(self, pages: int | None) -> None:
        """After so many pages the server keeps its clients waiting; None lets them go on."""
        self._pages_left = pages
        self._held.set()

    def page_was_sent(self) -> None:
        self.between()
        if self._pages_left is not None:
            self._pages_left -= 1
            if self._pages_left <= 0:
                self._held.clear()

    def wait_if_held(self) -> None:
        self._held.wait(60)

    def query(self, given: Mapping[str, str]) -> list[dict[str, Any]]:
        clauses = {"WHERE": "$where", "ORDER BY": "$order", "LIMIT": "$limit"}
        rest = "".join(f" {word} {given[name]}" for word, name in clauses.items() if given.get(name))
        return self.data.ask(f"SELECT {given.get('$select', '*')} FROM rows{rest}")


class _Handler(BaseHTTPRequestHandler):
    site: Socrata
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/views/abcd-1234.json":
            tag = f'"{self.site.data.rows_updated_at}"'
            self._answer(lambda: self.site.data.described(), mark=("Last-Modified", tag) if self.site.dated else ("ETag", tag))
        elif url.path == "/resource/abcd-1234.json":
            self._answer(lambda: self.site.query(given), page="$limit" in given)
        else:
            self._send(404, json.dumps({"code": "dataset.missing", "error": True}).encode())

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
        head, clause, rest = re.fullmatch(r"(SELECT .*?)( WHERE | ORDER BY | LIMIT |$)(.*)", query).groups()  # type: ignore[union-attr]
        self._answer(lambda: self.site.data.ask(f"{head} FROM rows{clause}{rest}"), page="LIMIT" in query)

    def _answer(self, make: Callable[[], Any], *, page: bool = False, mark: tuple[str, str] | None = None) -> None:
        self.site.requests.append(self.path)
        self.site.wait_if_held()
        self._answered(make, mark)
        if page:
            self.site.page_was_sent()

    def _answered(self, make: Callable[[], Any], mark: tuple[str, str] | None) -> None:
        if self.site.token and self.headers.get("X-App-Token") != self.site.token:
            return self._send(403, b'{"error": true, "message": "Invalid app_token specified"}')
        fault = self.site.faults.popleft() if self.site.faults else ""
        if fault in ("202", "429", "500", "503"):
            return self._send(int(fault), b"{}", {"Retry-After": "0"} if fault == "429" else {})
        if fault == "html":
            return self._send(200, b"<html><body>Please sign in</body></html>")
        if mark and self.headers.get({"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[mark[0]]) == mark[1]:
            return self._send(304, b"")
        try:
            body = json.dumps(make(), indent=1 if fault == "indented" else None).encode()
        except sqlite3.Error as error:
            return self._send(400, json.dumps({"message": str(error)}).encode())
        headers = dict([mark]) if mark else {}
        if fault == "cut":
            return self._cut(body)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        return self._send(200, body, headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        now = format_datetime(self.site.data.now, usegmt=True)
        for name, value in {"Date": now, "X-Socrata-RequestId": "request-7", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, body: bytes) -> None:
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True
