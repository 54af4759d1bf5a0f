"""The versions of one table in their order, under the names and types of today: what merge, history, as-of and diff begin with.

The one place that collects them. Not here: what becomes of their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.errors import PlatformError, StoredFileError
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.key_index import digest_index, key_index
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot
from platform_assets.versions.drift import union_table
from platform_assets.versions.merge import find_row_version
from platform_assets.versions.order import Place, VersionFacts, order_versions


@dataclass(frozen=True)
class TableVersion:
    """One version of the table, with its place among the versions of its instance.

    `full`: a complete dump of which its source's settings, or it itself, say that it holds every row: a key that it lacks is gone.
    """

    snapshot: Snapshot
    place: Place
    completeness: str
    full: bool
    deletes_confirmed: bool = False

    @property
    def version(self) -> str:
        return self.place.version

    @property
    def instance(self) -> str:
        return self.place.instance

    @property
    def table(self) -> Table:
        return self.snapshot.table

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Its accepted rows with the named columns, `_row` and `_raw` among them if named."""
        return self.snapshot.batches(columns)

    def keys(self, wanted: Table) -> pa.Table:
        """(`row`, `c0`, ...) per accepted row, ascending: the columns of `wanted`, those that it lacks NULL."""
        return key_index(self.snapshot.folder, self.snapshot.content, wanted, self.table.column_names, self.batches)

    def digests(self, union: Table) -> pa.Table:
        """(`row`, `h0`, `h1`) per accepted row, ascending: what its whole content comes to under the union's types."""
        return digest_index(self.snapshot.folder, self.snapshot.content, union, self.table.column_names, self.batches)


@dataclass(frozen=True)
class Timeline:
    """All versions of one table that are in the warehouse: instances by name, in each the oldest first. Never empty."""

    source: str
    table: str
    versions: tuple[TableVersion, ...]

    @cached_property
    def union(self) -> Table:
        """The columns of all versions under their common types, with the newest version's key."""
        newest_last = sorted(self.versions, key=lambda v: (v.place.moment or datetime.min, v.instance, v.place.place))
        return union_table([version.table for version in newest_last])

    @cached_property
    def row_version(self) -> str | None:
        """The row-version column, declared or found."""
        return find_row_version(self.union)

    @property
    def row_version_declared(self) -> bool:
        return any(version.table.row_version for version in self.versions)

    @cached_property
    def instances(self) -> dict[str, tuple[TableVersion, ...]]:
        """Per instance its versions, oldest first."""
        found: dict[str, tuple[TableVersion, ...]] = {}
        for version in self.versions:
            found[version.instance] = (*found.get(version.instance, ()), version)
        return found

    def narrowed(self, versions: Sequence[TableVersion]) -> Timeline:
        """The same table with some of its versions only."""
        return replace(self, versions=tuple(versions))


def source_order(settings: Settings, catalog: Catalog, source: str) -> list[Place]:
    """The places of all versions of a source that are in the warehouse, oldest first within each instance.

    That a version is being run again, or failed when it was, takes nothing out of the warehouse.
    """
    there = {snapshot.version for snapshot in catalog.snapshots(source=source)}
    facts = [
        VersionFacts(v.version, v.instance, v.label, v.sha256, _naive(v.dump_time), _moment(v.row_version_max))
        for v in catalog.versions(source=source)
        if v.version in there
    ]
    return order_versions(facts, settings.source(source).order)


def _naive(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def timeline_of(settings: Settings, catalog: Catalog, source: str, table: str) -> Timeline:
    """Raises PlatformError when no published version has the table, StoredFileError when a snapshot is gone or damaged."""
    home, rules = Home(settings.home), settings.source(source)
    places = {place.version: place for place in source_order(settings, catalog, source)}
    records = {record.version: record for record in catalog.versions(source=source)}
    versions = []
    for found in catalog.snapshots(source=source, table=table):
        if found.version not in places:
            continue
        snapshot = open_snapshot(home.snapshot(source, found.version, table))
        if snapshot.table.name != table:
            raise StoredFileError(f"{snapshot.folder} holds table {snapshot.table.name!r}, not {table!r}.", path=str(snapshot.folder))
        record = records[found.version]
        completeness = record.completeness or "unknown"
        confirmed = bool({record.version, record.label} & set(rules.deletes_confirmed))
        full = (rules.dumps == "full" or snapshot.facts.get("full", False)) and completeness == "complete"
        versions.append(TableVersion(snapshot, places[found.version], completeness, full, confirmed))
    if not versions:
        raise PlatformError(f"No published version of {source} has a table {table!r}.", source=source, table=table)
    return Timeline(source, table, tuple(sorted(versions, key=lambda v: (v.instance, v.place.place))))
