"""CREATE TABLE of SQLite as values: columns with their declared types and defaults, keys, references. Works on tokens, never on text.

Source: https://sqlite.org/lang_createtable.html. Which type of the platform a column gets is decided elsewhere (choice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from platform_assets.dictionary.model import Column
from platform_assets.formats.sql.definition import Reference, TableDefinition, actions_of, default_of
from platform_assets.formats.sql.statement import DdlError, Statement, split_commas
from platform_assets.formats.sql.tokens import NAME, NUMBER, PUNCT, STRING, WORD, Token
from platform_assets.formats.sqlite.affinity import Affinity, affinity_of
from platform_assets.formats.sqlite.choice import MIXED, Choice
from platform_assets.formats.sqlite.values import Undecodable, value_of

_CONSTRAINTS = (
    *(b"CONSTRAINT", b"PRIMARY", b"NOT", b"NULL", b"UNIQUE", b"CHECK", b"DEFAULT", b"COLLATE", b"REFERENCES", b"GENERATED", b"AS"),
    *(b"ON", b"AUTOINCREMENT", b"DEFERRABLE"),
)
_TABLE_CONSTRAINTS = (b"CONSTRAINT", b"PRIMARY", b"UNIQUE", b"CHECK", b"FOREIGN")
_CONSTANTS = {b"TRUE": b"1", b"FALSE": b"0"}


@dataclass(frozen=True)
class ColumnDefinition:
    """One column. `default` is a canonical literal (values), None for NULL or, if `computed`, for what only SQLite computes."""

    name: str
    declared: str = ""
    required: bool = False
    default: bytes | None = None
    computed: bool = False
    expression: str = ""
    """The default as it is written, when it is an expression."""
    generated: bool = False
    descending: bool = False
    """INTEGER PRIMARY KEY DESC, which is no alias of the rowid."""

    def affinity(self, *, strict: bool) -> Affinity:
        return affinity_of(self.declared, strict=strict)


@dataclass(frozen=True)
class Definition(TableDefinition[str, ColumnDefinition]):
    """One CREATE TABLE, with whatever ALTER TABLE and CREATE UNIQUE INDEX added since."""

    without_rowid: bool = False
    strict: bool = False
    selects: bool = False

    def column(self, name: str) -> ColumnDefinition | None:
        """Names are the same in either case (of ASCII)."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    @property
    def implicit(self) -> tuple[str, ...]:
        """Columns that an INSERT without a list means: all but the generated ones."""
        return tuple(column.name for column in self.columns if not column.generated)

    @property
    def rowid(self) -> str | None:
        """The INTEGER PRIMARY KEY, which SQLite numbers itself where it is given NULL."""
        column = self.column(self.key[0]) if len(self.key) == 1 and not self.without_rowid else None
        alias = column is not None and column.declared.upper() == "INTEGER" and not column.descending
        return column.name if column is not None and alias else None

    def model_column(self, column: ColumnDefinition, choice: Choice) -> Column:
        """The platform's column. A key's columns may be NULL in SQLite, save in the kinds of table where it sees to it."""
        in_key = column.name in self.spelled(self.key)
        numbered = column.name == self.rowid
        required = column.required or numbered or (in_key and (self.without_rowid or self.strict))
        return Column(
            column.name,
            choice.type,
            column.declared,
            required,
            MIXED if choice.mixed else "",
            default=_stated(column),
            numbered=numbered,
        )


def _stated(column: ColumnDefinition) -> str | None:
    try:
        value = value_of(column.default)
    except Undecodable:
        return None
    return default_of(value if value is None or isinstance(value, bytes) else str(value), column.expression)


def create_table(tokens: Sequence[Token]) -> Definition:
    """`tokens` begin with CREATE [TEMP] TABLE. Raises DdlError."""
    statement = Statement(tokens, 1)
    statement.word(b"TEMP", b"TEMPORARY")
    statement.word(b"TABLE")
    statement.words(b"IF", b"NOT", b"EXISTS")
    definition = Definition(statement.qualified()[1])
    if statement.word(b"AS"):
        return replace(definition, selects=True)
    body = statement.group()
    while statement.here is not None:
        without, strict = statement.words(b"WITHOUT", b"ROWID"), statement.word(b"STRICT")
        definition = replace(definition, without_rowid=definition.without_rowid or without, strict=definition.strict or strict)
        if not (without or strict):
            statement.at += 1
    for item in split_commas(body):
        if item:
            definition = _item(Statement(item), definition)
    if not definition.columns:
        raise DdlError("a table without columns")
    return definition


def _item(item: Statement, definition: Definition) -> Definition:
    if item.here is not None and item.here.is_(*_TABLE_CONSTRAINTS):
        while item.here is not None:
            definition = _table_constraint(item, definition)
        return definition
    column, definition = column_definition(item, definition)
    if definition.column(column.name) is not None:
        raise DdlError(f"column {column.name!r} stands twice")
    return replace(definition, columns=(*definition.columns, column))


def _table_constraint(item: Statement, definition: Definition) -> Definition:
    if item.word(b"CONSTRAINT"):
        item.name()
    elif item.words(b"PRIMARY", b"KEY"):
        return replace(definition, key=key_columns(item) or definition.key)
    elif item.word(b"UNIQUE"):
        return definition.with_unique(key_columns(item))
    elif item.words(b"FOREIGN", b"KEY"):
        columns = key_columns(item)
        if item.word(b"REFERENCES"):
            return _with_reference(definition, columns, item)
    elif not item.group():
        item.at += 1
    return definition


def _with_reference(definition: Definition, columns: tuple[str, ...], item: Statement) -> Definition:
    """`item` stands behind REFERENCES. Without a list the parent's primary key is meant: () until the parent is known."""
    table = item.name()
    references = key_columns(item) if item.here is not None and item.here.punct(b"(") else ()
    return replace(definition, foreign=(*definition.foreign, Reference(columns, table, references, **actions_of(item))))


def key_columns(item: Statement) -> tuple[str, ...]:
    """The columns of a key in the parentheses that come next; () for a key over an expression."""
    columns = []
    for part in split_commas(item.group()):
        if not part or part[0].kind not in (WORD, NAME, STRING) or (len(part) > 1 and part[1].kind == PUNCT):
            return ()
        columns.append(Statement(part).name())
    return tuple(columns)


def column_definition(item: Statement, definition: Definition) -> tuple[ColumnDefinition, Definition]:
    """A column from its name to its end, and the table's definition with the keys that stand at the column. Raises DdlError."""
    column = ColumnDefinition(item.name(), _declared(item))
    while item.here is not None:
        column, definition = _attribute(item, column, definition)
    return column, definition


def _declared(item: Statement) -> str:
    """The type as written, blanks made one; "" without a type."""
    words: list[str] = []
    while (token := item.here) is not None and token.kind in (WORD, NAME, STRING) and not token.is_(*_CONSTRAINTS):
        words.append(item.name())
    if words and item.here is not None and item.here.punct(b"("):
        words.append("(" + "".join((token.text or b"").decode("utf-8", "replace") for token in item.group()) + ")")
    return " ".join(words).replace(" (", "(")


def _attribute(item: Statement, column: ColumnDefinition, definition: Definition) -> tuple[ColumnDefinition, Definition]:
    if item.words(b"PRIMARY", b"KEY"):
        descending = item.word(b"DESC")
        return replace(column, descending=descending), replace(definition, key=(column.name,))
    if item.words(b"NOT", b"NULL"):
        return replace(column, required=True), definition
    if item.word(b"UNIQUE"):
        return column, definition.with_unique((column.name,))
    if item.word(b"REFERENCES"):
        return column, _with_reference(definition, (column.name,), item)
    if item.word(b"DEFAULT"):
        start = item.at
        literal, computed = _default(item)
        return replace(column, default=literal, computed=computed, expression=item.since(start) if computed else ""), definition
    if item.word(b"AS"):
        item.group()
        return replace(column, generated=True), definition
    if item.word(b"CONSTRAINT", b"COLLATE"):
        item.name()
    elif not item.group():
        item.at += item.here is not None
    return column, definition


def _default(item: Statement) -> tuple[bytes | None, bool]:
    """A default as a canonical literal, and whether it is an expression."""
    inside = item.group() if item.here is not None and item.here.punct(b"(") else None
    if inside is not None:
        literal, computed = _default(constant := Statement(inside))
        return (literal, computed) if constant.here is None else (None, True)
    sign = b"-" if item.punct(b"-") else b""
    item.punct(b"+")
    token = item.here
    if token is None or token.text is None or token.kind == PUNCT:
        return None, True
    item.at += 1
    if token.kind == NUMBER:
        return sign + token.text, False
    if token.kind == STRING or (token.kind == NAME and token.text[:1] == b'"'):
        text = token.text[1:-1].replace(token.text[:1] * 2, token.text[:1])
        return b"'" + text.replace(b"'", b"''") + b"'", False
    following = item.here
    if token.is_(b"X") and following is not None and following.kind == STRING and following.text:
        item.at += 1
        return b"X" + following.text, False
    if token.is_(b"NULL"):
        return None, False
    if token.text.upper() in _CONSTANTS:
        return _CONSTANTS[token.text.upper()], False
    item.group()
    return None, True
