"""Metrics: what there is, the rows of one as JSON or CSV, its chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from platform_assets.api.problems import Problem
from platform_assets.api.representations import accepted
from platform_assets.api.service import Asker, Caller
from platform_assets.errors import NoSuchMetric
from platform_assets.operations.metric_forms import ChartForm, chart_of, csv_rows, json_rows
from platform_assets.operations.metrics import Standing, asked, standing, standings

router = APIRouter(prefix="/v1/metrics", tags=["metrics"])
_WRITERS = {"application/json": json_rows, "text/csv": csv_rows}
_MEDIA: Mapping[ChartForm, str] = {"svg": "image/svg+xml", "png": "image/png", "html": "text/html"}
_FORMS = {200: {"content": {"application/json": {}, "text/csv": {}}, "description": "Rows, in the form that Accept names."}}
_CHARTS = {200: {"content": {media: {} for media in _MEDIA.values()}, "description": "The chart."}}


def readable(caller: Caller, one: Standing) -> bool:
    """Whether the key may read all that the metric reads; one that is not ready is told to keys of every source only."""
    return all(caller.may("read", source) for source in one.sources) if one.state == "ready" else caller.may("read", "*")


def visible(caller: Caller) -> list[Standing]:
    """The metrics that the key may read, by name."""
    service = caller.service
    return [one for one in standings(service.settings, service.catalog) if readable(caller, one)]


def named(caller: Caller, name: str) -> Standing:
    """One that is ready. Raises a Problem of 404 when it is not there or is not for this key, of 409 while it has no rows."""
    try:
        found = standing(caller.service.settings, caller.service.catalog, name)
    except NoSuchMetric:
        found = None
    if found is None or not readable(caller, found):
        raise Problem(404, f"There is no metric {name!r}.")
    if found.state != "ready":
        raise Problem(409, found.problem or "The metric is not ready.", state=found.state)
    return found


def given_parameters(request: Request) -> dict[str, str]:
    """The parameters of the address. Raises a Problem of 422 for one that is there twice."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Problem(422, "A parameter is given once.")
    return given


@router.get("")
def metrics(asker: Asker) -> list[dict[str, Any]]:
    """Every metric that the key may read: what it tells, its parameters, and why one has no rows yet."""
    return [one.row() for one in visible(asker)]


@router.get("/{name}.{form}", response_class=Response, responses=_CHARTS)  # type: ignore[arg-type]
def chart(name: str, form: ChartForm, request: Request, asker: Asker) -> Response:
    """The chart of a metric; the page (html) has its rows as a table as well. Parameters of the metric go into the query string."""
    found, given = named(asker, name), given_parameters(request)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    content = chart_of(asker.service.catalog, found, given, form, timeout_seconds=asker.service.limits.statement_seconds)
    return Response(content, media_type=_MEDIA[form], headers=headers)


@router.get("/{name}", response_class=StreamingResponse, responses=_FORMS)  # type: ignore[arg-type]
def metric(name: str, request: Request, asker: Asker) -> StreamingResponse:
    """The rows of a metric. Parameters of the metric go into the query string; each has a default."""
    form = accepted(request.headers.get("accept"), tuple(_WRITERS))
    found, given = named(asker, name), given_parameters(request)
    with ExitStack() as stack:
        answer = stack.enter_context(asked(asker.service.catalog, found, given, timeout_seconds=asker.service.limits.statement_seconds))
        return StreamingResponse(_streamed(_WRITERS[form](found, given, answer), stack.pop_all()), media_type=form)


def _streamed(pieces: Iterator[bytes], opened: ExitStack) -> Iterator[bytes]:
    with opened:
        yield from pieces
