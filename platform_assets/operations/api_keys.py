"""Keys of the HTTP service: made, recognized, and what each of them allows. Not here: HTTP (api)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.errors import PlatformError
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.api_keys import KeyRecord, add_key, all_keys, key_of, revoke_key
from platform_assets.versions.keys import checked_source

SCOPES = ("read", "write", "operate", "admin")
EVERY_SOURCE = "*"
_TOKEN = re.compile(r"pa_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = hashlib.sha256(b"").hexdigest()


def create_key(catalog: Catalog, name: str, scopes: Sequence[str], *, days: int | None = None) -> tuple[KeyRecord, str]:
    """A new key and its token, which is told this once: 256 random bits, of which the catalog keeps the hash.

    `scopes` are `read` for every source or `hr:read` for one. Raises PlatformError for what is no scope, UnknownSource.
    """
    secret = secrets.token_urlsafe(32)
    expires = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    record = KeyRecord(secrets.token_hex(6), name, _hash(secret), _granted(scopes), None, expires)
    add_key(catalog, record)
    return record, f"pa_{record.id}_{secret}"


def _granted(scopes: Sequence[str]) -> dict[str, list[str]]:
    granted: dict[str, list[str]] = {}
    for text in scopes:
        source, _, scope = text.rpartition(":")
        if scope not in SCOPES:
            raise PlatformError(f"{text!r} is no scope: write one of {', '.join(SCOPES)}, or SOURCE:SCOPE for one source alone.")
        granted.setdefault(checked_source(source) if source and source != EVERY_SOURCE else EVERY_SOURCE, []).append(scope)
    if not granted:
        raise PlatformError(f"A key without a scope opens nothing: name one of {', '.join(SCOPES)} with --scope.")
    return granted


def recognized(catalog: Catalog, token: str) -> KeyRecord | None:
    """The valid key of a token; None for one that is unknown, wrong, revoked or expired. Secrets are compared in constant time."""
    found = _TOKEN.fullmatch(token)
    record = key_of(catalog, found[1]) if found else None
    proven = hmac.compare_digest(_hash(found[2] if found else ""), record.hash if record else _NOBODY)
    return record if record is not None and proven and _valid(record) else None


def valid_key(catalog: Catalog, key_id: str) -> KeyRecord | None:
    """The key with this id; None for one that is not there, revoked or expired. It proves nothing about who asks."""
    record = key_of(catalog, key_id)
    return record if record is not None and _valid(record) else None


def _valid(record: KeyRecord) -> bool:
    return record.revoked_at is None and (record.expires_at is None or record.expires_at > datetime.now(UTC))


def allows(key: KeyRecord, scope: str, source: str) -> bool:
    """`admin` allows everything; the other scopes do not imply each other."""
    granted = {*key.scopes.get(EVERY_SOURCE, ()), *key.scopes.get(source, ())}
    return scope in granted or "admin" in granted


def listed(catalog: Catalog) -> list[dict[str, Any]]:
    """One row per key, without its hash."""
    now = datetime.now(UTC)
    return [
        {
            "id": key.id,
            "name": key.name,
            "scopes": [scope if source == EVERY_SOURCE else f"{source}:{scope}" for source, given in key.scopes.items() for scope in given],
            "state": "revoked" if key.revoked_at else "expired" if key.expires_at and key.expires_at <= now else "valid",
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        for key in all_keys(catalog)
    ]


def revoke(catalog: Catalog, key_id: str) -> None:
    """From now on. Raises PlatformError when there is no such key."""
    if not revoke_key(catalog, key_id):
        raise PlatformError(f"There is no key {key_id!r}; `platform-assets keys list` names them.", key=key_id)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
