"""What became of a batch of posted rows, and the thread that lands them while the service runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path

from platform_assets.api.problems import Problem
from platform_assets.api.service import Asker, Service
from platform_assets.errors import PlatformError
from platform_assets.operations.landing import land_all
from platform_assets.storage.catalog.api_requests import forget_old
from platform_assets.storage.catalog.posted_batches import BatchRecord, batches_of

router = APIRouter(prefix="/v1/batches", tags=["writing"])
_LOG = logging.getLogger("uvicorn.error")
_FORGET_EVERY = 1_000
"""Rounds of landing between two looks for answers that are old."""
_REST = 4
"""So many times as long as it took, landing rests: it merges whole tables, and those who post want the processors too."""
LAST_SECONDS = 10.0
"""How long the end of the service waits for a landing at work: that of a large table takes minutes, and each step can be repeated."""


@router.get("/{batch_id}", responses={404: {"description": "No such batch was posted to a source that this key may read or write."}})
def state(batch_id: Annotated[str, Path(pattern=r"^api-\d{20}-[0-9a-f]{12}$")], asker: Asker) -> dict[str, Any]:
    """Where a batch is: `posted` (in the latest state), `landing` or `landed`, as a version that stands with the others.
    The id of a request for several tables tells the batch of each."""
    found = [one for one in batches_of(asker.service.catalog, batch_id) if asker.may("read", one.source) or asker.may("write", one.source)]
    if not found:
        raise Problem(404, "There is no such batch.")
    if found[0].batch_id == batch_id:
        return _told(found[0])
    return {"batch_id": batch_id, "tables": [_told(one) for one in found]}


def _told(one: BatchRecord) -> dict[str, Any]:
    return {
        "batch_id": one.batch_id,
        "table": f"{one.source}.{one.table_name}",
        "posted_at": one.posted_at,
        "rows": one.rows,
        "rejected": one.rejected,
        "state": "landed" if not one.waiting else "landing" if one.folder else "posted",
        "version": one.version,
    }


@contextmanager
def landing(service: Service) -> Iterator[None]:
    """A thread that lands what waits, every few seconds. What waits at the end lands when the service runs again, or with an ingest."""
    ended = threading.Event()
    thread = threading.Thread(target=_land_until, args=(service, ended), name="landing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LAST_SECONDS)
        if thread.is_alive():
            _LOG.warning("posted rows are still landing; what is not done lands when the service runs again, or with an ingest")


def _land_until(service: Service, ended: threading.Event) -> None:
    """A failure is told and tried again: the rows wait in the catalog, and whoever ingests lands them as well."""
    rounds, pause = 0, service.limits.landing_seconds
    while not ended.wait(pause):
        began = time.monotonic()
        try:
            land_all(service.settings, service.catalog)
            if rounds % _FORGET_EVERY == 0:
                forget_old(service.catalog)
        except PlatformError as error:
            _LOG.warning("posted rows have not landed yet: %s", error.message)
        except Exception:
            _LOG.exception("posted rows have not landed yet")
        rounds, pause = rounds + 1, max(service.limits.landing_seconds, _REST * (time.monotonic() - began))
