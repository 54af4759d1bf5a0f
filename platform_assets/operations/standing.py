"""Rows beside those that are judged: accepted before, or in other versions. They take keys, or answer references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from platform_assets.dictionary.model import Column, ForeignKey, Table


@dataclass(frozen=True)
class Standing:
    """Rows of a table that were accepted before: `rows` gives them in batches that have the named columns (NULL where it lacks one).

    `taken`: their keys are taken, so a row with one of them comes second. Otherwise they only answer references.
    """

    table: Table
    rows: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    taken: bool = False
    held: Callable[[Sequence[str]], Iterator[pa.RecordBatch]] | None = None
    """Rows that wait for a parent themselves: they answer the references of tables that refer to each other."""


def no_rows(child: Table, key: ForeignKey) -> Standing:
    """A parent of which no version is there: every row that names one waits."""
    columns = tuple(
        Column(name, child.column(own).type) for own, name in zip(key.columns, key.references, strict=True) if own in child.column_names
    )
    return Standing(Table(key.table, columns), lambda columns: iter(()))
