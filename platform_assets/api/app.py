"""The application: its routes, its limits, what it says of its health. `application` assembles it; running it is server's business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from platform_assets import __version__
from platform_assets.api import (
    batches,
    dashboard,
    dumps,
    exposition,
    gate,
    html,
    metrics,
    operations,
    rows,
    sessions,
    tables,
    times,
)
from platform_assets.api.batches import landing
from platform_assets.api.limits import Bounded, Limits
from platform_assets.api.problems import RESPONSES, RETRY_SECONDS, answer, handle_problems
from platform_assets.api.service import Service, service_of
from platform_assets.errors import PlatformError
from platform_assets.settings import Settings
from platform_assets.storage.leftovers import working

_ABOUT = "Tables of the warehouse over HTTP. Every route under /v1 needs a key: `platform-assets keys create NAME --scope read`."


def application(settings: Settings, *, limits: Limits | None = None) -> FastAPI:
    """The service of one home. No CORS headers are sent: pages of other origins cannot read it."""
    limits = limits or Limits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service: Service = app.state.service
        with working(service.home), closing(service), landing(service):
            yield

    app = FastAPI(title="platform-assets", version=__version__, description=_ABOUT, lifespan=lifespan, redoc_url=None, responses=RESPONSES)
    app.state.service = Service(settings, limits)
    handle_problems(app)
    for router in (
        tables.router,
        rows.router,
        batches.router,
        times.router,
        dumps.router,
        operations.router,
        sessions.router,
        html.router,
        metrics.router,
        dashboard.router,
        gate.router,
        exposition.router,
    ):
        app.include_router(router)
    app.add_api_route("/healthz", healthz, methods=["GET"], tags=["health"])
    app.add_api_route("/readyz", readyz, methods=["GET"], tags=["health"])
    app.add_middleware(Bounded, limits=limits)
    app.state.measures = exposition.Measures()
    app.add_middleware(exposition.Measured, measures=app.state.measures)
    return app


async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


def readyz(request: Request) -> JSONResponse:
    """The database answers as well."""
    service = service_of(request)
    try:
        service.catalog.ensure()
    except PlatformError:
        service.reconnect()
        return answer(503, "The database does not answer.", {"Retry-After": RETRY_SECONDS})
    return JSONResponse({"status": "ready"})
