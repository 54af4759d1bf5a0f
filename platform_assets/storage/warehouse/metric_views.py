"""Metrics in the warehouse: a view each in the schema `metrics`, made when its query changed, and the query run with bound values.

A query is proven before it becomes a view: one statement, a SELECT, nothing that writes. Not here: the file (operations.metric_files).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from platform_assets.errors import Conflict, PlatformError
from platform_assets.storage.server.sessions import Connection, connected, lock_number
from platform_assets.storage.warehouse.names import qualified
from platform_assets.storage.warehouse.queries import Answer, read_only
from platform_assets.storage.warehouse.reader import refused
from platform_assets.storage.warehouse.relations import comment, find, mark, marked
from platform_assets.storage.warehouse.views import with_views_kept

SCHEMA = "metrics"
KIND = "metric"
_TRIAL = "_trial"
"""The name of a view that is never kept; no metric bears it."""
_MISSING = ("42P01", "3F000")
"""SQLSTATE: no such table, no such schema: it may come with a later dump."""
_READS = """
WITH RECURSIVE reads(view, oid) AS (
  SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'metrics' AND c.relkind = 'v'
  UNION
  SELECT reads.view, d.refobjid FROM reads JOIN pg_rewrite r ON r.ev_class = reads.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
)
SELECT v.relname, obj_description(v.oid, 'pg_class'),
  coalesce(array_agg(DISTINCT n.nspname || '.' || c.relname) FILTER (WHERE c.relkind IN ('r', 'p', 'm', 'f')), '{}'),
  coalesce(array_agg(DISTINCT n.nspname::text) FILTER (WHERE c.relkind IN ('r', 'p', 'm', 'f')), '{}')
FROM reads JOIN pg_class v ON v.oid = reads.view JOIN pg_class c ON c.oid = reads.oid JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY v.oid, v.relname
"""


@dataclass(frozen=True)
class Bound:
    """A query as pieces of text, and between each two a value with its PostgreSQL type."""

    texts: tuple[str, ...]
    values: tuple[tuple[str, str], ...] = ()

    @property
    def for_view(self) -> str:
        """With the values as quoted constants: a view takes no parameters."""
        return self._joined([f"CAST({sql.Literal(value).as_string(None)} AS {type_})" for value, type_ in self.values])

    @property
    def for_cursor(self) -> str:
        """With placeholders."""
        return self._joined([f"CAST(%s AS {type_})" for _, type_ in self.values], escape=True)

    def _joined(self, between: list[str], *, escape: bool = False) -> str:
        texts = [text.replace("%", "%%") if escape and self.values else text for text in self.texts]
        return "".join(part for pair in zip(texts, [*between, ""], strict=True) for part in pair)


@dataclass(frozen=True)
class MetricView:
    """A view of ours: what its comment says, the tables that it reads, by way of other views as well, and their schemas."""

    said: str
    reads: tuple[str, ...]
    schemas: tuple[str, ...]


class MetricFault(PlatformError):
    """A query cannot be a metric. `offset`: lines before the fault within the query; `waits`: a table is missing, which may come yet."""

    def __init__(self, message: str, *, offset: int = 0, waits: bool = False) -> None:
        super().__init__(message)
        self.offset, self.waits = offset, waits


def metric_views(url: str) -> dict[str, MetricView]:
    """Our views of the schema by name, in one query."""
    with connected(url) as connection:
        rows = connection.execute(_READS).fetchall()
    return {
        name: MetricView(said.rpartition("\n")[0], tuple(reads), tuple(schemas))
        for name, said, reads, schemas in rows
        if said and marked(said) == mark(KIND, name)
    }


def make_view(url: str, name: str, query: str, said: str) -> None:
    """Makes the view, or makes it anew; views on it stay. `said` becomes its comment.

    Raises MetricFault for what is no query that only reads, or reads what is not there; Conflict for a view of a user that needs the old
    columns, and for a relation of that name that is none of ours.
    """
    with connected(url) as connection:
        connection.execute("SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '30s'")
        _prove(connection, query)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_number(SCHEMA),))
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        found = find(connection, SCHEMA, name)
        if found and found.mark != mark(KIND, name):
            raise Conflict(f"metrics.{name} is there already and was not made from a file: rename one of the two.", name=name)

        def made() -> None:
            connection.execute(f"DROP VIEW IF EXISTS {qualified(SCHEMA, name)}")
            _create(connection, name, query)

        with_views_kept(connection, [found.oid] if found else [], made, what=f"metrics.{name} was not made anew")
        comment(connection, f"VIEW {qualified(SCHEMA, name)}", f"{said}\n{mark(KIND, name)}")


def _prove(connection: Connection, query: str) -> None:
    """By the server itself, before anything is changed: the grammar of `CREATE VIEW ... AS` takes one SELECT, the query alone tells what
    is missing, and a view that is taken back at once whether it writes."""
    head = _head(_TRIAL)
    for prefix in (head, ""):
        result = connection.pgconn.prepare(b"", (prefix + query).encode())
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise _fault(psycopg.errors.error_from_result(result), prefix, query)
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            _create(connection, _TRIAL, query)
    except psycopg.Error as error:
        raise _fault(error, head, query) from error


def _head(name: str) -> str:
    return f"CREATE VIEW {qualified(SCHEMA, name)} AS\n"


def _create(connection: Connection, name: str, query: str) -> None:
    connection.execute((_head(name) + query).encode(), prepare=True)


def _fault(error: psycopg.Error, head: str, query: str) -> MetricFault:
    position = int(error.diag.statement_position or 0)
    text = error.diag.message_primary or str(error)
    if "multiple commands" in text:
        text = "a metric is one query (SELECT, WITH, VALUES or TABLE), and here is a second statement"
    elif error.sqlstate == "42601":
        text += "; a metric is one query: SELECT, WITH, VALUES or TABLE"
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    before = (head + query)[: max(position - 1, 0)].count("\n") - (head.count("\n") if position else 0)
    return MetricFault(f"{text}{hint}", offset=max(before, 0), waits=error.sqlstate in _MISSING)


def drop_view(url: str, name: str) -> None:
    """Takes the view away whose file is gone, unless another view reads it."""
    with connected(url) as connection:
        connection.execute("SET LOCAL lock_timeout = '5s'")
        try:
            with connection.transaction():
                connection.execute(f"DROP VIEW IF EXISTS {qualified(SCHEMA, name)}")
        except psycopg.errors.DependentObjectsStillExist as error:
            raise Conflict(f"The view metrics.{name}, whose file is gone, stays: {refused(error)}.", name=name) from error


@contextmanager
def answered(url: str, bound: Bound, *, timeout_seconds: int) -> Iterator[Answer]:
    """The rows of a query with its values bound, streamed inside the block, under a login that can only read.

    Raises RefusedQuery, DatabaseUnavailable.
    """
    values = tuple(value for value, _ in bound.values)
    with read_only(url, bound.for_cursor, values=values or None, timeout_seconds=timeout_seconds) as answer:
        yield answer


def published(url: str) -> Mapping[str, tuple[str, int]]:
    """`schema.relation` of each latest state to its table's key, and to a number that grows with each publication."""
    with connected(url) as connection:
        rows = connection.execute(
            """SELECT schema_name || '.' || relation, table_key, coalesce(published_load_id, 0) FROM catalog.tables
               WHERE relation IS NOT NULL"""
        ).fetchall()
    return {relation: (key, number) for relation, key, number in rows}
