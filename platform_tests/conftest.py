"""What all tests share: a home of their own, the real dumps, one embedded server per worker and a fresh database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from servers.mariadb import MariaDb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer, ServerAddress

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: two more than there are processors, since many tests wait for servers and for Dagster's processes."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session", autouse=True)
def _no_real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever forgets to name a home gets an empty one, never the repository's `data/` or the developer's own server."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PLATFORM_HOME", str(tmp_path_factory.mktemp("forgotten-home")))
    patch.delenv("PLATFORM_DATABASE_URL", raising=False)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real dumps: PLATFORM_REALDATA, or `shared/realdata` beside the repository."""
    folder = Path(os.environ.get("PLATFORM_REALDATA") or REPOSITORY.parent / "shared" / "realdata")
    if not folder.is_dir():
        pytest.skip(f"no real dumps at {folder}; set PLATFORM_REALDATA to the folder that holds them")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home folder."""
    root = tmp_path / "home"
    root.mkdir()
    return Home(root)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerAddress]:
    """One embedded PostgreSQL per worker; stopped and removed with it, also when the worker is killed (its lock vanishes)."""
    folder = Path(tempfile.mkdtemp(prefix="pa-"))
    folder.chmod(0o755)  # as root the server runs under another account, which must get here on systems without capabilities
    embedded = EmbeddedServer(Home(folder))
    try:
        yield embedded.ensure_running()
    finally:
        embedded.stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: ServerAddress) -> Iterator[str]:
    """A fresh, empty database; dropped afterwards together with the connections that a test left open."""
    import psycopg
    from psycopg import sql

    name = f"t_{uuid4().hex[:12]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.url(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """One MariaDB per worker, on a socket alone; skipped where its programs are not installed."""
    missing = MariaDb.missing()
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: install mariadb-server and mariadb-client to compare with the native server")
    with MariaDb.running() as server:
        yield server


@pytest.fixture
def database(server: ServerAddress) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    with fresh_database(server) as url:
        yield url


@pytest.fixture
def elsewhere(server: ServerAddress) -> Iterator[str]:
    """Another one."""
    with fresh_database(server) as url:
        yield url


@pytest.fixture
def catalog(database: str) -> Catalog:
    """The catalog of a warehouse that is empty."""
    return Catalog(database).ensure()


@pytest.fixture
def platform_database(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database that PLATFORM_DATABASE_URL names, for runs through Dagster; its `<name>_dagster` is dropped afterwards as well."""
    import psycopg
    from psycopg import sql

    from platform_assets.storage.server.database_url import database_name, with_database

    monkeypatch.setenv("PLATFORM_DATABASE_URL", database)
    for name in ("DAGSTER_HOME", "PLATFORM_HOME", "DAGSTER_EVENT_BATCH_SIZE", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what a run sets is taken back
    yield database
    with psycopg.connect(with_database(database, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"{database_name(database)}_dagster")))
