"""Measures of a table in a load: taken on the accepted rows, told per version, and a failed one holds the version back."""

import pytest
from contracts import column, custom, key, number, table, write
from defs.ingesting import ask, ingest, put

from platform_assets.settings import Settings
from platform_assets.storage.home import Home

QUALITY = [
    {"metric": "rowCount", "mustBeGreaterThan": 1},
    {"metric": "duplicateValues", "mustBeLessOrEqualTo": 1, "arguments": {"properties": ["word"]}},
    {"type": "sql", "name": "oldest", "query": "SELECT max(age) FROM ${object};", "mustBeLessThan": 100},
]


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    put(home.dumps / "shop" / "t.csv", "id,age,word\n1,10,a\n2,20,a\n3,30,c\n4,x,d\n")
    return Settings(home.root, database_url=platform_database)


def dictionary(home: Home, *quality: dict, **more: object) -> None:
    write(home.dictionary, "shop", table("t", key(), number("age"), column("word"), quality=list(quality), **more))


def results(settings: Settings) -> list[tuple]:
    query = "SELECT rule, failed, severity FROM catalog.rule_results WHERE kind IN ('rowCount', 'duplicateValues', 'sql') ORDER BY rule"
    return ask(settings.database_url, query)


def test_measures_are_taken_on_the_accepted_rows_and_kept_per_version(home: Home, settings: Settings) -> None:
    dictionary(home, *QUALITY)
    assert ingest(settings).exit_code == 1
    assert results(settings) == [("duplicateValues:word", 0, "error"), ("rowCount:table", 0, "error"), ("sql:oldest", 0, "error")]
    dictionary(home, QUALITY[0] | {"mustBeGreaterThan": 3}, QUALITY[1] | {"mustBeLessOrEqualTo": 0, "severity": "warning"})
    report = ingest(settings)
    assert report.exit_code == 2
    assert "rowCount:table is 3, mustBeGreaterThan 3" in report.lines[0]
    assert results(settings) == [("duplicateValues:word", 1, "warning"), ("rowCount:table", 1, "error")]
    dictionary(home, QUALITY[0] | {"mustBeGreaterThan": 3, "severity": "warning"})
    assert ingest(settings).exit_code == 1
    assert len(ask(settings.database_url, "SELECT id FROM shop.t")) == 3


@pytest.mark.parametrize("query", ["SELECT nothing FROM ${object}", "SELECT count(*) FROM read_csv('/etc/passwd')", "DROP TABLE ${object}"])
def test_a_query_that_does_not_run_or_reaches_out_is_an_error_that_names_it(home: Home, settings: Settings, query: str) -> None:
    dictionary(home, {"type": "sql", "name": "bad", "query": query, "mustBe": 0})
    report = ingest(settings)
    assert report.exit_code == 2
    assert any("line 1: table t: the query of the check sql:bad cannot be run" in line for line in report.lines)
    assert ask(settings.database_url, "SELECT count(*) FROM catalog.rule_results") == [(0,)]
    dictionary(home, {"type": "sql", "name": "many", "query": "SELECT age FROM ${object}", "mustBe": 0})
    report = ingest(settings, [home.dumps / "shop" / "t.csv"])
    assert any("t: the check sql:many does not give a number" in line for line in report.lines), "only the rows tell"


def test_deletes_of_a_table_overrule_those_of_its_source(home: Home, settings: Settings) -> None:
    for label, text in (("a", "id,age,word\n1,1,a\n2,2,b\n"), ("b", "id,age,word\n1,1,a\n")):
        put(home.dumps / "shop" / label / "t.csv", text)
    (home.dumps / "shop" / "t.csv").unlink()
    (home.root / "order").mkdir()
    (home.root / "order" / "shop.yaml").write_text("order: [a, b]\n")
    dictionary(home)
    ingest(settings)
    assert ask(settings.database_url, "SELECT id FROM shop.t ORDER BY id") == [(1,), (2,)]
    dictionary(home, customProperties=custom(deletes="missing"))
    ingest(settings)
    states = ask(settings.database_url, "SELECT DISTINCT completeness FROM catalog.versions")
    expected = [(1,)] if states == [("complete",)] else [(1,), (2,)]
    assert ask(settings.database_url, "SELECT id FROM shop.t ORDER BY id") == expected
