"""The login of browsers: a key opens it, a cookie keeps it, and it ends when it should."""

from __future__ import annotations

import psycopg
import pytest

from platform_assets.api.sessions import COOKIE, login, session_key
from platform_assets.operations.api_keys import create_key, revoke


def test_a_login_gives_a_cookie_for_pages_alone_until_the_logout(open_client, catalog, database):
    client, (key, token) = open_client([]), create_key(catalog, "Ada", ["read"])
    form = client.get("/login", params={"next": "/browse?x=1"})
    assert form.status_code == 200
    assert 'value="/browse?x=1"' in form.text
    assert "default-src 'none'" in form.headers["content-security-policy"]
    answer = client.post("/login", data={"key": f" {token}\n", "next": "/browse?x=1"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/browse?x=1")
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "secure" not in said.replace("httponly", "")
    secret = client.cookies[COOKIE]
    with psycopg.connect(database) as connection:
        stored = str(connection.execute("SELECT * FROM catalog.api_sessions").fetchall())
    assert key.id in stored
    assert secret not in stored
    assert client.get("/v1/tables").status_code == 401  # a cookie opens no route of the API
    service = client.app.state.service
    assert session_key(service, secret).id == key.id
    assert client.post("/logout", follow_redirects=False).status_code == 303
    assert session_key(service, secret) is None


def test_a_session_ends_with_its_time_and_with_its_key(open_client, catalog, database):
    service = open_client([]).app.state.service
    (key, token), (other, third) = create_key(catalog, "a", ["hr:read"]), create_key(catalog, "b", ["admin"])
    revoked, expired = login(service, token), login(service, third)
    revoke(catalog, key.id)
    assert session_key(service, revoked) is None
    assert session_key(service, expired).id == other.id
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE catalog.api_sessions SET expires_at = now() - interval '1 second'")
    assert session_key(service, expired) is None
    login(service, third)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM catalog.api_sessions").fetchone() == (1,)  # the ended ones are forgotten


@pytest.mark.parametrize("given", ["", "x", "pa_000000000000_" + "A" * 43, "\udcff"], ids=["nothing", "word", "unknown", "surrogate"])
def test_what_is_no_key_does_not_open(open_client, given):
    answer = open_client([]).post("/login", data={"key": given.encode("utf-8", "surrogateescape")}, follow_redirects=False)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


def test_a_key_that_may_not_read_does_not_open(open_client, catalog):
    answer = open_client([]).post("/login", data={"key": create_key(catalog, "w", ["write"])[1]}, follow_redirects=False)
    assert answer.status_code == 401


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/login", ""])
def test_the_login_leads_to_no_other_host(open_client, catalog, place):
    token = create_key(catalog, "Ada", ["read"])[1]
    answer = open_client([]).post("/login", data={"key": token, "next": place}, follow_redirects=False)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_of_another_origin_is_refused(open_client, path):
    answer = open_client([]).post(path, data={"key": "x"}, headers={"Origin": "https://evil.example"}, follow_redirects=False)
    assert answer.status_code == 403
