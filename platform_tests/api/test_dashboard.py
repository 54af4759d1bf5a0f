"""The pages: what they show, that nothing in them is markup of the data's, whom they show it, and that a real browser shows it offline."""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest
import uvicorn

from platform_assets.api.app import application
from platform_assets.api.sessions import require_session
from platform_assets.operations.api_keys import create_key
from platform_assets.operations.landing import land_all

EVIL = '<script>alert("x")</script>'
NAME = "a<b>&'\""
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: evil
version: 1.0.0
status: active
schema:
  - name: "<script>t"
    logicalType: object
    properties:
      - {name: id, logicalType: integer, physicalType: int, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: "a<b>&'\\"", logicalType: string}
"""
METRIC = """/*
title: <script>alert(1)</script>
description: <img src=x>
chart: {kind: bars, x: word, y: n}
parameters:
  least: {type: integer, default: 1}
*/
SELECT '<script>' || :least AS word, count(*) AS n FROM evil."<script>t" WHERE id >= :least
"""
TABLE = "evil.<script>t"


@pytest.fixture
def filled(client, home):
    """A table with markup in its name, a column and its cells, posted in two versions, with a rejected row; metrics on it."""
    (home.dictionary / "evil.odcs.yaml").write_text(CONTRACT)
    home.metrics.mkdir()
    (home.metrics / "evil.sql").write_text(METRIC)
    (home.metrics / "broken.sql").write_text("DROP TABLE x")
    (home.metrics / "early.sql").write_text("/*\ntitle: Early\ndescription: Soon.\n*/\nSELECT * FROM nowhere.to_be_found")
    for start, word in ((1, EVIL), (2, "plain")):
        rows = [{"id": number, NAME: word} for number in range(start, start + 60)]
        answer = client.post("/v1/tables/evil.%3Cscript%3Et/rows", json=[*rows, {"id": "x"}])
        assert answer.status_code == 207, answer.text
        land_all(client.app.state.service.settings, client.app.state.service.catalog)
    return client


@pytest.fixture
def browser(open_client, catalog):
    """A client that is logged in with a key for these sources."""

    def opened(*scopes: str):
        client = open_client([])
        answer = client.post("/login", data={"key": create_key(catalog, "Ada <b>", list(scopes))[1]})
        assert answer.status_code == 200
        return client

    return opened


class Markup(html.parser.HTMLParser):
    """Elements and addresses of a page, and what is wrong with it for who does not see it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag


def proven(answer, status: int = 200) -> str:
    """A page as every page is to be: strict policy, no markup of the data's, nothing from elsewhere, labels on all inputs."""
    assert answer.status_code == status, answer.text[:500]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Markup(answer.text)
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == names.count("main") == 1
    assert page.tags[names.index("a")][1]["class"] == "skip"
    assert {attrs.get("src") for tag, attrs in page.tags if tag == "script"} <= {"/static/as-of.js"}
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") or name == "style" for name in attrs)]
    for _, attrs in page.tags:
        for name in ("src", "href", "action"):
            assert re.match(r"/(?!/)|#", attrs.get(name) or "/"), attrs
    labels = {attrs.get("for") for tag, attrs in page.tags if tag in ("label", "output")}
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        if tag in ("input", "select") and attrs.get("type") != "hidden":
            assert attrs.get("id") in labels, attrs
    return answer.text


def test_every_page_shows_data_and_no_markup_of_it(filled, browser):
    client = browser("read")
    text = proven(client.get("/"))
    for said in (
        "evil",
        "type:id",
        "&lt;script&gt;t",
        "published",
        "No backup yet",
        "broken.sql, line 1",
        "no dump with it",
        "Ada &lt;b&gt;",
    ):
        assert said in text, said
    base = "/browse/evil.%3Cscript%3Et"
    assert base in proven(client.get("/browse"))
    text = proven(client.get(base))
    assert "&lt;script&gt;alert(" in text
    assert "a&lt;b&gt;&amp;&#39;&#34;" in text
    following = re.search(r'href="([^"]+)" rel="next"', text)[1].replace("&amp;", "&")
    assert ">61<" in proven(client.get(following))
    wanted = {"column": ["id", NAME], "operator": ["ge", "eq"], "value": ["3", "plain"], "order": "id", "descending": "1"}
    text = proven(client.get(base, params=wanted))
    assert text.index(">61<") < text.index(">60<")
    assert "alert(" not in text
    then = proven(client.get(base, params={"at": 0}))
    assert "plain" not in then
    assert ">50<" in then
    assert 'type="range"' in then
    versions = re.findall(r'value="(evil\.[^"]+)"', proven(client.get(f"{base}/diff")))
    text = proven(client.get(f"{base}/diff", params={"a": versions[0], "b": "latest"}))
    assert "<b>59</b> updated" in text
    assert "<b>1</b> inserted" in text
    assert "of 2" in proven(client.get(base))
    text = proven(client.get(f"{base}/history", params={"key": "2"}))
    assert text.count('class="changed"') == 1
    assert "before: &lt;script&gt;" in text
    assert "No version of" in proven(client.get(f"{base}/history", params={"key": "1000"}))
    assert "&lt;script&gt;1" in proven(client.get("/charts/evil"))
    assert ">59<" in proven(client.get("/charts/evil", params={"least": 3}))
    proven(client.get("/charts"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/browse/evil.nothing", 404),
        ("/browse/evil.%3Cscript%3Et?column=id&operator=ge&value=x", 422),
        ("/browse/evil.%3Cscript%3Et?after=x", 422),
        ("/browse/evil.%3Cscript%3Et?order=nothing", 422),
        ("/browse/evil.%3Cscript%3Et/diff?a=%3Cscript%3E", 422),
        ("/charts/nothing", 404),
        ("/charts/broken", 409),
        ("/charts/evil?least=x", 422),
        ("/charts/evil?most=1", 422),
    ],
)
def test_a_wrong_question_is_answered_by_a_page(filled, browser, path, status):
    assert 'role="alert"' in proven(browser("read").get(path), status)


def test_a_page_needs_a_login_and_shows_the_sources_of_its_key_alone(filled, browser, open_client):
    for path in ("/", "/browse", "/browse/evil.%3Cscript%3Et", "/charts", "/charts/evil"):
        answer = open_client([]).get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
        assert "evil" not in answer.text
    client = browser("shop:read")
    for path in ("/", "/browse", "/charts"):
        assert "evil" not in proven(client.get(path)).replace("/static", "")
    for path in ("/browse/evil.%3Cscript%3Et", "/charts/evil"):
        assert "plain" not in proven(client.get(path), 404 if "charts" in path else 403)


def test_metrics_over_http(filled, open_client):
    listed = {one["metric"]: one for one in filled.get("/v1/metrics").json()}
    assert {name: one["state"] for name, one in listed.items()} == {"broken": "broken", "early": "waiting", "evil": "ready"}
    assert listed["evil"]["parameters"] == [{"name": "least", "type": "integer", "default": "1", "description": ""}]
    found = filled.get("/v1/metrics/evil", params={"least": "3"}).json()
    assert (found["parameters"], found["rows"]) == ({"least": "3"}, [{"word": "<script>3", "n": 59}])
    as_csv = filled.get("/v1/metrics/evil", headers={"Accept": "text/csv"})
    assert (as_csv.headers["content-type"].partition(";")[0], as_csv.text) == ("text/csv", "word,n\n<script>1,61\n")
    for form, kind, begins in (
        ("svg", "image/svg+xml", b"<svg"),
        ("png", "image/png", b"\x89PNG"),
        ("html", "text/html", b"<!doctype html>"),
    ):
        chart = filled.get(f"/v1/metrics/evil.{form}", params={"least": 2})
        assert (chart.status_code, chart.headers["content-type"].partition(";")[0]) == (200, kind)
        assert chart.content.startswith(begins)
        assert b"<script" not in chart.content
        assert b"http" not in chart.content.replace(b"http://www.w3.org/2000/svg", b"")
    for path, status in (
        ("early", 409),
        ("early.svg", 409),
        ("nothing", 404),
        ("evil?least=x", 422),
        ("evil?least=1&least=2", 422),
        ("evil.pdf", 422),
    ):
        assert filled.get(f"/v1/metrics/{path}").status_code == status
    assert filled.get("/v1/metrics/evil", headers={"Accept": "image/gif"}).status_code == 406
    other = open_client(["shop:read"])
    assert other.get("/v1/metrics").json() == []
    assert other.get("/v1/metrics/evil").status_code == 404


def test_the_first_page_asks_as_many_queries_for_a_thousand_versions(filled, browser, database, monkeypatch):
    with psycopg.connect(database) as connection:
        connection.execute(
            """INSERT INTO catalog.versions (version, source, instance, label, sha256, path, bytes, kind, state, completeness)
               SELECT 'evil.v' || n, 'evil', 'default', 'v' || n, 'sha' || n, 'dumps/evil/' || n, 1, 'file', 'published', 'complete'
               FROM generate_series(1, 1000) n;
               INSERT INTO catalog.snapshots (version, source, table_name, rows_read, accepted, rejected, recovered, unreadable)
               SELECT 'evil.v' || n, 'evil', '<script>t', 1, 1, 0, 0, 0 FROM generate_series(1, 1000) n"""
        )
    asked = []
    real = psycopg.Cursor.execute

    def counted(self, query, *rest, **more):
        asked.append(query)
        return real(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    client = browser("read")
    paths = ("/", "/browse", "/browse/evil.%3Cscript%3Et")
    counts = []
    for path in paths:
        asked.clear()
        text = proven(client.get(path))
        counts.append(len(asked))
    assert max(counts) < 60, counts
    assert "of 1,002" in text
    with psycopg.connect(database) as connection:
        connection.execute(
            "DELETE FROM catalog.snapshots WHERE version LIKE 'evil.v%'; DELETE FROM catalog.versions WHERE version LIKE 'evil.v%'"
        )
    fewer = []
    for path in paths:
        asked.clear()
        proven(client.get(path))
        fewer.append(len(asked))
    assert fewer == counts


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_runs_the_slider_and_no_script_of_the_data(filled, settings, catalog, tmp_path: Path):
    app = application(settings)
    service = filled.app.state.service
    key = create_key(catalog, "browser", ["read"])[0]

    def logged_in():
        from platform_assets.api.service import Caller

        yield Caller(key, service)

    app.dependency_overrides[require_session] = logged_in
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"]
        done = subprocess.run(
            [CHROMIUM, *options, "--enable-logging=stderr", "--dump-dom", f"{address}/browse/evil.%3Cscript%3Et"],
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        server.should_exit = True
        thread.join()
    assert re.search(r'aria-valuetext="[^"]+"', done.stdout), done.stderr[-2000:]
    assert "&lt;script&gt;alert(" in done.stdout
    assert "Content Security Policy" not in done.stderr
