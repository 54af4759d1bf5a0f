"""The catalog's tables of the HTTP service, on the metadata of `tables`: keys, and requests that may be repeated. No query stands here."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from platform_assets.storage.catalog.tables import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, comment="SHA-256 of the secret of 256 random bits, which stands nowhere"),
    Column("scopes", JSONB, nullable=False, server_default=text("'{}'"), comment="source, or * for all, to its scopes"),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", TIMESTAMP(timezone=True)),
    Column("revoked_at", TIMESTAMP(timezone=True)),
)

api_requests = Table(
    "api_requests",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("request", Text, nullable=False, comment="hash of path, query and body"),
    Column("batch_id", Text, nullable=False),
    Column("status", Integer, comment="of the answer; NULL: none was given yet"),
    Column("answer", JSONB),
    Column("at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Index("api_requests_at", "at"),
)
