"""Whether an error came of a database that went away, and waiting until it is back.

Dagster keeps its runs in the same server as the warehouse: when that goes, a run cannot even be marked as failed.
"""

import time
from collections.abc import Iterator

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from platform_assets.defs.platform import ERROR, PROCESS_TAG, Platform, process_mark
from platform_assets.errors import DatabaseUnavailable, PlatformError

LOST = "PostgreSQL went away in the middle. Nothing of this was published, the old state stands; platform-assets ingest takes it up again."
BACK_SECONDS = 60.0
"""How long the server is waited for: a supervised one is back within seconds, unless it recovers a lot."""
_NAMES = frozenset(
    {
        DatabaseUnavailable.__name__,
        "DagsterPostgresException",
        *("OperationalError", "InterfaceError"),  # of psycopg, psycopg2 and SQLAlchemy
        *("AdminShutdown", "CrashShutdown", "CannotConnectNow", "ConnectionFailure"),  # of psycopg by SQLSTATE
    }
)
_CONNECTION_STATES = ("08", "57P", "None")
"""Beginnings of SQLSTATE for a lost connection or a server that stops; None when the client noticed first."""
_UNDER_WAY = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def lost_database(error: BaseException | None) -> bool:
    """Whether the error, or one that it came of, is a driver's word that the server is gone."""
    return any(kind.__name__ in _NAMES for link in _chain(error) for kind in type(link).__mro__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def failed_by_loss(failure: StepFailureData) -> bool:
    """The same for a step's failure, as Dagster keeps it."""
    if failure.user_failure_data is not None:
        state = _said(failure.user_failure_data.metadata.get("sqlstate"))
        return failed_as(failure, DatabaseUnavailable) and state.startswith(_CONNECTION_STATES)
    error = failure.error
    while error is not None:
        if error.cls_name in _NAMES:
            return True
        error = error.cause
    return False


def failed_as(failure: StepFailureData, kind: type[PlatformError]) -> bool:
    """Whether a step failed with that error of ours."""
    told = failure.user_failure_data
    return told is not None and _said(told.metadata.get(ERROR)) == kind.__name__


def _said(value: object) -> str:
    return str(getattr(value, "value", value))


def wait_for_return(platform: Platform) -> None:
    """Waits for the server and connects the platform anew. Raises DatabaseUnavailable when it does not come back."""
    until = time.monotonic() + BACK_SECONDS
    while True:
        try:
            platform.reconnect()
            return
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def close_own_runs(instance: dg.DagsterInstance) -> None:
    """Fails the runs that this process began and lost its database in, and frees their slots: nobody else can tell that they are over.

    For a process that has none under way: it runs them one after the other. A slot that is not freed is waited for without end.
    """
    for run in instance.get_runs(dg.RunsFilter(tags={PROCESS_TAG: process_mark()}, statuses=_UNDER_WAY)):
        instance.report_run_failed(run, LOST)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
