"""Runs of the running platform, asked for and looked after through the GraphQL of its web server: no Dagster is imported for it.

What is asked for together is a job: its runs carry its id as a tag, so the runs themselves are its only record.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.errors import PlatformDown, PlatformError
from platform_assets.operations.run_plans import TABLES, neighbours, run_tags
from platform_assets.operations.serve import ServiceFolder

JOB, KIND, WHAT, SOURCE = "platform/job", "platform/kind", "platform/what", "platform/source"
"""Tags of the runs that were asked for here: the job's id, what it does, to what, and whose source that is (* for all)."""
_ASKED = ("platform/asked", "http")
"""Dagster finds runs by a tag's value, not by its name: the tag that all of them have."""
EVERY_SOURCE = "*"
_SECONDS = 30.0
_RUNS_PER_JOB = 1_000
_STATES = {
    "QUEUED": "queued",
    "NOT_STARTED": "queued",
    "MANAGED": "queued",
    "STARTING": "running",
    "STARTED": "running",
    "CANCELING": "running",
    "SUCCESS": "done",
    "FAILURE": "failed",
    "CANCELED": "canceled",
}
_RUN = """runId status creationTime startTime endTime tags { key value } executionPlan { steps { key } }
  stats { ... on RunStatsSnapshot { stepsSucceeded stepsFailed } }"""
_RUNS = f"""query($tags: [ExecutionTag!], $limit: Int) {{ runsOrError(filter: {{tags: $tags}}, limit: $limit) {{
  __typename ... on Runs {{ results {{ {_RUN} }} }} ... on PythonError {{ message }} }} }}"""
_WHERE = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
_KEYS = '{ assetNodes(assetKeys: [{path: ["latest_state"]}]) { partitionKeys } }'
_ADD = """mutation($where: RepositorySelector!, $set: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $where, partitionsDefName: $set, partitionKey: $key) {
    __typename ... on PythonError { message } ... on UnauthorizedError { message } } }"""
_LAUNCH = """mutation($run: ExecutionParams!) { launchRun(executionParams: $run) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on Error { message } ... on RunConfigValidationInvalid { errors { message } } } }"""
_FAILURES = """query($run: ID!) { runOrError(runId: $run) { ... on Run { eventConnection(limit: 10000) { events {
  __typename ... on ExecutionStepFailureEvent { stepKey failureMetadata { description } error { message causes { message } } }
  ... on RunFailureEvent { message } } } } } }"""


@dataclass(frozen=True)
class Job:
    """What one request asked for. `source` is whose it is, * when it is everybody's."""

    id: str
    kind: str
    what: str
    source: str

    @property
    def tags(self) -> dict[str, str]:
        return {JOB: self.id, KIND: self.kind, WHAT: self.what, SOURCE: self.source, _ASKED[0]: _ASKED[1]}


class RunningPlatform:
    """The platform that `up` runs on a home."""

    def __init__(self, store: Path) -> None:
        state = ServiceFolder(store).read()
        if state is None:
            raise PlatformDown("No platform runs on this home: start it with platform-assets up.")
        self.ui = state.ui

    def launch(self, job: Job, dagster_job: str, tags: Mapping[str, str] | None = None, config: Mapping[str, Any] | None = None) -> str:
        """One run into the queue; gives its id. Raises PlatformDown, PlatformError when Dagster refuses."""
        where = self._where()
        run = {
            "selector": {**where, "jobName": dagster_job},
            "mode": "default",
            "runConfigData": dict(config or {}),
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in {**job.tags, **(tags or {})}.items()]},
        }
        answer = self._ask(_LAUNCH, run=run)["launchRun"]
        if answer["__typename"] == "PipelineNotFoundError":
            raise PlatformError(f"The running platform does not know {dagster_job} yet; start it again.")
        if answer["__typename"] != "LaunchRunSuccess":
            reasons = [one["message"] for one in answer.get("errors", ())] or [answer.get("message") or answer["__typename"]]
            raise PlatformError(f"The run was refused: {'; '.join(reasons)}")
        return str(answer["run"]["runId"])

    def launch_tables(self, job: Job, dagster_job: str, keys: Sequence[str]) -> list[str]:
        """Runs for these tables (partition keys), as few as Dagster can: only neighbours in its order share one. Gives their ids."""
        registered = list(self._ask(_KEYS)["assetNodes"][0]["partitionKeys"])
        for key in sorted(set(keys) - set(registered)):
            self._ask(_ADD, where=self._where(), set=TABLES, key=key)
            registered.append(key)
        return [self.launch(job, dagster_job, run_tags(stretch)) for stretch in neighbours(registered, set(keys))]

    def job(self, job_id: str) -> dict[str, Any] | None:
        """None when no run of such a job is known. With the errors of what failed."""
        found = self._jobs((JOB, job_id), _RUNS_PER_JOB)
        if not found:
            return None
        failed = [run["id"] for run in found[0]["runs"] if run["state"] == "failed"]
        return found[0] | {"errors": [error for run_id in failed for error in self._errors(run_id)]}

    def jobs(self, *, limit: int) -> list[dict[str, Any]]:
        """The newest first; the newest `limit` runs are looked at."""
        return self._jobs(_ASKED, limit)

    def _jobs(self, tag: tuple[str, str], limit: int) -> list[dict[str, Any]]:
        answer = self._ask(_RUNS, tags=[{"key": tag[0], "value": tag[1]}], limit=limit)["runsOrError"]
        if "results" not in answer:
            raise PlatformError(f"Dagster does not tell its runs: {answer.get('message', answer['__typename'])}")
        found: dict[str, list[dict[str, Any]]] = {}
        for run in answer["results"]:
            tags = {one["key"]: one["value"] for one in run["tags"]}
            found.setdefault(tags[JOB], []).append(run | {"tags": tags})
        return [_job(name, runs) for name, runs in found.items()]

    def _errors(self, run_id: str) -> list[str]:
        events = self._ask(_FAILURES, run=run_id)["runOrError"].get("eventConnection", {}).get("events", [])
        steps = [_reason(event) for event in events if event["__typename"] == "ExecutionStepFailureEvent"]
        return [step for step in steps if step] or [event["message"] for event in events if event["__typename"] == "RunFailureEvent"]

    def _where(self) -> dict[str, str]:
        node = self._ask(_WHERE)["repositoriesOrError"].get("nodes") or [None]
        if node[0] is None:
            raise PlatformDown("The platform is starting, or its definitions cannot be loaded: see the Dagster UI.")
        return {"repositoryName": node[0]["name"], "repositoryLocationName": node[0]["location"]["name"]}

    def _ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.ui}/graphql", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise PlatformError(f"The Dagster web server answered {error.code}: {error.read(500).decode(errors='replace')}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PlatformDown("The platform of this home does not answer now; it may be starting.") from error
        return told["data"]


def _job(job_id: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is told of a job; `runs` are the newest first."""
    shown = [_run(run) for run in reversed(runs)]
    states = {run["state"] for run in shown}
    over = states <= {"done", "failed", "canceled"}
    ends = [run["endTime"] for run in runs if run["endTime"]]
    tags = runs[0]["tags"]
    return {
        "id": job_id,
        "kind": tags.get(KIND),
        "what": tags.get(WHAT),
        "source": tags.get(SOURCE),
        "state": next((one for one in ("running", "queued", "failed", "canceled") if one in states), "done"),
        "created_at": _moment(min(run["creationTime"] for run in runs)),
        "ended_at": _moment(max(ends)) if over and ends else None,
        "steps": sum(run["steps"] for run in shown),
        "steps_done": sum(run["steps_done"] for run in shown),
        "runs": shown,
    }


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": run["runId"],
        "state": _STATES.get(run["status"], "running"),
        "steps": len((run["executionPlan"] or {}).get("steps", ())),
        "steps_done": (run["stats"] or {}).get("stepsSucceeded", 0),
        "link": f"/runs/{run['runId']}",
    }


def _reason(event: Mapping[str, Any]) -> str:
    said = (event.get("failureMetadata") or {}).get("description")
    error = event.get("error") or {}
    cause = next(iter(error.get("causes") or ()), error)
    return str(said or cause.get("message") or "").strip()


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
