"""The gate before a web server of our own, which says what reached it: nothing that was not judged, no cookie, no key."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from platform_assets.operations.serve import ServiceFolder, ServiceState

QUERY = {"query": "{ version }"}
MUTATION = {"query": "mutation { x }"}
LOCAL = {"host": "127.0.0.1"}


async def echo(request: Request) -> JSONResponse:
    told = {"path": request.url.path, "query": request.url.query, "body": (await request.body()).decode(), "headers": dict(request.headers)}
    told["data"] = {"permissions": [{"permission": "launch", "value": True, "disabledReason": None}], "asset": {"hasStartPermission": True}}
    return JSONResponse(told, headers={"Set-Cookie": "theirs=1", "X-Theirs": "1"})


@pytest.fixture
def behind(home) -> Iterator[None]:
    """A web server that stands where that of a running platform would."""
    app = Starlette(routes=[Route("/dagster/{path:path}", echo, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    folder = ServiceFolder(home.store)
    folder.folder.mkdir(parents=True)
    state = ServiceState(os.getpid(), psutil.Process().create_time(), f"http://127.0.0.1:{port}/dagster")
    folder.state_file.write_text(json.dumps(state.__dict__))
    yield
    server.should_exit = True
    thread.join()


def status(client: TestClient, path: str, body: object = None, **headers: str) -> int:
    given = {**LOCAL, **headers}
    return (client.get(path, headers=given) if body is None else client.post(path, json=body, headers=given)).status_code


def test_what_passes_and_what_does_not(behind, open_client):
    """One test, one server: each line is a way past the gate that is shut, or one through it."""
    viewer, operator, other, nobody = open_client(["read"]), open_client(["operate"]), open_client(["shop:admin"]), open_client([])
    passed = viewer.post("/dagster/graphql?query=mutation{x}", json=QUERY, headers={**LOCAL, "Cookie": "a=b"})
    told = passed.json()
    assert (told["path"], told["query"], json.loads(told["body"])) == ("/dagster/graphql", "", QUERY)
    assert not {"authorization", "cookie"} & told["headers"].keys()
    assert "set-cookie" not in passed.headers
    assert passed.headers["x-theirs"] == "1"
    assert viewer.get("/dagster/runs/a%20b?x=1", headers=LOCAL).json()["query"] == "x=1"

    asks = {"query": "{ permissions { permission value disabledReason } asset { hasStartPermission } }"}
    shown = [one.post("/dagster/graphql", json=asks, headers=LOCAL).json()["data"] for one in (viewer, operator)]
    assert [one["asset"]["hasStartPermission"] for one in shown] == [False, True]
    assert [one["permissions"][0]["value"] for one in shown] == [False, True]
    assert "operate" in shown[0]["permissions"][0]["disabledReason"]

    assert status(nobody, "/dagster/graphql", QUERY) == 401
    assert status(nobody, "/dagster/runs") == 401
    page = nobody.get("/dagster/runs?x=1", headers={**LOCAL, "Accept": "text/html"}, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fdagster%2Fruns%3Fx%3D1")
    assert status(other, "/dagster/runs") == 403, "a key of one source sees no other"
    assert status(viewer, "/dagster/graphql", MUTATION) == 403
    assert status(operator, "/dagster/graphql", MUTATION) == 200
    assert status(operator, "/dagster/graphql", [MUTATION]) == 400
    assert status(operator, "/dagster/graphql", {"extensions": {}}) == 400
    assert status(operator, "/dagster/graphql?query=mutation{x}") == 405
    assert status(operator, "/dagster/report_asset_materialization/a", {}) == 405
    for path in ("x/%2e%2e/graphql", "%2e/graphql", "x%2f..%2fgraphql", "x/..%5cgraphql"):
        assert status(operator, f"/dagster/{path}?query=mutation{{x}}") == 404, path
    for kind in ("application/graphql", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        sent = operator.post("/dagster/graphql", content=b"query=mutation{x}", headers={**LOCAL, "Content-Type": kind})
        assert sent.status_code == 415, kind
    for host in ("evil.example.org", "127.0.0.1.example.org", "localhost.example.org", ""):
        assert status(operator, "/dagster/runs", host=host) == 403, host
    for host in ("localhost:8000", "[::1]:8000", "192.168.1.7"):
        assert status(operator, "/dagster/runs", host=host) == 200, host
    for origin in ("https://example.org", "null", "http://127.0.0.1:1"):
        assert status(operator, "/dagster/graphql", QUERY, origin=origin) == 403, origin


def test_without_a_platform_the_gate_says_so(client):
    answer = client.get("/dagster/runs", headers=LOCAL)
    assert answer.status_code == 503
    assert "platform-assets up" in answer.json()["detail"]
    for path, body in (("/v1/jobs", None), ("/v1/jobs/job-1", None)):
        assert status(client, path, body) == 503
    assert client.post("/v1/tables/shop.items/rows", json=[{"id": 1, "name": "x"}]).status_code == 201
    assert status(client, "/v1/backups", {"table": "shop"}) == 503
