"""Connections for the catalog and the write protocol: opened for one piece of work and closed after it.

Not here: where the server is and how it is started (database, embedded).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.database import connect
from platform_assets.storage.server.database_url import with_driver

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool
    from sqlalchemy import Engine

Connection = psycopg.Connection[Any]
TEXT_FORMS = """
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1
"""
"""What a transaction must set for the server's text of a value to be exact and the same everywhere."""


def plain_url(database: str | Engine) -> str:
    """The libpq URL of an SQLAlchemy engine or URL, without a driver's name. Raises DatabaseUnavailable for what is no such URL."""
    return with_driver(database if isinstance(database, str) else database.url.render_as_string(hide_password=False), None)


@contextmanager
def connected(database: str | Engine, *, autocommit: bool = False) -> Iterator[Connection]:
    """A connection of its own: committed at the end, rolled back on an error, closed in any case, or given back where they are kept.

    Raises DatabaseUnavailable when the server cannot be reached or goes away; the message has no password.
    """
    pool = _kept.get(plain_url(database)) if not autocommit else None
    opening = pool.connection() if pool is not None else open_connection(database, autocommit=autocommit)
    with _mapped(), opening as connection:
        yield connection


_kept: dict[str, ConnectionPool[Connection]] = {}
KEPT_CONNECTIONS = 16
"""The most that a process keeps; who comes when all are at work waits."""


@contextmanager
def kept_connections(database: str | Engine) -> Iterator[None]:
    """While the block runs, `connected` opens no connection anew that another piece of work has given back. For processes that serve.

    What `connected` gives is tried before: a server that was restarted is met with new connections.
    """
    from psycopg_pool import ConnectionPool  # costs 50 ms, which a command has no use for

    url = plain_url(database)
    if url in _kept:
        yield
        return
    check = ConnectionPool.check_connection
    options = {"connect_timeout": 10, "application_name": "platform-assets"}
    pool = ConnectionPool(url, min_size=1, max_size=KEPT_CONNECTIONS, open=True, timeout=30.0, check=check, kwargs=options)
    with pool:
        _kept[url] = pool
        try:
            yield
        finally:
            del _kept[url]


def kept_counts(database: str | Engine) -> dict[str, int]:
    """How many connections are kept, how many of them are free, how much work waits for one; {} where none are kept."""
    pool = _kept.get(plain_url(database))
    if pool is None:
        return {}
    told = pool.get_stats()
    return {name: told.get(key, 0) for name, key in (("kept", "pool_size"), ("free", "pool_available"), ("waiting", "requests_waiting"))}


@contextmanager
def one_moment(database: str | Engine) -> Iterator[Connection]:
    """A connection whose reads all see the database as it is now, whatever is committed meanwhile. Closed in any case.

    Only what is in tables: a table that another one rewrites or replaces meanwhile looks empty (held_still tells).
    Raises DatabaseUnavailable like `connected`, but not for a server that is gone when all has been read.
    """
    connection = open_connection(database)
    try:
        with _mapped():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SELECT 1 FROM pg_class LIMIT 1")  # the moment is that of the first query
            yield connection
    finally:
        with suppress(psycopg.Error):
            connection.close()


def open_connection(database: str | Engine, *, autocommit: bool = False) -> Connection:
    """Raises DatabaseUnavailable."""
    return connect(plain_url(database), autocommit=autocommit)


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise unavailable(error, "Nothing of this step was stored") from error


def unavailable(error: psycopg.Error, standing: str) -> DatabaseUnavailable:
    """The error to raise for a lost connection, a full disk, a deadlock; `standing` says what the warehouse shows now."""
    return DatabaseUnavailable(
        f"PostgreSQL did not finish the work: {one_line(error)}. {standing}; run it again.", sqlstate=getattr(error, "sqlstate", None)
    )


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def lock_number(name: str) -> int:
    """A stable signed 64-bit number for an advisory lock, the same in every process and release."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
