"""Errors as problem+json (RFC 9457). A problem tells who asked what was wrong with the request, and nothing of anybody else's data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from platform_assets.errors import (
    Conflict,
    DamagedBackup,
    DatabaseUnavailable,
    FencedOut,
    NoSuchBackup,
    NoSuchTable,
    NothingThen,
    PlatformDown,
    PlatformError,
    RefusedQuery,
    StoreUnwritable,
    UnknownSource,
    UnsettledDump,
)

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("platform_assets.api")
_STATUS: dict[type[PlatformError], int] = {
    NoSuchTable: 404,
    NoSuchBackup: 404,
    NothingThen: 422,
    UnknownSource: 422,
    RefusedQuery: 422,
    UnsettledDump: 409,
    Conflict: 409,
    DamagedBackup: 409,
    FencedOut: 503,
    PlatformDown: 503,
    DatabaseUnavailable: 503,
    StoreUnwritable: 507,
}
_HIDDEN = {
    409: "A backup does not prove true against its manifest; nothing was changed. The log of the service says which file.",
    503: "The database cannot be reached now, or the work is another's at the moment; try again.",
    507: "The disk is full.",
}
"""Whose message is for the log only: it names hosts and paths of this machine."""
RETRY_SECONDS = "2"


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457): the status says which kind, `detail` what was wrong with the request.",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""What every route may answer beside what it describes itself."""


class Problem(Exception):
    """An answer with this status; `more` are members of the problem beside type, title, status and detail."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, dict(headers or {}), more


def body_of(status: int, detail: str, **more: Any) -> dict[str, Any]:
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    return JSONResponse(body_of(status, detail, **more), status, dict(headers or {}), MEDIA_TYPE)


def handle_problems(app: FastAPI) -> None:
    """Every error of a request becomes a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(PlatformError, _platform)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return answer(error.status, error.detail, error.headers, **error.more)


def _platform(request: Request, error: Exception) -> JSONResponse:
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    if status < 500 and not isinstance(error, DamagedBackup):
        return answer(status, str(error))
    _LOG.warning("%s %s: %s", request.method, request.url.path, error)
    headers = {"Retry-After": RETRY_SECONDS} if status == 503 else {}
    if isinstance(error, PlatformDown):
        return answer(status, error.message, headers)
    return answer(status, _HIDDEN.get(status, "The request failed; the log of the service says why."), headers)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return answer(error.status_code, str(error.detail), error.headers)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Place and reason of each, without the value."""
    assert isinstance(error, RequestValidationError)
    wrong = [{"where": ".".join(str(part) for part in one["loc"]), "reason": one["msg"]} for one in error.errors()]
    return answer(422, "; ".join(f"{one['where']}: {one['reason']}" for one in wrong), errors=wrong)


def _gone(request: Request, error: Exception) -> JSONResponse:
    return answer(400, "The connection ended before the body did.")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return answer(500, "The request failed; the log of the service says why.")
