"""Few rows are judged in Arrow alone, many with DuckDB: both ways must tell the same, word for word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, ForeignKey, Rule, Table
from platform_assets.dictionary.types import BOOLEAN, DATE, FLOAT64, INT32, INT64, STRING, TIMESTAMP, decimal
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.operations import broken_rules, kept_keys
from platform_assets.operations.judge import VersionJudge

PARENT = Table("parents", (Column("id", INT64),), key=("id",))
COLUMNS = (
    Column("id", INT64),
    Column("code", STRING, required=True),
    Column("small", INT32),
    Column("yes", BOOLEAN),
    Column("price", decimal(9, 4)),
    Column("size", FLOAT64),
    Column("day", DATE),
    Column("at", TIMESTAMP, required=True),
    Column("parent", INT64),
)
RULES = (
    Rule("maxLength:code", "maxLength", ("code",), 3),
    Rule("pattern:code", "pattern", ("code",), "[a-z]*", "warning"),
    Rule("enum:small", "enum", ("small",), (1, 2)),
    Rule("minimum:price", "minimum", ("price",), "0.5"),
)
RANGES = (Rule("minimum:size", "minimum", ("size",), 0), Rule("minimum:day", "minimum", ("day",), "2000-01-01"))
UNIQUE = (("code",), ("yes", "price"), ("small", "code", "price"))
TYPED = (("size",), ("day", "small"), ("at",))
"""Keys of which DuckDB alone tells whether they are equal, or how they are written, are among them."""
failed = st.just({"raw": "?"})
numbers = st.one_of(st.none(), st.integers(0, 3), failed)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": numbers,
            "code": st.one_of(
                st.none(), st.sampled_from(["", "a", "a, b", "ABC", "é\u0301", "abcd"]), st.just("\U0001f926\u200d\u2642x" * 60)
            ),
            "small": numbers,
            "yes": st.one_of(st.none(), st.booleans()),
            "price": st.one_of(st.none(), st.sampled_from([Decimal("0.0001"), Decimal("-12.5"), Decimal(3), Decimal("0.5")])),
            "size": st.one_of(st.none(), st.sampled_from([0.0, -0.0, -1e20, -1e-7, float("nan"), -float("nan")])),
            "day": st.one_of(st.none(), st.sampled_from([date(1, 1, 1), date(1999, 1, 1), date(2024, 2, 29)])),
            "at": st.one_of(st.none(), st.sampled_from([datetime(2024, 1, 1, 8), datetime(2024, 1, 1, 8, 0, 0, 120_000)])),
            "parent": numbers,
        }
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(tmp_path_factory.mktemp("work"), memory_limit="200MB", threads=1) as connection:
        yield connection


def told(engine: Engine, table: Table, rows: list[dict[str, Any]], size: int) -> tuple[Any, ...]:
    """All that a verdict tells."""
    judge = VersionJudge(engine)
    judge.table(PARENT)
    judge.table(table)
    judge.add("parents", pa.record_batch({"id": pa.array([1, 2])}), pa.array([1, 2]), pa.nulls(2, STRING), True)
    for at in range(0, len(rows), size):
        part = rows[at : at + size]
        clean = [{name: None if isinstance(cell, dict) else cell for name, cell in row.items()} for row in part]
        raw = [{name: cell["raw"] for name, cell in row.items() if isinstance(cell, dict)} for row in part]
        batch = pa.RecordBatch.from_pylist(clean, schema=table.arrow_schema())
        texts = pa.array([json.dumps(cells) if cells else None for cells in raw], STRING)
        judge.add("t", batch, pa.array(range(at + 1, at + 1 + len(part))), texts, True)
    verdict = judge.verdicts()["t"]
    found = verdict.rejected_rows.tolist(), verdict.rule_counts, verdict.warnings, list(verdict.violations()), list(verdict.warned())
    assert verdict.rejected_rows.dtype == "int64"
    return found


@settings(max_examples=60, deadline=None, database=None)
@given(ROWS, st.integers(1, 5), st.booleans(), st.booleans())
def test_few_rows_are_told_as_many_are(engine: Engine, rows: list[dict[str, Any]], size: int, typed: bool, refers: bool) -> None:
    keys = (ForeignKey(("parent",), "parents", ("id",)),) if refers else ()
    rules = (*RULES, *RANGES) if typed else RULES
    table = Table("t", COLUMNS, key=("id",), unique=(*UNIQUE, *TYPED) if typed else UNIQUE, foreign_keys=keys, rules=rules)
    here = told(engine, table, rows, size)
    with pytest.MonkeyPatch.context() as patch:
        for module in (kept_keys, broken_rules):
            patch.setattr(module, "HELD_ROWS", 1)
        patch.setattr(kept_keys, "SORTED_ROWS", 0)
        assert told(engine, table, rows, size) == here


def test_few_rows_make_no_table(tmp_path: Path) -> None:
    rows = [
        {column.name: None for column in COLUMNS} | {"id": n // 2, "code": "abcd", "at": datetime(2024, 1, 1), "yes": True}
        for n in range(9)
    ]
    with open_engine(tmp_path, threads=1) as fresh:
        _, counts, *_ = told(fresh, Table("t", COLUMNS, key=("id",), unique=UNIQUE, rules=RULES), rows, 4)
        assert counts["primaryKey:id"] == (9, 4) and counts["unique:code"] == (9, 8) and counts["maxLength:code"] == (9, 9)
        assert fresh.execute("SELECT count(*) FROM duckdb_tables() WHERE NOT internal").fetchall() == [(0,)]


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.one_of(
        st.lists(st.floats(width=64)).map(lambda cells: pa.array(cells, FLOAT64)),
        st.lists(st.one_of(st.none(), st.datetimes())).map(lambda cells: pa.array(cells, TIMESTAMP)),
        st.lists(st.integers(-800_000, 4_000_000)).map(lambda days: pa.array(days, INT32).cast(DATE)),
        st.lists(st.decimals(-999, 999, places=9)).map(lambda cells: pa.array(cells, decimal(12, 9))),
        st.lists(st.one_of(st.none(), st.booleans())).map(lambda cells: pa.array(cells, BOOLEAN)),
        st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda cells: pa.array(cells, INT64)),
    )
)
def test_a_value_is_written_as_the_engine_writes_it(engine: Engine, cells: pa.Array) -> None:
    text = broken_rules.as_text(cells)
    if text is None:
        assert cells.type == DATE, "years far off are the engine's to write"
        return
    engine.register("cells", pa.table({"place": range(len(cells)), "cell": cells}))
    assert [(one,) for one in text.to_pylist()] == engine.execute("SELECT CAST(cell AS STRING) FROM cells ORDER BY place").fetchall()
    engine.unregister("cells")
