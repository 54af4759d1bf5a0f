"""What the first page shows, a query each, whatever the number of versions. `sources` None: all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg.rows import dict_row

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected

Row = dict[str, Any]
_MINE = "(%(sources)s::text[] IS NULL OR {0}source = ANY(%(sources)s))"
_QUERIES: Mapping[str, str] = {
    "sources": f"""
SELECT v.source, count(*) AS versions, count(DISTINCT v.instance) AS instances,
  count(*) FILTER (WHERE v.completeness = 'complete') AS complete, count(*) FILTER (WHERE v.completeness = 'partial') AS partial,
  count(*) FILTER (WHERE v.completeness = 'unknown') AS unknown, count(*) FILTER (WHERE v.state IN ('failed', 'held')) AS failed,
  max(v.published_at) AS published_at, max(t.tables) AS tables, max(t.rows) AS rows, max(r.rejects) AS rejects
FROM catalog.versions v
LEFT JOIN (SELECT source, count(*) AS tables, sum(rows)::bigint AS rows FROM catalog.tables GROUP BY source) t USING (source)
LEFT JOIN (SELECT source, sum(rejected)::bigint AS rejects FROM catalog.snapshots GROUP BY source) r USING (source)
WHERE {_MINE.format("v.")} GROUP BY v.source ORDER BY v.source
""",
    "dumps": f"""
SELECT v.version, v.source, v.instance, v.label, v.path, v.bytes, v.state, v.completeness, v.reasons, v.error, v.registered_at,
  s.tables, s.accepted, s.rejected
FROM (SELECT * FROM catalog.versions v WHERE {_MINE.format("v.")} ORDER BY registered_at DESC, version LIMIT %(limit)s) v
LEFT JOIN LATERAL (
  SELECT count(*) AS tables, sum(accepted)::bigint AS accepted, sum(rejected)::bigint AS rejected FROM catalog.snapshots s
  WHERE s.version = v.version
) s ON true
ORDER BY v.registered_at DESC, v.version
""",
    "loads": f"""
SELECT at, operation, subject, source, rows, seconds, outcome, details->>'error' AS error FROM catalog.import_log
WHERE operation NOT IN ('import_start', 'import_chunk') AND {_MINE.format("")} ORDER BY id DESC LIMIT %(limit)s
""",
    "rules": f"""
SELECT source, table_name, rule, kind, severity, sum(failed)::bigint AS failed, sum(checked)::bigint AS checked,
  count(*) FILTER (WHERE failed > 0) AS versions
FROM catalog.rule_results WHERE failed > 0 AND {_MINE.format("")}
GROUP BY source, table_name, rule, kind, severity ORDER BY failed DESC, source, table_name, rule LIMIT %(limit)s
""",
    "backups": f"""
SELECT DISTINCT ON (source, table_name) source, table_name, backup_id, rows, bytes, created_at, verified_ok, drill_at, drill_ok
FROM catalog.backups WHERE {_MINE.format("")} ORDER BY source, table_name, created_at DESC, backup_id DESC
""",
}
_VERSIONS = """
SELECT s.version, v.instance, v.label, v.completeness, o.place, o.moment, s.accepted, s.rejected
FROM catalog.snapshots s JOIN catalog.versions v USING (version) LEFT JOIN catalog.version_order o USING (version)
WHERE s.source = %s AND s.table_name = %s ORDER BY v.instance, o.place NULLS LAST, v.registered_at, v.version
"""
SECONDS = 20


def overview(catalog: Catalog, sources: Sequence[str] | None, *, limit: int) -> dict[str, list[Row]]:
    """`sources`, `dumps`, `loads`, `rules`, `backups`, newest or largest first where there may be more than `limit`."""
    values = {"sources": list(sources) if sources is not None else None, "limit": limit}
    with _cursor(catalog) as cursor:
        return {name: cursor.execute(query, values).fetchall() for name, query in _QUERIES.items()}


def versions_of(catalog: Catalog, source: str, table: str) -> list[Row]:
    """The versions of a table by instance in their order, oldest first, in one query."""
    with _cursor(catalog) as cursor:
        found: list[Row] = cursor.execute(_VERSIONS, (source, table)).fetchall()
        return found


@contextmanager
def _cursor(catalog: Catalog) -> Iterator[Any]:
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
        yield cursor
