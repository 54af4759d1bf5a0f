"""Retention: older version tables leave the warehouse where a source keeps the newest only. Their snapshots stay, and all made from them.

A version that is materialized is attached, however old it is; it is put away again with the next publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from platform_assets.errors import Conflict, FencedOut
from platform_assets.operations.ordering import source_order
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import SnapshotRecord
from platform_assets.storage.warehouse import version_tables
from platform_assets.storage.warehouse.protocol import claim, publication, table_lock


@dataclass(frozen=True)
class PutAway:
    """What became of one old version table. It is `kept` where something in the warehouse needs it: `why` names that."""

    table: str
    version: str
    outcome: Literal["detached", "dropped", "kept"]
    why: str = ""


def put_away_old(settings: Settings, catalog: Catalog, source: str, *, published: str, run_id: str) -> tuple[PutAway, ...]:
    """Applies `versions` of the source's settings, but to the version `published` just now."""
    rule = settings.source(source).versions
    if rule.keep_last is None:
        return ()
    places = source_order(settings, catalog, source)
    newest = {place.instance: place.place for place in places}
    old = {place.version for place in places if place.place <= newest[place.instance] - rule.keep_last} - {published}
    records = [record for record in catalog.snapshots(source=source) if record.version in old and record.attached]
    if not records:
        return ()
    try:
        return _put_away(catalog, source, records, drop=rule.then == "drop", run_id=run_id)
    except FencedOut:
        return ()  # another publication of this source came between, and does the same


def _put_away(catalog: Catalog, source: str, records: list[SnapshotRecord], *, drop: bool, run_id: str) -> tuple[PutAway, ...]:
    take_out = version_tables.drop_version if drop else version_tables.detach_version
    done = []
    with publication(
        catalog.url, claim(catalog.url, f"retention/{source}", run_id), locks=[table_lock(source, r.table_name) for r in records]
    ) as tx:
        for record in records:
            try:
                with tx.connection.transaction():
                    take_out(tx.connection, source=source, version=record.version, table=record.table_name)
                    catalog.put_away(tx.connection, record.version, record.table_name, dropped=drop)
            except Conflict as conflict:
                done.append(PutAway(record.table_name, record.version, "kept", conflict.message))
            else:
                done.append(PutAway(record.table_name, record.version, "dropped" if drop else "detached"))
        tx.log("put_away_versions", source=source, details={f"{one.table} {one.version}": one.outcome for one in done})
    return tuple(done)
