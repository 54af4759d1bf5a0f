"""What a restore would do with the columns of a backup and of the table that stands there: done, or refused by name. Plain values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from platform_assets.dictionary.types import BINARY, STRING, common_type, type_name
from platform_assets.storage.warehouse.restored_tables import StandingColumn


@dataclass(frozen=True)
class Plan:
    """`columns`: (PostgreSQL name, type it is stored as) for each column of the backup. `steps` are sentences; `refused` ones forbid it."""

    columns: tuple[tuple[str, pa.DataType], ...]
    steps: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def plan(
    stored: Sequence[tuple[str, pa.DataType]], key: Sequence[str], standing: Sequence[StandingColumn], standing_key: Sequence[str]
) -> Plan:
    """`stored` are the backup's columns by PostgreSQL name, `key` its primary key there; `standing` is the table to take the rows."""
    there, steps, refused, columns = {column.name: column for column in standing}, [], [], []
    for name, kind in stored:
        column = there.pop(name, None)
        if column is None:
            refused.append(f"column {name} is in the backup and no longer in the table")
            continue
        columns.append((name, column.type if column.type is not None else kind))
        if column.type == kind:
            continue
        if column.type is not None and widens(kind, column.type):
            steps.append(f"column {name} is widened from {type_name(kind)} to {type_name(column.type)}")
        else:
            refused.append(f"column {name} is {type_name(kind)} in the backup and {column.pg_type} in the table")
    for name, column in there.items():
        if column.required and not column.filled:
            refused.append(f"column {name} is required in the table and not in the backup")
        else:
            steps.append(f"column {name} is not in the backup: {'its default' if column.filled else 'NULL'} in every row")
    if tuple(key) != tuple(standing_key):
        refused.append(f"the key is ({', '.join(key)}) in the backup and ({', '.join(standing_key)}) in the table")
    return Plan(tuple(columns), tuple(steps), tuple(refused))


def widens(old: pa.DataType, new: pa.DataType) -> bool:
    """Whether every value of the old type is one of the new. Bytes are no text."""
    return old == new or (old != BINARY and common_type(old, new) == new) or (old != BINARY and new == STRING)
