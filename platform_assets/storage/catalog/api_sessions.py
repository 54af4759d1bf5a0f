"""Logins of browsers in the catalog: the hash of what stands in a cookie, and the key that it was given for. Secrets: operations."""

from __future__ import annotations

from datetime import datetime

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected


def add_session(catalog: Catalog, hash_: str, key_id: str, expires_at: datetime) -> None:
    """Forgets those that have ended as well."""
    with connected(catalog.url) as connection:
        connection.execute("DELETE FROM catalog.api_sessions WHERE expires_at < now()")
        connection.execute("INSERT INTO catalog.api_sessions (hash, key_id, expires_at) VALUES (%s, %s, %s)", (hash_, key_id, expires_at))


def key_id_of_session(catalog: Catalog, hash_: str) -> str | None:
    """None for one that is not there or has ended."""
    with connected(catalog.url) as connection:
        row = connection.execute("SELECT key_id FROM catalog.api_sessions WHERE hash = %s AND expires_at > now()", (hash_,)).fetchone()
    return str(row[0]) if row else None


def remove_session(catalog: Catalog, hash_: str) -> None:
    with connected(catalog.url) as connection:
        connection.execute("DELETE FROM catalog.api_sessions WHERE hash = %s", (hash_,))
