"""Engines that a serving process keeps for small pieces of work, one after the other: making one costs more than the work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from platform_assets.engines.duckdb import Engine, empty, open_engine, part_of_limit
from platform_assets.settings import Settings
from platform_assets.storage.home import Home


class KeptEngines:
    """As many as are at work at once; each has a thread and a quarter of the memory limit as its most."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: list[Engine] = []
        self._open = ExitStack()
        self._guard = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Engine]:
        """An empty engine. After an error it is not used again: what is left in it goes with `close`."""
        with self._guard:
            engine = self._free.pop() if self._free else None
            if engine is None:
                limit = part_of_limit(self._settings.memory_limit)
                engine = self._open.enter_context(open_engine(Home(self._settings.home).store / "work", memory_limit=limit, threads=1))
        yield engine
        empty(engine)
        with self._guard:
            self._free.append(engine)

    def close(self) -> None:
        with self._guard:
            self._free.clear()
            self._open.close()
