"""Rows of latest state and history from the version tables that hold them already: inside the server, without another trip.

Only where the result is the same as that of the stored snapshots: the caller knows that the version tables were published from them,
`fits` that no value would have to be written anew as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from psycopg.sql import Literal

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import INT64
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.bulk import copy_rows
from platform_assets.storage.warehouse.names import column_names, pg_type, qualified, quoted
from platform_assets.storage.warehouse.relations import columns_of, create_table, find, refused

_CHUNK_ROWS = 1 << 16


@dataclass(frozen=True)
class Share:
    """What one version gives: all rows of its table, or those of the row numbers. `table` is its own schema, by the dump's names."""

    relation: tuple[str, str]
    table: Table
    instance: str
    version: str
    numbers: np.ndarray | None


def fits(connection: Connection, table: Table, shares: Sequence[Share]) -> bool:
    """Whether every share's table stands there with columns that become the union's by a plain cast, which is exact but for text."""
    for share in shares:
        relation = find(connection, *share.relation)
        if relation is None:
            return False
        standing = columns_of(connection, relation.oid)
        names = column_names(share.table)
        for column in table.columns:
            if column.name in names:
                kind = standing.get(names[column.name])
                if kind is None or (kind != pg_type(column.type) and pg_type(column.type) == "text"):
                    return False
    return True


def create_from_shares(
    connection: Connection, target: tuple[str, str], table: Table, columns: Mapping[str, str], shares: Sequence[Share]
) -> int:
    """Like insert_shares, into a new table: CREATE TABLE AS takes rows at half the price of INSERT. All columns may be NULL.

    Raises Conflict when the name is taken.
    """
    query = _selected(connection, table, columns, shares[0])
    with refused(f"{target[0]}.{target[1]} cannot be created"):
        rows = connection.execute(f"CREATE TABLE {qualified(*target)} AS {query}").rowcount
    return rows + insert_shares(connection, target, table, columns, shares[1:])


def insert_shares(
    connection: Connection, target: tuple[str, str], table: Table, columns: Mapping[str, str], shares: Sequence[Share]
) -> int:
    """Fills `target`, whose columns (PostgreSQL name -> type) are those of the union table and the platform's own. Gives the rows."""
    listed = ", ".join(quoted(name) for name in columns)
    rows = 0
    for share in shares:
        query = _selected(connection, table, columns, share)
        rows += connection.execute(f"INSERT INTO {qualified(*target)} ({listed}) {query}").rowcount
    return rows


def _selected(connection: Connection, table: Table, columns: Mapping[str, str], share: Share) -> str:
    origin = {"_instance": Literal(share.instance).as_string(), "_version": Literal(share.version).as_string()}
    where = f" WHERE _row IN (SELECT row FROM {_numbered(connection, share.numbers)})" if share.numbers is not None else ""
    return f"SELECT {cells(share.table, table, columns, origin)} FROM {qualified(*share.relation)} AS r{where}"


def cells(own: Table, table: Table, columns: Mapping[str, str], given: Mapping[str, str]) -> str:
    """The select list that makes rows of a version's table `r`, which has the columns of `own`, into rows of `columns`.

    `columns` (PostgreSQL name -> type) are those of the union table and of the platform; `given` has SQL for some of the latter.
    """
    names = column_names(own)
    found = {name: f"r.{quoted(names[field])}" if field in names else "NULL" for field, name in column_names(table).items()} | dict(given)
    return ", ".join(f"{found.get(name, f'r.{quoted(name)}')}::{kind} AS {quoted(name)}" for name, kind in columns.items())


def _numbered(connection: Connection, numbers: np.ndarray) -> str:
    """A temporary table with the row numbers, made anew for each share."""
    relation = ("pg_temp", "chosen_rows")
    connection.execute(f"DROP TABLE IF EXISTS {qualified(*relation)}")
    create_table(connection, *relation, {"row": "bigint"})
    copy_rows(connection, relation, [("row", INT64)], _chunks(numbers))
    connection.execute(f"ANALYZE {qualified(*relation)}")
    return qualified(*relation)


def _chunks(numbers: np.ndarray) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(numbers), _CHUNK_ROWS):
        yield pa.RecordBatch.from_arrays([pa.array(numbers[start : start + _CHUNK_ROWS], INT64)], names=["row"])
