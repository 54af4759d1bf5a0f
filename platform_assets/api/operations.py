"""Operations: backups, restores, topic runs, and the jobs that they become. Long work is the running platform's, never this process's."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from platform_assets.api.problems import RETRY_SECONDS, Problem
from platform_assets.api.service import Asker, Caller
from platform_assets.errors import Conflict, SettingsError
from platform_assets.operations import asked_work
from platform_assets.operations.asked_work import EVERY_SOURCE
from platform_assets.operations.platform_runs import Job
from platform_assets.operations.restore import Restored, Target, chosen_backups
from platform_assets.operations.restore import restore as planned

router = APIRouter(prefix="/v1", tags=["operations"])
_Responses = dict[int | str, dict[str, Any]]
_DOWN: _Responses = {503: {"description": "No platform runs on this home: platform-assets up."}}
_NONE: _Responses = {404: {"description": "There is no such table, backup, topic or job."}}
_ASKED: _Responses = {**_NONE, 409: {"description": "It cannot be done as things are."}, **_DOWN}
IdempotencyKey = Annotated[str | None, Header(max_length=200, description="The same key again gets the same answer.")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BackupAsked(_Asked):
    """`table` is a table or a source; every table without."""

    table: str | None = Field(default=None, max_length=300, examples=["hr.jobs"])


class RestoreAsked(_Asked):
    """Beside the table (as `as`, or its default name), or in its place."""

    table: str = Field(max_length=300, description="source.table, or a source: all of its tables.", examples=["hr.jobs"])
    beside: str | None = Field(
        default=None, alias="as", min_length=1, max_length=63, description="The name beside the table, for one table."
    )
    in_place: bool = False
    backup: str | None = Field(default=None, min_length=1, max_length=200, description="Which backup; the newest without. For one table.")
    dry_run: bool = Field(default=False, description="Prove the backups and answer what would be done.")


class TopicAsked(_Asked):
    """Without a word: what is new or changed."""

    initialize: bool = False
    since: str | None = Field(default=None, max_length=200, description="Pull what changed from this value of the cursor column on.")


@router.get("/backups")
def backups(
    request: Request,
    response: Response,
    asker: Asker,
    table: Annotated[str | None, Query(max_length=300, description="source.table, or a source.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    after: Annotated[str | None, Query(description="Where the page before ended, from its header X-Next.")] = None,
) -> list[dict[str, Any]]:
    """Backups, the newest first: whether each was proven against its manifest, and restored in its drill."""
    _plain(table)
    source, _, name = (table or "").partition(".")
    catalog = asker.service.catalog
    if source:
        asker.need("operate", source)
    sources = [source] if source else None if asker.may("operate", EVERY_SOURCE) else _own(asker)
    rows, cursor = asked_work.list_backups(catalog, sources=sources, table=name or None, after=after, limit=limit)
    if cursor:
        query = urlencode([*((k, v) for k, v in request.query_params.multi_items() if k != "after"), ("after", cursor)])
        response.headers["Link"], response.headers["X-Next"] = f'<{request.url.path}?{query}>; rel="next"', cursor
    return rows


@router.post("/backups", status_code=202, responses=_ASKED)
def back_up(
    asker: Asker,
    asked: Annotated[BackupAsked, Body()] = BackupAsked(),  # noqa: B008  (no state: a request's own values stand in its place)
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Tables are backed up as they are at one moment, proven, and restored in a drill; 202 says where to watch."""
    _plain(asked.table)
    settings, catalog = asker.service.settings, asker.service.catalog
    asker.need("operate", (asked.table or EVERY_SOURCE).partition(".")[0])
    source, tables = asked_work.tables_to_back_up(catalog, asked.table)
    asker.need("operate", source)
    return _job(asker, "backups", asked, idempotency_key, lambda i: asked_work.ask_backup(settings, i, asked.table, source, tables))


@router.post("/restores", status_code=202, responses={200: {"description": "dry_run: what would be done."}, **_ASKED})
def restore(asker: Asker, asked: RestoreAsked, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """The newest backup of a table, or of every table of a source, is restored. With `dry_run` the plan is the answer."""
    for text in (asked.table, asked.beside, asked.backup):
        _plain(text)
    if asked.beside and asked.in_place:
        raise Problem(422, "`as` and `in_place` exclude each other.")
    source = asked.table.partition(".")[0]
    asker.need("operate", source)
    settings, target = asker.service.settings, Target(asked.beside, asked.in_place)
    chosen = chosen_backups(settings, asker.service.catalog, asked.table, backup_id=asked.backup, beside=asked.beside)
    for backup in chosen:
        asker.need("operate", backup.source)
    if asked.dry_run:
        plan = planned(asker.service.catalog, chosen, target, run_id="plan", dry_run=True)
        return JSONResponse({"dry_run": True, "tables": [_planned(one) for one in plan]})
    return _job(
        asker, "restores", asked, idempotency_key, lambda i: asked_work.ask_restore(settings, i, asked.table, source, target, asked.backup)
    )


@router.post("/topics/{topic}/runs", status_code=202, responses=_ASKED)
def run_topic(
    topic: str,
    asker: Asker,
    asked: Annotated[TopicAsked, Body()] = TopicAsked(),  # noqa: B008
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """The topic is pulled; what comes lands as a dump and is loaded like any."""
    settings = asker.service.settings
    try:
        source = asked_work.source_of_topic(settings, topic)
    except SettingsError as error:
        asker.need("operate", EVERY_SOURCE)
        raise Problem(409, error.message) from None
    asker.need("operate", source or EVERY_SOURCE)
    if source is None:
        raise Problem(404, f"There is no topic {topic[:100]!a}.")

    def ask(job_id: str) -> Job:
        return asked_work.ask_topic(settings, job_id, topic, source, initialize=asked.initialize, since=asked.since)

    return _job(asker, f"topics/{topic}/runs", asked, idempotency_key, ask)


@router.get("/jobs", responses=_DOWN)
def jobs(
    request: Request, asker: Asker, limit: Annotated[int, Query(ge=1, le=500, description="How many runs to look at.")] = 100
) -> list[dict[str, Any]]:
    """What was asked for over HTTP of the sources that the key operates, the newest first."""
    found = asked_work.jobs_of(asker.service.settings, limit=limit)
    return [_linked(request, job) for job in found if asker.may("operate", job["source"] or EVERY_SOURCE)]


@router.get("/jobs/{job}", responses={**_NONE, **_DOWN})
def job(job: str, request: Request, asker: Asker) -> dict[str, Any]:
    """State, steps done, the errors of what failed, and the runs with their links into the Dagster UI."""
    found = asked_work.job_of(asker.service.settings, job) if job.isprintable() else None
    if found is None or not asker.may("operate", found["source"] or EVERY_SOURCE):
        raise Problem(404, f"There is no job {job[:100]!a}.")
    return _linked(request, found)


def _job(asker: Caller, path: str, asked: BaseModel, idempotency_key: str | None, ask: Callable[[str], Job]) -> JSONResponse:
    """202, also for a repeated request: its job is the one that was asked for first."""
    settings, catalog = asker.service.settings, asker.service.catalog
    if idempotency_key is None:
        return _answered(asked_work.told_of(ask(f"job-{secrets.token_hex(8)}")))
    request = hashlib.sha256(f"{path}\0{json.dumps(asked.model_dump(), sort_keys=True)}".encode()).hexdigest()
    try:
        told, repeated = asked_work.ask_once(settings, catalog, asker.key.id, idempotency_key, request, ask)
    except Conflict as error:
        raise Problem(409, error.message, headers={"Retry-After": RETRY_SECONDS}) from None
    return _answered(told, {"Idempotency-Replayed": "true"} if repeated else {})


def _answered(told: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(told, 202, {"Location": told["watch"], **(headers or {})})


def _linked(request: Request, job: dict[str, Any]) -> dict[str, Any]:
    base = str(request.base_url).rstrip("/")
    return job | {"runs": [run | {"link": f"{base}/dagster{run['link']}"} for run in job["runs"]]}


def _planned(one: Restored) -> dict[str, Any]:
    return jsonable_encoder(
        {
            "table": f"{one.source}.{one.table}",
            "backup": one.backup_id,
            "relation": one.relation,
            "rows": one.rows,
            "steps": list(one.steps),
        }
    )


def _own(asker: Caller) -> list[str]:
    return [source for source in asker.key.scopes if asker.may("operate", source)]


def _plain(text: str | None) -> None:
    if text is not None and "\0" in text:
        raise Problem(404, "No name has a NUL.")
