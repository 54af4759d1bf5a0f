"""The latest state as SQL: per (instance, key) the newest accepted row.

Newest: highest row-version value (NULL loses to any value), then the version's place in the order, then the row number. The SQL sees
keys only, never whole rows, so the contest over a table costs memory for its keys; the rows themselves are then streamed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import BINARY, INSTANT, INT64, TIMESTAMP

ROW_VERSION_NAMES = (
    "updated_at",
    "modified_at",
    "changed_at",
    "last_updated",
    "last_update",
    "last_modified",
    "updated",
    "modified",
    "row_version",
    "rowversion",
)
"""Names under which a row-version column is found when none is declared, best first."""


def find_row_version(table: Table) -> str | None:
    """The declared row-version column, else one found by name and type, else None. The caller reports what was found, not declared."""
    if table.row_version:
        return table.row_version
    by_name = {column.name.lower(): column for column in table.columns}
    for name in ROW_VERSION_NAMES:
        column = by_name.get(name)
        wanted = (INT64,) if name in ("row_version", "rowversion") else (TIMESTAMP, INSTANT)
        if column is not None and column.type in wanted:
            return column.name
    return None


def quoted(name: str) -> str:
    """A name as SQL identifier, the same for DuckDB and Spark with doubleQuotedIdentifiers."""
    return '"' + name.replace('"', '""') + '"'


def key_expressions(table: Table, key: Sequence[str]) -> tuple[str, ...]:
    """What identifies a row, as expressions over its columns. Without a key it is the whole row, as one digest.

    Every cell enters the digest as its length and text, so that neighbouring cells cannot run into each other; NULL is a tilde.
    """
    if key:
        return tuple(quoted(name) for name in key)
    columns = sorted((column.name, column.type) for column in table.columns)
    cells = [f"coalesce(length({text}) || ':' || {text}, '~')" for text in (_text(*column) for column in columns)]
    return (f"md5({' || '.join(cells)})" if cells else "''",)


def _text(name: str, arrow: pa.DataType) -> str:
    return f"hex({quoted(name)})" if arrow == BINARY else f"CAST({quoted(name)} AS VARCHAR)"


def candidates_sql(table: Table, key: Sequence[str], row_version: str | None, relation: str) -> str:
    """The contestants in `relation`, which has the table's columns, `_row`, and the version's number, instance number and place.

    Gives (instance, version, place, "row", k0, k1, ..., rv).
    """
    keys = ", ".join(f"{expression} AS k{n}" for n, expression in enumerate(key_expressions(table, key)))
    version_value = quoted(row_version) if row_version else "CAST(NULL AS BIGINT)"
    return f'SELECT instance, version, place, "_row" AS "row", {keys}, {version_value} AS rv FROM {relation}'


def contest_sql(keys: int, *, bag: bool, relation: str = "candidates", floors: str = "floors") -> str:
    """(version, "row", deleted) of the newest candidate per (instance, key), by version and row.

    `floors(instance, place)` says from which place on a key must have been seen to exist: the newest complete dump of a source whose
    dumps are full. A key last seen below its floor is deleted. In a bag, k0 repeats: the nth repetition in one version contends with
    the nth in the others.
    """
    names = [f"k{n}" for n in range(keys)]
    if bag:
        numbered = f'SELECT *, row_number() OVER (PARTITION BY version, {", ".join(names)} ORDER BY "row") AS repetition FROM {relation}'
        names.append("repetition")
    else:
        numbered = f"SELECT * FROM {relation}"
    partition = ", ".join(["instance", *names])
    return (
        'SELECT c.version AS version, c."row" AS "row", c.last_place < coalesce(f.place, 0) AS deleted FROM ('
        f'SELECT *, row_number() OVER (PARTITION BY {partition} ORDER BY rv DESC NULLS LAST, place DESC, "row" DESC) AS newest, '
        f"max(place) OVER (PARTITION BY {partition}) AS last_place FROM ({numbered}) AS n) AS c "
        f'LEFT JOIN {floors} AS f ON f.instance = c.instance WHERE c.newest = 1 ORDER BY c.version, c."row"'
    )
