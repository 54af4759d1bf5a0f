"""Writing: rows posted to a table, or to several in one request, with a verdict on each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from platform_assets.api.problems import RETRY_SECONDS, Problem
from platform_assets.api.row_bodies import READERS, checked, rows_of, tables_of
from platform_assets.api.service import Asker, Caller
from platform_assets.dictionary.model import Table
from platform_assets.errors import Conflict, NoSuchTable, SettingsError, UnknownSource
from platform_assets.operations.posted_tables import instance_of, posted_table
from platform_assets.operations.row_batches import BatchVerdict, PostedRows, Posting, Repeat, post_rows

router = APIRouter(prefix="/v1", tags=["writing"])
_EXAMPLE = {"schema": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1_000}}
_BODY = {"requestBody": {"required": True, "content": {name: _EXAMPLE if name.endswith("/json") else {} for name in READERS}}}
_TABLES_EXAMPLE = {
    "tables": {
        "hr.departments": [{"id": 91, "department": "Harbour"}],
        "hr.jobs": [{"id": 911, "job": "Pilot"}],
        "hr.hired_employees": [{"id": 9111, "name": "Ada Ray", "hired_at": "2021-05-31T08:00:00Z", "department_id": 91, "job_id": 911}],
    }
}
_TABLES_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["tables"],
                    "additionalProperties": False,
                    "properties": {
                        "tables": {
                            "type": "object",
                            "minProperties": 1,
                            "description": "`source.table` to its rows; 1,000 rows in all.",
                            "additionalProperties": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1_000},
                        }
                    },
                },
                "example": _TABLES_EXAMPLE,
            }
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    207: {"description": "Some rows were rejected."},
    409: {"description": "The request of this Idempotency-Key is at work."},
    413: {"description": "More rows or bytes than one batch may have; none was taken."},
    422: {"description": "No row was accepted, or the request cannot be met."},
}
_KEY_MAX = 200
_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class Wishes:
    """What a request says beside its rows."""

    mode: Annotated[Literal["partial", "atomic"], Query(description="atomic: one wrong row, and nothing is kept.")] = "partial"
    dry_run: Annotated[bool, Query(description="Judge only.")] = False
    instance: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="Whose rows, where a source has instances.")] = (
        None
    )
    idempotency_key: Annotated[str | None, Header(max_length=_KEY_MAX, description="The same key again gets the same answer.")] = None

    @property
    def atomic(self) -> bool:
        return self.mode == "atomic"


Wished = Annotated[Wishes, Depends()]


@router.post("/tables/{table}/rows", status_code=201, openapi_extra=_BODY, responses=_RESPONSES)
async def post(table: str, request: Request, asker: Asker, wished: Wished) -> Response:
    """1 to 1,000 rows. Those that are accepted are in the latest state when the answer comes; the others are kept with their reasons."""
    source, _, name = table.partition(".")
    asker.need("write", source)
    wanted = await run_in_threadpool(_table, asker, source, name)
    body = await request.body()
    posted = rows_of(request.headers.get("content-type", ""), body, frozenset(wanted.column_names), asker.service.limits.rows)

    def answer(batch_id: str, verdicts: Sequence[BatchVerdict]) -> tuple[int, str]:
        undone = wished.atomic and verdicts[0].rejected > 0
        return _status(verdicts, atomic=wished.atomic), _told(verdicts[0], undone, wished.dry_run)

    repeat = _repeat(request, asker, body, wished.idempotency_key)
    return await run_in_threadpool(_post, asker, [(source, wanted, posted)], answer, wished, repeat)


@router.post("/batches", status_code=201, openapi_extra=_TABLES_BODY, responses=_RESPONSES)
async def post_several(request: Request, asker: Asker, wished: Wished) -> Response:
    """Rows for several tables, 1 to 1,000 in all, judged together and kept in one transaction: references to rows of the same request
    hold, in whatever order its tables stand, and a rejected parent rejects its children."""
    body = await request.body()
    elements = tables_of(request.headers.get("content-type", ""), body, asker.service.limits.rows)
    places = [name.partition(".")[::2] for name in elements]
    for source, _ in places:
        asker.need("write", source)
    tables = [await run_in_threadpool(_table, asker, source, name) for source, name in places]
    posted = [
        (source, table, checked(rows, frozenset(table.column_names)))
        for (source, _), table, rows in zip(places, tables, elements.values(), strict=True)
    ]

    def answer(batch_id: str, verdicts: Sequence[BatchVerdict]) -> tuple[int, str]:
        undone = wished.atomic and any(one.rejected for one in verdicts)
        told = [f"{_json(one.table)}:{_told(one, undone, wished.dry_run)}" for one in verdicts]
        whole = {
            "batch_id": batch_id if verdicts[0].kept else None,
            "dry_run": wished.dry_run,
            "accepted": 0 if undone else sum(one.accepted for one in verdicts),
            "rejected": sum(one.rejected for one in verdicts),
        }
        return _status(verdicts, atomic=wished.atomic), f'{_open(whole)},"tables":{{{",".join(told)}}}}}'

    repeat = _repeat(request, asker, body, wished.idempotency_key)
    return await run_in_threadpool(_post, asker, posted, answer, wished, repeat)


def _table(asker: Caller, source: str, name: str) -> Table:
    try:
        if "\0" in name:
            raise NoSuchTable("A name has no NUL.")
        return posted_table(asker.service.settings, asker.service.catalog, source, name)
    except (NoSuchTable, UnknownSource):
        raise Problem(404, f"There is no table {name[:100]!a} in this source.") from None


def _repeat(request: Request, asker: Caller, body: bytes, idempotency_key: str | None) -> Repeat | None:
    if idempotency_key is None:
        return None
    content_type = request.headers.get("content-type", "")
    asked = hashlib.sha256(f"{request.url.path}\0{request.url.query}\0{content_type}\0".encode() + body).hexdigest()
    return Repeat(asker.key.id, idempotency_key, asked)


def _post(
    asker: Caller,
    posted: Sequence[tuple[str, Table, PostedRows]],
    answer: Callable[[str, Sequence[BatchVerdict]], tuple[int, str]],
    wished: Wishes,
    repeat: Repeat | None,
) -> Response:
    service = asker.service
    try:
        postings = [Posting(source, table, rows, instance_of(service.settings, source, wished.instance)) for source, table, rows in posted]
    except SettingsError as error:
        raise Problem(422, error.message) from None
    with service.engines.one() as engine:
        try:
            found = post_rows(
                service.settings, service.catalog, engine, postings, answer, atomic=wished.atomic, dry_run=wished.dry_run, repeat=repeat
            )
        except Conflict as error:
            raise Problem(409, error.message, headers={"Retry-After": RETRY_SECONDS}) from None
    return Response(found.body, found.status, {"Idempotency-Replayed": "true"} if found.repeated else None, "application/json")


def _status(verdicts: Sequence[BatchVerdict], *, atomic: bool) -> int:
    rejected = any(one.rejected for one in verdicts)
    kept_none = not any(one.accepted for one in verdicts) or (atomic and rejected)
    return 422 if kept_none else 207 if rejected else 201


def _told(verdict: BatchVerdict, undone: bool, dry_run: bool) -> str:
    """JSON, a row's place at a time: nearly all of it is the same for a thousand rows. `undone`: an atomic request of which some row is
    wrong."""
    whole = {
        "batch_id": verdict.batch_id if verdict.kept else None,
        "dry_run": dry_run,
        "accepted": 0 if undone else verdict.accepted,
        "rejected": verdict.rejected,
    }
    status = "not stored" if undone else "accepted"
    results = [f'{{"index":{index},"status":"{status}","errors":[]}}' for index in range(verdict.rows)]
    for index, errors in verdict.errors.items():
        results[index] = _json({"index": index, "status": "rejected", "errors": [_error(one) for one in errors]})
    return f'{_open(whole)},"results":[{",".join(results)}]}}'


def _open(values: Mapping[str, Any]) -> str:
    """A JSON object that goes on."""
    return _json(values)[:-1]


def _error(violation: Any) -> dict[str, Any]:
    return {
        "rule": violation["rule"],
        "column": ", ".join(violation["columns"]) or None,
        "code": violation["code"],
        "message": violation["message"],
        "value": violation["value"],
    }
