"""What catalog.import_log tells of an import: a row at its start, one per page or file after its commit, one at its end or failure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from platform_assets.errors import PlatformError
from platform_assets.sources.topic import Topic
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.warehouse.protocol import Claim, claim, publication


class ImportLog:
    """The rows of one import, whose lock the caller holds."""

    def __init__(self, catalog: Catalog, topic: Topic) -> None:
        self._url, self._topic = catalog.url, topic
        self._began = self._last = time.monotonic()
        self._started, self._rows = False, 0

    def start(self, details: Mapping[str, Any], rows: int = 0) -> None:
        """`rows`: those that a killed import had committed."""
        self._started, self._rows = True, rows
        self._write("import_start", 0, details)

    def commit(self, operation: str, rows: int, size: int, details: Mapping[str, Any]) -> None:
        """`import_chunk` or `import_file`; its seconds are those since the one before."""
        self._rows += rows
        self._write(operation, rows, details, size=size, seconds=time.monotonic() - self._last)
        self._last = time.monotonic()

    def end(self, rows: int, details: Mapping[str, Any], *, outcome: str = "done") -> None:
        if not self._started:
            self.start({})
        self._write("import_end", rows, details, outcome=outcome, seconds=time.monotonic() - self._began)

    def failed(self, error: PlatformError) -> None:
        """An import that ended with an error; its rows are those that stand committed. The error stays the one that is told."""
        with suppress(PlatformError):
            self.end(self._rows, {"error": error.message}, outcome="failed")

    @cached_property
    def _claim(self) -> Claim:
        return claim(self._url, f"topic/{self._topic.name}", f"import-{secrets.token_hex(4)}")

    def _write(
        self, operation: str, rows: int, details: Mapping[str, Any], *, size: int = 0, outcome: str = "done", seconds: float | None = None
    ) -> None:
        table = self._topic.table if self._topic.kind != "files" else None
        with publication(self._url, self._claim) as tx:
            tx.log(
                operation,
                source=self._topic.source,
                table_name=table,
                rows=rows,
                size=size,
                outcome=outcome,
                details=details,
                seconds=seconds,
            )
