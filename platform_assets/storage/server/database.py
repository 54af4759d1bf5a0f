"""Which database a home works on, and connections to it: the embedded server's, or that of PLATFORM_DATABASE_URL.

URLs given out here hold a password only when PLATFORM_DATABASE_URL did; messages never do. Not here: tables (warehouse, catalog).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors, sql

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.home import Home
from platform_assets.storage.server.database_url import database_name, not_a_url, with_database, with_driver, without_password
from platform_assets.storage.server.embedded import EmbeddedServer, ServerAddress

if TYPE_CHECKING:
    from sqlalchemy import Engine

WAREHOUSE = "warehouse"
DAGSTER = "dagster"
OLDEST = 14
"""The oldest major version of PostgreSQL that the warehouse works on."""
CONNECT_TIMEOUT = 10
"""Seconds."""
TRUSTED = 1.0
"""Seconds for which a connection that was given back is used again untried: trials were half of all that Dagster asked the server."""
_NAME_BYTES = 63

_PROVEN: set[str] = set()
"""URLs of servers that this process has found to be new enough, so that it asks once only."""
_GUARD = threading.Lock()


def connect(url: str, **options: Any) -> psycopg.Connection[Any]:
    """A psycopg 3 connection; `options` are psycopg.connect's. A driver in the URL's scheme is left out.

    Raises DatabaseUnavailable naming server and database when it cannot be reached or refuses the login.
    """
    options.setdefault("connect_timeout", CONNECT_TIMEOUT)
    options.setdefault("application_name", "platform-assets")
    plain = with_driver(url, None)
    try:
        return psycopg.connect(plain, **options)
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split()).rstrip(".?")
        raise DatabaseUnavailable(
            f"{without_password(url)} cannot be reached: {reason}. Is the server running, and are host, port, "
            "user and password right? Without PLATFORM_DATABASE_URL the embedded server is used.",
            url=without_password(url),
        ) from None
    except psycopg.ProgrammingError:
        # libpq quotes parts of what it cannot read, and one of them may be the password.
        raise not_a_url(url) from None


def engine(url: str) -> Engine:
    """A SQLAlchemy engine on psycopg 3 that tests a pooled connection before it hands it out."""
    import sqlalchemy

    return sqlalchemy.create_engine(with_driver(url, "psycopg"), pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT})


def try_idle_connections(engine: Engine) -> None:
    """Like `pool_pre_ping`, but not for connections that were used a moment ago. One that fails is replaced before it is handed out."""
    from sqlalchemy import event, exc

    @event.listens_for(engine, "checkin")
    def given_back(connection: Any, record: Any) -> None:
        record.info["given_back"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def handed_out(connection: Any, record: Any, proxy: Any) -> None:
        if time.monotonic() - record.info.get("given_back", time.monotonic()) > TRUSTED:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise exc.DisconnectionError from error


def warehouse_url(home: Home, database_url: str | None = None) -> str:
    """`postgresql://...` of the warehouse: PLATFORM_DATABASE_URL's own database, else `warehouse` on the embedded server of the home.

    The embedded server is started when it does not run, and this process is its user from then on. A server of one's own is checked once
    per process. Raises DatabaseUnavailable.
    """
    if database_url:
        return _external(database_url)
    return _embedded(home, WAREHOUSE)


def dagster_url(home: Home, database_url: str | None = None) -> str:
    """`postgresql+psycopg2://...` of Dagster's own storage: `dagster` on the embedded server of the home.

    With PLATFORM_DATABASE_URL it is `<name>_dagster` on that server, `<name>` being the database that the URL names; it is created
    when it is not there, so the role needs CREATEDB for the first start. Raises DatabaseUnavailable.
    """
    if not database_url:
        return with_driver(_embedded(home, DAGSTER), "psycopg2")
    url = _external(database_url)
    name = f"{database_name(url).encode()[: _NAME_BYTES - 8].decode(errors='ignore')}_dagster"
    _ensure(url, name)
    return with_driver(with_database(url, name), "psycopg2")


def ensure_database(address: ServerAddress, name: str) -> None:
    """Creates the database on the embedded server unless it is there; any number of processes may do so at once."""
    _ensure(address.url("postgres"), name)


def _embedded(home: Home, name: str) -> str:
    address = EmbeddedServer(home).ensure_running()
    ensure_database(address, name)
    return address.url(name)


def _external(database_url: str) -> str:
    url = with_driver(database_url, None)
    if not database_name(url):
        raise DatabaseUnavailable(
            f"PLATFORM_DATABASE_URL ({without_password(url)}) names no database. Write it as postgresql://user:password@host:5432/database.",
            url=without_password(url),
        )
    with _GUARD:
        if url not in _PROVEN:
            with connect(url) as connection:
                version = connection.info.server_version
            if version < OLDEST * 10_000:
                raise DatabaseUnavailable(
                    f"{without_password(url)} is PostgreSQL {version // 10_000}; the warehouse needs {OLDEST} or newer. "
                    "Use a newer server, or none: without PLATFORM_DATABASE_URL the embedded one is used.",
                    version=version,
                )
            _PROVEN.add(url)
    return url


def _ensure(url: str, name: str) -> None:
    """`url` is that of any database on the server."""
    with connect(url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            _create(connection, name, url)


def _create(connection: psycopg.Connection[Any], name: str, url: str) -> None:
    try:
        # template0 takes UTF8 whatever the encoding of the server's other databases.
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))
    except (errors.DuplicateDatabase, errors.UniqueViolation):
        pass  # another process was quicker
    except errors.InsufficientPrivilege:
        raise DatabaseUnavailable(
            f"The database {name!r} is missing on {without_password(url)}, and its role may not create it. "
            f'Let an administrator run: CREATE DATABASE "{name}" OWNER <role>.',
            database=name,
        ) from None
