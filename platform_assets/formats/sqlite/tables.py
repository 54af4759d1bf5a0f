"""The tables of a dump while it is read: names, definitions, the types chosen, what was announced, rows that wait.

Statements are read elsewhere (statements, inserts); here is what they do to the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import ForeignKey, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import STRING
from platform_assets.formats.base import Event, Notice, TableFound
from platform_assets.formats.sql import tables
from platform_assets.formats.sql.definition import Reference
from platform_assets.formats.sql.rows import Part
from platform_assets.formats.sql.tables import Known
from platform_assets.formats.sqlite.affinity import Affinity
from platform_assets.formats.sqlite.choice import Choice, by_declaration, by_literals, by_values
from platform_assets.formats.sqlite.columns import Converted, from_literals, values_of
from platform_assets.formats.sqlite.ddl import ColumnDefinition, Definition
from platform_assets.formats.sqlite.rows import Plan, RowBuffer, readable
from platform_assets.formats.sqlite.virtual import VirtualTables

Key = tuple[str, str]
"""Database ("" for main and temp) and table, in lower case: SQLite tells names by no more."""
_ROWIDS = ("rowid", "oid", "_rowid_")


@dataclass(kw_only=True)
class KnownTable(Known[RowBuffer]):
    """One table. `announced` is what the consumer knows, `choices` the types that its columns have for good."""

    definition: Definition
    dictionary: Table | None = None
    """The contract's table, for rows that no CREATE TABLE came before."""
    highest: int = 0
    choices: dict[str, Choice] = field(default_factory=dict)
    announced: Table | None = None
    plans: dict[tuple[str, ...] | None, Plan] = field(default_factory=dict)

    def affinity(self, name: str) -> Affinity:
        column = self.definition.column(name)
        return Affinity.BLOB if column is None else column.affinity(strict=self.definition.strict)


class Tables(tables.Tables[Key, KnownTable]):
    """All tables of a dump. Those of an attached database are called `database.table`."""

    def __init__(self, source: SourceSettings, dictionary: Mapping[str, Table]) -> None:
        super().__init__(source, dictionary)
        self.views: set[Key] = set()
        self.virtual = VirtualTables()

    @staticmethod
    def key(name: tuple[str | None, str]) -> Key:
        database = (name[0] or "").lower()
        return ("" if database in ("main", "temp") else database, name[1].lower())

    def name_of(self, name: tuple[str | None, str]) -> str:
        return name[1] if not self.key(name)[0] else f"{name[0]}.{name[1]}"

    def create(self, name: tuple[str | None, str], definition: Definition, member: str) -> KnownTable:
        """Registers a table. Nothing is announced before its first rows or the dump's end."""
        table = KnownTable(name=self.name_of(name), definition=definition, member=member)
        self.known[self.key(name)] = table
        self.views.discard(self.key(name))
        return table

    def orphan(self, name: tuple[str | None, str], names: Sequence[str], member: str) -> KnownTable:
        """A table that has rows and no CREATE TABLE: the contract's columns when there is one, otherwise columns without a type."""
        contract = self.contract(self.name_of(name), names)
        columns = contract.column_names if contract is not None else names
        table = self.create(name, Definition(name[1], tuple(map(ColumnDefinition, columns))), member)
        table.dictionary = contract
        return table

    def plan(self, table: KnownTable, names: tuple[str, ...] | None) -> Plan:
        """Where the values of an INSERT with this column list (None: without one) go. Raises KeyError: no such column, or one twice."""
        plan = table.plans.get(names)
        if plan is None:
            plan = table.plans[names] = self._plan(table, names)
        return plan

    def _plan(self, table: KnownTable, names: tuple[str, ...] | None) -> Plan:
        definition = table.definition
        columns: list[str | None] = []
        for name in definition.implicit if names is None else names:
            column = definition.column(name)
            if column is None and name.lower() in _ROWIDS and not definition.without_rowid:
                columns.append(definition.rowid)
            elif column is None or column.generated:
                raise KeyError(name)
            else:
                columns.append(column.name)
        listed = [name for name in columns if name is not None]
        if len(set(listed)) != len(listed):
            raise KeyError("a column twice")
        left = [column for column in definition.columns if column.name not in listed and column.name != definition.rowid]
        return Plan(tuple(columns), tuple((one.name, one.default) for one in left if one.default is not None), definition.rowid)

    def schema(self, table: KnownTable) -> Table:
        """The table as it is to be announced; once rows are out, its columns keep the types under which they went."""
        if table.dictionary is not None:
            return table.dictionary
        definition = table.definition
        choices = {column.name: table.choices.get(column.name) or self._choice(table, column, []) for column in definition.columns}
        return Table(
            name=table.name,
            columns=tuple(definition.model_column(column, choices[column.name]) for column in definition.columns),
            key=definition.spelled(definition.key),
            unique=tuple(map(definition.spelled, definition.unique)),
            foreign_keys=tuple(reference for one in definition.foreign if (reference := self._reference(table, one)) is not None),
            description=self.virtual.described(table.name),
        )

    def _choice(self, table: KnownTable, column: ColumnDefinition, values: Sequence[object]) -> Choice:
        strict = table.definition.strict
        found = by_declaration(column.declared, strict=strict, overrides=self.source.types)
        return found or by_values(column.declared, values, strict=strict)  # type: ignore[arg-type]

    def _reference(self, table: KnownTable, given: Reference[str]) -> ForeignKey | None:
        """With names as defined; without a list of columns the parent's key is meant. None when that has other columns, or is not known."""
        database = table.name.removesuffix(table.definition.name).rstrip(".") or None
        parent = self.known.get(self.key((database, given.table)))
        columns = table.definition.spelled(given.columns)
        name, references = given.table, given.references
        if parent is not None:
            name, references = parent.name, parent.definition.spelled(given.references or parent.definition.key)
        if not references or (parent is not None and len(references) != len(columns)):
            return None
        return given.key(columns, name, references)

    def announce(self, table: KnownTable) -> Iterator[Event]:
        """TableFound when there is something new to tell."""
        schema = self.schema(table)
        if schema != table.announced:
            table.announced = schema
            yield TableFound(schema, table.member)

    def decide(self, table: KnownTable, batch: Part) -> None:
        """Fixes the types of all columns by the first rows."""
        for column in table.definition.columns:
            if column.name in table.choices:
                continue
            choice = by_declaration(column.declared, strict=table.definition.strict, overrides=self.source.types)
            if choice is None:
                choice = self._by_rows(table, column, batch.columns.get(column.name))
            table.choices[column.name] = choice

    def _by_rows(self, table: KnownTable, column: ColumnDefinition, literals: pa.Array | None) -> Choice:
        if literals is None:
            return self._choice(table, column, [])
        quick = by_literals(column.declared, literals, strict=table.definition.strict)
        return quick or self._choice(table, column, values_of(pc.unique(literals), table.affinity(column.name))[0])

    def _flushed(self, table: KnownTable) -> Iterator[Event]:
        buffer = table.buffer
        assert buffer is not None
        batch, table.highest, numbered = buffer.batch(table.highest)
        if table.dictionary is None:
            self.decide(table, batch)
        yield from self.announce(table)
        if numbered and table.once("numbered"):
            message = (
                f"{buffer.plan.rowid} is NULL or left out in some rows; they have the numbers that SQLite gives: one more than the highest."
            )
            yield Notice("key-numbered", message, buffer.member, int(batch.lines[0]), table.name)
        arrays = {name: from_literals(column, table.affinity(name), self._target(table, name)) for name, column in batch.columns.items()}
        yield from self.told(table, arrays, buffer.member, int(batch.lines[0]))
        yield from readable(table.name, buffer.member, arrays, batch)

    @staticmethod
    def _target(table: KnownTable, name: str) -> Choice:
        if table.dictionary is None:
            return table.choices[name]
        own = table.dictionary.column(name).type
        return Choice(own if pa.types.is_binary(own) else STRING)

    def told(self, table: KnownTable, arrays: Mapping[str, Converted], member: str, line: int | None) -> Iterator[Event]:
        """Says once per column that values of another class stand in its text or bytes."""
        for name, converted in arrays.items():
            if not converted.strangers or not table.once(f"class {name}"):
                continue
            what = " and ".join(converted.strangers)
            form = "as their UTF-8 bytes" if pa.types.is_binary(converted.values.type) else "as literals (X'..' for a blob)"
            message = f"Column {name} holds {what} beside values of its own class; they stand in it {form}."
            yield Notice("storage-class", message, member, line, table.name)

    def discard(self, table: KnownTable) -> None:
        super().discard(table)
        table.rows, table.highest, table.announced, table.choices = 0, 0, None, {}


def renamed(table: KnownTable, name: str, full: str) -> None:
    """ALTER TABLE RENAME of a table of which nothing went out yet."""
    table.definition = replace(table.definition, name=name)
    table.name = full
