"""What every asset, check and sensor shares: settings, home, catalog, and who hears of progress."""

import os
from collections.abc import Callable
from functools import cached_property

import psutil

from platform_assets.errors import PlatformError
from platform_assets.settings import Settings
from platform_assets.storage.catalog import Catalog
from platform_assets.storage.catalog_records import VersionRecord
from platform_assets.storage.database import warehouse_url
from platform_assets.storage.home import Home

PROCESS_TAG = "platform/process"
"""Run tag `pid:start time` of the process that works on a run; lost_runs closes runs whose process is gone."""


class Platform:
    """One home, connected on first use. Passed to Dagster as a resource; holds no secret that Dagster could show."""

    def __init__(self, settings: Settings, *, progress: Callable[[str, str, int], None] | None = None) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._progress = progress

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(warehouse_url(self.home, self.settings.database_url)).ensure()

    def progress(self, stage: str) -> Callable[[str, int], None]:
        """A callback for one stage: called with a table and how many more rows are through."""

        def report(table: str, rows: int) -> None:
            if self._progress:
                self._progress(stage, table, rows)

        return report

    def version(self, key: str) -> VersionRecord:
        """The version of a partition key. Raises PlatformError when it was never registered: a key added by hand in the UI."""
        record = self.catalog.version(key)
        if record is None:
            raise PlatformError(
                f"{key!r} is not a registered version. Put the dump into dumps/<source>/; its key is made from its content."
            )
        return record

    def table_of(self, key: str) -> tuple[str, str]:
        """(source, table) of a partition key. Raises NoSuchTable."""
        record = self.catalog.table(key)
        return record.source, record.table_name


def process_mark() -> str:
    """This process, told apart from a later one with the same pid."""
    me = psutil.Process(os.getpid())
    return f"{me.pid}:{me.create_time():.2f}"


def process_lives(mark: str) -> bool:
    """Whether the process of a mark still runs."""
    pid, _, started = mark.partition(":")
    try:
        process = psutil.Process(int(pid))
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - float(started)) < 0.05
    except (psutil.NoSuchProcess, ValueError):
        return False
