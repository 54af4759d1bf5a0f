"""What inheritance cannot keep: keys across version tables, counted for one version. Decides nothing; the check reports it."""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import VersionRecord
from platform_assets.storage.server.sessions import connected
from platform_assets.storage.warehouse.child_keys import KeyCounts, count_keys
from platform_assets.storage.warehouse.version_tables import standing_mother


@dataclass(frozen=True)
class VersionKeys:
    """One table of a version; `counts` is None where its version table was put away."""

    table: str
    accepted: int
    counts: KeyCounts | None

    @property
    def sound(self) -> bool:
        """Every accepted row stands once under the mother, no key twice."""
        return self.counts is None or (self.counts.rows == self.accepted and not self.counts.repeated)


def version_keys(catalog: Catalog, version: VersionRecord) -> list[VersionKeys]:
    """The tables of a published version as the warehouse has them. A key may well stand in several instances: it is unique in one."""
    several = len({other.instance for other in catalog.versions(source=version.source)}) > 1
    tables = {table.table_name: table for table in catalog.tables(version.source)}
    found = []
    with connected(catalog.url) as connection:
        for record in catalog.snapshots(version=version.version):
            mother = standing_mother(connection, version.source, record.table_name) if record.attached else None
            table = tables[record.table_name]
            latest = (table.schema_name, table.relation) if several and table.schema_name and table.relation else None
            counts = None
            if mother is not None:
                key = table.key or record.key
                counts = count_keys(connection, mother, version.version, key, latest, version.instance)
            found.append(VersionKeys(record.table_name, record.accepted, counts))
    return found
