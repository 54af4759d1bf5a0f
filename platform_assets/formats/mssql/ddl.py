"""CREATE TABLE, ALTER TABLE and stored descriptions of SQL Server as values: columns with native types and defaults, keys, references.

Works on tokens, never on text: a description may hold type words, quotes and commas. Source: Transact-SQL reference, CREATE TABLE, ALTER
TABLE, sp_addextendedproperty, sp_addtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from platform_assets.dictionary.model import Column, Table
from platform_assets.formats.mssql.literals import Refused, moment_text, native_of, value_of
from platform_assets.formats.mssql.moments import Moment
from platform_assets.formats.mssql.types import NativeType, arrow_type
from platform_assets.formats.mssql.values import NotLiteral, literal_of
from platform_assets.formats.sql.definition import Reference, TableDefinition, actions_of, default_of
from platform_assets.formats.sql.statement import DdlError, split_commas
from platform_assets.formats.sql.statement import Statement as SqlStatement
from platform_assets.formats.sql.tokens import NAME, NUMBER, STRING, WORD, Token

_TWO_WORDS = {"double": ("precision",), "national": ("char", "character", "text"), "char": ("varying",), "character": ("varying",)}
_TABLE_ITEMS = (b"CONSTRAINT", b"PRIMARY", b"UNIQUE", b"FOREIGN", b"CHECK", b"DEFAULT", b"INDEX", b"PERIOD", b"CONNECTION")


class Name(NamedTuple):
    """Database and schema are None where the script does not say them."""

    database: str | None
    schema: str | None
    table: str


@dataclass(frozen=True)
class ColumnDefinition:
    """One column. `default` is a literal in the forms of mssql.literals, None for NULL or when only the server can compute it.

    `identity` is seed and step. `computed`: an expression over other columns; it has no type and no INSERT gives it a value.
    """

    name: str
    native: NativeType
    required: bool = False
    comment: str = ""
    default: bytes | None = None
    computed_default: bool = False
    expression: str = ""
    """The default as it is written, when only the server can compute it."""
    identity: tuple[int, int] | None = None
    computed: bool = False


@dataclass(frozen=True)
class Definition(TableDefinition[Name, ColumnDefinition]):
    """One CREATE TABLE, with whatever ALTER TABLE added since."""

    def column(self, name: str) -> ColumnDefinition | None:
        """The column of that name, else the only one whose name differs in case alone: to most servers they are the same."""
        folded = [column for column in self.columns if column.name.lower() == name.lower()]
        exact = [column for column in folded if column.name == name]
        return exact[0] if exact else folded[0] if len(folded) == 1 else None

    @property
    def implicit(self) -> tuple[str, ...]:
        """Columns that an INSERT without a list means."""
        return tuple(column.name for column in self.columns if not column.computed and column.identity is None)

    def with_column(self, name: str, **changes: object) -> Definition:
        found = self.column(name)
        columns = (replace(column, **changes) if column is found else column for column in self.columns)  # type: ignore[arg-type]
        return replace(self, columns=tuple(columns))

    def table(
        self, name: str, name_of: Callable[[Name], str], resolve: Callable[[NativeType], NativeType], overrides: Sequence[tuple[str, str]]
    ) -> Table:
        """The platform's table. Computed columns are left out: they have no type, and what they hold follows from the others."""
        key = self.spelled(self.key)
        columns = (
            Column(
                column.name,
                arrow_type(_overridden(column.native, resolve, overrides), overrides),
                column.native.text,
                column.required or column.name in key,
                column.comment,
                default=default_of(_literal_value(column.default), column.expression),
                numbered=column.identity is not None,
            )
            for column in self.columns
            if not column.computed
        )
        return Table(
            name=name,
            columns=tuple(columns),
            key=key,
            unique=tuple(self.spelled(columns) for columns in self.unique),
            foreign_keys=tuple(
                one.key(self.spelled(one.columns), name_of(one.table), one.references) for one in self.foreign if one.references
            ),
            description=self.comment,
        )


def _overridden(native: NativeType, resolve: Callable[[NativeType], NativeType], overrides: Sequence[tuple[str, str]]) -> NativeType:
    """platform.yaml may name a type of the script's own."""
    return native if any(wanted in (native.text.lower(), native.word) for wanted, _ in overrides) else resolve(native)


class Statement(SqlStatement):
    """A statement's tokens with a place in them."""

    name_kinds = (WORD, NAME, STRING)

    def qualified(self) -> Name:  # type: ignore[override]
        """`table`, `schema.table`, `database.schema.table` or `database..table`. Raises DdlError."""
        parts: list[str | None] = [self.name()]
        while self.punct(b"."):
            parts.append(None if self.here is not None and self.here.punct(b".") else self.name())
        if len(parts) > 3 or parts[-1] is None:
            raise DdlError(f"a table of another server at {self.quote()}" if len(parts) == 4 else f"a name is missing at {self.quote()}")
        return Name(*([None] * (3 - len(parts))), *parts)  # type: ignore[arg-type]


def create_table(statement: Statement) -> Definition:
    """The definition behind CREATE TABLE. Raises DdlError."""
    definition = Definition(statement.qualified())
    if statement.word(b"AS"):
        raise DdlError("it is no table of rows (FileTable, node, edge or a query)")
    if statement.here is None or not statement.here.punct(b"("):
        raise DdlError("a table without columns")
    definition = added(definition, statement.group())
    if not definition.columns:
        raise DdlError("a table without columns")
    return definition


def added(definition: Definition, items: Sequence[Token]) -> Definition:
    """With the columns and constraints of a list, as in CREATE TABLE or ALTER TABLE ... ADD. Raises DdlError."""
    for part in filter(None, split_commas(items)):
        item = Statement(part)
        constrains = item.here is not None and item.here.is_(*_TABLE_ITEMS)
        definition = _constraint(item, definition) if constrains else _column(item, definition)
    return definition


def _constraint(item: Statement, definition: Definition, column: str | None = None) -> Definition:
    """PRIMARY KEY, UNIQUE, FOREIGN KEY and DEFAULT; CHECK and INDEX state no rule of ours. `column`: it stands behind a column."""
    if item.word(b"CONSTRAINT"):
        item.name()
    primary = item.words(b"PRIMARY", b"KEY")
    if primary or item.word(b"UNIQUE"):
        while item.word(b"CLUSTERED", b"NONCLUSTERED", b"HASH"):
            pass
        names = item.names() if column is None or (item.here is not None and item.here.punct(b"(")) else (column,)
        _past_options(item)
        if primary:
            return replace(definition, key=names)
        return definition.with_unique(names)
    if item.words(b"FOREIGN", b"KEY") or (item.here is not None and item.here.is_(b"REFERENCES")):
        return _reference(item, definition, column)
    if item.word(b"DEFAULT"):
        start = item.at
        default, computed = _default(item)
        expression = item.since(start) if computed else ""
        name = column
        if name is None and item.word(b"FOR"):
            name = item.name()
        if name is None:
            return definition
        if column is not None:
            item.words(b"WITH", b"VALUES")
        return definition.with_column(name, default=default, computed_default=computed, expression=expression)
    if item.word(b"CHECK"):
        item.words(b"NOT", b"FOR", b"REPLICATION")
        item.group()
    elif item.word(b"INDEX"):
        item.at = len(item.tokens)
    return definition


def _reference(item: Statement, definition: Definition, column: str | None) -> Definition:
    columns = item.names() or ((column,) if column is not None else ())
    if not item.word(b"REFERENCES"):
        raise DdlError(f"a foreign key without REFERENCES at {item.quote()}")
    table = item.qualified()
    references = item.names()
    actions = actions_of(item)
    item.words(b"NOT", b"FOR", b"REPLICATION")
    return replace(definition, foreign=(*definition.foreign, Reference(columns, table, references or (), **actions)))


def _past_options(item: Statement) -> None:
    """WITH (...) or WITH FILLFACTOR = n, and ON filegroup behind a key."""
    if item.word(b"WITH") and not item.group():
        while item.here is not None and (item.here.kind == NUMBER or item.here.punct(b"=") or item.here.is_(b"FILLFACTOR")):
            item.at += 1
    if item.word(b"ON"):
        item.name()
        item.group()


def _default(item: Statement) -> tuple[bytes | None, bool]:
    """The default's literal, and whether only the server could compute it. Goes behind the expression."""
    start = item.at
    if item.here is not None and item.here.punct(b"("):
        item.group()
    else:
        token = item.skip()
        if token is not None and (token.punct(b"-") or token.punct(b"+") or (token.is_(b"N") and item.here and item.here.kind == STRING)):
            item.skip()
        item.group()
        if item.here is not None and item.here.kind == NUMBER and (item.here.text or b"")[:1] == b".":
            item.skip()
    try:
        return literal_of(item.tokens[start : item.at]), False
    except NotLiteral:
        return None, True


def _literal_value(literal: bytes | None) -> str | bytes | None:
    """What a default stands for, whatever its column: a text, a number as text, bytes."""
    try:
        value = None if literal is None else value_of(literal)
    except Refused:
        return None
    if isinstance(value, Moment):
        return moment_text(value)
    return value if value is None or isinstance(value, bytes) else value.value


def column_type(item: Statement) -> NativeType:
    """`int`, `[nvarchar](max)`, `[dbo].[Flag]`, `decimal(10, 2)`. Raises DdlError."""
    words = [item.name().lower()]
    while item.punct(b"."):
        words = [item.name().lower()]
    while (
        item.here is not None
        and item.here.kind == WORD
        and item.here.text
        and item.here.text.decode("latin-1").lower() in _TWO_WORDS.get(words[-1], ())
    ):
        words.append(item.name().lower())
    text = " ".join(words)
    arguments = item.group()
    if arguments:
        shown = b"".join(token.text or b"" for token in arguments if token.kind in (WORD, NUMBER) or token.punct(b","))
        return native_of(text.encode("utf-8") + b"(" + shown + b")")[0]
    return NativeType(text, (), text)


def _column(item: Statement, definition: Definition) -> Definition:
    name = item.name()
    if item.word(b"AS"):
        column = ColumnDefinition(name, NativeType("", (), "computed"), computed=True)
        return replace(definition, columns=(*definition.columns, column))
    if item.here is None and name.lower() == "timestamp":
        column = ColumnDefinition(name, NativeType("timestamp", (), "timestamp"), required=True)
        return replace(definition, columns=(*definition.columns, column))
    column = ColumnDefinition(name, column_type(item))
    kept = tuple(one for one in definition.columns if one.name != name)
    definition = replace(definition, columns=(*kept, column))
    return _column_options(item, definition, name)


def _column_options(item: Statement, definition: Definition, name: str) -> Definition:
    """What stands behind a column's type, in any order; what is not known is passed by."""
    while item.here is not None:
        if item.words(b"NOT", b"NULL"):
            definition = definition.with_column(name, required=True)
        elif item.word(b"IDENTITY"):
            numbers = [b"".join(token.text or b"" for token in part) for part in split_commas(item.group()) if part]
            seed, step = (_whole(one) for one in (*numbers, b"1", b"1")[:2]) if len(numbers) != 1 else (_whole(numbers[0]), 1)
            definition = definition.with_column(name, identity=(seed, step), required=True)
        elif item.here.is_(b"CONSTRAINT", b"PRIMARY", b"UNIQUE", b"REFERENCES", b"FOREIGN", b"DEFAULT", b"CHECK"):
            definition = _constraint(item, definition, name)
        else:
            if item.here.punct(b"("):
                item.group()
            else:
                item.skip()
    return definition


def _whole(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        return 1


@dataclass(frozen=True)
class Altered:
    """What ALTER TABLE makes of a definition. `ignored` are changes of columns and rows that are not followed."""

    definition: Definition
    ignored: str = ""


def alter_table(statement: Statement, definition: Definition) -> Altered:
    """ALTER TABLE; the place stands behind the table's name. Raises DdlError."""
    statement.words(b"WITH", b"CHECK")
    statement.words(b"WITH", b"NOCHECK")
    if statement.word(b"ADD"):
        return Altered(added(definition, statement.tokens[statement.at :]))
    if statement.words(b"ALTER", b"COLUMN"):
        name = statement.name()
        if statement.word(b"ADD", b"DROP"):
            return Altered(definition)
        native = column_type(statement)
        required = any(one.is_(b"NOT") for one in statement.tokens[statement.at :])
        return Altered(definition.with_column(name, native=native, required=required))
    if statement.words(b"DROP", b"COLUMN"):
        statement.words(b"IF", b"EXISTS")
        return Altered(definition, "DROP COLUMN")
    if statement.word(b"SWITCH"):
        return Altered(definition, "SWITCH")
    return Altered(definition)
