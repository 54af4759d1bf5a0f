"""The definitions as a whole: everything is described, the files at the root say what the code says, and plain `dagster dev` works."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import dagster as dg
import pytest
import yaml

from platform_assets.definitions import build_definitions
from platform_assets.defs.assets import ASSETS, OWNER
from platform_assets.defs.checks import CHECKS
from platform_assets.defs.history import history, history_checks
from platform_assets.defs.instance_folder import config_text, instance_environment
from platform_assets.defs.io_managers import RawDumpJson
from platform_assets.defs.jobs import JOBS
from platform_assets.defs.platform import Platform
from platform_assets.defs.sensors import SENSORS, nightly_backup
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
VERSION_KEYS = {"raw_dump", "parsed_snapshot", "version_table"}
TABLE_KEYS = {"latest_state", "current_table", "history", "backup", "restore_drill"}


@pytest.fixture
def definitions(home: Home) -> dg.Definitions:
    return build_definitions(Settings(home.root))


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_definitions_load_without_a_server(definitions):
    dg.Definitions.validate_loadable(definitions)
    assert not definitions.resources["platform"].home.postgres.exists()


def test_there_are_three_partition_sets(definitions):
    found = {name: spec.partitions_def.name for name, spec in specs(definitions).items()}
    versions, tables = dict.fromkeys({"dictionary", *VERSION_KEYS}, "versions"), dict.fromkeys(TABLE_KEYS, "tables")
    assert found == versions | {"version_order": "sources"} | tables


def test_an_asset_has_a_description_a_group_an_owner_and_a_kind(definitions):
    for spec in specs(definitions).values():
        assert spec.description and len(spec.description) > 40
        assert (spec.group_name, list(spec.owners)) == ("platform", [OWNER])
        assert spec.kinds


def test_a_check_has_a_description_and_is_kept_per_partition():
    found = [spec for check in (*CHECKS, history_checks) for spec in check.check_specs]
    assert len(found) == len({spec.name for spec in found}) == 19
    assert [spec.name for spec in found if not spec.description or spec.partitions_def is None or spec.blocking] == []


@pytest.mark.parametrize("part", [*JOBS, *SENSORS, nightly_backup(Settings(Path()))], ids=lambda part: part.name)
def test_a_job_a_sensor_and_a_schedule_has_a_description(part):
    assert part.description


@pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.name)
def test_a_sensor_runs_without_being_switched_on(sensor):
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_what_may_be_run_is_run_in_batches_and_the_warehouse_is_written_by_one_run_at_a_time():
    policies = {asset.key.to_user_string(): asset.backfill_policy for asset in (*ASSETS, history)}
    assert {policies[name].max_partitions_per_run for name in VERSION_KEYS} == {25}
    assert {policies[name].max_partitions_per_run for name in TABLE_KEYS} == {None}
    pools = {asset.key.to_user_string() for asset in (*ASSETS, history) if asset.op.pool == "warehouse"}
    assert pools == {"version_table", "current_table", "history", "restore_drill"}


def test_a_test_may_put_its_own_parts_in(home):
    platform = Platform(Settings(home.root))
    mine = RawDumpJson(platform)
    resources = build_definitions(Settings(home.root), overrides={"platform": platform, "raw_dump_json": mine}).resources
    assert resources["raw_dump_json"] is mine
    assert resources["snapshot_avro"].platform is platform


# the files at the root


def test_the_configuration_at_the_root_is_the_one_of_a_home():
    assert (ROOT / "dagster.yaml").read_text(encoding="utf-8") == config_text("data/store/dagster")


def test_the_configuration_keeps_its_promises(home):
    config = yaml.safe_load((Path(instance_environment(Settings(home.root))["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    assert config["telemetry"] == {"enabled": False}
    assert 0 < config["run_monitoring"]["max_runtime_seconds"] < 86_400
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False, "a bad dump is not tried again by Dagster"
    assert config["compute_logs"]["config"]["base_dir"].startswith(str(home.root))
    assert "password" not in str(config)


def test_the_workspace_names_the_definitions():
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    assert [entry["python_module"]["module_name"] for entry in workspace["load_from"]] == ["platform_assets.definitions"]


def test_the_environment_file_holds_no_secret_and_no_path():
    lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    assert "DAGSTER_HOME=${PWD}" in lines
    assert not any("/" in line or "PASSWORD" in line.upper() for line in lines)


# plain `dagster dev`

LAUNCH = """mutation($e: ExecutionParams!) { launchPipelineExecution(executionParams: $e) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
RUNS = "{ runsOrError(limit: 30) { ... on Runs { results { runId status jobName tags { key value } } } } }"
KEYS = '{ assetNodes(assetKeys: [{path: ["raw_dump"]}, {path: ["latest_state"]}]) { assetKey { path } partitionKeys } }'

STALE = """query($p: String!) { assetNodes(assetKeys: [{path: ["parsed_snapshot"]}]) {
  staleStatus(partition: $p) staleCauses(partition: $p) { key { path } reason } } }"""


class Web:
    """The GraphQL of a running web server: what its buttons send."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: object) -> dict:
        request = urllib.request.Request(
            f"{self.address}/graphql", json.dumps({"query": query, "variables": variables}).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def runs(self) -> list[dict]:
        runs = self.ask(RUNS)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in runs]

    def partitions(self) -> dict[str, list[str]]:
        return {node["assetKey"]["path"][0]: node["partitionKeys"] for node in self.ask(KEYS)["assetNodes"]}

    def stale(self, partition: str) -> list[str]:
        """Why the snapshot is out of date, as its partition's page says."""
        (node,) = self.ask(STALE, p=partition)["assetNodes"]
        assert node["staleStatus"] == ("STALE" if node["staleCauses"] else "FRESH")
        return [f"{'/'.join(cause['key']['path'])} {cause['reason']}" for cause in node["staleCauses"]]

    def launch(self, job: str, partition: str, assets: list[str] | None = None) -> str:
        selector: dict[str, object] = {"repositoryLocationName": "platform", "repositoryName": "__repository__", "jobName": job}
        if assets:
            selector["assetSelection"] = [{"path": [name]} for name in assets]
        tags = [{"key": "dagster/partition", "value": partition}]
        parameters = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": {"tags": tags}}
        answer = self.ask(LAUNCH, e=parameters)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def backfill(self, assets: list[str], partitions: list[str]) -> str:
        parameters = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": partitions, "fromFailure": False}
        answer = self.ask(BACKFILL, p=parameters)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]


def until(happened, seconds: float):
    end = time.monotonic() + seconds
    while True:
        try:
            if value := happened():
                return value
        except OSError:
            pass
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.3)


@pytest.fixture
def clone():
    """What `dagster dev` needs of a clone's root, with an empty home, in a place that the server's account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="pd-"))
    folder.chmod(0o755)
    for name in (".env", "workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "data" / "dumps" / "shop").mkdir(parents=True)
    yield folder
    EmbeddedServer(Home(folder / "data")).stop(force=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"no port can be opened on the loopback address here: {error}")
        return probe.getsockname()[1]


@pytest.mark.long
def test_plain_dagster_dev_loads_what_is_dropped_and_its_buttons_work(clone, port):
    """No wrapper and no environment: sensors, run workers, materializing by hand, backfills from the UI and from the command line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "PLATFORM"))} | {"PWD": str(clone)}
    dagster = [sys.executable, "-m", "dagster"]
    with (clone / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [*dagster, "dev", "-h", "127.0.0.1", "-p", str(port)],
            cwd=clone,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    web = Web(port)
    try:
        until(lambda: urllib.request.urlopen(f"{web.address}/server_info", timeout=2).status == 200, 180)
        for name in ("a", "b"):
            (clone / "data" / "dumps" / "shop" / f"{name}.csv").write_text(f"id,{name}\n1,x\n2,y\n")
        until(lambda: [run["jobName"] for run in web.runs() if run["status"] == "SUCCESS"].count("refresh_tables"), 240)
        keys = web.partitions()
        assert [key.rpartition(".")[0] for key in sorted(keys["raw_dump"])] == ["shop.a", "shop.b"]
        first, second = sorted(keys["raw_dump"])
        wanted = {web.launch("__ASSET_JOB", first, ["parsed_snapshot"]), web.launch("__ASSET_JOB", "shop.a", ["latest_state"])}
        backfills = {web.backfill(["raw_dump", "parsed_snapshot", "version_table"], [first, second])}
        command = [*dagster, "job", "backfill", "-j", "ingest_dumps", "--partitions", second, "--noprompt"]
        launched = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=90)
        assert launched.returncode == 0, launched.stderr
        backfills.add(launched.stdout.rpartition("backfill job `")[2].partition("`")[0])

        def through() -> bool:
            runs = web.runs()
            assert not [run for run in runs if run["status"] == "FAILURE"], (clone / "dev.log").read_text()[-4000:]
            good = [run for run in runs if run["status"] == "SUCCESS"]
            return wanted <= {run["runId"] for run in good} and backfills <= {run["tags"].get("dagster/backfill") for run in good}

        until(through, 300)
        assert web.stale(first) == []
        contract = clone / "data" / "dictionary" / "shop.odcs.yaml"
        contract.parent.mkdir(exist_ok=True)
        contract.write_text("schema: []")  # with a mistake: so nothing judges by it
        until(lambda: web.stale(first) == ["dictionary has a new data version"], 180)
        contract.unlink()
        until(lambda: web.stale(first) == [], 180)
        secret = (clone / "data" / "store" / "postgres" / "password").read_text().strip()
        shown = json.dumps(web.ask("{ instance { info } }")) + json.dumps(web.runs()) + (clone / "dev.log").read_text(errors="replace")
        assert secret not in shown
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
    until(lambda: not EmbeddedServer(Home(clone / "data")).status().running, 180)
