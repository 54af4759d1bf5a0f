"""The rows of the listing commands, with the keys that `--json` documents (docs/json.md). Imports no Arrow: a listing answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platform_assets.errors import NoSuchTable
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.quarantine import by_ids
from platform_assets.storage.catalog.records import BackupRecord, RejectRow

Row = dict[str, Any]


def dumps(catalog: Catalog) -> list[Row]:
    """One row per version and table; a version without tables has one row with NULLs."""
    return [
        {
            "version": listed.version,
            "source": listed.source,
            "instance": listed.instance,
            "place": listed.place,
            "state": listed.state,
            "completeness": listed.completeness,
            "reasons": list(listed.reasons),
            "table": listed.table_name,
            "rows_read": listed.rows_read,
            "accepted": listed.accepted,
            "rejected": listed.rejected,
            "recovered": listed.recovered,
            "relation": f"{listed.child_schema}.{listed.child_table}" if listed.child_table else None,
            "path": listed.path,
            "bytes": listed.bytes,
            "registered_at": listed.registered_at,
            "error": listed.error,
        }
        for listed in catalog.dump_listing()
    ]


def tables(catalog: Catalog) -> list[Row]:
    """One row per table."""
    return [
        {
            "table": f"{listed.source}.{listed.table_name}",
            "relation": f"{listed.schema_name}.{listed.relation}" if listed.relation else None,
            "rows": listed.rows,
            "columns": listed.columns,
            "key": list(listed.key),
            "versions": listed.versions,
            "partial_versions": listed.partial_versions,
            "open_rejects": listed.open_rejects,
            "stale": listed.stale,
            "published_at": listed.published_at,
            "last_backup": listed.last_backup_id,
            "last_backup_at": listed.last_backup_at,
            "last_backup_ok": listed.last_backup_ok,
        }
        for listed in catalog.table_listing()
    ]


def rejects(catalog: Catalog, table: str | None, *, limit: int | None, every: bool = False) -> list[Row]:
    """One row per rejected or recovered row, with all its reasons; with `every` also those that were replayed or discarded."""
    record = catalog.table(table) if table else None
    statuses = None if every else ("open", "waiting", "recovered")
    return [_reject_row(reject) for reject in catalog.rejects(record, statuses=statuses, limit=limit)]


def reject(catalog: Catalog, id_: int) -> Row | None:
    """The one that has this id."""
    return next((_reject_row(found) for found in by_ids(catalog, [id_])), None)


def _reject_row(reject: RejectRow) -> Row:
    violations = [dict(one) for one in reject.violations if not isinstance(one, str)]
    return {
        "id": reject.id,
        "table": f"{reject.source}.{reject.table_name}" if reject.table_name else None,
        "version": reject.version,
        "instance": reject.instance,
        "file": reject.file,
        "line": reject.line,
        "row": reject.row_number,
        "offset": reject.byte_offset,
        "status": reject.status,
        "reasons": "; ".join(str(violation["message"]) for violation in violations),
        "violations": violations,
        "raw": reject.raw,
        "dictionary_version": reject.dictionary_version,
        "changed_by": reject.changed_by,
        "changed_at": reject.changed_at,
        "why": reject.why,
        "first_seen": reject.first_seen,
        "last_seen": reject.last_seen,
    }


def newest_backups(catalog: Catalog, keys: Sequence[str]) -> list[Row]:
    """The newest backup of each table (by partition key), and whether it was proven and restored in its drill."""
    rows = []
    for key in keys:
        record = catalog.table(key)
        found: list[BackupRecord] = catalog.backups(record.source, record.table_name)
        if found:
            newest = found[0]
            rows.append(
                {
                    "table": f"{newest.source}.{newest.table_name}",
                    "backup": newest.backup_id,
                    "rows": newest.rows,
                    "bytes": newest.bytes,
                    "created_at": newest.created_at,
                    "proven": newest.verified_ok,
                    "restores": newest.drill_ok,
                    "folder": newest.folder,
                }
            )
    return rows


def partial_versions(catalog: Catalog, table: str, version: str | None) -> list[Row]:
    """The versions of a table (or this one) that come from partial dumps, with the reasons."""
    record = catalog.table(table)
    known = {
        found.version for found in catalog.snapshots(source=record.source, table=record.table_name) if version in (None, found.version)
    }
    return [
        {"version": one.version, "reasons": list(one.reasons)}
        for one in catalog.versions(source=record.source)
        if one.version in known and one.completeness == "partial"
    ]


def relation_of(catalog: Catalog, table: str, version: str | None) -> tuple[str, str]:
    """(schema, name) of a table's latest state, or of one version's table. Raises NoSuchTable."""
    record = catalog.table(table)
    if version is None:
        if record.schema_name is None or record.relation is None:
            raise NoSuchTable(f"{record.source}.{record.table_name} has no latest state yet: run platform-assets ingest.", table=table)
        return record.schema_name, record.relation
    found = catalog.snapshots(source=record.source, table=record.table_name)
    for snapshot in found:
        if snapshot.version == version and snapshot.child_schema and snapshot.child_table:
            return snapshot.child_schema, snapshot.child_table
        if snapshot.version == version:
            raise NoSuchTable(
                f"Version {version} of {table} is in the store, but no longer in the warehouse (sources.{record.source}.versions in "
                "platform.yaml). To have it there again, materialize version_table for it.",
                table=table,
                version=version,
            )
    known = ", ".join(snapshot.version for snapshot in found) or "none"
    raise NoSuchTable(f"Version {version!r} has no table {table}. Versions that have it: {known}.", table=table, version=version)
