"""dataframely and pandera as independent oracles: on random rows they and the judge must reject the same rows for the same reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dataframely as dy
import pandera.polars as pandera
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, Rule, Table
from platform_assets.dictionary.types import INT64, STRING
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.operations.judge import VersionJudge

WORDS = ("aa", "b", "ccc")
TABLE = Table(
    "t",
    (Column("id", INT64), Column("age", INT64, required=True), Column("word", STRING), Column("code", STRING), Column("mail", STRING)),
    key=("id",),
    unique=(("mail",),),
    rules=(
        Rule("minimum:age", "minimum", ("age",), 3),
        Rule("exclusiveMaximum:age", "exclusiveMaximum", ("age",), 9),
        Rule("minLength:code", "minLength", ("code",), 2),
        Rule("maxLength:code", "maxLength", ("code",), 3),
        Rule("pattern:code", "pattern", ("code",), "[a-c]+"),
        Rule("enum:word", "enum", ("word",), WORDS),
    ),
)
SMALL = st.one_of(st.none(), st.integers(0, 11))
TEXT = st.one_of(st.none(), st.text("abcd", max_size=4))
ROWS = st.lists(
    st.fixed_dictionaries({"id": SMALL, "age": SMALL, "word": st.one_of(TEXT, st.sampled_from(WORDS)), "code": TEXT, "mail": TEXT}),
    min_size=1,
    max_size=30,
)


class Peer(dy.Schema):
    """The same rules as dataframely states them. Its unique rules reject every row of a group: uniqueness is compared apart."""

    id = dy.Int64(nullable=False)
    age = dy.Int64(nullable=False, min=3, max_exclusive=9)
    word = dy.String(nullable=True)
    code = dy.String(nullable=True, min_length=2, max_length=3, regex=r"\A(?:[a-c]+)\z")
    mail = dy.String(nullable=True)

    @dy.rule()
    def allowed(cls) -> pl.Expr:  # noqa: N805
        return pl.col("word").is_null() | pl.col("word").is_in(WORDS)


NAMES = {
    "id|nullability": "required:id",
    "age|nullability": "required:age",
    "age|min": "minimum:age",
    "age|max_exclusive": "exclusiveMaximum:age",
    "code|min_length": "minLength:code",
    "code|max_length": "maxLength:code",
    "code|regex": "pattern:code",
    "allowed": "enum:word",
}
PANDERA = pandera.DataFrameSchema(
    {
        "id": pandera.Column(pl.Int64, nullable=False),
        "age": pandera.Column(pl.Int64, [pandera.Check.ge(3), pandera.Check.lt(9)], nullable=False),
        "word": pandera.Column(pl.String, pandera.Check.isin(list(WORDS)), nullable=True),
        "code": pandera.Column(pl.String, [pandera.Check.str_length(2, 3), pandera.Check.str_matches(r"^(?:[a-c]+)$")], nullable=True),
        "mail": pandera.Column(pl.String, nullable=True),
    }
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(tmp_path_factory.mktemp("work"), memory_limit="200MB", threads=1) as connection:
        yield connection


def judged(engine: Engine, rows: list[dict[str, Any]]) -> set[tuple[int, str]]:
    """(row from 0, rule) of every broken rule."""
    judge = VersionJudge(engine)
    judge.table(TABLE)
    batch = pa.RecordBatch.from_pylist(rows, schema=TABLE.arrow_schema())
    judge.add("t", batch, pa.array(range(1, len(rows) + 1), pa.int64()), pa.nulls(len(rows), STRING), True)
    return {(row - 1, one.rule) for row, broken in judge.verdicts()["t"].violations() for one in broken}


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.from_arrow(pa.Table.from_pylist(rows, schema=TABLE.arrow_schema()))  # type: ignore[return-value]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_dataframely_rejects_the_same_rows_for_the_same_reasons(engine: Engine, rows: list[dict[str, Any]]) -> None:
    details = Peer.filter(frame(rows)).failure.details()
    found: set[tuple[int, str]] = set()
    ours = judged(engine, rows)
    by_content: dict[tuple[Any, ...], set[str]] = {}
    for row in details.iter_rows(named=True):
        content = tuple(row[name] for name in TABLE.column_names)
        by_content[content] = {NAMES[name] for name in NAMES if row[name] == "invalid"}
    for place, row in enumerate(rows):
        found |= {(place, rule) for rule in by_content.get(tuple(row[name] for name in TABLE.column_names), set())}
    assert found == {(place, rule) for place, rule in ours if rule in NAMES.values()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_pandera_rejects_the_same_rows(engine: Engine, rows: list[dict[str, Any]]) -> None:
    wrong: set[int] = set()
    columns: set[str] = set()
    try:
        PANDERA.validate(frame(rows), lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        wrong = {int(index) for index in cases["index"].to_list() if index is not None}
        columns = set(cases["column"].to_list())
    ours = {(place, rule) for place, rule in judged(engine, rows) if rule in NAMES.values()}
    assert {rule.partition(":")[2] for _, rule in ours} == columns
    nulls = {place for place, row in enumerate(rows) if row["id"] is None or row["age"] is None}
    assert wrong | nulls == {place for place, _ in ours} | nulls


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_polars_finds_the_same_second_ones_among_equal_keys(engine: Engine, rows: list[dict[str, Any]]) -> None:
    found: set[tuple[int, str]] = set()
    for name, rule in (("id", "primaryKey:id"), ("mail", "unique:mail")):
        second = frame(rows).select(pl.col(name).is_not_null() & ~pl.col(name).is_first_distinct())[name].to_list()
        found |= {(place, rule) for place, wrong in enumerate(second) if wrong}
    assert found == {(place, rule) for place, rule in judged(engine, rows) if rule in ("primaryKey:id", "unique:mail")}
