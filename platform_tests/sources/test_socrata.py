"""Pulls from a hostile Socrata server: after any of them the rows that were pulled are those of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from socrata_server import DataSet, Socrata

from platform_assets.sources.kinds import open_puller
from platform_assets.sources.pull import Before
from platform_assets.sources.topic import Access, Bounds, Topic
from platform_assets.sources.web import SourceError, Web

COLUMNS = {"name": "text", "age": "number", "born": "calendar_date"}


def topic_for(site: Socrata, **changes) -> Topic:
    topic = Topic(
        "pets",
        Path("topics/pets.yaml"),
        "city",
        "pets",
        "socrata",
        {"domain": site.domain, "dataset": "abcd-1234"},
        page_size=3,
        access=Access(private=True),
        bounds=Bounds(timeout=5, attempts=3),
    )
    return replace(topic, **changes)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("platform_assets.sources.web._FIRST_PAUSE", 0.001)


@pytest.fixture
def site() -> Iterator[Socrata]:
    data = DataSet(COLUMNS)
    for number in range(10):
        data.insert(name=f"pet {number}", age=str(number), born="2020-01-01T00:00:00.000")
    with Socrata(data).running() as running:
        yield running


def pull(topic: Topic, before: Before | None = None, environment=None):
    """(plan, rows by :id as the last page has them, pages)"""
    with open_puller(topic, environment or {}) as puller:
        plan = puller.plan(before)
        pages = list(puller.pages(plan, None)) if plan else []
    rows = [json.loads(line) for page in pages for line in page.lines.splitlines()]
    assert sum(page.rows for page in pages) == len(rows)
    return plan, {row[":id"]: row for row in rows}, pages


def there(site: Socrata):
    return {key: {name: value for name, value in row.items() if value is not None} for key, row in site.data.rows.items()}


@pytest.mark.parametrize("version", ["2.0", "2.1", "3"])
def test_everything_is_pulled_in_ordered_pages(site, version):
    plan, rows, pages = pull(topic_for(site, place={"domain": site.domain, "dataset": "abcd-1234", "version": version}))
    assert (plan.mode, plan.total, [page.rows for page in pages]) == ("full", 10, [3, 3, 3, 1])
    assert rows == there(site)
    assert [(column.name, column.type) for column in plan.columns][-3:] == [("name", "string"), ("age", ""), ("born", "timestamp")]
    assert pages[0].facts["numbers"] == {"age": [1, 0]}


@pytest.mark.parametrize("fault", ["202", "429", "500", "503", "cut", "indented"])
@pytest.mark.parametrize("request_number", range(4))
def test_faults_that_pass_are_waited_for(site, fault, request_number):
    site.faults.extend([""] * request_number + [fault, fault])
    assert pull(topic_for(site))[1] == there(site)


def test_a_page_of_html_is_an_error_with_the_request_id(site):
    site.faults.extend(["", "", "html"])
    with pytest.raises(SourceError, match=r"no list of rows.*request-7.*Please sign in"):
        pull(topic_for(site))


def test_a_server_that_fails_for_good_is_given_up(site):
    site.faults.extend(["500"] * 10)
    with pytest.raises(SourceError, match=r"given up after 3 attempts: the server answered 500 \(request id request-7\)\. Try again later"):
        pull(topic_for(site))


def test_only_what_changed_is_pulled_again_with_ties_and_late_rows(site):
    plan, rows, _ = pull(topic_for(site))
    site.data.insert_many([{"name": "tie"}, {"name": "tie"}])
    before = Before(plan.cursor, plan.marks)
    changed = next(iter(site.data.rows))
    site.data.change(changed, name="other")
    late = site.data.insert(name="late", late=timedelta(seconds=20))
    again, more, _ = pull(topic_for(site, overlap=timedelta(minutes=1)), before)
    assert again.mode == "full", "an overlap over all rows brings them all"
    again, more, _ = pull(topic_for(site, overlap=timedelta(seconds=9)), before)
    assert again.mode == "changes"
    assert late not in more
    assert {**rows, **more} == {key: row for key, row in there(site).items() if key != late}


def test_a_row_with_the_very_time_of_the_cursor_is_not_lost(site):
    plan, rows, _ = pull(topic_for(site))
    twin = site.data.insert(name="twin")
    site.data.rows[twin][":updated_at"] = plan.cursor
    _, more, _ = pull(topic_for(site), Before(plan.cursor, plan.marks))
    assert {**rows, **more} == there(site)


@pytest.mark.parametrize("dated", [False, True], ids=["ETag", "Last-Modified"])
def test_nothing_new_costs_one_request(site, dated):
    site.dated = dated
    plan, _, _ = pull(topic_for(site))
    site.requests.clear()
    marks = {name: mark for name, mark in plan.marks.items() if name != "rows_updated_at"}
    assert len(marks) == 1
    assert pull(topic_for(site), Before(plan.cursor, marks))[0] is None
    assert len(site.requests) == 1


def test_rows_that_move_between_pages_are_all_there_after_the_next_pull(site):
    keys = list(site.data.rows)

    def meddle() -> None:
        site.between = lambda: None
        site.data.change(keys[0], name="moved")
        site.data.delete(keys[1])
        site.data.insert(name="new")

    site.between = meddle
    plan, rows, _ = pull(topic_for(site))
    _, more, _ = pull(topic_for(site), Before(plan.cursor, {}))
    found = {**rows, **more}
    found.pop(keys[1], None)
    assert found == there(site)


def test_a_data_set_that_was_replaced_as_a_whole_is_pulled_as_a_whole(site):
    plan, _, _ = pull(topic_for(site))
    site.data.replace_all()
    again, rows, _ = pull(topic_for(site), Before(plan.cursor, plan.marks))
    assert (again.mode, rows) == ("full", there(site))


def test_a_sweep_finds_what_was_deleted(site):
    import pyarrow as pa

    plan, rows, _ = pull(topic_for(site))
    keys = [pa.array(list(rows))]
    site.data.insert(name="new")
    assert pull(topic_for(site), Before(plan.cursor, plan.marks, True, keys))[0].mode == "changes"
    site.data.delete(next(iter(rows)))
    again, found, _ = pull(topic_for(site), Before(plan.cursor, plan.marks, True, keys))
    assert (again.mode, found) == ("full", there(site))


def test_a_pull_goes_on_behind_a_position(site):
    topic = topic_for(site)
    plan, rows, pages = pull(topic)
    with open_puller(topic, {}) as puller:
        rest = [json.loads(line) for page in puller.pages(plan, pages[1].position) for line in page.lines.splitlines()]
    assert [row[":id"] for row in rest] == sorted(rows)[6:]


def test_the_token_is_sent_and_a_wrong_one_is_said_without_showing_it(site, monkeypatch):
    site.token = "secret-token"
    topic = topic_for(site, credentials={"app_token_env": "TOKEN"})
    assert pull(topic, environment={"TOKEN": "secret-token"})[1] == there(site)
    with pytest.raises(SourceError, match=r"refuses: look at the topic's credentials.*status 403 \(request id request-7\)") as caught:
        pull(topic, environment={"TOKEN": "wrong-token"})
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": ("nmae",)}, "has no column nmae; it has name, age, born"),
        ({"place": {"domain": "DOMAIN", "dataset": "none-0000"}}, r"there is no such data set: look at `from`.*request id request-7"),
        ({"place": {"domain": "DOMAIN"}}, "`from` of a Socrata topic is"),
        ({"access": Access()}, "private address"),
    ],
)
def test_bad_topics_are_told_what_is_wrong(site, changes, said):
    if "place" in changes:
        changes = {"place": {name: site.domain if value == "DOMAIN" else value for name, value in changes["place"].items()}}
    with pytest.raises(SourceError, match=said):
        pull(topic_for(site, **changes))


def test_a_host_that_hangs_up_is_said(site):
    topic = topic_for(site, place={"domain": "http://127.0.0.1:9", "dataset": "abcd-1234"})
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9.*refused, lost or too slow"):
        pull(topic)


def test_a_host_that_hangs_is_given_up(site):
    site.hold_after(0)
    site.page_was_sent()
    with pytest.raises(SourceError, match=r"given up after 1 attempts.*too slow.*Try again later; what was committed stands"):
        pull(topic_for(site, bounds=Bounds(timeout=0.2, attempts=1)))
    site.hold_after(None)


def test_a_column_that_was_dropped_meanwhile_is_refused_by_the_server_with_the_request_id(site):
    topic = topic_for(site, columns=("name", "age"))
    with open_puller(topic, {}) as puller:
        plan = puller.plan(None)
        del site.data.columns["age"]
        with pytest.raises(SourceError, match=r"look at columns, cursor and key.*request id request-7.*no such column"):
            list(puller.pages(plan, None))


def test_another_host_is_not_asked():
    with Web(Access(private=True), Bounds()) as web, pytest.raises(SourceError, match=r"not the topic's host.*allow.hosts"):
        web.ask("GET", "http://example.org/x", home="other.example.org")
