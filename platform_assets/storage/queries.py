"""Read-only questions to the warehouse: `sql`, `show`, and how rows become text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from platform_assets.errors import RefusedQuery
from platform_assets.storage.catalog_records import TableRecord
from platform_assets.storage.sessions import connected

FETCHED = 1_000


@dataclass(frozen=True)
class Answer:
    """Column names and rows, streamed while the connection is open."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def read_only(url: str, query: str, *, timeout_seconds: int = 300) -> Iterator[Answer]:
    """One query in a read-only transaction, through a server-side cursor, so that memory stays flat.

    Raises RefusedQuery for what is no query, for a write, and with the server's words for an error in it.
    """
    with connected(url) as connection:
        try:
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(timeout_seconds * 1000)))
            with connection.cursor(name="platform_query") as cursor:
                cursor.itersize = FETCHED
                cursor.execute(query)
                rows = iter(cursor)
                first = next(rows, None)
                columns = tuple(column.name for column in cursor.description or ())
                yield Answer(columns, _chain(first, rows))
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise RefusedQuery("The warehouse is written by the platform alone; `sql` takes queries only.") from error
        except psycopg.Error as error:
            raise RefusedQuery(str(error).strip() or type(error).__name__) from error


def _chain(first: tuple[Any, ...] | None, rest: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    if first is not None:
        yield first
        yield from rest


def count_rows(url: str, record: TableRecord) -> int:
    """Rows of the latest state as it stands in the warehouse now."""
    text = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(record.schema_name or "", record.relation or ""))
    with connected(url) as connection:
        row = connection.execute(text).fetchone()
    return int(row[0]) if row else 0


def table_query(schema: str, relation: str, *, limit: int | None) -> str:
    """All columns of a table, its first rows in the order of its primary key is the server's choice."""
    text = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, relation)).as_string(None)
    return f"{text} LIMIT {int(limit)}" if limit is not None else text
