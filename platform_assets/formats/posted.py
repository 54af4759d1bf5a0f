"""Rows that were posted, as the events that the format `pull` gives of them once they have landed, cell for cell, without a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import BOOLEAN, Number
from platform_assets.formats.base import Event, Finished, Rows, TableFound, Unreadable
from platform_assets.formats.json_records.facts import without_exponent
from platform_assets.formats.pull import MANIFEST, with_bytes
from platform_assets.formats.table_archive import merged

MEMBER = "rows.jsonl"
Cells = Mapping[str, "str | bool | None"]
"""A row: its columns by name, numbers as Number."""


def posted_events(
    table: Table, rows: Sequence[Cells], refused: Sequence[Mapping[str, Any]], source: SourceSettings, dictionary: Mapping[str, Table]
) -> Iterator[Event]:
    """`refused` as pull.json has it: index, raw, code and message of what could not be a row. All columns of `rows` are the table's."""
    stated = merged(table, dictionary.get(table.name))
    if stated.columns:
        yield TableFound(stated, MANIFEST)
    if rows:
        names = list(dict.fromkeys(chain.from_iterable(rows)))
        arrays = [_cells([row.get(name) for row in rows], stated.column(name), source) for name in names]
        numbers = pa.array(range(1, len(rows) + 1), pa.int64())
        batch = pa.RecordBatch.from_arrays(arrays, names=names)
        yield from with_bytes(Rows(table.name, MEMBER, batch, numbers, numbers, strict=True), stated)
    for one in refused:
        yield Unreadable(table.name, MANIFEST, one["index"] + 1, None, one["raw"], one["code"], one["message"])
    yield Finished("complete")


def _cells(values: list[str | bool | None], column: Column, source: SourceSettings) -> pa.Array:
    if column.type == BOOLEAN:
        true, false = ((words or ("",))[0] for words in (source.delimited.true, source.delimited.false))
        return pa.array([true if one is True else false if one is False else one for one in values], pa.string())
    if pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        values = [without_exponent(one) if type(one) is Number and ("e" in one or "E" in one) else one for one in values]
    try:
        return pa.array(values, pa.string())
    except pa.ArrowException:  # JSON's true or false among them
        return pa.array([one if one is None or isinstance(one, str) else str(one).lower() for one in values], pa.string())
