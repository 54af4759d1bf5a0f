"""How the rules fared over the versions of a source, as it was recorded with each verdict."""

from __future__ import annotations

from psycopg.rows import class_row

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import RuleResult
from platform_assets.storage.server.sessions import connected

_NEWEST = """
WITH placed AS (
  SELECT v.version, row_number() OVER (ORDER BY o.place NULLS LAST, v.registered_at, v.version) AS n
  FROM catalog.versions v LEFT JOIN catalog.version_order o ON o.version = v.version
  WHERE v.source = %s AND v.state IN ('published', 'held')
), newest AS (SELECT * FROM placed ORDER BY n DESC LIMIT %s)
SELECT r.* FROM newest JOIN catalog.rule_results r ON r.version = newest.version ORDER BY newest.n, r.table_name, r.rule"""


def newest_results(catalog: Catalog, source: str, versions: int) -> list[RuleResult]:
    """Of so many newest versions, oldest first by their order; a version that has no place yet is newer than those that have."""
    with connected(catalog.url) as connection, connection.cursor(row_factory=class_row(RuleResult)) as cursor:
        return cursor.execute(_NEWEST, (source, versions)).fetchall()
