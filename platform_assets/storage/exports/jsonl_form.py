"""JSON lines: one object per row with the column names as keys, NULL as null. No schema: types are found, or a dictionary says them."""

from __future__ import annotations

from typing import BinaryIO

from platform_assets.storage.exports.json_texts import object_pieces
from platform_assets.storage.exports.lines import lines
from platform_assets.storage.exports.relation import Relation, Written


def write_jsonl(relation: Relation, stream: BinaryIO) -> Written:
    """Writes the file."""
    rows = 0
    for batch in relation.batches():
        stream.write(lines([*object_pieces(batch, relation.columns), "\n"]))
        rows += batch.num_rows
    return Written(rows)
