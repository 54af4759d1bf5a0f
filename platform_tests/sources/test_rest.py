"""Interfaces by configuration: every paginator and every way to authenticate, against a small server."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import listening

from platform_assets.errors import SettingsError
from platform_assets.sources.kinds import open_puller
from platform_assets.sources.pull import Before, members_of
from platform_assets.sources.topic import Access, Bounds, Topic
from platform_assets.sources.web import SourceError, Web

ROWS = [{"id": n, "price": 1.10, "at": f"2024-01-{n:02d}"} for n in range(1, 8)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("platform_assets.sources.web._FIRST_PAUSE", 0.001)


@contextmanager
def serving(answer):
    """`answer(path, query, headers)` gives (status, headers, body: a text, or pieces of bytes). It may give a `Date` of its own."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Silence."""

        def do_GET(self):
            self.reply("")

        def do_POST(self):
            self.reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def reply(self, posted):
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query or posted).items()}
            status, headers, body = answer(url.path, query, self.headers)
            self.send_response_only(status)
            for name, value in ({"Date": self.date_time_string()} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):
                for part in [body.encode()] if isinstance(body, str) else body:
                    self.wfile.write(part)

    with listening(Handler) as address:
        yield address


def topic_for(place, **changes) -> Topic:
    topic = Topic(
        "t", Path("topics/t.yaml"), "shop", "orders", "rest", place, page_size=3, access=Access(private=True), bounds=Bounds(5, 2)
    )
    return replace(topic, **{"key": ("id",), **changes})


def pull(topic: Topic, before=None, environment=None):
    with open_puller(topic, environment or {}) as puller:
        plan = puller.plan(before)
        pages = list(puller.pages(plan, None))
    return plan, [json.loads(line) for page in pages for line in page.lines.splitlines()], pages


def paged(path, query, headers):
    size = int(query.get("size", 3))
    if path == "/page":
        return 200, {}, json.dumps(ROWS[(int(query["page"]) - 1) * size :][:size])
    if path == "/offset":
        return 200, {}, json.dumps({"data": {"items": ROWS[int(query["offset"]) :][:size]}})
    start = int(query.get("after", 0))
    more = str(start + size) if start + size < len(ROWS) else None
    if path == "/cursor":
        return 200, {}, json.dumps({"meta": {"next": more}, "items": ROWS[start:][:size]})
    if path == "/link":
        link = {"Link": f'</link?after={more}>; rel="next", </link>; rel="first"'} if more else {}
        return 200, link, json.dumps(ROWS[start:][:size])
    if path == "/next":
        return 200, {}, json.dumps({"next": f"/next?after={more}" if more else None, "items": ROWS[start:][:size]})
    return 404, {}, "{}"


@pytest.mark.parametrize(
    ("place", "sizes"),
    [
        ({"url": "/page", "paginator": {"kind": "page", "size_param": "size"}}, [3, 3, 1]),
        ({"url": "/page", "paginator": {"kind": "page"}}, [3, 3, 1]),
        ({"url": "/offset", "records": "data.items", "paginator": {"kind": "offset", "size_param": "size"}}, [3, 3, 1]),
        ({"url": "/cursor", "records": "items", "paginator": {"kind": "cursor", "param": "after", "path": "meta.next"}}, [3, 3, 1]),
        ({"url": "/link", "paginator": {"kind": "link"}}, [3, 3, 1]),
        ({"url": "/next", "records": "items", "paginator": {"kind": "next_url"}}, [3, 3, 1]),
        ({"url": "/link"}, [3]),
    ],
)
def test_every_paginator_gives_every_page_once(place, sizes):
    with serving(paged) as base:
        _, rows, pages = pull(topic_for({**place, "url": base + place["url"]}))
    assert [page.rows for page in pages] == sizes
    assert rows == ROWS[: sum(sizes)]


def test_numbers_keep_their_own_digits():
    body = '{"items": [\n {"id": 1, "big": 12345678901234567890.10, "n": 1E2}\n]}'
    with serving(lambda *_: (200, {}, body)) as base:
        _, _, (page,) = pull(topic_for({"url": base, "records": "items"}))
    assert page.lines == b'{"id": 1, "big": 12345678901234567890.10, "n": 1E2}\n'


def test_a_page_that_comes_again_is_no_endless_pull():
    with (
        serving(lambda *_: (200, {}, json.dumps(ROWS[:3]))) as base,
        pytest.raises(SourceError, match="the same page came again"),
    ):
        pull(topic_for({"url": base, "paginator": {"kind": "page"}}))


def test_the_cursor_is_sent_and_moves_to_the_highest_value():
    asked = []

    def answer(path, query, headers):
        asked.append(query.get("since"))
        return 200, {}, json.dumps([row for row in ROWS if row["at"] >= query.get("since", "")])

    with serving(answer) as base:
        topic = topic_for({"url": base, "since_param": "since"}, cursor="at")
        _, _, pages = pull(topic)
        plan, rows, _ = pull(topic, Before(pages[-1].cursor))
    assert (plan.mode, [row["id"] for row in rows], asked) == ("changes", [7], [None, "2024-01-07"])


@pytest.mark.parametrize(
    ("auth", "credentials", "sent"),
    [
        ({"kind": "bearer"}, {"token_env": "TOKEN"}, ("Authorization", "Bearer s3cret")),
        ({"kind": "header", "header": "X-Key"}, {"token_env": "TOKEN"}, ("X-Key", "s3cret")),
        ({"kind": "basic"}, {"user_env": "USER_", "password_env": "TOKEN"}, ("Authorization", "Basic bWU6czNjcmV0")),
        (
            {"kind": "oauth2", "token_url": "BASE/token"},
            {"client_id_env": "USER_", "client_secret_env": "TOKEN"},
            ("Authorization", "Bearer t1"),
        ),
    ],
)
def test_credentials_come_from_the_environment(auth, credentials, sent):
    def answer(path, query, headers):
        if path == "/token":
            return 200, {}, json.dumps({"access_token": "t1"} if query["client_secret"] == "s3cret" else {})
        return (200, {}, json.dumps(ROWS[:1])) if headers.get(sent[0]) == sent[1] else (401, {}, "{}")

    with serving(answer) as base:
        auth = {name: value.replace("BASE", base) for name, value in auth.items()}
        topic = topic_for({"url": base, "auth": auth}, credentials=credentials)
        assert pull(topic, environment={"TOKEN": "s3cret", "USER_": "me"})[1] == ROWS[:1]
        with pytest.raises(SourceError) as caught:
            pull(topic, environment={"TOKEN": "wr0ng", "USER_": "me"})
        assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "body", "said"),
    [
        ({}, "<html>", "no list of objects at the top of the document"),
        ({"records": "items"}, "[]", "no list of objects at items"),
        ({"records": "a.b"}, '{"a": {"c": []}}', "there is no key 'b'"),
        ({}, "[1, 2]", "a record is no object"),
    ],
)
def test_an_answer_of_another_shape_is_said(place, body, said):
    with serving(lambda *_: (200, {}, body)) as base, pytest.raises(SourceError, match=said):
        pull(topic_for({"url": base, **place}))


@pytest.mark.parametrize(
    "place",
    [
        {"url": "x"},
        {"url": "http://h/x", "page": 1},
        {"url": "http://h/x", "paginator": {"kind": "pages"}},
        {"url": "http://h/x", "paginator": "page"},
        {"url": "http://h/x", "paginator": {"kind": "page", "first": "one"}},
        {"url": "http://h/x", "params": "all"},
        {"url": "http://h/x", "headers": ["a"]},
    ],
)
def test_a_place_that_cannot_be_understood_is_refused(place):
    with pytest.raises(SettingsError, match=r"known"):
        pull(topic_for(place))


def test_only_the_columns_that_are_wanted_come_in_their_own_words():
    body = '[{"id": 1, "secret": {"a": [1, "}"]}, "price" :1.10 , "more": null}, {"price": 2E1, "id":2}]'
    with serving(lambda *_: (200, {}, body)) as base:
        _, _, (page,) = pull(topic_for({"url": base}, columns=("price",)))
        assert page.lines == b'{"id": 1, "price" :1.10}\n{"price": 2E1, "id":2}\n'
        with pytest.raises(SourceError, match="no record has 'prise', they have id, secret, price, more: look at columns"):
            pull(topic_for({"url": base}, columns=("prise",)))


def test_the_overlap_reaches_back_behind_the_cursor():
    asked = []

    def answer(path, query, headers):
        asked.append(query.get("since"))
        return 200, {}, json.dumps(ROWS)

    with serving(answer) as base:
        topic = topic_for({"url": base, "since_param": "since"}, cursor="at", overlap=timedelta(days=2))
        plan, _, pages = pull(topic, Before("2024-01-05"))
        assert (plan.since, pages[-1].cursor) == ("2024-01-03", "2024-01-07")
        with pytest.raises(SettingsError, match="the cursor 7 is none"):
            pull(replace(topic, cursor="id"), Before(7))
    assert asked == ["2024-01-03"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": ("idd",)}, "no record has 'idd', they have id, price, at: look at columns, key and cursor"),
        ({"cursor": "updated"}, "no record has 'updated'"),
        ({"cursor": "mixed"}, "the values of the cursor 'mixed' are of several kinds"),
    ],
)
def test_a_key_or_cursor_that_no_record_has_is_said(changes, said):
    rows = [{**row, "mixed": row["id"] if row["id"] % 2 else "x"} if "mixed" in changes.values() else row for row in ROWS]
    with serving(lambda *_: (200, {}, json.dumps(rows))) as base, pytest.raises(SourceError, match=said):
        pull(topic_for({"url": base}, **changes))


def test_a_redirect_to_another_host_is_refused():
    with (
        serving(lambda *_: (302, {"Location": "http://localhost:1/x"}, "")) as base,
        pytest.raises(SourceError, match="localhost is not the topic's host"),
    ):
        pull(topic_for({"url": base}))


def test_a_name_that_means_a_private_address_when_it_is_dialled_is_refused(monkeypatch):
    """A name server that gives a public address to who checks and a private one to who connects."""
    asked = []
    with serving(lambda *_: asked.append(1) or (200, {}, "[]")) as base:
        monkeypatch.setattr("platform_assets.sources.web._addresses", lambda host, port: ["93.184.216.34"])
        topic = topic_for({"url": base.replace("127.0.0.1", "localhost")}, access=Access())
        with pytest.raises(SourceError, match="localhost is a private address"):
            pull(topic)
    assert asked == []


def test_an_allowed_host_to_which_a_request_is_redirected_gets_no_secret():
    seen = []

    def answer(path, query, headers):
        seen.append((path, headers.get("Authorization"), headers.get("Accept-Language")))
        if path == "/here":
            return 302, {"Location": there + "/there"}, ""
        return 200, {}, json.dumps(ROWS[:1])

    with serving(answer) as there, serving(answer) as base:
        place = {"url": f"{base}/here", "auth": {"kind": "bearer"}, "headers": {"Accept-Language": "en"}}
        topic = topic_for(place, credentials={"token_env": "TOKEN"}, access=Access(("127.0.0.1",), True))
        assert pull(topic, environment={"TOKEN": "s3cret"})[1] == ROWS[:1]
    assert seen == [("/here", "Bearer s3cret", "en"), ("/there", None, None)]


def test_a_token_that_ends_during_a_pull_is_asked_for_again():
    tokens, used = [], []

    def answer(path, query, headers):
        if path == "/token":
            tokens.append(f"Bearer t{len(tokens)}")
            used.clear()
            return 200, {}, json.dumps({"access_token": tokens[-1].removeprefix("Bearer ")})
        used.append(path)
        return paged(path, query, headers) if headers.get("Authorization") == tokens[-1] and len(used) < 3 else (401, {}, "{}")

    with serving(answer) as base:
        auth = {"kind": "oauth2", "token_url": f"{base}/token"}
        place = {"url": f"{base}/page", "paginator": {"kind": "page", "size_param": "size"}, "auth": auth}
        topic = topic_for(place, credentials={"client_id_env": "USER_", "client_secret_env": "TOKEN"})
        assert pull(topic, environment={"TOKEN": "s3cret", "USER_": "me"})[1] == ROWS
    assert tokens == ["Bearer t0", "Bearer t1"]


def test_no_more_requests_a_second_than_the_topic_allows():
    """By a clock of the test's own: each request waits for the last one's turn to end."""
    now, pauses = [100.0], []

    def pause(seconds):
        pauses.append(round(seconds, 3))
        now[0] += seconds

    with serving(lambda *_: (200, {}, "[]")) as base:
        web = Web(Access(private=True), Bounds(requests_per_second=2), pause=pause, clock=lambda: now[0])
        with web:
            for _ in range(3):
                web.ask("GET", base, home=base.partition("://")[2])
    assert pauses == [0.5, 0.5]


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)),
    st.sets(st.text()),
    st.booleans(),
)
def test_the_members_that_are_kept_are_those_of_the_object(row, names, wide):
    names |= set(list(row)[::2])
    kept = members_of(json.dumps(row, indent=1 if wide else None), names)
    assert json.loads(kept) == {name: value for name, value in row.items() if name in names}
