"""One CREATE TABLE as a value, as far as the dialects agree: columns, keys, references. What a column is, is the dialect's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from platform_assets.dictionary.model import ForeignKey
from platform_assets.formats.sql.statement import Statement

NameT = TypeVar("NameT")
ColumnT = TypeVar("ColumnT")


def default_of(value: str | bytes | None, expression: str) -> str | None:
    """Column.default for the value of a literal, or for an expression that only a server computes (empty: there is no default)."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if value is not None:
        return "'" + value.replace("'", "''") + "'"
    return expression or None


@dataclass(frozen=True)
class Reference(Generic[NameT]):
    """A foreign key; `references` are empty when they are the other table's key. Actions as in model.ForeignKey."""

    columns: tuple[str, ...]
    table: NameT
    references: tuple[str, ...]
    on_update: str = ""
    on_delete: str = ""

    def key(self, columns: tuple[str, ...], table: str, references: tuple[str, ...]) -> ForeignKey:
        """With the names that a schema has for them."""
        return ForeignKey(columns, table, references, on_update=self.on_update, on_delete=self.on_delete)


_ACTIONS = ((b"CASCADE",), (b"RESTRICT",), (b"SET", b"NULL"), (b"SET", b"DEFAULT"), (b"NO", b"ACTION"))


def actions_of(item: Statement) -> dict[str, str]:
    """`on_update` and `on_delete` that stand behind REFERENCES and its columns, MATCH and the columns of SET NULL (a, b) passed by."""
    found = {}
    while item.here is not None and item.here.is_(b"ON", b"MATCH"):
        if item.word(b"MATCH"):
            item.skip()
            continue
        event = next((word for word in (b"UPDATE", b"DELETE") if item.words(b"ON", word)), None)
        if event is None:
            break
        action = next((words for words in _ACTIONS if item.words(*words)), _ACTIONS[-1])
        found[f"on_{event.decode().lower()}"] = "" if action is _ACTIONS[-1] else b" ".join(action).decode()
        item.group()
    return found


@dataclass(frozen=True)
class TableDefinition(Generic[NameT, ColumnT]):
    """One CREATE TABLE, with whatever ALTER TABLE and CREATE UNIQUE INDEX added since. Columns have a `name`."""

    name: NameT
    columns: tuple[ColumnT, ...] = ()
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign: tuple[Reference[NameT], ...] = ()
    comment: str = ""

    def column(self, name: str) -> Any:
        """The column of that name, None when there is none; the dialect says whether case counts."""
        raise NotImplementedError

    def spelled(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names of columns as they are defined."""
        return tuple(found.name if (found := self.column(one)) is not None else one for one in names)

    def with_unique(self, columns: tuple[str, ...]) -> Self:
        """With a rule for these columns, of which there may be none."""
        known = not columns or columns in self.unique
        return self if known else replace(self, unique=(*self.unique, columns))
