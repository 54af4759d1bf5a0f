"""Read-only questions to the warehouse: `sql`, `show`, and how values come out of it. Under which login: reader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.types.numeric import FloatLoader
from psycopg.types.string import TextLoader

from platform_assets.errors import RefusedQuery
from platform_assets.storage.server.sessions import TEXT_FORMS, Connection, connected, unavailable
from platform_assets.storage.warehouse.reader import reading, refused

FETCHED = 1_000
AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb")
"""Types of which Python's values hold less than the server's: `infinity`, years before Christ, 1 month, the digits of a JSON number."""


@dataclass(frozen=True)
class Answer:
    """Column names and rows, streamed while the connection is open. Values: None, bool, int, float, Decimal, bytes, and text for the rest
    (times in UTC as PostgreSQL writes them)."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def read_only(url: str, query: str, *, values: Sequence[str] | None = None, timeout_seconds: int = 300) -> AbstractContextManager[Answer]:
    """One query of a user, under a login that can only read, through a server-side cursor, so that memory stays flat.

    `timeout_seconds` bounds each step of 1,000 rows; `values` are bound where the query has `%s`. Raises RefusedQuery
    for what is no query, for a write, for what the login may not do, for one that takes too long, and with the server's words for an
    error in it; DatabaseUnavailable.
    """
    return _asked(reading(url), query, timeout_seconds, values)


def read_table(url: str, schema: str, relation: str, *, limit: int | None) -> AbstractContextManager[Answer]:
    """The first rows of a table, all with None. Raises like read_only."""
    text = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, relation)).as_string(None)
    return _asked(connected(url), f"{text} LIMIT {int(limit)}" if limit is not None else text, 0)


def read_matching(url: str, schema: str, relation: str, match: Mapping[str, str]) -> AbstractContextManager[Answer]:
    """The rows whose columns have these values, each written as text. Raises like read_only, so also for what is no value of a column."""
    same = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in match.items())
    text = sql.SQL("SELECT * FROM {} WHERE {}").format(sql.Identifier(schema, relation), same).as_string(None)
    return _asked(connected(url), text, 0)


@contextmanager
def _asked(
    opened: AbstractContextManager[Connection], query: str, timeout_seconds: int, values: Sequence[str] | None = None
) -> Iterator[Answer]:
    try:
        with opened as connection:
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute(TEXT_FORMS)
            connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(timeout_seconds * 1000)))
            with connection.cursor(name="platform_query") as cursor:
                for name in AS_TEXT:
                    cursor.adapters.register_loader(name, TextLoader)
                for name in ("float4", "float8"):
                    cursor.adapters.register_loader(name, _FloatLoader)
                cursor.itersize = FETCHED
                cursor.execute(query, values)
                rows = iter(cursor)
                first = next(rows, None)
                columns = tuple(column.name for column in cursor.description or ())
                yield Answer(columns, _chain(first, rows))
            connection.rollback()
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise RefusedQuery(f"{refused(error)}: the warehouse is written by the platform alone; `sql` takes queries only.") from error
    except psycopg.errors.QueryCanceled as error:
        raise RefusedQuery(f"The query took longer than {timeout_seconds} s and was stopped.") from error
    except psycopg.errors.SyntaxError as error:
        raise RefusedQuery(f"{refused(error)}. `sql` takes one query: SELECT, WITH, VALUES or TABLE.") from error
    except psycopg.OperationalError as error:
        raise unavailable(error, "The answer is not whole") from error
    except psycopg.Error as error:
        raise RefusedQuery(refused(error)) from error


def _chain(first: tuple[Any, ...] | None, rest: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    if first is not None:
        yield first
        yield from rest


class _FloatLoader(FloatLoader):
    """NaN and the infinities as text: JSON has no number for them."""

    def load(self, data: Buffer) -> Any:
        value = super().load(data)
        return value if math.isfinite(value) else str(bytes(data), "ascii")


def count_rows(connection: Connection, schema: str, relation: str) -> int:
    """The rows of a table as this transaction sees it."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, relation))).fetchone()
    return int(row[0]) if row else 0
