"""Where the credentials of an interface go: over https, to its own host, and nowhere else."""

from __future__ import annotations

import json

import pytest
from test_rest import ROWS, pull, serving, topic_for

from platform_assets.errors import SettingsError
from platform_assets.sources.auth import Auth
from platform_assets.sources.kinds import open_puller
from platform_assets.sources.topic import Access
from platform_assets.sources.web import SourceError, Web

PUBLIC = "93.184.216.34"
ENVIRONMENT = {"TOKEN": "s3cret", "USER_": "me"}
BOTH = {"client_id_env": "USER_", "client_secret_env": "TOKEN"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("platform_assets.sources.web._FIRST_PAUSE", 0.001)


@pytest.mark.parametrize("private", [False, True], ids=["", "allow.private"])
@pytest.mark.parametrize(
    ("place", "credentials"),
    [
        ({"url": f"http://{PUBLIC}/x", "auth": {"kind": "bearer"}}, {"token_env": "TOKEN"}),
        ({"url": f"http://{PUBLIC}/x", "auth": {"kind": "basic"}}, {"user_env": "USER_", "password_env": "TOKEN"}),
        ({"url": f"https://{PUBLIC}/x", "auth": {"kind": "oauth2", "token_url": f"http://{PUBLIC}/token"}}, BOTH),
        ({"url": "http://no-such-host.invalid/x", "auth": {"kind": "header"}}, {"token_env": "TOKEN"}),
    ],
    ids=["bearer", "basic", "the secret of a client", "a host whose address is not known"],
)
def test_credentials_are_refused_off_https_before_anything_is_asked(place, credentials, private):
    topic = topic_for(place, credentials=credentials, access=Access(private=private))
    with pytest.raises(SettingsError, match="credentials go over https only") as caught, open_puller(topic, ENVIRONMENT):
        pass
    assert "s3cret" not in str(caught.value)


def test_credentials_over_http_to_loopback_need_private_addresses_to_be_allowed():
    with serving(lambda *_: (200, {}, json.dumps(ROWS[:1]))) as base:
        topic = topic_for({"url": base, "auth": {"kind": "bearer"}}, credentials={"token_env": "TOKEN"})
        assert pull(topic, environment=ENVIRONMENT)[1] == ROWS[:1]
        with pytest.raises(SettingsError, match="credentials go over https only"):
            pull(
                topic_for({"url": base, "auth": {"kind": "bearer"}}, credentials={"token_env": "TOKEN"}, access=Access()), None, ENVIRONMENT
            )


def test_an_application_token_is_refused_off_https():
    place = {"domain": f"http://{PUBLIC}", "dataset": "abcd-1234"}
    topic = topic_for(place, kind="socrata", credentials={"app_token_env": "TOKEN"}, access=Access(private=True))
    with pytest.raises(SettingsError, match="credentials go over https only"), open_puller(topic, ENVIRONMENT):
        pass


def test_a_next_page_of_another_host_is_asked_without_headers_of_the_topic():
    seen = []

    def answer(path, query, headers):
        seen.append((path, headers.get("Authorization"), headers.get("X-Team")))
        return 200, {}, json.dumps({"next": f"{there}/more" if path == "/" else None, "items": ROWS[len(seen) :][:1]})

    with serving(answer) as there, serving(answer) as base:
        place = {
            "url": f"{base}/",
            "records": "items",
            "paginator": {"kind": "next_url"},
            "auth": {"kind": "bearer"},
            "headers": {"X-Team": "a"},
        }
        topic = topic_for(place, credentials={"token_env": "TOKEN"}, access=Access(("127.0.0.1",), True))
        assert pull(topic, environment=ENVIRONMENT)[1] == ROWS[1:3]
    assert seen == [("/", "Bearer s3cret", "a"), ("/more", None, None)]


def test_the_secret_of_a_client_is_not_posted_on_to_another_host():
    posted = []

    def token(path, query, headers):
        posted.append(query)
        return 200, {}, json.dumps({"access_token": "t"})

    with serving(token) as there, serving(lambda *_: (307, {"Location": f"{there}/token"}, "")) as base:
        auth = {"kind": "oauth2", "token_url": f"{base}/token"}
        topic = topic_for({"url": base, "auth": auth}, credentials=BOTH, access=Access(("127.0.0.1",), True))
        with pytest.raises(SourceError, match="redirects a form to another host"):
            pull(topic, environment=ENVIRONMENT)
    assert posted == []


def test_an_address_with_a_password_in_it_is_refused_and_not_shown():
    with serving(lambda *_: (302, {"Location": f"{base.replace('//', '//me:s3cret@')}/x"}, "")) as base:
        for url in (base, base.replace("//", "//me:s3cret@")):
            with pytest.raises(SourceError, match="holds a user or password") as caught:
                pull(topic_for({"url": url}))
            assert "s3cret" not in str(caught.value)


def test_a_next_page_off_https_is_not_asked_with_credentials():
    topic = topic_for({"url": f"https://{PUBLIC}/x", "auth": {"kind": "bearer"}}, credentials={"token_env": "TOKEN"})
    with Web(topic.access, topic.bounds) as web, pytest.raises(SourceError, match="off https, where credentials do not go"):
        Auth(topic, web, {"token": "s3cret"}, PUBLIC).ask("GET", f"http://{PUBLIC}/x?page=2")
    assert web.sent == 0
