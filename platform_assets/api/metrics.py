"""Metrics: what there is, the rows of one as JSON or CSV, its chart."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from itertools import islice
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from platform_assets.api.problems import Problem
from platform_assets.api.representations import accepted
from platform_assets.api.service import Asker, Caller
from platform_assets.errors import NoSuchMetric
from platform_assets.operations import charts
from platform_assets.operations.metrics import Standing, asked, charted, standing, standings
from platform_assets.storage.warehouse.queries import Answer

router = APIRouter(prefix="/v1/metrics", tags=["metrics"])
PAGE_ROWS = 1_000
"""The most rows of a table in a page."""
_SAFE_INTEGER = 2**53
_FORMS = {200: {"content": {"application/json": {}, "text/csv": {}}, "description": "Rows, in the form that Accept names."}}
_CHARTS = {200: {"content": {"image/svg+xml": {}, "image/png": {}, "text/html": {}}, "description": "The chart."}}


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
def chart(name: str, form: Literal["svg", "png", "html"], request: Request, asker: Asker) -> Response:
    """The chart of a metric; the page (html) has its rows as a table as well. Parameters of the metric go into the query string."""
    found, given = named(asker, name), given_parameters(request)
    seconds = asker.service.limits.statement_seconds
    data = charted(asker.service.catalog, found, given, timeout_seconds=seconds)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    if form == "svg":
        return Response(charts.svg(data), media_type="image/svg+xml", headers=headers)
    if form == "png":
        return Response(charts.png(data), media_type="image/png", headers=headers)
    with asked(asker.service.catalog, found, given, timeout_seconds=seconds) as answer:
        rows = list(islice(answer.rows, PAGE_ROWS + 1))
    assert found.metric is not None
    text = charts.page(data, found.metric.description, answer.columns, rows[:PAGE_ROWS], len(rows) > PAGE_ROWS)
    return Response(text, media_type="text/html", headers=headers)


@router.get("/{name}", response_class=StreamingResponse, responses=_FORMS)  # type: ignore[arg-type]
def metric(name: str, request: Request, asker: Asker) -> StreamingResponse:
    """The rows of a metric. Parameters of the metric go into the query string; each has a default."""
    form = accepted(request.headers.get("accept"), tuple(WRITERS))
    found, given = named(asker, name), given_parameters(request)
    with ExitStack() as stack:
        answer = stack.enter_context(asked(asker.service.catalog, found, given, timeout_seconds=asker.service.limits.statement_seconds))
        return StreamingResponse(_streamed(WRITERS[form](found, given, answer), stack.pop_all()), media_type=form)


def _streamed(pieces: Iterator[bytes], opened: ExitStack) -> Iterator[bytes]:
    with opened:
        yield from pieces


def _json(found: Standing, given: Mapping[str, str], answer: Answer) -> Iterator[bytes]:
    assert found.metric is not None
    used = {one.name: given.get(one.name, one.default) for one in found.metric.parameters}
    head = json.dumps({"metric": found.name, "title": found.metric.title, "parameters": used}, ensure_ascii=False)
    yield f'{head[:-1]}, "rows": ['.encode()
    begun = False
    while rows := list(islice(answer.rows, PAGE_ROWS)):
        cells = ({name: _cell(value) for name, value in zip(answer.columns, row, strict=True)} for row in rows)
        text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in cells)
        yield f"{',' if begun else ''}\n{text}".encode()
        begun = True
    yield b"\n]}\n"


def _csv(found: Standing, given: Mapping[str, str], answer: Answer) -> Iterator[bytes]:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(answer.columns)
    while rows := list(islice(answer.rows, PAGE_ROWS)):
        writer.writerows([_cell(value) for value in row] for row in rows)
        yield written.getvalue().encode()
        written.seek(0)
        written.truncate()
    yield written.getvalue().encode()


WRITERS: Mapping[str, Callable[[Standing, Mapping[str, str], Answer], Iterator[bytes]]] = {"application/json": _json, "text/csv": _csv}


def _cell(value: Any) -> Any:
    """As rows of tables are told: decimals and whole numbers beyond 2^53 as texts, bytes as base64."""
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)
