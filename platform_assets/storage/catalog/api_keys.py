"""The API keys in the catalog. A secret is never stored and never read from here; what a key allows is operations.api_keys' business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected

_COLUMNS = "id, name, hash, scopes, created_at, expires_at, revoked_at"


@dataclass(frozen=True)
class KeyRecord:
    """One key. `scopes`: source, or `*` for all of them, to its scopes; `hash` is the SHA-256 of its secret, as hexadecimal digits."""

    id: str
    name: str
    hash: str
    scopes: Mapping[str, list[str]]
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


def add_key(catalog: Catalog, record: KeyRecord) -> None:
    with connected(catalog.url) as connection:
        connection.execute(
            "INSERT INTO catalog.api_keys (id, name, hash, scopes, expires_at) VALUES (%s, %s, %s, %s, %s)",
            (record.id, record.name, record.hash, Jsonb(dict(record.scopes)), record.expires_at),
        )


def key_of(catalog: Catalog, key_id: str) -> KeyRecord | None:
    with connected(catalog.url, autocommit=True) as connection:
        row = connection.execute(f"SELECT {_COLUMNS} FROM catalog.api_keys WHERE id = %s", (key_id,)).fetchone()
    return KeyRecord(*row) if row else None


def all_keys(catalog: Catalog) -> list[KeyRecord]:
    """In the order in which they were made."""
    with connected(catalog.url) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(f"SELECT {_COLUMNS} FROM catalog.api_keys ORDER BY created_at, id").fetchall()
    return [KeyRecord(*row) for row in rows]


def revoke_key(catalog: Catalog, key_id: str) -> bool:
    """False when there is no such key. One that was revoked before stays revoked since then."""
    with connected(catalog.url) as connection:
        done = connection.execute("UPDATE catalog.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s", (key_id,))
    return done.rowcount == 1
