"""Rows as keys and values, a JSON line each: {"instance": ..., "key": [...], "value": {...}}. For stores that know nothing else."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa

from platform_assets.errors import PlatformError
from platform_assets.storage.exports.json_texts import list_pieces, object_pieces
from platform_assets.storage.exports.lines import lines
from platform_assets.storage.exports.relation import BYTES, ROWS, Relation, Written, regrouped


def keyed(relation: Relation) -> None:
    """Raises PlatformError for a table without a key."""
    if not relation.table.key:
        raise PlatformError(
            f"{relation.table.name} has no key: key/value needs one. State it in the dictionary, or take another --format.",
            table=relation.table.name,
        )


def write_kv(relation: Relation, stream: BinaryIO) -> Written:
    """Writes the newest row of each key. Raises PlatformError for a table without a key."""
    keyed(relation)
    rows = 0
    for table in regrouped(relation.rows(list(dict.fromkeys([*relation.columns, "_instance"]))), rows=ROWS, size=BYTES):
        for batch in table.combine_chunks().to_batches():
            stream.write(lines([*entry_pieces(relation, batch), "}\n"]))
            rows += batch.num_rows
    return Written(rows)


def entry_pieces(relation: Relation, batch: pa.RecordBatch) -> list[pa.Array | str]:
    """Everything of a line but its end."""
    instance = object_pieces(batch, ["_instance"])[1]
    key, value = list_pieces(batch, relation.table.key), object_pieces(batch, relation.columns)
    return ['{"instance":', instance, ',"key":', *key, ',"value":', *value]
