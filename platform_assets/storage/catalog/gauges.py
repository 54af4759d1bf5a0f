"""Figures of the warehouse for monitoring, each one query; no row's values, only names of sources and tables, states and counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import connected


@dataclass(frozen=True)
class Gauge:
    """`labels` name the first columns of the query, the last one is the figure."""

    name: str
    about: str
    labels: tuple[str, ...]
    query: str


GAUGES = (
    Gauge(
        "platform_rows_accepted",
        "Rows of all versions that were accepted.",
        ("source", "table"),
        "SELECT source, table_name, sum(accepted)::bigint FROM catalog.snapshots GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Gauge(
        "platform_rows_rejected",
        "Rows of all versions that were rejected.",
        ("source", "table"),
        "SELECT source, table_name, sum(rejected)::bigint FROM catalog.snapshots GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Gauge(
        "platform_versions",
        "Dump versions by state.",
        ("source", "state"),
        "SELECT source, state, count(*) FROM catalog.versions GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Gauge(
        "platform_partial_dumps",
        "Dump versions that are known to be incomplete.",
        ("source",),
        "SELECT source, count(*) FILTER (WHERE completeness = 'partial') FROM catalog.versions GROUP BY 1 ORDER BY 1",
    ),
    Gauge(
        "platform_rejects",
        "Rejected rows that are kept, by what became of them.",
        ("source", "status"),
        "SELECT source, status, count(*) FROM catalog.rejects GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Gauge(
        "platform_backup_age_seconds",
        "Age of the newest backup of the table of a source that was backed up least recently; absent where one has none.",
        ("source",),
        """SELECT source, extract(epoch FROM now() - min(newest))::bigint FROM (
             SELECT t.source, max(b.created_at) AS newest FROM catalog.tables t
             LEFT JOIN catalog.backups b ON b.source = t.source AND b.table_name = t.table_name
             WHERE t.relation IS NOT NULL GROUP BY t.source, t.table_name) n
           GROUP BY 1 HAVING count(*) = count(newest) ORDER BY 1""",
    ),
    Gauge(
        "platform_drill_age_seconds",
        "The same of the newest backup that was restored in a drill, equal row for row.",
        ("source",),
        """SELECT source, extract(epoch FROM now() - min(newest))::bigint FROM (
             SELECT t.source, max(b.drill_at) FILTER (WHERE b.drill_ok) AS newest FROM catalog.tables t
             LEFT JOIN catalog.backups b ON b.source = t.source AND b.table_name = t.table_name
             WHERE t.relation IS NOT NULL GROUP BY t.source, t.table_name) n
           GROUP BY 1 HAVING count(*) = count(newest) ORDER BY 1""",
    ),
    Gauge(
        "platform_posted_rows_waiting",
        "Posted rows that are in the latest state and have not landed as a dump yet; they are among no other figure.",
        ("source", "table"),
        "SELECT source, table_name, sum(rows)::bigint FROM catalog.posted_batches WHERE lines IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    Gauge("platform_database_bytes", "Size of the warehouse database.", (), "SELECT pg_database_size(current_database())"),
    Gauge(
        "platform_database_connections",
        "Connections to the warehouse database, of everybody.",
        ("state",),
        """SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1 ORDER BY 1""",
    ),
)


def read_gauges(catalog: Catalog) -> Iterator[tuple[Gauge, list[tuple[Any, ...]]]]:
    """Each gauge with its rows: labels and figure. Raises DatabaseUnavailable."""
    with connected(catalog.url) as connection:
        for gauge in GAUGES:
            yield gauge, connection.execute(gauge.query).fetchall()
