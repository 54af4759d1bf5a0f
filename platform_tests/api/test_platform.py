"""The service beside a running platform, as its users meet it: long work becomes runs, and the Dagster UI stands behind the login."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from servers.up import Up, eventually, fresh_place, query, run

from platform_assets.operations.serve import free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from socrata_server import DataSet, Socrata

MUTATION = "mutation { setAutoMaterializePaused(paused: true) }"
RUNS = {"query": "{ runsOrError(limit: 100) { ... on Runs { results { runId status tags { key value } } } } }"}
SUBSCRIPTION = "subscription($id: ID!) { pipelineRunLogs(runId: $id) { __typename } }"


LAUNCH = """mutation($run: ExecutionParams!) { launchPipelineExecution(executionParams: $run) {
  ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }"""
WHERE = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
SCHEDULE = "query($which: ScheduleSelector!) { scheduleOrError(scheduleSelector: $which) { ... on Schedule { id } } }"
STOP = """mutation($id: String!) { stopRunningSchedule(id: $id) { ... on ScheduleStateResult { scheduleState { status } } } }"""
TOLD = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status eventConnection { events { ... on MaterializationEvent {
  metadataEntries { label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } } } }"""


@pytest.fixture
def data() -> DataSet:
    data = DataSet({"name": "text"})
    for number in range(3):
        data.insert(name=f"pet {number}")
    return data


@pytest.fixture
def up(data: DataSet) -> Iterator[Up]:
    with fresh_place() as home, Socrata(data).running() as site:
        (home / "topics").mkdir()
        place = {"domain": site.domain, "dataset": "abcd-1234"}
        soon = [time.gmtime(time.time() + minutes * 60).tm_min for minutes in (2, 5)]  # each tick costs several runs
        topic = {"source": "city", "table": "pets", "kind": "socrata", "from": place, "allow": {"private": True}}
        (home / "topics" / "pets.yaml").write_text(json.dumps(topic))
        (home / "topics" / "birds.yaml").write_text(json.dumps({**topic, "table": "birds", "schedule": f"{soon[0]},{soon[1]} * * * *"}))
        (home / "dumps" / "shop" / "items.csv").write_text("id,name\n1,one\n2,two\n")
        yield Up(home, free_port(0))


class Client:
    """One key, or none, at the service of a running platform."""

    def __init__(self, up: Up, *scopes: str) -> None:
        words = [word for scope in scopes for word in ("--scope", scope)]
        self.key = run(up.home, "keys", "create", "x", *words).stdout.strip() if scopes else ""
        self.address = up.service

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        data = json.dumps(body).encode() if body is not None else None
        given = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {}), **headers}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.address + path, data, given), timeout=120) as answer:
                return answer.status, _read(answer.read()), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read()), dict(error.headers)

    def done(self, answer: tuple[int, Any, dict[str, str]]) -> dict[str, Any]:
        """The job of a 202, once it is over."""
        assert answer[0] == 202, answer
        return eventually(lambda: (job := self.ask(answer[2]["location"])[1])["state"] in ("done", "failed") and job, 240)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


@pytest.mark.long
def test_long_work_becomes_runs_that_are_watched(up, data):
    """One test, since each start costs seconds: what it goes through is in its lines."""
    boss, shop, stranger = Client(up, "operate", "read"), Client(up, "shop:operate"), Client(up, "city:operate")
    url = run(up.home, "url").stdout.strip()
    eventually(lambda: query(url, "SELECT count(*) FROM catalog.tables WHERE relation IS NOT NULL AND source = 'shop'") == [(1,)], 180)

    assert shop.ask("/v1/backups", {})[0] == 403, "every table takes the scope for every source"
    assert stranger.ask("/v1/backups", {"table": "shop.items"})[0] == 403
    assert boss.ask("/v1/backups", {"table": "shop.nothing"})[0] == 404
    assert boss.ask("/v1/restores", {"table": "shop.items"})[0] == 404, "there is no backup yet"
    first = shop.ask("/v1/backups", {"table": "shop"}, **{"Idempotency-Key": "one"})
    again = shop.ask("/v1/backups", {"table": "shop"}, **{"Idempotency-Key": "one"})
    assert again[1] == first[1]
    assert again[2]["idempotency-replayed"] == "true"
    assert shop.ask("/v1/backups", {"table": "shop.items"}, **{"Idempotency-Key": "one"})[0] == 422
    backup = shop.done(first)
    assert (backup["state"], backup["kind"], backup["what"], backup["errors"]) == ("done", "backup", "shop", [])
    assert backup["steps_done"] == backup["steps"] > 0
    assert backup["runs"][0]["link"] == f"{up.service}/dagster/runs/{backup['runs'][0]['id']}"
    (listed,) = shop.ask("/v1/backups")[1]
    assert (listed["table"], listed["rows"], listed["proven"], listed["restores"]) == ("shop.items", 2, True, True)
    assert stranger.ask("/v1/backups")[1] == []
    assert stranger.ask(first[2]["location"])[0] == 404

    _the_gate(up, boss, shop, backup["runs"][0]["id"])

    plan = shop.ask("/v1/restores", {"table": "shop.items", "dry_run": True})
    assert (plan[0], plan[1]["tables"][0]["relation"], plan[1]["tables"][0]["rows"]) == (200, "shop.items_restored", 2)
    assert shop.done(shop.ask("/v1/restores", {"table": "shop.items", "as": "items_then"}))["state"] == "done"
    assert query(url, "SELECT count(*) FROM shop.items_then") == [(2,)]
    refused = shop.ask("/v1/restores", {"table": "shop.items", "backup": "nope"})
    assert refused[0] == 404

    assert stranger.done(stranger.ask("/v1/topics/pets/runs", {}))["state"] == "done"
    eventually(lambda: query(url, "SELECT rows FROM catalog.tables WHERE table_name = 'pets'") == [(3,)], 180)
    _a_topic_by_its_schedule(boss, url)
    _a_topic_from_the_ui(boss, url, data)
    (up.home / "topics" / "pets.yaml").unlink()
    assert boss.ask("/v1/topics/pets/runs", {})[0] == 404
    assert [job["kind"] for job in boss.ask("/v1/jobs")[1]] == ["topic", "restore", "backup"]
    assert [job["kind"] for job in shop.ask("/v1/jobs")[1]] == ["restore", "backup"]

    assert run(up.home, "down").returncode == 0
    with pytest.raises(urllib.error.URLError):
        boss.ask("/healthz")


def _graphql(client: Client, query: str, **variables: Any) -> dict[str, Any]:
    return client.ask("/dagster/graphql", {"query": query, "variables": variables})[1]["data"]


def _where(client: Client) -> dict[str, str]:
    (where,) = _graphql(client, WHERE)["repositoriesOrError"]["nodes"]
    return {"repositoryName": where["name"], "repositoryLocationName": where["location"]["name"]}


def _a_topic_from_the_ui(boss: Client, url: str, data: DataSet) -> None:
    """As the button `Materialize` of the asset's page does it."""
    data.insert(name="newer")
    selector = {**_where(boss), "pipelineName": "__ASSET_JOB", "assetSelection": [{"path": ["topics", "pets"]}]}
    run = {"selector": selector, "mode": "default", "runConfigData": {}}
    run_id = _graphql(boss, LAUNCH, run=run)["launchPipelineExecution"]["run"]["runId"]

    def over() -> Any:
        found = _graphql(boss, TOLD, run=run_id)["runOrError"]
        return found["status"] in ("SUCCESS", "FAILURE") and found

    ended = eventually(over, 180)
    assert ended["status"] == "SUCCESS"
    (entries,) = [event["metadataEntries"] for event in ended["eventConnection"]["events"] if event]
    told = {entry["label"]: entry.get("intValue", entry.get("text")) for entry in entries}
    assert (told["mode"], told["rows"], told["last request id"]) == ("changes", 1, "request-7")
    log = query(url, "SELECT operation, rows, outcome FROM catalog.import_log WHERE subject = 'topic/pets' ORDER BY id DESC LIMIT 3")
    assert log == [("import_end", 1, "done"), ("import_chunk", 1, "done"), ("import_start", 0, "done")]
    eventually(lambda: query(url, "SELECT count(*) FROM city.pets") == [(4,)], 180)


def _a_topic_by_its_schedule(boss: Client, url: str) -> None:
    """Nobody asked for it: the daemon's tick did, while the rest of the test ran. Then it is switched off, as the UI does it."""
    eventually(lambda: query(url, "SELECT count(*) FROM catalog.tables WHERE table_name = 'birds' AND rows = 3") == [(1,)], 400)
    schedule = _graphql(boss, SCHEDULE, which={**_where(boss), "scheduleName": "import_birds_schedule"})["scheduleOrError"]["id"]
    stopped = _graphql(boss, STOP, id=schedule)["stopRunningSchedule"]
    assert stopped == {"scheduleState": {"status": "STOPPED"}}
    runs = _graphql(boss, RUNS["query"])["runsOrError"]["results"]
    ticked = [run for run in runs if {"key": "dagster/schedule_name", "value": "import_birds_schedule"} in run["tags"]]
    assert "SUCCESS" in {run["status"] for run in ticked}
    log = query(url, "SELECT rows, outcome FROM catalog.import_log WHERE subject = 'topic/birds' AND operation = 'import_end' ORDER BY id")
    assert log[0][0] == 3
    assert {outcome for _, outcome in log} == {"done"}


def _the_gate(up: Up, boss: Client, shop: Client, run_id: str) -> None:
    viewer, nobody = Client(up, "read"), Client(up)
    assert nobody.ask("/dagster/graphql", RUNS)[0] == 401
    assert shop.ask("/dagster/graphql", RUNS)[0] == 403, "the UI shows every source"
    assert viewer.ask("/dagster/graphql", RUNS)[1]["data"]["runsOrError"]["results"]
    assert viewer.ask("/dagster/graphql", {"query": MUTATION})[0] == 403
    assert boss.ask("/dagster/graphql", {"query": MUTATION})[1]["data"] == {"setAutoMaterializePaused": True}
    assert boss.ask(f"/dagster/graphql?query={urllib.parse.quote(MUTATION)}")[0] == 405
    assert boss.ask(f"/dagster/x/%2e%2e/graphql?query={urllib.parse.quote(MUTATION)}")[0] == 404
    status, page, headers = viewer.ask(f"/dagster/runs/{run_id}", Accept="text/html")
    assert status == 200
    assert '"pathPrefix": "/dagster"' in page
    assert "script-src" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "SAMEORIGIN"
    script = page.partition('src="')[2].partition('"')[0]
    assert viewer.ask(script)[0] == 200

    jar = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(jar)
    with browser.open(urllib.request.Request(f"{up.service}/dagster/runs", headers={"Accept": "text/html"})) as login:
        assert login.url == f"{up.service}/login?next=%2Fdagster%2Fruns"
    form = urllib.parse.urlencode({"key": viewer.key, "next": "/dagster/runs"}).encode()
    with browser.open(f"{up.service}/login", form) as shown:
        assert (shown.status, shown.url) == (200, f"{up.service}/dagster/runs")
    cookie = "; ".join(f"{one.name}={one.value}" for one in jar.cookiejar)
    assert nobody.ask("/dagster/graphql", RUNS, Cookie=cookie, Origin=up.service)[0] == 200
    assert nobody.ask("/dagster/graphql", RUNS, Cookie=cookie)[0] == 403, "a browser names its origin"
    assert nobody.ask("/dagster/graphql", RUNS, Cookie=cookie, Origin="https://example.org")[0] == 403
    assert viewer.ask("/dagster/graphql", RUNS, Host="evil.example.org")[0] == 403
    assert asyncio.run(_subscribed(up.service, cookie, run_id)) == ["connection_ack", "data", "connection_error"]


async def _subscribed(service: str, cookie: str, run_id: str) -> list[str]:
    """What comes to a subscription of a run that is over, and to a mutation sent the same way."""
    address, said = service.replace("http", "ws", 1) + "/dagster/graphql", []
    for origin in ("https://example.org", None):
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(address, additional_headers={"Cookie": cookie}, origin=origin, proxy=None)
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(address, origin=service, proxy=None)
    headers = {"Cookie": cookie}
    async with websockets.connect(address, subprotocols=["graphql-ws"], additional_headers=headers, origin=service, proxy=None) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        said.append(json.loads(await socket.recv())["type"])
        start = {"query": SUBSCRIPTION, "variables": {"id": run_id}}
        await socket.send(json.dumps({"type": "start", "id": "1", "payload": start}))
        said.append(json.loads(await socket.recv())["type"])
        await socket.send(json.dumps({"type": "start", "id": "2", "payload": {"query": MUTATION}}))
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                if json.loads(await socket.recv())["type"] == "connection_error":
                    said.append("connection_error")
    return said
