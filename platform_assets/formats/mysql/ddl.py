"""CREATE TABLE and ALTER TABLE of MySQL as values: columns with their native types and defaults, keys, references, comments.

Works on tokens, never on text: a comment may hold type words, quotes and commas. What becomes a row is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from platform_assets.dictionary.model import Column, Table
from platform_assets.formats.mysql.literals import unescape
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.types import NativeType, arrow_type
from platform_assets.formats.sql.definition import Reference, TableDefinition, actions_of, default_of
from platform_assets.formats.sql.statement import DdlError, QualifiedName, split_commas
from platform_assets.formats.sql.statement import Statement as SqlStatement
from platform_assets.formats.sql.tokens import NUMBER, PUNCT, STRING, WORD, Token

_TWO_WORDS = {"double": ("precision",), "long": ("varchar", "varbinary", "char"), "character": ("varying",), "char": ("varying", "byte")}
_KEY_WORDS = (b"PRIMARY", b"UNIQUE", b"KEY", b"INDEX", b"FULLTEXT", b"SPATIAL", b"CONSTRAINT", b"FOREIGN", b"CHECK", b"PERIOD", b"VECTOR")
_OF_INDEXES = tuple((verb, noun) for verb in (b"DROP", b"RENAME") for noun in (b"INDEX", b"KEY", b"FOREIGN", b"CONSTRAINT", b"CHECK"))
"""What ALTER TABLE does to indexes and checks; rows and columns stay."""
_OPENING = (b"OR", b"REPLACE", b"TEMPORARY", b"TABLE", b"IF", b"NOT", b"EXISTS")


@dataclass(frozen=True)
class ColumnDefinition:
    """One column. `default` is a literal in the forms of mysql_literals, None for NULL or when only the server can compute it."""

    name: str
    native: NativeType
    required: bool = False
    comment: str = ""
    charset: str | None = None
    default: bytes | None = None
    computed_default: bool = False
    expression: str = ""
    """The default as it is written, when only the server can compute it."""
    generated: bool = False
    invisible: bool = False
    primary: bool = False
    unique: bool = False
    numbered: bool = False
    """AUTO_INCREMENT."""


@dataclass(frozen=True)
class Definition(TableDefinition[QualifiedName, ColumnDefinition]):
    """One CREATE TABLE, with whatever ALTER TABLE added since."""

    charset: str | None = None
    auto_increment: int | None = None
    like: QualifiedName | None = None
    selects: bool = False
    """CREATE TABLE ... SELECT: rows that no literal gives."""
    sequence: bool = False
    """A sequence of MariaDB that a program took for a table (SEQUENCE=1)."""

    def column(self, name: str) -> ColumnDefinition | None:
        """The column of that name, else the one whose name differs in case alone: to the server they are the same."""
        folded = [column for column in self.columns if column.name.lower() == name.lower()]
        return next((column for column in folded if column.name == name), folded[-1] if folded else None)

    @property
    def implicit(self) -> tuple[str, ...]:
        """Columns that an INSERT without a list means: all but the invisible ones."""
        return tuple(column.name for column in self.columns if not column.invisible)

    def table(
        self,
        name: str,
        name_of: Callable[[QualifiedName], str],
        *,
        instants: bool,
        overrides: Sequence[tuple[str, str]] = (),
    ) -> Table:
        """The platform's table. Names of columns come out as defined; see `column` for how they are matched."""

        key = self.spelled(self.key)
        return Table(
            name=name,
            columns=tuple(
                Column(
                    column.name,
                    arrow_type(column.native, instants=instants, overrides=overrides),
                    column.native.text,
                    column.required or column.name in key,
                    column.comment,
                    default=default_of(_literal_value(column.default), column.expression),
                    numbered=column.numbered,
                )
                for column in self.columns
            ),
            key=key,
            unique=tuple(self.spelled(columns) for columns in self.unique),
            foreign_keys=tuple(one.key(self.spelled(one.columns), name_of(one.table), one.references) for one in self.foreign),
            description=self.comment,
        )


class Statement(SqlStatement):
    """A statement's tokens with a place in them. `session` decodes its names and texts."""

    def __init__(self, tokens: Sequence[Token], session: Session) -> None:
        super().__init__(tokens)
        self.session = session

    def text(self, data: bytes) -> str:
        return self.session.text(data)

    def string(self) -> str:
        """The next token as a text. Raises DdlError."""
        token = self.here
        if token is None or token.kind != STRING or token.text is None:
            raise DdlError(f"a text is missing at {self.quote()}")
        self.at += 1
        lexis = self.session.lexis
        return self.text(unescape(token.text[1:-1], backslash=lexis.backslash, lead=lexis.lead, quote=token.text[:1]))


def create_table(tokens: Sequence[Token], session: Session) -> Definition:
    """The definition that CREATE TABLE gives; `tokens` begin with CREATE. Raises DdlError."""
    statement = Statement(tokens, session)
    statement.at = 1
    while statement.word(*_OPENING):
        pass
    definition = Definition(statement.qualified())
    if statement.word(b"LIKE"):
        return replace(definition, like=statement.qualified())
    body = statement.group()
    if body and body[0].is_(b"LIKE"):
        return replace(definition, like=statement.sub(body[1:]).qualified())
    definition = _options(statement, definition)
    for item in split_commas(body):
        definition = _item(statement.sub(item), definition)
    if not definition.columns and not definition.selects:
        raise DdlError("a table without columns")
    return definition


def _item(item: Statement, definition: Definition) -> Definition:
    """One part of the list in parentheses: a key, a check or a column."""
    if item.here is None:
        return definition
    if item.here.is_(*_KEY_WORDS):
        return _key(item, definition)
    return _with_column(definition, column_definition(item, definition.charset))


def _with_column(definition: Definition, column: ColumnDefinition) -> Definition:
    """Adds a column, or puts it in the place of the one with its name.

    Names that differ in case alone are two columns: MySQL itself never writes such a table, other programs that write its SQL do.
    """
    names = [known.name for known in definition.columns]
    columns = list(definition.columns)
    if column.name in names:
        columns[names.index(column.name)] = column
    else:
        columns.append(column)
    key = (column.name,) if column.primary else definition.key
    return replace(definition, columns=tuple(columns), key=key).with_unique((column.name,) if column.unique else ())


def _key(item: Statement, definition: Definition) -> Definition:
    """PRIMARY KEY, UNIQUE and FOREIGN KEY; plain indexes and checks state no rule of ours."""
    if item.word(b"CONSTRAINT") and item.here is not None and not item.here.is_(*_KEY_WORDS):
        item.name()
    if item.words(b"PRIMARY", b"KEY"):
        return replace(definition, key=_key_columns(item) or definition.key)
    if item.word(b"UNIQUE"):
        return definition.with_unique(_key_columns(item))
    if item.words(b"FOREIGN", b"KEY"):
        columns = _key_columns(item)
        if columns and item.word(b"REFERENCES"):
            table = item.qualified()
            reference = Reference(columns, table, _key_columns(item), **actions_of(item))
            if len(reference.references) == len(columns):
                return replace(definition, foreign=(*definition.foreign, reference))
    return definition


def _key_columns(item: Statement) -> tuple[str, ...]:
    """The columns of a key, lengths and directions left away; () for a key over an expression."""
    while item.here is not None and not item.here.punct(b"("):
        item.at += 1
    columns = []
    for part in split_commas(item.group()):
        if not part or part[0].kind == PUNCT:
            return ()
        columns.append(item.sub(part).name())
    return tuple(columns)


def _options(statement: Statement, definition: Definition) -> Definition:
    """What stands behind the closing parenthesis, up to the partitions."""
    while statement.here is not None and not statement.here.is_(b"PARTITION"):
        if statement.word(b"COMMENT"):
            statement.punct(b"=")
            definition = replace(definition, comment=statement.string())
        elif statement.word(b"AUTO_INCREMENT"):
            statement.punct(b"=")
            definition = replace(definition, auto_increment=_number(statement))
        elif statement.word(b"CHARSET") or statement.words(b"CHARACTER", b"SET"):
            statement.punct(b"=")
            definition = replace(definition, charset=statement.name().lower())
        elif statement.word(b"COLLATE"):
            statement.punct(b"=")
            definition = replace(definition, charset=definition.charset or statement.name().lower().partition("_")[0])
        elif statement.word(b"SEQUENCE"):
            statement.punct(b"=")
            definition = replace(definition, sequence=_number(statement) == 1)
        elif statement.word(b"SELECT", b"AS"):
            return replace(definition, selects=True)
        else:
            statement.at += 1
    return definition


def _number(statement: Statement) -> int | None:
    text = statement.name()
    return int(text) if text.isdigit() else None


def column_definition(item: Statement, table_charset: str | None = None) -> ColumnDefinition:
    """A column from its name to the end of its attributes. Raises DdlError."""
    name = item.name()
    native = _native(item)
    serial = native.word == "serial"
    column = ColumnDefinition(name, native, required=serial, unique=serial, numbered=serial)
    while item.here is not None:
        column = _attribute(item, column)
    charset = column.charset or table_charset
    binary = charset == "binary" and (native.word.endswith("text") or "char" in native.word) and not native.word.endswith(("blob", "byte"))
    return replace(column, charset=charset, native=replace(native, binary_charset=True) if binary else native)


def _native(item: Statement) -> NativeType:
    """The type with its arguments, UNSIGNED and ZEROFILL."""
    start = item.at
    if item.here is None:
        raise DdlError("a column without a type")
    item.word(b"NATIONAL")
    word = item.name().lower()
    if item.here is not None and item.here.kind == WORD and (item.here.text or b"").lower().decode("latin-1") in _TWO_WORDS.get(word, ()):
        word = f"{word} {item.name().lower()}"
    group = split_commas(item.group())
    args = tuple(_argument(item.sub(part)) for part in group if part)
    unsigned = False
    while item.here is not None and item.here.is_(b"UNSIGNED", b"SIGNED", b"ZEROFILL"):
        unsigned |= not item.here.is_(b"SIGNED")
        item.at += 1
    text = _written(item.tokens[start : item.at], item.session)
    return NativeType(word, args, unsigned or word == "serial", text)


def _argument(part: Statement) -> str:
    return part.string() if part.here is not None and part.here.kind == STRING else part.name()


def _written(tokens: Sequence[Token], session: Session) -> str:
    """A type's text as it was written, blanks aside."""
    text = ""
    for token in tokens:
        piece = session.text(token.text or b"")
        text += f" {piece}" if text and token.kind == WORD and text[-1] != "(" else piece
    return text


def _attribute(item: Statement, column: ColumnDefinition) -> ColumnDefinition:
    """Takes one attribute; words that state nothing for us are passed by."""
    if item.words(b"NOT", b"NULL"):
        return replace(column, required=True)
    if item.word(b"DEFAULT"):
        start = item.at
        literal, computed = _default(item)
        return replace(column, default=literal, computed_default=computed, expression=item.since(start) if computed else "")
    if item.word(b"COMMENT"):
        return replace(column, comment=item.string())
    if item.words(b"CHARACTER", b"SET") or item.word(b"CHARSET"):
        return replace(column, charset=item.name().lower())
    if item.word(b"COLLATE"):
        return replace(column, charset=column.charset or item.name().lower().partition("_")[0])
    if item.words(b"PRIMARY", b"KEY") or item.word(b"KEY"):
        return replace(column, primary=True, required=True)
    if item.word(b"UNIQUE"):
        item.word(b"KEY")
        return replace(column, unique=True)
    if item.word(b"AUTO_INCREMENT"):
        return replace(column, numbered=True)
    if item.word(b"AS"):
        item.group()
        return replace(column, generated=True)
    if item.word(b"INVISIBLE"):
        return replace(column, invisible=True)
    if item.word(b"COLUMN_FORMAT", b"STORAGE"):
        item.name()
        return column
    if not item.group():
        item.at += item.here is not None
    return column


def _default(item: Statement) -> tuple[bytes | None, bool]:
    """A default as a literal, and whether only the server could compute it."""
    sign = b"-" if item.punct(b"-") else b""
    item.punct(b"+")
    token = item.here
    if token is None or token.text is None:
        return None, True
    if token.kind == PUNCT:
        return None, bool(item.group()) or True
    item.at += 1
    following = item.here
    if token.kind == NUMBER:
        return sign + token.text, False
    if token.kind == STRING:
        return _constant(item, token), False
    if token.is_(b"NULL"):
        return None, False
    if token.is_(b"TRUE", b"FALSE"):
        return b"1" if token.is_(b"TRUE") else b"0", False
    if token.is_(b"B", b"X") and following is not None and following.kind == STRING and following.text:
        item.at += 1
        return (b"0b" if token.is_(b"B") else b"0x") + following.text[1:-1], False
    if token.text[:2].lower() in (b"0x", b"0b"):
        return token.text[:2].lower() + token.text[2:], False
    if token.text.startswith(b"_") and following is not None and following.kind == STRING:
        item.at += 1
        return _constant(item, following), False
    item.group()
    return None, True


def _constant(item: Statement, token: Token) -> bytes:
    """A quoted default, free of the charset that its statement was written in: it is used under another one."""
    text, lexis = token.text or b"''", item.session.lexis
    data = unescape(text[1:-1], backslash=lexis.backslash, lead=lexis.lead, quote=text[:1])
    try:
        return b"U" + item.session.decode()(data).encode("utf-8")
    except UnicodeError:
        return b"0x" + data.hex().encode("ascii")


def _literal_value(literal: bytes | None) -> str | bytes | None:
    """What a default stands for, whatever its column: a text, a number as text, bytes."""
    if literal is None:
        return None
    if literal[:2] == b"0b":
        return str(int(literal[2:] or b"0", 2))
    if literal[:2] == b"0x":
        return bytes.fromhex(("0" if len(literal) % 2 else "") + literal[2:].decode("ascii"))
    return literal.removeprefix(b"U").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Alteration:
    """What ALTER TABLE did to a definition. `ignored` are its parts that would change rows or columns and are not followed."""

    definition: Definition
    ignored: tuple[str, ...] = ()


def alter_table(statement: Statement, definition: Definition) -> Alteration:
    """Applies ADD of keys, MODIFY and AUTO_INCREMENT; `statement` stands behind the table's name. Raises DdlError."""
    ignored: list[str] = []
    for part in split_commas(statement.tokens[statement.at :]):
        item = statement.sub(part)
        if item.word(b"ADD"):
            if item.here is not None and item.here.is_(*_KEY_WORDS):
                definition = _key(item, definition)
            else:
                ignored.append("ADD COLUMN")
        elif item.word(b"MODIFY"):
            item.word(b"COLUMN")
            column = column_definition(item, definition.charset)
            standing = definition.column(column.name)
            definition = _with_column(definition, replace(column, name=standing.name) if standing else column)
        elif item.word(b"AUTO_INCREMENT"):
            item.punct(b"=")
            definition = replace(definition, auto_increment=_number(item))
        elif item.words(b"DROP", b"PRIMARY", b"KEY"):
            definition = replace(definition, key=())
        elif any(item.words(*words) for words in _OF_INDEXES):
            continue
        elif item.here is not None and item.here.is_(b"DROP", b"CHANGE", b"RENAME"):
            ignored.append(_written(item.tokens[:2], item.session))
    return Alteration(definition, tuple(ignored))


def create_index(tokens: Sequence[Token], session: Session) -> tuple[QualifiedName, tuple[str, ...]] | None:
    """The table and columns of CREATE UNIQUE INDEX; None for an index over an expression."""
    statement = Statement(tokens, session)
    while statement.here is not None and not statement.word(b"ON"):
        statement.at += 1
    table = statement.qualified()
    columns = _key_columns(statement)
    return (table, columns) if columns else None
