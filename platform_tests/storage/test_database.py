"""Which database is used, and that no message tells a password."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy
from psycopg import sql

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.home import Home
from platform_assets.storage.server import database as module
from platform_assets.storage.server.database import connect, dagster_url, engine, ensure_database, warehouse_url
from platform_assets.storage.server.database_url import database_name
from platform_assets.storage.server.embedded import EmbeddedServer, ServerAddress


@pytest.fixture
def nothing_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROVEN", set())


@pytest.fixture
def own_server(server: ServerAddress, database: str, nothing_proven: None) -> Iterator[str]:
    """A URL with a password, as a person writes it into PLATFORM_DATABASE_URL."""
    name = database_name(database)
    yield server.with_password(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"{name}_dagster")))


def test_a_home_without_a_server_of_its_own_gets_both_databases_on_the_embedded_one(home: Home) -> None:
    embedded = EmbeddedServer(home)
    try:
        warehouse, dagster = warehouse_url(home), dagster_url(home)
        assert database_name(warehouse) == "warehouse" and warehouse.startswith("postgresql://platform@127.0.0.1:")
        assert database_name(dagster) == "dagster" and dagster.startswith("postgresql+psycopg2://platform@127.0.0.1:")
        with connect(warehouse) as connection:
            assert connection.execute("SELECT current_database(), current_user").fetchone() == ("warehouse", "platform")
        with sqlalchemy.create_engine(dagster).connect() as instance:
            assert instance.execute(sqlalchemy.text("SELECT current_database()")).scalar() == "dagster"
        assert warehouse_url(home) == warehouse
    finally:
        embedded.stop(force=True)


def test_a_server_of_ones_own_is_used_as_its_url_says_and_dagster_gets_a_database_beside(home: Home, own_server: str) -> None:
    assert warehouse_url(home, own_server) == own_server
    dagster = dagster_url(home, own_server.replace("postgresql://", "postgres://"))
    assert dagster.startswith("postgresql+psycopg2://")
    assert database_name(dagster) == f"{database_name(own_server)}_dagster"
    with connect(dagster) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (database_name(dagster),)
    assert dagster_url(home, own_server) == dagster
    assert not home.store.exists()


def test_a_server_too_old_for_the_warehouse_is_refused(home: Home, own_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST", 99)
    with pytest.raises(DatabaseUnavailable, match="is PostgreSQL 18; the warehouse needs 99 or newer"):
        warehouse_url(home, own_server)


def test_a_role_that_may_not_create_dagsters_database_is_told_what_to_run(home: Home, server: ServerAddress, own_server: str) -> None:
    role = f"plain_{uuid4().hex[:8]}"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'hidden!'").format(sql.Identifier(role)))
        try:
            url = f"postgresql://{role}:hidden%21@{server.host}:{server.port}/{database_name(own_server)}"
            with pytest.raises(DatabaseUnavailable, match="CREATE DATABASE") as caught:
                dagster_url(home, url)
            assert "hidden" not in str(caught.value)
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_database_is_created_once_however_many_ask(server: ServerAddress) -> None:
    name = f'odd "name" {uuid4().hex[:8]}'
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_database(server, name), range(4)))
    ensure_database(server, name)
    with connect(server.url("postgres"), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (name,)).fetchone() == (1,)
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_an_engine_survives_connections_that_the_server_closed(database: str) -> None:
    pool = engine(database)
    with pool.connect() as first:
        pid = first.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar()
    with connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with pool.connect() as second:
        assert second.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    assert pool.dialect.driver == "psycopg"
    pool.dispose()


def test_a_login_that_is_refused_names_the_server_and_hides_the_password(server: ServerAddress) -> None:
    url = f"postgresql://platform:very%40secret@{server.host}:{server.port}/postgres"
    with pytest.raises(DatabaseUnavailable, match=f"{server.host}:{server.port}/postgres.*password authentication failed") as caught:
        connect(url)
    assert "secret" not in str(caught.value) and "secret" not in str(caught.value.facts)
    assert caught.value.__suppress_context__


def test_a_server_that_is_down_is_named_with_the_remedy(home: Home, nothing_proven: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DatabaseUnavailable, match=f"me:\\*\\*\\*@127.0.0.1:{port}/db cannot be reached: .*PLATFORM_DATABASE_URL"):
        warehouse_url(home, f"postgresql://me:secret@127.0.0.1:{port}/db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "warehouse",
        "host=localhost password=secret dbname=x",
        "mysql://me:secret@localhost/db",
        "sqlite:///secret.db",
        "postgresql://me:pa/secret@localhost:5432/db",
        "postgresql://me:pass@secret:x@localhost:5432/db",
        "postgresql://me:secret@localhost:port/db",
        "postgresql://me:secret@localhost",
        "postgresql://me:secret@[::1/db",
    ],
)
def test_a_url_that_cannot_be_right_is_refused_without_its_password(home: Home, nothing_proven: None, url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        connect(url) if not url else warehouse_url(home, url)
    assert "secret" not in str(caught.value)
    assert "postgresql://" in str(caught.value)


def test_importing_it_needs_no_sqlalchemy() -> None:
    heavy = "{'sqlalchemy', 'polars', 'pandas', 'duckdb'}"
    code = f"import sys, platform_assets.storage.server.database; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/")).stdout.strip() == "[]"
