"""Rows between Arrow and what drivers take and give: whole columns at a time. What a database cannot hold is an error that names it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import BINARY, BOOLEAN, FLOAT64, INSTANT, INT64, STRING, TIME, TIMESTAMP
from platform_assets.errors import Conflict
from platform_assets.storage.targets.types import MYSQL_SCALE

_EPOCH = "1970-01-01 "


def rows_of(batch: pa.RecordBatch, dialect: str) -> list[tuple[Any, ...]]:
    """The rows as a driver's parameters. Raises Conflict naming a column with a value that the database cannot hold."""
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns.append(_values(column, dialect))
        except (ValueError, OverflowError) as error:
            said = f"Column {name!r} has a value that {dialect} cannot hold: {error}. The table was not copied."
            raise Conflict(said, column=name) from error
    return list(zip(*columns, strict=True))


def _values(column: pa.Array, dialect: str) -> list[Any]:
    kind = column.type
    if kind == FLOAT64 and not pc.all(pc.is_finite(column), min_count=0).as_py():
        raise ValueError("infinity, or not a number")
    if kind == STRING and dialect == "mssql" and pc.any(pc.match_substring(column, "\0"), min_count=0).as_py():
        raise ValueError("a text with a NUL")
    if kind == INSTANT:
        column = column.cast(TIMESTAMP)
    if dialect == "sqlite":
        if kind == BOOLEAN:
            column = column.cast(pa.int8())
        elif pa.types.is_temporal(kind):
            column.to_pylist()  # raises beyond the year 9999, which no other reader takes
            return column.cast(STRING).to_pylist()
    if _as_text(kind, dialect):
        return [None if value is None else format(value, "f") for value in column.to_pylist()]
    return column.to_pylist()


def _as_text(kind: pa.DataType, dialect: str) -> bool:
    return pa.types.is_decimal(kind) and (dialect == "sqlite" or (dialect == "mysql" and kind.scale > MYSQL_SCALE))


def batch_of(rows: Sequence[Sequence[Any]], schema: pa.Schema, dialect: str) -> pa.RecordBatch:
    """What a driver gave, under our types. Raises ValueError, TypeError or ArrowException when it is of other types."""
    columns = zip(*rows, strict=True)
    arrays = [_column(list(values), field.type, dialect) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(values: list[Any], kind: pa.DataType, dialect: str) -> pa.Array:
    if kind == BOOLEAN:
        return pa.array(values, pa.int8() if values and not _any_bool(values) else BOOLEAN).cast(BOOLEAN)
    if kind == BINARY:
        return pa.array([None if value is None else bytes(value) for value in values], BINARY)
    if _as_text(kind, dialect):
        return pa.array([None if value is None else Decimal(value) for value in values], kind)
    if dialect == "sqlite" and pa.types.is_temporal(kind):
        return _from_text(values, kind)
    if kind == TIME and any(isinstance(value, timedelta) for value in values):  # MySQL's is a span
        return pa.array(values, pa.duration("us")).view(INT64).view(TIME)
    if kind == INSTANT:
        return pa.array(values, TIMESTAMP).view(INT64).view(INSTANT)
    return pa.array(values, kind)


def _any_bool(values: list[Any]) -> bool:
    return isinstance(next((value for value in values if value is not None), True), bool)


def _from_text(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == TIME:
        values = [None if value is None else f"{_EPOCH}{value}" for value in values]
    texts = pa.array(values, STRING)
    if kind in (TIME, INSTANT):
        return texts.cast(TIMESTAMP).view(INT64).view(kind)
    return texts.cast(kind)
