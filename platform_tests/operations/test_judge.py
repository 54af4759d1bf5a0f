"""The judge: case by case, against a judge in plain Python on random tables, and with a million rejects."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.dictionary.model import Column, ForeignKey, Rule, Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.dictionary.types import FLOAT64, INT32, INT64, STRING, decimal
from platform_assets.engines.duckdb import open_engine
from platform_assets.errors import SettingsError
from platform_assets.operations import kept_keys
from platform_assets.operations.broken_rules import SHOWN
from platform_assets.operations.judge import Verdict, VersionJudge

Reasons = dict[int, set[str]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_engine(tmp_path_factory.mktemp("work"), memory_limit="200MB", threads=1) as connection:
        yield connection


def feed(judge: VersionJudge, table: Table, rows: list[dict[str, Any]], *, strict: bool = True, first: int = 1, size: int = 0) -> None:
    """Adds rows in batches of `size`; a cell {"raw": text} is one that its type could not hold."""
    for at in range(0, len(rows), size or len(rows) or 1):
        part = rows[at : at + (size or len(rows))]
        failed = [{name: cell["raw"] for name, cell in row.items() if isinstance(cell, dict)} for row in part]
        clean = [{name: None if isinstance(cell, dict) else cell for name, cell in row.items()} for row in part]
        batch = pa.RecordBatch.from_pylist(clean, schema=table.arrow_schema())
        raw = pa.array([json.dumps(cells) if cells else None for cells in failed], STRING)
        judge.add(table.name, batch, pa.array(range(first + at, first + at + len(part)), pa.int64()), raw, strict)


def reasons(verdict: Verdict) -> Reasons:
    found = {row: {violation.rule for violation in violations} for row, violations in verdict.violations()}
    assert list(found) == sorted(found) == verdict.rejected_rows.tolist() and verdict.rejected_rows.dtype == np.int64
    assert verdict.rejected == len(found)
    return found


def judged(engine: duckdb.DuckDBPyConnection, rows: Mapping[str, list[dict[str, Any]]], tables: Mapping[str, Table]) -> dict[str, Verdict]:
    judge = VersionJudge(engine)
    for name in rows:
        judge.table(tables[name])
    for name, some in rows.items():
        feed(judge, tables[name], some)
    return judge.verdicts()


JOBS = Table("jobs", (Column("id", INT64), Column("title", STRING, required=True)), key=("id",))
HIRES = Table(
    "hires",
    (Column("id", INT64), Column("name", STRING, required=True), Column("job", INT64), Column("boss", INT64)),
    key=("id",),
    foreign_keys=(ForeignKey(("job",), "jobs", ("id",)), ForeignKey(("boss",), "hires", ("id",))),
    rules=(Rule("maxLength:name", "maxLength", ("name",), 3), Rule("pattern:name", "pattern", ("name",), "[a-z]*", "warning")),
)
TABLES = {"jobs": JOBS, "hires": HIRES}


def hire(number: int | None, name: Any = "ann", job: Any = 1, boss: Any = None) -> dict[str, Any]:
    return {"id": number, "name": name, "job": job, "boss": boss}


def test_a_row_has_all_its_reasons_in_the_order_of_the_rules(engine: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(engine, {"jobs": [], "hires": [hire(1, None, 7), hire(1, "anna", {"raw": "x"}, 9)]}, TABLES)["hires"]
    found = {row: [(v.rule, v.code, v.columns, v.value) for v in violations] for row, violations in verdict.violations()}
    assert found == {
        1: [
            ("required:name", "missing-value", ("name",), None),
            ("foreignKey:job->jobs.id", "foreign-key", ("job",), "7"),
        ],
        2: [
            ("type:job", "type-error", ("job",), "x"),
            ("primaryKey:id", "primary-key", ("id",), "1"),
            ("foreignKey:boss->hires.id", "foreign-key", ("boss",), "9"),
            ("maxLength:name", "constraint-error", ("name",), "anna"),
        ],
    }


def test_of_equal_keys_the_first_row_stands_and_is_named(engine: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(engine, {"jobs": [{"id": 5, "title": title} for title in "abc"]}, TABLES)["jobs"]
    assert {row: v[0].message for row, v in verdict.violations()} == {
        2: "id '5' stands in row 1 already; the first row stands.",
        3: "id '5' stands in row 1 already; the first row stands.",
    }


def test_a_missing_key_is_required_and_equal_to_nothing(engine: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(engine, {"jobs": [{"id": None, "title": "a"}, {"id": None, "title": "b"}]}, TABLES)["jobs"]
    assert reasons(verdict) == {1: {"required:id"}, 2: {"required:id"}}


def test_null_never_equals_null_in_a_unique_column(engine: duckdb.DuckDBPyConnection) -> None:
    table = Table("t", (Column("a", INT64), Column("b", STRING)), unique=(("a", "b"),))
    verdict = judged(engine, {"t": [{"a": 1, "b": None}] * 2 + [{"a": 1, "b": "x"}] * 2}, {"t": table})["t"]
    assert reasons(verdict) == {4: {"unique:a,b"}}


def test_a_rejected_parent_is_missing_all_the_way_down(engine: duckdb.DuckDBPyConnection) -> None:
    tables = {name: Table(name, (Column("id", INT64), Column("up", INT64)), key=("id",)) for name in "abc"}
    tables["b"] = replace(tables["b"], foreign_keys=(ForeignKey(("up",), "a", ("id",)),))
    tables["c"] = replace(tables["c"], foreign_keys=(ForeignKey(("up",), "b", ("id",)),))
    rows = {name: [{"id": 1, "up": 1}, {"id": 2, "up": 2}] for name in "cba"}
    rows["a"] = [{"id": 1, "up": None}, {"id": None, "up": None}]
    verdicts = judged(engine, rows, tables)
    assert [sorted(reasons(verdicts[name])) for name in "abc"] == [[2], [2], [2]]


def test_in_a_cycle_rows_count_that_no_other_rule_rejects_once(engine: duckdb.DuckDBPyConnection) -> None:
    """Row 3 refers to row 2, which is rejected for its own reference: the chain does not run on."""
    rows = [hire(1), hire(2, boss=99), hire(3, boss=2), hire(4, None), hire(5, boss=4), hire(6, boss=6)]
    verdict = judged(engine, {"hires": rows, "jobs": [{"id": 1, "title": "x"}]}, TABLES)["hires"]
    assert reasons(verdict) == {2: {"foreignKey:boss->hires.id"}, 4: {"required:name"}, 5: {"foreignKey:boss->hires.id"}}


def test_a_reference_is_not_evaluated_when_its_table_is_not_in_the_version(engine: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(engine, {"hires": [hire(1, job=77)]}, TABLES)["hires"]
    assert verdict.rejected == 0 and verdict.rule_counts["foreignKey:job->jobs.id"] == (0, 0)
    assert verdict.rule_counts["foreignKey:boss->hires.id"] == (1, 0)


def test_a_table_without_rows_is_in_the_version(engine: duckdb.DuckDBPyConnection) -> None:
    verdicts = judged(engine, {"jobs": [], "hires": [hire(1, job=77)]}, TABLES)
    assert reasons(verdicts["hires"]) == {1: {"foreignKey:job->jobs.id"}}
    assert verdicts["jobs"].rejected == 0 and verdicts["jobs"].rows == 0


def test_a_warning_never_rejects_and_is_counted(engine: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(engine, {"hires": [hire(1, "ANN"), hire(2)]}, TABLES)["hires"]
    assert verdict.rejected == 0 and verdict.warnings == {"pattern:name": (2, 1)} and verdict.rule_counts["pattern:name"] == (2, 1)
    assert [(row, v[0].value) for row, v in verdict.warned()] == [(1, "ANN")]


def test_a_cell_that_its_type_cannot_hold_rejects_only_where_that_is_strict_or_a_key(engine: duckdb.DuckDBPyConnection) -> None:
    judge = VersionJudge(engine)
    judge.table(HIRES)
    feed(judge, HIRES, [hire(1, {"raw": "\\xff"}, {"raw": "0000"}), hire({"raw": "9" * 30})], strict=False)  # type: ignore[arg-type]
    verdict = judge.verdicts()["hires"]
    assert reasons(verdict) == {2: {"type:id"}}
    assert next(verdict.violations())[1][0].message == f"id '{'9' * 30}' is not of type int64."


def test_a_long_value_is_cut_in_its_violation(engine: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(engine, {"hires": [hire(1, "x" * 10_000)]}, TABLES)["hires"]
    value = next(verdict.violations())[1][0].value
    assert value == "x" * SHOWN + "…"


def test_a_table_that_comes_again_is_judged_anew(engine: duckdb.DuckDBPyConnection) -> None:
    judge = VersionJudge(engine)
    judge.table(JOBS)
    feed(judge, JOBS, [{"id": 1, "title": None}, {"id": 1, "title": "a"}])
    judge.restart("jobs")
    feed(judge, JOBS, [{"id": 1, "title": "a"}, {"id": 2, "title": None}])
    verdict = judge.verdicts()["jobs"]
    assert reasons(verdict) == {2: {"required:title"}} and verdict.rows == 2


def test_rules_that_come_after_the_rows_are_asked_for_not_forgotten(engine: duckdb.DuckDBPyConnection) -> None:
    """A dump that states its keys at its end (phpMyAdmin, pg_dump) must be judged by them."""
    bare = replace(JOBS, key=(), columns=tuple(replace(column, required=False) for column in JOBS.columns))
    rows = [{"id": 1, "title": "a"}, {"id": 1, "title": None}]
    judge = VersionJudge(engine)
    judge.table(bare)
    feed(judge, bare, rows)
    assert judge.late() == {}
    judge.table(JOBS)
    assert judge.late() == {"jobs": ("id", "title")}
    with pytest.raises(ValueError, match="jobs came after their rows"):
        judge.verdicts()
    judge.restart("jobs")
    feed(judge, JOBS, rows)
    assert reasons(judge.verdicts()["jobs"]) == {2: {"primaryKey:id", "required:title"}}


def test_a_reference_that_is_known_late_needs_no_second_look_at_keys(engine: duckdb.DuckDBPyConnection) -> None:
    judge = VersionJudge(engine)
    judge.table(JOBS)
    feed(judge, JOBS, [{"id": 1, "title": "a"}])
    judge.table(HIRES)
    feed(judge, HIRES, [hire(1, job=2)])
    assert judge.late() == {} and reasons(judge.verdicts()["hires"]) == {1: {"foreignKey:job->jobs.id"}}


def test_a_reference_to_a_column_that_was_not_kept_is_late_unless_it_was_known(engine: duckdb.DuckDBPyConnection) -> None:
    child = Table("child", (Column("title", STRING),), foreign_keys=(ForeignKey(("title",), "jobs", ("title",)),))
    for known, late in ((None, {"jobs": ("id", "title")}), ({"child": child}, {})):
        judge = VersionJudge(engine, known)
        judge.table(JOBS)
        feed(judge, JOBS, [{"id": 1, "title": "a"}])
        judge.table(child)
        feed(judge, child, [{"title": "a"}, {"title": "b"}])
        assert judge.late() == late
        if late:
            judge.restart("jobs")
            feed(judge, JOBS, [{"id": 1, "title": "a"}])
        assert reasons(judge.verdicts()["child"]) == {2: {"foreignKey:title->jobs.title"}}


def test_a_rule_on_a_column_that_the_dump_lacks_is_not_evaluated(engine: duckdb.DuckDBPyConnection) -> None:
    table = Table("t", (Column("a", INT64),), key=("gone",), unique=(("a", "gone"),), foreign_keys=(ForeignKey(("gone",), "t", ("a",)),))
    table = replace(table, rules=(Rule("minimum:gone", "minimum", ("gone",), 1),))
    verdict = judged(engine, {"t": [{"a": 1}]}, {"t": table})["t"]
    assert verdict.rejected == 0
    assert {rule: counts for rule, counts in verdict.rule_counts.items() if rule != "type:a"} == {
        rule.id: (0, 0) for rule in rules_of(table)
    }


def test_a_limit_that_does_not_suit_the_dumps_type_names_table_and_column(engine: duckdb.DuckDBPyConnection) -> None:
    judge = VersionJudge(engine)
    with pytest.raises(SettingsError, match=r"t\.a: the rule minimum:a"):
        judge.table(Table("t", (Column("a", STRING),), rules=(Rule("minimum:a", "minimum", ("a",), 1),)))


@pytest.mark.parametrize("names", [("A", "a"), ('sel"ect', "ctid"), ("_row", "k0"), ("ä", "Ä")])
def test_hostile_names_and_case_twins_are_kept_apart(engine: duckdb.DuckDBPyConnection, names: tuple[str, str]) -> None:
    left, right = names
    table = Table('t";', (Column(left, INT64), Column(right, INT64)), key=(left,), unique=((right,),))
    verdict = judged(engine, {'t";': [{left: 1, right: 1}, {left: 2, right: 1}, {left: 1, right: 2}]}, {'t";': table})['t";']
    assert reasons(verdict) == {2: {f"unique:{right}"}, 3: {f"primaryKey:{left}"}}


@dataclass(frozen=True)
class Plain:
    """The judge in plain Python: rules one by one, row by row."""

    tables: Mapping[str, Table]
    rows: Mapping[str, list[dict[str, Any]]]

    def reasons(self) -> dict[str, Reasons]:
        found: dict[str, Reasons] = {name: {} for name in self.rows}
        for name, rows in self.rows.items():
            for number, row in enumerate(rows, 1):
                broken = {rule.id for rule in rules_of(self.tables[name]) if self.breaks(rule, name, number, row)}
                broken |= {f"type:{column}" for column, cell in row.items() if isinstance(cell, dict)}
                if broken:
                    found[name][number] = broken
        done: set[str] = set()
        for group in (("top",), ("left", "right"), ("leaf",)):
            for targets in (done, set(group)):
                before = {name: set(found[name]) for name in self.rows}
                for name in set(group) & set(self.rows):
                    for number, row in enumerate(self.rows[name], 1):
                        for rule in rules_of(self.tables[name]):
                            if rule.kind == "foreignKey" and rule.limit[0] in targets & set(self.rows) and self.dangles(rule, row, before):
                                found[name].setdefault(number, set()).add(rule.id)
            done |= set(group)
        return found

    def dangles(self, rule: Rule, row: dict[str, Any], rejected: Mapping[str, set[int]]) -> bool:
        parent, *columns = rule.limit
        wanted = [row[column] for column in rule.columns]
        if any(cell is None or isinstance(cell, dict) for cell in wanted):
            return False
        there = [[other[column] for column in columns] for n, other in enumerate(self.rows[parent], 1) if n not in rejected[parent]]
        return wanted not in there

    def breaks(self, rule: Rule, name: str, number: int, row: dict[str, Any]) -> bool:
        cells = [row[column] for column in rule.columns]
        if rule.kind == "required":
            return cells[0] is None
        if rule.kind == "foreignKey" or any(cell is None or isinstance(cell, dict) for cell in cells):
            return False
        if rule.kind in ("primaryKey", "unique"):
            return any([other[column] for column in rule.columns] == cells for other in self.rows[name][: number - 1])
        cell = cells[0]
        return {"minimum": lambda: cell < rule.limit, "maxLength": lambda: len(cell) > rule.limit, "enum": lambda: cell not in rule.limit}[
            rule.kind
        ]()


def _node(name: str, *keys: ForeignKey) -> Table:
    columns = (Column("id", INT64), Column("code", STRING, required=True), Column("one", INT32), Column("two", INT64))
    rules = (
        Rule("minimum:two", "minimum", ("two",), 1),
        Rule("maxLength:code", "maxLength", ("code",), 2),
        Rule("enum:one", "enum", ("one",), (0, 1, 2)),
    )
    return Table(name, columns, key=("id",), unique=(("code", "one"),), foreign_keys=keys, rules=rules)


RANDOM = {
    "top": _node("top"),
    "left": _node("left", ForeignKey(("one",), "right", ("id",)), ForeignKey(("two",), "top", ("id",))),
    "right": _node("right", ForeignKey(("one",), "left", ("id",)), ForeignKey(("two",), "right", ("id",))),
    "leaf": _node("leaf", ForeignKey(("code", "one"), "top", ("code", "one")), ForeignKey(("two",), "right", ("id",))),
}
small = st.one_of(st.none(), st.integers(0, 3), st.just({"raw": "?"}))
some_rows = st.lists(
    st.fixed_dictionaries({"id": small, "code": st.one_of(st.none(), st.sampled_from(["a", "b", "abc"])), "one": small, "two": small}),
    max_size=8,
)


@settings(max_examples=80, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from(sorted(RANDOM)), some_rows, min_size=1), st.integers(1, 4), st.randoms(use_true_random=False))
def test_random_tables_get_the_verdict_of_plain_python(
    engine: duckdb.DuckDBPyConnection, rows: dict[str, list[dict[str, Any]]], size: int, random: Any
) -> None:
    names = sorted(rows)
    random.shuffle(names)
    judge = VersionJudge(engine)
    for name in names:
        judge.table(RANDOM[name])
    for name in names:
        feed(judge, RANDOM[name], rows[name], size=size)
    verdicts = judge.verdicts()
    found = {name: reasons(verdict) for name, verdict in verdicts.items()}
    assert found == Plain(RANDOM, rows).reasons()
    for name, verdict in verdicts.items():
        counted = {rule: failed for rule, (_, failed) in verdict.rule_counts.items() if failed}
        assert counted == {
            rule: sum(rule in broken for broken in found[name].values()) for broken in found[name].values() for rule in broken
        }


def test_a_table_of_1600_columns_has_every_reason_of_a_row(engine: duckdb.DuckDBPyConnection) -> None:
    """A rule per column, its names and columns made once: 1,600 times 1,600 look-ups took longer than the rows."""
    names = [f"c{number}" for number in range(1_600)]
    rules = tuple(Rule(f"maximum:{name}", "maximum", (name,), 9) for name in names)
    table = Table("wide", tuple(Column(name, INT64, required=True) for name in names), rules=rules)
    assert table.column_names is table.column_names and replace(table, columns=table.columns[:2]).column_names == ("c0", "c1")
    row = dict.fromkeys(names, 9)
    verdict = judged(engine, {"wide": [row, dict.fromkeys(names, 10), row | {"c7": None}]}, {"wide": table})["wide"]
    found = {number: [violation.rule for violation in violations] for number, violations in verdict.violations()}
    assert found == {2: [rule.id for rule in rules], 3: ["required:c7"]}
    assert verdict.rule_counts["maximum:c1599"] == (3, 1) and len(verdict.rule_counts) == 3_200 + 1_600


def test_an_enum_of_100000_values_judges_every_row(engine: duckdb.DuckDBPyConnection) -> None:
    values = tuple(f"v{number}" for number in range(100_000))
    table = Table("t", (Column("c", STRING),), rules=(Rule("enum:c", "enum", ("c",), values),))
    rows = [{"c": f"v{number}"} for number in (0, 99_999, 100_000)] + [{"c": None}, {"c": ""}]
    assert set(reasons(judged(engine, {"t": rows}, {"t": table})["t"])) == {3, 5}


KEYED = {arrow: Table("t", (Column("id", arrow),), key=("id",)) for arrow in (INT32, INT64)}
nearly_ascending = st.lists(st.one_of(st.none(), st.integers(-3, 3), st.just(-(2**31))), max_size=12).map(
    lambda steps: [None if step is None else max(-(2**31), 2 * at + step) for at, step in enumerate(steps)]
)


@settings(max_examples=150, deadline=None, database=None)
@given(nearly_ascending, st.integers(1, 4), st.integers(0, 6), st.sampled_from(sorted(KEYED, key=str)), st.sampled_from((0, 2, 5, 99)))
def test_keys_that_nearly_ascend_get_the_verdict_of_plain_python(
    engine: duckdb.DuckDBPyConnection, keys: list[int | None], size: int, turned: int, arrow: pa.DataType, sorted_rows: int
) -> None:
    """Sorted, found below others, or grouped: which row stands is a matter of its number, not of when its batch came."""
    rows = [{"id": key} for key in keys]
    judge = VersionJudge(engine)
    judge.table(KEYED[arrow])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_keys, "SORTED_ROWS", sorted_rows)
        feed(judge, KEYED[arrow], rows[turned:], first=turned + 1, size=size)
        feed(judge, KEYED[arrow], rows[:turned], size=size)
    broken = {rule.kind: {n for n, key in enumerate(keys, 1) if key is None} for rule in rules_of(KEYED[arrow]) if rule.kind == "required"}
    broken["primaryKey"] = {n for n, key in enumerate(keys, 1) if key is not None and key in keys[: n - 1]}
    found = reasons(judge.verdicts()["t"])
    assert {kind: {n for n, rules in found.items() if f"{kind}:id" in rules} for kind in broken} == broken


def test_two_tables_are_read_side_by_side(engine: duckdb.DuckDBPyConnection) -> None:
    rows = {"jobs": [{"id": None, "title": None}] * 40_000, "hires": [hire(None, None)] * 40_000}
    verdicts = judged(engine, rows, TABLES)
    pairs = list(zip(verdicts["jobs"].violations(), verdicts["hires"].violations(), strict=True))
    assert len(pairs) == 40_000 and all(left[0] == right[0] for left, right in pairs)


def test_as_many_rejects_as_rows_stay_out_of_memory(tmp_path: Path) -> None:
    """300,000 rows that all break three rules or four: read back with a few MB of Python memory, under a limit of 60 MB for the rest."""
    table = Table(
        "t",
        (Column("id", INT64), Column("name", STRING, required=True), Column("price", decimal(10, 2)), Column("size", FLOAT64)),
        key=("id",),
        rules=(Rule("minimum:price", "minimum", ("price",), 0), Rule("maximum:size", "maximum", ("size",), 1)),
    )
    size, batches = 50_000, 6
    batch = pa.record_batch(
        [
            pa.array(np.arange(size)),
            pa.nulls(size, STRING),
            pa.array(np.full(size, -100), INT64).cast(pa.decimal128(19, 0)).cast(decimal(10, 2), safe=False),
            pa.array(np.full(size, 2.0)),
        ],
        schema=table.arrow_schema(),
    )
    with open_engine(tmp_path, memory_limit="60MB", threads=1) as small_engine:
        judge = VersionJudge(small_engine)
        judge.table(table)
        raw = pa.nulls(size, STRING)
        for number in range(batches):
            judge.add("t", batch, pa.array(np.arange(size) + number * size), raw, True)
        verdict = judge.verdicts()["t"]
        assert verdict.rejected == size * batches
        tracemalloc.start()
        try:
            read = 0
            for _, violations in verdict.violations():
                read += len(violations)
                if read > 100_000:
                    break
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert read > 100_000 and peak < 40_000_000
        assert verdict.rule_counts["primaryKey:id"] == (size * batches, size * (batches - 1))
