"""A warehouse with a table that was backed up and changed since."""

from __future__ import annotations

import pytest
from warehouse_tables import CHILD, NEW, OLD, PARENT, USERS, put, query

from platform_assets.operations.backup import back_up_table, snapshot
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import Backup


@pytest.fixture
def settings(home: Home, database: str) -> Settings:
    return Settings(home.root, database_url=database)


@pytest.fixture
def kept(settings: Settings, catalog: Catalog) -> Backup:
    """A backup of the old users; the new ones stand in the table."""
    made = back_up_table(settings, catalog, put(catalog, "lms", USERS, OLD))
    put(catalog, "lms", USERS, NEW)
    return made


@pytest.fixture
def source(settings, catalog, database) -> list[Backup]:
    """Two tables, the child refers to the parent in the database as well; both were backed up in one snapshot and changed since."""
    put(catalog, "lms", CHILD, [{"id": 1, "course": 7}])
    put(catalog, "lms", PARENT, [{"id": 7, "title": "seven"}])
    query(
        database,
        """ALTER TABLE lms.courses ADD UNIQUE (id);
           ALTER TABLE lms.marks ADD CONSTRAINT of_course FOREIGN KEY (course) REFERENCES lms.courses (id)""",
    )
    with snapshot(catalog) as at:
        made = [back_up_table(settings, catalog, catalog.table(f"lms.{name}"), at=at) for name in ("marks", "courses")]
    query(
        database,
        "DELETE FROM lms.marks; UPDATE lms.courses SET id = 8; INSERT INTO lms.marks (id, course, _instance) VALUES (2, 8, 'default')",
    )
    return made
