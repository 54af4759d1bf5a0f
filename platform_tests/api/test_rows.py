"""Rows posted: a verdict per row, the same quarantine, the latest state, and what a rebuild has."""

from __future__ import annotations

import json

import pytest

from platform_assets.api.limits import Limits
from platform_assets.operations.landing import land_all

ROWS = "/v1/tables/shop.items/rows"
GOOD = {"id": 1, "name": "hammer"}


def post(client, body, *, kind="application/json", **options):
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    headers = {"Content-Type": kind, **options.pop("headers", {})}
    return client.post(ROWS, content=content, headers=headers, params=options)


def landed(client, *answers):
    """The versions that these batches landed as, all that wait having landed."""
    service = client.app.state.service
    land_all(service.settings, service.catalog)
    return [client.get(f"/v1/batches/{answer.json()['batch_id']}").json()["version"] for answer in answers]


def rows(client, **params):
    return client.get(ROWS, params={"select": ["id", "name"], **params}).json()["rows"]


def test_accepted_rows_are_in_the_latest_state_when_the_answer_comes(client):
    answer = post(client, [GOOD, {"id": 2, "name": "nail", "price": "1.50", "big": 9007199254740993, "sold": True}])
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (2, 0)
    assert [one["status"] for one in told["results"]] == ["accepted", "accepted"]
    found = client.get(ROWS, params={"filter": "id:eq:2", "select": ["name", "price", "big", "sold"]}).json()["rows"]
    assert found == [{"name": "nail", "price": "1.50", "big": "9007199254740993", "sold": True}]


def test_some_rows_wrong_is_207_with_every_reason_and_the_quarantine_has_them(client):
    answer = post(client, [GOOD, {"id": "x", "name": "a" * 21}, {"id": 3}, {"id": 1, "name": "twice"}])
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert told["accepted"] + told["rejected"] == 4
    codes = {one["index"]: {error["code"] for error in one["errors"]} for one in told["results"]}
    assert codes[1] == {"type-error", "constraint-error"}
    assert codes[2] == {"missing-value"}
    assert codes[3] == {"primary-key"}
    assert all({"rule", "column", "code", "message", "value"} == set(error) for one in told["results"] for error in one["errors"])
    kept = client.get("/v1/tables/shop.items/rejects").json()
    assert len(kept) == told["rejected"]
    (version,) = landed(client, answer)
    assert {one["version"] for one in kept} == {version}


def test_no_row_accepted_is_422_and_none_is_lost(client):
    answer = post(client, [{"id": None, "name": "x"}])
    assert answer.status_code == 422
    assert answer.json()["accepted"] == 0
    assert len(client.get("/v1/tables/shop.items/rejects").json()) == 1


def test_an_atomic_batch_with_a_wrong_row_keeps_nothing(client, home):
    answer = post(client, [GOOD, {"id": 2}], mode="atomic")
    assert answer.status_code == 422
    assert [one["status"] for one in answer.json()["results"]] == ["not stored", "rejected"]
    assert not list(home.dumps.glob("shop/*"))
    assert post(client, [GOOD], mode="atomic").status_code == 201
    assert rows(client) == [GOOD]


def test_a_dry_run_judges_and_keeps_nothing(client, home):
    answer = post(client, [GOOD, {"id": 2}], dry_run="true")
    assert (answer.status_code, answer.json()["batch_id"]) == (207, None)
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 1)
    assert not list(home.dumps.glob("shop/*"))


def test_a_later_batch_stands_over_an_earlier_one_and_the_past_can_be_seen(client):
    first = post(client, [GOOD, {"id": 2, "name": "nail"}])
    assert post(client, {"id": 1, "name": "mallet"}).status_code == 201
    assert rows(client, order="id") == [{"id": 1, "name": "mallet"}, {"id": 2, "name": "nail"}]
    assert rows(client, as_of=landed(client, first)[0]) == [GOOD, {"id": 2, "name": "nail"}]


def test_the_life_of_a_row_and_what_changed_between_two_batches_can_be_read(client):
    answers = [post(client, [GOOD, {"id": 2, "name": "nail"}]), post(client, [{"id": 1, "name": "mallet"}, {"id": 3, "name": "saw"}])]
    first, second = landed(client, *answers)
    states = client.get("/v1/tables/shop.items/history/1").json()
    assert [(one["operation"], one["version"], one["values"]["name"]) for one in states] == [
        ("insert", first, "hammer"),
        ("update", second, "mallet"),
    ]
    assert client.get("/v1/tables/shop.items/history", params={"key": "1"}).json() == states
    assert [one["inserts"] for one in client.get("/v1/tables/shop.items/history").json()] == [2, 1]
    assert client.get("/v1/tables/shop.items/history/99").status_code == 404
    assert client.get("/v1/tables/shop.items/history/x").status_code == 422
    told = client.get("/v1/tables/shop.items/diff", params={"a": first}).json()
    assert (told["counts"]["before"], told["counts"]["after"]) == (2, 3)
    assert [one["operation"] for one in told["rows"]] == ["update_preimage", "update_postimage", "insert"]
    assert len(client.get("/v1/tables/shop.items/diff", params={"a": first, "limit": 1}).json()["rows"]) == 2
    assert client.get("/v1/tables/shop.items/diff", params={"a": "never"}).status_code == 422


def test_a_batch_deletes_nothing_where_the_dumps_of_the_source_are_full(client, settings):
    from dataclasses import replace

    from platform_assets.dictionary.source import SourceSettings

    client.app.state.service.settings = replace(settings, sources={"shop": SourceSettings("shop", dumps="full", delete_guard=1.0)})
    assert post(client, [GOOD]).status_code == 201
    assert post(client, [{"id": 2, "name": "nail"}]).status_code == 201
    assert len(rows(client)) == 2


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '  [ {"id": 1,\n "name": "hammer"} ]\n'),
        ("application/json; charset=UTF-8", '{"id": 1, "name": "hammer"}'),
        ("application/x-ndjson", '{"id": 1, "name": "hammer"}\n\n'),
        ("text/csv", 'id,name,price\r\n1,"hammer",\r\n'),
    ],
)
def test_each_kind_of_body_gives_the_same_row(client, kind, body):
    answer = post(client, body, kind=kind)
    assert answer.status_code == 201, answer.text
    assert rows(client) == [GOOD]


BAD = [
    ('{"id": 2147483648, "name": "x"}', "type-error"),
    ('{"id": 1e400, "name": "x"}', "type-error"),
    ('{"id": 1.5, "name": "x"}', "type-error"),
    ('{"id": true, "name": "x"}', "type-error"),
    ('{"id": 2, "name": "x", "big": 9223372036854775808}', "type-error"),
    ('{"id": 2, "name": "x", "big": ' + "9" * 5000 + "}", "type-error"),
    ('{"id": 2, "name": "x", "price": 123456789.10}', "type-error"),
    ('{"id": 2, "name": "x", "ratio": 1e999}', "type-error"),
    ('{"id": 2, "name": "x", "at": "now"}', "type-error"),
    ('{"id": 2, "name": "x\\u0000y"}', "type-error"),
    ('{"id": 2, "name": "x\\ud800y"}', "type-error"),
    ('{"id": 2, "name": {"a": 1}}', "type-error"),
    ('{"id": 2, "name": ' + "[" * 500 + "1" + "]" * 500 + "}", "type-error"),
    ('{"id": 2, "id": 3, "name": "x"}', "extra-cell"),
    ('{"id": 2, "name": "x", "colour": "red"}', "extra-cell"),
    ('{"id": 2, "name": "x", "_version": "y"}', "extra-cell"),
    ("{}", "missing-cell"),
    ("[1]", "type-error"),
    ("7", "type-error"),
    ("null", "type-error"),
]


def test_a_row_that_cannot_be_held_is_rejected_alone(client):
    answer = post(client, f'[{", ".join(row for row, _ in BAD)}, {{"id": 1, "name": "hammer"}}]')
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (1, len(BAD))
    missed = [bad for bad, one in zip(BAD, told["results"], strict=False) if bad[1] not in {error["code"] for error in one["errors"]}]
    assert missed == []
    assert rows(client) == [GOOD]
    assert len(client.get("/v1/tables/shop.items/rejects").json()) == len(BAD)


MALFORMED = [
    (b'[{"id": NaN}]', "application/json", 400),
    (b'[{"id": Infinity}]', "application/json", 400),
    (b'[{"id": 1}', "application/json", 400),
    (b'[{"id": 1},]', "application/json", 400),
    (b'[{"id": 1}] x', "application/json", 400),
    (b"[" * 200_000, "application/json", 400),
    (b'{"a":' * 200_000, "application/json", 400),
    (b"", "application/json", 400),
    (b"[]", "application/json", 422),
    (b"\n\n", "application/x-ndjson", 422),
    (b"id,name\n", "text/csv", 422),
    (b"id,colour\n1,x\n", "text/csv", 422),
    (b"id,id\n1,1\n", "text/csv", 422),
    (b'id,name\n1,"x\n', "text/csv", 400),
    (b'[{"id": 1, "name": "\xff"}]', "application/json", 400),
    (b'[{"id": 1}]', "application/json; charset=latin-1", 415),
    (b'[{"id": 1}]', "application/x-www-form-urlencoded", 415),
    (b'[{"id": 1}]', "", 415),
]


def test_a_body_that_cannot_be_understood_is_refused_whole(client, home):
    for body, kind, status in MALFORMED:
        answer = post(client, body, kind=kind)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (body[:40], answer.text)
    assert not list(home.dumps.glob("shop/*"))


def test_a_line_that_is_no_json_is_rejected_alone(client):
    answer = post(client, '{"id": 1, "name": "hammer"}\n{"id": NaN}\nxx\n', kind="application/x-ndjson")
    assert (answer.status_code, answer.json()["rejected"]) == (207, 2)


@pytest.mark.parametrize("limits", [Limits(rows=2, body_bytes=1_000)])
def test_more_rows_or_bytes_than_allowed_is_413_and_nothing_is_taken(client, home):
    assert post(client, [{"id": n, "name": "x"} for n in range(3)]).status_code == 413
    assert post(client, [{"id": 1, "name": "x" * 1_000}]).status_code == 413
    chunked = client.post(ROWS, content=iter([b"[" + b" " * 600, b" " * 600 + b"]"]), headers={"Content-Type": "application/json"})
    assert chunked.status_code == 413
    assert not list(home.dumps.glob("shop/*"))


def test_a_repeated_request_gets_the_stored_answer_and_another_one_is_refused(client, home):
    key = {"Idempotency-Key": "k-1"}
    first = post(client, [GOOD, {"id": 2}], headers=key)
    again = post(client, [GOOD, {"id": 2}], headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(list(home.dumps.glob("shop/*"))) == 1
    assert post(client, [{"id": 3, "name": "other"}], headers=key).status_code == 422


def test_a_request_at_work_elsewhere_is_409(client, catalog):
    from platform_assets.storage.catalog.api_keys import all_keys
    from platform_assets.storage.server.sessions import lock_number, open_connection

    with open_connection(catalog.url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(f"request/{all_keys(catalog)[0].id}/k-1"),))
        answer = post(client, [GOOD], headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 409
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("step", ["register", "landed", "publish_once", "refresh_tables"])
def test_a_crash_while_rows_land_is_mended_by_the_same_request(client, home, monkeypatch, step):
    from platform_assets.operations import landing

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the process is gone")

    key = {"Idempotency-Key": "k-1"}
    with monkeypatch.context() as patch:
        patch.setattr(landing, step, crash)
        assert post(client, [GOOD], headers=key).status_code == 500  # the table is not there yet, so it lands before the answer
    answer = post(client, [GOOD], headers=key)
    assert answer.status_code == 201, answer.text
    assert len(list(home.dumps.glob("shop/*"))) == 1
    assert rows(client) == [GOOD]


def test_a_rebuild_from_the_dumps_has_the_same_rows_and_rejects(client, settings, home, elsewhere):
    import shutil

    from platform_assets.operations.load_version import load_version
    from platform_assets.operations.register import register, scan
    from platform_assets.storage.catalog.access import Catalog
    from platform_assets.storage.warehouse.queries import read_table

    answers = [post(client, [GOOD, {"id": 2}, {"colour": 1}]), post(client, [{"id": 1, "name": "mallet"}])]
    told = landed(client, *answers)
    shutil.rmtree(home.store)
    catalog = Catalog(elsewhere).ensure()
    for found in scan(home, {}, settle_seconds=0).new:
        load_version(settings, catalog, register(settings, catalog, found)[0], run_id="rebuild")
    assert {one.version for one in catalog.versions()} == set(told)
    assert len(catalog.rejects()) == 2
    with read_table(elsewhere, "shop", "items", limit=None) as answer:
        assert [row[:2] for row in answer.rows] == [(1, "mallet")]


def test_who_may_read_may_not_write_and_the_other_way_round(open_client):
    assert post(open_client(["read"]), [GOOD]).status_code == 403
    writer = open_client(["shop:write"])
    assert post(writer, [GOOD]).status_code == 201
    assert writer.get(ROWS).status_code == 403


@pytest.mark.parametrize("name", ["shop.nothing", "catalog.api_keys", "shop.", "shop.%00", "nowhere.items"])
def test_rows_for_a_table_that_nothing_is_known_of_are_404(client, name):
    assert client.post(f"/v1/tables/{name}/rows", json=[GOOD]).status_code == 404


def test_the_instance_is_asked_for_where_the_source_has_instances(client, settings):
    from dataclasses import replace

    from platform_assets.dictionary.source import SourceSettings

    client.app.state.service.settings = replace(settings, sources={"shop": SourceSettings("shop", pattern=r"shop_(?P<instance>\w+)")})
    assert post(client, [GOOD]).status_code == 422
    assert post(client, [GOOD], instance="eu").status_code == 201
    assert post(client, [GOOD], instance="us").status_code == 201
    found = client.get(ROWS, params={"select": ["id", "_instance"], "order": "-_instance"}).json()["rows"]
    assert found == [{"id": 1, "_instance": "us"}, {"id": 1, "_instance": "eu"}]
