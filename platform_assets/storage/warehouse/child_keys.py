"""What version tables hold, counted in the server: rows and keys of one version. Inheritance itself keeps no key across children."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.sql import Literal

from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.mothers import Mother
from platform_assets.storage.warehouse.names import column_name, qualified, quoted
from platform_assets.storage.warehouse.relations import columns_of, find


@dataclass(frozen=True)
class KeyCounts:
    """`rows` as the mother shows them for the version; `repeated` rows bear a key that another row has; None: there is no key to ask of.

    `elsewhere` are keys that the latest state has in another instance as well.
    """

    rows: int
    repeated: int | None
    elsewhere: int | None


def count_keys(
    connection: Connection, mother: Mother, version: str, key: Sequence[str], latest: tuple[str, str] | None, instance: str
) -> KeyCounts:
    """Counts one version through its mother; `key` are columns as dumps call them, `latest` is the table of the latest state."""
    relation = f"{qualified(mother.schema, mother.name)} AS v WHERE v._version = {Literal(version).as_string(connection)}"
    names = [column_name(name) for name in key]
    if not names or not set(names) <= mother.columns.keys():
        row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
        return KeyCounts(row[0] if row else 0, None, None)
    listed = ", ".join(f"v.{quoted(name)}" for name in names)
    row = connection.execute(
        f"SELECT coalesce(sum(n), 0)::bigint, count(*) FROM (SELECT count(*) AS n FROM {relation} GROUP BY {listed}) AS k"
    ).fetchone()
    rows, keys = row or (0, 0)
    return KeyCounts(rows, rows - keys, _elsewhere(connection, mother, relation, names, latest, instance))


def _elsewhere(
    connection: Connection, mother: Mother, relation: str, names: Sequence[str], latest: tuple[str, str] | None, instance: str
) -> int | None:
    """None also where the latest state has another key or type: it is not yet made from this version."""
    standing = find(connection, *latest) if latest else None
    columns = columns_of(connection, standing.oid) if standing else {}
    if latest is None or any(columns.get(name) != mother.columns[name] for name in names):
        return None
    other = " AND ".join(f"l.{quoted(name)} = v.{quoted(name)}" for name in names)
    own = Literal(instance).as_string(connection)
    query = f"SELECT count(*) FROM {relation} AND EXISTS (SELECT 1 FROM {qualified(*latest)} AS l WHERE {other} AND l._instance <> {own})"
    row = connection.execute(query).fetchone()
    return row[0] if row else None
