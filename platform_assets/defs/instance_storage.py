"""Dagster's storage on the platform's PostgreSQL, started on first use: plain `dagster dev` needs no wrapper and no environment."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
from dagster._config import Field, StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine

from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.server.database import dagster_url

POOL: dict[str, Any] = {"pool_size": 1, "max_overflow": 20, "pool_recycle": 600}
"""Dagster connects anew for every event otherwise: 190 logins for a run of one small dump, a third of its time."""
TRUSTED = 1.0
"""Seconds for which a connection that was given back is used again untried: half of all statements were trials of it."""


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
            _tried_when_idle(part._engine)
        log = storage._event_log_storage
        for question in ("has_table", "has_asset_key_col"):
            setattr(log, question, _remembered(getattr(log, question)))
        return storage


def _tried_when_idle(engine: sqlalchemy.Engine) -> None:
    """Like `pool_pre_ping`, but not for connections that were used a moment ago. One that fails is replaced before it is handed out."""

    @sqlalchemy.event.listens_for(engine, "checkin")
    def given_back(connection: Any, record: Any) -> None:
        record.info["given_back"] = time.monotonic()

    @sqlalchemy.event.listens_for(engine, "checkout")
    def handed_out(connection: Any, record: Any, proxy: Any) -> None:
        if time.monotonic() - record.info.get("given_back", time.monotonic()) > TRUSTED:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise sqlalchemy.exc.DisconnectionError from error


def _remembered(ask: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether a table or column is there, asked until it is: Dagster asks at every event, 190 times for one small dump, and drops none."""
    there: set[str] = set()

    def found(name: str) -> bool:
        if name not in there and ask(name):
            there.add(name)
        return name in there

    return found
