"""The queries behind the listing commands, one each, and how their rows become records."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

R = TypeVar("R")

DUMPS = """
SELECT v.version, v.source, v.instance, v.label, v.path, v.bytes, v.state, v.completeness, v.reasons, v.error, v.registered_at,
  v.published_at, o.place, s.table_name, s.rows_read, s.accepted, s.rejected, s.recovered, s.unreadable, s.child_schema,
  s.child_table, t.rows AS latest_rows
FROM catalog.versions v
LEFT JOIN catalog.version_order o USING (version)
LEFT JOIN catalog.snapshots s USING (version)
LEFT JOIN catalog.tables t ON t.source = s.source AND t.table_name = s.table_name
WHERE (%s::text IS NULL OR v.source = %s) AND (%s::text[] IS NULL OR v.version = ANY(%s))
ORDER BY v.source, v.instance, o.place NULLS LAST, v.registered_at, v.version, s.table_name
"""

TABLES = """
SELECT t.source, t.table_name, t.table_key, t.schema_name, t.relation, t.key, t.rows, t.versions, t.published_at,
  coalesce(jsonb_array_length(t.schema -> 'columns'), 0) AS columns,
  coalesce(t.changed_load_id > coalesce(t.published_load_id, 0), false) AS stale,
  coalesce(r.open_rejects, 0) AS open_rejects, coalesce(p.partial_versions, 0) AS partial_versions,
  b.backup_id AS last_backup_id, b.created_at AS last_backup_at, b.verified_ok AS last_backup_ok
FROM catalog.tables t
LEFT JOIN (
  SELECT source, table_name, count(*) AS open_rejects FROM catalog.rejects WHERE status = 'open' GROUP BY source, table_name
) r ON r.source = t.source AND r.table_name = t.table_name
LEFT JOIN (
  SELECT s.source, s.table_name, count(*) AS partial_versions
  FROM catalog.snapshots s JOIN catalog.versions v USING (version) WHERE v.completeness = 'partial' GROUP BY s.source, s.table_name
) p ON p.source = t.source AND p.table_name = t.table_name
LEFT JOIN LATERAL (
  SELECT backup_id, created_at, verified_ok FROM catalog.backups k
  WHERE k.source = t.source AND k.table_name = t.table_name ORDER BY created_at DESC, backup_id DESC LIMIT 1
) b ON true
WHERE (%s::text IS NULL OR t.source = %s)
ORDER BY t.source, t.table_name
"""


def record(kind: type[R], row: dict[str, Any]) -> R:
    """A frozen record from a row of its columns: JSON lists become tuples, a dump's time gets its type back."""
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: _value(name, row[name]) for name in names})


def _value(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return datetime.fromisoformat(value) if name == "dump_time" and value is not None else value
