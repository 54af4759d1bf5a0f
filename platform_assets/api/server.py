"""The service as a process: uvicorn on one address until it is told to stop."""

from __future__ import annotations

import gc

import uvicorn

from platform_assets.api.app import application
from platform_assets.settings import Settings

STOP_SECONDS = 10
GARBAGE = 20_000
"""New objects after which Python looks for cycles; about a batch."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Blocks until SIGINT or SIGTERM; requests that are at work then have ten seconds to end. The service logs to standard error."""
    served = application(settings)
    gc.freeze()  # a batch makes ten thousand small objects: Python would look among all modules for cycles, a tenth of the time
    gc.set_threshold(GARBAGE)
    uvicorn.run(
        served,
        host=host,
        port=port,
        log_level="info",
        server_header=False,
        proxy_headers=False,
        ws="websockets-sansio",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
