"""The histories of tables in the catalog: what stands in the warehouse, and what each version did to its table.

Not here: how a history comes about (operations.history), its rows (warehouse.history_tables).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime

from psycopg.rows import class_row

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.server.sessions import Connection, connected


@dataclass(frozen=True)
class HistoryRecord:
    """One row of catalog.histories. `relation` is a table, or a view while no instance has more than one version."""

    source: str
    table_name: str
    schema_name: str
    relation: str
    changes: str
    rows: int
    load_id: int


@dataclass(frozen=True)
class HistoryVersionRecord:
    """One row of catalog.history_versions. `valid_from` is naive; `rows` are the keys after the version."""

    source: str
    table_name: str
    version: str
    instance: str
    place: int
    identity: str
    valid_from: datetime | None
    known_from: datetime | None
    rows: int
    inserts: int
    updates: int
    deletes: int
    spared: int


@dataclass(frozen=True)
class VersionSource:
    """Where the rows of a version of a table are: its version table, and the snapshot that this was filled from."""

    registered_at: datetime
    child_schema: str | None
    child_table: str | None
    content: str | None


def version_sources(connection: Connection, source: str, table: str) -> dict[str, VersionSource]:
    """By version, of the published ones."""
    query = """SELECT s.version, registered_at, child_schema, child_table, content FROM catalog.snapshots s
               JOIN catalog.versions v USING (version) WHERE s.source = %s AND s.table_name = %s"""
    return {version: VersionSource(*rest) for version, *rest in connection.execute(query, (source, table)).fetchall()}


def history_of(catalog: Catalog, source: str, table: str) -> HistoryRecord | None:
    """None when no history of the table was published."""
    names = ", ".join(field.name for field in fields(HistoryRecord))
    query = f"SELECT {names} FROM catalog.histories WHERE source = %s AND table_name = %s"
    with connected(catalog.url) as connection, connection.cursor(row_factory=class_row(HistoryRecord)) as cursor:
        return cursor.execute(query, (source, table)).fetchone()


def history_versions(connection: Connection, source: str, table: str) -> list[HistoryVersionRecord]:
    """By instance, oldest first."""
    names = ", ".join(field.name for field in fields(HistoryVersionRecord))
    query = f"SELECT {names} FROM catalog.history_versions WHERE source = %s AND table_name = %s ORDER BY instance, place"
    with connection.cursor(row_factory=class_row(HistoryVersionRecord)) as cursor:
        return cursor.execute(query, (source, table)).fetchall()


def record_history(connection: Connection, record: HistoryRecord, versions: Sequence[HistoryVersionRecord]) -> None:
    """Replaces what is known of a table's history, inside its publication."""
    mine = (record.source, record.table_name)
    connection.execute("DELETE FROM catalog.histories WHERE source = %s AND table_name = %s", mine)
    names = [field.name for field in fields(HistoryRecord)]
    marks = ", ".join(["%s"] * len(names))
    connection.execute(f"INSERT INTO catalog.histories ({', '.join(names)}) VALUES ({marks})", astuple(record))
    standing = set(history_versions(connection, *mine))
    gone = [one.version for one in standing - set(versions)]
    connection.execute("DELETE FROM catalog.history_versions WHERE source = %s AND table_name = %s AND version = ANY(%s)", (*mine, gone))
    listed = ", ".join(field.name for field in fields(HistoryVersionRecord))
    with connection.cursor() as cursor, cursor.copy(f"COPY catalog.history_versions ({listed}) FROM STDIN") as copy:
        for one in versions:
            if one not in standing:
                copy.write_row(astuple(one))


def forget_history(connection: Connection, source: str, table: str) -> None:
    """Takes the history of a table out of the catalog."""
    for name in ("histories", "history_versions"):
        connection.execute(f"DELETE FROM catalog.{name} WHERE source = %s AND table_name = %s", (source, table))
