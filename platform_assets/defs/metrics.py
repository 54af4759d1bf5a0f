"""An asset per metric, made from the files in metrics/ when the code location is loaded, and what refreshes it.

A file that cannot be understood is an asset as well: it says why, and fails when it is run; the others work.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from platform_assets.defs.assets import PlatformParam, current_table
from platform_assets.defs.metadata import markdown
from platform_assets.errors import PlatformError, SettingsError
from platform_assets.operations import charts, metrics
from platform_assets.operations.metric_files import Metric, load_metric, metric_files
from platform_assets.settings import Settings
from platform_assets.storage.home import Home

JOB = "refresh_metrics"
PREVIEW_ROWS = 10
MOST_CHART_BYTES = 20_000
"""Of a chart in the metadata of an event: the pages of the UI carry it along."""


@dataclass(frozen=True)
class MetricDefinitions:
    """What the metrics of a home come to."""

    assets: list[dg.AssetsDefinition] = field(default_factory=list)
    jobs: list[UnresolvedAssetJobDefinition] = field(default_factory=list)
    sensors: list[dg.SensorDefinition] = field(default_factory=list)
    schedules: list[dg.ScheduleDefinition] = field(default_factory=list)


def metric_definitions(settings: Settings) -> MetricDefinitions:
    """Nothing when the home has no metric."""
    made = MetricDefinitions()
    whole: list[Metric] = []
    for path in metric_files(Home(settings.home).metrics):
        try:
            whole.append(load_metric(path))
            made.assets.append(_asset(whole[-1]))
        except SettingsError as error:
            made.assets.append(_broken(path.stem, error.message))
    if not whole:
        return made
    job = dg.define_asset_job(
        JOB,
        selection=[dg.AssetKey(["metrics", metric.name]) for metric in whole],
        description="The views of the metrics, made from their files, and their charts.",
    )
    made.jobs.append(job)
    made.sensors.append(_sensor(job))
    made.schedules.extend(_schedule(job, metric) for metric in whole if metric.refresh not in ("on_change", "manual"))
    return made


def _asset(metric: Metric) -> dg.AssetsDefinition:
    @dg.asset(
        key=["metrics", metric.name],
        kinds={"postgres", "sql"},
        deps=[dg.AssetDep(current_table, partition_mapping=dg.AllPartitionMapping())],
        description=f"{metric.title}. {metric.description} The view metrics.{metric.name}, made from metrics/{metric.name}.sql.",
    )
    def made(context: dg.AssetExecutionContext, platform: PlatformParam) -> dg.MaterializeResult:
        try:
            one = metrics.standing(platform.settings, platform.catalog, metric.name)
            return dg.MaterializeResult(metadata=_metadata(platform, one))
        except PlatformError as error:
            facts = {name: str(value) for name, value in error.facts.items()}
            raise dg.Failure(description=error.message, metadata=facts, allow_retries=False) from error

    return made


def _metadata(platform: PlatformParam, one: metrics.Standing) -> dict[str, Any]:
    """The rows that there are, the first of them, the chart. Raises RefusedQuery for a metric that is not ready."""
    with metrics.asked(platform.catalog, one, {}) as answer:
        first = list(islice(answer.rows, PREVIEW_ROWS))
        rows = len(first) + sum(1 for _ in answer.rows)
    found: dict[str, Any] = {
        "dagster/row_count": rows,
        "dagster/table_name": f"metrics.{one.name}",
        "reads": ", ".join(one.tables) or "no table",
        "preview": dg.MetadataValue.md(markdown(answer.columns, first)),
    }
    if one.metric is not None and one.metric.chart is not None:
        drawn = charts.svg(metrics.charted(platform.catalog, one, {})).encode()
        shown = f"![{one.metric.title}](data:image/svg+xml;base64,{base64.b64encode(drawn).decode()})"
        if len(drawn) > MOST_CHART_BYTES:
            shown = f"`/v1/metrics/{one.name}.svg` has it: {len(drawn):,} bytes"
        found["chart"] = dg.MetadataValue.md(shown)
    return found


def _sensor(job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name="stale_metrics",
        job=job,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes the metrics of which a table was published, or whose file was changed, since they were last made.",
    )
    def stale_metrics(context: dg.SensorEvaluationContext, platform: PlatformParam) -> dg.SensorResult | dg.SkipReason:
        found = metrics.standings(platform.settings, platform.catalog)
        bases = metrics.basis(platform.catalog, found)
        known = set((context.cursor or "").split())
        now = {f"{name}:{basis[:8]}": name for name, basis in bases.items()}
        stale = sorted({name for mark, name in now.items() if mark not in known})
        if not stale:
            waiting = "; ".join(one.problem or one.name for one in found if one.state != "ready")
            return dg.SkipReason(f"every metric is as new as its tables{f'; {waiting}' if waiting else ''}"[:2_000])
        key = hashlib.sha256(" ".join(sorted(now)).encode()).hexdigest()[:24]
        request = dg.RunRequest(run_key=key, asset_selection=[dg.AssetKey(["metrics", name]) for name in stale])
        return dg.SensorResult(run_requests=[request], cursor=" ".join(sorted(now)))

    return stale_metrics


def _schedule(job: UnresolvedAssetJobDefinition, metric: Metric) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"refresh_{metric.name}",
        job=job,
        cron_schedule=metric.refresh,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Refreshes {metric.name} when its file says.",
    )
    def scheduled(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(asset_selection=[dg.AssetKey(["metrics", metric.name])])

    return scheduled


def _broken(name: str, message: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["metrics", "".join(c if c.isalnum() else "_" for c in name)],
        kinds={"sql"},
        description=f"This metric cannot be understood: {message}",
    )
    def broken() -> None:
        raise dg.Failure(description=message, allow_retries=False)

    return broken
