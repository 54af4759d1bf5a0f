"""The rules that a table's rows must keep, and their SQL in the subset that DuckDB and Spark share (DESIGN.md "Engine").

Not here: the same rules over Arrow arrays (dictionary.checks) and who is rejected in the end (operations.judge).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from platform_assets.dictionary.limits import check_limit, typed_limit, typed_step, typed_values
from platform_assets.dictionary.model import Rule, Table
from platform_assets.dictionary.patterns import whole
from platform_assets.dictionary.text_formats import TEXT_FORMATS
from platform_assets.dictionary.types import BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, common_type, type_name

SET_KINDS = frozenset({"primaryKey", "unique", "foreignKey"})
"""Kinds that need more than the row itself."""
_NO_ROWS = 'SELECT CAST(0 AS BIGINT) AS "row", CAST(NULL AS STRING) AS rule, CAST(NULL AS STRING) AS value'


def rules_of(table: Table) -> tuple[Rule, ...]:
    """All rules of a table: required (key columns always are), primaryKey, unique, foreignKey, then its own. Type errors aside."""
    required = [column.name for column in table.columns if column.required or column.name in table.key]
    rules = [Rule(f"required:{name}", "required", (name,)) for name in required]
    if table.key:
        rules.append(Rule(f"primaryKey:{','.join(table.key)}", "primaryKey", table.key))
    rules.extend(
        Rule(f"unique:{','.join(columns)}", "unique", columns)
        for columns in dict.fromkeys(table.unique)
        if columns and columns != table.key
    )
    for key in dict.fromkeys(table.foreign_keys):
        target = ",".join(f"{key.table}.{column}" for column in key.references)
        name = f"foreignKey:{','.join(key.columns)}->{target}"
        severity: Any = "warning" if key.orphans == "report" else "error"
        waits = key.over_versions and severity == "error"
        rules.append(Rule(name, "foreignKey", key.columns, (key.table, *key.references), severity, waits))
    return (*rules, *table.rules)


def type_rule(table: Table, column: str) -> Rule:
    """The rule behind a type-error: the column's text can be its type."""
    return Rule(f"type:{column}", "type", (column,), type_name(table.column(column).type))


def explain(rule: Rule, value: str | None, *, first: int | None = None) -> str:
    """What a person reads about one broken rule; `first` is the row that had the same key before."""
    names = ", ".join(rule.columns)
    shown = f"{names} {value!r}"
    match rule.kind:
        case "type":
            return f"{shown} is not of type {rule.limit}."
        case "required":
            return f"{names} is required and has no value."
        case "primaryKey" | "unique":
            if first is not None and first < 1:
                return f"{shown} is taken by a row that was accepted before; that row stands."
            return f"{shown} stands in row {first} already; the first row stands."
        case "foreignKey":
            where = "in any version yet: it waits for one" if rule.waits else "in this dump"
            return f"{shown} names no accepted row of {rule.limit[0]} ({', '.join(rule.limit[1:])}) {where}."
        case "minimum" | "exclusiveMinimum":
            return f"{shown} is {'below' if rule.kind == 'minimum' else 'not above'} {rule.limit}."
        case "maximum" | "exclusiveMaximum":
            return f"{shown} is {'above' if rule.kind == 'maximum' else 'not below'} {rule.limit}."
        case "minLength" | "maxLength":
            return f"{shown} is {'shorter' if rule.kind == 'minLength' else 'longer'} than {rule.limit} characters."
        case "pattern":
            return f"{shown} does not match {rule.limit} as a whole."
        case "multipleOf":
            return f"{shown} is no multiple of {rule.limit}."
        case "format":
            return f"{shown} is no {rule.limit}."
        case "enum":
            return f"{shown} is none of the {len(rule.limit)} allowed values."


def quoted(name: str) -> str:
    """A quoted identifier. Raises ValueError for NUL, at which some engines cut names."""
    if "\0" in name:
        raise ValueError(f"{name!r} cannot be a name: it holds a NUL character.")
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text literal that both engines read alike: Spark takes backslashes for escapes and drops doubled quotes, so both go by number."""
    parts: list[str] = []
    plain = ""
    for character in text:
        if character in "'\\" or ord(character) < 32:
            parts += [f"'{plain}'"] * bool(plain) + [f"chr({ord(character)})"]
            plain = ""
        else:
            plain += character
    parts += [f"'{plain}'"] * bool(plain or not parts)
    return parts[0] if len(parts) == 1 else f"({' || '.join(parts)})"


def sql_type(arrow: pa.DataType) -> str:
    """The name of a type in CAST, the same on both engines; an instant is a TIMESTAMP in a session whose zone is UTC."""
    if pa.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision}, {arrow.scale})"
    names = {
        BOOLEAN: "BOOLEAN",
        INT32: "INT",
        INT64: "BIGINT",
        FLOAT64: "DOUBLE",
        DATE: "DATE",
        TIMESTAMP: "TIMESTAMP",
        INSTANT: "TIMESTAMP",
    }
    return names.get(arrow, "STRING")


def row_rules_sql(rules: Iterable[Rule], table: Table, relation: str, *, row: str = "_row") -> str:
    """One row (row bigint, rule, value) per broken row-local rule; set rules are passed over.

    `relation` is a name; it has the table's columns, typed, and `row` as bigint. Names that differ in case alone cannot be told apart
    by either engine. Raises SettingsError for a limit that cannot be compared with its column's type.
    """
    parts = []
    for rule in rules:
        if rule.kind in SET_KINDS or rule.kind == "type":
            continue
        column = quoted(rule.columns[0])
        broken = f"{column} IS NULL" if rule.kind == "required" else f"{column} IS NOT NULL AND ({broken_sql(rule, table, column)})"
        parts.append(
            f'SELECT {quoted(row)} AS "row", {text_literal(rule.id)} AS rule, CAST({column} AS STRING) AS value FROM {quoted(relation)}'
            f" WHERE {broken}"
        )
    return "\nUNION ALL\n".join(parts) or f"{_NO_ROWS} WHERE 1 = 0"


def broken_sql(rule: Rule, table: Table, column: str) -> str:
    """When a value breaks a row-local rule other than required; `column` is its quoted name. NULL or false for NULL."""
    arrow = table.column(rule.columns[0]).type
    if rule.kind in ("minLength", "maxLength"):
        return f"length({_as_text(rule, table, column)}) {'<' if rule.kind == 'minLength' else '>'} {int(rule.limit)}"
    if rule.kind == "pattern":
        return f"NOT regexp_like({_as_text(rule, table, column)}, {text_literal(whole(rule.limit))})"
    if rule.kind == "format":
        return f"NOT regexp_like({_as_text(rule, table, column)}, {text_literal(whole(TEXT_FORMATS[rule.limit]))})"
    if rule.kind == "multipleOf":
        step, exact = typed_step(rule, table)
        return f"CAST({column} AS {sql_type(exact)}) % {_literal(step, exact)} <> 0"
    if rule.kind == "enum":
        literals = ", ".join(_literal(value, arrow) for value in typed_values(rule, table).to_pylist())
        return f"{column} NOT IN ({literals})" if literals else "1 = 1"
    holds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}[rule.kind]
    limit = typed_limit(rule, table)
    compared = f"NOT ({column} {holds} {_literal(limit.as_py(), limit.type)})"
    return f"{compared} OR isnan({column})" if arrow == FLOAT64 else compared


def _as_text(rule: Rule, table: Table, column: str) -> str:
    arrow = table.column(rule.columns[0]).type
    check_limit(rule, table)
    return column if arrow == STRING else f"CAST({column} AS STRING)"


def _literal(value: Any, arrow: pa.DataType) -> str:
    if arrow == STRING:
        return text_literal(value)
    if arrow == BOOLEAN:
        return "TRUE" if value else "FALSE"
    if arrow in (INT32, INT64):
        return f"CAST('{value}' AS BIGINT)"
    if pa.types.is_decimal(arrow):
        text = f"{value:f}"
    elif arrow == FLOAT64:
        text = repr(value)
    elif arrow in (TIMESTAMP, INSTANT):
        text = value.replace(tzinfo=None).isoformat(" ")
    else:
        text = value.isoformat()
    return f"CAST('{text}' AS {'TIME' if arrow == TIME else sql_type(arrow)})"


def key_rules_sql(
    rules: Iterable[Rule],
    table: Table,
    relation: str,
    *,
    parents: Mapping[str, tuple[Table, str]] | None = None,
    row: str = "_row",
    names: Mapping[tuple[str, str], str] | None = None,
    among: str | None = None,
) -> str:
    """One row (row bigint, rule, value, first bigint) per broken primaryKey, unique and foreignKey rule; others are passed over.

    `relation` is a name; it has `row` as bigint and the rules' columns. Of equal keys the first row by number stands and is `first` of
    the later ones; a NULL in a key is equal to nothing. A foreignKey is checked against the relation that `parents` names for its
    table (with the accepted rows only), by MATCH SIMPLE: a NULL in it refers to nothing; without a parent there it is passed over.
    `names` says under which names columns, (table, column), stand in their relations, where that is not their own. `among` names a
    relation (k) that holds every value which stands twice, where that is known: others of a key of one column are not grouped then.
    """
    names = names or {}
    parents = parents or {}
    parts = []
    for rule in rules:
        own = [names.get((table.name, name), name) for name in rule.columns]
        if rule.kind in ("primaryKey", "unique"):
            parts.append(_duplicates(rule, own, relation, row, among))
        elif rule.kind == "foreignKey" and rule.limit[0] in parents:
            parent, parent_relation = parents[rule.limit[0]]
            types = [
                (table.column(child).type, parent.column(column).type) for child, column in zip(rule.columns, rule.limit[1:], strict=True)
            ]
            there = [names.get((parent.name, column), column) for column in rule.limit[1:]]
            parts.append(_orphans(rule, own, there, types, relation, parent_relation, row))
    return "\nUNION ALL\n".join(parts) or f"{_NO_ROWS}, CAST(NULL AS BIGINT) AS first WHERE 1 = 0"


def _shown(columns: list[str], prefix: str = "") -> str:
    return " || ', ' || ".join(f"CAST({prefix}{quoted(column)} AS STRING)" for column in columns)


def _present(columns: list[str], prefix: str = "") -> str:
    return " AND ".join(f"{prefix}{quoted(column)} IS NOT NULL" for column in columns)


def _duplicates(rule: Rule, columns: list[str], relation: str, row: str, among: str | None) -> str:
    """Grouping, then a join with the few keys that come twice: a window over all rows would hold them all at once."""
    listed = ", ".join(quoted(column) for column in columns)
    same = " AND ".join(f"r.{quoted(column)} = d.{quoted(column)}" for column in columns)
    grouped = f"{quoted(columns[0])} IN (SELECT k FROM {quoted(among)})" if among and len(columns) == 1 else _present(columns)
    return (
        f'SELECT r.{quoted(row)} AS "row", {text_literal(rule.id)} AS rule, {_shown(columns, "r.")} AS value, d.first_row AS first'
        f" FROM {quoted(relation)} AS r JOIN (SELECT {listed}, min({quoted(row)}) AS first_row FROM {quoted(relation)}"
        f" WHERE {grouped} GROUP BY {listed} HAVING count(*) > 1) AS d ON {same} WHERE r.{quoted(row)} > d.first_row"
    )


def _orphans(
    rule: Rule, own: list[str], there: list[str], types: list[tuple[pa.DataType, pa.DataType]], relation: str, parent: str, row: str
) -> str:
    same = " AND ".join(
        f"{_aligned(f'p.{quoted(b)}', right, left)} = {_aligned(f'c.{quoted(a)}', left, right)}"
        for a, b, (left, right) in zip(own, there, types, strict=True)
    )
    return (
        f'SELECT c.{quoted(row)} AS "row", {text_literal(rule.id)} AS rule, {_shown(own, "c.")} AS value, CAST(NULL AS BIGINT) AS first'
        f" FROM {quoted(relation)} AS c WHERE {_present(own, 'c.')} AND NOT EXISTS (SELECT 1 FROM {quoted(parent)} AS p WHERE {same})"
    )


def _aligned(column: str, arrow: pa.DataType, other: pa.DataType) -> str:
    """The column as both sides can be compared: engines disagree on how text meets a number."""
    common = common_type(arrow, other)
    return column if arrow == common else f"CAST({column} AS {sql_type(common)})"
