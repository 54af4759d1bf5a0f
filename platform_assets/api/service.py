"""What all requests share, and who asks: the home, its catalog, the limits, the key of a request. No route stands here."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from platform_assets.api.limits import Limits
from platform_assets.api.problems import RETRY_SECONDS, Problem
from platform_assets.errors import NoSuchTable
from platform_assets.operations.api_keys import allows, recognized
from platform_assets.operations.kept_engines import KeptEngines
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.api_keys import KeyRecord
from platform_assets.storage.catalog.records import TableRecord
from platform_assets.storage.home import Home
from platform_assets.storage.server.database import warehouse_url
from platform_assets.storage.server.sessions import KEPT_CONNECTIONS, kept_connections

_BEARER = HTTPBearer(auto_error=False, description="A key of `platform-assets keys create`.")


class Service:
    """One home behind HTTP."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings, self.limits, self.home = settings, limits, Home(settings.home)
        self._catalog: Catalog | None = None
        self._guard = threading.Lock()
        self._at_work: Counter[str] = Counter()
        self._connections = ExitStack()
        self.engines = KeptEngines(settings)

    @property
    def catalog(self) -> Catalog:
        """Connected on first use, and again after `reconnect`: an embedded server that came back may listen elsewhere."""
        with self._guard:
            if self._catalog is None:
                self._catalog = Catalog(warehouse_url(self.home, self.settings.database_url)).ensure()
                self._connections.enter_context(kept_connections(most=KEPT_CONNECTIONS))
            return self._catalog

    def reconnect(self) -> None:
        with self._guard:
            self._catalog = None
            self._connections.close()

    def close(self) -> None:
        """Gives back engines and connections."""
        with self._guard:
            self._catalog = None
            self._connections.close()
        self.engines.close()

    @contextmanager
    def at_work(self, key: str) -> Iterator[None]:
        """A request of the key, for as long as the block runs. Raises a Problem of 429 when as many are at work as may be."""
        with self._guard:
            if self._at_work[key] >= self.limits.requests_per_key:
                raise Problem(429, "As many requests as one key may have are at work.", headers={"Retry-After": RETRY_SECONDS})
            self._at_work[key] += 1
        try:
            yield
        finally:
            self._leave(key)

    def _leave(self, key: str) -> None:
        with self._guard:
            self._at_work[key] -= 1
            if not self._at_work[key]:
                del self._at_work[key]


@dataclass(frozen=True)
class Caller:
    """Who asks, and whom."""

    key: KeyRecord
    service: Service

    def may(self, scope: str, source: str) -> bool:
        return allows(self.key, scope, source)

    def need(self, scope: str, source: str) -> None:
        """Raises a Problem of 403. The same for a source that is not there: who may not look learns nothing."""
        if not self.may(scope, source):
            raise Problem(403, f"This key has not the scope {scope!r} for the source {source!r}.")

    def table(self, name: str, scope: str = "read") -> TableRecord:
        """The table `source.table` of the warehouse. Raises a Problem of 403 or 404."""
        source, _, table = name.partition(".")
        self.need(scope, source)
        try:
            found = self.service.catalog.table(name) if "\0" not in name else None
        except NoSuchTable:
            found = None
        if found is None or (found.source, found.table_name) != (source, table):
            raise Problem(404, f"There is no table {name!r}.")
        return found


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _caller(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Iterator[Caller]:
    service = service_of(request)
    key = recognized(service.catalog, given.credentials) if given else None
    if key is None:
        why = "The key is unknown, expired or revoked." if given else "Send a key: Authorization: Bearer pa_..."
        raise Problem(401, why, headers={"WWW-Authenticate": "Bearer"})
    with service.at_work(key.id):
        yield Caller(key, service)


Asker = Annotated[Caller, Depends(_caller)]
"""The parameter of a route that needs a key."""
