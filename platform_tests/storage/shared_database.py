"""One database for the tests of a module, cleared after each: creating and dropping one per test costs more than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from platform_assets.storage.server.embedded import ServerAddress

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> ALL(%s)"
_CATALOG = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('catalog') AND relkind = 'r' AND relname <> 'schema_version'"


@contextmanager
def temporary_database(server: ServerAddress) -> Iterator[str]:
    name = sql.Identifier(f"m_{uuid4().hex[:12]}")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    yield server.url(name.as_string().strip('"'))
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def clear(url: str) -> None:
    """Everything gone but an empty catalog, and nobody connected."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for (schema,) in connection.execute(_SCHEMAS, (["information_schema", "catalog"],)).fetchall():
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        connection.execute("CREATE SCHEMA public")
        for (table,) in connection.execute(_CATALOG).fetchall():
            connection.execute(sql.SQL("DELETE FROM catalog.{}").format(sql.Identifier(table)))


@contextmanager
def cleared_connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection for one test. Without prepared statements: the same query may meet a table of other columns here."""
    with psycopg.connect(url, prepare_threshold=None) as connection:
        yield connection
        connection.rollback()
    clear(url)
