"""The state of a table at a time or a version for SQL users: two functions and a view over its history.

`<table>_as_of(timestamp)` gives the states that counted then, those of now for NULL; `<table>_as_of_version(text)` those of one instance
after a version, by its key or label. The view `<table>__as_of` is the first at the time that the setting `platform.as_of` holds, for
programs that can only read tables. All have the columns of today. Their bodies are text, so nothing hangs on them but what
people put there. Not here: the history itself (history_tables).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from psycopg.sql import Literal

from platform_assets.dictionary.model import Table
from platform_assets.errors import Conflict
from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.latest_tables import META
from platform_assets.storage.warehouse.names import column_names, history_schema, pg_type, qualified, quoted, relation_name
from platform_assets.storage.warehouse.relations import comment, mark, marked, place, refused
from platform_assets.storage.warehouse.views import create_views, dependent_views, dress, drop_views

_BY_TIME, _BY_VERSION = "timestamp without time zone", "text"
_FORMAT = 1


def as_of_relations(connection: Connection, *, source: str, table: Table, relation: str) -> tuple[str, str, str]:
    """Makes functions and view over the history `relation` if they are not there as they should be; gives their names.

    Views that people put on them stay. Raises Conflict when one of those cannot be made again, or somebody else's function or view
    bears a name.
    """
    schema = history_schema(source)
    columns = {column_names(table)[column.name]: pg_type(column.type) for column in table.columns} | META
    time, version = (relation_name(f"{relation_name(table.name)}_as_of{end}") for end in ("", "_version"))
    view, _ = place(
        connection, schema, mark("as-of-view", table.name), lambda taken: relation_name(f"{relation_name(table.name)}__as_of", taken)
    )
    wanted = {
        (time, _BY_TIME): _function(schema, time, _BY_TIME, columns, "sql", _states_then(schema, relation, columns)),
        (version, _BY_VERSION): _function(
            schema, version, _BY_VERSION, columns, "plpgsql", _states_after(source, table.name, schema, relation, columns)
        ),
    }
    digest = hashlib.sha256(f"{_FORMAT} {wanted}".encode()).hexdigest()[:16]
    standing = {function: _standing(connection, schema, *function) for function in wanted}
    marks = {function: mark("as-of", table.name, function[0], digest) for function in wanted}
    if any(found is None or found[1] != marks[function] for function, found in standing.items()):
        _refuse_strangers(schema, standing, mark("as-of", table.name)[:-2])
        oids = [found[0] for found in standing.values() if found]
        _make(connection, schema, view, table.name, wanted, marks, oids)
    return time, version, view


def _make(
    connection: Connection,
    schema: str,
    view: str,
    table: str,
    wanted: Mapping[tuple[str, str], str],
    marks: Mapping[tuple[str, str], str],
    oids: list[int],
) -> None:
    with refused(f"{schema}.{view} and its functions cannot be made"):
        views = dependent_views(connection, oids, of="pg_proc")
        drop_views(connection, views)
        for (name, argument), statement in wanted.items():
            connection.execute(f"DROP FUNCTION IF EXISTS {qualified(schema, name)}({argument})")
            connection.execute(statement)
            comment(connection, f"FUNCTION {qualified(schema, name)}({argument})", marks[name, argument])
        by_time = next(name for name, argument in wanted if argument == _BY_TIME)
        setting = f"nullif(current_setting('platform.as_of', true), '')::{_BY_TIME}"
        connection.execute(f"CREATE VIEW {qualified(schema, view)} AS SELECT * FROM {qualified(schema, by_time)}({setting})")
        mine = next((one for one in views if (one.schema, one.name) == (schema, view)), None)
        if mine is not None:
            dress(connection, "VIEW", schema, view, replace(mine.dressing, extras=(), column_comments=()))
        comment(connection, f"VIEW {qualified(schema, view)}", mark("as-of-view", table))
        create_views(connection, [one for one in views if one is not mine])


def _function(schema: str, name: str, argument: str, columns: Mapping[str, str], language: str, body: str) -> str:
    given = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    return (
        f"CREATE FUNCTION {qualified(schema, name)}({argument}) RETURNS TABLE ({given}) LANGUAGE {language} STABLE "
        f"AS {Literal(body).as_string()}"
    )


def _states_then(schema: str, relation: str, columns: Mapping[str, str]) -> str:
    """One SELECT, which the planner puts in the place of the call."""
    return (
        f"SELECT {_listed(columns)} FROM {qualified(schema, relation)} AS h "
        "WHERE (h._valid_from <= $1 AND (h._valid_to IS NULL OR h._valid_to > $1)) OR ($1 IS NULL AND h._until_version IS NULL)"
    )


def _states_after(source: str, table: str, schema: str, relation: str, columns: Mapping[str, str]) -> str:
    name = Literal(f"{source}.{table}").as_string()

    def versions(alias: str) -> str:
        of_table = f"{alias}.source = {Literal(source).as_string()} AND {alias}.table_name = {Literal(table).as_string()}"
        return f"catalog.history_versions AS {alias} ON {of_table}"

    named = "$1 IN (a.version, split_part(a.version, '.', 2))"
    return f"""BEGIN
  IF (SELECT count(*) FROM (SELECT 1) AS one JOIN {versions("a")} AND {named}) <> 1 THEN
    RAISE EXCEPTION 'There is no one version % of %.', $1, {name} USING ERRCODE = 'no_data_found',
      HINT = 'Its versions, by key or label: ' || coalesce((SELECT string_agg(a.version, ', ' ORDER BY a.instance, a.place)
        FROM (SELECT 1) AS one JOIN {versions("a")}), 'none');
  END IF;
  RETURN QUERY SELECT {_listed(columns)} FROM {qualified(schema, relation)} AS h
    JOIN {versions("a")} AND {named} AND a.instance = h._instance
    JOIN {versions("b")} AND b.version = h._version AND b.place <= a.place
    LEFT JOIN {versions("u")} AND u.version = h._until_version
    WHERE u.place IS NULL OR u.place > a.place;
END"""


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"h.{quoted(name)}" for name in columns)


def _standing(connection: Connection, schema: str, name: str, argument: str) -> tuple[int, str | None] | None:
    """Oid and mark of a function."""
    row = connection.execute(
        """SELECT p.oid, obj_description(p.oid, 'pg_proc') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE n.nspname = %s AND p.proname = %s AND pg_get_function_identity_arguments(p.oid) = %s""",
        (schema, name, argument),
    ).fetchone()
    return (row[0], marked(row[1])) if row else None


def _refuse_strangers(schema: str, standing: Mapping[tuple[str, str], tuple[int, str | None] | None], ours: str) -> None:
    for (name, argument), found in standing.items():
        if found is not None and not (found[1] or "").startswith(ours):
            raise Conflict(
                f"{schema}.{name}({argument}) stands in the database and was not made by this platform for this table. It was not "
                "touched: rename it or move it to another schema.",
                schema=schema,
                relation=name,
            )
