"""A script that PostgreSQL loads with `psql -f`: the table, its rows by COPY, its key. One transaction: cut short, it does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.types import STRING
from platform_assets.storage.exports.cell_texts import cell_texts
from platform_assets.storage.exports.lines import contains, separated
from platform_assets.storage.exports.relation import Relation, Written
from platform_assets.storage.warehouse.bulk import unheld
from platform_assets.storage.warehouse.names import column_names, pg_type, quoted, relation_name

_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))


@dataclass
class _Facts:
    """What only the rows tell. `unheld`: cells that PostgreSQL cannot hold."""

    rows: int = 0
    unheld: int = 0
    key_gaps: bool = False


def write_sql(relation: Relation, stream: BinaryIO) -> Written:
    """Writes the script. Its table bears the table's name without a schema: the search path of the session decides where it goes."""
    facts = _Facts()
    table = quoted(relation_name(relation.table.name))
    names = {**column_names(relation.table), **{name: name for name in relation.meta}}
    columns = [(quoted(names[field.name]), pg_type(field.type)) for field in relation.schema]
    stream.write(_opening(table, columns).encode())
    for batch in relation.batches():
        stream.write(copy_lines(_checked(batch, relation.key, facts)))
    stream.write(b"\\.\n\n")
    stream.write(_closing(table, [quoted(names[name]) for name in relation.key], facts).encode())
    return Written(facts.rows, tuple(_notices(facts)))


def _notices(facts: _Facts) -> Iterator[str]:
    if facts.unheld:
        yield (
            f"{facts.unheld:,} values that PostgreSQL cannot hold (a text with a NUL, a year outside 1 to 9999) are NULL in the script; "
            "--format json carries them"
        )
    if facts.key_gaps:
        yield "the script has no primary key, since some rows have NULL in a column of it"


def _opening(table: str, columns: list[tuple[str, str]]) -> str:
    defined = ",\n".join(f"    {name} {kind}" for name, kind in columns)
    named = ", ".join(name for name, _ in columns)
    return (
        "-- Written by platform-assets export. Load it with: psql -v ON_ERROR_STOP=1 -f FILE\n\n"
        "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nSET datestyle = 'ISO, YMD';\n\n"
        f"BEGIN;\n\nCREATE TABLE {table} (\n{defined}\n);\n\nCOPY {table} ({named}) FROM stdin;\n"
    )


def _closing(table: str, key: list[str], facts: _Facts) -> str:
    if not key:
        return "COMMIT;\n"
    if facts.key_gaps:
        return f"-- No primary key ({', '.join(key)}): some rows have NULL there.\n\nCOMMIT;\n"
    return f"ALTER TABLE ONLY {table}\n    ADD PRIMARY KEY ({', '.join(key)});\n\nCOMMIT;\n"


def _checked(batch: pa.RecordBatch, key: tuple[str, ...], facts: _Facts) -> pa.RecordBatch:
    facts.rows += batch.num_rows
    columns = []
    for column in batch.columns:
        refused = unheld(column)
        if refused is not None:
            facts.unheld += pc.sum(refused).as_py()
            column = pc.if_else(refused, pa.scalar(None, column.type), column)
        columns.append(column)
    held = pa.RecordBatch.from_arrays(columns, schema=batch.schema)
    facts.key_gaps = facts.key_gaps or any(held.column(held.schema.get_field_index(name)).null_count for name in key)
    return held


def copy_lines(batch: pa.RecordBatch) -> memoryview:
    """A batch in COPY's text format."""
    return separated(list(_cells(batch)), "\t")


def _cells(batch: pa.RecordBatch) -> Iterator[pa.StringArray]:
    for column in batch.columns:
        texts = cell_texts(column)
        if column.type == STRING:
            for character, escaped in _ESCAPES:
                if contains(texts, "[" + character.replace("\\", "\\\\") + "]"):
                    texts = pc.replace_substring(texts, character, escaped)
        elif pa.types.is_binary(column.type):
            texts = pc.binary_join_element_wise("\\", texts, "")
        yield pc.fill_null(texts, "\\N")
