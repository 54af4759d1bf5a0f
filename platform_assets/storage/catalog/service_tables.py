"""The catalog's tables of the HTTP service, on the metadata of `tables`: keys, logins, requests that may be repeated, posted rows.

No query stands here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, LargeBinary, Table, Text, func, text
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

posted_batches = Table(
    "posted_batches",
    metadata,
    Column("seq", BigInteger, Identity(), primary_key=True),
    Column("batch_id", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("posted_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("rows", Integer, nullable=False, comment="that were posted, those that could not be rows included"),
    Column("rejected", Integer, nullable=False),
    Column("size", Integer, nullable=False, comment="bytes of the lines, unpacked"),
    Column("lines", LargeBinary, comment="readable rows as JSON lines, packed by zstd; NULL once they have landed"),
    Column("definition", JSONB, nullable=False, comment="of the table when they were posted"),
    Column("refused", JSONB, nullable=False, server_default=text("'[]'"), comment="what came in the place of rows"),
    Column("identities", LargeBinary, comment="eight bytes per row and rule that rows keep together: keys, unique columns"),
    Column("applied", Boolean, nullable=False, comment="its accepted rows are in the latest state"),
    Column("folder", Text, comment="the dump that it lands in, relative to the home"),
    Column("version", Text, comment="of that dump"),
    Column("request", Text, comment="the id of a request for several tables; its batches of one source land together"),
    Index("posted_batches_waiting", "source", "seq", postgresql_where=text("lines IS NOT NULL")),
    Index("posted_batches_version", "version"),
    Index("posted_batches_request", "request", postgresql_where=text("request IS NOT NULL")),
)

api_sessions = Table(
    "api_sessions",
    metadata,
    Column("hash", Text, primary_key=True, comment="SHA-256 of the 256 random bits in the cookie, which stand nowhere"),
    Column("key_id", Text, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
)
