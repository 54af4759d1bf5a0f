"""Dumps that are not whole, the whole way: marked wherever they show, never a reason to delete, and refused where the source says so."""

import json

import dagster as dg
import pytest
from ingesting import ask, command, finished, ingest, leftovers, mysql, put

from platform_assets.defs.runs import Runner
from platform_assets.operations import listings
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home

HEADING = "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n"
REFUSE = "sources:\n  shop: {partial: refuse}\n"


def backup(day: int, *rows: tuple[int, str], cut: bool = False) -> str:
    """A backup of one table; a cut one lost its last statement and its end."""
    whole = HEADING + mysql("items", rows)
    ending = f"-- Dump completed on 2024-01-{day:02} 10:00:00\n"
    return f"{whole}INSERT INTO `items` VALUES (99,'lo" if cut else whole + ending


def said(home: Home, text: str) -> Settings:
    (home.root / "platform.yaml").write_text(text)
    return Settings.load(home.root)


def items(url: str) -> list[tuple[int, str]]:
    return ask(url, "SELECT id, name FROM shop.items ORDER BY id")


def test_a_source_that_refuses_partial_dumps_keeps_its_state_and_says_why(home, platform_database):
    settings = said(home, REFUSE)
    put(home.dumps / "shop" / "whole.sql", backup(1, (1, "a"), (2, "b")))
    assert ingest(settings).exit_code == 0
    put(home.dumps / "shop" / "cut.sql", backup(2, (1, "changed"), cut=True))
    put(home.dumps / "shop" / "later.sql", backup(3, (3, "c")))
    put(home.dumps / "other" / "good.csv", "id,name\n1,x\n")

    report = ingest(settings)

    assert report.exit_code == 2
    (told,) = [line for line in report.lines if line.startswith("failed: ")]
    for words in ("dumps/shop/cut.sql", "is partial", "sources.shop.partial", "the file ends inside", "Nothing of it was loaded"):
        assert words in told, told
    assert items(platform_database) == [(1, "a"), (2, "b"), (3, "c")]
    assert ask(platform_database, "SELECT count(*) FROM other.good") == [(1,)]
    states = ask(platform_database, "SELECT label, state, completeness FROM catalog.versions WHERE source = 'shop' ORDER BY 1")
    assert states == [("cut", "failed", "partial"), ("later", "published", "complete"), ("whole", "published", "complete")]
    catalog = Catalog(platform_database)
    (listed,) = [row for row in listings.dumps(catalog) if row["path"] == "dumps/shop/cut.sql"]
    assert (listed["state"], listed["completeness"], listed["table"], listed["relation"]) == ("failed", "partial", None, None)
    assert "the file ends inside" in listed["reasons"][0] and "refuses" in listed["error"]
    assert [row["partial_versions"] for row in listings.tables(catalog) if row["table"] == "shop.items"] == [0]
    assert leftovers(home) == []
    assert not list(home.version("shop", listed["version"]).glob("*")), "nothing of it is in the store"

    again = ingest(settings)
    assert (again.exit_code, again.facts["new"]) == (0, []), "it is not tried again by itself"
    assert any("refuses" in line for line in again.lines if line.startswith("failed earlier"))

    taken = ingest(said(home, "sources:\n  shop: {partial: load}\n"), [home.dumps / "shop" / "cut.sql"])
    assert taken.exit_code == 1
    assert ask(platform_database, "SELECT state, completeness FROM catalog.versions WHERE label = 'cut'") == [("published", "partial")]


def test_the_run_of_a_refused_dump_fails_at_the_snapshot_with_the_reasons(home, platform_database):
    settings = said(home, REFUSE)
    put(home.dumps / "shop" / "cut.sql", backup(2, (1, "a"), cut=True))
    assert ingest(settings).exit_code == 2
    with Runner(settings) as runner:
        (run,) = runner.instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        (failure,) = [
            event.dagster_event.step_failure_data
            for event in runner.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            if event.dagster_event
        ]
    told = failure.user_failure_data
    assert told is not None and "refuses" in (told.description or "")
    assert told.metadata["error"].value == "PartialDump"
    assert "the file ends inside" in str(told.metadata["reasons"].value)


def test_what_was_loaded_before_the_source_refused_stays_when_it_is_run_again(home, platform_database):
    put(home.dumps / "shop" / "cut.sql", backup(2, (1, "a"), cut=True))
    assert ingest(said(home, "")).exit_code == 1
    settings = said(home, REFUSE)
    ((version,),) = ask(platform_database, "SELECT version FROM catalog.versions")
    with Runner(settings) as runner:
        (outcome,) = runner.run_versions([version], done=lambda outcome: None)
    assert outcome.error is not None and "refuses" in outcome.error
    assert items(platform_database) == [(1, "a")]
    assert ask(platform_database, "SELECT state, completeness, jsonb_array_length(reasons) > 0 FROM catalog.versions") == [
        ("failed", "partial", True)
    ]


@pytest.mark.parametrize("cut", [True, False], ids=["partial", "complete"])
def test_a_partial_dump_never_deletes_where_dumps_are_full(cut, home, platform_database):
    settings = said(home, "sources:\n  shop: {dumps: full, delete_guard: 0.9}\n")
    put(home.dumps / "shop" / "a.sql", backup(1, (1, "a"), (2, "b"), (3, "c")))
    assert ingest(settings).exit_code == 0
    put(home.dumps / "shop" / "b.sql", backup(2, (1, "new"), cut=cut))
    assert ingest(settings).exit_code == int(cut)
    if not cut:
        assert items(platform_database) == [(1, "new")]
        return
    assert {2, 3} <= {key for key, _ in items(platform_database)}, "missing from a dump that is not whole says nothing"
    put(home.dumps / "shop" / "c.sql", backup(3, (1, "newest"), (2, "b")))
    assert ingest(settings).exit_code == 0
    assert items(platform_database) == [(1, "newest"), (2, "b")]


def test_a_partial_dump_is_marked_wherever_it_shows(home, platform_database):
    settings = said(home, "")
    put(home.dumps / "shop" / "cut.sql", backup(2, (1, "a"), (2, "b"), cut=True))
    put(home.dumps / "hr" / "fine.csv", "id,name\n1,x\n")
    assert ingest(settings).exit_code == 1

    def printed(*words: str) -> str:
        code, text = finished(command(home.root, *words, url=platform_database))
        assert code == 0, text
        return text

    assert {row["table"]: row["completeness"] for row in json.loads(printed("dumps", "--json"))} == {"items": "partial", "fine": "unknown"}
    assert {row["table"]: row["partial_versions"] for row in json.loads(printed("tables", "--json"))} == {"shop.items": 1, "hr.fine": 0}
    assert "partial versions" in printed("tables")
    assert "is partial: " in printed("show", "shop.items") and "is partial: " not in printed("show", "hr.fine")
    with Runner(settings) as runner:
        for asset, key in (("parsed_snapshot", "completeness"), ("version_table", "completeness"), ("latest_state", "partial versions")):
            events = runner.instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
            marks = {record.partition_key: record.asset_materialization.metadata[key].value for record in events}
            assert [str(mark) for part, mark in marks.items() if part.startswith("shop.")] != ["none"]
            assert sum("partial" in str(mark) or "shop.cut." in str(mark) for mark in marks.values()) == 1, (asset, marks)
