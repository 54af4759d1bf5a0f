"""What the checks say: counts and samples per kind of rule, each version for itself."""

import base64
from dataclasses import replace

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from platform_assets.definitions import build_definitions
from platform_assets.defs.checks import RULE_KINDS
from platform_assets.defs.partitions import SOURCES, TABLES, VERSIONS
from platform_assets.defs.platform import Platform
from platform_assets.dictionary.source import SourceSettings
from platform_assets.operations.register import register, scan
from platform_assets.operations.run_plans import run_tags
from platform_assets.settings import BackupSettings, Settings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.backups import list_backups
from platform_assets.storage.rows.stored_history import StoredHistory

DICTIONARY = """
apiVersion: v3.1.0
kind: DataContract
id: shop
version: 1.0.0
status: active
schema:
  - name: goods
    quality:
      - {type: custom, name: fresh, engine: soda, implementation: x}
      - {metric: rowCount, mustBeGreaterThan: 0}
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, logicalType: string, required: true}
      - {name: price, logicalType: integer, logicalTypeOptions: {minimum: 0}}
"""
GOOD = "id,name,price\n1,one,1\n2,two,2\n"
BAD = "id,name,price\n1,one,-1\n2,,-2\nx,three,3\n4,four,4\n4,again,5\n"


@pytest.fixture
def platform(home: Home, database: str) -> Platform:
    home.dictionary.mkdir()
    (home.dictionary / "shop.odcs.yaml").write_text(DICTIONARY)
    return Platform(Settings(home.root, database_url=database, settle_seconds=0))


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def register_all(platform: Platform, **dumps: str) -> dict[str, str]:
    """Folder dumps with one table `goods` each, by their labels."""
    for label, text in dumps.items():
        folder = platform.home.dumps / "shop" / label
        folder.mkdir(parents=True)
        (folder / "goods.csv").write_text(text)
    for found in scan(platform.home, {}, settle_seconds=0).new:
        register(platform.settings, platform.catalog, found)
    return {record.label: record.version for record in platform.catalog.versions()}


def run(platform, instance, job: str, partitions: dg.DynamicPartitionsDefinition, keys: list[str]):
    instance.add_dynamic_partitions(partitions.name, keys)
    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=keys[0] if len(keys) == 1 else None, tags=run_tags(keys)
    )
    return {(found.partition, found.check_name): found for found in result.get_asset_check_evaluations()}


def check_again(platform, instance, asset: str, name: str, key: str):
    """One check on what stands there, with nothing made anew."""
    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    # A job of partitioned checks alone is refused by Dagster 1.13: an asset of the same partitions rides along.
    rider = "raw_dump" if asset in ("parsed_snapshot", "version_table") else "latest_state"
    selection = dg.AssetSelection.assets(rider).without_checks() | dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset), name))
    job = dg.Definitions.merge(definitions, dg.Definitions(jobs=[dg.define_asset_job("check_again", selection=selection)]))
    (check,) = job.resolve_job_def("check_again").execute_in_process(instance=instance, partition_key=key).get_asset_check_evaluations()
    return check


def plain(metadata) -> object:
    return [dict(record.data) for record in metadata.records] if isinstance(metadata, dg.TableMetadataValue) else metadata.value


def test_a_bad_version_fails_kind_by_kind_with_counts_and_samples(platform, instance):
    key = register_all(platform, bad=BAD)["bad"]
    found = run(platform, instance, "ingest_dumps", VERSIONS, [key])
    assert {name: check.passed for (_, name), check in found.items()} == {
        "types": False,
        "required": False,
        "unique_keys": False,
        "foreign_keys": True,
        "ranges": False,
        "words": True,
        "rows_accounted": True,
        "dump_complete": True,
        "unique_across_versions": True,
        "within_thresholds": True,
        "schema_known": True,
    }
    ranges = found[key, "ranges"]
    assert ranges.severity == dg.AssetCheckSeverity.ERROR
    assert [plain(ranges.metadata[name]) for name in ("failed", "checked", "ratio")] == [2, 5, 0.4]
    (made,) = instance.fetch_materializations(dg.AssetKey("parsed_snapshot"), limit=1).records
    counts = {name: plain(value) for name, value in made.asset_materialization.metadata.items() if name.startswith("failed ")}
    expected = {"types": 1, "required": 1, "unique_keys": 1, "foreign_keys": 0, "ranges": 2, "words": 0}
    assert counts == {f"failed {name}": count for name, count in expected.items()}
    assert [(sample["line"], sample["value"], sample["file"]) for sample in plain(ranges.metadata["samples"])] == [
        (2, "-1", "goods.csv"),
        (3, "-2", "goods.csv"),
    ]
    bounds = found[key, "within_thresholds"].metadata
    assert plain(bounds["not run here"]) == "- goods: the check fresh is for the engine soda and is not run here"
    assert plain(bounds["goods rowCount:table"]) == 1
    assert plain(bounds["measures"]) == [{"table": "goods", "value": "1", "measure": "rowCount:table", "passed": True, "severity": "error"}]
    rules = plain(found[key, "required"].metadata["rules"])
    assert {rule["rule"]: rule["failed"] for rule in rules}["required:name"] == 1
    assert plain(found[key, "rows_accounted"].metadata["lost"]) == 0


def test_a_kind_without_a_rule_passes_and_says_that_there_is_none(platform, instance):
    key = register_all(platform, good=GOOD)["good"]
    words = run(platform, instance, "ingest_dumps", VERSIONS, [key])[key, "words"]
    assert words.passed
    assert "no rule of this kind" in plain(words.metadata["rules"])


@pytest.mark.parametrize("together", [False, True], ids=["one run each", "one run"])
def test_the_failure_of_one_version_is_not_hidden_by_the_success_of_the_next(together, platform, instance):
    """An unpartitioned check on a partitioned asset shows the last partition only."""
    labels = register_all(platform, bad=BAD, good=GOOD)
    for keys in [[labels["bad"], labels["good"]]] if together else [[labels["bad"]], [labels["good"]]]:
        found = run(platform, instance, "ingest_dumps", VERSIONS, keys)
    if not together:  # then the results of the bad one are in the catalog
        image = found[labels["good"], "ranges"].metadata["over versions"].value
        text = base64.b64decode(image.rpartition("base64,")[2].rstrip(")")).decode()
        assert all(said in text for said in ("goods minimum:price", labels["bad"], labels["good"], ">2</text>"))
    check = dg.AssetCheckKey(dg.AssetKey("parsed_snapshot"), "ranges")
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=20)
    evaluated = {record.partition: record.status for record in reversed(records)}
    assert evaluated == {
        labels["bad"]: AssetCheckExecutionRecordStatus.FAILED,
        labels["good"]: AssetCheckExecutionRecordStatus.SUCCEEDED,
    }


def test_a_result_speaks_of_the_materialization_it_looked_at(platform, instance):
    """Without it the UI calls the partition's check missing."""
    key = register_all(platform, good=GOOD)["good"]
    found = run(platform, instance, "ingest_dumps", VERSIONS, [key])
    for asset in ("parsed_snapshot", "version_table"):
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        looked_at = {check.target_materialization_data.storage_id for check in found.values() if check.asset_key == dg.AssetKey(asset)}
        assert looked_at == {records[0].storage_id}


def test_a_dump_that_was_cut_is_a_warning(platform, instance, realdata):
    folder = platform.home.dumps / "cut"
    folder.mkdir(parents=True)
    whole = (realdata / "seeds" / "sql_backups" / "backup_file_mdp.txt").read_bytes()
    end = whole.index(b"INSERT INTO")
    (folder / "dump.sql").write_bytes(whole[: end + 120])
    for found in scan(platform.home, {}, settle_seconds=0).new:
        register(platform.settings, platform.catalog, found)
    (record,) = platform.catalog.versions()
    check = run(platform, instance, "ingest_dumps", VERSIONS, [record.version])[record.version, "dump_complete"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert plain(check.metadata["completeness"]) == "partial"
    assert plain(check.metadata["why"]) != "-"


def test_tables_and_their_backups_are_checked_from_merge_to_drill(platform, instance):
    key = register_all(platform, good=GOOD)["good"]
    run(platform, instance, "ingest_dumps", VERSIONS, [key])
    state = run(platform, instance, "refresh_tables", TABLES, ["shop.goods"])
    assert {name: check.passed for (_, name), check in state.items()} == {
        "deletes_guarded": True,
        "references_hold": True,
        "rows_match": True,
        "as_of_equals_snapshot": True,
        "history_matches_latest": True,
    }
    assert plain(state["shop.goods", "rows_match"].metadata["rows"]) == 2
    backed = run(platform, instance, "back_up_tables", TABLES, ["shop.goods"])
    assert {name: check.passed for (_, name), check in backed.items()} == {"proves_true": True, "backup_restores": True}


def test_two_versions_without_evidence_of_their_order_are_a_warning(platform, instance):
    labels = register_all(platform, one=GOOD, two=GOOD.replace("one", "uno"))
    run(platform, instance, "ingest_dumps", VERSIONS, list(labels.values()))
    check = run(platform, instance, "order_sources", SOURCES, ["shop"])["shop", "order_unambiguous"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    (finding,) = plain(check.metadata["findings"])
    assert finding["kind"] == "tie" and all(version in finding["versions"] for version in labels.values())
    assert "order/shop.yaml" in plain(check.metadata["how"])


def test_an_order_that_evidence_decides_passes_its_check(platform, instance):
    labels = register_all(platform, one=GOOD, two=GOOD + "3,three,3\n")
    run(platform, instance, "ingest_dumps", VERSIONS, list(labels.values()))
    check = run(platform, instance, "order_sources", SOURCES, ["shop"])["shop", "order_unambiguous"]
    assert check.passed
    assert [(one.version, one.evidence) for one in platform.catalog.order("shop")] == [
        (labels["one"], "high-water"),
        (labels["two"], "high-water"),
    ]


def test_keys_that_the_guard_kept_make_as_of_differ_and_the_check_says_how_to_confirm(platform, instance):
    first = GOOD + "".join(f"{n},more,1\n" for n in range(3, 10))
    labels = register_all(platform, one=first, two="id,name,price\n1,uno,1\n")
    guarded = SourceSettings("shop", dumps="full", order=("one", "two"))
    platform.settings = replace(platform.settings, sources={"shop": guarded})
    run(platform, instance, "ingest_dumps", VERSIONS, list(labels.values()))
    for version in labels.values():
        platform.catalog.update_version(version, completeness="complete")  # a text file has no end mark
    found = run(platform, instance, "refresh_tables", TABLES, ["shop.goods"])
    check = found["shop.goods", "as_of_equals_snapshot"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert plain(check.metadata["to confirm"]).endswith("deletes_confirmed in platform.yaml: two")
    assert labels["two"] in plain(check.metadata["differences"]).replace("\\", "")
    assert found["shop.goods", "history_matches_latest"].passed
    platform.settings = replace(platform.settings, sources={"shop": replace(guarded, deletes_confirmed=("two",))})
    assert all(check.passed for check in run(platform, instance, "refresh_tables", TABLES, ["shop.goods"]).values())
    record = instance.fetch_materializations(dg.AssetKey("history"), limit=1).records[0]
    metadata = record.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 10
    assert metadata["chart"].value.startswith("![") and len(metadata["chart"].value) < 20_000


def test_a_backup_with_a_flipped_byte_fails_its_check(platform, instance):
    key = register_all(platform, good=GOOD)["good"]
    run(platform, instance, "ingest_dumps", VERSIONS, [key])
    run(platform, instance, "refresh_tables", TABLES, ["shop.goods"])
    run(platform, instance, "back_up_tables", TABLES, ["shop.goods"])
    file = next(platform.home.backups("shop", "goods").rglob("*.avro"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    check = check_again(platform, instance, "backup", "proves_true", "shop.goods")
    assert not check.passed
    assert file.name in plain(check.metadata["problems"])


def loaded(platform, instance, **dumps: str) -> dict[str, str]:
    labels = register_all(platform, **dumps)
    run(platform, instance, "ingest_dumps", VERSIONS, list(labels.values()))
    run(platform, instance, "refresh_tables", TABLES, ["shop.goods"])
    return labels


def test_a_row_that_stands_twice_in_a_version_table_fails_its_check(platform, instance):
    version = loaded(platform, instance, good=GOOD)["good"]
    assert check_again(platform, instance, "version_table", "unique_across_versions", version).passed
    with psycopg.connect(platform.catalog.url) as connection:
        connection.execute("INSERT INTO shop_versions.goods__good SELECT * FROM shop_versions.goods__good WHERE id = 1")
    assert not check_again(platform, instance, "version_table", "unique_across_versions", version).passed


def test_a_history_that_lost_a_state_fails_both_its_checks(platform, instance, monkeypatch):
    platform.settings = replace(platform.settings, sources={"shop": SourceSettings("shop", dumps="full", order=("one", "two"))})
    labels = loaded(platform, instance, one=GOOD, two=GOOD + "3,three,3\n")
    for version in labels.values():
        platform.catalog.update_version(version, completeness="complete")  # a text file has no end mark
    run(platform, instance, "refresh_tables", TABLES, ["shop.goods"])
    names = ("as_of_equals_snapshot", "history_matches_latest")
    assert all(check_again(platform, instance, "history", name, "shop.goods").passed for name in names)
    standing = StoredHistory.standing
    monkeypatch.setattr(StoredHistory, "standing", lambda *of: (batch.slice(1) for batch in standing(*of)))
    for name in names:
        check = check_again(platform, instance, "history", name, "shop.goods")
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR), name


def test_a_latest_table_with_another_number_of_rows_fails_its_check(platform, instance):
    loaded(platform, instance, good=GOOD)
    with psycopg.connect(platform.catalog.url) as connection:
        connection.execute("UPDATE catalog.tables SET rows = rows + 1")
    assert not check_again(platform, instance, "current_table", "rows_match", "shop.goods").passed


def test_a_version_with_a_column_unknown_to_the_dictionary_is_a_warning(platform, instance):
    key = register_all(platform, odd="id,name,price,colour\n1,one,1,red\n")["odd"]
    check = run(platform, instance, "ingest_dumps", VERSIONS, [key])[key, "schema_known"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert plain(check.metadata["differs"]) == "goods.colour: not in the dictionary"


def test_a_version_beyond_its_tables_threshold_fails_its_check(platform, instance):
    contract = platform.home.dictionary / "shop.odcs.yaml"
    contract.write_text(
        contract.read_text().replace("name: goods\n", "name: goods\n    customProperties: [{property: max_errors, value: 2}]\n")
    )
    key = register_all(platform, bad=BAD)["bad"]
    definitions = build_definitions(platform.settings, overrides={"platform": platform})
    instance.add_dynamic_partitions(VERSIONS.name, [key])
    result = definitions.resolve_job_def("ingest_dumps").execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "within_thresholds"]
    assert not check.passed
    assert "goods" in plain(check.metadata["held back"])


def test_a_reference_to_a_row_that_the_latest_state_lacks_is_a_warning(platform, instance):
    contract = platform.home.dictionary / "shop.odcs.yaml"
    part = "{name: part_of, logicalType: integer, relationships: [{to: goods.id}]}"
    contract.write_text(
        contract.read_text() + f"  - name: parts\n    properties:\n      - {{name: part, logicalType: integer}}\n      - {part}\n"
    )
    key = register_all(platform, goods=GOOD)["goods"]
    folder = platform.home.dumps / "shop" / "parts"
    folder.mkdir()
    (folder / "parts.csv").write_text("part,part_of\n1,1\n2,9\n")
    versions = [key, register_all(platform)["parts"]]
    run(platform, instance, "ingest_dumps", VERSIONS, versions)
    found = run(platform, instance, "refresh_tables", TABLES, ["shop.goods", "shop.parts"])
    assert found["shop.goods", "references_hold"].passed
    check = found["shop.parts", "references_hold"]
    assert (check.passed, check.severity, plain(check.metadata["orphans"])) == (False, dg.AssetCheckSeverity.WARN, 1)


@pytest.mark.parametrize("place", ["operations.judge.check_of", "operations.judge.KeptKeys.unrepeated", "defs.checks.judged_rules"])
def test_a_rule_that_crashes_fails_the_run_and_is_never_a_failed_check(place, platform, instance, monkeypatch):
    """At judging a rule of a row and one of all rows, and the check that tells of them: a bug of ours says nothing of the data."""
    key = register_all(platform, good=GOOD)["good"]

    def broken(*arguments: object, **named: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(f"platform_assets.{place}", broken)
    instance.add_dynamic_partitions(VERSIONS.name, [key])
    job = build_definitions(platform.settings, overrides={"platform": platform}).resolve_job_def("ingest_dumps")
    result = job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
    assert not result.success
    failed = [event.step_failure_data.error.cause for event in result.all_events if event.is_step_failure]
    assert [error.cls_name for error in failed] == ["ZeroDivisionError"]
    assert [found.check_name for found in result.get_asset_check_evaluations() if not found.passed] == []
    if place.startswith("operations"):
        assert result.get_asset_check_evaluations() == []
        assert instance.fetch_materializations(dg.AssetKey("parsed_snapshot"), limit=1).records == []
        assert platform.version(key).state not in ("published", "held", "failed"), "the dump is not blamed: it is taken up again"


def test_every_kind_of_rule_belongs_to_exactly_one_check():
    kinds = [kind for names, _ in RULE_KINDS.values() for kind in names]
    assert len(kinds) == len(set(kinds))


def test_a_schedule_that_is_off_is_there_and_stopped(platform):
    settings = replace(platform.settings, backup=BackupSettings(schedule=""))
    for chosen, status in ((platform.settings, dg.DefaultScheduleStatus.RUNNING), (settings, dg.DefaultScheduleStatus.STOPPED)):
        schedule = build_definitions(chosen, overrides={"platform": platform}).resolve_schedule_def("nightly_backup")
        assert schedule.default_status == status


def test_tables_of_several_runs_are_backed_up_as_of_one_moment_and_old_backups_go(platform, instance):
    """The command line's run of one table after the other: a version published in between is in none of the backups."""
    for table in ("goods", "parts"):
        folder = platform.home.dumps / "shop" / table
        folder.mkdir(parents=True)
        (folder / f"{table}.csv").write_text(GOOD)
    for found in scan(platform.home, {}, settle_seconds=0).new:
        register(platform.settings, platform.catalog, found)
    keys = [record.version for record in platform.catalog.versions()]
    run(platform, instance, "ingest_dumps", VERSIONS, keys)
    run(platform, instance, "refresh_tables", TABLES, ["shop.goods", "shop.parts"])
    platform.settings = replace(platform.settings, backup=BackupSettings(keep_last=1))
    for _ in range(2):
        with platform.snapshot() as at:
            for key in ("shop.goods", "shop.parts"):
                checks = run(platform, instance, "back_up_tables", TABLES, [key])
                assert all(check.passed for check in checks.values())
    backups = [list_backups(platform.home.backups("shop", table)) for table in ("goods", "parts")]
    assert [[backup.facts["snapshot"] for backup in found] for found in backups] == [[at.moment], [at.moment]]
    restores = checks["shop.parts", "backup_restores"].metadata
    assert plain(restores["rows"]) == 2
    assert plain(restores["seconds"]) >= 0
