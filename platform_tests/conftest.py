"""What all tests share: a home of their own, the real dumps, one embedded server per worker and a fresh database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sample_home import copy_sample_home
from servers.mariadb import MariaDb

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.server.database_url import database_name, with_driver
from platform_assets.storage.server.embedded import EmbeddedServer, ServerAddress

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: two more than there are processors, since many tests wait for servers and for Dagster's processes."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `long` begin the workers' shares, which are equal stretches of `items`: no processor waits for one at the end."""
    if (worker := getattr(config, "workerinput", None)) is None:
        return
    workers = worker["workercount"]
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    shares = [[*long[number::workers]] for number in range(workers)]
    for share in shares[:-1]:
        share += [others.pop() for _ in range(len(items) // workers - len(share))]
    items[:] = [item for share in [*shares, others] for item in share]


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
        address = embedded.ensure_running()
        _forget_power_cuts(address)
        yield address
    finally:
        embedded.stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def _forget_power_cuts(address: ServerAddress) -> None:
    """No test cuts the power: what the server wrote outlives its own death without a flush, and a commit costs a tenth."""
    with _administering(address) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def _administering(server: ServerAddress) -> psycopg.Connection:
    return psycopg.connect(server.url("postgres"), autocommit=True)


def _create(server: ServerAddress, name: str, template: str = "template0") -> None:
    with _administering(server) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(name), sql.Identifier(template))
        )


def _drop(server: ServerAddress, name: str) -> None:
    with _administering(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the sample dumps loaded, its server running; in a place that the server's account may enter. All tests share it."""
    shared = tmp_path_factory.getbasetemp()
    folder = Path(tempfile.mkdtemp(prefix="pc-"))
    folder.chmod(0o755)
    embedded = EmbeddedServer(Home(folder / "home"))
    try:
        copy_sample_home(shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared, folder / "home")
        embedded.hold()
        yield folder / "home"
    finally:
        embedded.stop(force=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: ServerAddress, template: str = "template0") -> Iterator[str]:
    """A fresh database, empty unless it is made after another; dropped afterwards together with the connections that a test left open."""
    name = f"t_{uuid4().hex[:12]}"
    _create(server, name, template)
    yield server.url(name)
    _drop(server, name)


@pytest.fixture(scope="session")
def catalog_template(server: ServerAddress) -> str:
    """The name of a database with an empty catalog: a copy takes a tenth of the time in which a catalog is made."""
    _create(server, "template_catalog")
    Catalog(server.url("template_catalog")).ensure()
    return "template_catalog"


@pytest.fixture(scope="session")
def dagster_template(server: ServerAddress) -> str:
    """The name of a database in which Dagster has its tables and has stored nothing yet."""
    from dagster_postgres import DagsterPostgresStorage

    _create(server, "template_dagster")
    DagsterPostgresStorage(postgres_url=with_driver(server.url("template_dagster"), "psycopg2"))  # keeps no connection
    return "template_dagster"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """One MariaDB per worker, on a socket alone; skipped where its programs are not installed."""
    missing = MariaDb.missing()
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: install mariadb-server and mariadb-client to compare with the native server")
    with MariaDb.running() as server:
        yield server


@pytest.fixture
def database(request: pytest.FixtureRequest, server: ServerAddress) -> Iterator[str]:
    """The URL of a fresh database: empty, or with an empty catalog where the test asks for one as well."""
    wants_catalog = {"catalog", "platform_database"} & set(request.fixturenames)
    with fresh_database(server, request.getfixturevalue("catalog_template") if wants_catalog else "template0") as url:
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
def platform_database(server: ServerAddress, database: str, dagster_template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database that PLATFORM_DATABASE_URL names, for runs through Dagster, and its `<name>_dagster` beside it."""
    monkeypatch.setenv("PLATFORM_DATABASE_URL", database)
    for name in ("DAGSTER_HOME", "PLATFORM_HOME", "DAGSTER_EVENT_BATCH_SIZE", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what a run sets is taken back
    _create(server, f"{database_name(database)}_dagster", dagster_template)
    yield database
    _drop(server, f"{database_name(database)}_dagster")
