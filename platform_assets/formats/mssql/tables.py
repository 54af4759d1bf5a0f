"""The tables of a script while it is read: their names over databases and schemas, definitions, what was announced, waiting rows.

Statements are read elsewhere (mssql.statements); here is what they do to the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import STRING
from platform_assets.formats.base import Event, Notice, TableFound
from platform_assets.formats.mssql.ddl import ColumnDefinition, Definition, Name
from platform_assets.formats.mssql.literals import Reading
from platform_assets.formats.mssql.moments import DEFAULT_ORDER
from platform_assets.formats.mssql.rows import Plan, PlannedColumn, RowBuffer
from platform_assets.formats.mssql.types import NativeType
from platform_assets.formats.sql import tables
from platform_assets.formats.sql.tables import Known, kept_types


@dataclass
class Session:
    """What USE and SET said last. `order` is that of day and month; None until SET DATEFORMAT or SET LANGUAGE says it."""

    database: str | None = None
    order: str | None = None
    identity_insert: Name | None = None
    """The table whose IDENTITY_INSERT is on."""


@dataclass(kw_only=True)
class KnownTable(Known[RowBuffer]):
    """One table. `announced` is what the consumer knows."""

    key: Name
    definition: Definition
    dictionary: Table | None = None
    """The contract's table, for rows that no CREATE TABLE came before."""
    orphan: bool = False
    announced: Table | None = None
    changed: bool = True
    next_number: int | None = None
    """What the server gives to the identity column next."""
    plans: dict[tuple[object, ...], Plan] = field(default_factory=dict)

    @property
    def identity(self) -> ColumnDefinition | None:
        return next((column for column in self.definition.columns if column.identity is not None), None)


class Tables(tables.Tables[Name, KnownTable]):
    """All tables of a dump by database, schema and name.

    Tables of the database in which the first table stands have no database in their names, tables of the schema dbo no schema: `Album`,
    `Person.Address`, `archive.dbo.Album` is `archive.Album`. That is the only choice a stream allows for the first database. Tables that
    come before any USE are taken for those of the database that is named first.
    """

    def __init__(self, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        super().__init__(source, dictionary)
        self.views: set[Name] = set()
        self.aliases: dict[str, NativeType] = {}
        self._primary: str | None = None
        self._settled = False

    def key(self, name: Name, session: Session, *, settle: bool = False) -> Name:
        """Database and schema as they are told apart: the plain database and dbo are None."""
        return self._in_database(name, name.database or session.database, settle=settle)

    def _in_database(self, name: Name, database: str | None, *, settle: bool = False) -> Name:
        if settle and self._primary is None:
            self._primary, self._settled = database, True
        same = (database or "").lower() == (self._primary or "").lower() if self._settled else name.database is None
        schema = None if (name.schema or "dbo").lower() == "dbo" else name.schema
        return Name(None if same else database, schema, name.table)

    def name_of(self, key: Name) -> str:
        """The table's name for the platform."""
        return self._unique(".".join(part for part in key if part), key)

    def find(self, key: Name) -> KnownTable | None:
        """The table, or the only one whose name differs in case alone: on most servers it is the same."""
        exact = self.known.get(key)
        if exact is not None:
            return exact
        wanted = _folded(key)
        folded = [table for known, table in self.known.items() if _folded(known) == wanted]
        return folded[0] if len(folded) == 1 else None

    def is_view(self, key: Name) -> bool:
        return _folded(key) in {_folded(view) for view in self.views}

    def create(self, key: Name, definition: Definition, member: str) -> KnownTable:
        """Registers a table. Nothing is announced before its first row or the dump's end."""
        table = KnownTable(key=key, name=self.name_of(key), definition=definition, member=member)
        self.known[key] = table
        self.views.discard(key)
        return table

    def orphan(self, key: Name, names: Sequence[str], member: str) -> KnownTable:
        """A table that has rows and no CREATE TABLE: the contract's columns when there is one, otherwise texts under these names."""
        name = self.name_of(key)
        contract = self.contract(name, names)
        columns = contract.column_names if contract is not None else names
        definition = Definition(key, tuple(ColumnDefinition(one, NativeType("")) for one in columns))
        table = KnownTable(key=key, name=name, definition=definition, member=member, dictionary=contract, orphan=True)
        self.known[key] = table
        return table

    def resolve(self, native: NativeType) -> NativeType:
        """The server's type behind a name that the script defined; AdventureWorks calls nvarchar(50) `Name`."""
        for _ in range(8):
            if native.known or native.word not in self.aliases:
                break
            base = self.aliases[native.word]
            native = replace(base, text=native.text)
        return native

    def schema(self, table: KnownTable) -> Table:
        """The table as it is to be announced. Once rows are out, its columns keep the types under which they went."""
        if table.dictionary is not None:
            return table.dictionary
        home = Name(table.key.database, table.key.schema, "")

        def name_of(name: Name) -> str:
            key = Name(home.database, None if (name.schema or "dbo").lower() == "dbo" else name.schema, name.table)
            found = self.find(self._in_database(name, name.database) if name.database else key)
            return found.name if found is not None else self.name_of(key)

        schema = table.definition.table(table.name, name_of, self.resolve, self.source.types)
        return kept_types(schema, table.announced) if table.rows and table.announced is not None else schema

    def announce(self, table: KnownTable) -> Iterator[Event]:
        """TableFound when there is something new to tell; with it, once, which columns are left out."""
        if not table.changed:
            return
        table.changed = False
        schema = self.schema(table)
        if schema != table.announced:
            table.announced = schema
            yield TableFound(schema, table.member)
        computed = [column.name for column in table.definition.columns if column.computed]
        if computed and table.once("computed"):
            message = f"Computed columns are left out, since a script holds no values of them: {', '.join(computed)}."
            yield Notice("computed-column", message, table.member, table=table.name)

    def _flushed(self, table: KnownTable) -> Iterator[Event]:
        buffer = table.buffer
        assert buffer is not None
        yield from self.announce(table)
        first = buffer.lines[0]
        yield from buffer.flush()
        identity = table.identity
        if buffer.highest is not None and identity is not None and identity.identity is not None:
            following = buffer.highest + identity.identity[1]
            table.next_number = max(following, following if table.next_number is None else table.next_number)
        if buffer.assumed and not buffer.plan.ordered and table.once("order"):
            message = (
                f"Dates such as 3/4/98 are read as month/day/year ({DEFAULT_ORDER}, the order of us_english): "
                "the script says no SET DATEFORMAT. "
                "Write SET DATEFORMAT dmy as its first line if it was made for another language."
            )
            yield Notice("date-order-assumed", message, table.member, first, table.name)

    def buffered(self, table: KnownTable, names: Sequence[str] | None, session: Session, member: str) -> Iterator[Event]:
        """A buffer for rows under this column list (None: without one); flushes the one before it. Raises KeyError: no such column."""
        plan = self._planned(table, names, session)
        if table.buffer is None or table.buffer.plan is not plan or table.buffer.member != member:
            yield from self.flush(table)
            table.buffer = RowBuffer(plan, member)

    def _planned(self, table: KnownTable, names: Sequence[str] | None, session: Session) -> Plan:
        key = (None if names is None else tuple(names), session.order)
        plan = table.plans.get(key)
        if plan is None:
            plan = table.plans[key] = self._plan(table, names, session)
        return plan

    def _plan(self, table: KnownTable, names: Sequence[str] | None, session: Session) -> Plan:
        types = {column.name: column.type for column in self.schema(table).columns}
        columns = []
        for name in table.definition.implicit if names is None else names:
            column = table.definition.column(name)
            if column is None or column.computed:
                raise KeyError(name)
            columns.append(column)
        listed = {column.name for column in columns}
        if len(listed) != len(columns):
            raise KeyError("a column twice")

        def planned(column: ColumnDefinition) -> PlannedColumn:
            own = types[column.name]
            target = STRING if table.dictionary is not None and not pa.types.is_binary(own) else own
            native = self.resolve(column.native)
            computed = column.default is None and (column.computed_default or native.row_version)
            return PlannedColumn(column.name, Reading(native, session.order or DEFAULT_ORDER), target, column.default, computed)

        filled = [one for one in table.definition.columns if one.name not in listed and one.default is not None]
        identity = table.identity
        numbered = columns.index(identity) if identity in columns else None
        return Plan(
            table.name,
            tuple(map(planned, columns)),
            tuple(map(planned, filled)),
            planned(identity) if identity is not None and numbered is None else None,
            numbered,
            session.order is not None,
        )


def _folded(key: Name) -> tuple[str, str, str]:
    return ((key.database or "").lower(), (key.schema or "").lower(), key.table.lower())
