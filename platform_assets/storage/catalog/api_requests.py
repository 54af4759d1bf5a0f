"""Requests of the HTTP service that bear an Idempotency-Key, with the answers that were given.

Of posted rows the answer is stored in the transaction that makes it true (`take_turn`, `standing`, `answered`); of long work the request is
stored before it and the answer behind it (`begin_request`, `finish_request`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import Connection, connected, lock_number

KEPT = "7 days"


@dataclass(frozen=True)
class RequestRecord:
    """`request` is the hash of what was asked; `status` is None while no answer was given."""

    request: str
    batch_id: str
    status: int | None
    answer: Mapping[str, Any] | None


def take_turn(connection: Connection, key_id: str, idempotency_key: str) -> bool:
    """Whether nobody else is at work on the request now; the turn ends with the transaction, and with its process."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock_number(f"request/{key_id}/{idempotency_key}"),)).fetchone()
    return bool(row and row[0])


def standing(connection: Connection, key_id: str, idempotency_key: str) -> RequestRecord | None:
    """The request as it was answered within the last days; None when it was not."""
    row = connection.execute(
        """SELECT request, batch_id, status, answer FROM catalog.api_requests
           WHERE key_id = %s AND idempotency_key = %s AND at > now() - %s::interval AND status IS NOT NULL""",
        (key_id, idempotency_key, KEPT),
    ).fetchone()
    return RequestRecord(*row) if row else None


def answered(connection: Connection, key_id: str, idempotency_key: str, request: str, batch_id: str, status: int, answer: str) -> None:
    """Stores an answer (JSON), in place of one that was forgotten."""
    connection.execute(
        """INSERT INTO catalog.api_requests (key_id, idempotency_key, request, batch_id, status, answer) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (key_id, idempotency_key) DO UPDATE SET request = excluded.request, batch_id = excluded.batch_id,
             status = excluded.status, answer = excluded.answer, at = now()""",
        (key_id, idempotency_key, request, batch_id, status, answer),
    )


def begin_request(catalog: Catalog, key_id: str, idempotency_key: str, request: str, batch_id: str) -> RequestRecord:
    """The request as it stands: the one before, if there was one, else this one, which is then committed, without an answer."""
    with connected(catalog.url) as connection:
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


def forget_old(catalog: Catalog) -> None:
    """Answers are kept for some days."""
    with connected(catalog.url) as connection:
        connection.execute("DELETE FROM catalog.api_requests WHERE at < now() - %s::interval", (KEPT,))
