"""Metrics in Dagster: an asset each with its chart, refreshed when its tables change, and a broken file spoils nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from ingesting import ingest, put, settle

from platform_assets.definitions import build_definitions
from platform_assets.defs.platform import Platform
from platform_assets.operations.metrics import standing
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog

DATA = Path(__file__).resolve().parents[2] / "data"

METRIC = """/*
title: Animals
description: How many.
chart: {kind: bars, x: kind, y: n}
refresh: %s
*/
SELECT 'cat' AS kind, sum(n) AS n FROM zoo.animals
"""


def test_metrics_are_assets_that_follow_their_tables(home, database, catalog):
    for name, refresh in (("animals", "on_change"), ("nightly", "0 3 * * *")):
        put(home.metrics / f"{name}.sql", METRIC % refresh)
    put(home.metrics / "wrong.sql", "SELECT 1")
    put(home.metrics / "typo.sql", METRIC.replace("SELECT", "SELEKT") % "manual")
    settings = Settings(home.root, database_url=database)
    platform = Platform(settings)
    definitions = build_definitions(settings, overrides={"platform": platform})
    dg.Definitions.validate_loadable(definitions)
    assert definitions.resolve_schedule_def("refresh_nightly").cron_schedule == "0 3 * * *"
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert [dep.asset_key.to_user_string() for dep in specs["metrics/animals"].deps] == ["current_table"]
    assert "line 1: a metric begins with its title" in (specs["metrics/wrong"].description or "")
    sensor = next(one for one in definitions.sensors or () if one.name == "stale_metrics")

    def tick(instance, cursor):
        return sensor(dg.build_sensor_context(instance=instance, cursor=cursor, resources={"platform": platform}))

    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("refresh_metrics")
        key = dg.AssetKey(["metrics", "animals"])
        early = job.execute_in_process(instance=instance, asset_selection=[key], raise_on_error=False)
        assert not early.success, "its table is not there yet"
        assert 'relation "zoo.animals" does not exist' in str(early.all_events)
        assert "no dump with it has been loaded yet" in str(tick(instance, None).skip_message)
        with psycopg.connect(database) as connection:
            connection.execute("CREATE SCHEMA zoo; CREATE TABLE zoo.animals (n int); INSERT INTO zoo.animals VALUES (2), (3)")
        first = tick(instance, None)
        assert [one.asset_selection for one in first.run_requests] == [[key]]
        result = job.execute_in_process(instance=instance, asset_selection=[key])
        (event,) = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        assert metadata["dagster/row_count"].value == 1
        assert metadata["chart"].value.startswith("![Animals](data:image/svg+xml;base64,")
        assert "| cat" in metadata["preview"].value
        assert isinstance(tick(instance, first.cursor), dg.SkipReason)
        with psycopg.connect(database) as connection:
            connection.execute(
                "INSERT INTO catalog.tables (source, table_name, table_key, schema_name, relation, published_load_id) "
                "VALUES ('zoo', 'animals', 'zoo.animals', 'zoo', 'animals', 7)"
            )
        second = tick(instance, first.cursor)
        assert [one.asset_selection for one in second.run_requests] == [[key]]
        assert second.run_requests[0].run_key != first.run_requests[0].run_key


@pytest.mark.parametrize("files", [{}, {"wrong.sql": "SELECT 1"}], ids=["none", "only broken"])
def test_a_home_without_a_metric_has_no_job_for_them(home, files):
    for name, text in files.items():
        put(home.metrics / name, text)
    definitions = build_definitions(Settings(home.root))
    dg.Definitions.validate_loadable(definitions)
    assert "refresh_metrics" not in {job.name for job in definitions.jobs or ()}


def test_the_shipped_metrics_tell_what_is_known_of_the_real_hires(home, platform_database, realdata):
    """933 combinations of job and department from 1,643 hires of 2021; seven departments above a mean of 136.92."""
    for name in ("metrics", "dictionary"):
        shutil.copytree(DATA / name, home.root / name)
    shutil.copy(DATA / "platform.yaml", home.root)
    folder = home.dumps / "hr" / "2021"
    folder.mkdir(parents=True)
    for path in (realdata / "seeds" / "csv_hr").glob("*.csv"):
        settle(Path(shutil.copyfile(path, folder / path.name)))
    settings = Settings.load(home.root)
    ingest(settings)
    with psycopg.connect(platform_database) as connection:  # the views are there after the ingest
        hires = connection.execute("SELECT * FROM metrics.hires_by_quarter").fetchall()
        above = connection.execute("SELECT id, department, hired FROM metrics.departments_above_mean").fetchall()
        mean = connection.execute(
            """SELECT round(avg(hired), 2)::text FROM (SELECT d.id, count(h.id) AS hired
               FROM hr.departments d LEFT JOIN hr.hired_employees h
               ON h.department_id = d.id AND h.hired_at >= '2021-01-01Z' AND h.hired_at < '2022-01-01Z' GROUP BY d.id) x"""
        ).fetchone()
    assert (len(hires), sum(sum(row[2:]) for row in hires)) == (933, 1643)
    assert [row[:2] for row in hires] == sorted(row[:2] for row in hires)
    assert [row[2] for row in above] == sorted((row[2] for row in above), reverse=True)
    assert (len(above), above[0][1:], above[-1][1:]) == (7, ("Support", 216), ("Marketing", 142))
    assert mean == ("136.92",)
    assert standing(settings, Catalog(platform_database), "licences_per_year").state == "waiting"
