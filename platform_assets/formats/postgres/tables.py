"""The tables of a dump while rows are read: their names over schemas and databases, what was announced of them, their rows' numbers.

Definitions come from the survey (catalog.Catalog of the whole dump), so that a table is announced with the keys that its dump adds after
the rows. Statements are read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from platform_assets.dictionary.model import Column, ForeignKey, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import BINARY, STRING
from platform_assets.formats.base import Event, TableFound
from platform_assets.formats.postgres.catalog import Catalog, Key
from platform_assets.formats.postgres.ddl import ColumnDefinition, Definition
from platform_assets.formats.postgres.rows import RowBuffer
from platform_assets.formats.postgres.types import NativeType, arrow_type
from platform_assets.formats.sql import tables
from platform_assets.formats.sql.definition import default_of
from platform_assets.formats.sql.statement import QualifiedName
from platform_assets.formats.sql.tables import Known


@dataclass(kw_only=True)
class KnownTable(Known[RowBuffer]):
    """One table. `textual` are columns with a cell that their type cannot hold."""

    key: Key
    schema: Table
    natives: Mapping[str, ColumnDefinition]
    announced: bool = False
    orphan: bool = False
    early: bool = False
    """Its rows come before the statement that creates it, as where data and schema are two files."""
    textual: set[str] = field(default_factory=set)

    def native(self, name: str) -> NativeType:
        found = self.natives.get(name)
        return found.native if found is not None else NativeType("")

    def target(self, name: str) -> pa.DataType:
        """The type in which a column's values are wanted; contracts' columns are cast by the consumer."""
        wanted = self.schema.column(name).type
        return STRING if self.orphan and wanted != BINARY else wanted


class Tables(tables.Tables[Key, KnownTable]):
    """All tables by key. `survey` saw the whole dump, `now` is the catalog at the place that is read."""

    def __init__(self, survey: Catalog, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        super().__init__(source, dictionary)
        self.survey = survey
        self.now = Catalog()
        self._several = len({key[0] for key in survey.used}) > 1
        self._plain = _plain_schemas(survey.used)

    def name_of(self, key: Key) -> str:
        """The table's name for the platform."""
        database, schema, table = key
        name = table if self._plain.get(database, "public") == schema else f"{schema}.{table}"
        return self._unique(f"{database}.{name}" if self._several and database else name, key)

    def definition(self, key: Key) -> Definition | None:
        """What the table is in the end; what it is now when the end has not all of its columns; its last one when rows come first."""
        now = self.now.definitions.get(key)
        if now is None:
            number = self.survey.created[key]
            return self.survey.finals.get((key, number)) if not self.now.created[key] else None
        final = self.survey.finals.get((key, self.now.created[key]))
        return final if final is not None and set(now.column_names) <= set(final.column_names) else now

    def columns(self, key: Key) -> tuple[str, ...] | None:
        """The columns that rows without a list mean, in their order at this place; None when there is no definition."""
        now = self.now.definitions.get(key) or self.definition(key)
        return None if now is None else now.column_names

    def table(self, key: Key, member: str) -> KnownTable | None:
        """The table that rows for `key` belong to: the one at the top of a partition. None when nothing defines it."""
        root = self.survey.root(key)
        found = self.known.get(root)
        if found is None:
            definition = self.definition(root)
            if definition is None:
                return None
            found = self.known[root] = self._defined(root, definition, member)
            found.early = not self.now.created[root]
        found.dropped = False
        return found

    def _defined(self, key: Key, definition: Definition, member: str) -> KnownTable:
        schema = self.schema(key, definition)
        return KnownTable(key=key, name=schema.name, schema=schema, natives={one.name: one for one in definition.columns}, member=member)

    def orphan(self, key: Key, names: Sequence[str], member: str) -> KnownTable:
        """A table that has rows and no CREATE TABLE: the contract's columns when there is one, otherwise texts under these names."""
        name = self.name_of(key)
        contract = self.dictionary.get(name)
        if contract is None or not set(names) <= set(contract.column_names):
            contract = Table(name, tuple(Column(one, STRING) for one in names))
        found = KnownTable(key=key, name=name, schema=contract, natives={}, member=member, orphan=True)
        self.known[key] = found
        return found

    def schema(self, key: Key, definition: Definition) -> Table:
        domains = self.survey.domains
        return Table(
            name=self.name_of(key),
            columns=tuple(
                Column(
                    column.name,
                    arrow_type(column.native, domains, self.source.types),
                    column.native.text,
                    # No dump holds the values of a generated column, so none can be asked for.
                    column.required and not column.generated,
                    column.comment,
                    default=_stated(column),
                    numbered=column.numbered,
                )
                for column in definition.columns
            ),
            key=definition.key,
            unique=definition.unique,
            foreign_keys=tuple(self._foreign_keys(key, definition)),
            description=definition.comment,
        )

    def _foreign_keys(self, key: Key, definition: Definition) -> Iterator[ForeignKey]:
        for reference in definition.foreign:
            other = self._resolved(reference.table, key)
            target = self.survey.final(other)
            columns = reference.references or (target.key if target is not None else ())
            if len(columns) == len(reference.columns):
                yield reference.key(reference.columns, self.name_of(other), columns)

    def _resolved(self, name: QualifiedName, beside: Key) -> Key:
        """A referenced table; one without a schema is looked for in the schema of its table first."""
        if name[0] is not None:
            return self.survey.root((beside[0], name[0], name[1]))
        same = (beside[0], beside[1], name[1])
        others = [key for key in self.survey.used if key[0] == beside[0] and key[2] == name[1]]
        return self.survey.root(same if same in others or not others else others[0])

    def announce(self, table: KnownTable) -> Iterator[Event]:
        """TableFound before the first row."""
        if not table.announced:
            table.announced = True
            yield TableFound(table.schema, table.member)

    def _flushed(self, table: KnownTable) -> Iterator[Event]:
        yield from self.announce(table)
        assert table.buffer is not None
        yield from table.buffer.flush()

    def last_seen(self, member: str) -> Iterator[Event]:
        """At the dump's end: tables without rows, those that it drops, and those that stand at the end and had no row."""
        yield from self.last()
        for key, definition in self.unseen():
            yield from self.announce(self._defined(key, definition, member))

    def unseen(self) -> Iterator[tuple[Key, Definition]]:
        """Tables that stand at the end and had no row."""
        for key in list(self.now.definitions):
            definition = self.definition(key)
            partition = self.survey.root(key) != key
            if definition is not None and key not in self.known and not partition and not definition.foreign_table:
                yield key, definition


def _stated(column: ColumnDefinition) -> str | None:
    value = None if column.default is None else column.default.decode("utf-8", "replace")
    return default_of(value, "" if column.numbered else column.expression)


def _plain_schemas(used: Sequence[Key]) -> Mapping[str, str]:
    """Per database the schema whose tables have plain names: public, or the first that is used."""
    plain: dict[str, str] = {}
    for database, schema, _ in used:
        if schema == "public" or database not in plain:
            plain[database] = schema
    return plain
