"""What the UI shows of a partition: column schema, lineage, links, and the first rows as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.types import type_name

PREVIEW_ROWS = 5
CELL_CHARACTERS = 60


def column_schema(table: Table) -> dg.TableSchema:
    """The columns with their types, and what the dictionary demands of them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=type_name(column.type),
                description=column.description or (f"native type {column.native}" if column.native else None),
                constraints=dg.TableColumnConstraints(
                    nullable=not column.required and column.name not in table.key,
                    unique=(column.name,) == tuple(table.key) or (column.name,) in table.unique,
                ),
            )
            for column in table.columns
        ]
    )


def column_lineage(table: Table, upstream: str) -> dg.TableColumnLineage:
    """Every column comes from the column of its name upstream."""
    key = dg.AssetKey(upstream)
    return dg.TableColumnLineage({name: [dg.TableColumnDep(asset_key=key, column_name=name)] for name in table.column_names})


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; what could break it in a cell is escaped, long cells are cut."""
    lines = ["| " + " | ".join(_cell(name) for name in columns) + " |", "|" + "---|" * len(columns)]
    lines.extend("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "*NULL*"
    text = "\\x" + value.hex() if isinstance(value, bytes) else str(value)
    text = text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
    for character in "\\|`*_<>[]":
        text = text.replace(character, "\\" + character)
    return text.replace("\r", " ").replace("\n", " ")


def preview(batches: Iterator[pa.RecordBatch], columns: Sequence[str]) -> dg.MarkdownMetadataValue:
    """The first rows. Reads one batch at most."""
    shown = list(columns)[:12]
    for batch in batches:
        head = batch.slice(0, PREVIEW_ROWS).select(shown).to_pylist()
        return dg.MetadataValue.md(markdown(shown, [[row[name] for name in shown] for row in head]))
    return dg.MetadataValue.md("no rows")


def table_metadata(table: Table, *, rows: int, relation: str | None = None, upstream: str | None = None) -> dict[str, Any]:
    """Dagster's own keys for one table."""
    metadata: dict[str, Any] = {
        "dagster/row_count": rows,
        "dagster/partition_row_count": rows,
        "dagster/column_schema": column_schema(table),
    }
    if relation:
        metadata["dagster/table_name"] = relation
        metadata["dagster/storage_kind"] = "postgresql"
    if upstream:
        metadata["dagster/column_lineage"] = column_lineage(table, upstream)
    return metadata


def drift_table(changes: Sequence[Mapping[str, Any]], first: str) -> dg.MarkdownMetadataValue:
    """Schema changes as operations.drift lists them; `first` is the key of the first column."""
    columns = (first, "change", "column", "before", "after", "widening", "kept_raw")
    cells = [["" if row[name] is None else row[name] for name in columns] for row in changes]
    return dg.MetadataValue.md(markdown([name.replace("_", " ") for name in columns], cells) if changes else "none")


def counted(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in rows.items()) or "none"
