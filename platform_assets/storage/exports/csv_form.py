"""Delimited text with a header (RFC 4180): every text in quotes, NULL an unquoted token, so that nothing is taken for another thing.

Cells are never altered: one that begins with `=`, `+`, `-` or `@` is what the table holds, and a spreadsheet may take it for a formula.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import STRING
from platform_assets.errors import PlatformError
from platform_assets.storage.exports.cell_texts import cell_texts
from platform_assets.storage.exports.lines import contains, separated
from platform_assets.storage.exports.relation import Relation, Written

_SOLE_NULL = "\\N"
"""In a file of one column, where nothing at all would be an empty line, which readers pass over."""


def write_csv(relation: Relation, stream: BinaryIO, *, null: str = "") -> Written:
    """Writes the file. `null` stands unquoted for NULL. Raises PlatformError for a token that cannot stand so."""
    if set(null) & set(',"\r\n'):
        raise PlatformError(f"{null!r} cannot stand for NULL: it has a comma, a quote or a line end in it.")
    sole = not null and len(relation.columns) == 1
    null = _SOLE_NULL if sole else null
    stream.write(header(relation.columns))
    rows = 0
    for batch in relation.batches():
        stream.write(csv_rows(batch, null=null))
        rows += batch.num_rows
    return Written(rows, (f"of one column: NULL is {_SOLE_NULL} in the file, since readers pass over empty lines",) if sole else ())


def header(names: tuple[str, ...]) -> bytes:
    return (",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n").encode()


def csv_rows(batch: pa.RecordBatch, *, null: str = "") -> memoryview:
    """The lines of a batch of at least one column."""
    return separated([_cells(column, null) for column in batch.columns], ",")


def _cells(column: pa.Array, null: str) -> pa.StringArray:
    texts = cell_texts(column)
    if column.type == STRING:
        if contains(texts, '"'):
            texts = pc.replace_substring(texts, '"', '""')
        texts = pc.binary_join_element_wise('"', texts, '"', "")
    return pc.fill_null(texts, null)
