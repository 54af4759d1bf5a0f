"""A home and a catalog of their own for tests that go through publications."""

from __future__ import annotations

import pytest

from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home.root)


@pytest.fixture
def catalog(database: str) -> Catalog:
    return Catalog(database).ensure()
