"""/metrics in the text format of Prometheus 0.0.4: what the service does, counted here, and what the warehouse holds, asked of it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platform_assets.api.service import Asker
from platform_assets.operations.platform_runs import EVERY_SOURCE
from platform_assets.storage.catalog.gauges import read_gauges
from platform_assets.storage.server.sessions import kept_counts

router = APIRouter(tags=["health"])
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_CONTENT_TYPE = "text/plain; version=0.0.4"


@dataclass
class Measures:
    """Of this process since its start. Routes are templates, so that no value of a request becomes a label."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Method, route, status."""
    buckets: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * (len(_SECONDS) + 1)))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    in_flight: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        with self.guard:
            self.requests[method, route, str(status)] += 1
            self.buckets[route][bisect_left(_SECONDS, seconds)] += 1
            self.seconds[route] += seconds


class Measured:
    """The application, each of its requests counted and timed to the last byte of the answer, refused ones too."""

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app, self._measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 499  # stays when the client was gone before there was an answer

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._measures.in_flight += 1
        try:
            await self._app(scope, receive, noted)
        finally:
            self._measures.in_flight -= 1
            route = getattr(scope.get("route"), "path_format", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._measures.add(method, route, status, time.perf_counter() - started)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, asker: Asker) -> PlainTextResponse:
    """For Prometheus; takes a key with the scope read for every source, since it names them all."""
    asker.need("read", EVERY_SOURCE)
    lines = [*_own(request.app.state.measures), *_pool(asker), *_warehouse(asker)]
    return PlainTextResponse("\n".join(lines) + "\n", media_type=_CONTENT_TYPE)


def _own(measures: Measures) -> Iterator[str]:
    with measures.guard:
        requests, seconds = dict(measures.requests), dict(measures.seconds)
        buckets = {route: list(counts) for route, counts in measures.buckets.items()}
    yield from _family("platform_http_requests_total", "Requests answered, by this process.", "counter")
    for (method, route, status), count in sorted(requests.items()):
        yield _sample("platform_http_requests_total", {"method": method, "route": route, "status": status}, count)
    yield from _family("platform_http_request_seconds", "Seconds to the last byte of the answer.", "histogram")
    for route, counts in sorted(buckets.items()):
        below = 0
        for bound, count in zip((*map(str, _SECONDS), "+Inf"), counts, strict=True):
            below += count
            yield _sample("platform_http_request_seconds_bucket", {"route": route, "le": bound}, below)
        yield _sample("platform_http_request_seconds_sum", {"route": route}, seconds[route])
        yield _sample("platform_http_request_seconds_count", {"route": route}, below)
    yield from _family("platform_http_requests_in_flight", "Requests at work now, this one included.", "gauge")
    yield _sample("platform_http_requests_in_flight", {}, measures.in_flight)


def _pool(asker: Asker) -> Iterator[str]:
    yield from _family("platform_pool_connections", "Database connections of this process, and work that waits for one.", "gauge")
    for state, count in kept_counts(asker.service.catalog.url).items():
        yield _sample("platform_pool_connections", {"state": state}, count)


def _warehouse(asker: Asker) -> Iterator[str]:
    for gauge, rows in read_gauges(asker.service.catalog):
        yield from _family(gauge.name, gauge.about, "gauge")
        for *labels, figure in rows:
            yield _sample(gauge.name, dict(zip(gauge.labels, labels, strict=True)), figure)


def _family(name: str, about: str, kind: str) -> Iterable[str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"


def _sample(name: str, labels: Mapping[str, Any], value: float) -> str:
    shown = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
    return f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
