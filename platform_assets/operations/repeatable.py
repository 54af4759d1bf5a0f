"""Requests that may be sent again: the first to come does the work, the others get its answer. Not here: what the work is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from platform_assets.errors import Conflict, RefusedQuery
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.api_requests import begin_request, finish_request
from platform_assets.storage.warehouse.protocol import session_lock


@dataclass(frozen=True)
class Answer:
    """`repeated`: it was stored before."""

    status: int
    body: Mapping[str, Any]
    repeated: bool = False


def once(
    catalog: Catalog, key_id: str, idempotency_key: str, request: str, batch_id: str, work: Callable[[str], tuple[int, Mapping[str, Any]]]
) -> Answer:
    """The answer to a request, from `work` unless it was given before. `request` is the hash of all that was asked.

    `work` gets the id under which the request was begun first: after a crash it finds what it did. The lock goes with the process, so
    a request whose process died is not held to be running. Raises Conflict while it is at work elsewhere, RefusedQuery when the same
    key came with another request.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(session_lock(catalog.url, f"request/{key_id}/{idempotency_key}"))
        except Conflict:
            raise Conflict("The request of this Idempotency-Key is still at work; ask again for its answer.") from None
        standing = begin_request(catalog, key_id, idempotency_key, request, batch_id)
        if standing.request != request:
            raise RefusedQuery("This Idempotency-Key came before with another request; a new request needs a new one.")
        if standing.status is not None:
            return Answer(standing.status, standing.answer or {}, repeated=True)
        status, body = work(standing.batch_id)
        finish_request(catalog, key_id, idempotency_key, status, body)
        return Answer(status, body)
