"""`<table_structure>` -> a definition as CREATE TABLE gives it. Its attributes are columns of SHOW FIELDS, KEYS and TABLE STATUS."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from platform_assets.formats.mysql.ddl import ColumnDefinition, Definition, Statement, column_definition
from platform_assets.formats.mysql.session import Session
from platform_assets.formats.mysql.types import NativeType
from platform_assets.formats.sql.statement import DdlError
from platform_assets.formats.sql.tokens import EOF, Lexis, Token, Tokens

Attributes = Mapping[str, str]


@dataclass
class Structure:
    """What stood in one table_structure. `unknown` are the columns whose type is not understood; they are kept as texts."""

    name: str
    fields: list[Attributes] = field(default_factory=list)
    keys: list[Attributes] = field(default_factory=list)
    options: Attributes = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def is_view(self) -> bool:
        return self.options.get("Comment") == "VIEW" and "Engine" not in self.options

    def definition(self) -> Definition:
        columns = tuple(map(self._column, self.fields))
        charset = self.options.get("Collation", "").partition("_")[0] or None
        indexes = self._indexes()
        number = self.options.get("Auto_increment", "")
        return Definition(
            (None, self.name),
            columns,
            key=indexes.pop("PRIMARY", ()),
            unique=tuple(indexes.values()),
            charset=charset,
            comment=self.options.get("Comment", ""),
            auto_increment=int(number) if number.isdigit() else None,
        )

    def _column(self, attributes: Attributes) -> ColumnDefinition:
        name, native = attributes.get("Field", ""), attributes.get("Type", "")
        extra = attributes.get("Extra", "").upper()
        try:
            column = column_definition(Statement(_tokens(f"x {native}"), Session()))
        except DdlError:
            self.unknown.append(name)
            column = ColumnDefinition(name, NativeType("", text=native))
        return replace(
            column,
            name=name,
            required=attributes.get("Null") == "NO",
            comment=attributes.get("Comment", ""),
            generated="GENERATED" in extra and "DEFAULT_GENERATED" not in extra,
            computed_default="DEFAULT_GENERATED" in extra,
            invisible="INVISIBLE" in extra,
        )

    def _indexes(self) -> dict[str, tuple[str, ...]]:
        """Columns of the unique keys by name; a key over an expression states no rule of ours."""
        found: dict[str, list[tuple[int, str]]] = {}
        skipped = set()
        for key in self.keys:
            name, place = key.get("Key_name", ""), key.get("Seq_in_index", "")
            if key.get("Non_unique") != "0":
                continue
            if not key.get("Column_name") or not place.isdigit():
                skipped.add(name)
            found.setdefault(name, []).append((int(place) if place.isdigit() else 0, key.get("Column_name", "")))
        return {name: tuple(column for _, column in sorted(columns)) for name, columns in found.items() if name not in skipped}


def _tokens(text: str) -> Sequence[Token]:
    tokens = Tokens(io.BytesIO(text.encode("utf-8")), Lexis(), lambda *_: None)
    taken: list[Token] = []
    while (token := tokens.next()).kind != EOF:
        taken.append(token)
    return taken
