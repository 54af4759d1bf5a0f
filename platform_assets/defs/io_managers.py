"""IO managers: where an intermediate becomes durable, as JSON or Avro, whole or not at all.

Each takes and gives a mapping from partition key to value, also for one key, so that single runs, batches and backfills are one code
path. Keys reach the file system only through storage.home.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from platform_assets.defs.platform import Platform
from platform_assets.operations.latest import MergedTable
from platform_assets.operations.parse import ParsedVersion, commit_version
from platform_assets.operations.stored_version import StoredVersion, stored_version
from platform_assets.storage.files import read_json, write_json
from platform_assets.storage.rows.latest_state import LatestState, open_latest
from platform_assets.storage.warehouse.protocol import latest_subject, version_subject


class RawDumpJson(dg.IOManager):
    """raw_dump: what a dump is and where its bytes lie, one JSON file per version."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def handle_output(self, context: dg.OutputContext, obj: Mapping[str, dict[str, Any]]) -> None:
        for version, record in obj.items():
            with self.platform.told(version):
                write_json(self.platform.home.raw(record["source"], version), record)

    def load_input(self, context: dg.InputContext) -> dict[str, dict[str, Any]]:
        loaded = {}
        for key in context.asset_partition_keys:
            record = self.platform.version(key)
            loaded[key] = read_json(self.platform.home.raw(record.source, key))
        return loaded


class SnapshotAvro(dg.IOManager):
    """parsed_snapshot: Avro parts and snapshot.json per table, version.json last. Loading gives handles; rows are read when asked for."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def handle_output(self, context: dg.OutputContext, obj: Mapping[str, ParsedVersion]) -> None:
        for key, parsed in obj.items():
            with self.platform.told(key), self.platform.turn(version_subject(key)):
                commit_version(self.platform.home, parsed)

    def load_input(self, context: dg.InputContext) -> dict[str, StoredVersion]:
        loaded = {}
        for key in context.asset_partition_keys:
            record = self.platform.version(key)
            loaded[key] = stored_version(self.platform.home, record.source, key)
        return loaded


class LatestAvro(dg.IOManager):
    """latest_state: Avro parts and a manifest per table."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def handle_output(self, context: dg.OutputContext, obj: Mapping[str, MergedTable]) -> None:
        for key, merged in obj.items():
            with self.platform.told(key), self.platform.turn(latest_subject(merged.source, merged.table)):
                merged.state.commit()

    def load_input(self, context: dg.InputContext) -> dict[str, LatestState]:
        loaded = {}
        for key in context.asset_partition_keys:
            source, table = self.platform.table_of(key)
            loaded[key] = open_latest(self.platform.home.latest(source, table))
        return loaded
