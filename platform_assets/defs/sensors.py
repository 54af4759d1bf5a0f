"""Sensors: new dumps are registered and run, sources ordered, changed tables refreshed, lost runs closed; tables backed up at night.

Thin: what is new, what is stale, what is due again, which keys share a run are questions answered elsewhere, without Dagster.
"""

import hashlib
import re
import time
from collections.abc import Iterable

import dagster as dg
import psutil

from platform_assets.defs.assets import PlatformParam
from platform_assets.defs.dictionary import digest, news
from platform_assets.defs.jobs import BACK_UP_TABLES, INGEST_DUMPS, ORDER_SOURCES, REFRESH_TABLES
from platform_assets.defs.partitions import SOURCES, TABLES, VERSIONS
from platform_assets.defs.platform import PROCESS_TAG, process_lives
from platform_assets.errors import PlatformError, UnsettledDump
from platform_assets.operations import ordering
from platform_assets.operations.register import is_posted, register, scan
from platform_assets.operations.renaming import follow_dictionaries
from platform_assets.operations.requests import due, version_basis
from platform_assets.operations.run_plans import PARTITION, RANGE_END, RANGE_START, neighbours, plan_runs, run_tags
from platform_assets.operations.stale_verdicts import judging_by_source, stale_verdicts
from platform_assets.settings import BackupSettings, Settings
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.catalog.work_requests import record_requests, requests
from platform_assets.storage.warehouse.protocol import held, version_subject

REGISTERED_PER_TICK = 500
SECONDS_PER_TICK = 20
"""How long one tick may hash; the rest waits for the next, so that a tick stays within the daemon's limit of a minute."""
ACTIVE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def active_keys(instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition) -> set[str]:
    """The partition keys that some queued or running run covers."""
    registered = list(instance.get_dynamic_partitions(partitions.name or ""))
    places = {key: place for place, key in enumerate(registered)}
    covered: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=ACTIVE)):
        if run.tags.get(PARTITION) in places:
            covered.add(run.tags[PARTITION])
        first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
        if first in places and last in places:
            covered.update(registered[places[first] : places[last] + 1])
    return covered


def _run_requests(
    platform: PlatformParam, instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, subjects: dict[str, str]
) -> dg.SensorResult | None:
    """Runs for the subjects (partition key -> what it depends on) that are due; those tried before run alone."""
    catalog = platform.catalog
    wanted = due(subjects, requests(catalog), active_keys(instance, partitions), now=time.time())
    if not wanted:
        return None
    known = list(instance.get_dynamic_partitions(partitions.name or ""))
    fresh = [key for key in subjects if key not in set(known)]
    order = [*known, *fresh]
    again = [[request.subject] for request in wanted if request.attempts]
    first = {request.subject for request in wanted if not request.attempts}
    attempts = {request.subject: request.attempts for request in wanted}
    runs = []
    for stretch in [*plan_runs([key for key in order if key in first], order), *again]:
        text = "\n".join(f"{key} {subjects[key]} {attempts[key]}" for key in stretch)
        runs.append(dg.RunRequest(run_key=hashlib.sha256(text.encode()).hexdigest()[:24], tags=run_tags(stretch)))
    record_requests(catalog, {key: subjects[key] for key in attempts})
    return dg.SensorResult(run_requests=runs, dynamic_partitions_requests=[partitions.build_add_request(fresh)] if fresh else [])


@dg.sensor(
    job=INGEST_DUMPS,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks into dumps/: what is new and has come to rest is registered by its content and run; so is what another dictionary "
        "judged. The catalog is the memory."
    ),
)
def dump_files(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    catalog = platform.catalog
    look = scan(platform.home, catalog.known_files(), settle_seconds=platform.settings.settle_seconds)
    problems, started = list(look.problems), time.monotonic()
    for found in look.new[:REGISTERED_PER_TICK]:
        try:
            register(platform.settings, catalog, found)
        except UnsettledDump:
            continue
        except PlatformError as error:
            problems.append(error.message)
        if time.monotonic() - started > SECONDS_PER_TICK:
            break
    problems += follow_dictionaries(platform.settings, catalog)
    stale = stale_verdicts(platform.settings, catalog)
    problems.extend(stale.problems)
    for problem in problems:
        context.log.warning(problem)
    records = {record.version: record for record in catalog.versions()}
    changed = _changed_dictionaries(context, platform, records.values())
    unfinished = [
        key
        for key, record in records.items()
        if record.state in ("registered", "running", "parsed") and not (is_posted(record) and held(catalog.url, version_subject(key)))
    ]
    pending = {key: version_basis(records[key], stale.versions.get(key, "")) for key in [*unfinished, *stale.versions]}
    result = _run_requests(platform, context.instance, VERSIONS, pending) if pending else None
    if result:
        return result._replace(asset_events=[*changed])
    rest = f", {len(look.unsettled)} still growing" if look.unsettled else ""
    waiting = f", {len(pending)} under way or given up" if pending else ""
    said = f"{look.known} dumps known, nothing new{rest}{waiting}" + "".join(f"; {problem}" for problem in problems[:3])
    return dg.SensorResult(skip_reason=said, asset_events=changed) if changed else dg.SkipReason(said)


def _changed_dictionaries(
    context: dg.SensorEvaluationContext, platform: PlatformParam, records: Iterable[VersionRecord]
) -> list[dg.AssetObservation]:
    """What makes judged versions stale. The event log is asked only when a contract or setting is not as at the last tick."""
    judged = [record for record in records if record.state in ("published", "held")]
    judging = judging_by_source(platform.settings, {record.source for record in judged})
    if context.cursor == digest(judging):
        return []
    context.update_cursor(digest(judging))
    return news(context.instance, judged, judging)


@dg.sensor(
    job=ORDER_SOURCES,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Orders a source anew when a version of it was published or what is declared of its order was changed.",
)
def stale_orders(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    stale = ordering.stale_orders(platform.settings, platform.catalog)
    if not stale:
        return dg.SkipReason("every order is as new as its versions and declarations")
    busy = active_keys(context.instance, VERSIONS)
    if busy:
        return dg.SkipReason(f"{len(stale)} sources to order when {len(busy)} versions are through")
    result = _run_requests(platform, context.instance, SOURCES, stale)
    return result or dg.SkipReason(f"{len(stale)} orders under way or given up after several attempts")


@dg.sensor(
    job=REFRESH_TABLES,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes exactly the tables of which a version was published since they were last merged.",
)
def stale_tables(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
    stale = platform.catalog.stale_tables()
    if not stale:
        return dg.SkipReason("every table is as new as its versions")
    busy = active_keys(context.instance, VERSIONS)
    if busy:
        return dg.SkipReason(f"{len(stale)} tables to refresh when {len(busy)} versions are through")
    result = _run_requests(platform, context.instance, TABLES, {table.table_key: str(table.changed_load_id) for table in stale})
    return result or dg.SkipReason(f"{len(stale)} tables under way or given up after several attempts")


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Closes runs whose process is gone (a power cut, kill -9) and frees their slots; Dagster leaves them STARTED for ever.",
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    closed = close_lost_runs(context.instance)
    return dg.SkipReason(f"closed: {', '.join(closed)}" if closed else "no run is lost")


_PID = re.compile(r"pid: (\d+)")


def close_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fails every run that is STARTING or STARTED without a living process, and those of `ingest` that never came to start.

    Gives their ids.
    """
    closed = []
    begun = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=begun)):
        waiting = run.status == dg.DagsterRunStatus.NOT_STARTED and PROCESS_TAG not in run.tags
        if waiting or _lives(instance, run):
            continue
        instance.report_run_failed(run, "The process of this run is gone (killed, or the machine stopped). Run it again: it converges.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        closed.append(run.run_id)
    return closed


def _lives(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    mark = run.tags.get(PROCESS_TAG)
    if mark:
        return process_lives(mark)
    pids: list[int] = []
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pids.extend(int(pid) for pid in _PID.findall(entry.message))
    return not pids or any(_as_old(pid, run, instance) for pid in pids)


def _as_old(pid: int, run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Whether the pid is still the process that the run's events speak of: not one that was started after the run's last sign."""
    record = instance.get_run_record_by_id(run.run_id)
    try:
        process = psutil.Process(pid)
        return record is None or process.create_time() <= record.update_timestamp.timestamp() + 1
    except psutil.NoSuchProcess:
        return False


def nightly_backup(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule of platform.yaml; without one it is there, stopped, for who wants to start it by hand."""

    @dg.schedule(
        name="nightly_backup",
        job=BACK_UP_TABLES,
        cron_schedule=settings.backup.schedule or BackupSettings.schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.backup.schedule else dg.DefaultScheduleStatus.STOPPED,
        description="Every table, in one run and as of one moment where Dagster can: back up, verify, drill, remove what is not kept.",
    )
    def scheduled(context: dg.ScheduleEvaluationContext, platform: PlatformParam) -> list[dg.RunRequest] | dg.SkipReason:
        tables = {record.table_key for record in platform.catalog.tables() if record.relation}
        registered = list(context.instance.get_dynamic_partitions(TABLES.name or ""))
        when = context.scheduled_execution_time.isoformat()
        runs = [dg.RunRequest(run_key=f"{when} {keys[0]}", tags=run_tags(keys)) for keys in neighbours(registered, tables)]
        return runs or dg.SkipReason("there is no table yet")

    return scheduled


SENSORS = (dump_files, stale_orders, stale_tables, lost_runs)
