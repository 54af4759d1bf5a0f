"""Dumps of MySQL tables as mysqldump writes them, for tests that need types, keys and times of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

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
