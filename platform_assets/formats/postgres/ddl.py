"""CREATE TABLE and ALTER TABLE of PostgreSQL as values. What tables there are by which names is the catalog's.

Source: PostgreSQL 18 manual, CREATE TABLE and ALTER TABLE. Works on tokens, never on text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from platform_assets.formats.postgres.cursor import Cursor
from platform_assets.formats.postgres.tokens import BadLiteral, literal
from platform_assets.formats.postgres.types import NativeType, native_type
from platform_assets.formats.sql.definition import Reference, TableDefinition, actions_of
from platform_assets.formats.sql.statement import DdlError, QualifiedName, split_commas
from platform_assets.formats.sql.tokens import NAME, NUMBER, PUNCT, STRING, WORD, Token

_KEY_WORDS = (b"PRIMARY", b"UNIQUE", b"CONSTRAINT", b"FOREIGN", b"CHECK", b"EXCLUDE", b"LIKE")
_ATTRIBUTES: tuple[bytes, ...] = (b"NOT", b"NULL", b"DEFAULT", b"CONSTRAINT", b"CHECK", b"GENERATED", b"UNIQUE", b"PRIMARY")
_ATTRIBUTES += (b"REFERENCES", b"COLLATE", b"STORAGE", b"COMPRESSION", b"OPTIONS", b"DEFERRABLE", b"INITIALLY", b"USING")


@dataclass(frozen=True)
class ColumnDefinition:
    """One column. `default` is what it stands for as text, None for NULL; `computed`: only a server knows it."""

    name: str
    native: NativeType
    required: bool = False
    comment: str = ""
    default: bytes | None = None
    computed: bool = False
    generated: bool = False
    expression: str = ""
    """The default as it is written, when only a server knows it."""
    identity: bool = False

    @property
    def numbered(self) -> bool:
        """Whether a sequence gives it the next number: an identity, a serial, or the default that pg_dump makes of one."""
        return self.identity or self.native.serial or self.expression.lower().startswith("nextval(")


@dataclass(frozen=True)
class Definition(TableDefinition[QualifiedName, ColumnDefinition]):
    """One CREATE TABLE with whatever ALTER TABLE added since."""

    inherits: tuple[QualifiedName, ...] = ()
    likes: tuple[QualifiedName, ...] = ()
    partition_of: QualifiedName | None = None
    of_type: QualifiedName | None = None
    selects: bool = False
    foreign_table: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> ColumnDefinition | None:
        return next((column for column in self.columns if column.name == name), None)

    def with_column(self, column: ColumnDefinition) -> Definition:
        """With the column at the end, or in the place of the one with its name."""
        known = self.column(column.name)
        if known is None:
            return replace(self, columns=(*self.columns, column))
        return replace(self, columns=tuple(column if one is known else one for one in self.columns))

    def without_column(self, name: str) -> Definition:
        return replace(
            self,
            columns=tuple(one for one in self.columns if one.name != name),
            key=() if name in self.key else self.key,
            unique=tuple(one for one in self.unique if name not in one),
            foreign=tuple(one for one in self.foreign if name not in one.columns),
        )

    def renamed_column(self, old: str, new: str) -> Definition:
        def spelled(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(new if name == old else name for name in names)

        return replace(
            self,
            columns=tuple(replace(one, name=new) if one.name == old else one for one in self.columns),
            key=spelled(self.key),
            unique=tuple(map(spelled, self.unique)),
            foreign=tuple(replace(one, columns=spelled(one.columns)) for one in self.foreign),
        )


def create_table(cursor: Cursor) -> Definition:
    """The definition of CREATE TABLE; the cursor stands behind TABLE. Raises DdlError."""
    cursor.words(b"IF", b"NOT", b"EXISTS")
    definition = Definition(cursor.qualified())
    if cursor.word(b"OF"):
        definition = replace(definition, of_type=cursor.qualified())
    elif cursor.words(b"PARTITION", b"OF"):
        definition = replace(definition, partition_of=cursor.qualified())
    body = cursor.group()
    for part in split_commas(body):
        if part:
            typed = definition.of_type is None and definition.partition_of is None
            definition = _item(cursor.sub(part), definition, typed=typed)
    while cursor.here is not None:
        if cursor.word(b"INHERITS"):
            parents = tuple(cursor.sub(part).qualified() for part in split_commas(cursor.group()) if part)
            definition = replace(definition, inherits=parents)
        elif cursor.word(b"AS"):
            return replace(definition, selects=True)
        else:
            cursor.at += 1
    return definition


def _item(item: Cursor, definition: Definition, *, typed: bool) -> Definition:
    """One part of the list in parentheses: a constraint, LIKE, or a column."""
    if item.here is not None and item.here.is_(*_KEY_WORDS):
        if item.word(b"LIKE"):
            return replace(definition, likes=(*definition.likes, item.qualified()))
        return table_constraint(item, definition)
    if not typed:
        item.name()
        return definition
    return with_attributes(item, definition, column(item))


def column(item: Cursor) -> ColumnDefinition:
    """A column's name and type; the cursor then stands on its attributes. Raises DdlError."""
    name = item.name()
    native = data_type(item)
    return ColumnDefinition(name, native, required=native.serial, computed=native.serial)


def data_type(item: Cursor) -> NativeType:
    """The type up to the first word that begins an attribute. Raises DdlError when there is none."""
    start, depth = item.at, 0
    while (token := item.here) is not None and (depth or item.at == start or not token.is_(*_ATTRIBUTES)):
        if token.kind == PUNCT:
            depth += (token.text == b"(") - (token.text == b")")
        item.at += 1
    if item.at == start:
        raise DdlError(f"a column without a type at {item.quote()}")
    return native_type(item.written(start))


def with_attributes(item: Cursor, definition: Definition, found: ColumnDefinition) -> Definition:
    """Takes a column's attributes and adds it."""
    definition = definition.with_column(found)
    while item.here is not None:
        definition = _attribute(item, definition, found.name)
    return definition


def _attribute(item: Cursor, definition: Definition, name: str) -> Definition:
    known = definition.column(name)
    assert known is not None
    if item.words(b"NOT", b"NULL"):
        return definition.with_column(replace(known, required=True))
    if item.word(b"DEFAULT"):
        return definition.with_column(with_default(item, known))
    if item.word(b"GENERATED"):
        return definition.with_column(_generated(item, known))
    if item.words(b"PRIMARY", b"KEY"):
        return with_key(definition, (name,))
    if item.word(b"UNIQUE"):
        return _with_unique(definition, (name,))
    if item.word(b"REFERENCES"):
        reference = Reference((name,), item.qualified(), item.names(), **actions_of(item))
        return replace(definition, foreign=(*definition.foreign, reference))
    if item.word(b"CONSTRAINT", b"COLLATE"):
        item.path()
        return definition
    if not item.group():
        item.at += 1
    return definition


def _generated(item: Cursor, known: ColumnDefinition) -> ColumnDefinition:
    """GENERATED ... AS IDENTITY or AS (expression); a generated column gets no value from a dump, so it is not required here."""
    while item.word(b"ALWAYS", b"BY", b"DEFAULT", b"AS"):
        pass
    if item.word(b"IDENTITY"):
        item.group()
        return replace(known, required=True, computed=True, identity=True)
    item.group()
    item.word(b"STORED", b"VIRTUAL")
    return replace(known, required=False, computed=True, generated=True)


def with_default(item: Cursor, known: ColumnDefinition) -> ColumnDefinition:
    """The expression behind DEFAULT: a literal with its casts, else something that only a server computes."""
    start, depth = item.at, 0
    while (token := item.here) is not None and (depth or item.at == start or not token.is_(*_ATTRIBUTES)):
        if token.kind == PUNCT:
            depth += (token.text in (b"(", b"[")) - (token.text in (b")", b"]"))
        item.at += 1
    value, computed = constant(item.tokens[start : item.at])
    return replace(known, default=value, computed=computed, expression=item.since(start) if computed else "")


def constant(tokens: Sequence[Token]) -> tuple[bytes | None, bool]:
    """What a constant expression stands for, and whether it is none. `'x'::text`, `(-1)`, `true`, `NULL::date`."""
    tokens = list(tokens)
    while len(tokens) > 1 and tokens[0].punct(b"(") and tokens[-1].punct(b")"):
        tokens = tokens[1:-1]
    cast = next((i for i, token in enumerate(tokens) if token.punct(b":")), len(tokens))
    if any(token.kind not in (WORD, NAME, NUMBER) and token.text not in _OF_TYPES for token in tokens[cast:]):
        return None, True
    plain = tokens[:cast]
    sign = b"-" if len(plain) > 1 and plain[0].punct(b"-") else b""
    plain = plain[1:] if len(plain) > 1 and plain[0].text in (b"-", b"+") else plain
    if len(plain) == 1 and plain[0].punct(b"(") is False and plain[0].text is not None:
        text = plain[0].text
        if plain[0].kind == NUMBER:
            return sign + text, False
        if plain[0].kind == STRING and not sign:
            try:
                return literal(text, backslash=False), False
            except BadLiteral:
                return None, True
        if plain[0].is_(b"TRUE", b"FALSE"):
            return text.lower(), False
        if plain[0].is_(b"NULL"):
            return None, False
    return None, True


_OF_TYPES = (b":", b"(", b")", b",", b".", b"[", b"]")


def with_key(definition: Definition, names: tuple[str, ...]) -> Definition:
    """With that primary key, whose columns are required."""
    columns = tuple(replace(one, required=True) if one.name in names else one for one in definition.columns)
    return replace(definition, key=names, columns=columns)


def _with_unique(definition: Definition, names: tuple[str, ...]) -> Definition:
    return definition if names in definition.unique or names == definition.key else replace(definition, unique=(*definition.unique, names))


def table_constraint(item: Cursor, definition: Definition) -> Definition:
    """PRIMARY KEY, UNIQUE, FOREIGN KEY and NOT NULL; checks and exclusions state no rule of ours."""
    if item.word(b"CONSTRAINT"):
        item.name()
    if item.words(b"PRIMARY", b"KEY"):
        names = item.names()
        return with_key(definition, names) if names else definition
    if item.words(b"NOT", b"NULL"):
        known = definition.column(item.name())
        required = known is not None and not known.generated
        return definition.with_column(replace(known, required=True)) if known is not None and required else definition
    if item.word(b"UNIQUE"):
        item.words(b"NULLS", b"DISTINCT")
        names = () if item.words(b"NULLS", b"NOT", b"DISTINCT") else item.names()
        return _with_unique(definition, names) if names else definition
    if item.words(b"FOREIGN", b"KEY"):
        names = item.names()
        if names and item.word(b"REFERENCES"):
            return replace(definition, foreign=(*definition.foreign, Reference(names, item.qualified(), item.names(), **actions_of(item))))
    return definition


def unique_index(cursor: Cursor, definition: Definition) -> Definition:
    """CREATE UNIQUE INDEX over plain columns of the whole table; the cursor stands behind the table's name."""
    if cursor.word(b"USING"):
        cursor.name()
    parts = split_commas(cursor.group())
    if cursor.here is not None and any(token.is_(b"WHERE") for token in cursor.tokens[cursor.at :]):
        return definition
    if any(not part or part[0].kind not in (WORD, NAME) or (len(part) > 1 and part[1].punct(b"(")) for part in parts):
        return definition
    names = tuple(cursor.sub(part).name() for part in parts)
    known = definition.column_names
    return _with_unique(definition, names) if names and all(name in known for name in names) else definition


def alter_column(action: Cursor, definition: Definition) -> Definition:
    """ALTER COLUMN c ...; the cursor stands on the column's name."""
    known = definition.column(action.name())
    if known is None:
        return definition
    if action.words(b"SET", b"NOT", b"NULL"):
        return definition.with_column(replace(known, required=not known.generated))
    if action.words(b"DROP", b"NOT", b"NULL"):
        return definition.with_column(replace(known, required=False))
    if action.words(b"SET", b"DEFAULT"):
        return definition.with_column(with_default(action, known))
    if action.words(b"DROP", b"DEFAULT") or action.words(b"DROP", b"IDENTITY"):
        return definition.with_column(replace(known, default=None, computed=False, expression="", identity=False))
    if action.words(b"ADD", b"GENERATED"):
        return definition.with_column(_generated(action, known))
    if action.words(b"SET", b"DATA", b"TYPE") or action.word(b"TYPE"):
        return definition.with_column(replace(known, native=data_type(action)))
    return definition
