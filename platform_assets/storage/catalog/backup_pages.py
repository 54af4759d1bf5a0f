"""Backups in pages, the newest first."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from psycopg.rows import dict_row

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.listings import record
from platform_assets.storage.catalog.records import BackupRecord
from platform_assets.storage.server.sessions import connected

Place = tuple[datetime, str, str, str]
"""Created at, source, table, backup id: the order of the pages, descending."""
_PAGE = """
SELECT * FROM catalog.backups
WHERE (%(sources)s::text[] IS NULL OR source = ANY(%(sources)s)) AND (%(table)s::text IS NULL OR table_name = %(table)s)
  AND (%(at)s::timestamptz IS NULL OR (created_at, source, table_name, backup_id) < (%(at)s, %(source)s, %(name)s, %(id)s))
ORDER BY created_at DESC, source DESC, table_name DESC, backup_id DESC LIMIT %(limit)s
"""


def backups_page(
    catalog: Catalog, *, sources: Collection[str] | None, table: str | None, after: Place | None, limit: int
) -> list[BackupRecord]:
    """Those behind a place; `sources` None: of all of them."""
    at, source, name, backup_id = after or (None, None, None, None)
    values = {"at": at, "source": source, "name": name, "id": backup_id, "table": table, "limit": limit}
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_PAGE, values | {"sources": list(sources) if sources is not None else None}).fetchall()
    return [record(BackupRecord, row) for row in rows]
