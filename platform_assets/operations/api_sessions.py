"""Logins of browsers: a key is shown once, and a random secret stands for it until it ends. Not here: cookies (api)."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta

from platform_assets.operations.api_keys import recognized, valid_key
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.api_keys import KeyRecord
from platform_assets.storage.catalog.api_sessions import add_session, key_id_of_session, remove_session

SESSION_HOURS = 12
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def begin_session(catalog: Catalog, token: str) -> tuple[str, KeyRecord] | None:
    """A new secret of 256 random bits for the key of this token, of which the catalog keeps the hash. None for a token of no valid key."""
    key = recognized(catalog, token)
    if key is None:
        return None
    secret = secrets.token_urlsafe(32)
    add_session(catalog, _hash(secret), key.id, datetime.now(UTC) + timedelta(hours=SESSION_HOURS))
    return secret, key


def key_of_session(catalog: Catalog, secret: str) -> KeyRecord | None:
    """The key that a session stands for, while both are valid. It is looked up by the secret's hash: the time that this takes tells
    nothing of a secret."""
    key_id = key_id_of_session(catalog, _hash(secret)) if _SECRET.fullmatch(secret) else None
    return valid_key(catalog, key_id) if key_id else None


def end_session(catalog: Catalog, secret: str) -> None:
    """From now on, wherever the cookie was copied to."""
    remove_session(catalog, _hash(secret))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
