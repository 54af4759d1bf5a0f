"""Small backups for tests, and how to damage them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from stored_cases import table_of

from platform_assets.dictionary.types import INT64, STRING
from platform_assets.storage.rows.backup_writer import write_backup
from platform_assets.storage.rows.backups import Backup

NUMBERS = replace(table_of([("n", INT64), ("text", STRING), ("_instance", STRING)], name="numbers"), key=("n",))


def numbers(count: int, first: int = 0) -> pa.RecordBatch:
    values = list(range(first, first + count))
    arrays = [pa.array(values, INT64), pa.array([f"row {value}" for value in values]), pa.array(["default"] * count, STRING)]
    return pa.RecordBatch.from_arrays(arrays, schema=NUMBERS.arrow_schema())


def backup(folder: Path, count: int = 300, first: int = 0) -> Backup:
    return write_backup(
        folder, source="shop", table=NUMBERS, batches=[numbers(count, first)], facts={"tool_version": "1"}, part_bytes=2_000
    )


def damaged(path: Path, data: bytes) -> None:
    """In the place of the file, never into it: other backups may link its bytes."""
    path.unlink()
    path.write_bytes(data)
