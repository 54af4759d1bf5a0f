"""The order through whole loads: wrong declarations stop their own source only, a mended one takes effect, late dumps are merged in."""

import dagster as dg
import pytest
from ingesting import ask, ingest, put

from platform_assets.defs.platform import Platform
from platform_assets.defs.sensors import stale_orders
from platform_assets.operations.ordering import record_source_order
from platform_assets.operations.run_plans import PARTITION
from platform_assets.settings import Settings
from platform_assets.storage.home import Home


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    return Settings.load(home.root)


def people(name: str, at: str = "") -> str:
    ended = f"-- Dump completed on {at}\n" if at else ""
    head = "-- MySQL dump 10.13\n" if at else ""
    return f"{head}CREATE TABLE `people` (`id` int, `name` text, PRIMARY KEY (`id`));\nINSERT INTO `people` VALUES (1,'{name}');\n{ended}"


def latest(url: str, source: str) -> str:
    return ask(url, f"SELECT name FROM {source}.people")[0][0]


def declare(home: Home, text: str):
    return put(home.root / "order" / "crm.yaml", text)


def test_a_wrong_override_file_stops_its_source_alone_and_a_mended_one_takes_effect(home, settings, platform_database):
    for source in ("crm", "hr"):
        put(home.dumps / source / "a.sql", people("old"))
    declare(home, "order: [a, b")

    first = ingest(settings)

    assert first.exit_code == 2
    assert [line for line in first.lines if line.startswith("failed: crm") and "order/crm.yaml is not valid YAML" in line]
    assert latest(platform_database, "hr") == "old", "the other source goes on"
    assert ask(platform_database, "SELECT count(*) FROM crm_versions.people") == [(1,)], "the version itself does not depend on the order"
    assert ask(platform_database, "SELECT to_regclass('crm.people')") == [(None,)], "nothing is published that depends on it"

    declare(home, "order: [a]\n")
    assert ingest(settings).exit_code == 0
    assert latest(platform_database, "crm") == "old"


def test_a_declared_order_changed_later_is_merged_anew_without_a_new_dump(home, settings, platform_database):
    put(home.dumps / "crm" / "a.sql", people("from a"))
    put(home.dumps / "crm" / "b.sql", people("from b"))
    report = ingest(settings)
    assert "the order of crm: 1 thing(s) to settle; see: platform-assets order crm" in report.lines
    for order, winner in (("[a, b]", "from b"), ("[b, a]", "from a")):
        declare(home, f"order: {order}\n")
        assert "Nothing new" not in " ".join(ingest(settings).lines)
        assert latest(platform_database, "crm") == winner
    assert "Nothing new" in " ".join(ingest(settings).lines)


def test_a_late_dump_takes_its_place_and_does_not_win(home, settings, platform_database):
    put(home.dumps / "crm" / "new.sql", people("newest", "2024-03-01 10:00:00"))
    ingest(settings)
    put(home.dumps / "crm" / "late.sql", people("older", "2024-02-01 10:00:00"))
    ingest(settings)
    assert latest(platform_database, "crm") == "newest"
    found = ask(platform_database, "SELECT split_part(version, '.', 2), place, confidence FROM catalog.version_order ORDER BY place")
    assert found == [("late", 0, "high"), ("new", 1, "high")]
    assert ask(platform_database, "SELECT count(*) FROM catalog.version_order_log WHERE believed_until IS NOT NULL") == [(1,)]


def test_exactly_the_stale_orders_are_asked_for(home, settings, platform_database):
    put(home.dumps / "crm" / "a.sql", people("a"))
    ingest(settings)
    platform = Platform(settings)

    def tick():
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context,
        ):
            return stale_orders(context)

    assert isinstance(tick(), dg.SkipReason)
    declare(home, "order: [a]\n")
    assert [request.tags[PARTITION] for request in tick().run_requests] == ["crm"]
    record_source_order(settings, platform.catalog, "crm")
    assert isinstance(tick(), dg.SkipReason)
