"""A dictionary that changes: what it judged is judged again from the stored rows, and everything that is made of them follows."""

from dataclasses import replace

import dagster as dg
import pytest
from contracts import column, custom, key, number, table, write
from defs.ingesting import ask, ingest, put

from platform_assets.defs.platform import Platform
from platform_assets.defs.sensors import dump_files
from platform_assets.dictionary.source import SourceSettings
from platform_assets.operations.stale_verdicts import judging_by_source, stale_verdicts
from platform_assets.settings import Settings
from platform_assets.storage.files import read_json
from platform_assets.storage.home import Home

ROWS = "id,age,word\n1,10,a\n2,20,b\n3,30,c\n4,x,d\n"


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    put(home.dumps / "shop" / "t.csv", ROWS)
    return Settings(home.root, database_url=platform_database)


def dictionary(home: Home, age: dict, word: dict | None = None, **more) -> None:
    write(home.dictionary, "shop", table("t", key(), number("age", **age), column("word", **(word or {})), **more))


def rows(settings: Settings) -> list[tuple]:
    return ask(settings.database_url, "SELECT id, age FROM shop.t ORDER BY id")


def rejects(settings: Settings) -> list[tuple]:
    query = "SELECT row_number, status, violations -> 0 ->> 'rule' FROM catalog.rejects ORDER BY row_number"
    return ask(settings.database_url, query)


def parsed_at(home: Home) -> list[str]:
    return [read_json(path)["facts"]["parsed_at"] for path in (home.store / "snapshots").rglob("snapshot.json")]


def test_rows_move_into_and_out_of_quarantine_when_the_dictionary_changes(home: Home, settings: Settings) -> None:
    dictionary(home, {"logicalTypeOptions": {"minimum": 15}})
    assert ingest(settings).exit_code == 1
    assert rows(settings) == [(2, 20), (3, 30)]
    assert rejects(settings) == [(1, "open", "minimum:age"), (4, "open", "type:age")]
    first = parsed_at(home)
    raw = ask(settings.database_url, "SELECT raw FROM catalog.rejects WHERE row_number = 1")

    dictionary(home, {"logicalTypeOptions": {"maximum": 25}})
    report = ingest(settings)
    assert report.exit_code == 1
    assert [(row["accepted"], row["rejected"]) for row in report.rows] == [(2, 2)]
    assert rows(settings) == [(1, 10), (2, 20)]
    assert rejects(settings) == [(1, "replayed", "minimum:age"), (3, "open", "maximum:age"), (4, "open", "type:age")]
    shown = ask(settings.database_url, "SELECT raw, file, line FROM catalog.rejects WHERE row_number = 3")
    assert shown == [('{"id": 3, "age": 30, "word": "c"}', "t.csv", 4)]
    assert parsed_at(home) == first, "only rules changed: the dump was not read again"

    dictionary(home, {"logicalTypeOptions": {"minimum": 15}})
    ingest(settings)
    assert rejects(settings) == [(1, "open", "minimum:age"), (3, "replayed", "maximum:age"), (4, "open", "type:age")]
    assert ask(settings.database_url, "SELECT raw FROM catalog.rejects WHERE row_number = 1") == [('{"id": 1, "age": 10, "word": "a"}',)]
    assert raw == [('{"id": "1", "age": "10", "word": "a"}',)]
    assert ingest(settings).rows == []


def test_what_is_judged_again_is_what_a_new_parse_gives(home: Home, settings: Settings) -> None:
    dictionary(home, {"logicalTypeOptions": {"minimum": 15}})
    ingest(settings)
    dictionary(
        home, {"required": True, "logicalTypeOptions": {"maximum": 25}}, {"unique": True, "logicalTypeOptions": {"pattern": "[a-c]"}}
    )
    ingest(settings)
    query = "SELECT row_number, status, violations, line, file FROM catalog.rejects WHERE status = 'open' ORDER BY 1"
    counts = "SELECT rule, checked, failed FROM catalog.rule_results ORDER BY rule"
    again = ask(settings.database_url, query), ask(settings.database_url, counts), rows(settings)
    put(home.dumps / "shop" / "t.csv", ROWS)
    import shutil

    shutil.rmtree(home.store / "snapshots")
    dictionary(home, {"logicalTypeOptions": {"minimum": 15}})
    ingest(settings)
    shutil.rmtree(home.store / "snapshots")
    dictionary(
        home, {"required": True, "logicalTypeOptions": {"maximum": 25}}, {"unique": True, "logicalTypeOptions": {"pattern": "[a-c]"}}
    )
    ingest(settings)
    assert (ask(settings.database_url, query), ask(settings.database_url, counts), rows(settings)) == again


def test_another_type_needs_the_dump_itself(home: Home, settings: Settings) -> None:
    dictionary(home, {})
    ingest(settings)
    first = parsed_at(home)
    write(home.dictionary, "shop", table("t", key(), column("age"), column("word")))
    assert ingest(settings).exit_code == 0
    assert parsed_at(home) != first
    assert rows(settings)[-1] == (4, "x")


def test_a_dictionary_that_cannot_be_read_leaves_all_as_it_was_and_is_told(home: Home, settings: Settings) -> None:
    dictionary(home, {"logicalTypeOptions": {"minimum": 15}})
    ingest(settings)
    dictionary(home, {"logicalTypeOptions": {"minimun": 15}})
    report = ingest(settings)
    assert report.exit_code == 2
    assert "minimun" in report.lines[0]
    assert rows(settings) == [(2, 20), (3, 30)]
    assert ask(settings.database_url, "SELECT state FROM catalog.versions") == [("published",)]
    dictionary(home, {})
    ingest(settings)
    assert rows(settings) == [(1, 10), (2, 20), (3, 30)]


@pytest.mark.parametrize("bound", [{"max_errors": 0}, {"max_error_ratio": 0.2}])
def test_a_version_beyond_its_threshold_is_held_back_whole(home: Home, settings: Settings, bound: dict) -> None:
    dictionary(home, {}, customProperties=custom(**bound))
    report = ingest(settings)
    assert report.exit_code == 2
    assert "held back" in report.lines[0]
    assert ask(settings.database_url, "SELECT to_regclass('shop.t')") == [(None,)]
    assert rejects(settings) == [(4, "open", "type:age")]
    assert ask(settings.database_url, "SELECT state FROM catalog.versions") == [("held",)]
    assert ingest(settings).rows == [], "nothing is due until the dictionary changes"
    dictionary(home, {}, customProperties=custom(max_errors=1, max_error_ratio=0.25))
    assert ingest(settings).exit_code == 1
    assert len(rows(settings)) == 3


def test_thresholds_of_a_source_hold_where_the_contract_says_nothing(home: Home, settings: Settings) -> None:
    def bounded(**bounds: float) -> Settings:
        return replace(settings, sources={"shop": SourceSettings("shop", **bounds)})

    def state() -> str:
        return ask(settings.database_url, "SELECT state FROM catalog.versions")[0][0]

    strict = bounded(max_errors=0)
    dictionary(home, {})
    report = ingest(strict)
    assert (report.exit_code, state()) == (2, "held")
    assert "1 rows were rejected, max_errors is 0" in report.lines[0]
    assert rejects(settings) == [(4, "open", "type:age")]
    assert judging_by_source(strict, ["shop"]) != judging_by_source(settings, ["shop"]), "what Dagster calls stale by"

    dictionary(home, {}, customProperties=custom(max_errors=1))
    assert (ingest(strict).exit_code, state()) == (1, "published"), "the contract wins"
    assert ingest(strict).rows == []
    both = bounded(max_errors=0, max_error_ratio=0.2)
    assert (ingest(both).exit_code, state()) == (2, "held"), "what the contract does not say is the source's"
    assert (ingest(bounded(max_error_ratio=0.25)).exit_code, state()) == (1, "published")
    (home.dictionary / "shop.odcs.yaml").unlink()
    assert (ingest(bounded(max_error_ratio=0)).exit_code, state()) == (0, "published"), "as text all rows are right"


def test_a_threshold_takes_a_version_that_was_loaded_out_of_the_latest_state(home: Home, settings: Settings) -> None:
    put(home.dumps / "shop" / "t2.csv", ROWS.replace("4,x,d", "5,50,e").replace("id,age", "id,age"))
    home.dumps.joinpath("shop", "t2").mkdir()
    home.dumps.joinpath("shop", "t2.csv").rename(home.dumps / "shop" / "t2" / "t.csv")
    dictionary(home, {})
    ingest(settings)
    assert [row[0] for row in rows(settings)] == [1, 2, 3, 5]
    dictionary(home, {}, customProperties=custom(max_errors=0))
    ingest(settings)
    assert [row[0] for row in rows(settings)] == [1, 2, 3, 5]
    assert ask(settings.database_url, "SELECT DISTINCT _version LIKE 'shop.t2.%' FROM shop.t") == [(True,)]


def test_the_sensor_asks_for_what_another_dictionary_judged(home: Home, settings: Settings) -> None:
    dictionary(home, {})
    ingest(settings)
    platform = Platform(settings)
    with dg.DagsterInstance.ephemeral() as instance:

        def tick():
            with dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context:
                return dump_files(context)

        assert not tick().run_requests
        dictionary(home, {"logicalTypeOptions": {"minimum": 15}})
        assert len(stale_verdicts(settings, platform.catalog).versions) == 1
        assert len(tick().run_requests) == 1
