"""The recorded order of a source's versions, what it was before, and the facts that it is derived from.

What is believed now stands in version_order, every earlier belief in version_order_log with the time from which and until which it
held. How an order is derived from the facts is not known here (versions.order, operations.ordering).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeVar

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.listings import record
from platform_assets.storage.catalog.records import EvidenceRecord, FindingRecord, OrderRecord, TimeRecord
from platform_assets.storage.catalog.reject_log import storable_json
from platform_assets.storage.server.sessions import Connection, connected, lock_number
from platform_assets.storage.warehouse.protocol import table_lock

R = TypeVar("R")
_BELIEF = ("evidence", "confidence", "ambiguous", "moment", "reason", "ties", "contradictions")
_COLUMNS = ("source", "instance", "version", "place", *_BELIEF, "entered_at")
_LOG_COLUMNS = ("source", "instance", "version", "previous", *_BELIEF)


def times(catalog: Catalog, source: str) -> list[TimeRecord]:
    """What every registered version of a source tells of its time, by version key."""
    query = """SELECT v.version, v.instance, v.label, v.sha256, v.path, v.dump_time, v.row_version_max, v.completeness,
                 coalesce(v.facts -> 'dump', '{}') AS dump,
                 EXISTS (SELECT 1 FROM catalog.snapshots s WHERE s.version = v.version) AS published
               FROM catalog.versions v WHERE v.source = %s ORDER BY v.version"""
    return _read(catalog, TimeRecord, query, source)


def sources(catalog: Catalog) -> list[str]:
    """Every source of which a dump is registered, by name."""
    with connected(catalog.url) as connection:
        return [row[0] for row in connection.execute("SELECT DISTINCT source FROM catalog.versions ORDER BY source").fetchall()]


def record_evidence(connection: Connection, source: str, version: str, tables: Iterable[EvidenceRecord]) -> None:
    """Replaces what is known of the keys of a version's tables, inside its publication."""
    connection.execute("DELETE FROM catalog.snapshot_evidence WHERE version = %s", (version,))
    rows = [(source, version, one.table_name, Jsonb(dict(one.marks)), one.keys, Jsonb(list(one.sketch))) for one in tables]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO catalog.snapshot_evidence (source, version, table_name, marks, keys, sketch) VALUES (%s, %s, %s, %s, %s, %s)",
            rows,
        )


def evidence(catalog: Catalog, source: str, *, sketches: bool) -> list[EvidenceRecord]:
    """How far the keys of each table of each version have grown; without `sketches` their sketches are empty."""
    sketch = "sketch" if sketches else "'[]'::jsonb AS sketch"
    return _read(
        catalog,
        EvidenceRecord,
        f"SELECT version, table_name, marks, keys, {sketch} FROM catalog.snapshot_evidence WHERE source = %s ORDER BY version, table_name",
        source,
    )


def facts_mark(catalog: Catalog) -> dict[str, str]:
    """Per source with a published version, a text that changes whenever a version is published or taken away."""
    with connected(catalog.url) as connection:
        query = "SELECT source, count(*) || ' ' || coalesce(max(load_id), 0) FROM catalog.snapshots GROUP BY source ORDER BY source"
        return dict(connection.execute(query).fetchall())


def recorded_bases(catalog: Catalog) -> dict[str, str]:
    """Per source, what its recorded order was made from."""
    with connected(catalog.url) as connection:
        return dict(connection.execute("SELECT source, basis FROM catalog.source_orders").fetchall())


def findings(catalog: Catalog, source: str) -> list[FindingRecord]:
    """What was to be settled in the recorded order of a source."""
    with connected(catalog.url) as connection:
        row = connection.execute("SELECT findings FROM catalog.source_orders WHERE source = %s", (source,)).fetchone()
    return [FindingRecord(**{**one, "versions": tuple(one["versions"])}) for one in row[0]] if row else []


def lock_order(connection: Connection, source: str) -> None:
    """Held until COMMIT: what is derived behind it is recorded in the order of the recordings."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(f"order/{source}"),))


def record_order(
    connection: Connection, source: str, basis: str, order: Sequence[OrderRecord], found: Sequence[FindingRecord]
) -> tuple[str, ...]:
    """Replaces the recorded order; what was believed before is kept. Behind `lock_order`.

    Tables whose versions now follow each other in another order are marked as changed; gives their names.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        before = cursor.execute(
            "SELECT * FROM catalog.version_order_log WHERE source = %s AND believed_until IS NULL", (source,)
        ).fetchall()
        entered = dict(
            connection.execute(
                "SELECT version, min(believed_from) FROM catalog.version_order_log WHERE source = %s GROUP BY version", (source,)
            ).fetchall()
        )
        cursor.execute("SELECT now() AS now")
        (now,) = (row["now"] for row in cursor.fetchall())
    order = [replace(one, entered_at=entered.get(one.version, now)) for one in order]
    _log(connection, source, order, before)
    connection.execute("DELETE FROM catalog.version_order WHERE source = %s", (source,))
    _insert_all(connection, "version_order", _COLUMNS, [_row(one, _COLUMNS) for one in order])
    connection.execute(
        """INSERT INTO catalog.source_orders (source, basis, findings) VALUES (%s, %s, %s)
           ON CONFLICT (source) DO UPDATE SET basis = excluded.basis, findings = excluded.findings, ordered_at = now()""",
        (source, basis, Jsonb(storable_json([asdict(one) for one in found]))),
    )
    old = [row["version"] for row in _chained(before)]
    return _mark_moved(connection, source, old, [one.version for one in order])


def _log(connection: Connection, source: str, order: Sequence[OrderRecord], before: Sequence[Mapping[str, Any]]) -> None:
    """Ends the beliefs that hold no longer and begins those that hold now."""
    rows = []
    previous: OrderRecord | None = None
    for one in order:
        follows = previous.version if previous and previous.instance == one.instance else None
        rows.append(_row(one, _LOG_COLUMNS) | {"previous": follows})
        previous = one
    standing = {row["version"]: {name: row[name] for name in _LOG_COLUMNS} for row in before}
    changed = [row for row in rows if _plain(standing.get(row["version"])) != _plain(row)]
    ended = [row["version"] for row in changed] + sorted(set(standing) - {one.version for one in order})
    connection.execute(
        "UPDATE catalog.version_order_log SET believed_until = now() WHERE source = %s AND believed_until IS NULL AND version = ANY(%s)",
        (source, ended),
    )
    _insert_all(connection, "version_order_log", _LOG_COLUMNS, changed)


def _plain(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: value.obj if isinstance(value, Jsonb) else value for name, value in row.items()} if row else None


def _mark_moved(connection: Connection, source: str, old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Marks the tables whose versions changed places among each other; a version that is only new, or gone, has marked its own."""
    common = set(old) & set(new)
    if [one for one in old if one in common] == [one for one in new if one in common]:
        return ()
    tables: dict[str, set[str]] = {}
    for table, version in connection.execute("SELECT table_name, version FROM catalog.snapshots WHERE source = %s", (source,)).fetchall():
        tables.setdefault(table, set()).add(version)
    moved = sorted(
        table
        for table, versions in tables.items()
        if [one for one in old if one in common & versions] != [one for one in new if one in common & versions]
    )
    for name in sorted(table_lock(source, table) for table in moved):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(name),))
    connection.execute(
        "UPDATE catalog.tables SET changed_load_id = coalesce(changed_load_id, 0) + 1 WHERE source = %s AND table_name = ANY(%s)",
        (source, moved),
    )
    return tuple(moved)


def believed(catalog: Catalog, source: str, at: datetime) -> list[OrderRecord]:
    """The order as it was believed at a time, by instance, oldest first; [] before the first one."""
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """SELECT l.*, (SELECT min(f.believed_from) FROM catalog.version_order_log f WHERE f.version = l.version) AS entered_at
               FROM catalog.version_order_log l
               WHERE source = %s AND believed_from <= %s AND (believed_until IS NULL OR believed_until > %s)""",
            (source, at, at),
        ).fetchall()
    return [record(OrderRecord, row) for row in _chained(rows)]


def _chained(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the log that hold at one time, in their order, with their places."""
    after = {(row["instance"], row["previous"]): row for row in rows}
    ordered: list[dict[str, Any]] = []
    for instance in sorted({row["instance"] for row in rows}):
        place, row = 0, after.get((instance, None))
        while row is not None:
            ordered.append({**row, "place": place})
            place, row = place + 1, after.get((instance, row["version"]))
    return ordered


def _row(one: OrderRecord, columns: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(one, name, None) for name in columns}
    return {name: Jsonb(storable_json(value)) if isinstance(value, tuple) else storable_json(value) for name, value in values.items()}


def _insert_all(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO catalog.{table} ({names}) VALUES ({marks})", [[row[name] for name in columns] for row in rows])


def _read(catalog: Catalog, kind: type[R], query: str, *values: Any) -> list[R]:
    with connected(catalog.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return [record(kind, row) for row in cursor.execute(query, values)]
