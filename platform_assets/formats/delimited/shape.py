"""Which columns a delimited table has: header, schema and dictionary brought together. Values only; nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.types import DATE, STRING

Remark = tuple[str, str]
"""Code and message of a Notice that is still to get its member and table."""


@dataclass(frozen=True)
class Shape:
    """A table, and for each field of its data rows the name of the column that it fills."""

    table: Table
    fields: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()


def unique_names(header: Sequence[str]) -> tuple[tuple[str, ...], list[Remark]]:
    """Header names made usable: an empty one becomes column_N, a repeated one gets _2, _3, ...; each change is remarked."""
    names: list[str] = []
    remarks: list[Remark] = []
    for position, name in enumerate(header, 1):
        new = name
        if not name or name in names:
            new = _free(name or "column", 2 if name else position, {*header, *names})
            why = f"the name {name!r} occurs twice" if name else "it has no name"
            remarks.append(
                ("header-renamed", f"column {position} of the header is called {new}: {why}. Name it in the file to choose another.")
            )
        names.append(new)
    return tuple(names), remarks


def _free(stem: str, number: int, taken: set[str]) -> str:
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def unnamed_shape(name: str, width: int) -> Shape:
    """Columns c1..cn of text, for rows without header that no schema describes."""
    columns = tuple(Column(f"c{number}", STRING) for number in range(1, width + 1))
    remark = f"nothing names the columns of {name}: they are called c1 to c{width}. Describe the table in the source's dictionary."
    return Shape(Table(name, columns), tuple(column.name for column in columns), (("columns-unnamed", remark),))


def positional_shape(schema: Table) -> Shape:
    """Rows without header: the fields are the schema's columns in its order."""
    return Shape(schema, schema.column_names)


def headed_shape(header: Sequence[str], schema: Table, *, keep_missing: bool) -> Shape:
    """Fields matched with a schema's columns by header name, if need be without regard to case; unknown ones are kept as text.

    With `keep_missing` (the dump itself declares the columns) their order is the schema's and those that the data lack are NULL;
    otherwise the order is the data's and what the data lack is left out: a dictionary says what may be there, the dump what is.
    """
    names, remarks = unique_names(header)
    matched, case_remarks = _match(names, schema)
    remarks += case_remarks
    missing = [column for column in schema.columns if column.name not in matched]
    unknown = [name for name in matched if name not in schema.column_names]
    if schema.columns and unknown:
        remarks.append(("column-unknown", f"{_listed(unknown)} of {schema.name}: in the data but in no schema; kept as text."))
    if missing:
        what = "in the schema but not in the data; NULL in every row" if keep_missing else "in the dictionary but not in the data; left out"
        remarks.append(("column-missing", f"{_listed([column.name for column in missing])} of {schema.name}: {what}."))
    stated = {column.name: column for column in schema.columns}
    added = [Column(name, STRING) for name in unknown]
    columns = [*schema.columns, *added] if keep_missing else [stated.get(name) or Column(name, STRING) for name in matched]
    return Shape(schema.with_columns(columns), tuple(matched), tuple(remarks))


def _match(names: Sequence[str], schema: Table) -> tuple[list[str], list[Remark]]:
    """For each data name the schema's name for it, or itself. Exact names first, so that case twins stay apart."""
    folded: dict[str, list[str]] = {}
    for column in schema.columns:
        if column.name not in names:
            folded.setdefault(column.name.casefold(), []).append(column.name)
    matched: list[str] = []
    remarks: list[Remark] = []
    for name in names:
        candidates = folded.get(name.casefold(), [])
        if name in schema.column_names or len(candidates) != 1:
            matched.append(name)
        else:
            matched.append(candidates.pop())
            remarks.append(
                ("column-case", f"column {name} of the data is taken for {matched[-1]} of {schema.name}: the names differ in case alone.")
            )
    return matched, remarks


def with_formats(table: Table, formats: tuple[str, ...]) -> Table:
    """The source's date and time patterns in every date and timestamp column that has none of its own."""

    def column(old: Column) -> Column:
        dated = old.type == DATE or pa.types.is_timestamp(old.type)
        return replace(old, formats=formats) if dated and not old.formats else old

    return table.with_columns(column(old) for old in table.columns)


def _listed(names: Sequence[str]) -> str:
    return ("column " if len(names) == 1 else "columns ") + ", ".join(names)
