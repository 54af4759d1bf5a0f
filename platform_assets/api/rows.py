"""Writing: rows posted to a table, with a verdict on each."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from platform_assets.api.problems import RETRY_SECONDS, Problem
from platform_assets.api.row_bodies import READERS, rows_of
from platform_assets.api.service import Asker, Caller
from platform_assets.dictionary.model import Table
from platform_assets.errors import Conflict, NoSuchTable, SettingsError, UnknownSource
from platform_assets.operations.row_batches import Answer, BatchVerdict, PostedRows, Repeat, instance_of, post_rows, posted_table

router = APIRouter(prefix="/v1/tables", tags=["writing"])
_EXAMPLE = {"schema": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1_000}}
_BODY = {"requestBody": {"required": True, "content": {name: _EXAMPLE if name.endswith("/json") else {} for name in READERS}}}
_KEY_MAX = 200


@router.post(
    "/{table}/rows",
    status_code=201,
    openapi_extra=_BODY,
    responses={
        207: {"description": "Some rows were rejected."},
        409: {"description": "The request of this Idempotency-Key is at work."},
        413: {"description": "More rows or bytes than one batch may have; none was taken."},
        422: {"description": "No row was accepted, or the request cannot be met."},
    },
)
async def post(
    table: str,
    request: Request,
    asker: Asker,
    mode: Annotated[Literal["partial", "atomic"], Query(description="atomic: one wrong row, and nothing is kept.")] = "partial",
    dry_run: Annotated[bool, Query(description="Judge only.")] = False,
    instance: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="Whose rows, where a source has instances.")
    ] = None,
    idempotency_key: Annotated[str | None, Header(max_length=_KEY_MAX, description="The same key again gets the same answer.")] = None,
) -> JSONResponse:
    """1 to 1,000 rows. Those that are accepted are in the latest state when the answer comes; the others are kept with their reasons."""
    source, _, name = table.partition(".")
    asker.need("write", source)
    wanted = await run_in_threadpool(_table, asker, source, name)
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    posted = rows_of(content_type, body, frozenset(wanted.column_names), asker.service.limits.rows)

    repeat = None
    if idempotency_key is not None:
        asked = hashlib.sha256(f"{request.url.path}\0{request.url.query}\0{content_type}\0".encode() + body).hexdigest()
        repeat = Repeat(asker.key.id, idempotency_key, asked)
    found = await run_in_threadpool(_post, asker, source, wanted, posted, instance, mode == "atomic", dry_run, repeat)
    return JSONResponse(dict(found.body), found.status, {"Idempotency-Replayed": "true"} if found.repeated else None)


def _table(asker: Caller, source: str, name: str) -> Table:
    try:
        if "\0" in name:
            raise NoSuchTable("A name has no NUL.")
        return posted_table(asker.service.settings, asker.service.catalog, source, name)
    except (NoSuchTable, UnknownSource):
        raise Problem(404, f"There is no table {name[:100]!a} in this source.") from None


def _post(
    asker: Caller,
    source: str,
    table: Table,
    posted: PostedRows,
    instance: str | None,
    atomic: bool,
    dry_run: bool,
    repeat: Repeat | None,
) -> Answer:
    service = asker.service
    try:
        whose = instance_of(service.settings, source, instance)
    except SettingsError as error:
        raise Problem(422, error.message) from None

    def answer(verdict: BatchVerdict) -> tuple[int, dict[str, Any]]:
        kept_none = not verdict.accepted or (atomic and verdict.rejected)
        return 422 if kept_none else 207 if verdict.rejected else 201, _told(verdict, atomic, dry_run)

    with service.engines.one() as engine:
        try:
            return post_rows(
                *(service.settings, service.catalog, engine, source, table, posted, answer),
                instance=whose,
                atomic=atomic,
                dry_run=dry_run,
                repeat=repeat,
            )
        except Conflict as error:
            raise Problem(409, error.message, headers={"Retry-After": RETRY_SECONDS}) from None


def _told(verdict: BatchVerdict, atomic: bool, dry_run: bool) -> dict[str, Any]:
    undone = atomic and verdict.rejected
    results = []
    for index in range(verdict.rows):
        errors = verdict.errors.get(index)
        status = "rejected" if errors else "not stored" if undone else "accepted"
        results.append({"index": index, "status": status, "errors": [_error(one) for one in errors or ()]})
    return {
        "batch_id": verdict.batch_id if verdict.kept else None,
        "dry_run": dry_run,
        "accepted": 0 if undone else verdict.accepted,
        "rejected": verdict.rejected,
        "results": results,
    }


def _error(violation: Any) -> dict[str, Any]:
    return {
        "rule": violation["rule"],
        "column": ", ".join(violation["columns"]) or None,
        "code": violation["code"],
        "message": violation["message"],
        "value": violation["value"],
    }
