"""Parquet and Avro, both with the exact types of the columns, written in pieces of bounded size."""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa

from platform_assets.storage.exports.relation import Relation, Written, regrouped
from platform_assets.storage.rows.avro import encode_block, field_names, file_header
from platform_assets.storage.rows.row_store import BLOCK_BYTES

GROUP_ROWS, GROUP_BYTES = 131_072, 64 << 20


def write_parquet(relation: Relation, stream: BinaryIO) -> Written:
    """Writes the file, packed with zstd. A row group has at most GROUP_ROWS rows, about GROUP_BYTES."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(pa.PythonFile(stream, mode="w"), relation.schema, compression="zstd", version="2.6") as writer:
        for table in regrouped(relation.rows(relation.columns), rows=GROUP_ROWS, size=GROUP_BYTES):
            writer.write_table(table, row_group_size=GROUP_ROWS)
            rows += table.num_rows
    return Written(rows)


def write_avro(relation: Relation, stream: BinaryIO) -> Written:
    """Writes the file, packed with snappy. A column whose name Avro forbids has its own name as `doc`."""
    from platform_assets.formats.avro.container import framed

    fields = field_names(relation.columns)
    header = file_header(relation.schema, fields)
    stream.write(header.data)
    rows = 0
    for table in regrouped(relation.rows(relation.columns), rows=GROUP_ROWS // 2, size=BLOCK_BYTES):
        stream.write(framed(encode_block(table, fields), header.sync))
        rows += table.num_rows
    return Written(rows)
