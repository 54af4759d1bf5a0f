"""What every asset, check and sensor shares: settings, home, catalog, and who hears of progress."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property

import dagster as dg
import psutil

from platform_assets.errors import Conflict, DatabaseUnavailable, FencedOut, NotYetLoaded, PartialDump, PlatformError, StoreUnwritable
from platform_assets.operations.backup import Snapshot, snapshot
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.files import room_in
from platform_assets.storage.home import Home
from platform_assets.storage.leftovers import working
from platform_assets.storage.server.database import warehouse_url
from platform_assets.storage.warehouse.protocol import session_lock

PROCESS_TAG = "platform/process"
"""Run tag `pid:start time` of the process that works on a run; lost_runs closes runs whose process is gone."""

ERROR = "error"
"""Metadata key of a Failure: the class of the error that it was made from."""
MENDED_OUTSIDE = (DatabaseUnavailable, StoreUnwritable, FencedOut, NotYetLoaded)
"""Errors that say nothing about a dump: its version waits, and the next run takes it up again."""
OTHERS_SECONDS = 3600.0
"""How long a run waits for another one that commits or publishes the same version or table."""


class Platform:
    """One home, connected on first use. Passed to Dagster as a resource; holds no secret that Dagster could show."""

    def __init__(self, settings: Settings, *, progress: Callable[[str, str, int], None] | None = None) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._progress = progress
        self._work: ExitStack | None = None
        self._moment: Snapshot | None = None

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(warehouse_url(self.home, self.settings.database_url)).ensure()

    def reconnect(self) -> None:
        """Connects to a server that was gone, wherever it listens now. Raises DatabaseUnavailable."""
        self.__dict__.pop("catalog", None)
        assert self.catalog

    def begin_work(self) -> None:
        """From now on this process works on the home, until end_work or its end; the first of all sweeps what killed ones left."""
        if self._work is None:
            self._work = ExitStack()
            self._work.enter_context(working(self.home))

    def end_work(self) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One moment of the database for backups: that of the block around it, if there is one and its connection lives."""
        if self._moment is not None and self._moment.open:
            yield self._moment
            return
        with snapshot(self.catalog) as self._moment:
            try:
                yield self._moment
            finally:
                self._moment = None

    @contextmanager
    def turn(self, subject: str) -> Iterator[None]:
        """The time in which nobody else commits or publishes the subject. Raises FencedOut when another takes longer than an hour."""
        with ExitStack() as stack:
            try:
                stack.enter_context(session_lock(self.catalog.url, subject, wait_seconds=OTHERS_SECONDS))
            except Conflict as error:
                raise FencedOut(error.message, **error.facts) from error
            yield

    @contextmanager
    def told(self, key: str) -> Iterator[None]:
        """Turns an error that a user can mend into a Failure that says so; what is wrong with a dump is kept with its version."""
        try:
            with room_in(self.home.store):
                yield
        except PlatformError as error:
            if not isinstance(error, MENDED_OUTSIDE):
                with suppress(DatabaseUnavailable):  # then the next run finds out the same again
                    self.catalog.set_state(key, "failed", error=error.message)
                    if isinstance(error, PartialDump):
                        self._keep_refusal(key, error)
            raise dg.Failure(
                description=error.message,
                metadata={"partition": key, ERROR: type(error).__name__} | {name: str(value) for name, value in error.facts.items()},
            ) from error

    def _keep_refusal(self, key: str, error: PartialDump) -> None:
        """Why a version was refused. One that is in the warehouse since its source still took partial dumps says so of itself already."""
        record = self.catalog.version(key)
        if record is not None and record.published_at is None:
            self.catalog.update_version(key, completeness="partial", reasons=error.reasons)

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
