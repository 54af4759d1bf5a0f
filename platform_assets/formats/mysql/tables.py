"""The tables of a dump while it is read: their names over several databases, their definitions, what was announced of them, their rows.

Statements are read elsewhere (mysql_statements); here is what they do to the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import STRING
from platform_assets.formats.base import Event, TableFound
from platform_assets.formats.mysql.ddl import ColumnDefinition, Definition
from platform_assets.formats.mysql.literals import Reading
from platform_assets.formats.mysql.rows import Plan, PlannedColumn, RowBuffer
from platform_assets.formats.mysql.session import Session, decoder
from platform_assets.formats.mysql.types import NativeType
from platform_assets.formats.sql import tables
from platform_assets.formats.sql.statement import QualifiedName
from platform_assets.formats.sql.tables import Known, kept_types


@dataclass(kw_only=True)
class KnownTable(Known[RowBuffer]):
    """One table. `key` is what Tables.key gives, `announced` is what the consumer knows."""

    key: QualifiedName
    definition: Definition
    instants: bool = False
    dictionary: Table | None = None
    """The contract's table, for rows that no CREATE TABLE came before."""
    announced: Table | None = None
    changed: bool = True
    plans: dict[tuple[object, ...], Plan] = field(default_factory=dict)


class Tables(tables.Tables[QualifiedName, KnownTable]):
    """All tables of a dump, by database and name. The first database that is used gives plain names, others give `database.table`.

    That choice is the only one a stream allows: when the second database turns up, rows of the first are already on their way.
    """

    def __init__(self, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        super().__init__(source, dictionary)
        self.views: set[QualifiedName] = set()
        self.sequences: set[QualifiedName] = set()
        self._primary: str | None = None
        self._settled = False

    def use(self, database: str) -> None:
        """USE: the first one, when no table came before it, becomes the database of the plain names."""
        if not self._settled:
            self._primary, self._settled = database, True

    def key(self, name: QualifiedName, session: Session) -> QualifiedName:
        """Database and table as they are told apart: the plain database is None."""
        return self._in_database(name[0] or session.database, name[1])

    def _in_database(self, database: str | None, table: str) -> QualifiedName:
        if not self._settled:
            self._primary, self._settled = database, True
        return (None if database == self._primary else database, table)

    def name_of(self, key: QualifiedName) -> str:
        """The table's name for the platform."""
        return self._unique(key[1] if key[0] is None else f"{key[0]}.{key[1]}", key)

    def find(self, key: QualifiedName) -> KnownTable | None:
        """The table, or the only one whose name differs in case alone: servers on Windows and macOS write such dumps."""
        exact = self.known.get(key)
        if exact is not None:
            return exact
        folded = [table for (base, name), table in self.known.items() if base == key[0] and name.lower() == key[1].lower()]
        return folded[0] if len(folded) == 1 else None

    def drop_database(self, database: str) -> None:
        """DROP DATABASE: its tables are gone; what is created in it later is new."""
        for key, table in self.known.items():
            table.dropped |= key[0] == (None if database == self._primary else database)

    def create(self, key: QualifiedName, definition: Definition, session: Session, member: str) -> KnownTable:
        """Registers a table. Nothing is announced before its first row or the dump's end: a view's stand-in never is."""
        instants = session.zone_minutes is not None
        table = KnownTable(key=key, name=self.name_of(key), definition=definition, instants=instants, member=member)
        self.known[key] = table
        self.views.discard(key)
        return table

    def orphan(self, key: QualifiedName, names: Sequence[str], member: str) -> KnownTable:
        """A table that has rows and no CREATE TABLE: the contract's columns when there is one, otherwise texts under these names."""
        name = self.name_of(key)
        contract = self.contract(name, names)
        columns = contract.column_names if contract is not None else names
        definition = Definition(key, tuple(ColumnDefinition(one, NativeType("")) for one in columns))
        table = KnownTable(key=key, name=name, definition=definition, member=member, dictionary=contract)
        self.known[key] = table
        return table

    def schema(self, table: KnownTable) -> Table:
        """The table as it is to be announced. Once rows are out, its columns keep the types under which they went."""
        if table.dictionary is not None:
            return table.dictionary
        schema = table.definition.table(
            table.name,
            lambda name: self.name_of(self._in_database(*name) if name[0] else (table.key[0], name[1])),
            instants=table.instants,
            overrides=self.source.types,
        )
        return kept_types(schema, table.announced) if table.rows and table.announced is not None else schema

    def announce(self, table: KnownTable) -> Iterator[Event]:
        """TableFound when there is something new to tell."""
        if not table.changed:
            return
        table.changed = False
        schema = self.schema(table)
        if schema != table.announced:
            table.announced = schema
            yield TableFound(schema, table.member)

    def _flushed(self, table: KnownTable) -> Iterator[Event]:
        yield from self.announce(table)
        assert table.buffer is not None
        yield from table.buffer.flush()

    def plan(self, table: KnownTable, names: Sequence[str] | None, session: Session) -> Plan:
        """Where the values of an INSERT with this column list (None: without one) go now. Raises KeyError: no such column."""
        lexis = session.lexis
        key = (
            None if names is None else tuple(names),
            session.charset,
            session.fixed,
            lexis.backslash,
            session.zone_minutes,
            table.instants,
        )
        plan = table.plans.get(key)
        if plan is None:
            plan = table.plans[key] = self._plan(table, names, session)
        return plan

    def _plan(self, table: KnownTable, names: Sequence[str] | None, session: Session) -> Plan:
        schema = self.schema(table)
        types = {column.name: column.type for column in schema.columns}
        columns = []
        for name in table.definition.implicit if names is None else names:
            column = table.definition.column(name)
            if column is None:
                raise KeyError(name)
            columns.append(column)
        if len({column.name for column in columns}) != len(columns):
            raise KeyError("a column twice")
        listed = {column.name for column in columns}
        filled = [one for one in table.definition.columns if one.name not in listed and one.default is not None]

        def planned(column: ColumnDefinition) -> PlannedColumn:
            target = STRING if table.dictionary is not None and not pa.types.is_binary(types[column.name]) else types[column.name]
            computed = column.default is None and (column.computed_default or column.generated)
            return PlannedColumn(column.name, _reading(column, table, session), target, column.default, computed)

        return Plan(table.name, tuple(map(planned, columns)), tuple(map(planned, filled)))


def _reading(column: ColumnDefinition, table: KnownTable, session: Session) -> Reading:
    charset = column.charset or table.definition.charset
    shift = (session.zone_minutes or 0) if table.instants and column.native.word == "timestamp" else 0
    encoding = session.encoding(charset)
    return Reading(
        column.native,
        text=session.decode(charset),
        column=decoder(charset or "utf8mb4") or session.decode(charset),
        backslash=session.lexis.backslash,
        lead=session.lexis.lead,
        utf8=encoding.startswith("utf8"),
        shift=shift,
    )
