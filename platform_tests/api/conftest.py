"""A service over a home with a dictionary of its own, keys for it, and a client that speaks to it in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from starlette.testclient import TestClient

from platform_assets.api.app import application
from platform_assets.api.limits import Limits
from platform_assets.operations.api_keys import create_key
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: shop
version: 1.0.0
status: active
schema:
  - name: items
    logicalType: object
    properties:
      - {name: id, logicalType: integer, physicalType: int, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, logicalType: string, required: true, logicalTypeOptions: {maxLength: 20}}
      - {name: big, logicalType: integer, physicalType: bigint}
      - {name: price, logicalType: number, physicalType: "decimal(10,2)"}
      - {name: ratio, logicalType: number, physicalType: double}
      - {name: sold, logicalType: boolean}
      - {name: at, logicalType: timestamp}
"""


@pytest.fixture
def settings(home: Home, database: str) -> Settings:
    home.dictionary.mkdir()
    (home.dictionary / "shop.odcs.yaml").write_text(CONTRACT)
    return Settings(home.root, database_url=database, settle_seconds=0)


@pytest.fixture
def limits() -> Limits:
    return Limits(landing_seconds=3600)  # batches land when a test says so


@pytest.fixture
def open_client(settings: Settings, catalog: Catalog, limits: Limits) -> Iterator[Callable[[Sequence[str]], TestClient]]:
    """A client per set of scopes, all of one application; errors of the service are answers, as over a network."""
    app = application(settings, limits=limits)
    opened: list[TestClient] = []

    def client(scopes: Sequence[str]) -> TestClient:
        token = create_key(catalog, "test", scopes)[1] if scopes else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        opened.append(TestClient(app, headers=headers, raise_server_exceptions=False))
        return opened[-1].__enter__()

    yield client
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture
def client(open_client: Callable[[Sequence[str]], TestClient]) -> TestClient:
    """One that may do everything."""
    return open_client(["admin"])
