"""Views that depend on a table survive a change of it: saved with owner, grants, comments and all, dropped, made again.

Only when they stand in the way: PostgreSQL refuses to drop a column or a table, or to change a column's type, that a view reads.
What a materialized view holds is computed again. Not here: which change is made (version_tables, latest_tables).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import psycopg

from platform_assets.errors import Conflict
from platform_assets.storage.server.sessions import Connection, one_line
from platform_assets.storage.warehouse.names import qualified, quoted
from platform_assets.storage.warehouse.relations import comment, refused

_DEPENDENT = """
WITH RECURSIVE dependent(oid, level) AS (
  SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = %s::regclass AND d.refobjid = ANY(%s) AND r.ev_class <> d.refobjid
  UNION
  SELECT r.ev_class, level + 1 FROM dependent
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = dependent.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> dependent.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind::text, max(level) FROM dependent
JOIN pg_class c ON c.oid = dependent.oid AND c.relkind IN ('v', 'm') JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY c.oid, n.nspname, c.relname, c.relkind ORDER BY max(level), c.oid
"""
_USERS = """
SELECT DISTINCT n.nspname, c.relname, a.attname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %s AND a.attname = ANY(%s)
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Dressing:
    """What a relation has besides its columns and rows: everything as SQL that puts it on again, but for comments, which are text."""

    owner: str
    grants: tuple[str, ...]
    comment: str | None
    column_comments: tuple[tuple[str, str], ...]
    extras: tuple[str, ...]
    """Defaults of view columns, triggers, rules, indexes, constraints, in this order."""


@dataclass(frozen=True)
class View:
    """A view or materialized view, enough to make it again."""

    schema: str
    name: str
    kind: str
    definition: str
    dressing: Dressing

    @property
    def sql_kind(self) -> str:
        return "MATERIALIZED VIEW" if self.kind == "m" else "VIEW"

    @property
    def target(self) -> str:
        return f"{self.sql_kind} {qualified(self.schema, self.name)}"


def with_views_kept(connection: Connection, oids: Sequence[int], change: Callable[[], None], *, what: str) -> None:
    """Runs `change` on the relations; if views stand in its way, they are dropped before it and made again after it.

    Raises Conflict, naming what stands in the way, when that cannot be done; the transaction is then as it was before.
    """
    with refused(what):
        try:
            with connection.transaction():
                change()
            return
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.DependentObjectsStillExist):
            saved = dependent_views(connection, oids)
        with connection.transaction():
            drop_views(connection, saved)
            change()
            create_views(connection, saved)


def refuse_used(connection: Connection, oid: int, columns: Sequence[str], *, what: str) -> None:
    """Raises Conflict when a view reads one of the columns that are about to go."""
    if found := columns_read(connection, oid, columns):
        uses = "; ".join(f"view {schema}.{view} reads column {column}" for schema, view, column in found)
        raise Conflict(f"{what}: {uses}. Nothing was changed: change or drop the view, then run it again.", views=found)


def columns_read(connection: Connection, oid: int, columns: Sequence[str]) -> list[tuple[str, str, str]]:
    """(schema, view, column) of every view that reads one of the columns."""
    return connection.execute(_USERS, (oid, list(columns))).fetchall() if columns else []


def dependent_views(connection: Connection, oids: Sequence[int], *, of: Literal["pg_class", "pg_proc"] = "pg_class") -> list[View]:
    """All views on the relations, or functions, and on such views, a view after those that it reads."""
    with _bare_search_path(connection):
        rows = connection.execute(_DEPENDENT, (of, list(oids))).fetchall()
        return [_saved(connection, oid, schema, name, kind) for oid, schema, name, kind, _ in rows]


def drop_views(connection: Connection, views: Sequence[View]) -> None:
    for view in reversed(views):
        connection.execute(f"DROP {view.target}")


def create_views(connection: Connection, views: Sequence[View]) -> None:
    """Raises Conflict naming the view, and the server's reason, when one cannot be made any more."""
    for view in views:
        try:
            connection.execute(view.definition)
            dress(connection, view.sql_kind, view.schema, view.name, view.dressing)
        except (psycopg.ProgrammingError, psycopg.DataError) as error:
            raise Conflict(
                f"The view {view.schema}.{view.name} cannot be made again after the change: {one_line(error)}. "
                "Nothing was changed: change or drop the view, then run it again.",
                view=f"{view.schema}.{view.name}",
            ) from error


def dress(connection: Connection, sql_kind: str, schema: str, name: str, dressing: Dressing) -> None:
    """Puts owner, grants, comments and extras on a relation made anew under the old name."""
    relation = qualified(schema, name)
    connection.execute(f"ALTER {sql_kind} {relation} OWNER TO {quoted(dressing.owner)}")
    for statement in (*dressing.extras, *dressing.grants):
        connection.execute(statement)
    comment(connection, f"{sql_kind} {relation}", dressing.comment)
    for column, text in dressing.column_comments:
        comment(connection, f"COLUMN {relation}.{quoted(column)}", text)


def dressing_of(connection: Connection, oid: int) -> Dressing:
    with _bare_search_path(connection):
        return _dressing(connection, oid)


def _saved(connection: Connection, oid: int, schema: str, name: str, kind: str) -> View:
    row = connection.execute(
        "SELECT pg_get_viewdef(oid), array_to_string(reloptions, ', '), relispopulated FROM pg_class WHERE oid = %s", (oid,)
    ).fetchone()
    assert row is not None
    body, options, populated = row
    view = View(schema, name, kind, "", _dressing(connection, oid))
    definition = f"CREATE {view.target}" + (f" WITH ({options})" if options else "") + f" AS {body.rstrip().rstrip(';')}"
    return replace(view, definition=definition + (" WITH NO DATA" if kind == "m" and not populated else ""))


def _dressing(connection: Connection, oid: int) -> Dressing:
    row = connection.execute(
        "SELECT pg_get_userbyid(relowner), obj_description(oid, 'pg_class') FROM pg_class WHERE oid = %s", (oid,)
    ).fetchone()
    assert row is not None
    comments = connection.execute(
        """SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
           WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL""",
        (oid,),
    ).fetchall()
    return Dressing(row[0], _statements(connection, _GRANTS, oid), row[1], tuple(comments), _statements(connection, _EXTRAS, oid))


def _statements(connection: Connection, query: str, oid: int) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute(query, {"oid": oid}).fetchall())


_GRANTS = """
WITH relation AS (
  SELECT c.oid, c.relacl, c.relowner, format('%%I.%%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(oid)s
), granted AS (
  SELECT name, '' AS columns, (aclexplode(relacl)).* FROM relation
  UNION ALL
  SELECT name, format('(%%I)', attname), (aclexplode(attacl)).* FROM relation
  JOIN pg_attribute ON attrelid = relation.oid AND attacl IS NOT NULL
)
SELECT format('REVOKE ALL ON %%s FROM %%I', name, pg_get_userbyid(relowner)) FROM relation WHERE relacl IS NOT NULL
UNION ALL
SELECT format('GRANT %%s %%s ON %%s TO %%s%%s', privilege_type, columns, name,
  CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM granted
"""

_EXTRAS = """
WITH relation AS (
  SELECT c.oid, c.relkind, format('%%I.%%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(oid)s
)
SELECT format('ALTER VIEW %%s ALTER COLUMN %%I SET DEFAULT %%s', name, attname, pg_get_expr(adbin, adrelid))
FROM relation JOIN pg_attrdef ON adrelid = relation.oid JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE relkind = 'v'
UNION ALL
SELECT pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = %(oid)s AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', name, conname, pg_get_constraintdef(k.oid))
FROM relation JOIN pg_constraint k ON conrelid = relation.oid WHERE contype IN ('c', 'u', 'x', 'f')
UNION ALL
SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = %(oid)s
UNION ALL
SELECT format('ALTER TABLE %%s SET (%%s)', name, array_to_string(reloptions, ', '))
FROM relation JOIN pg_class c ON c.oid = relation.oid WHERE relation.relkind = 'r' AND reloptions IS NOT NULL
UNION ALL
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal
UNION ALL
SELECT format('ALTER TABLE %%s %%s TRIGGER %%I', name,
  CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
FROM relation JOIN pg_trigger ON tgrelid = relation.oid WHERE NOT tgisinternal AND tgenabled <> 'O' AND relkind = 'r'
UNION ALL
SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = %(oid)s AND rulename <> '_RETURN'
"""


@contextmanager
def _bare_search_path(connection: Connection) -> Iterator[None]:
    """With no schema to search, the server writes every name in a definition with its schema."""
    row = connection.execute("SELECT current_setting('search_path'), set_config('search_path', '', true)").fetchone()
    try:
        yield
    finally:
        if not connection.broken and connection.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
            connection.execute("SELECT set_config('search_path', %s, true)", (row[0] if row else "",))
