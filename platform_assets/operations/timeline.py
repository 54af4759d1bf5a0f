"""The versions of one table in their order, under the names and types of today: what merge, history, as-of and diff begin with.

The one place that collects them. Not here: what becomes of their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

import pyarrow as pa

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.renames import Renames, renames_of
from platform_assets.errors import PlatformError, StoredFileError
from platform_assets.operations.contracts import usable_dictionary
from platform_assets.operations.ordering import source_order
from platform_assets.operations.renaming import contract_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.key_index import digest_index, key_index
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot
from platform_assets.versions.drift import union_table
from platform_assets.versions.merge import find_row_version
from platform_assets.versions.order import Place


@dataclass(frozen=True)
class TableVersion:
    """One version of the table, with its place among the versions of its instance.

    `full`: a complete dump of which its source's settings, or for a pull and posted rows it itself, say that it holds every row: a key
    that it lacks is gone.
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

    @cached_property
    def compared(self) -> Table:
        """What the rows of all versions contend by: the key's columns, and the row version where it is none of them."""
        names = dict.fromkeys([*self.union.key, *([self.row_version] if self.row_version else [])])
        return self.union.with_columns(self.union.column(name) for name in names)

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


def confirmed_renames(settings: Settings, source: str) -> Renames:
    """The renames that the source's dictionary states. Raises SettingsError. A contract is read once for as long as it stays the same."""
    home = Home(settings.home)
    return _renames(home.dictionary, source, contract_version(home, source))


@lru_cache(maxsize=64)
def _renames(folder: Path, source: str, digest: str) -> Renames:
    return renames_of(usable_dictionary(folder, source))


def timeline_of(settings: Settings, catalog: Catalog, source: str, table: str) -> Timeline:
    """Raises PlatformError when no published version has the table, StoredFileError when a snapshot is gone or damaged, and
    SettingsError when a rename of the dictionary collides with what a version has.
    """
    home, rules = Home(settings.home), settings.source(source)
    places = {place.version: place for place in source_order(settings, catalog, source)}
    records = {record.version: record for record in catalog.versions(source=source)}
    versions = []
    renames = confirmed_renames(settings, source)
    for found in catalog.snapshots(source=source, table=table):
        if found.version not in places:
            continue
        stored = found.schema.get("name", table)
        snapshot = open_snapshot(home.snapshot(source, found.version, stored))
        if snapshot.table.name != stored:
            raise StoredFileError(f"{snapshot.folder} holds table {snapshot.table.name!r}, not {stored!r}.", path=str(snapshot.folder))
        snapshot = snapshot.called(renames.today(snapshot.table, place=f"version {found.version}"))
        record = records[found.version]
        completeness = record.completeness or "unknown"
        confirmed = bool({record.version, record.label} & set(rules.deletes_confirmed)) or snapshot.facts.get("replaces", False)
        mends = "replays" in record.facts.get("dump", {})
        by_source = rules.dumps == "full" or snapshot.facts.get("full", False)
        states_all = snapshot.table.deletes == "missing" if snapshot.table.deletes else by_source
        # a pull, and posted rows, hold what was asked for, whatever the source's files hold: only they can say that it is everything
        itself = snapshot.facts.get("format") != "pull" or snapshot.facts.get("full", False)
        full = states_all and itself and completeness == "complete" and not mends
        versions.append(TableVersion(snapshot, places[found.version], completeness, full, confirmed))
    if not versions:
        raise PlatformError(f"No published version of {source} has a table {table!r}.", source=source, table=table)
    return Timeline(source, table, tuple(sorted(versions, key=lambda v: (v.instance, v.place.place))))
