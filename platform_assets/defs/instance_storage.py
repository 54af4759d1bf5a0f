"""Dagster's storage on the platform's PostgreSQL, started on first use: plain `dagster dev` needs no wrapper and no environment."""

from typing import Any

from dagster._config import Field, StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from platform_assets.settings import Settings
from platform_assets.storage.database import dagster_url
from platform_assets.storage.home import Home


class PlatformInstanceStorage(DagsterPostgresStorage):
    """The database `dagster` of the home that PLATFORM_HOME names (default: `home` of the config), or beside PLATFORM_DATABASE_URL."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"home": Field(StringSource, is_required=False, default_value="")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "PlatformInstanceStorage":
        settings = Settings.load(config_value["home"] or None)
        url = dagster_url(Home(settings.home), settings.database_url)
        return cls(postgres_url=url, inst_data=inst_data)
