"""Databases by SQLAlchemy URL: which driver is meant, and what of an error may be shown. Nothing connects here."""

from __future__ import annotations

import sqlalchemy as sa

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mssql": "mssql+pymssql",
}


def driver_named(url: sa.URL) -> sa.URL:
    """The URL with the driver that we test with, where it names none."""
    return url if "+" in url.drivername else url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def reason(error: Exception) -> str:
    """What the driver said, without SQLAlchemy's statement and parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
