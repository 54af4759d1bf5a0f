"""The Dagster instance of a home: one configuration, at the root for `dagster dev`, and in each home for the command line.

Imports no Dagster: `up` starts its processes without paying for it.
"""

from pathlib import Path
from typing import Any

import yaml

from platform_assets.settings import Settings
from platform_assets.storage.files import atomic_file
from platform_assets.storage.home import Home

HEADER = "# The Dagster instance. Storage is the platform's own PostgreSQL, started on first use.\n"


def instance_config(base: str) -> dict[str, Any]:
    """dagster.yaml with logs and artifacts under `base`."""
    return {
        "storage": {"custom": {"module": "platform_assets.defs.instance_storage", "class": "PlatformInstanceStorage", "config": {}}},
        "local_artifact_storage": {
            "module": "dagster._core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": base},
        },
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": f"{base}/logs"},
        },
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "concurrency": {
            "runs": {
                "max_concurrent_runs": 2,
                "tag_concurrency_limits": [{"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}],
            },
            "pools": {"default_limit": 1, "granularity": "op"},
        },
        "run_queue": {"dequeue_interval_seconds": 1},
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 180,
            "max_runtime_seconds": 21600,
            "poll_interval_seconds": 30,
            "free_slots_after_run_end_seconds": 30,
        },
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
        "sensors": {"use_threads": True, "num_workers": 4},
        "retention": {
            "sensor": {"purge_after_days": {"skipped": 1, "success": 30, "failure": 30}},
            "schedule": {"purge_after_days": {"skipped": 7, "success": 30, "failure": 30}},
        },
    }


def config_text(base: str) -> str:
    return HEADER + yaml.safe_dump(instance_config(base), sort_keys=False, width=120)


def prepare_instance_folder(settings: Settings) -> Path:
    """`<home>/store/dagster` with its dagster.yaml, to be DAGSTER_HOME."""
    folder = Home(settings.home).dagster
    path = folder / "dagster.yaml"
    text = config_text(folder.as_posix())
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with atomic_file(path) as file:
            file.write(text.encode("utf-8"))
    return folder


def instance_environment(settings: Settings) -> dict[str, str]:
    """What a Dagster process needs to work on this home, wherever it is started."""
    return {
        "DAGSTER_HOME": str(prepare_instance_folder(settings)),
        "PLATFORM_HOME": str(settings.home),
        "DAGSTER_EVENT_BATCH_SIZE": "100",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
