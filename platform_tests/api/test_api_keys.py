"""Who is let in: keys, scopes, expiry, how many requests at once. What problems tell, and what they do not."""

from __future__ import annotations

import hmac

import psycopg
import pytest
from starlette.testclient import TestClient

from platform_assets.api.app import application
from platform_assets.api.limits import Limits
from platform_assets.errors import PlatformError, UnknownSource
from platform_assets.operations.api_keys import allows, create_key, listed, recognized, revoke
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

PROBLEM = "application/problem+json"


def test_health_is_told_without_a_key(open_client):
    client = open_client([])
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_service_whose_database_is_gone_is_alive_and_not_ready(home, tmp_path):
    app = application(Settings(home.root, database_url=f"postgresql://x@/x?host={tmp_path}"))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/healthz").status_code == 200
        for path in ("/readyz", "/v1/tables"):
            answer = client.get(path, headers={"Authorization": "Bearer pa_000000000000_" + "A" * 43})
            assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
            assert int(answer.headers["retry-after"]) > 0
            assert str(tmp_path) not in answer.text


@pytest.mark.parametrize("limits", [Limits(statement_seconds=1)])
def test_a_query_that_takes_too_long_is_ended(client, limits, database):
    assert client.post("/v1/tables/shop.items/rows", json=[{"id": 1, "name": "x"}]).status_code == 201
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE shop.items")  # whoever reads it waits, as for a query that is slow
        answer = client.get("/v1/tables/shop.items/rows")
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert "longer than 1 s" in answer.text


@pytest.mark.parametrize("path", ["/v1/tables", "/v1/tables/shop.items", "/v1/tables/shop.items/rows", "/v1/tables/shop.items/rejects"])
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x", "Basic eDp5", "Bearer pa_000000000000_" + "A" * 43, "Bearer pa_\udcff"])
def test_without_a_valid_key_nothing_opens(open_client, path, header):
    client = open_client([])
    answer = client.get(path, headers={"Authorization": header.encode("utf-8", "surrogateescape")} if header else {})
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_catalog_holds_no_secret(catalog: Catalog, database: str):
    record, token = create_key(catalog, "robot", ["read"])
    secret = token.rpartition("_")[2] if token.count("_") == 2 else token.split("_", 2)[2]
    with psycopg.connect(database) as connection:
        stored = str(connection.execute("SELECT * FROM catalog.api_keys").fetchall())
    assert record.id in stored
    assert secret not in stored
    assert len(secret) == 43  # 256 bits


def test_secrets_are_compared_in_constant_time_also_that_of_a_key_that_is_not_there(catalog, monkeypatch):
    record, token = create_key(catalog, "robot", ["read"])
    compared = []

    def noted(given: str, wanted: str) -> bool:
        compared.append((len(given), len(wanted)))
        return compare(given, wanted)

    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", noted)
    wrong = [f"pa_{record.id}_{'A' * 43}", f"pa_000000000000_{'A' * 43}", "pa_x", ""]
    assert [recognized(catalog, one) for one in wrong] == [None] * 4
    assert recognized(catalog, token) is not None
    assert compared == [(64, 64)] * 5


def test_a_revoked_an_expired_and_a_changed_key_are_not_recognized(catalog: Catalog, database: str):
    record, token = create_key(catalog, "robot", ["read"], days=1)
    assert recognized(catalog, token) is not None
    changed = token[:-1] + ("A" if token[-1] != "A" else "Q")
    assert recognized(catalog, changed) is None
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE catalog.api_keys SET expires_at = now() - interval '1 second'")
    assert recognized(catalog, token) is None
    assert listed(catalog)[0]["state"] == "expired"
    revoke(catalog, record.id)
    assert recognized(catalog, token) is None
    assert listed(catalog)[0]["state"] == "revoked"


def test_scopes_are_per_source_and_do_not_imply_each_other(catalog: Catalog):
    key, _ = create_key(catalog, "robot", ["read", "shop:write"])
    assert allows(key, "read", "hr")
    assert allows(key, "write", "shop")
    assert not allows(key, "write", "hr")
    assert not allows(key, "operate", "shop")
    admin, _ = create_key(catalog, "boss", ["shop:admin"])
    assert allows(admin, "write", "shop")
    assert not allows(admin, "read", "hr")


def test_what_is_no_scope_is_refused(catalog: Catalog):
    for scopes in ([], ["look"], ["shop:"], [""]):
        with pytest.raises(PlatformError):
            create_key(catalog, "robot", scopes)
    with pytest.raises(UnknownSource):
        create_key(catalog, "robot", ["pg_catalog:read"])
    with pytest.raises(PlatformError):
        revoke(catalog, "nobody")
    assert listed(catalog) == []


@pytest.mark.parametrize("name", ["hr.jobs", "catalog.api_keys", "pg_catalog.pg_authid", "nothing"])
def test_a_source_that_the_key_does_not_open_is_403_whether_it_is_there_or_not(open_client, name):
    assert open_client(["shop:read"]).get(f"/v1/tables/{name}").status_code == 403


@pytest.mark.parametrize(
    "name", ["catalog.api_keys", "pg_catalog.pg_authid", "information_schema.tables", "shop", "shop.", ".", "a.b.c", "%00.x"]
)
def test_tables_of_the_system_are_not_there(client, name):
    assert client.get(f"/v1/tables/{name}/rows").status_code == 404


@pytest.mark.parametrize("limits", [Limits(requests_per_key=0)])
def test_a_key_with_too_many_requests_at_work_is_told_when_to_try_again(client, limits):
    answer = client.get("/v1/tables")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("limits", [Limits(requests=0)])
def test_a_service_with_too_many_requests_at_work_says_so_and_still_tells_its_health(client, limits):
    answer = client.get("/v1/tables")
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
    assert client.get("/healthz").status_code == 200


def test_no_other_origin_is_let_in(client):
    answer = client.get("/healthz", headers={"Origin": "https://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options("/v1/tables", headers={"Origin": "https://example.org"}).status_code == 405


def test_an_unknown_path_and_a_wrong_parameter_are_problems(client):
    assert client.get("/nothing").headers["content-type"] == PROBLEM
    answer = client.get("/v1/tables/shop.items/rejects?limit=secret-value")
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert "secret-value" not in answer.text
