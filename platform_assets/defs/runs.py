"""Runs in this process, recorded in the instance like any other: what the command line calls."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from platform_assets.definitions import build_definitions
from platform_assets.defs.database_loss import LOST, close_own_runs, failed_as, failed_by_loss, lost_database, wait_for_return
from platform_assets.defs.instance_folder import instance_environment
from platform_assets.defs.partitions import SOURCES, TABLES, VERSIONS
from platform_assets.defs.platform import PROCESS_TAG, Platform, process_mark
from platform_assets.defs.sensors import close_lost_runs
from platform_assets.errors import FencedOut
from platform_assets.operations.ingest import Work
from platform_assets.operations.metrics import standings
from platform_assets.operations.ordering import stale_orders
from platform_assets.operations.requests import version_basis
from platform_assets.operations.run_plans import plan_runs, run_tags
from platform_assets.operations.stale_verdicts import released, stale_verdicts
from platform_assets.settings import Settings
from platform_assets.storage.catalog.work_requests import record_requests
from platform_assets.storage.server.sessions import kept_connections

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RunOutcome:
    """One run: its partition keys, and the error of the step that failed first, if one did."""

    run_id: str
    keys: tuple[str, ...]
    error: str | None
    left: bool = False
    """Another run claimed the same work meanwhile, or did it already: that is no error."""
    lost: bool = False
    """The database went away."""


class Runner:
    """Runs jobs on one home. A context manager: the instance is opened on entering and given back on leaving."""

    def __init__(self, settings: Settings, *, progress: Callable[[str, str, int], None] | None = None) -> None:
        self.settings = settings
        self.platform = Platform(settings, progress=progress)

    def __enter__(self) -> "Runner":
        os.environ.update(instance_environment(self.settings))
        self.platform.begin_work()
        self._connections = ExitStack()
        try:
            self._connections.enter_context(kept_connections())
            self.instance = dg.DagsterInstance.get()
            self.definitions = build_definitions(self.settings, overrides={"platform": self.platform})
            close_own_runs(self.instance)
            close_lost_runs(self.instance)
        except BaseException:
            self._connections.close()
            self.platform.end_work()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.instance.dispose()
        self._connections.close()
        self.platform.end_work()

    def ingest(self, work: Work, *, say: Callable[[str], None]) -> dict[str, str]:
        """Runs the versions, then the orders and the tables that became stale. Gives the errors by partition key.

        Raises DatabaseUnavailable when the server went away and did not come back; what was under way is taken up by the next ingest.
        """
        errors: dict[str, str] = {}

        def done(outcome: RunOutcome) -> None:
            for key in outcome.keys:
                say(f"{'failed' if outcome.error else 'left' if outcome.left else 'done':12} {key}")
                if outcome.error:
                    errors[key] = outcome.error

        catalog = self.platform.catalog
        if work.versions:
            judge = stale_verdicts(self.settings, catalog).versions
            bases = {record.version: version_basis(record, judge.get(record.version, "")) for record in catalog.versions()}
            record_requests(catalog, {key: bases[key] for key in work.versions})
            self.run_versions(list(work.versions), done=done)
            self._release(done)
        if orders := stale_orders(self.settings, catalog):
            self.run_orders(orders, done=done)
        stale = {table.table_key: str(table.changed_load_id) for table in catalog.stale_tables()}
        if stale:
            self.run_tables(stale, done=done)
        standings(self.settings, catalog)  # the views of the metrics; their assets are for the sensor
        return errors

    def _release(self, done: Callable[[RunOutcome], None]) -> None:
        """Versions whose waiting rows may have got their parents, round by round: what is let through may be waited for itself."""
        catalog, tried = self.platform.catalog, set[tuple[str, str]]()
        while due := set(released(self.settings, catalog).items()) - tried:
            tried |= due
            bases = {record.version: record for record in catalog.versions()}
            record_requests(catalog, {version: version_basis(bases[version], basis) for version, basis in due})
            self.run_versions(sorted(version for version, _ in due), done=done)

    def run_versions(self, keys: list[str], *, done: Callable[[RunOutcome], None]) -> list[RunOutcome]:
        """ingest_dumps for these versions; a batch that fails is run again dump by dump, so that one broken dump fails alone."""
        return self._run("ingest_dumps", VERSIONS, keys, done)

    def run_orders(self, subjects: Mapping[str, str], *, done: Callable[[RunOutcome], None]) -> list[RunOutcome]:
        """order_sources for these sources (-> what their order depends on)."""
        record_requests(self.platform.catalog, subjects)
        return self._run("order_sources", SOURCES, list(subjects), done)

    def run_tables(self, subjects: Mapping[str, str], *, done: Callable[[RunOutcome], None]) -> list[RunOutcome]:
        """refresh_tables for these tables (key -> what it depends on)."""
        record_requests(self.platform.catalog, subjects)
        return self._run("refresh_tables", TABLES, list(subjects), done)

    def run_backups(self, keys: list[str], *, done: Callable[[RunOutcome], None]) -> list[RunOutcome]:
        """back_up_tables for these tables, all of them as they are at one moment, whatever the number of runs."""
        with self.platform.snapshot():
            return self._run("back_up_tables", TABLES, keys, done)

    def _run(
        self,
        job_name: str,
        partitions: dg.DynamicPartitionsDefinition,
        keys: list[str],
        done: Callable[[RunOutcome], None],
    ) -> list[RunOutcome]:
        name = partitions.name or ""
        known = set(self.instance.get_dynamic_partitions(name))
        self.instance.add_dynamic_partitions(name, [key for key in keys if key not in known])
        job = self.definitions.resolve_job_def(job_name)
        outcomes: list[RunOutcome] = []
        for stretch in plan_runs(keys, list(self.instance.get_dynamic_partitions(name))):
            outcome = self._one(job, stretch)
            if (outcome.error or outcome.left) and len(stretch) > 1:
                outcomes.extend(self._reported(self._one(job, [key]), done) for key in stretch)
            else:
                outcomes.append(self._reported(outcome, done))
        return outcomes

    def _reported(self, outcome: RunOutcome, done: Callable[[RunOutcome], None]) -> RunOutcome:
        done(outcome)
        return outcome

    def _one(self, job: dg.JobDefinition, keys: list[str]) -> RunOutcome:
        """One run, and once more when the database went away under it and came back."""
        outcome = self._attempt(job, keys)
        if not outcome.lost:
            return outcome
        wait_for_return(self.platform)
        self.instance.dispose()
        self.instance = dg.DagsterInstance.get()
        close_own_runs(self.instance)
        return self._attempt(job, keys)

    def _attempt(self, job: dg.JobDefinition, keys: list[str]) -> RunOutcome:
        try:
            return self._executed(job, keys)
        except Exception as error:
            if not lost_database(error):
                raise
            return RunOutcome("", tuple(keys), LOST, lost=True)

    def _executed(self, job: dg.JobDefinition, keys: list[str]) -> RunOutcome:
        tags = run_tags(keys) | {PROCESS_TAG: process_mark()}
        result = job.execute_in_process(
            instance=self.instance,
            run_config=QUIET,
            raise_on_error=False,
            partition_key=keys[0] if len(keys) == 1 else None,
            tags=tags,
        )
        if result.success:
            return RunOutcome(result.run_id, tuple(keys), None)
        failure = next((event.step_failure_data for event in result.all_events if event.is_step_failure), None)
        if failure is None:
            return RunOutcome(result.run_id, tuple(keys), "the run failed before its first step; its log is in the Dagster UI")
        if failed_as(failure, FencedOut):
            return RunOutcome(result.run_id, tuple(keys), None, left=True)
        return RunOutcome(result.run_id, tuple(keys), _said(failure), lost=failed_by_loss(failure))


def _said(failure: StepFailureData) -> str:
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    cause = failure.error and (failure.error.cause or failure.error)
    return cause.message.strip() if cause else "the step failed without a word; its log is in the Dagster UI"
