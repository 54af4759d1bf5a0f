"""Schemas of one table through its versions: their union, and rows brought to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import BINARY, INSTANT, STRING, TIMESTAMP, common_type


def union_table(tables: Sequence[Table]) -> Table:
    """All columns of all versions, oldest first given: the newest version's columns in its order, then those it no longer has.

    Types widen along dictionary.types.common_type. The key is the newest version's, if every version has its columns; else there is
    none and rows are compared whole. Raises ValueError for no tables.
    """
    if not tables:
        raise ValueError("a union needs at least one table")
    newest = tables[-1]
    columns: dict[str, Column] = {}
    for table in reversed(tables):
        for column in table.columns:
            known = columns.get(column.name)
            columns[column.name] = column if known is None else replace(known, type=common_type(known.type, column.type))
    shared_key = all(set(newest.key) <= set(table.column_names) for table in tables)
    return replace(newest, columns=tuple(columns.values()), key=newest.key if shared_key else ())


def align(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The batch with exactly the table's columns in its order: missing ones NULL, types widened without loss."""
    arrays = []
    for column in table.columns:
        index = batch.schema.get_field_index(column.name)
        if index < 0:
            arrays.append(pa.nulls(batch.num_rows, column.type))
        else:
            arrays.append(widen(batch.column(index), column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=table.arrow_schema())


def widen(array: pa.Array, to: pa.DataType) -> pa.Array:
    """An array in a type that common_type gave. Bytes become PostgreSQL's hex text, times ISO text."""
    if array.type == to:
        return array
    if to == STRING and array.type == BINARY:
        return pc.binary_join_element_wise("\\x", _hex(array), "")
    if to == STRING and array.type in (TIMESTAMP, INSTANT):
        text = pc.cast(array.cast(TIMESTAMP), STRING)
        return pc.binary_join_element_wise(text, "+00", "") if array.type == INSTANT else text
    return array.cast(to)


def _hex(array: pa.BinaryArray) -> pa.StringArray:
    """Two hexadecimal digits per byte, of all values in one call: a digit stands at twice its byte's place."""
    starts = pa.Array.from_buffers(pa.int32(), len(array) + 1, [None, array.buffers()[1]], offset=array.offset)
    first, last = starts[0].as_py(), starts[-1].as_py()
    content = array.buffers()[2]
    digits = content.slice(first, last - first).to_pybytes().hex().encode() if last > first else b""
    places = pc.multiply(pc.subtract(starts, starts[0]), pa.scalar(2, pa.int32()))
    texts = pa.StringArray.from_buffers(len(array), places.buffers()[1], pa.py_buffer(digits))
    return pc.if_else(array.is_valid(), texts, pa.scalar(None, STRING))
