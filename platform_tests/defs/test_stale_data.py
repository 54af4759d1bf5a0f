"""A contract that changes makes what it judged stale in Dagster's own eyes, until it is judged again."""

from collections.abc import Iterator

import dagster as dg
import pytest
from contracts import key, number, table, write
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from defs.ingesting import ingest, put

from platform_assets.defs.runs import Runner
from platform_assets.defs.sensors import dump_files
from platform_assets.operations.run_plans import run_tags
from platform_assets.settings import Settings
from platform_assets.storage.home import Home

SOURCES = ("bar", "shop")
ASSETS = ("parsed_snapshot", "version_table", "latest_state")


@pytest.fixture
def settings(home: Home, platform_database: str) -> Settings:
    for source in SOURCES:
        put(home.dumps / source / "t.csv", "id,age\n1,10\n2,20\n")
        dictionary(home, source, 0)
    return Settings(home.root, database_url=platform_database)


def dictionary(home: Home, source: str, minimum: int) -> None:
    write(home.dictionary, source, table("t", key(), number("age", logicalTypeOptions={"minimum": minimum})))


class Eyes:
    """What the web server would say of an instance."""

    def __init__(self, runner: Runner) -> None:
        self.instance, self.definitions, self.platform = runner.instance, runner.definitions, runner.platform
        self.keys = {key.partition(".")[0]: key for key in runner.instance.get_dynamic_partitions("versions")}
        self.cursor: str | None = None

    def status(self) -> dict[tuple[str, str], str]:
        """By source and asset."""
        graph = self.definitions.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        places = {(s, a): f"{s}.t" if a == "latest_state" else self.keys[s] for s in SOURCES for a in ASSETS}
        found = {(s, a): resolver.get_status(dg.AssetKey(a), partition) for (s, a), partition in places.items()}
        self.causes = [
            (cause.asset_key.to_user_string(), cause.reason)
            for (s, a), status in found.items()
            if status == StaleStatus.STALE
            for cause in resolver.get_stale_causes(dg.AssetKey(a), places[s, a])
        ]
        return {place: status.value for place, status in found.items()}

    def tick(self) -> dg.SensorResult | dg.SkipReason:
        """The sensor's next look, with what the daemon makes of it."""
        with dg.build_sensor_context(instance=self.instance, resources={"platform": self.platform}, cursor=self.cursor) as context:
            result = dump_files(context)
            self.cursor = context.cursor
        for event in (result.asset_events if isinstance(result, dg.SensorResult) else None) or ():
            self.instance.report_runless_asset_event(event)
        return result

    def observe(self) -> None:
        """The button `Observe`."""
        job = dg.define_asset_job("observe", selection=["dictionary"])
        merged = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job]))
        assert merged.resolve_job_def("observe").execute_in_process(instance=self.instance).success

    def materialize(self, job: str, *keys: str) -> None:
        run = self.definitions.resolve_job_def(job)
        partition = keys[0] if len(keys) == 1 else None
        assert run.execute_in_process(instance=self.instance, partition_key=partition, tags=run_tags(keys)).success


@pytest.fixture
def eyes(settings: Settings) -> Iterator[Eyes]:
    ingest(settings)
    with Runner(settings) as runner:
        yield Eyes(runner)


FRESH = {(source, asset): "FRESH" for source in SOURCES for asset in ASSETS}


@pytest.mark.long
def test_a_changed_contract_makes_its_sources_snapshots_stale_and_judging_again_makes_them_fresh(eyes: Eyes, home: Home) -> None:
    bar, shop = (eyes.keys[source] for source in SOURCES)
    assert eyes.status() == FRESH
    assert isinstance(eyes.tick(), dg.SkipReason)
    dictionary(home, "shop", 15)
    result = eyes.tick()
    assert [event.partition for event in result.asset_events] == [shop]
    assert eyes.status() == FRESH | {("shop", "parsed_snapshot"): "STALE"}
    assert eyes.causes == [("parsed_snapshot", "has a new dependency data version")]
    assert isinstance(eyes.tick(), dg.SkipReason), "it is told once"

    eyes.materialize("ingest_dumps", shop)
    assert eyes.status() == FRESH | {(source, "latest_state"): "STALE" for source in SOURCES}, "merged from all version tables"
    eyes.materialize("refresh_tables", "bar.t", "shop.t")
    assert eyes.status() == FRESH
    dictionary(home, "shop", 0)
    dictionary(home, "bar", 5)
    eyes.observe()
    assert eyes.status() == FRESH | {("shop", "parsed_snapshot"): "STALE", ("bar", "parsed_snapshot"): "STALE"}
    dictionary(home, "shop", 15)
    eyes.observe()
    assert eyes.status() == FRESH | {("bar", "parsed_snapshot"): "STALE"}, "a contract that was changed back judges as before"
    dictionary(home, "shop", 30)
    eyes.materialize("ingest_dumps", bar, shop)
    eyes.materialize("refresh_tables", "bar.t", "shop.t")
    assert eyes.status() == FRESH, "one run of both; and what was changed without being observed is no surprise later"
    eyes.observe()
    assert eyes.status() == FRESH
