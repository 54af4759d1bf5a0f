"""An asset, a job and a schedule per import topic, made from the files in topics/ when the code location is loaded.

A pull lands as a dump, and the sensor on dumps does the rest. A topic file that cannot be understood is an asset as well: it says why,
and fails when it is run; the others work.
"""

import os
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._utils.schedules import is_valid_cron_schedule

from platform_assets.defs.assets import PlatformParam
from platform_assets.errors import PlatformError, SettingsError
from platform_assets.operations.import_topic import import_topic
from platform_assets.operations.topic_checks import DESCRIPTIONS
from platform_assets.settings import Settings
from platform_assets.sources.topic import Topic, load_topic, topic_files
from platform_assets.storage.home import Home


class ImportConfig(dg.Config):
    initialize: bool = False
    """Pull everything anew; without it only what is new or changed."""
    since: str = ""
    """Pull what changed from this value of the cursor column on."""


@dataclass(frozen=True)
class TopicDefinitions:
    """What the topics of a home come to."""

    assets: list[dg.AssetsDefinition]
    jobs: list[UnresolvedAssetJobDefinition]
    schedules: list[dg.ScheduleDefinition]


def topic_definitions(settings: Settings) -> TopicDefinitions:
    """Nothing when the home has no topic."""
    assets, jobs, schedules = [], [], []
    for path in topic_files(Home(settings.home).topics):
        try:
            topic = load_topic(path)
            if topic.schedule and not is_valid_cron_schedule(topic.schedule):
                raise SettingsError(f"{path}: schedule: {topic.schedule!r} is no cron schedule.")
        except SettingsError as error:
            assets.append(_broken(path.stem, error.message))
            continue
        asset = _asset(topic)
        job = dg.define_asset_job(f"import_{_word(topic.name)}", selection=[asset], description=f"Pulls the topic {topic.name}.")
        assets.append(asset)
        jobs.append(job)
        if topic.schedule:
            schedules.append(
                dg.ScheduleDefinition(
                    name=f"import_{_word(topic.name)}_schedule",
                    job=job,
                    cron_schedule=topic.schedule,
                    execution_timezone="UTC",
                    default_status=dg.DefaultScheduleStatus.RUNNING,
                )
            )
    return TopicDefinitions(assets, jobs, schedules)


def _word(name: str) -> str:
    return name.replace("-", "_")


def _asset(topic: Topic) -> dg.AssetsDefinition:
    where = topic.place.get("domain") or topic.place.get("url") or topic.place.get("table") or ""
    described = topic.description or f"Pulled from {topic.kind} {str(where).rpartition('@')[2]} into {topic.source}.{topic.table}."

    @dg.asset(
        key=["topics", topic.name],
        kinds={topic.kind if topic.kind in ("rest", "files") else "api" if topic.kind == "socrata" else "sql"},
        description=f"{described} Each pull lands in dumps/{topic.source}/ and is loaded like any dump.",
        pool=f"topic_{_word(topic.name)}",
        check_specs=[dg.AssetCheckSpec(name, asset=["topics", topic.name], description=DESCRIPTIONS[name]) for name in topic.checks.names],
    )
    def pull(context: dg.AssetExecutionContext, config: ImportConfig, platform: PlatformParam) -> dg.MaterializeResult:
        try:
            done = import_topic(
                platform.settings,
                platform.catalog,
                topic,
                initialize=config.initialize,
                since=config.since or None,
                environment=os.environ,
                progress=lambda name, rows, total: context.log.info(f"{name}: {rows} more rows{f' of {total}' if total else ''}"),
            )
        except PlatformError as error:
            facts = {name: str(value) for name, value in error.facts.items()}
            raise dg.Failure(description=error.message, metadata=facts, allow_retries=False) from error
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": done.rows,
                "mode": done.mode,
                "pages": done.pages,
                "rows at the source": done.total if done.total is not None else "unknown",
                "resumed": done.resumed,
                "landed as": ", ".join(path.name for path in done.dumps) or "nothing: nothing was new",
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=finding.passed,
                    check_name=finding.name,
                    severity=dg.AssetCheckSeverity.WARN,  # the rows are there, and what is made of them goes on
                    metadata={"found": finding.said},
                )
                for finding in done.checks
            ],
        )

    return pull


def _broken(name: str, message: str) -> dg.AssetsDefinition:
    @dg.asset(key=["topics", "".join(c if c.isalnum() else "_" for c in name)], description=f"This topic cannot be understood: {message}")
    def broken() -> None:
        raise dg.Failure(description=message, allow_retries=False)

    return broken
