"""An asset, a job and a schedule per import topic, made from the files in topics/ when the code location is loaded.

A pull lands as a dump, and the sensor on dumps does the rest. A topic file that cannot be understood is an asset as well: it says why,
and fails when it is run; the others work.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._utils.schedules import is_valid_cron_schedule

from platform_assets.defs.assets import PlatformParam
from platform_assets.errors import PlatformError, SettingsError
from platform_assets.operations.import_topic import Imported, import_topic
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
                    description=f"Pulls what is new of {_where(topic)} into {topic.source}.{topic.table}.",
                    execution_timezone="UTC",
                    default_status=dg.DefaultScheduleStatus.RUNNING,
                )
            )
    return TopicDefinitions(assets, jobs, schedules)


def _word(name: str) -> str:
    return name.replace("-", "_")


def _asset(topic: Topic) -> dg.AssetsDefinition:
    described = topic.description or f"Pulled from {topic.kind} {_where(topic)} into {topic.source}.{topic.table}."

    @dg.asset(
        key=["topics", topic.name],
        kinds={topic.kind if topic.kind in ("rest", "files") else "api" if topic.kind == "socrata" else "sql"},
        description=f"{described} Each pull lands in dumps/{topic.source}/ and is loaded like any dump.",
        metadata={
            "table": f"{topic.source}.{topic.table}",
            "kind": topic.kind,
            "from": _where(topic),
            "target": topic.target,
            "schedule": topic.schedule or "none: runs when asked to",
            **({} if topic.kind == "files" else {"page size": topic.page_size}),
        },
        pool=f"topic_{_word(topic.name)}",
        check_specs=[dg.AssetCheckSpec(name, asset=["topics", topic.name], description=DESCRIPTIONS[name]) for name in topic.checks.names],
    )
    def pull(context: dg.AssetExecutionContext, config: ImportConfig, platform: PlatformParam) -> dg.MaterializeResult:
        began = time.monotonic()
        try:
            done = import_topic(
                platform.settings,
                platform.catalog,
                topic,
                initialize=config.initialize,
                since=config.since or None,
                environment=os.environ,
                progress=_progress(context.log.info),
            )
        except PlatformError as error:
            facts = {name: str(value) for name, value in error.facts.items()}
            raise dg.Failure(description=error.message, metadata=facts, allow_retries=False) from error
        return dg.MaterializeResult(
            metadata={**_told(done), "seconds": round(time.monotonic() - began, 2)},
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


def _where(topic: Topic) -> str:
    """The place as it may be shown: without whatever could be a secret."""
    place = topic.place
    if topic.kind == "socrata":
        return f"{place.get('domain', '')}/d/{place.get('dataset', '')}"
    urls = [str(url).partition("?")[0] for url in (place.get("urls") or [place.get("url") or ""])]
    shown = [f"{url.partition('://')[0]}://{url.rpartition('@')[2]}" if "@" in url else url for url in urls[:3]]
    return " ".join(part for part in (*shown, "..." if len(urls) > 3 else "", str(place.get("table", ""))) if part)


def _progress(say: Callable[[str], None]) -> Callable[[str, int, int | None], None]:
    """A line of the run's log per page: how far it is, and how fast."""
    began, sofar = time.monotonic(), 0

    def tell(name: str, rows: int, total: int | None) -> None:
        nonlocal sofar
        sofar += rows
        of = f" of {total:,} ({min(1.0, sofar / total):.0%})" if total else ""
        say(f"{name}: {sofar:,}{of} rows, {sofar / max(time.monotonic() - began, 0.001):,.0f} rows/s")

    return tell


def _told(done: Imported) -> dict[str, Any]:
    """What the UI shows of an import."""
    landed = ", ".join(path.name for path in done.dumps) or "nothing: nothing was new"
    if done.mode == "files":
        return {"mode": done.mode, "files": len(done.dumps), "landed as": landed}
    return {
        "rows": done.rows,
        "mode": done.mode,
        "pages": done.pages,
        "rows at the source": done.total if done.total is not None else "unknown",
        "bytes": done.bytes,
        "cursor before": str(done.since) if done.since is not None else "none: from the beginning",
        "cursor after": str(done.cursor) if done.cursor is not None else "none",
        "last request id": done.request_id or "none",
        "resumed": done.resumed,
        "landed as": landed,
    }


def _broken(name: str, message: str) -> dg.AssetsDefinition:
    @dg.asset(key=["topics", "".join(c if c.isalnum() else "_" for c in name)], description=f"This topic cannot be understood: {message}")
    def broken() -> None:
        raise dg.Failure(description=message, allow_retries=False)

    return broken
