"""Contracts in ODCS 3: what they become, and how each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from platform_assets.dictionary.contract import load_contract
from platform_assets.dictionary.model import Column, ForeignKey, Rule, Table
from platform_assets.dictionary.types import BINARY, BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIME, TIMESTAMP, decimal
from platform_assets.errors import SettingsError
from platform_assets.operations.contracts import usable_dictionary

HEAD = "apiVersion: v3.2.0\nkind: DataContract\nid: shop\nversion: 1.0.0\nstatus: active\n"
WHOLE = (
    HEAD
    + """
schema:
  - name: hires
    description: Who came
    customProperties:
      - {property: rowVersion, value: changed}
      - {property: anything, value: 1, vendor: another-tool}
    relationships:
      - {type: foreignKey, from: [site, room], to: [rooms.site, rooms.room]}
    quality:
      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [name, site]}}
      - {type: text, description: For people}
    properties:
      - {name: number, logicalType: integer, primaryKey: true, primaryKeyPosition: 2}
      - name: site
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        logicalTypeOptions: {minLength: 1, maxLength: 3, pattern: '[A-Z]+'}
      - {name: room, logicalType: integer, physicalType: smallint}
      - name: name
        logicalType: string
        required: true
        unique: true
        description: Full name
        enum: [{value: Ann}, {value: "no"}]
      - name: changed
        logicalType: timestamp
        logicalTypeOptions: {minimum: 2020-01-01, format: "MMM dd yyyy hh:mma"}
        customProperties: [{property: formats, value: ["%Y%m%d %H:%M"]}]
      - {name: pay, logicalType: number, physicalType: "decimal(15,3)", logicalTypeOptions: {minimum: 0.5, exclusiveMaximum: 10}}
      - name: job
        logicalType: string
        relationships: [{to: schema/the_jobs/properties/code}]
        quality:
          - {metric: invalidValues, mustBe: 0, severity: warning, arguments: {validValues: [a, b]}}
          - {metric: nullValues, mustBe: 0, severity: warning}
  - {name: rooms, properties: [{name: site, logicalType: string}, {name: room, logicalType: integer}]}
  - {name: jobs, id: the_jobs, properties: [{name: the code, id: code, logicalType: string}]}
"""
)


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_contract_becomes_tables(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    tables = load_contract(tmp_path / "shop.odcs.yaml")
    assert list(tables) == ["hires", "rooms", "jobs"]
    assert tables["hires"] == Table(
        name="hires",
        columns=(
            Column("number", INT64),
            Column("site", STRING),
            Column("room", INT32, native="smallint"),
            Column("name", STRING, required=True, description="Full name"),
            Column("changed", TIMESTAMP, formats=("%b %d %Y %I:%M%p", "%Y%m%d %H:%M")),
            Column("pay", decimal(15, 3), native="decimal(15,3)"),
            Column("job", STRING),
        ),
        key=("site", "number"),
        unique=(("name",), ("name", "site")),
        foreign_keys=(ForeignKey(("job",), "jobs", ("the code",)), ForeignKey(("site", "room"), "rooms", ("site", "room"))),
        rules=(
            Rule("minLength:site", "minLength", ("site",), 1),
            Rule("maxLength:site", "maxLength", ("site",), 3),
            Rule("pattern:site", "pattern", ("site",), "[A-Z]+"),
            Rule("enum:name", "enum", ("name",), ("Ann", "no")),
            Rule("minimum:changed", "minimum", ("changed",), "2020-01-01"),
            Rule("minimum:pay", "minimum", ("pay",), 0.5),
            Rule("exclusiveMaximum:pay", "exclusiveMaximum", ("pay",), 10),
            Rule("enum:job", "enum", ("job",), ("a", "b"), "warning"),
            Rule("required:job", "required", ("job",), None, "warning"),
        ),
        row_version="changed",
        description="Who came",
    )
    assert Table.from_json(tables["hires"].to_json()) == tables["hires"]


def test_a_source_without_a_contract_has_no_dictionary(tmp_path: Path) -> None:
    assert usable_dictionary(tmp_path, "shop") == {}


@pytest.mark.parametrize(
    ("stated", "arrow"),
    [
        ("logicalType: integer", INT64),
        ("logicalType: integer, physicalType: INT(11)", INT32),
        ("logicalType: integer, physicalType: bigint", INT64),
        ("logicalType: integer, physicalType: int unsigned", INT64),
        ("logicalType: integer, logicalTypeOptions: {format: i32}", INT32),
        ("logicalType: number", FLOAT64),
        ("logicalType: number, physicalType: 'NUMERIC(5)'", decimal(5, 0)),
        ("logicalType: boolean", BOOLEAN),
        ("logicalType: string, physicalType: varchar(20)", STRING),
        ("logicalType: string, physicalType: bytea", BINARY),
        ("logicalType: date", DATE),
        ("logicalType: timestamp", TIMESTAMP),
        ("logicalType: timestamp, logicalTypeOptions: {timezone: true, defaultTimezone: Etc/UTC}", INSTANT),
        ("logicalType: time", TIME),
    ],
)
def test_logical_and_physical_type_give_the_column_type(tmp_path: Path, stated: str, arrow: pa.DataType) -> None:
    tables = load_contract(write(tmp_path, f"{HEAD}schema:\n- name: t\n  properties:\n  - {{name: c, {stated}}}\n"))
    assert tables["t"].columns[0].type == arrow


PROPERTY_MISTAKES = [
    ("logicalType: strin", "logicalType 'strin'"),
    ("physicalType: int", "logicalType 'None'"),
    ("logicalType: object", "object"),
    ("logicalType: string, requird: true", "'requird' is unknown at t.c"),
    ("logicalType: string, required: perhaps", "at t.c"),
    ("logicalType: string, logicalTypeOptions: {maxLenght: 3}", "maxLenght"),
    ("logicalType: string, logicalTypeOptions: {maxLength: -1}", "maxLength"),
    ("logicalType: string, logicalTypeOptions: {minimum: a}", "minimum is not evaluated for string"),
    ("logicalType: string, logicalTypeOptions: {format: emial}", "'emial' is not evaluated"),
    ("logicalType: integer, logicalTypeOptions: {multipleOf: 0}", "multipleOf"),
    ("logicalType: integer, logicalTypeOptions: {minimum: low}", "minimum:c"),
    ("logicalType: integer, logicalTypeOptions: {format: u64}", "u64"),
    ("logicalType: number, physicalType: decimal", "needs its digits"),
    ("logicalType: number, physicalType: 'decimal(3,5)'", "more digits after the point"),
    ("logicalType: date, logicalTypeOptions: {maximum: tomorrow}", "maximum:c"),
    ("logicalType: date, logicalTypeOptions: {format: QQQ yyyy}", "QQQ"),
    ("logicalType: date, customProperties: [{property: formats, value: '%d %H'}]", "date format"),
    ("logicalType: string, customProperties: [{property: formats, value: '%Y-%m-%d'}]", "does not suit"),
    ("logicalType: timestamp, logicalTypeOptions: {defaultTimezone: Europe/Rome}", "Europe/Rome"),
    ("logicalType: string, customProperties: [{property: formts, value: x}]", "formts"),
    ("logicalType: string, enum: [{value: no}]", "must be quoted"),
    ("logicalType: integer, enum: [{value: 1.5}]", "enum:c"),
    ("logicalType: integer, quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: []}}]", "one or more values"),
    ("logicalType: string, quality: [{metric: rowCount}]", "has no bound"),
    ("logicalType: string, quality: [{type: sql, mustBe: 0}]", "query"),
    ("logicalType: string, quality: [{type: custom, implementation: x}]", "names the engine"),
    ("logicalType: string, quality: [{type: custom, engine: SQL, implementation: c > 1}]", "write it as type: sql"),
    ("logicalType: string, quality: [{metric: freshness, mustBe: 0}]", "not evaluated"),
    ("logicalType: string, quality: [{metric: nullValues, mustBeLessThan: many}]", "a number"),
    ("logicalType: string, quality: [{metric: nullValues, mustBeBetween: [5]}]", "at least 2 items"),
    ("logicalType: string, quality: [{metric: nullValues, mustBe: 0, severity: info}]", "info"),
    ("logicalType: string, quality: [{metric: invalidValues, mustBe: 0, arguments: {valid: [a]}}]", "valid"),
    ("logicalType: string, relationships: [{to: elsewhere.id}]", "elsewhere.id"),
    ("logicalType: string, relationships: [{type: friend, to: t.c}]", "friend"),
    ("logicalType: date, relationships: [{to: other.id}]", "can never equal"),
    ("logicalType: string, primaryKeyPosition: 1", "without being of it"),
    ("logicalType: string, primaryKey: true, primaryKeyPosition: 2", "not 1 to 1"),
    ("logicalType: string, physicalName: d", "go by `name`"),
    ("logicalType: string, logicalTypeOptions: {pattern: '(?=a)b'}", "look-ahead"),
    ("logicalType: string, logicalTypeOptions: {pattern: '(?<!a)b'}", "look-behind"),
    ("logicalType: string, logicalTypeOptions: {pattern: '(a)\\1'}", "back-reference"),
    ("logicalType: string, logicalTypeOptions: {pattern: '(?P<n>a)(?P=n)'}", "named group"),
    ("logicalType: string, logicalTypeOptions: {pattern: '[[:alpha:]]'}", "inside a class"),
    ("logicalType: string, logicalTypeOptions: {pattern: 'a++'}", "not a regular expression"),
    ("logicalType: string, logicalTypeOptions: {pattern: '(a'}", "not a regular expression"),
]


@pytest.mark.parametrize(("stated", "words"), PROPERTY_MISTAKES, ids=[stated[:70] for stated, _ in PROPERTY_MISTAKES])
def test_a_mistake_in_a_property_is_named_with_file_line_and_column(tmp_path: Path, stated: str, words: str) -> None:
    other = "- name: other\n  properties:\n  - {name: id, logicalType: integer}\n"
    text = f"{HEAD}schema:\n{other}- name: t\n  properties:\n  - {{name: c, {stated}}}\n"
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_contract(path)
    assert words in caught.value.message
    assert f"{path}, line {len(text.splitlines())}:" in caught.value.message


def test_a_check_of_another_engine_is_no_rule_and_is_told(tmp_path: Path) -> None:
    soda = "{type: custom, engine: soda, implementation: {checks: [x]}}"
    named = "{type: custom, name: fresh, engine: greatExpectations, implementation: x, severity: error, mustBe: 0}"
    text = f"{HEAD}schema:\n- name: t\n  quality: [{named}]\n  properties:\n  - {{name: c, logicalType: string, quality: [{soda}]}}\n"
    table = load_contract(write(tmp_path, text))["t"]
    assert (table.rules, table.measures) == ((), ())
    assert table.not_run == (
        "the check fresh is for the engine greatExpectations and is not run here",
        "column c: the check without a name is for the engine soda and is not run here",
    )
    assert Table.from_json(table.to_json()) == table


TABLE = "schema:\n- name: t\n  properties:\n  - {name: c, logicalType: string}\n"
FILE_MISTAKES = [
    ("kind: DataContract\nid: x\nversion: '1'\n" + TABLE, "apiVersion is missing", 1),
    (HEAD.replace("v3.2.0", "v2.2.2") + TABLE, "v3.x.y", 1),
    (HEAD.replace("1.0.0", "1.0") + TABLE, "version", 4),
    (HEAD, "no schema", 1),
    (HEAD + "schemas: []\n" + TABLE, "schemas", 6),
    (HEAD + "team: 5\n" + TABLE, "team", 6),
    (HEAD + "servers:\n- {type: postgres, prot: 5}\n" + TABLE, "prot", 7),
    (HEAD + "id: again\n" + TABLE, "stands in line 3 already", 6),
    (HEAD + "schema: [\n", "not valid YAML", 7),
    (HEAD + "schema:\n- properties: []\n", "no name", 7),
    (HEAD + "schema:\n- name: t\n", "no properties", 7),
    (HEAD + TABLE + "  - {name: c, logicalType: date}\n", "twice", 10),
    (HEAD + TABLE + TABLE.replace("schema:\n", ""), "already", 10),
    (HEAD + TABLE + "  customProperties: [{property: rowVersion, value: d}]\n", "row-version", 10),
    (HEAD + TABLE + "  relationships: [{from: [c, d], to: [t.c, t.d]}]\n", "'d'", 10),
    (HEAD + TABLE + "  relationships: [{from: c, to: [t.c, t.c]}]\n", "as many columns", 10),
    (HEAD + TABLE + "  quality: [{metric: duplicateValues, mustBe: 0, arguments: {properties: [d]}}]\n", "no column 'd'", 10),
    (HEAD + TABLE + "  quality: [{metric: duplicateValues, mustBe: 0}]\n", "properties", 10),
    (HEAD + TABLE.replace("string}", "string, enum: [{value: a}], customProperties: [{property: enum, value: [b]}]}"), "stated twice", 7),
    ("- a\n", "mapping", 1),
]


@pytest.mark.parametrize(("text", "words", "line"), FILE_MISTAKES, ids=[words for _, words, _ in FILE_MISTAKES])
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, text: str, words: str, line: int) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_contract(path)
    assert words in caught.value.message and f"{path}, line {line}:" in caught.value.message


def test_bytes_that_are_no_text_are_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "shop.odcs.yaml"
    path.write_bytes(b"id: \xff")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load_contract(path)


@pytest.mark.parametrize("pattern", ["[^@]+@[^@]+", r"\d{3}-\w+", "(?:a|b)*", r"[\[\]&]", r"\p{Lu}.*", r"[]x]", "é+"])
def test_portable_patterns_are_taken(tmp_path: Path, pattern: str) -> None:
    text = f"{HEAD}schema:\n- name: t\n  properties:\n  - {{name: c, logicalType: string, logicalTypeOptions: {{pattern: '{pattern}'}}}}\n"
    assert load_contract(write(tmp_path, text))["t"].rules[0].limit == pattern


def test_an_enum_of_100000_values_loads(tmp_path: Path) -> None:
    values = ", ".join(f"v{i}" for i in range(100_000))
    custom = f"customProperties: [{{property: enum, value: [{values}]}}]"
    text = f"{HEAD}schema:\n- name: t\n  properties:\n  - {{name: c, logicalType: string, {custom}}}\n"
    assert len(load_contract(write(tmp_path, text))["t"].rules[0].limit) == 100_000
