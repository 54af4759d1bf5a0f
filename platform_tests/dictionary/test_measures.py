"""Checks of a table as a whole, NULL tokens, words, multiples and formats: from the contract's text to what they do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from contracts import column, custom, key, number, table, write

from platform_assets.dictionary.checks import check_of
from platform_assets.dictionary.contract import load_contract
from platform_assets.dictionary.measures import within
from platform_assets.dictionary.model import Column, Measure, Rule, Table
from platform_assets.dictionary.rules import row_rules_sql
from platform_assets.dictionary.types import INT64, STRING, decimal
from platform_assets.engines.duckdb import open_engine
from platform_assets.formats.cast import cast_batch

FORMATS = {
    "email": (["a.b+c@d-e.example"], ["a@b", "a b@c.de", "@c.de", "a@.de"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000"]),
    "uri": (["https://a.example/x?y#z", "urn:isbn:1"], ["a.example", "http://a b"]),
    "hostname": (["a.example", "localhost"], ["-a.example", "a..b", "a_b"]),
    "ipv4": (["0.0.0.0", "255.1.20.199"], ["256.0.0.1", "1.2.3", "01.2.3.4"]),
    "ipv6": (["::", "::1", "2001:db8::8a2e:370:7334", "1:2:3:4:5:6:7:8"], ["1:2", "g::1", "1::2::3"]),
}


def both(rule: Rule, arrow: pa.DataType, values: list, work: Path) -> list[bool]:
    """Whether each value breaks the rule; Arrow and SQL must say the same."""
    made = Table("t", (Column("c", arrow),))
    array = pa.array(values, arrow)
    broken = [bool(one) for one in check_of(rule, made)(array).to_pylist()]
    with open_engine(work, memory_limit="100MB", threads=1) as engine:
        engine.register("rows", pa.table({"_row": range(len(values)), "c": array}))
        found = engine.execute(row_rules_sql([rule], made, "rows")).fetchall()
    assert {row for row, _, _ in found} == {place for place, wrong in enumerate(broken) if wrong}
    return broken


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_of_text_tells_likely_from_wrong(name: str, tmp_path: Path) -> None:
    right, wrong = FORMATS[name]
    assert both(Rule("format:c", "format", ("c",), name), STRING, [*right, *wrong, None], tmp_path) == [
        *([False] * len(right)),
        *([True] * len(wrong)),
        False,
    ]


@pytest.mark.parametrize(
    ("arrow", "step", "right", "wrong"),
    [
        (INT64, 5, [0, -10, 2**62 - 2**62 % 5], [1, -4, 2**62 - 2**62 % 5 + 1]),
        (decimal(18, 2), 0.05, [Decimal("0.15"), Decimal("-1.00")], [Decimal("0.01"), Decimal("9999999999999999.99")]),
        (decimal(6, 3), 2, [Decimal("4.000")], [Decimal("4.001"), Decimal("3.000")]),
    ],
)
def test_multiples_are_told_exactly(arrow: pa.DataType, step: float, right: list, wrong: list, tmp_path: Path) -> None:
    rule = Rule("multipleOf:c", "multipleOf", ("c",), step)
    assert both(rule, arrow, [*right, *wrong, None], tmp_path) == [*([False] * len(right)), *([True] * len(wrong)), False]


def test_words_of_a_column_are_read_as_declared_and_only_so(tmp_path: Path) -> None:
    made = table(
        "t",
        column("word", customProperties=custom(nullValues=["NA", "-"])),
        column("price", "number", physicalType="decimal(8,2)", customProperties=custom(decimalSeparator=",")),
        column("ratio", "number", customProperties=custom(decimalSeparator=",", nullValues=["NA"])),
        column("done", "boolean", customProperties=custom(trueValues=["oui"], falseValues=["non"])),
        column("plain"),
    )
    write(tmp_path, "shop", made)
    loaded = load_contract(tmp_path / "shop.odcs.yaml")["t"]
    assert Table.from_json(loaded.to_json()) == loaded
    cells = {
        "word": ["NA", "-", "na", "x"],
        "price": ["1,50", "1.50", "1,5,0", "-3"],
        "ratio": ["0,5", "NA", "1e3", "0.5"],
        "done": ["oui", "NON", "true", None],
        "plain": ["NA", "null", "", None],
    }
    done = cast_batch(pa.RecordBatch.from_pydict({name: pa.array(values, STRING) for name, values in cells.items()}), loaded)
    assert done.batch.to_pydict() == {
        "word": [None, None, "na", "x"],
        "price": [Decimal("1.50"), None, None, Decimal("-3.00")],
        "ratio": [0.5, None, 1000.0, None],
        "done": [True, False, None, None],
        "plain": ["NA", "null", "", None],
    }
    assert done.failures == {"price": 2, "ratio": 1, "done": 1}


@pytest.mark.parametrize(
    ("bounds", "held", "broken"),
    [
        ({"mustBe": 3}, [3], [2, None]),
        ({"mustBeGreaterOrEqualTo": 1, "mustBeLessThan": 3}, [1, 2.5], [0, 3]),
        ({"mustBeBetween": [1, 2]}, [1, 2], [0.5, 3]),
        ({"mustNotBeBetween": [1, 2]}, [0, 3], [1, 2]),
    ],
)
def test_bounds_of_a_measure(bounds: dict, held: list, broken: list, tmp_path: Path) -> None:
    write(tmp_path, "shop", table("t", key(), quality=[{"metric": "rowCount", "type": "library"} | bounds]))
    loaded = load_contract(tmp_path / "shop.odcs.yaml")["t"]
    assert Table.from_json(loaded.to_json()) == loaded
    (measure,) = loaded.measures
    assert isinstance(measure, Measure)
    assert [within(measure, value) for value in held] == [True] * len(held)
    assert [within(measure, value) for value in broken] == [False] * len(broken)


def test_a_check_on_rows_with_bound_zero_stays_a_rule_on_each_row(tmp_path: Path) -> None:
    share = {"metric": "nullValues", "mustBeLessThan": 5, "unit": "percent", "severity": "warning"}
    quality = [{"metric": "nullValues", "mustBe": 0}, share]
    write(tmp_path, "shop", table("t", key(), number("age", quality=quality)))
    loaded = load_contract(tmp_path / "shop.odcs.yaml")["t"]
    assert loaded.column("age").required
    assert [(one.id, one.percent, one.severity) for one in loaded.measures] == [("nullValues:age", True, "warning")]
