"""Dagster's storage on the platform's PostgreSQL, started on first use: plain `dagster dev` needs no wrapper and no environment."""

from collections.abc import Callable
from typing import Any

from dagster._config import Field, StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine

from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.server.database import dagster_url, try_idle_connections

POOL: dict[str, Any] = {"pool_size": 1, "max_overflow": 20, "pool_recycle": 600}
"""Dagster connects anew for every event otherwise: 190 logins for a run of one small dump, a third of its time."""


class PlatformInstanceStorage(DagsterPostgresStorage):
    """The database `dagster` of the home that PLATFORM_HOME names (default: `home` of the config), or beside PLATFORM_DATABASE_URL."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"home": Field(StringSource, is_required=False, default_value="")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "PlatformInstanceStorage":
        settings = Settings.load(config_value["home"] or None)
        url = dagster_url(Home(settings.home), settings.database_url)
        storage = cls(postgres_url=url, inst_data=inst_data)
        for part in (storage._run_storage, storage._event_log_storage, storage._schedule_storage):
            part._engine = create_pg_engine(url, None, isolation_level="AUTOCOMMIT", **POOL)
            try_idle_connections(part._engine)
        log = storage._event_log_storage
        for question in ("has_table", "has_asset_key_col"):
            setattr(log, question, _remembered(getattr(log, question)))
        return storage


def _remembered(ask: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether a table or column is there, asked until it is: Dagster asks at every event, 190 times for one small dump, and drops none."""
    there: set[str] = set()

    def found(name: str) -> bool:
        if name not in there and ask(name):
            there.add(name)
        return name in there

    return found
