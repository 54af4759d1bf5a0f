"""What of the catalog cannot be made again from dumps/: what was registered when, what persons decided, what was believed, the log.

Every table of the catalog is either DERIVED or KEPT. Kept rows go out as JSON lines and come back from them. Not here: the warehouse's
tables (warehouse.removal), the file that the lines travel in (saved_home).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from psycopg.sql import SQL, Identifier

from platform_assets.errors import StoredFileError
from platform_assets.storage.server.sessions import Connection

DERIVED = (
    *("snapshots", "schema_columns", "schema_history", "renames_proposed", "renames_applied", "tables", "version_order", "source_orders"),
    *("snapshot_evidence", "rule_results", "histories", "history_versions", "work_requests", "claims"),
)
KEPT: Mapping[str, str] = {
    "versions": "true",
    "dump_files": "true",
    "version_order_log": "true",
    "rejects": "status NOT IN ('open', 'recovered')",
    "reject_fixes": "true",
    "import_log": "true",
    "backups": "false",  # they stay in the home that they were made in, and so do keys, what was asked with them, and logins
    "api_keys": "false",
    "api_requests": "false",
    "posted_batches": "true",
    "api_sessions": "false",
}
"""Table to the rows of it that are carried to another machine."""
NEITHER = ("schema_version",)
_DERIVED_OF_VERSIONS = (
    *("error", "attempts", "completeness", "reasons", "format", "format_reason", "dump_time", "row_version_max", "facts"),
    *("parsed_at", "published_at"),
)
_ROWS = 1_000


def forget_derived(connection: Connection) -> None:
    """Empties what can be made again; every version is to be run anew. Rejects stay: each is known again by its place."""
    connection.execute(f"TRUNCATE {', '.join(f'catalog.{name}' for name in DERIVED)}")
    changes = ", ".join(f"{name} = DEFAULT" for name in _DERIVED_OF_VERSIONS)
    connection.execute(f"UPDATE catalog.versions SET state = 'registered', {changes}")


def kept_facts(connection: Connection) -> Iterator[bytes]:
    """A JSON line per kept row, table by table, as the connection's transaction sees them."""
    for table, wanted in KEPT.items():
        query = f"SELECT to_jsonb(kept)::text FROM catalog.{table} kept WHERE {wanted}"
        with connection.cursor(name="kept_facts") as cursor:
            for (row,) in cursor.execute(query):
                yield f'{{"table": "{table}", "row": {row}}}\n'.encode()


def take_facts(connection: Connection, lines: Iterable[bytes]) -> int:
    """Puts the rows of such lines into the catalog; one that is there already stays. Gives how many lines there were.

    Raises StoredFileError for a table or a column that this program does not know: a later one wrote it.
    """
    count = 0
    for table, group in groupby((json.loads(line) for line in lines), key=lambda fact: fact["table"]):
        if table not in KEPT:
            raise StoredFileError(f"The saved catalog has a table {table!r}, which this program does not know. Use the one that saved it.")
        rows: list[dict[str, Any]] = []
        for fact in group:
            rows.append(fact["row"])
            if len(rows) == _ROWS:
                count += _insert(connection, table, rows)
                rows = []
        count += _insert(connection, table, rows)
        _go_on_counting(connection, table)
    return count


def _insert(connection: Connection, table: str, rows: list[dict[str, Any]]) -> int:
    if not rows:
        return 0
    known = {name for name, _ in _columns(connection, table)}
    if unknown := set(rows[0]) - known:
        raise StoredFileError(
            f"The saved catalog's {table} has columns that this program does not know: {', '.join(sorted(unknown))}. "
            "Use the program that saved it.",
            columns=sorted(unknown),
        )
    names = SQL(", ").join(map(Identifier, rows[0]))
    statement = SQL(
        """INSERT INTO {0} ({1}) OVERRIDING SYSTEM VALUE
           SELECT {1} FROM jsonb_populate_recordset(NULL::{0}, %s) ON CONFLICT DO NOTHING"""
    )
    connection.execute(statement.format(Identifier("catalog", table), names), (json.dumps(rows),))
    return len(rows)


def _columns(connection: Connection, table: str) -> list[tuple[str, bool]]:
    """Names, and whether the server counts them."""
    query = "SELECT column_name, is_identity = 'YES' FROM information_schema.columns WHERE table_schema = 'catalog' AND table_name = %s"
    return connection.execute(query, (table,)).fetchall()


def _go_on_counting(connection: Connection, table: str) -> None:
    """Numbers that were given out are not given out again."""
    for column in [name for name, counted in _columns(connection, table) if counted]:
        query = SQL("SELECT setval(pg_get_serial_sequence(%s, %s), greatest(max({0}), 1)) FROM {1} HAVING max({0}) IS NOT NULL")
        connection.execute(query.format(Identifier(column), Identifier("catalog", table)), (f"catalog.{table}", column))
