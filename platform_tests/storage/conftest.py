"""Embedded servers that a test may treat badly, and other processes that use them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from server_processes import User

from platform_assets.errors import DatabaseUnavailable
from platform_assets.storage.home import Home
from platform_assets.storage.server.embedded import EmbeddedServer


@pytest.fixture
def users() -> Iterator[Callable[..., User]]:
    started: list[User] = []

    def start(home: Home, **options: object) -> User:
        started.append(User(home, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for user in started:
        user.kill()


@pytest.fixture
def place() -> Iterator[Path]:
    """A short folder that every account may enter."""
    yield from _open_folder()


@pytest.fixture(scope="session")
def _kept_place() -> Iterator[Path]:
    yield from _open_folder()


def _open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pe-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def embedded(_kept_place: Path) -> Iterator[EmbeddedServer]:
    """A server that does not run yet; its data is kept from test to test, since making it anew costs most of a test's time."""
    yield from _stopped_at_the_end(EmbeddedServer(Home(_kept_place / "home")))


@pytest.fixture
def fresh(place: Path) -> Iterator[EmbeddedServer]:
    """A server of which nothing exists yet, for tests of its making and tests that damage it."""
    yield from _stopped_at_the_end(EmbeddedServer(Home(place / "home")))


def _stopped_at_the_end(server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    yield server
    with suppress(DatabaseUnavailable):
        server.stop(force=True)
