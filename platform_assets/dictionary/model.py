"""What a table must look like: columns, keys, references and rules, as plain frozen values.

Where they come from is elsewhere: a dump's own DDL (formats), a contract file (dictionary.contract).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

from platform_assets.dictionary.types import type_name, type_named

META_COLUMNS = ("_instance", "_version", "_row", "_line", "_raw")
"""Columns that the platform adds to stored rows; a dump's column of such a name gets a trailing underscore."""

RuleKind = Literal[
    "type",
    "required",
    "unique",
    "primaryKey",
    "foreignKey",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "multipleOf",
    "pattern",
    "format",
    "enum",
]
Orphans = Literal["reject", "wait", "report"]
CODES: dict[str, str] = {
    "type": "type-error",
    "required": "missing-value",
    "unique": "unique-error",
    "primaryKey": "primary-key",
    "foreignKey": "foreign-key",
}
"""Violation code of a rule kind; every other kind is a constraint-error. Unreadable rows add missing-cell, extra-cell, ..."""


@dataclass(frozen=True)
class Words:
    """How a column's text is to be read where it is not as in the rest of its source; empty: as there."""

    null: tuple[str, ...] = ()
    """Texts that mean NULL."""
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    decimal_comma: bool = False
    """Numbers have a comma where others have a point; a point is then no part of a number."""


@dataclass(frozen=True)
class Column:
    """One column. `native` is the type as the dump wrote it, `formats` the strptime patterns its text may have."""

    name: str
    type: pa.DataType
    native: str = ""
    required: bool = False
    description: str = ""
    formats: tuple[str, ...] = ()
    words: Words = Words()
    default: str | None = field(default=None, compare=False)
    """What a row gets that says nothing of the column: a literal's value in quotes, `x'00ff'` for bytes, else the dump's own expression.

    No part of what a column is: rows have their values, only copies in other databases take it along.
    """
    numbered: bool = field(default=False, compare=False)
    """Whether the server gives the next number to a row that says nothing of the column. No part of what it is, as the default."""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": type_name(self.type),
            "native": self.native,
            "required": self.required,
            "description": self.description,
            "formats": list(self.formats),
            **({"words": asdict(self.words)} if self.words != Words() else {}),
            **({"default": self.default} if self.default is not None else {}),
            **({"numbered": True} if self.numbered else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Column:
        words = {name: _frozen(value) for name, value in data.get("words", {}).items()}
        arrow, formats = type_named(data["type"]), tuple(data["formats"])
        facts = data["native"], data["required"], data["description"]
        return cls(data["name"], arrow, *facts, formats, Words(**words), data.get("default"), data.get("numbered", False))


@dataclass(frozen=True)
class ForeignKey:
    """`columns` of this table name a row of `table` by its columns `references`, position by position.

    A table of another source is named `<source>.<table>`, with `source` beside it; of its own source it is empty. `orphans`: what
    becomes of a row whose parent is not there, as settings of the source say (SourceSettings.references).
    """

    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]
    source: str = ""
    orphans: Orphans = "reject"
    on_update: str = field(default="", compare=False)
    """What becomes of the row when its parent's key changes: CASCADE, SET NULL, SET DEFAULT, RESTRICT; empty: NO ACTION.

    For copies in other databases alone, as a column's default.
    """
    on_delete: str = field(default="", compare=False)
    """The same when its parent goes."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ForeignKey:
        return cls(
            *(tuple(data["columns"]), data["table"], tuple(data["references"]), data.get("source", ""), data.get("orphans", "reject")),
            on_update=data.get("on_update", ""),
            on_delete=data.get("on_delete", ""),
        )

    @property
    def over_versions(self) -> bool:
        """Whether a parent in any version counts, and not one of the same dump alone."""
        return bool(self.source) or self.orphans == "wait"


@dataclass(frozen=True)
class Rule:
    """One rule on one table. `id` is stable and readable (`required:name`), the kind before its colon.

    `limit` is what the kind compares with, in JSON's types: a number (text for decimals, dates and times), a pattern, the tuple of an
    enum's values; for a foreignKey the tuple (table, column, ...) that is referenced; for a type its name.
    """

    id: str
    kind: RuleKind
    columns: tuple[str, ...]
    limit: Any = None
    severity: Literal["error", "warning"] = "error"
    waits: bool = False
    """A reference whose rows wait for a parent that a later version may bring."""

    @property
    def code(self) -> str:
        return CODES.get(self.kind, "constraint-error")


@dataclass(frozen=True)
class Measure:
    """A check of a table as a whole, over its accepted rows: a number that must be within bounds.

    `metric` is rowCount, nullValues, invalidValues, duplicateValues or sql; `rule` is what breaks an invalid value, `query` the text
    of sql. `bounds`: pairs of the standard's word (mustBeLessThan, ...) and its limit. In percent of the rows when `percent`.
    """

    id: str
    metric: str
    columns: tuple[str, ...] = ()
    rule: Rule | None = None
    query: str = ""
    bounds: tuple[tuple[str, Any], ...] = ()
    percent: bool = False
    severity: Literal["error", "warning"] = "error"
    place: tuple[str | int, ...] = field(default=(), compare=False)
    """Where it stands below its table in the contract; not stored."""

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "place"}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Measure:
        rule = data["rule"]
        bounds = tuple((word, _frozen(limit)) for word, limit in data["bounds"])
        named = Rule(**{name: _frozen(value) for name, value in rule.items()}) if rule else None
        return cls(**{**data, "columns": tuple(data["columns"]), "rule": named, "bounds": bounds})


@dataclass(frozen=True)
class Violation:
    """One broken rule of one row, as stored with the reject."""

    rule: str
    code: str
    columns: tuple[str, ...]
    value: str | None
    message: str

    def to_json(self) -> dict[str, Any]:
        return {"rule": self.rule, "code": self.code, "columns": list(self.columns), "value": self.value, "message": self.message}


@dataclass(frozen=True)
class Table:
    """The schema of one table, from its DDL or its contract."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rules: tuple[Rule, ...] = field(default=())
    """Rules beyond required, keys and references (ranges, patterns, enums)."""
    row_version: str | None = None
    description: str = ""
    renames: tuple[tuple[str, str], ...] = ()
    """Of a contract's table, never stored: old column names, each with the one of today."""
    renamed_to: str | None = None
    """Of a contract's table, never stored: what the table is called today, when this is an old name of it."""
    max_errors: int | None = None
    """How many rejected rows a version may have; beyond it, it is held back whole. None: any number."""
    max_error_ratio: float | None = None
    """The same as a share of the rows read, 0 to 1."""
    measures: tuple[Measure, ...] = ()
    not_run: tuple[str, ...] = ()
    """Checks of the contract that are another engine's, in words: they are told of, not evaluated."""
    deletes: Literal["missing", "never"] | None = None
    """Whether a key that a whole dump lacks is gone; None: as its source says."""

    # Both are asked for once per rule: in a table of 1,600 columns that is 1,600 times 1,600.
    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def _by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in reversed(self.columns)}

    def column(self, name: str) -> Column:
        """Raises KeyError when there is no such column."""
        return self._by_name[name]

    def arrow_schema(self) -> pa.Schema:
        """The data columns alone, in order."""
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])

    def with_columns(self, columns: Iterable[Column]) -> Table:
        return replace(self, columns=tuple(columns))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "columns": [column.to_json() for column in self.columns],
            "key": list(self.key),
            "unique": [list(columns) for columns in self.unique],
            "foreign_keys": [
                {"columns": list(fk.columns), "table": fk.table, "references": list(fk.references)}
                | {"source": fk.source, "orphans": fk.orphans}
                | {name: action for name, action in (("on_update", fk.on_update), ("on_delete", fk.on_delete)) if action}
                for fk in self.foreign_keys
            ],
            "rules": [
                {"id": r.id, "kind": r.kind, "columns": list(r.columns), "limit": r.limit, "severity": r.severity} for r in self.rules
            ],
            "row_version": self.row_version,
            "description": self.description,
            "max_errors": self.max_errors,
            "max_error_ratio": self.max_error_ratio,
            "measures": [measure.to_json() for measure in self.measures],
            "deletes": self.deletes,
        } | ({"not_run": list(self.not_run)} if self.not_run else {})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Table:
        return cls(
            name=data["name"],
            columns=tuple(Column.from_json(column) for column in data["columns"]),
            key=tuple(data["key"]),
            unique=tuple(tuple(columns) for columns in data["unique"]),
            foreign_keys=tuple(ForeignKey.from_json(key) for key in data["foreign_keys"]),
            rules=tuple(Rule(r["id"], r["kind"], tuple(r["columns"]), _frozen(r["limit"]), r["severity"]) for r in data["rules"]),
            row_version=data["row_version"],
            description=data["description"],
            max_errors=data.get("max_errors"),
            max_error_ratio=data.get("max_error_ratio"),
            measures=tuple(Measure.from_json(measure) for measure in data.get("measures", ())),
            not_run=tuple(data.get("not_run", ())),
            deletes=data.get("deletes"),
        )


def _frozen(limit: Any) -> Any:
    """JSON knows lists alone; a rule read back must equal the rule that was written."""
    return tuple(limit) if isinstance(limit, list) else limit
