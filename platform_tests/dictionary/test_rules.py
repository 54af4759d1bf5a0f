"""Rules: which a table has, and that their SQL (run by DuckDB) and their Arrow form give the same verdict on the same cells."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.checks import PART_ROWS, check_of
from platform_assets.dictionary.model import Column, ForeignKey, Rule, Table
from platform_assets.dictionary.rules import explain, key_rules_sql, quoted, row_rules_sql, rules_of, text_literal, type_rule
from platform_assets.dictionary.types import BOOLEAN, DATE, FLOAT64, INSTANT, INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.errors import SettingsError

HIRES = Table(
    "hires",
    (Column("id", INT64), Column("name", STRING, required=True), Column("job_id", INT64), Column("site", STRING)),
    key=("id",),
    unique=(("name",), ("id",), ("name", "site")),
    foreign_keys=(ForeignKey(("job_id",), "jobs", ("id",)), ForeignKey(("job_id", "site"), "places", ("job", "site"))),
    rules=(Rule("maxLength:name", "maxLength", ("name",), 5),),
)


def test_a_table_has_its_rules_in_a_fixed_order_under_readable_ids() -> None:
    assert [rule.id for rule in rules_of(HIRES)] == [
        "required:id",
        "required:name",
        "primaryKey:id",
        "unique:name",
        "unique:name,site",
        "foreignKey:job_id->jobs.id",
        "foreignKey:job_id,site->places.job,places.site",
        "maxLength:name",
    ]
    assert all(rule.id.partition(":")[0] == rule.kind for rule in rules_of(HIRES))


def test_a_rule_explains_itself() -> None:
    messages = {rule.id: explain(rule, "7", first=3) for rule in rules_of(HIRES)}
    assert messages["primaryKey:id"] == "id '7' stands in row 3 already; the first row stands."
    assert messages["foreignKey:job_id->jobs.id"] == "job_id '7' names no accepted row of jobs (id) in this dump."
    assert explain(type_rule(HIRES, "id"), "seven") == "id 'seven' is not of type int64."


@pytest.fixture
def engine() -> Any:
    connection = duckdb.connect()
    connection.execute("CREATE MACRO regexp_like(a, b) AS regexp_matches(a, b)")
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


@given(st.text(alphabet=st.one_of(st.sampled_from("'\\\"\n\x00;-é$%"), st.characters(exclude_categories=["Cs"])), max_size=12))
@settings(max_examples=100, deadline=None, database=None)
def test_a_literal_comes_back_as_it_was(text: str) -> None:
    assert duckdb.execute(f"SELECT {text_literal(text)}").fetchone() == (text,)
    assert "\\" not in text_literal(text) and (not text or "''" not in text_literal(text))


@pytest.mark.parametrize("name", ['sel"ect', "a;b", "--", "ctid", "Ünï", " ", "x" * 100, "'"])
def test_a_hostile_name_is_only_a_name(engine: duckdb.DuckDBPyConnection, name: str) -> None:
    relation = f"t {name}"
    engine.execute(f"CREATE TABLE {quoted(relation)} (_row BIGINT, {quoted(name)} BIGINT)")
    engine.execute(f"INSERT INTO {quoted(relation)} VALUES (1, 5), (2, NULL), (3, 5)")
    table = Table(name, (Column(name, INT64, required=True),), key=(name,))
    found = engine.execute(row_rules_sql(rules_of(table), table, relation)).fetchall()
    assert found == [(2, f"required:{name}", None)]
    assert engine.execute(key_rules_sql(rules_of(table), table, relation)).fetchall() == [(3, f"primaryKey:{name}", "5", 1)]


def test_a_name_with_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quoted("a\0b")


def test_no_rules_are_sql_that_gives_no_rows(engine: duckdb.DuckDBPyConnection) -> None:
    table = Table("t", (Column("a", INT64),))
    assert engine.execute(row_rules_sql((), table, "t")).fetchall() == []
    assert engine.execute(key_rules_sql((), table, "t")).fetchall() == []


VALUES: dict[pa.DataType, list[Any]] = {
    INT32: [None, -1, 0, 1, 2, 5, 6, 2**31 - 1],
    INT64: [None, -(2**63), -1, 0, 5, 6, 2**63 - 1],
    decimal(6, 3): [None, Decimal("-1"), Decimal("0.499"), Decimal("0.5"), Decimal("0.501"), Decimal("5"), Decimal("999.999")],
    FLOAT64: [None, -1.0, -0.0, 0.1, 0.5, 5.0, 5.000000000000001, math.inf, -math.inf, math.nan],
    DATE: [None, date(1, 1, 1), date(2019, 12, 31), date(2020, 1, 1), date(2020, 1, 2), date(9999, 12, 31)],
    TIMESTAMP: [None, datetime(2019, 12, 31, 23, 59, 59, 999_999), datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 1)],
    INSTANT: [None, datetime(2019, 12, 31, 23, 59, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)],
    BOOLEAN: [None, True, False],
    STRING: [None, "", "a", "ab", "ab\n", "\nab", "äöü", "👍🏽", "a'b", "a\\b", "AB", "aab", "1", "it's", "x" * 300],
}
LIMITS: dict[pa.DataType, list[Any]] = {
    INT32: [0, 0.5, 5, -5, 10**12],
    INT64: [0, 0.5, 5, -(2**63)],
    decimal(6, 3): [0.5, "0.5", 5, 0.4999, 100_000, "0.00001"],
    FLOAT64: [0.1, 5, "0.5", -1],
    DATE: ["2020-01-01"],
    TIMESTAMP: ["2020-01-01", "2020-01-01T00:00:00.000001"],
    INSTANT: ["2020-01-01T01:00:00+01:00", "2020-01-01"],
}
ENUMS: dict[pa.DataType, tuple[Any, ...]] = {
    INT32: (0, 5, "6"),
    INT64: (5, -1),
    decimal(6, 3): ("0.5", 5),
    FLOAT64: (0.1, 5),
    DATE: ("2020-01-01",),
    TIMESTAMP: ("2020-01-01",),
    INSTANT: ("2020-01-01T00:00:00Z",),
    BOOLEAN: (True,),
    STRING: ("a", "it's", "a\\b", "ab"),
}
RANGES = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
CASES = [
    *[(arrow, kind, limit) for arrow, limits in LIMITS.items() for limit in limits for kind in RANGES],
    *[(arrow, "enum", values) for arrow, values in ENUMS.items()],
    *[(arrow, "required", None) for arrow in VALUES],
    *[(STRING, kind, limit) for kind in ("minLength", "maxLength") for limit in (0, 1, 2, 3)],
    *[(STRING, "pattern", pattern) for pattern in ("a*b", "a|ab", "[^a]*", ".*", "..?", r"\w+", "a'b", r"a\\b", "")],
    *[(INT64, kind, limit) for kind, limit in (("maxLength", 2), ("pattern", r"-?\d"))],
]


def holds(kind: str, limit: Any, value: Any) -> bool:
    """The rule in plain Python."""
    if kind == "required":
        return value is not None
    if value is None:
        return True
    if kind in RANGES:
        if isinstance(value, float) and math.isnan(value):
            return False
        bound: Any = limit
        if isinstance(value, (int, Decimal)):
            bound = Decimal(str(limit))
        elif isinstance(value, float):
            bound = float(limit)
        elif isinstance(value, datetime):
            bound = datetime.fromisoformat(limit)
            bound = bound.replace(tzinfo=UTC) if value.tzinfo and not bound.tzinfo else bound
        else:
            bound = date.fromisoformat(limit)
        return {"minimum": value >= bound, "maximum": value <= bound, "exclusiveMinimum": value > bound, "exclusiveMaximum": value < bound}[
            kind
        ]
    if kind == "enum":
        return any(
            holds("minimum", item, value) and holds("maximum", item, value) if not isinstance(value, (str, bool)) else item == value
            for item in limit
        )
    text = str(value)
    if kind == "pattern":
        return re.fullmatch(limit, text, re.ASCII) is not None
    return len(text) >= limit if kind == "minLength" else len(text) <= limit


@pytest.mark.parametrize(("arrow", "kind", "limit"), CASES, ids=[f"{a}-{k}-{limit!r}" for a, k, limit in CASES])
def test_sql_arrow_and_plain_python_agree(engine: duckdb.DuckDBPyConnection, arrow: pa.DataType, kind: Any, limit: Any) -> None:
    rule = Rule(f"{kind}:c", kind, ("c",), limit)
    table = Table("t", (Column("c", arrow),))
    values = VALUES[arrow]
    cells = pa.array(values, arrow)
    expected = [not holds(kind, limit, value) for value in values]
    mask = check_of(rule, table)(cells)
    engine.register("t", pa.table({"_row": pa.array(range(len(values)), pa.int64()), "c": cells}))
    found = engine.execute(row_rules_sql([rule], table, "t") + ' ORDER BY "row"').fetchall()
    assert [bool(broken) for broken in mask.to_pylist()] == expected
    assert [row for row, _, _ in found] == [row for row, broken in enumerate(expected) if broken]


REFUSED = [
    (STRING, "minimum", 5),
    (BOOLEAN, "maximum", 5),
    (INT64, "minimum", "2020-01-01"),
    (INT64, "minimum", 2**63),
    (INT64, "enum", ("a",)),
    (INT64, "enum", (True,)),
    (STRING, "enum", (1,)),
    (BOOLEAN, "enum", ("true",)),
    (DATE, "maxLength", 5),
    (FLOAT64, "pattern", "a"),
    (TIMESTAMP, "minimum", "2020-01-01T00:00:00Z"),
    (decimal(6, 3), "enum", ("0.0001",)),
]


@pytest.mark.parametrize(("arrow", "kind", "limit"), REFUSED, ids=[f"{a}-{k}-{limit!r}" for a, k, limit in REFUSED])
def test_a_rule_that_cannot_meet_its_columns_type_is_an_error_not_a_rejection(arrow: pa.DataType, kind: Any, limit: Any) -> None:
    rule = Rule(f"{kind}:c", kind, ("c",), limit)
    table = Table("t", (Column("c", arrow),))
    with pytest.raises(SettingsError, match=f"t.c: the rule {kind}:c"):
        check_of(rule, table)
    with pytest.raises(SettingsError):
        row_rules_sql([rule], table, "t")


def test_a_long_enum_is_one_statement_and_one_look_up(engine: duckdb.DuckDBPyConnection) -> None:
    """The statement grows by a literal per value (20 us each in DuckDB); Arrow looks 100,000 values up in one table."""
    table = Table("t", (Column("c", STRING),), rules=(Rule("enum:c", "enum", ("c",), tuple(f"v{i}" for i in range(10_000))),))
    engine.register("t", pa.table({"_row": [1, 2], "c": ["v9999", "w"]}))
    assert engine.execute(row_rules_sql(rules_of(table), table, "t")).fetchall() == [(2, "enum:c", "w")]
    longer = Rule("enum:c", "enum", ("c",), tuple(f"v{i}" for i in range(100_000)))
    assert check_of(longer, table)(pa.array(["v99999", "w", None])).to_pylist() == [False, True, False]


def test_references_compare_what_their_types_have_in_common(engine: duckdb.DuckDBPyConnection) -> None:
    """A text key that meets a number is compared as text: no engine may guess, or fail on a cell."""
    child = Table("c", (Column("ref", STRING),), foreign_keys=(ForeignKey(("ref",), "p", ("id",)),))
    parent = Table("p", (Column("id", INT64),))
    engine.register("c", pa.table({"_row": [1, 2, 3], "ref": ["7", "seven", None]}))
    engine.register("p", pa.table({"id": [7]}))
    assert engine.execute(key_rules_sql(rules_of(child), child, "c", parents={"p": (parent, "p")})).fetchall() == [
        (2, "foreignKey:ref->p.id", "seven", None)
    ]
    assert engine.execute(key_rules_sql(rules_of(child), child, "c")).fetchall() == []


def test_a_pattern_over_many_rows_is_told_row_by_row() -> None:
    """Its column is looked at in parts, side by side; the parts come back in order, also of a slice."""
    table = Table("t", (Column("a", STRING),))
    cells = pa.array([None if n % 7 == 0 else "ab"[: n % 3] for n in range(2 * PART_ROWS + 9)], STRING).slice(3)
    broken = check_of(Rule("pattern:a", "pattern", ("a",), "a?"), table)(cells)
    assert broken.to_pylist() == [None if cell is None else cell == "ab" for cell in cells.to_pylist()]
