"""What runs were asked for, so that work that did not get done is asked for again, a few times. What is due: operations.requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected


@dataclass(frozen=True)
class Request:
    """How often work on a subject was asked for; a new `basis` starts anew. `requested_at` is in seconds since 1970."""

    subject: str
    basis: str
    attempts: int
    requested_at: float


def requests(catalog: Catalog) -> dict[str, Request]:
    """By subject."""
    with connected(catalog.url) as connection:
        rows = connection.execute("SELECT subject, basis, attempts, extract(epoch FROM requested_at)::float8 FROM catalog.work_requests")
        return {row[0]: Request(*row) for row in rows}


def record_requests(catalog: Catalog, subjects: Mapping[str, str]) -> None:
    """Counts one more attempt for each subject (-> its basis); the first one of a new basis."""
    with connected(catalog.url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO catalog.work_requests AS r (subject, basis, attempts) VALUES (%s, %s, 1)
               ON CONFLICT (subject) DO UPDATE SET requested_at = now(), basis = excluded.basis,
                 attempts = CASE WHEN r.basis = excluded.basis THEN r.attempts + 1 ELSE 1 END""",
            list(subjects.items()),
        )
