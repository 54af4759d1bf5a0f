"""Pages of a table for readers outside: filter, order, keyset, as Arrow batches streamed by COPY under a login that can only read.

Columns are given and got by the names that the dumps have. Not here: what a request asks for (operations.table_rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.sql import Literal

from platform_assets.errors import RefusedQuery
from platform_assets.storage.server.sessions import TEXT_FORMS, Connection, unavailable
from platform_assets.storage.warehouse.bulk import read_rows
from platform_assets.storage.warehouse.names import pg_type, qualified, quoted
from platform_assets.storage.warehouse.reader import reading, refused

COMPARISONS: dict[str, str] = {"eq": "=", "ne": "IS DISTINCT FROM", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_NOT_OF_ITS_TYPE = ("22", "42883")
"""SQLSTATE: data exceptions, and an operator that the type has not."""


@dataclass(frozen=True)
class Filter:
    """`operator` is one of COMPARISONS, or `null` or `notnull`, which take no value."""

    column: str
    operator: str
    value: str = ""


@dataclass(frozen=True)
class Sort:
    column: str
    descending: bool = False


@dataclass(frozen=True)
class Page:
    """What is wanted. `columns`: name to (PostgreSQL name, type) of all that may be named; `after`: the sorted columns of the last row
    before, as the server's text; `limit` None: all rows. NULL comes last in either direction."""

    relation: tuple[str, str]
    columns: Mapping[str, tuple[str, pa.DataType]]
    select: tuple[str, ...]
    filters: tuple[Filter, ...] = ()
    order: tuple[Sort, ...] = ()
    after: tuple[str | None, ...] | None = None
    limit: int | None = None
    keys: tuple[str, ...] = field(default=())
    """Columns that are never NULL and together unique: where the order is theirs, their index finds the page."""


@contextmanager
def read_page(url: str, page: Page, *, timeout_seconds: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows, streamed while the block runs: the selected columns, then each sorted column as text under `_sort_<n>`.

    Raises RefusedQuery for a value that is none of its column's type and for a page that takes longer than `timeout_seconds`,
    DatabaseUnavailable.
    """
    try:
        with reading(url) as connection:
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute(TEXT_FORMS)
            connection.execute(f"SET LOCAL statement_timeout = {int(timeout_seconds * 1000)}; SET LOCAL lock_timeout = '5s'")
            chosen = [page.columns[name] for name in page.select] + [(f"_sort_{at}", pa.string()) for at in range(len(page.order))]
            fields = [*page.select, *(f"_sort_{at}" for at in range(len(page.order)))]
            yield read_rows(connection, _query(connection, page), chosen, fields=fields)
            connection.rollback()
    except psycopg.errors.QueryCanceled as error:
        raise RefusedQuery(f"The rows took longer than {timeout_seconds} s and were stopped: ask for fewer.") from error
    except psycopg.OperationalError as error:
        raise unavailable(error, "The answer is not whole") from error
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(_NOT_OF_ITS_TYPE):
            raise RefusedQuery(f"A value of the filter is none of its column's type: {refused(error)}.") from error
        raise


def _query(connection: Connection, page: Page) -> str:
    names = [quoted(page.columns[name][0]) for name in page.select]
    sorts = [f"{quoted(page.columns[sort.column][0])}::text AS _sort_{at}" for at, sort in enumerate(page.order)]
    conditions = [_condition(connection, page, one) for one in page.filters]
    if page.after is not None:
        conditions.append(_beyond(connection, page, page.after))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = ", ".join(f"{quoted(page.columns[s.column][0])} {'DESC' if s.descending else 'ASC'} NULLS LAST" for s in page.order)
    ordered = f" ORDER BY {order}" if order else ""
    limit = f" LIMIT {page.limit}" if page.limit is not None else ""
    return f"SELECT {', '.join([*names, *sorts])} FROM {qualified(*page.relation)}{where}{ordered}{limit}"


def _condition(connection: Connection, page: Page, one: Filter) -> str:
    name = quoted(page.columns[one.column][0])
    if one.operator in ("null", "notnull"):
        return f"{name} IS {'NOT ' if one.operator == 'notnull' else ''}NULL"
    return f"{name} {COMPARISONS[one.operator]} {_value(connection, page, one.column, one.value)}"


def _value(connection: Connection, page: Page, column: str, text: str) -> str:
    return f"{Literal(text).as_string(connection)}::{pg_type(page.columns[column][1])}"


def _beyond(connection: Connection, page: Page, after: Sequence[str | None]) -> str:
    """Rows behind the last one in the order: equal in the first columns and behind it in the next."""
    if tuple(sort.column for sort in page.order) == page.keys and not any(sort.descending for sort in page.order) and None not in after:
        names = ", ".join(quoted(page.columns[name][0]) for name in page.keys)
        values = ", ".join(_value(connection, page, name, text or "") for name, text in zip(page.keys, after, strict=True))
        return f"({names}) > ({values})"
    ways, equal = [], ""
    for sort, text in zip(page.order, after, strict=True):
        name: Any = quoted(page.columns[sort.column][0])
        if text is not None:
            value = _value(connection, page, sort.column, text)
            ways.append(f"({equal}({name} {'<' if sort.descending else '>'} {value} OR {name} IS NULL))")
            equal += f"{name} = {value} AND "
        else:
            equal += f"{name} IS NULL AND "
    return f"({' OR '.join(ways) or 'false'})"
