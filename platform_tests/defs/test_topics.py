"""Topics in Dagster: an asset each, scheduled, and a file that cannot be understood spoils nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import dagster as dg
import pytest

from platform_assets.definitions import build_definitions
from platform_assets.defs.platform import Platform
from platform_assets.settings import Settings

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
    (home.topics / "pets.yaml").write_text(json.dumps({**topic, "schedule": "0 3 * * *", "allow": {"private": True}}))
    (home.topics / "wrong.yaml").write_text("source: city\n")
    settings = Settings(home.root, database_url=database)
    definitions = build_definitions(settings, overrides={"platform": Platform(settings)})
    assert definitions.resolve_schedule_def("import_pets_schedule").cron_schedule == "0 3 * * *"
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("import_pets").execute_in_process(instance=instance)
        (event,) = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        assert (metadata["dagster/row_count"].value, metadata["mode"].value) == (1, "full")
        (dump,) = (home.dumps / "city").iterdir()
        assert metadata["landed as"].value == dump.name
        again = definitions.resolve_job_def("import_pets").execute_in_process(instance=instance)
        assert again.get_asset_materialization_events()[0].materialization.metadata["landed as"].value == "nothing: nothing was new"
        with pytest.raises(dg.Failure, match="table is missing"):
            job = dg.define_asset_job("wrong", [dg.AssetKey(["topics", "wrong"])])
            made = dg.Definitions(assets=list(definitions.assets or ()), jobs=[job], resources=definitions.resources)
            made.resolve_job_def("wrong").execute_in_process(instance=instance)
