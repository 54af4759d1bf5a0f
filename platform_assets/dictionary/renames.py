"""Confirmed renames: what columns and tables of older dumps are called today. Stated in the dictionary (contract), applied to schemas here.

Proposals are elsewhere (versions.rename_scores): nothing is renamed that nobody confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from platform_assets.dictionary.model import Table
from platform_assets.errors import SettingsError


@dataclass(frozen=True)
class Renames:
    """The renames of one source. Chains are resolved: every old name leads to the one of today."""

    tables: Mapping[str, str] = field(default_factory=dict)
    """Old table name to today's."""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By the table's name of today: old column name to today's."""

    def table(self, name: str) -> str:
        """What a table is called today."""
        return self.tables.get(name, name)

    def columns_of(self, table: str) -> Mapping[str, str]:
        """Old to new column names of a table, by any of its names."""
        return self.columns.get(self.table(table), {})

    def today(self, table: Table, *, place: str) -> Table:
        """The schema under the names of today. Raises SettingsError when two columns would get one name; `place` says where it stands."""
        mapping = self.columns_of(table.name)
        bearers: dict[str, str] = {}
        for name in table.column_names:
            new = mapping.get(name, name)
            if new in bearers:
                raise _collision(table.name, bearers[new], name, new, place)
            bearers[new] = name
        return replace(with_names(table, mapping), name=self.table(table.name))


def _collision(table: str, first: str, second: str, new: str, place: str) -> SettingsError:
    old = first if first != new else second
    return SettingsError(
        f"{table}: the dictionary says that {old} was renamed to {new} (renamedTo), but {place} has both columns {first} and {second}. "
        f"Nothing was published from it: take the renamedTo of {old} out of the dictionary, or let it name the column that {old} became.",
        table=table,
        columns=(first, second),
    )


def renames_of(dictionary: Mapping[str, Table]) -> Renames:
    """The renames that the tables of a source's contract state."""
    tables = {name: table.renamed_to for name, table in dictionary.items() if table.renamed_to}
    columns = {name: dict(table.renames) for name, table in dictionary.items() if table.renames and not table.renamed_to}
    return Renames(tables, columns)


def with_names(table: Table, mapping: Mapping[str, str]) -> Table:
    """The table with its columns called otherwise, in its key and in every rule as well; rules keep their ids."""
    if not mapping.keys() & set(table.column_names) and not mapping.keys() & set(table.key):
        return table

    def named(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(mapping.get(column, column) for column in columns)

    return replace(
        table,
        columns=tuple(replace(column, name=mapping.get(column.name, column.name)) for column in table.columns),
        key=named(table.key),
        unique=tuple(map(named, table.unique)),
        foreign_keys=tuple(replace(key, columns=named(key.columns)) for key in table.foreign_keys),
        rules=tuple(replace(rule, columns=named(rule.columns)) for rule in table.rules),
        row_version=mapping.get(table.row_version, table.row_version) if table.row_version else None,
    )


def for_dump(contract: Table, columns: tuple[str, ...]) -> Table:
    """The contract as it applies to a dump that has these columns: under an old name where the dump has that and not the new one."""
    olds = {new: old for old, new in contract.renames if old in columns and new not in columns}
    return with_names(contract, olds)
