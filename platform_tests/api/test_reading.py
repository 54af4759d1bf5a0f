"""Reading: tables, pages without gaps, every form, filters of every type."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.operations.table_rows import cursor_of

ROWS = "/v1/tables/shop.items/rows"
ITEMS = [
    {"id": 1, "name": "hammer", "big": 9007199254740993, "price": "12.50", "ratio": 0.5, "sold": True, "at": "2024-01-02T03:04:05"},
    {"id": 2, "name": 'na"il, é', "price": "0.10", "sold": False},
    {"id": 3, "name": "saw", "ratio": 2.0},
    {"id": 4, "name": "axe", "ratio": 0.5},
    {"id": 5, "name": "bolt", "price": "7.00"},
]


@pytest.fixture
def stocked(client):
    answer = client.post(ROWS, json=ITEMS)
    assert answer.status_code == 201, answer.text
    return client


def ids(client, **params) -> list[int]:
    answer = client.get(ROWS, params={"select": "id", "order": "id", **params})
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["rows"]]


def pages(client, limit: int, **params) -> list[int]:
    found, after = [], None
    for _ in range(20):
        answer = client.get(ROWS, params={"select": "id", "limit": limit, **params, **({"after": after} if after else {})})
        found += [row["id"] for row in answer.json()["rows"]]
        after = answer.headers.get("x-next")
        assert ("link" in answer.headers) == (after is not None)
        if after is None:
            return found
    raise AssertionError("the pages have no end")


def test_a_table_tells_its_schema_its_versions_and_its_counts(stocked, open_client):
    (listed,) = stocked.get("/v1/tables").json()
    assert (listed["table"], listed["rows"]) == ("shop.items", 5)
    told = stocked.get("/v1/tables/shop.items").json()
    assert [column["name"] for column in told["schema"]["columns"]] == ["id", "name", "big", "price", "ratio", "sold", "at"]
    assert told["key"] == ["id"]
    assert [(one["rows_read"], one["accepted"]) for one in told["versions"]] == [(5, 5)]
    assert open_client(["hr:read"]).get("/v1/tables").json() == []


def test_every_order_gives_every_row_once_whatever_the_pages(stocked):
    for order in ([], ["id"], ["-id"], ["ratio"], ["-ratio"], ["price", "-name"], ["-sold", "at"], ["name"]):
        whole = ids(stocked, order=order, limit=0)
        assert sorted(whole) == [1, 2, 3, 4, 5]
        for limit in (1, 2, 3, 5):
            assert pages(stocked, limit, order=order) == whole, (order, limit)


def test_filters_of_every_type(stocked):
    wanted = {
        "id:ge:4": [4, 5],
        'name:eq:na"il, é': [2],
        "name:lt:b": [4],
        "big:eq:9007199254740993": [1],
        "price:gt:0.10": [1, 5],
        "price:ne:7": [1, 2, 3, 4],
        "sold:eq:true": [1],
        "sold:null": [3, 4, 5],
        "at:notnull": [1],
        "at:le:2024-01-02T03:04:05": [1],
        "_instance:eq:default": [1, 2, 3, 4, 5],
        "name:eq:'; DROP TABLE shop.items; --": [],
    }
    assert {text: ids(stocked, filter=text) for text in wanted} == wanted
    assert ids(stocked, filter=["id:gt:1", "ratio:notnull"]) == [3, 4]


def test_what_cannot_be_asked_is_a_problem(stocked):
    asked = [
        {"select": "secret"},
        {"order": "secret"},
        {"filter": "secret:eq:1"},
        {"filter": "id:like:1"},
        {"filter": "id"},
        {"filter": "id:eq:x"},
        {"filter": "id:eq:99999999999999999999"},
        {"filter": "name:eq:\0"},
        {"after": "xx"},
        {"after": cursor_of(["1"])},
        {"after": cursor_of(["x", "default"])},
        {"after": "W" * 10_000},
        {"limit": -1},
        {"limit": 10_001},
        {"as_of": "never"},
        {"as_of": "2001-01-01"},
        {"as_of": "2100-01-01", "filter": "id:eq:1"},
        {"as_of": "2100-01-01", "select": "secret"},
    ]
    for params in asked:
        answer = stocked.get(ROWS, params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), (params, answer.text)


@pytest.mark.parametrize("limit", [0, 10])
def test_every_form_holds_the_same_values(stocked, limit):
    def got(form: str) -> bytes:
        answer = stocked.get(ROWS, params={"order": "id", "limit": limit, "select": list(ITEMS[0])}, headers={"Accept": form})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(form)
        return answer.content

    rows = json.loads(got("application/json"))["rows"]
    told = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert told == [{**ITEMS[0], "big": "9007199254740993", "at": "2024-01-02T03:04:05.000000"}, *ITEMS[1:]]
    assert [json.loads(line) for line in got("application/x-ndjson").splitlines()] == rows
    arrow = pa.ipc.open_stream(got("application/vnd.apache.arrow.stream")).read_all()
    parquet = pyarrow.parquet.read_table(io.BytesIO(got("application/vnd.apache.parquet")))
    assert arrow.to_pylist() == parquet.to_pylist()
    assert arrow.column("big").to_pylist()[0] == 9007199254740993
    csv = pyarrow.csv.read_csv(io.BytesIO(got("text/csv")))
    assert csv.column("name").to_pylist() == [item["name"] for item in ITEMS]


def test_a_form_that_is_not_given_is_406(stocked):
    assert stocked.get(ROWS, headers={"Accept": "image/png"}).status_code == 406
    assert stocked.get(ROWS, headers={"Accept": "application/json;q=x"}).status_code == 406
    assert stocked.get(ROWS, headers={"Accept": "text/csv;q=0.1, application/*;q=0.5"}).headers["content-type"] == "application/json"


def test_a_filter_on_an_empty_answer_has_the_schema_still(stocked):
    answer = stocked.get(ROWS, params={"filter": "id:eq:99", "select": "id"}, headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert pa.ipc.open_stream(answer.content).read_all().schema.names == ["id"]


@given(st.text(max_size=40))
def test_a_cursor_that_was_made_up_is_never_an_error_of_ours(text):
    from platform_assets.errors import RefusedQuery
    from platform_assets.operations.table_rows import read_cursor

    try:
        found = read_cursor(text, 1)
    except RefusedQuery:
        return
    assert len(found) == 1
