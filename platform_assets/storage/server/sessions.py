"""Connections for the catalog and the write protocol: opened for one piece of work and closed after it, or kept for the next.

Not here: where the server is and how it is started (database, embedded).
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import ExecStatus

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.server.database import connect
from platform_assets.storage.server.database_url import with_driver

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import PoolProxiedConnection, QueuePool

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

    `autocommit`: each statement is a transaction, which spares a single one two ways to the server.
    Raises DatabaseUnavailable when the server cannot be reached or goes away; the message has no password.
    """
    url = plain_url(database)
    opening = _lent(url, autocommit) if _keepers else open_connection(url, autocommit=autocommit)
    with _mapped(), opening as connection:
        yield connection


KEPT_CONNECTIONS = 16
"""The most connections to one database that a process keeps while nobody uses them."""
WAIT_SECONDS = 30.0
"""How long work waits for a connection where no more may be opened."""
_keepers: list[int | None] = []
_kept: dict[str, QueuePool] = {}
_waiting: Counter[str] = Counter()
_GUARD = threading.Lock()


@contextmanager
def kept_connections(most: int | None = None) -> Iterator[None]:
    """While the block runs, `connected` opens no connection anew that another piece of work has given back: a login costs 5 ms.

    What `connected` gives is tried before: a server that was restarted is met with new connections. With `most` no more are open to a
    database, and who comes when all are at work waits: for a process that serves. Blocks may overlap; a database's first connection
    decides by which of them. What is asked often is prepared: a query whose answer's types may change needs `prepare=False` or a named
    cursor.
    """
    with _GUARD:
        _keepers.append(most)
    try:
        yield
    finally:
        with _GUARD:
            _keepers.remove(most)
            given_back = [] if _keepers else [_kept.pop(url) for url in list(_kept)]
        for pool in given_back:
            pool.dispose()


def kept_counts(database: str | Engine) -> dict[str, int]:
    """How many connections are kept, how many of them are free, how much work waits for one; {} where none are kept."""
    url = plain_url(database)
    if (pool := _kept.get(url)) is None:
        return {}
    free = pool.checkedin()
    return {"kept": free + pool.checkedout(), "free": free, "waiting": _waiting[url]}


@contextmanager
def _lent(url: str, autocommit: bool) -> Iterator[Connection]:
    lent, connection = _answering(url, _pool(url))
    try:
        if autocommit != connection.autocommit:
            connection.autocommit = autocommit
        yield connection
        connection.commit()
    finally:
        lent.close()  # rolls back what is not committed, and closes what cannot be rolled back


def _pool(url: str) -> QueuePool:
    from sqlalchemy.pool import QueuePool  # most commands have no use for it

    with _GUARD:
        if url not in _kept:
            most = next((most for most in _keepers if most), None)
            _kept[url] = QueuePool(
                lambda: cast("DBAPIConnection", open_connection(url)),
                pool_size=most or KEPT_CONNECTIONS,
                max_overflow=0 if most else -1,
                timeout=WAIT_SECONDS,
            )
        return _kept[url]


def _answering(url: str, pool: QueuePool) -> tuple[PoolProxiedConnection, Connection]:
    """Raises DatabaseUnavailable when none can be opened, or none becomes free in time."""
    from sqlalchemy.exc import TimeoutError as NoneFree

    while True:
        try:
            with _counted(url):
                lent = pool.connect()
        except NoneFree as error:
            raise DatabaseUnavailable(f"All connections to PostgreSQL were at work for {WAIT_SECONDS:g} s. Try again later.") from error
        connection = cast(Connection, lent.dbapi_connection)
        if connection.pgconn.exec_(b"").status == ExecStatus.EMPTY_QUERY:
            return lent, connection
        lent.invalidate()  # the next one may be as old; in the end a new one is opened, or that fails


@contextmanager
def _counted(url: str) -> Iterator[None]:
    with _GUARD:
        _waiting[url] += 1
    try:
        yield
    finally:
        with _GUARD:
            _waiting[url] -= 1


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
