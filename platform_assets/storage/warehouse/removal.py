"""Taking everything that the platform made out of the warehouse. What bears no mark belongs to somebody else and is not touched.

Not here: the catalog (catalog.kept_facts).
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Composable, Identifier

from platform_assets.storage.server.sessions import Connection
from platform_assets.storage.warehouse.relations import marked, refused

_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind::text, obj_description(c.oid, 'pg_class') FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname <> 'catalog' ORDER BY 1, 2
"""
_FUNCTIONS = """
SELECT p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc') FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('catalog', 'pg_catalog', 'information_schema') ORDER BY 1
"""
"""regprocedure writes names quoted, and the types of the arguments."""


def drop_own(connection: Connection) -> int:
    """Drops every table, view and function of ours, inside the caller's transaction; gives how many tables and views.

    The schemas stay, with their grants. Raises Conflict naming what hangs on them (somebody's view): nothing is dropped then.
    """
    own = [(kind, Identifier(schema, name)) for schema, name, kind, text in connection.execute(_RELATIONS).fetchall() if marked(text)]
    functions = [SQL(signature) for signature, text in connection.execute(_FUNCTIONS).fetchall() if marked(text)]
    found: dict[str, Sequence[Composable]] = {
        "VIEW": [name for kind, name in own if kind == "v"],  # on functions, which are on tables
        "FUNCTION": functions,
        "TABLE": [name for kind, name in own if kind != "v"],
    }
    with refused("The warehouse cannot be emptied while others use its tables; drop these first, and make them again afterwards"):
        for what, names in found.items():
            if names:
                connection.execute(SQL("DROP {} {}").format(SQL(what), SQL(", ").join(names)))
    return len(own)
