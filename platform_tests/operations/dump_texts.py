"""Dumps of MySQL tables as mysqldump writes them, with types, keys and times of a test's own, and their way into the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_assets.operations.latest import merge_table
from platform_assets.operations.parse import commit_version, parse_version
from platform_assets.operations.publish import publish_current, publish_version
from platform_assets.operations.publish_history import refresh_history
from platform_assets.operations.register import located, register, scan
from platform_assets.operations.renaming import follow_dictionaries
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

Rows = Sequence[Sequence[object]]


def dump(day: int, tables: Mapping[str, tuple[str, Rows]]) -> str:
    """The text of a dump made on that day of January 2024; `tables` has the definitions between the brackets, and the rows."""
    lines = ["-- MySQL dump 10.13  Distrib 8.0.33, for Linux (x86_64)", "--"]
    for name, (definition, rows) in tables.items():
        lines += [f"DROP TABLE IF EXISTS `{name}`;", f"CREATE TABLE `{name}` ({definition}) ENGINE=InnoDB;"]
        if rows:
            lines.append(f"INSERT INTO `{name}` VALUES {','.join(f'({_cells(row)})' for row in rows)};")
    return "\n".join([*lines, f"-- Dump completed on 2024-01-{day:02d} 10:00:00", ""])


def _cells(row: Sequence[object]) -> str:
    return ",".join("NULL" if cell is None else f"'{cell}'" if isinstance(cell, str) else str(cell) for cell in row)


def write_dump(folder: Path, label: str, day: int, **tables: tuple[str, Rows]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{label}.sql"
    path.write_text(dump(day, tables))
    return path


def publish_new(settings: Settings, catalog: Catalog) -> list[str]:
    """Registers, parses and publishes what is new or to be run again. Gives what is wrong with dictionaries."""
    home = Home(settings.home)
    for found in scan(home, catalog.known_files(), settle_seconds=0).new:
        register(settings, catalog, found)
    problems = follow_dictionaries(settings, catalog)
    for record in catalog.versions(states=("registered",)):
        commit_version(home, parse_version(settings, record, located(settings, catalog, record)))
        publish_version(settings, catalog, record, run_id="test")
    return problems


def ingest(settings: Settings, catalog: Catalog) -> list[str]:
    """The same, and the tables that became stale by it."""
    problems = publish_new(settings, catalog)
    for table in catalog.stale_tables():
        state = merge_table(settings, catalog, table.source, table.table_name).state.commit()
        publish_current(settings, catalog, state, run_id="test")
        refresh_history(settings, catalog, table.source, table.table_name, run_id="test")
    return problems
