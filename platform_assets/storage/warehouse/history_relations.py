"""The relations of a table's history as they stand: a view or a table, each put in the other's place, and the view of changes.

Not here: what is in them (history_tables).
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from psycopg.sql import Literal

from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.names import history_schema, qualified, quoted, relation_name
from platform_assets.storage.warehouse.relations import Relation, comment, mark, place, refused
from platform_assets.storage.warehouse.views import create_views, dependent_views, dress, dressing_of, drop_views


def history_place(connection: Connection, source: str, table: str) -> tuple[str, Relation | None]:
    """The name of a table's history in its schema, and the relation when it stands already."""
    return place(connection, history_schema(source), mark("history", table), lambda taken: relation_name(table, taken))


def kind_of(connection: Connection, source: str, table: str) -> str | None:
    """`view` or `table`, as the history stands; None when there is none."""
    _, standing = history_place(connection, source, table)
    return None if standing is None else "table" if standing.kind == "r" else "view"


def freeze(connection: Connection, source: str, table: str) -> None:
    """Turns a history that is a view into a table with the rows that it shows: a version table that it reads is about to go."""
    schema = history_schema(source)
    name, standing = history_place(connection, source, table)
    if standing is None or standing.kind != "v":
        return
    staged = f"_freezing_{secrets.token_hex(6)}"
    connection.execute(f"CREATE TABLE {qualified(schema, staged)} AS TABLE {qualified(schema, name)}")
    put(connection, (schema, name), standing, "TABLE", f"ALTER TABLE {qualified(schema, staged)} RENAME TO {quoted(name)}")


def drop_history(connection: Connection, source: str, table: str) -> None:
    """Drops the history of a table that goes by another name now. Raises Conflict, naming them, when views read it."""
    schema = history_schema(source)
    for name, standing in (history_place(connection, source, table), _changes_place(connection, source, table)):
        if standing is not None:
            with refused(f"{schema}.{name} goes by another name now, but cannot be dropped"):
                connection.execute(f"DROP {'TABLE' if standing.kind == 'r' else 'VIEW'} {qualified(schema, name)}")


def put(connection: Connection, relation: tuple[str, str], standing: Relation | None, kind: str, statement: str) -> None:
    """Makes the relation by the statement, in the place of what stands there: with its owner, grants and the views on it."""
    with refused(f"{relation[0]}.{relation[1]} cannot be made"):
        if standing is None:
            connection.execute(statement)
            return
        views, dressing = dependent_views(connection, [standing.oid]), dressing_of(connection, standing.oid)
        drop_views(connection, views)
        connection.execute(f"DROP {'TABLE' if standing.kind == 'r' else 'VIEW'} {qualified(*relation)}")
        connection.execute(statement)
        dress(connection, kind, *relation, replace(dressing, extras=(), column_comments=()))
        create_views(connection, views)


def changes_view(connection: Connection, *, source: str, table: str) -> str:
    """The view `<table>__changes` over the catalog: what each version did to the table. Gives its name."""
    schema, own = history_schema(source), mark("changes", table)
    name, standing = _changes_place(connection, source, table)
    if standing is None:
        mine = f"source = {Literal(source).as_string()} AND table_name = {Literal(table).as_string()}"
        connection.execute(
            f"""CREATE VIEW {qualified(schema, name)} AS
                SELECT instance, place, version, valid_from AS moment, known_from, rows, inserts, updates, deletes, spared
                FROM catalog.history_versions WHERE {mine} ORDER BY instance, place"""
        )
        comment(connection, f"VIEW {qualified(schema, name)}", own)
    return name


def _changes_place(connection: Connection, source: str, table: str) -> tuple[str, Relation | None]:
    own = mark("changes", table)
    return place(connection, history_schema(source), own, lambda taken: relation_name(f"{relation_name(table)}__changes", taken))
