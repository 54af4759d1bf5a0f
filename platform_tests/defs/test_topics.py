"""Topics in Dagster: an asset each, scheduled, and a file that cannot be understood spoils nothing else."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.definitions import build_definitions
from platform_assets.defs.platform import Platform
from platform_assets.defs.topics import _where
from platform_assets.settings import Settings
from platform_assets.sources.topic import Topic

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from socrata_server import DataSet, Socrata


@pytest.fixture
def site():
    data = DataSet({"name": "text"})
    data.insert(name="Rex")
    with Socrata(data).running() as running:
        yield running


def test_a_topic_is_an_asset_with_a_schedule_that_lands_a_dump(home, database, site):
    home.topics.mkdir()
    topic = {"source": "city", "table": "pets", "kind": "socrata", "from": {"domain": site.domain, "dataset": "abcd-1234"}}
    topic |= {"schedule": "0 3 * * *", "allow": {"private": True}, "checks": {"min_rows": 2, "row_count_matches": True}}
    (home.topics / "pets.yaml").write_text(json.dumps(topic))
    (home.topics / "wrong.yaml").write_text("source: city\n")
    (home.topics / "late.yaml").write_text(json.dumps({**topic, "schedule": "0 99 * * *"}))
    settings = Settings(home.root, database_url=database)
    definitions = build_definitions(settings, overrides={"platform": Platform(settings)})
    schedule = definitions.resolve_schedule_def("import_pets_schedule")
    assert (schedule.cron_schedule, schedule.default_status) == ("0 3 * * *", dg.DefaultScheduleStatus.RUNNING)
    with dg.DagsterInstance.ephemeral() as instance:
        at = datetime(2024, 5, 3, 3, tzinfo=UTC)
        tick = schedule.evaluate_tick(dg.build_schedule_context(instance, at, repository_def=definitions.get_repository_def()))
        (request,) = tick.run_requests or ()
        job = definitions.resolve_job_def(request.job_name or schedule.job_name)
        result = job.execute_in_process(request.run_config, instance=instance, tags=request.tags)
        assert instance.get_run_by_id(result.run_id).tags["dagster/schedule_name"] == "import_pets_schedule"
        (event,) = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        told = {name: metadata[name].value for name in ("rows", "mode", "pages", "rows at the source", "cursor before", "cursor after")}
        cursor = site.data.rows[next(iter(site.data.rows))][":updated_at"]
        assert list(told.values()) == [1, "full", 1, 1, "none: from the beginning", cursor]
        assert (metadata["last request id"].value, metadata["resumed"].value) == ("request-7", False)
        assert metadata["bytes"].value > 0 < metadata["seconds"].value
        (dump,) = (home.dumps / "city").iterdir()
        assert metadata["landed as"].value == dump.name
        found = {check.check_name: (check.passed, check.severity.value) for check in result.get_asset_check_evaluations()}
        assert found == {"min_rows": (False, "WARN"), "row_count_matches": (True, "WARN")}
        again = definitions.resolve_job_def("import_pets").execute_in_process(instance=instance)
        assert again.get_asset_materialization_events()[0].materialization.metadata["landed as"].value == "nothing: nothing was new"
        for name, said in {"wrong": "table is missing", "late": "'0 99 \\* \\* \\*' is no cron schedule"}.items():
            job = dg.define_asset_job(name, [dg.AssetKey(["topics", name])])
            made = dg.Definitions(assets=list(definitions.assets or ()), jobs=[job], resources=definitions.resources)
            with pytest.raises(dg.Failure, match=said):
                made.resolve_job_def(name).execute_in_process(instance=instance)


def test_the_place_of_a_topic_is_shown_without_what_could_be_a_secret():
    urls = [f"https://files.example.org/{name}?token=s3cret" for name in "abcd"]
    places = [{"url": "sftp://me:s3cret@example.org/out"}, {"url": urls[0]}, {"urls": urls}, {"url": "/there"}]
    shown = [_where(Topic("t", Path("t.yaml"), "hr", "any", "files", place)) for place in places]
    first = "https://files.example.org/a"
    assert shown == ["sftp://example.org/out", first, f"{first} {first[:-1]}b {first[:-1]}c ...", "/there"]
