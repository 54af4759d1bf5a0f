"""Rows as keys and values, a JSON line each: {"instance": ..., "key": [...], "value": {...}}. For stores that know nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Table
from platform_assets.errors import KeyMissing
from platform_assets.storage.exports.json_texts import json_values, list_pieces, object_pieces
from platform_assets.storage.exports.lines import lines
from platform_assets.storage.exports.relation import BYTES, ROWS, Relation, Written, regrouped


def keyed(table: Table) -> None:
    """Raises KeyMissing for a table without a key."""
    if not table.key:
        raise KeyMissing(
            f"{table.name} has no key: key/value needs one. State it in the dictionary, or take another --format.", table=table.name
        )


def write_kv(relation: Relation, stream: BinaryIO) -> Written:
    """Writes the newest row of each key. Raises KeyMissing for a table without a key."""
    keyed(relation.table)
    rows = 0
    for table in regrouped(relation.rows(list(dict.fromkeys([*relation.columns, "_instance"]))), rows=ROWS, size=BYTES):
        for batch in table.combine_chunks().to_batches():
            key, value = list_pieces(batch, relation.table.key), object_pieces(batch, relation.columns)
            stream.write(lines(['{"instance":', json_values(batch.column("_instance")), ',"key":', *key, ',"value":', *value, "}\n"]))
            rows += batch.num_rows
    return Written(rows)


def write_lives(batches: Iterable[pa.RecordBatch], stream: BinaryIO) -> Written:
    """Writes every state of each key in order, from batches of instance, key, version, moment, operation, value, all texts."""
    rows = 0
    for batch in batches:
        told = {name: json_values(batch.column(name)) for name in ("instance", "version", "moment", "operation")}
        pieces: list[pa.Array | str] = ['{"instance":', told["instance"], ',"key":', batch.column("key")]
        for name in ("version", "moment", "operation"):
            pieces += [f',"{name}":', told[name]]
        stream.write(lines([*pieces, ',"value":', pc.fill_null(batch.column("value"), "null"), "}\n"]))
        rows += batch.num_rows
    return Written(rows)


def key_texts(batch: pa.RecordBatch, key: Sequence[str]) -> pa.StringArray:
    """The JSON list of each row's key."""
    return pc.binary_join_element_wise(*list_pieces(batch, key), "")


def value_texts(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.StringArray:
    """The JSON object of each row."""
    return pc.binary_join_element_wise(*object_pieces(batch, columns), "")
