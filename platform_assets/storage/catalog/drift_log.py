"""Schema drift in the catalog: the changes of every table and the renames that are proposed, as data for anybody's SQL.

Both are derived from the published snapshots and the order, and replaced when what they derive from changed. Not here: how they are
found (versions.schema_changes, versions.rename_scores, operations.drift).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any, TypeVar

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.listings import record
from platform_assets.storage.catalog.reject_log import storable
from platform_assets.storage.server.sessions import Connection, connected, lock_number
from platform_assets.storage.warehouse.names import quoted

R = TypeVar("R")


@dataclass(frozen=True)
class ChangeRecord:
    """One row of catalog.schema_history."""

    source: str
    table_name: str
    version: str
    number: int
    instance: str
    since: str
    change: str
    column_name: str | None = None
    before: str | None = None
    after: str | None = None
    widening: bool | None = None
    kept_raw: int | None = None


@dataclass(frozen=True)
class ProposalRecord:
    """One row of catalog.renames_proposed. `table_name` is the old name where `kind` is table."""

    source: str
    kind: str
    table_name: str
    version: str
    old_name: str
    new_name: str
    since: str
    score: float
    parts: Mapping[str, float | None] = field(default_factory=dict)
    shared_rows: int | None = None
    note: str | None = None
    basis: str = ""


@dataclass(frozen=True)
class Published:
    """The schemas of a source's published tables. Each is named by a digest, so that equal ones are read and compared once."""

    digests: Mapping[tuple[str, str], str]
    """(version, table) to digest."""
    schemas: Mapping[str, Mapping[str, Any]]
    contents: Mapping[tuple[str, str], str]
    """(version, table) to the hash of the snapshot's rows."""


def published_schemas(catalog: Catalog, source: str) -> Published:
    """What the changes of a source's tables are found from."""
    with connected(catalog.url) as connection:
        rows = connection.execute(
            "SELECT version, table_name, md5(schema::text), content FROM catalog.snapshots WHERE source = %s", (source,)
        ).fetchall()
        schemas = connection.execute(
            "SELECT DISTINCT ON (1) md5(schema::text), schema FROM catalog.snapshots WHERE source = %s ORDER BY 1", (source,)
        ).fetchall()
    places = [(version, table) for version, table, _, _ in rows]
    return Published(
        dict(zip(places, (digest for _, _, digest, _ in rows), strict=True)),
        dict(schemas),
        dict(zip(places, (content or "" for _, _, _, content in rows), strict=True)),
    )


def kept_raw(catalog: Catalog, source: str) -> dict[tuple[str, str], dict[str, int]]:
    """Per version and table that has any: column to the number of its cells that are kept in `_raw`."""
    with connected(catalog.url) as connection:
        rows = connection.execute(
            "SELECT version, table_name, raw_counts FROM catalog.snapshots WHERE source = %s AND raw_counts <> '{}'", (source,)
        ).fetchall()
    return {(version, table): counts for version, table, counts in rows}


def schema_history(catalog: Catalog, source: str, table: str | None = None) -> list[ChangeRecord]:
    """By table, version and number."""
    return _records(catalog, ChangeRecord, "schema_history", source, table, "table_name, version, number")


def proposals(catalog: Catalog, source: str, table: str | None = None) -> list[ProposalRecord]:
    """All that were scored, best first; of a table, also those in which it is the new name."""
    found = _records(catalog, ProposalRecord, "renames_proposed", source, None, "score DESC, table_name, version, old_name")
    return [one for one in found if table in (None, one.table_name) or (one.kind == "table" and one.new_name == table)]


def replace_drift(catalog: Catalog, source: str, history: Sequence[ChangeRecord], proposed: Sequence[ProposalRecord]) -> None:
    """Replaces both for a source, in one transaction; one process at a time."""
    with connected(catalog.url) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(f"drift:{source}"),))
        for name, kind, records in (("schema_history", ChangeRecord, history), ("renames_proposed", ProposalRecord, proposed)):
            connection.execute(f"DELETE FROM catalog.{name} WHERE source = %s", (source,))
            _copy(connection, name, [f.name for f in fields(kind)], map(astuple, records))


def _records(catalog: Catalog, kind: type[R], name: str, source: str, table: str | None, order: str) -> list[R]:
    query = f"SELECT * FROM catalog.{name} WHERE source = %s AND (%s::text IS NULL OR table_name = %s) ORDER BY {order}"
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return [record(kind, row) for row in cursor.execute(query, (source, table, table))]


def _copy(connection: Connection, name: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    listed = ", ".join(map(quoted, columns))
    with connection.cursor() as cursor, cursor.copy(f"COPY catalog.{name} ({listed}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([Jsonb(cell) if isinstance(cell, dict) else storable(cell) if isinstance(cell, str) else cell for cell in row])
