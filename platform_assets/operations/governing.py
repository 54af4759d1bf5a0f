"""A dump's table under the source's contract: whose word counts for columns, keys and rules. Not here: judging rows by them (judge)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from platform_assets import __version__
from platform_assets.dictionary.model import META_COLUMNS, ForeignKey, Table
from platform_assets.dictionary.renames import for_dump
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import type_name


def reading_version(source: SourceSettings, dictionary: Mapping[str, Table]) -> str:
    """Twelve digits of the hash of all that decides how a dump's bytes become rows, beside the bytes: while it stays the same, another
    dictionary changes the verdict alone, and a stored snapshot can be judged again."""
    columns = {
        name: [(column.name, type_name(column.type), column.native, column.formats, column.words) for column in table.columns]
        for name, table in sorted(dictionary.items())
    }
    said = (__version__, source.format, source.encoding, source.delimited, source.mysql_tab, source.types, source.partial, columns)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]


def governed(table: Table, contract: Table | None, source: SourceSettings) -> Table:
    """The dump's table under its contract: columns and types stay the dump's, keys, references and rules are the contract's.

    The source's settings say what becomes of orphans, and how many rows may be rejected where the contract does not.

    A column that was renamed since is governed under the name that the dump has. Platform
    column names (META_COLUMNS) in a dump get a trailing underscore, so that ours cannot be confused with theirs.
    """
    columns = tuple(replace(column, name=_safe(column.name)) for column in table.columns)
    key = tuple(map(_safe, table.key))
    if contract is None:
        unique = tuple(tuple(map(_safe, names)) for names in table.unique)
        references = tuple(replace(fk, columns=tuple(map(_safe, fk.columns)), orphans=source.references) for fk in table.foreign_keys)
        table = replace(table, columns=columns, key=key, unique=unique, foreign_keys=references)
        return replace(table, max_errors=source.max_errors, max_error_ratio=source.max_error_ratio)
    contract = for_dump(contract, tuple(column.name for column in columns))
    stated = {column.name: column for column in contract.columns}
    return replace(
        contract,
        name=table.name,
        renames=(),
        renamed_to=None,
        columns=tuple(
            replace(
                column,
                required=stated[column.name].required,
                description=stated[column.name].description or column.description,
                formats=stated[column.name].formats or column.formats,
                words=stated[column.name].words,
            )
            if column.name in stated
            else column
            for column in columns
        ),
        key=contract.key or key,
        foreign_keys=tuple(replace(_acting(fk, table), orphans=source.references) for fk in contract.foreign_keys),
        description=contract.description or table.description,
        max_errors=source.max_errors if contract.max_errors is None else contract.max_errors,
        max_error_ratio=source.max_error_ratio if contract.max_error_ratio is None else contract.max_error_ratio,
    )


def _acting(stated: ForeignKey, table: Table) -> ForeignKey:
    """A contract's reference with the actions that the dump's own one has: contracts have no word for them."""
    for own in table.foreign_keys:
        if (own.columns, own.table, own.references) == (stated.columns, stated.table, stated.references):
            return replace(stated, on_update=own.on_update, on_delete=own.on_delete)
    return stated


def _safe(name: str) -> str:
    return f"{name}_" if name in META_COLUMNS else name


def renamed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of the dump under the column names of its governed table."""
    names = [_safe(name) for name in batch.schema.names]
    return batch if names == batch.schema.names else batch.rename_columns(names)
