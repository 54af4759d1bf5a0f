"""The partition sets: one key per dump version, per table found, per source. Their order is the order of arrival and means nothing."""

import dagster as dg

from platform_assets.operations import run_plans

VERSIONS = dg.DynamicPartitionsDefinition(name="versions")
TABLES = dg.DynamicPartitionsDefinition(name=run_plans.TABLES)
SOURCES = dg.DynamicPartitionsDefinition(name="sources")
