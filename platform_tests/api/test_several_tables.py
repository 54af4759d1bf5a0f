"""Rows for several tables in one request: judged as one dump, kept in one transaction, told table by table."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace

import pytest
from contracts import column, key, number, table, write

from platform_assets.api.limits import Limits
from platform_assets.dictionary.source import SourceSettings
from platform_assets.operations.landing import land, land_all
from platform_assets.storage.server.sessions import connected

BATCHES = "/v1/batches"


def reference(name, to):
    return number(name, relationships=[{"type": "foreignKey", "to": to}])


TABLES = (
    table("makers", key(), column("name", required=True, unique=True)),
    table("items", key(), reference("maker", "makers.id"), reference("part_of", "items.id")),
    table("left_of", key(), reference("right", "right_of.id")),
    table("right_of", key(), reference("left", "left_of.id")),
)


@pytest.fixture
def settings(settings, home):
    for source in ("shop", "alone"):
        write(home.dictionary, source, *TABLES)
    return settings


def post(client, tables, *, headers=None, **params):
    content = json.dumps({"tables": tables}) if isinstance(tables, dict) else tables
    return client.post(BATCHES, content=content, headers={"Content-Type": "application/json", **(headers or {})}, params=params)


def latest(catalog, source):
    """The rows of each table that has any, without what tells where they came from."""
    found = {}
    with connected(catalog.url) as connection:
        for name in ("makers", "items", "left_of", "right_of"):
            if connection.execute("SELECT to_regclass(%s)", (f"{source}.{name}",)).fetchone()[0]:
                columns = "id, name" if name == "makers" else "id, maker, part_of" if name == "items" else "*"
                rows = connection.execute(f"SELECT {columns} FROM {source}.{name} ORDER BY id").fetchall()
                found[name] = [row if name in ("makers", "items") else row[:2] for row in rows]
    return {name: rows for name, rows in found.items() if rows}


def test_parents_count_in_whatever_order_the_tables_stand_and_all_land_as_one_dump(client, catalog, home, settings):
    rows = {
        "shop.items": [{"id": 1, "maker": 7}, {"id": 2, "maker": 7, "part_of": 1}],
        "shop.makers": [{"id": 7, "name": "Ada"}],
        "shop.left_of": [{"id": 1, "right": 1}],
        "shop.right_of": [{"id": 1, "left": 1}],
    }
    answer = post(client, rows)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["accepted"], told["rejected"], told["dry_run"]) == (5, 0, False)
    assert list(told["tables"]) == list(rows)
    assert [one["status"] for one in told["tables"]["shop.items"]["results"]] == ["accepted", "accepted"]
    assert latest(catalog, "shop") == {
        "makers": [(7, "Ada")],
        "items": [(1, 7, None), (2, 7, 1)],
        "left_of": [(1, 1)],
        "right_of": [(1, 1)],
    }
    assert len(list(home.dumps.glob("shop/*"))) == 1  # the tables were not there yet, so it landed before the answer
    state = client.get(f"{BATCHES}/{told['batch_id']}").json()
    assert [(one["table"], one["state"]) for one in state["tables"]] == [
        (f"shop.{name}", "landed") for name in ("makers", "items", "left_of", "right_of")
    ]
    assert len({one["version"] for one in state["tables"]}) == 1
    assert client.get(f"{BATCHES}/{told['tables']['shop.items']['batch_id']}").json() == state["tables"][1]


def test_a_rejected_parent_rejects_its_children_and_the_quarantine_has_both(client, catalog, settings):
    answer = post(
        client,
        {
            "shop.items": [{"id": 1, "maker": 7}, {"id": 2, "maker": 8}, {"id": 3, "maker": 9}, {"id": "x"}],
            "shop.makers": [{"id": 7, "name": "Ada"}, {"id": 8}, "no row"],
        },
    )
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (2, 5)
    items, makers = told["tables"]["shop.items"], told["tables"]["shop.makers"]
    codes = [[error["code"] for error in one["errors"]] for one in items["results"]]
    assert codes == [[], ["foreign-key"], ["foreign-key"], ["type-error"]]
    assert [one["status"] for one in makers["results"]] == ["accepted", "rejected", "rejected"]
    land_all(settings, catalog)
    version = client.get(f"{BATCHES}/{told['batch_id']}").json()["tables"][0]["version"]
    assert {one.version for one in catalog.rejects()} == {version}
    assert len(catalog.rejects()) == 5
    assert latest(catalog, "shop") == {"makers": [(7, "Ada")], "items": [(1, 7, None)]}


def test_children_of_a_rejected_parent_wait_where_the_source_waits_for_parents(client, catalog, settings):
    waits = replace(settings, sources={"shop": SourceSettings("shop", references="wait")})
    client.app.state.service.settings = waits
    assert post(client, {"shop.makers": [{"id": 1, "name": "Bea"}], "shop.items": [{"id": 9, "maker": 1}]}).status_code == 201
    answer = post(
        client, {"shop.makers": [{"id": 8}, {"id": 2, "name": "Cy"}], "shop.items": [{"id": 1, "maker": 8}, {"id": 2, "maker": 1}]}
    )
    told = answer.json()
    assert (answer.status_code, told["tables"]["shop.items"]["accepted"]) == (207, 1), told  # the maker 1 has landed
    land_all(waits, catalog)
    assert {one.table_name: one.status for one in catalog.rejects()} == {"makers": "open", "items": "waiting"}
    assert latest(catalog, "shop")["items"] == [(2, 1, None), (9, 1, None)]


def test_an_atomic_request_keeps_all_or_nothing_and_a_dry_run_nothing(client, catalog, home):
    wrong = {"shop.makers": [{"id": 7, "name": "Ada"}], "shop.items": [{"id": 1, "maker": 8}]}
    answer = post(client, wrong, mode="atomic")
    assert answer.status_code == 422
    told = answer.json()
    assert (told["batch_id"], told["accepted"], told["rejected"]) == (None, 0, 1)
    assert told["tables"]["shop.makers"]["results"][0]["status"] == "not stored"
    assert (post(client, wrong, dry_run="true").status_code, latest(catalog, "shop"), catalog.rejects()) == (207, {}, [])
    assert not list(home.dumps.glob("shop/*"))
    assert (
        post(client, {"shop.makers": [{"id": 7, "name": "Ada"}], "alone.makers": [{"id": 7, "name": "Ada"}]}, mode="atomic").status_code
        == 201
    )
    assert latest(catalog, "shop") == latest(catalog, "alone") == {"makers": [(7, "Ada")]}


@pytest.mark.parametrize("step", ["register", "landed", "publish_once", "refresh_tables"])
def test_a_repeated_request_gets_its_answer_also_after_a_crash_while_it_landed(client, catalog, home, monkeypatch, step):
    from platform_assets.operations import landing

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("the process is gone")

    tables = {"shop.items": [{"id": 1, "maker": 7}], "shop.makers": [{"id": 7, "name": "Ada"}]}
    sent = {"Idempotency-Key": "k-1"}
    with monkeypatch.context() as patch:
        patch.setattr(landing, step, crash)
        assert post(client, tables, headers=sent).status_code == 500
    answer = post(client, tables, headers=sent)
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")
    assert latest(catalog, "shop") == {"makers": [(7, "Ada")], "items": [(1, 7, None)]}
    assert len(list(home.dumps.glob("shop/*"))) == 1
    assert post(client, {"shop.makers": [{"id": 8, "name": "Bea"}]}, headers=sent).status_code == 422


def test_a_failure_in_the_second_table_keeps_nothing_of_the_first(client, catalog, monkeypatch):
    from platform_assets.operations import row_batches

    assert post(client, {"shop.makers": [{"id": 7, "name": "Ada"}], "shop.items": [{"id": 1}]}).status_code == 201
    before, put = latest(catalog, "shop"), row_batches.put_rows
    with monkeypatch.context() as patch:
        patch.setattr(row_batches, "put_rows", lambda *given: put(*given) if given[2].name == "makers" else 1 // 0)
        assert post(client, {"shop.items": [{"id": 2}], "shop.makers": [{"id": 8, "name": "Bea"}]}).status_code == 500
    assert latest(catalog, "shop") == before


def test_every_table_must_be_open_to_the_key_and_known(open_client):
    client = open_client(["shop:write"])
    rows = [{"id": 1, "name": "x"}]
    assert post(client, {"shop.makers": rows, "alone.makers": rows}).status_code == 403
    for name in ("shop.nothing", "shop.", "shop.\0", "shop"):
        assert post(client, {"shop.makers": rows, name: rows}).status_code == 404, name
    assert post(client, {"catalog.api_keys": rows}).status_code == 403
    assert post(client, {"shop.makers": rows}).status_code == 201


MALFORMED = [
    ("[]", 422),
    ("7", 422),
    ("{}", 422),
    ('{"tables": []}', 422),
    ('{"tables": {}}', 422),
    ('{"rows": {"shop.makers": [{"id": 1}]}}', 422),
    ('{"tables": {"shop.makers": [{"id": 1}]}, "more": 1}', 422),
    ('{"tables": {"shop.makers": [{"id": 1}]}, "tables": {"shop.items": [{"id": 1}]}}', 422),
    ('{"tables": {"shop.makers": [{"id": 1}], "shop.makers": [{"id": 2}]}}', 422),
    ('{"tables": {"shop.makers": {"id": 1}}}', 422),
    ('{"tables": {"shop.makers": []}}', 422),
    ('{"tables": {"shop.makers": [{"id": 1}]', 400),
    ('{"tables": {"shop.makers": [{"id": 1}]}', 400),
    ('{"tables": {"shop.makers": [{"id": 1}],}}', 400),
    ('{"tables": {"shop.makers" [{"id": 1}]}}', 400),
    ('{"tables": {7: [{"id": 1}]}}', 400),
    ('{"tables": {"shop.makers": [{"id": NaN}]}}', 400),
    ('{"tables": {"shop.makers": [{"id": 1}]}} x', 400),
    ('{"tables": {"shop.makers": [' + "[" * 100_000, 400),
    ("", 400),
]


def test_a_body_that_cannot_be_understood_is_refused_whole(client, catalog, home):
    for body, status in MALFORMED:
        answer = post(client, body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (body[:60], answer.text)
    assert client.post(BATCHES, content="id\n1\n", headers={"Content-Type": "text/csv"}).status_code == 415
    assert not list(home.dumps.glob("shop/*"))


@pytest.mark.parametrize("limits", [Limits(rows=3, landing_seconds=3600)])
def test_more_rows_than_allowed_over_all_tables_is_413_and_nothing_is_taken(client, catalog):
    rows = [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]
    assert post(client, {"shop.makers": rows, "shop.items": [{"id": 1}, {"id": 2}]}).status_code == 413
    assert (latest(catalog, "shop"), catalog.rejects()) == ({}, [])
    assert post(client, {"shop.makers": rows, "shop.items": [{"id": 1}]}).status_code == 201


def test_what_is_read_is_accepted_or_rejected_and_a_rebuild_has_the_same(client, settings, catalog, home, elsewhere):
    """Requests at random. A request without a reject gives what its tables, posted one after another, give; landing changes no verdict,
    and no row of the latest state; and a rebuild from dumps/ has both."""
    from platform_assets.operations.load_version import load_version
    from platform_assets.operations.register import register, scan
    from platform_assets.storage.catalog.access import Catalog

    chance = random.Random(7)
    told_rejected = whole = 0
    for _ in range(5):
        clean = chance.random() < 0.6
        makers = [
            {"id": number, "name": f"m{number}" if clean or chance.random() < 0.8 else None} for number in chance.sample(range(1, 30), 3)
        ]
        known = [one["id"] for one in makers] if clean else range(1, 30)
        items = [{"id": number, "maker": chance.choice(known)} for number in chance.sample(range(1, 30), chance.randint(1, 3))]
        tables = {"shop.items": items, "shop.makers": makers}
        answer = post(client, dict(chance.sample(sorted(tables.items()), 2)))
        told = answer.json()
        assert told["accepted"] + told["rejected"] == sum(map(len, tables.values()))
        for name, one in told["tables"].items():
            assert one["accepted"] + one["rejected"] == len(one["results"]) == len(tables[name])
            assert one["rejected"] == sum(bool(result["errors"]) for result in one["results"])
        assert answer.status_code == (201 if not told["rejected"] else 207 if told["accepted"] else 422)
        told_rejected += told["rejected"]
        if clean:
            assert told["rejected"] == 0
        for name in ("makers", "items"):  # one after another, the rows that the request accepted
            results = told["tables"][f"shop.{name}"]["results"]
            kept = [row for row, one in zip(tables[f"shop.{name}"], results, strict=True) if not one["errors"]]
            if kept:
                assert client.post(f"/v1/tables/alone.{name}/rows", json=kept).status_code == 201
        whole += clean
        assert latest(catalog, "shop") == latest(catalog, "alone")
        if chance.random() < 0.2:
            land(settings, catalog, "shop")
            assert latest(catalog, "shop") == latest(catalog, "alone")
    land(settings, catalog, "shop")
    assert 0 < whole < 5
    assert latest(catalog, "shop") == latest(catalog, "alone")
    assert len([one for one in catalog.rejects() if one.source == "shop"]) == told_rejected
    versions = catalog.versions(source="shop")
    assert sum(one.rejected for one in catalog.snapshots(source="shop")) == told_rejected
    shutil.rmtree(home.store)
    again = Catalog(elsewhere).ensure()
    for found in (one for one in scan(home, {}, settle_seconds=0).new if one.source == "shop"):
        load_version(settings, again, register(settings, again, found)[0], run_id="rebuild")
    assert {one.version for one in again.versions(source="shop")} == {one.version for one in versions}
    assert latest(again, "shop") == latest(catalog, "shop")
    assert len([one for one in again.rejects() if one.source == "shop"]) == told_rejected
