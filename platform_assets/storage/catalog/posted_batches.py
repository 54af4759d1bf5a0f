"""Batches of posted rows in the catalog: kept from their own COMMIT on, with their rows until these have landed among the dumps.

Not here: how rows are judged, which batches land together (operations), and what is done to the latest state (warehouse.posted_rows).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.listings import record
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.catalog.reject_log import storable_json
from platform_assets.storage.pulls import MANIFEST
from platform_assets.storage.server.sessions import Connection, connected

_STATE = """batch_id, source, table_name, instance, posted_at, rows, rejected, size, definition, refused, identities, applied,
  folder, version, request, lines IS NOT NULL AS waiting"""


@dataclass(frozen=True)
class BatchRecord:
    """One batch. `identities`: eight bytes per row and rule (see the table); `waiting`: its rows are still in the catalog.

    `folder` is the dump that it lands in, relative to the home, and `version` that dump's; both None before it is decided. `request` is
    the id of the request for several tables that it came with, if it did.
    """

    batch_id: str
    source: str
    table_name: str
    instance: str
    rows: int
    rejected: int
    size: int
    definition: Mapping[str, Any]
    refused: Sequence[Mapping[str, Any]]
    identities: bytes
    applied: bool
    posted_at: datetime | None = None
    folder: str | None = None
    version: str | None = None
    request: str | None = None
    waiting: bool = True


@dataclass(frozen=True)
class RejectedLine:
    """A rejected row of a batch, at its place in the file that the batch lands as; `violations` is JSON."""

    file: str | None
    line: int | None
    row: int | None
    raw: str
    violations: str
    status: str = "open"


def add_batch(connection: Connection, one: BatchRecord, lines: bytes, rejects: Sequence[RejectedLine], dictionary_version: str) -> None:
    """Keeps a batch and its rejects, in the caller's transaction. The rejects stand under the batch's id until it has a version."""
    import pyarrow as pa  # whoever only asks whether batches wait does not pay for it

    connection.execute(
        """INSERT INTO catalog.posted_batches
             (batch_id, source, table_name, instance, rows, rejected, size, lines, definition, refused, identities, applied,
              request)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            *(one.batch_id, one.source, one.table_name, one.instance, one.rows, one.rejected, one.size),
            *(pa.compress(lines, "zstd", asbytes=True), Jsonb(dict(one.definition)), Jsonb(storable_json(list(one.refused)))),
            *(one.identities, one.applied, one.request),
        ),
    )
    if rejects:
        with connection.cursor() as cursor:
            cursor.executemany(
                """INSERT INTO catalog.rejects
                     (source, table_name, version, instance, file, line, row_number, raw, violations, dictionary_version, status)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                [
                    (
                        *(one.source, one.table_name, one.batch_id, one.instance, reject.file, reject.line, reject.row),
                        *(storable_json(reject.raw), storable_json(reject.violations), dictionary_version, reject.status),
                    )
                    for reject in rejects
                ],
            )


def batches_of(catalog: Catalog, batch_id: str) -> list[BatchRecord]:
    """What is known of a batch, landed or not: one record, or one per table of a request; none when there is no such batch."""
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            f"SELECT {_STATE} FROM catalog.posted_batches WHERE batch_id = %(id)s OR request = %(id)s ORDER BY seq", {"id": batch_id}
        )
        return [BatchRecord(**row) for row in found]


def waiting(catalog: Catalog, source: str | None = None) -> list[BatchRecord]:
    """The batches whose rows have not landed, in the order in which they were posted."""
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            f"""SELECT {_STATE} FROM catalog.posted_batches
                WHERE lines IS NOT NULL AND (%s::text IS NULL OR source = %s) ORDER BY seq""",
            (source, source),
        )
        return [BatchRecord(**row) for row in found]


def lines_of(catalog: Catalog, batches: Sequence[BatchRecord]) -> bytes:
    """The readable rows of batches, in the order given, as JSON lines."""
    import pyarrow as pa

    with connected(catalog.url) as connection:
        found = dict(
            connection.execute(
                "SELECT batch_id, lines FROM catalog.posted_batches WHERE batch_id = ANY(%s)", ([one.batch_id for one in batches],)
            ).fetchall()
        )
    return b"".join(pa.decompress(found[one.batch_id], one.size, "zstd", asbytes=True) for one in batches)


def decide(catalog: Catalog, batches: Sequence[BatchRecord], folder: str) -> None:
    """From now on these batches land in this folder and nowhere else."""
    with connected(catalog.url) as connection:
        connection.execute(
            "UPDATE catalog.posted_batches SET folder = %s WHERE batch_id = ANY(%s)", (folder, [b.batch_id for b in batches])
        )


@dataclass(frozen=True)
class Shift:
    """Where the rows of a batch stand in the dump that it landed in: so many lines and so many places lie before them."""

    batch_id: str
    lines: int
    places: int


def landed(catalog: Catalog, version: str, shifts: Sequence[Shift]) -> None:
    """These batches are a version now; their rejects go by its name. Their rows stay until the latest state was made of the version."""
    with connected(catalog.url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """WITH mine AS (
                 UPDATE catalog.posted_batches SET version = %(version)s WHERE batch_id = %(batch)s AND version IS NULL RETURNING 1)
               UPDATE catalog.rejects SET version = %(version)s,
                 line = line + CASE WHEN file = %(manifest)s THEN %(places)s ELSE %(lines)s END, row_number = row_number + %(lines)s
               WHERE version = %(batch)s AND EXISTS (SELECT 1 FROM mine)""",
            [{"version": version, "batch": one.batch_id, "lines": one.lines, "places": one.places, "manifest": MANIFEST} for one in shifts],
        )


def waiting_outside(connection: Connection, source: str, table: str, versions: Sequence[str]) -> list[str]:
    """Batches of a table whose rows a state made of these versions does not have; under the table's lock it stays true."""
    found = connection.execute(
        """SELECT batch_id FROM catalog.posted_batches WHERE source = %s AND table_name = %s AND lines IS NOT NULL
             AND (version IS NULL OR version <> ALL(%s)) ORDER BY seq""",
        (source, table, list(versions)),
    )
    return [batch_id for (batch_id,) in found]


def give_back(connection: Connection, source: str, table: str, versions: Sequence[str]) -> None:
    """The rows of batches that are in these versions are not kept a second time."""
    connection.execute(
        """UPDATE catalog.posted_batches SET lines = NULL, identities = NULL, refused = '[]'
           WHERE source = %s AND table_name = %s AND lines IS NOT NULL AND version = ANY(%s)""",
        (source, table, list(versions)),
    )


def latest_of(connection: Connection, source: str, table: str) -> TableRecord | None:
    """A table as the caller's transaction sees it; None when nothing of it was published."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT * FROM catalog.tables WHERE source = %s AND table_name = %s", (source, table)).fetchone()
    return record(TableRecord, found) if found else None


def count_posted(connection: Connection, source: str, table: str, fresh: int) -> None:
    """So many keys came into the latest state."""
    connection.execute("UPDATE catalog.tables SET rows = rows + %s WHERE source = %s AND table_name = %s", (fresh, source, table))
