"""What goes into a table's backup beside its rows, when asked for: its history and its rejected rows.

Read in the snapshot that the rows are read in, under their PostgreSQL names, in an order that is theirs alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import INSTANT, INT64, STRING
from platform_assets.errors import Conflict
from platform_assets.settings import BackupSettings
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.catalog.reject_log import rejects_query
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.bulk import read_rows
from platform_assets.storage.warehouse.names import column_names
from platform_assets.storage.warehouse.relations import find, held_still
from platform_assets.storage.warehouse.restored_tables import standing_columns

HISTORY, REJECTS = "history", "rejects"
_REJECTS = ("version", "instance", "file", "line", "row_number", "byte_offset", "raw", "violations", "dictionary_version", "status")
_REJECT_TYPES = {"id": INT64, "line": INT64, "row_number": INT64, "byte_offset": INT64, "first_seen": INSTANT, "last_seen": INSTANT}
_REJECTED_ROWS = Table(
    "rejects",
    tuple(Column(name, _REJECT_TYPES.get(name, STRING)) for name in ("id", *_REJECTS, "first_seen", "last_seen")),
    key=("id",),
)
Rows = tuple[Table, Iterator[pa.RecordBatch]]


def more_of(connection: Connection, wanted: BackupSettings, record: TableRecord, own: Table) -> dict[str, Rows]:
    """By relation: its columns and its rows. `own` is the table itself. A table whose history was never published has none of it.

    Raises Conflict when the history was rewritten since the snapshot.
    """
    found: dict[str, Rows] = {}
    if wanted.history and (history := _history(connection, record, own)) is not None:
        found[HISTORY] = history
    if wanted.rejects:
        found[REJECTS] = _rejects(connection, record)
    return found


def _history(connection: Connection, record: TableRecord, own: Table) -> Rows | None:
    row = connection.execute(
        "SELECT schema_name, relation FROM catalog.histories WHERE source = %s AND table_name = %s", (record.source, record.table_name)
    ).fetchone()
    if row is None:
        return None
    relation = (str(row[0]), str(row[1]))
    standing = find(connection, *relation) if held_still(connection, *relation) else None
    if standing is None:
        raise Conflict(
            f"{relation[0]}.{relation[1]} was rewritten or replaced after the moment of this backup, so its rows of that moment can no "
            "longer be read. No backup was made: run it again."
        )
    columns = tuple(Column(column.name, column.type or STRING) for column in standing_columns(connection, standing.oid))
    names = column_names(own)
    key = (*(names[name] for name in record.key), "_instance", "_version")
    order = [*key, "_valid_from", "_row"]
    table = Table(f"{record.table_name}_{HISTORY}", columns, key=key)
    return table, _ordered(connection, relation, table, order)


def _rejects(connection: Connection, record: TableRecord) -> Rows:
    table = replace(_REJECTED_ROWS, name=f"{record.table_name}_{REJECTS}")
    return table, _ordered(connection, rejects_query(connection, record.source, record.table_name), table, ["id"])


def _ordered(connection: Connection, relation: tuple[str, str] | str, table: Table, order: Sequence[str]) -> Iterator[pa.RecordBatch]:
    return read_rows(connection, relation, [(column.name, column.type) for column in table.columns], order=order)
