"""Children that come before their parents: held, and let through when a later version brings the parent; in one source and across two."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest
from contracts import column, key, number, table, write
from defs.ingesting import ask, ingest, put

from platform_assets.defs.platform import Platform
from platform_assets.defs.runs import Runner
from platform_assets.defs.sensors import dump_files
from platform_assets.dictionary.source import SourceSettings
from platform_assets.operations.state_references import state_references
from platform_assets.settings import Settings
from platform_assets.storage.home import Home


def to(*targets: str) -> list[dict]:
    return [{"type": "foreignKey", "to": target} for target in targets]


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    sources = {name: SourceSettings(name, references="wait") for name in ("shop", "hr")}
    return Settings(home.root, database_url=platform_database, sources=sources)


def rejects(settings: Settings, *statuses: str) -> list[tuple]:
    query = """SELECT table_name, violations -> 0 ->> 'value', status FROM catalog.rejects
               WHERE status = ANY(%s) ORDER BY table_name, row_number"""
    return ask(settings.database_url, query, list(statuses or ("open", "waiting", "replayed")))


def ids(settings: Settings, relation: str) -> list[int]:
    return [id_ for (id_,) in ask(settings.database_url, f"SELECT id FROM {relation} ORDER BY id")]


@pytest.mark.long
def test_a_child_waits_for_its_parent_over_versions(home: Home, settings: Settings) -> None:
    write(
        home.dictionary,
        "shop",
        table("customers", key(), number("region", relationships=to("regions.id"))),
        table("orders", key(), number("customer", required=True, relationships=to("customers.id"))),
        table("regions", key()),
    )
    put(home.dumps / "shop" / "orders.csv", "id,customer\n1,10\n2,20\n3,\n4,99\n")
    assert ingest(settings).exit_code == 1
    assert ids(settings, "shop.orders") == []
    assert rejects(settings) == [
        ("orders", "10", "waiting"),
        ("orders", "20", "waiting"),
        ("orders", None, "open"),
        ("orders", "99", "waiting"),
    ]
    message = ask(settings.database_url, "SELECT violations -> 0 ->> 'message' FROM catalog.rejects WHERE row_number = 1")[0][0]
    assert message == "customer '10' names no accepted row of customers (id) in any version yet: it waits for one."

    put(home.dumps / "shop" / "customers.csv", "id,region\n10,\n20,7\n")
    ingest(settings)
    assert ids(settings, "shop.customers") == [10], "the second customer waits for its region"
    assert ids(settings, "shop.orders") == [1], "the order of a customer that is held is held"

    put(home.dumps / "shop" / "regions.csv", "id\n7\n")
    ingest(settings)
    assert ids(settings, "shop.customers") == [10, 20]
    assert ids(settings, "shop.orders") == [1, 2]
    assert rejects(settings, "waiting", "open") == [("orders", None, "open"), ("orders", "99", "waiting")]
    why = ask(settings.database_url, "SELECT DISTINCT why FROM catalog.rejects WHERE status = 'replayed'")
    assert why == [("its parent came",)]
    assert ask(settings.database_url, "SELECT count(*) FROM shop_versions.orders") == [(2,)]
    assert ask(settings.database_url, "SELECT count(*) FROM shop_history.orders") == [(2,)]
    assert [one.orphans for one in state_references(settings, "shop", "orders")] == [0]

    with dg.DagsterInstance.ephemeral() as instance:
        with dg.build_sensor_context(instance=instance, resources={"platform": Platform(settings)}) as context:
            found = dump_files(context)
        assert found.skip_reason and not found.run_requests, "what waits on is not judged again for nothing"


def test_cycles_and_self_references_wait_and_meet(home: Home, settings: Settings) -> None:
    write(
        home.dictionary,
        "shop",
        table("left", key(), number("other", relationships=to("right.id"))),
        table("people", key(), number("boss", relationships=to("people.id"))),
        table("right", key(), number("other", relationships=to("left.id"))),
    )
    put(home.dumps / "shop" / "a" / "left.csv", "id,other\n1,2\n3,8\n")
    put(home.dumps / "shop" / "a" / "people.csv", "id,boss\n1,1\n2,3\n")
    ingest(settings)
    assert ids(settings, "shop.people") == [1]
    assert ids(settings, "shop.left") == []
    put(home.dumps / "shop" / "b" / "right.csv", "id,other\n2,1\n9,1\n")
    put(home.dumps / "shop" / "b" / "people.csv", "id,boss\n3,2\n4,9\n")
    ingest(settings)
    assert ids(settings, "shop.people") == [1, 2, 3]
    assert (ids(settings, "shop.left"), ids(settings, "shop.right")) == ([1], [2, 9])
    assert rejects(settings, "open", "waiting") == [("left", "8", "waiting"), ("people", "9", "waiting")]


def test_references_across_sources(home: Home, settings: Settings) -> None:
    """Whatever the setting of the source is: no dump has both sides."""
    composite = [{"type": "foreignKey", "from": ["country", "city"], "to": ["hr.places.country", "hr.places.city"]}]
    write(
        home.dictionary,
        "web",
        table(
            "visits", key(), number("person", relationships=to("hr.people.id")), column("country"), column("city"), relationships=composite
        ),
    )
    write(home.dictionary, "hr", table("people", key()), table("places", key("n"), column("country"), column("city")))
    put(home.dumps / "web" / "visits.csv", "id,person,country,city\n1,5,de,Bonn\n2,6,,\n3,5,de,Rome\n4,,,\n")
    put(home.dumps / "hr" / "people.csv", "id\n5\n")
    ingest(settings)
    assert ids(settings, "web.visits") == [4]
    put(home.dumps / "hr" / "places.csv", "n,country,city\n1,de,Bonn\n")
    ingest(settings)
    assert ids(settings, "web.visits") == [1, 4]
    assert rejects(settings, "open", "waiting") == [("visits", "6", "waiting"), ("visits", "de, Rome", "waiting")]
    found = state_references(settings, "web", "visits")
    assert [(one.rule, one.orphans) for one in found] == [
        ("foreignKey:person->hr.people.id", 0),
        ("foreignKey:country,city->hr.places.country,hr.places.city", 0),
    ]


def test_a_source_that_reports_takes_orphans_and_tells_of_them_until_it_rejects(home: Home, settings: Settings) -> None:
    reporting = replace(settings, sources={"shop": SourceSettings("shop", references="report")})
    customer = number("customer", relationships=to("customers.id"))
    write(
        home.dictionary,
        "shop",
        table("customers", key()),
        table("orders", key(), customer, number("part_of", relationships=to("orders.id"))),
    )
    put(home.dumps / "shop" / "one" / "customers.csv", "id\n10\n")
    put(home.dumps / "shop" / "one" / "orders.csv", "id,customer,part_of\n1,10,\n2,99,1\n3,,77\nx,10,\n")
    assert ingest(reporting).exit_code == 1
    assert ids(reporting, "shop.orders") == [1, 2, 3], "only the row whose key is no number is rejected"
    assert rejects(reporting) == [("orders", "x", "open")]
    told = "SELECT rule, failed, severity FROM catalog.rule_results WHERE kind = 'foreignKey' ORDER BY rule"
    assert ask(reporting.database_url, told) == [
        ("foreignKey:customer->customers.id", 1, "warning"),
        ("foreignKey:part_of->orders.id", 1, "warning"),
    ]
    assert [one.orphans for one in state_references(reporting, "shop", "orders")] == [1, 1]
    check = dg.AssetCheckKey(dg.AssetKey("parsed_snapshot"), "foreign_keys")
    with Runner(reporting) as runner:
        (record,) = runner.instance.event_log_storage.get_asset_check_execution_history(check, limit=5)
        evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.metadata["failed"].value == 2

    rejecting = replace(settings, sources={})
    assert ingest(rejecting).exit_code == 1, "the setting changed: it is judged again"
    assert ids(rejecting, "shop.orders") == [1]
    assert [(value, status) for _, value, status in rejects(rejecting)] == [("99", "open"), ("77", "open"), ("x", "open")]
    ingest(reporting)
    assert ids(reporting, "shop.orders") == [1, 2, 3]
    assert {status for _, _, status in rejects(reporting)} == {"open", "replayed"}
