"""Requests of the HTTP service that bear an Idempotency-Key, with the answers that were given. Who may answer now: operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected

KEPT = "7 days"


@dataclass(frozen=True)
class RequestRecord:
    """`request` is the hash of what was asked; `status` is None while no answer was given."""

    request: str
    batch_id: str
    status: int | None
    answer: Mapping[str, Any] | None


def begin_request(catalog: Catalog, key_id: str, idempotency_key: str, request: str, batch_id: str) -> RequestRecord:
    """The request as it stands: the one before, if there was one, else this one, which is then committed. Old answers are forgotten."""
    with connected(catalog.url) as connection:
        connection.execute("DELETE FROM catalog.api_requests WHERE at < now() - %s::interval", (KEPT,))
        connection.execute(
            """INSERT INTO catalog.api_requests (key_id, idempotency_key, request, batch_id) VALUES (%s, %s, %s, %s)
               ON CONFLICT (key_id, idempotency_key) DO NOTHING""",
            (key_id, idempotency_key, request, batch_id),
        )
        row = connection.execute(
            "SELECT request, batch_id, status, answer FROM catalog.api_requests WHERE key_id = %s AND idempotency_key = %s",
            (key_id, idempotency_key),
        ).fetchone()
    assert row is not None
    return RequestRecord(*row)


def finish_request(catalog: Catalog, key_id: str, idempotency_key: str, status: int, answer: Mapping[str, Any]) -> None:
    with connected(catalog.url) as connection:
        connection.execute(
            "UPDATE catalog.api_requests SET status = %s, answer = %s WHERE key_id = %s AND idempotency_key = %s",
            (status, Jsonb(dict(answer)), key_id, idempotency_key),
        )
