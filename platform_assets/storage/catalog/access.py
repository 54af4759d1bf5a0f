"""What is known of dumps, versions, tables and backups: the schema `catalog`, as typed methods over frozen records.

A method that takes `connection` works inside the caller's publication when one is given, otherwise in a transaction of its own.
Not here: the tables themselves (catalog_tables), rejects (reject_log), the write protocol (protocol).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from platform_assets.errors import NoSuchTable, StoredFileError
from platform_assets.storage.catalog import listings as catalog_listings
from platform_assets.storage.catalog import reject_log
from platform_assets.storage.catalog.records import (
    BackupRecord,
    DumpListing,
    FileRecord,
    LogRecord,
    OrderRecord,
    RejectRow,
    RuleResult,
    SnapshotRecord,
    TableListing,
    TableRecord,
    VersionRecord,
    VersionState,
)
from platform_assets.storage.server.database_url import with_driver
from platform_assets.storage.server.sessions import Connection, connected, lock_number, plain_url
from platform_assets.storage.warehouse.names import quoted
from platform_assets.storage.warehouse.protocol import table_lock
from platform_assets.versions.keys import table_key

if TYPE_CHECKING:
    from sqlalchemy import Engine

SCHEMA_VERSION = 1
R = TypeVar("R")


class Catalog:
    """The catalog of one warehouse, given its URL or engine. Making one does not touch the database; `ensure` does."""

    def __init__(self, database: str | Engine) -> None:
        self.url = plain_url(database)

    def ensure(self) -> Catalog:
        """Creates the schema, or what a catalog of an older program lacks. Raises StoredFileError when a later program made it."""
        with connected(self.url) as connection:
            row = connection.execute(
                "SELECT to_regclass('catalog.schema_version') IS NOT NULL, obj_description(to_regnamespace('catalog'), 'pg_namespace')"
            ).fetchone()
            there, mark = row if row else (False, None)
            found = connection.execute("SELECT max(version) FROM catalog.schema_version").fetchone() if there else None
        version = found[0] if found else None
        if version is None or (version == SCHEMA_VERSION and mark != _definition_mark()):
            version = self._create()
        if version != SCHEMA_VERSION:
            raise StoredFileError(
                f"The catalog in the database has schema version {version}; this program knows {SCHEMA_VERSION}. "
                "Use the program that made it, or another database.",
                schema_version=version,
            )
        return self

    def _create(self) -> int:
        from platform_assets.storage.catalog.creation import create_all

        return create_all(with_driver(self.url, "psycopg"), lock_number("catalog"), _definition_mark())

    # dumps and versions

    def known_files(self) -> dict[str, FileRecord]:
        """The files under dumps/ as last seen, by their path relative to the home."""
        return {record.path: record for record in self._records(FileRecord, "SELECT * FROM catalog.dump_files")}

    def record_files(self, files: Iterable[FileRecord]) -> None:
        with self._session() as connection:
            for file in files:
                values = {"path": file.path, "version": file.version, "bytes": file.bytes, "mtime_ns": file.mtime_ns}
                _upsert(connection, "dump_files", values, ("path",), touch="seen_at")

    def forget_files(self, paths: Iterable[str]) -> None:
        with self._session() as connection:
            connection.execute("DELETE FROM catalog.dump_files WHERE path = ANY(%s)", (list(paths),))

    def register(self, record: VersionRecord) -> bool:
        """Stores a new version; False, and nothing is changed, when the source already has this content or this key."""
        row = {name: value for name, value in _row(record).items() if value is not None}
        names = ", ".join(quoted(name) for name in row)
        with self._session() as connection:
            done = connection.execute(
                f"INSERT INTO catalog.versions ({names}) VALUES ({_marks(row)}) ON CONFLICT DO NOTHING",
                list(row.values()),
            )
            return done.rowcount == 1

    def version(self, version: str) -> VersionRecord | None:
        return next(iter(self._records(VersionRecord, "SELECT * FROM catalog.versions WHERE version = %s", version)), None)

    def version_of(self, source: str, sha256: str) -> VersionRecord | None:
        """The version that holds this content."""
        found = self._records(VersionRecord, "SELECT * FROM catalog.versions WHERE source = %s AND sha256 = %s", source, sha256)
        return next(iter(found), None)

    def versions(self, source: str | None = None, states: Sequence[VersionState] | None = None) -> list[VersionRecord]:
        """In the order of registration."""
        return self._records(
            VersionRecord,
            """SELECT * FROM catalog.versions WHERE (%s::text IS NULL OR source = %s) AND (%s::text[] IS NULL OR state = ANY(%s))
               ORDER BY registered_at, version""",
            *(source, source),
            *([list(states) if states is not None else None] * 2),
        )

    def set_state(self, version: str, state: VersionState, *, error: str | None = None, connection: Connection | None = None) -> None:
        """Moves a version on. `running` counts an attempt, `parsed` and `published` note the time; an earlier error is forgotten."""
        self._run(
            """
            UPDATE catalog.versions SET state = %(state)s, error = %(error)s,
              attempts = attempts + (%(state)s = 'running')::int,
              parsed_at = CASE WHEN %(state)s = 'parsed' THEN now() ELSE parsed_at END,
              published_at = CASE WHEN %(state)s = 'published' THEN now() ELSE published_at END
            WHERE version = %(version)s
            """,
            {"version": version, "state": state, "error": error.replace("\0", "\\x00") if error else None},
            connection,
        )

    def update_version(self, version: str, *, connection: Connection | None = None, **values: Any) -> None:
        """Sets columns of a version by the names of VersionRecord's fields: completeness, reasons, format, dump_time, facts, ..."""
        unknown = set(values) - {f.name for f in fields(VersionRecord)}
        if unknown or not values:
            raise ValueError(f"not fields of a version: {sorted(unknown)}")
        row = {name: _stored(name, value) for name, value in values.items()}
        settings = ", ".join(f"{quoted(name)} = %({name})s" for name in row)
        self._run(f"UPDATE catalog.versions SET {settings} WHERE version = %(the_version)s", {**row, "the_version": version}, connection)

    # snapshots and tables

    def record_snapshots(self, connection: Connection, version: str, snapshots: Sequence[SnapshotRecord], load_id: int) -> None:
        """Replaces what is known of a version's tables, inside its publication, and marks every table it had or has as changed.

        Takes the locks of these tables until COMMIT: only so does changed_load_id grow in the order of the commits, and a merge
        that reads it cannot pass over a version. `load_id` is the publication's log row.
        """
        before = connection.execute("SELECT source, table_name FROM catalog.snapshots WHERE version = %s", (version,)).fetchall()
        touched = sorted({*((s, t) for s, t in before), *((s.source, s.table_name) for s in snapshots)})
        for name in sorted(table_lock(*table) for table in touched):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(name),))
        connection.execute("DELETE FROM catalog.snapshots WHERE version = %s", (version,))
        connection.execute("DELETE FROM catalog.schema_columns WHERE version = %s", (version,))
        for source, table in touched:
            connection.execute(
                """INSERT INTO catalog.tables AS t (source, table_name, table_key, changed_load_id) VALUES (%s, %s, %s, %s)
                   ON CONFLICT (source, table_name) DO UPDATE
                   SET changed_load_id = greatest(excluded.changed_load_id, coalesce(t.changed_load_id, 0) + 1)""",
                (source, table, table_key(source, table), load_id),
            )
        for snapshot in snapshots:
            row = _row(snapshot) | {"load_id": load_id}
            row.pop("published_at")
            _insert(connection, "snapshots", row)
            _record_schema(connection, snapshot)
        connection.execute(
            """UPDATE catalog.tables t SET versions =
                 (SELECT count(*) FROM catalog.snapshots s WHERE s.source = t.source AND s.table_name = t.table_name)
               WHERE (source, table_name) IN (SELECT * FROM unnest(%s::text[], %s::text[]))""",
            ([source for source, _ in touched], [table for _, table in touched]),
        )

    def snapshots(self, *, version: str | None = None, source: str | None = None, table: str | None = None) -> list[SnapshotRecord]:
        """The published snapshots of a version, of a source or of one of its tables."""
        return self._records(
            SnapshotRecord,
            """SELECT * FROM catalog.snapshots WHERE (%s::text IS NULL OR version = %s) AND (%s::text IS NULL OR source = %s)
               AND (%s::text IS NULL OR table_name = %s) ORDER BY source, table_name, version""",
            *(version, version, source, source, table, table),
        )

    def put_away(self, connection: Connection, version: str, table: str, *, dropped: bool) -> None:
        """Notes that a version table is no child of its mother any more, and whether it is gone."""
        connection.execute(
            """UPDATE catalog.snapshots SET attached = false, child_table = CASE WHEN %s THEN NULL ELSE child_table END
               WHERE version = %s AND table_name = %s""",
            (dropped, version, table),
        )

    def tables(self, source: str | None = None) -> list[TableRecord]:
        query = "SELECT * FROM catalog.tables WHERE (%s::text IS NULL OR source = %s) ORDER BY source, table_name"
        return self._records(TableRecord, query, source, source)

    def table(self, name: str) -> TableRecord:
        """A table by its key, by `source.table`, or by its bare name when only one source has it. Raises NoSuchTable."""
        exact = self._records(
            TableRecord, "SELECT * FROM catalog.tables WHERE table_key = %s OR source || '.' || table_name = %s", name, name
        )
        found = exact or self._records(TableRecord, "SELECT * FROM catalog.tables WHERE table_name = %s ORDER BY source", name)
        if len(found) == 1:
            return found[0]
        known = [f"{t.source}.{t.table_name}" for t in (found or self.tables())]
        says = f"{name!r} is the name of {len(known)} tables" if found else f"There is no table {name!r}"
        raise NoSuchTable(f"{says}. {'Say which' if found else 'Known'}: {', '.join(known) or 'none yet'}.", name=name, candidates=known)

    def stale_tables(self) -> list[TableRecord]:
        """Tables whose snapshots changed since their latest state or their history was made.

        One that no version has any more stands as it was: it cannot be made anew.
        """
        query = """SELECT t.* FROM catalog.tables t LEFT JOIN catalog.histories h USING (source, table_name)
                   WHERE changed_load_id > least(coalesce(published_load_id, 0), coalesce(h.load_id, 0)) AND versions > 0
                   ORDER BY source, table_name"""
        return self._records(TableRecord, query)

    def record_table(self, record: TableRecord, *, connection: Connection | None = None) -> None:
        """Stores what a merge or a publication made of a table; changed_load_id and versions are kept, as snapshots set them."""
        row = _row(record)
        del row["changed_load_id"], row["versions"]
        with self._session(connection) as opened:
            _upsert(opened, "tables", row, ("source", "table_name"))

    def forget_table(self, connection: Connection, source: str, table: str) -> bool:
        """Takes a table out of the catalog that no version has any more; False, and nothing is changed, when one has it."""
        query = "DELETE FROM catalog.tables WHERE source = %s AND table_name = %s AND versions = 0"
        return connection.execute(query, (source, table)).rowcount == 1

    # rejects, rules, order, backups, log

    def replace_rejects(
        self, connection: Connection, version: str, source: str, rows: Iterable[RejectRow], judge: str = "dictionary"
    ) -> int:
        """See reject_log.replace_rejects."""
        return reject_log.replace_rejects(connection, version, source, rows, judge)

    def rejects(
        self,
        table: TableRecord | None = None,
        *,
        version: str | None = None,
        statuses: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[RejectRow]:
        """Newest versions last, within a version by table, file and line."""
        with self._session() as connection:
            return reject_log.rejects(connection, table, version=version, statuses=statuses, limit=limit, offset=offset)

    def record_rule_results(self, connection: Connection, version: str, results: Iterable[RuleResult]) -> None:
        """Replaces a version's results."""
        connection.execute("DELETE FROM catalog.rule_results WHERE version = %s", (version,))
        for result in results:
            row = _row(result)
            row.pop("at")
            _insert(connection, "rule_results", row)

    def rule_results(self, source: str, table: str) -> list[RuleResult]:
        query = "SELECT * FROM catalog.rule_results WHERE source = %s AND table_name = %s ORDER BY version, rule"
        return self._records(RuleResult, query, source, table)

    def order(self, source: str) -> list[OrderRecord]:
        """By instance, oldest first."""
        return self._records(OrderRecord, "SELECT * FROM catalog.version_order WHERE source = %s ORDER BY instance, place", source)

    def record_backup(self, record: BackupRecord, *, connection: Connection | None = None) -> None:
        """Stores a backup or what was newly found out about it."""
        row = {name: value for name, value in _row(record).items() if value is not None}
        with self._session(connection) as opened:
            _upsert(opened, "backups", row, ("source", "table_name", "backup_id"))

    def backups(self, source: str | None = None, table: str | None = None) -> list[BackupRecord]:
        """Newest first."""
        return self._records(
            BackupRecord,
            """SELECT * FROM catalog.backups WHERE (%s::text IS NULL OR source = %s) AND (%s::text IS NULL OR table_name = %s)
               ORDER BY created_at DESC, backup_id DESC""",
            *(source, source, table, table),
        )

    def forget_backups(self, source: str, table: str, backup_ids: Sequence[str]) -> None:
        """Backups whose folders are gone."""
        with self._session() as connection:
            connection.execute(
                "DELETE FROM catalog.backups WHERE source = %s AND table_name = %s AND backup_id = ANY(%s)",
                (source, table, list(backup_ids)),
            )

    def log(self, *, limit: int = 100, source: str | None = None, table: str | None = None) -> list[LogRecord]:
        """Newest first."""
        return self._records(
            LogRecord,
            """SELECT * FROM catalog.import_log WHERE (%s::text IS NULL OR source = %s) AND (%s::text IS NULL OR table_name = %s)
               ORDER BY id DESC LIMIT %s""",
            *(source, source, table, table, limit),
        )

    # listings: one query each

    def dump_listing(self, source: str | None = None, versions: Sequence[str] | None = None) -> list[DumpListing]:
        chosen = list(versions) if versions is not None else None
        return self._records(DumpListing, catalog_listings.DUMPS, source, source, chosen, chosen)

    def table_listing(self, source: str | None = None) -> list[TableListing]:
        return self._records(TableListing, catalog_listings.TABLES, source, source)

    # the ways to the database

    @contextmanager
    def _session(self, connection: Connection | None = None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
            return
        with connected(self.url) as opened:
            yield opened

    def _run(self, query: str, values: dict[str, Any], connection: Connection | None) -> None:
        with self._session(connection) as opened:
            opened.execute(query, values)

    def _records(self, kind: type[R], query: str, *values: Any) -> list[R]:
        with connected(self.url, autocommit=True) as connection, connection.cursor(row_factory=dict_row) as cursor:
            return [catalog_listings.record(kind, row) for row in cursor.execute(query, values)]


@cache
def _definition_mark() -> str:
    """The hash of the tables' definition as a text: a catalog that bears another one may lack something. Costs no import of SQLAlchemy."""
    definition = b"".join(Path(__file__).with_name(name).read_bytes() for name in ("tables.py", "service_tables.py"))
    return f"tables {hashlib.sha256(definition).hexdigest()[:16]}"


def _row(value: Any) -> dict[str, Any]:
    return {f.name: _stored(f.name, getattr(value, f.name)) for f in fields(value)}


def _stored(name: str, value: Any) -> Any:
    if name == "dump_time":
        return value.isoformat(" ") if value is not None else None
    if isinstance(value, str):
        return reject_log.storable(value)
    if isinstance(value, Mapping):
        return Jsonb(reject_log.storable_json(dict(value)))
    return Jsonb(reject_log.storable_json(value)) if isinstance(value, list | tuple) else value


def _record_schema(connection: Connection, snapshot: SnapshotRecord) -> None:
    for position, column in enumerate(snapshot.schema.get("columns", ())):
        row = {
            "source": snapshot.source,
            "table_name": snapshot.table_name,
            "version": snapshot.version,
            "position": position,
            "column_name": column["name"],
            "type": column["type"],
            "native": column["native"],
            "required": column["required"],
            "key_position": snapshot.key.index(column["name"]) if column["name"] in snapshot.key else None,
        }
        _insert(connection, "schema_columns", row)


def _marks(row: dict[str, Any]) -> str:
    return ", ".join(["%s"] * len(row))


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(quoted(name) for name in row)
    connection.execute(f"INSERT INTO catalog.{quoted(table)} ({names}) VALUES ({_marks(row)})", list(row.values()))


def _upsert(connection: Connection, table: str, row: dict[str, Any], key: tuple[str, ...], *, touch: str | None = None) -> None:
    names = ", ".join(quoted(name) for name in row)
    changes = [f"{quoted(name)} = excluded.{quoted(name)}" for name in row if name not in key]
    changes += [f"{quoted(touch)} = now()"] if touch else []
    connection.execute(
        f"""INSERT INTO catalog.{quoted(table)} ({names}) VALUES ({_marks(row)})
            ON CONFLICT ({", ".join(key)}) DO UPDATE SET {", ".join(changes)}""",
        list(row.values()),
    )
