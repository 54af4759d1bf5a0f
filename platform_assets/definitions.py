"""The assembly: what workspace.yaml loads. `build_definitions` takes its settings and lets tests put their own parts in."""

import warnings
from collections.abc import Mapping

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from platform_assets.defs.assets import ASSETS, GROUP, OWNER  # noqa: E402  (the filters come first: decorators warn at import)
from platform_assets.defs.checks import CHECKS  # noqa: E402
from platform_assets.defs.dictionary import dictionary  # noqa: E402
from platform_assets.defs.history import history, history_checks  # noqa: E402
from platform_assets.defs.io_managers import LatestAvro, RawDumpJson, SnapshotAvro  # noqa: E402
from platform_assets.defs.jobs import JOBS  # noqa: E402
from platform_assets.defs.metrics import metric_definitions  # noqa: E402
from platform_assets.defs.platform import Platform  # noqa: E402
from platform_assets.defs.restores import restore_tables  # noqa: E402
from platform_assets.defs.sensors import SENSORS, nightly_backup  # noqa: E402
from platform_assets.defs.topics import topic_definitions  # noqa: E402
from platform_assets.settings import Settings  # noqa: E402


def build_definitions(settings: Settings, *, overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """All definitions on one home. `overrides` replaces resources by key (platform, raw_dump_json, snapshot_avro, latest_avro)."""
    overrides = dict(overrides or {})
    platform = overrides.setdefault("platform", Platform(settings))
    assert isinstance(platform, Platform)
    resources = {
        "raw_dump_json": RawDumpJson(platform),
        "snapshot_avro": SnapshotAvro(platform),
        "latest_avro": LatestAvro(platform),
        **overrides,
    }
    topics, metrics = topic_definitions(settings), metric_definitions(settings)
    assets = (dictionary, *ASSETS, history, *topics.assets, *metrics.assets)
    governed = [asset.map_asset_specs(lambda spec: spec.replace_attributes(group_name=GROUP, owners=[OWNER])) for asset in assets]
    return dg.Definitions(
        assets=governed,
        asset_checks=[*CHECKS, history_checks],
        jobs=[*JOBS, restore_tables, *topics.jobs, *metrics.jobs],
        sensors=[*SENSORS, *metrics.sensors],
        schedules=[nightly_backup(settings), *topics.schedules, *metrics.schedules],
        resources=resources,
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Loaded by Dagster, not at import: the home is PLATFORM_HOME or data/."""
    return build_definitions(Settings.load())
