"""Files sent: streamed into dumps/, registered once, watched until they are loaded."""

from __future__ import annotations

import pytest

from platform_assets.api.limits import Limits
from platform_assets.operations.load_version import load_version

CSV = b"id,name\n1,hammer\n2,nail\nx,\n"


def send(client, content=CSV, **params):
    return client.post("/v1/dumps", params={"source": "shop", "name": "items.csv", **params}, content=content)


def test_a_dump_that_is_sent_can_be_watched_until_it_is_loaded(client, settings, catalog, home):
    answer = send(client)
    assert answer.status_code == 202, answer.text
    assert (home.dumps / "shop" / "items.csv").read_bytes() == CSV
    place = answer.headers["location"]
    assert client.get(place).json()["state"] == "registered"
    load_version(settings, catalog, catalog.version(answer.json()["version"]), run_id="test")
    told = client.get(place).json()
    assert told["state"] == "published"
    assert told["tables"] == [{"table": "shop.items", "rows_read": 3, "accepted": 2, "rejected": 1}]


def test_the_same_content_again_is_the_same_version_and_another_one_overwrites_nothing(client, home):
    first = send(client).json()
    again = send(client, name="copy.csv")
    assert (again.status_code, again.json()["version"]) == (200, first["version"])
    assert send(client, CSV + b"3,saw\n").status_code == 202
    assert (home.dumps / "shop" / "items.csv").read_bytes() == CSV
    assert len(list((home.dumps / "shop").iterdir())) == 2


def test_a_form_with_one_file_is_taken_as_well(client, home):
    answer = client.post("/v1/dumps?source=shop&name=items.csv", files={"file": ("x", CSV)})
    assert answer.status_code == 202, answer.text
    assert (home.dumps / "shop" / "items.csv").read_bytes() == CSV
    assert client.post("/v1/dumps?source=shop", files={"a": ("x", CSV), "b": ("y", CSV)}).status_code == 400


def test_a_name_leads_nowhere(client, home):
    assert send(client, name="../../../etc/items.csv").status_code == 202
    assert [path.name for path in (home.dumps / "shop").iterdir()] == ["items.csv"]
    for name in ("", ".", "..", ".hidden", "a.part", "x\0y", "a@b", "n" * 300):
        assert send(client, CSV + name.encode(), name=name).status_code == 422, name
    for source in ("../x", "pg_catalog", "catalog", "a.b", ""):
        assert send(client, source=source).status_code == 422, source
    assert [path.name for path in home.dumps.rglob("*")] == ["shop", "items.csv"]


@pytest.mark.parametrize("limits", [Limits(dump_bytes=100)])
def test_a_dump_beyond_the_limit_leaves_nothing(client, home):
    assert send(client, b"x" * 101).status_code == 413
    assert send(client, iter([b"x" * 60, b"y" * 60])).status_code == 413
    assert send(client, b"").status_code == 422
    assert not [path for path in home.dumps.rglob("*") if path.is_file()]


def test_a_key_sends_and_sees_dumps_of_its_sources_alone(open_client, client):
    version = send(client).json()["version"]
    other = open_client(["hr:write", "hr:read"])
    assert send(other).status_code == 403
    assert other.get(f"/v1/dumps/{version}").status_code == 403
    assert client.get("/v1/dumps/shop.nothing.00000000").status_code == 404
