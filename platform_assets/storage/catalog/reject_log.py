"""The error log: rejected and recovered rows with all their reasons, written in bulk. The catalog's largest table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row
from psycopg.sql import SQL, Literal

from platform_assets.storage.catalog.listings import record
from platform_assets.storage.catalog.records import RejectRow, TableRecord
from platform_assets.storage.server.sessions import Connection

_COLUMNS = (
    ("source", "text"),
    ("table_name", "text"),
    ("version", "text"),
    ("instance", "text"),
    ("file", "text"),
    ("line", "bigint"),
    ("row_number", "bigint"),
    ("byte_offset", "bigint"),
    ("raw", "text"),
    ("violations", "jsonb"),
    ("dictionary_version", "text"),
    ("status", "text"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
# NULLs are written out: IS NOT DISTINCT FROM cannot be hashed, and 300,000 rejects took hours
_PLACE = """coalesce(table_name, '') AS at_table, coalesce(file, '') AS at_file, coalesce(line, -1) AS at_line,
  coalesce(row_number, -1) AS at_row, coalesce(byte_offset, -1) AS at_byte, status = 'recovered' AS at_recovered"""
_KEY = "at_table, at_file, at_line, at_row, at_byte, at_recovered"

_CARRIED = tuple(name for name, _ in _COLUMNS if name != "status")
_MERGE = f"""
WITH gone AS (DELETE FROM catalog.rejects WHERE version = %(version)s RETURNING *, {_PLACE}),
  known AS (SELECT *, row_number() OVER (PARTITION BY {_KEY} ORDER BY id) AS nth FROM gone),
  placed AS (SELECT *, {_PLACE} FROM incoming_rejects),
  arrived AS (SELECT *, row_number() OVER (PARTITION BY {_KEY} ORDER BY place) AS nth FROM placed),
  rejected AS (
    SELECT coalesce(known.id, nextval(pg_get_serial_sequence('catalog.rejects', 'id'))) AS id, arrived.place,
      {", ".join(f"arrived.{name}" for name in _CARRIED)},
      CASE WHEN known.status = 'discarded' THEN known.status ELSE arrived.status END AS status,
      coalesce(known.first_seen, now()) AS first_seen, now() AS last_seen,
      CASE WHEN known.status = 'discarded' THEN known.changed_by END AS changed_by,
      CASE WHEN known.status = 'discarded' THEN known.changed_at END AS changed_at,
      CASE WHEN known.status = 'discarded' THEN known.why END AS why
    FROM arrived LEFT JOIN known USING (nth, {_KEY})
  ),
  accepted AS (
    SELECT known.id, NULL::bigint AS place, {", ".join(f"known.{name}" for name in _CARRIED)},
      CASE WHEN known.status = 'discarded' THEN known.status ELSE 'replayed' END AS status, known.first_seen, known.last_seen,
      coalesce(known.changed_by, %(judge)s) AS changed_by, coalesce(known.changed_at, now()) AS changed_at,
      coalesce(known.why, CASE WHEN known.status = 'waiting' THEN 'its parent came' ELSE 'judged again: not rejected any more' END) AS why
    FROM known LEFT JOIN arrived USING (nth, {_KEY}) WHERE arrived.place IS NULL AND known.status <> 'recovered'
  )
INSERT INTO catalog.rejects (id, {_NAMES}, first_seen, last_seen, changed_by, changed_at, why) OVERRIDING SYSTEM VALUE
SELECT id, {_NAMES}, first_seen, last_seen, changed_by, changed_at, why
FROM (SELECT * FROM rejected UNION ALL SELECT * FROM accepted) AS standing ORDER BY place NULLS LAST, id
"""


def replace_rejects(connection: Connection, version: str, source: str, rows: Iterable[RejectRow], judge: str = "dictionary") -> int:
    """Replaces all rejects of a version, inside its publication; returns how many of `rows` there are.

    `rows` are of any of its tables, streamed. A row that was known at the same place keeps its id, its first_seen and a person's
    `discarded`; one that is not among them any more is `replayed`, by `judge`.
    A NUL or a lone surrogate, which PostgreSQL text cannot hold, is written as an escape; the snapshot keeps the original.
    """
    columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS)
    connection.execute(f"CREATE TEMP TABLE incoming_rejects (place bigint, {columns}) ON COMMIT DROP")
    count = 0
    with connection.cursor() as cursor, cursor.copy(f"COPY incoming_rejects (place, {_NAMES}) FROM STDIN") as copy:
        for row in rows:
            count += 1
            copy.write_row((count, *_cells(row, version, source)))
    # a guess of one known row would make the server compare every row with every other
    connection.execute("SET LOCAL enable_nestloop = off")
    connection.execute(_MERGE, {"version": version, "judge": judge})
    connection.execute("SET LOCAL enable_nestloop TO DEFAULT")
    connection.execute("DROP TABLE incoming_rejects")
    return count


def _cells(row: RejectRow, version: str, source: str) -> tuple[Any, ...]:
    return (
        source,
        _text(row.table_name),
        version,
        row.instance,
        _text(row.file),
        row.line,
        row.row_number,
        row.byte_offset,
        _text(row.raw),
        _violations(row.violations),
        row.dictionary_version,
        row.status,
    )


def _violations(violations: str | Sequence[Mapping[str, Any]]) -> str:
    """JSON text that jsonb takes; text that has nothing in it that jsonb refuses goes as it is."""
    if isinstance(violations, str) and "\\u0000" not in violations and "\\ud" not in violations.lower():
        return storable(violations)
    items = json.loads(violations) if isinstance(violations, str) else [dict(violation) for violation in violations]
    return json.dumps(storable_json(items), ensure_ascii=False)


_FETCHED_ROWS = 5_000
_LISTED = """
    SELECT r.* FROM catalog.rejects r LEFT JOIN catalog.versions v USING (version)
    WHERE (%(version)s::text IS NULL OR r.version = %(version)s)
      AND (%(source)s::text IS NULL OR (r.source = %(source)s AND r.table_name = %(table)s))
      AND (%(statuses)s::text[] IS NULL OR r.status = ANY(%(statuses)s))
    ORDER BY v.registered_at, r.version, r.table_name, r.file, r.line, r.id LIMIT %(limit)s OFFSET %(offset)s
"""


def rejects(
    connection: Connection,
    table: TableRecord | None,
    *,
    version: str | None,
    statuses: Sequence[str] | None,
    limit: int | None,
    offset: int,
) -> list[RejectRow]:
    """Rejects by version (oldest registered first), table, file and line."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_LISTED, _values(table, version, statuses, limit, offset))
        return [record(RejectRow, row) for row in cursor]


def each_reject(connection: Connection, table: TableRecord | None, version: str | None, statuses: Sequence[str]) -> Iterator[RejectRow]:
    """The same, a few thousand at a time: a million are sorted once, and never all in memory here."""
    with connection.cursor(name="each_reject", row_factory=dict_row) as cursor:
        cursor.itersize = _FETCHED_ROWS
        for row in cursor.execute(_LISTED, _values(table, version, statuses, None, 0)):
            yield record(RejectRow, row)


def _values(
    table: TableRecord | None, version: str | None, statuses: Sequence[str] | None, limit: int | None, offset: int
) -> dict[str, Any]:
    return {
        "version": version,
        "source": table.source if table else None,
        "table": table.table_name if table else None,
        "statuses": list(statuses) if statuses is not None else None,
        "limit": limit,
        "offset": offset,
    }


def storable(text: str) -> str:
    """Text as PostgreSQL can hold it: NUL as \\x00, lone surrogates as \\udcXX. Everything else unchanged."""
    if "\0" not in text and text.isascii():
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): storable_json(item) for key, item in value.items()}
    return [storable_json(item) for item in value] if isinstance(value, list | tuple) else value


def _text(text: str | None) -> str | None:
    return None if text is None else storable(text)


def rejects_query(connection: Connection, source: str, table: str) -> str:
    """All columns of a table's log, as SQL text."""
    query = SQL("SELECT * FROM catalog.rejects WHERE source = {} AND table_name = {}").format(Literal(source), Literal(table))
    return query.as_string(connection)
