"""What lies between two assets: JSON and Avro under the home, whole or not at all, a mapping for one key as for many."""

import json
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.definitions import build_definitions
from platform_assets.defs.io_managers import LatestAvro, RawDumpJson, SnapshotAvro
from platform_assets.defs.partitions import VERSIONS
from platform_assets.defs.platform import Platform
from platform_assets.errors import PlatformError
from platform_assets.operations.register import register, scan
from platform_assets.operations.run_plans import run_tags
from platform_assets.settings import Settings
from platform_assets.storage import files
from platform_assets.storage.home import Home


@pytest.fixture
def platform(home: Home, database: str) -> Platform:
    return Platform(Settings(home.root, database_url=database, settle_seconds=0))


@pytest.fixture
def keys(platform: Platform) -> list[str]:
    """Three registered versions; their labels are as hostile as a file name may be."""
    folder = platform.home.dumps / "shop"
    folder.mkdir(parents=True)
    for number, name in enumerate(["plain.csv", "..%2F..%2Fx.csv", "a b'\"; drop.csv"]):
        (folder / name).write_text(f"id,name\n1,{number}\n2,x\n")
    for found in scan(platform.home, {}, settle_seconds=0).new:
        register(platform.settings, platform.catalog, found)
    return [record.version for record in platform.catalog.versions()]


def run(platform: Platform, instance: dg.DagsterInstance, keys: list[str]) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions(VERSIONS.name, keys)
    job = build_definitions(platform.settings, overrides={"platform": platform}).resolve_job_def("ingest_dumps")
    key = keys[0] if len(keys) == 1 else None
    return job.execute_in_process(instance=instance, partition_key=key, tags=run_tags(keys), raise_on_error=False)


def loaded(manager: dg.IOManager, asset: str, keys: list[str]):
    """What a downstream asset is given for these keys, one run or many."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(VERSIONS.name, keys)
        # Closed here: a context that an error's traceback keeps alive is taken apart by the garbage collector, in the middle of any test.
        with dg.build_input_context(
            asset_key=dg.AssetKey(asset),
            partition_key=keys[0],
            asset_partitions_def=VERSIONS,
            asset_partition_key_range=dg.PartitionKeyRange(keys[0], keys[-1]),
            instance=instance,
        ) as context:
            return manager.load_input(context)


@pytest.mark.parametrize("number", [1, 3])
def test_one_key_and_many_are_a_mapping_and_come_back_as_they_went(number, platform, keys):
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(platform, instance, keys[:number])
        assert result.success
        raw = result.output_for_node("raw_dump")
    assert list(raw) == keys[:number]
    assert loaded(RawDumpJson(platform), "raw_dump", keys[:number]) == {key: {"format_version": 1} | record for key, record in raw.items()}
    stored = loaded(SnapshotAvro(platform), "parsed_snapshot", keys[:number])
    assert set(stored) == set(keys[:number])
    for version in stored.values():
        assert [sum(batch.num_rows for batch in snapshot.batches()) for snapshot in version.snapshots] == [2]


def test_no_key_leads_out_of_the_store(platform, keys, tmp_path):
    before = {path for path in tmp_path.rglob("*") if platform.home.store not in path.parents}
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(platform, instance, keys).success
    after = {path for path in tmp_path.rglob("*") if platform.home.store not in path.parents}
    assert after - before <= {platform.home.store}
    assert all(path.resolve().is_relative_to(platform.home.store) for path in platform.home.store.rglob("*"))


@pytest.mark.parametrize("key", ["../../x", "", "shop.x/../../y", "nobody.knows.00000000"])
def test_a_key_that_was_added_by_hand_fails_with_a_reason_and_writes_nothing(key, platform, keys):
    with pytest.raises(PlatformError, match="not a registered version"):
        loaded(RawDumpJson(platform), "raw_dump", [key])
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(platform, instance, [key]) if key else None
    assert result is None or not result.success
    assert not list(platform.home.store.glob("raw/**/*.json"))


def test_a_write_that_breaks_off_leaves_the_old_value(platform, keys, monkeypatch):
    """In-place writers left torn files in every third kill."""
    manager = RawDumpJson(platform)
    record = {"source": "shop", "version": keys[0], "bytes": 1}

    def broken(*arguments: object, **options: object) -> None:
        raise OSError("the disk is gone")

    with dg.build_output_context(asset_key=dg.AssetKey("raw_dump"), partition_key=keys[0]) as context:
        manager.handle_output(context, {keys[0]: record})
        with monkeypatch.context() as patch, pytest.raises((OSError, dg.Failure)):
            patch.setattr(files.os, "replace", broken)
            patch.setattr(files.os, "rename", broken)
            manager.handle_output(context, {keys[0]: record | {"bytes": 2}})
    path = platform.home.raw("shop", keys[0])
    assert json.loads(path.read_text())["bytes"] == 1
    assert [other for other in path.parent.iterdir() if other.is_file()] == [path]


def test_a_snapshot_that_is_gone_is_an_error_that_names_it(platform, keys):
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(platform, instance, keys[:1]).success
    (platform.home.version("shop", keys[0]) / "version.json").unlink()
    with pytest.raises(PlatformError) as error:
        loaded(SnapshotAvro(platform), "parsed_snapshot", keys[:1])
    assert keys[0] in str(error.value).replace("%2F", "/") or "version.json" in str(error.value)


def test_a_latest_state_that_was_never_made_is_an_error(platform, keys):
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(platform, instance, keys[:1]).success
    table = platform.catalog.tables()[0].table_key
    with pytest.raises(PlatformError):
        loaded(LatestAvro(platform), "latest_state", [table])


def test_the_store_says_its_version_and_a_later_one_is_refused(platform, keys):
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(platform, instance, keys[:1]).success
    path: Path = platform.home.version("shop", keys[0]) / "version.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"format_version": record["format_version"] + 1}))
    with pytest.raises(PlatformError, match="format_version"):
        loaded(SnapshotAvro(platform), "parsed_snapshot", keys[:1])
