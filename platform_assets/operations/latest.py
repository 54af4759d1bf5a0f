"""Merge: the latest state of one table from the snapshots of all its published versions, and its state at an earlier day.

What was merged before is taken as it stands when only newer versions came: then a version costs its own work and the state's, not
that of all before it. Whatever else changed (an older version, the order, a key, a type, a setting) is merged anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.dictionary.types import type_name
from platform_assets.engines.duckdb import open_engine
from platform_assets.errors import StoredFileError
from platform_assets.operations.contest import Outcome, hold_contest
from platform_assets.operations.timeline import TableVersion, Timeline, timeline_of
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.latest_state import LatestState, LatestWriter, open_latest
from platform_assets.versions.keys import table_key
from platform_assets.versions.order import Place


@dataclass(frozen=True)
class MergedTable:
    """A merged state, pending until `state.commit()`."""

    source: str
    table: str
    state: LatestState
    versions: tuple[Place, ...]
    row_version: str | None
    row_version_found: bool
    deleted: int
    """Keys that the newest full dumps no longer had."""
    guarded: Mapping[str, int]
    """Instances whose newest full dump lost more keys than the guard allows, with how many: nothing was deleted there."""
    load_id: int
    partial: tuple[str, ...] = ()
    """Versions that come from partial dumps."""


def merge_table(settings: Settings, catalog: Catalog, source: str, table: str) -> MergedTable:
    """Merges one table. Raises PlatformError when no published version has it, StoredFileError when a snapshot is gone or damaged."""
    changed = catalog.table(table_key(source, table)).changed_load_id or 0
    timeline = timeline_of(settings, catalog, source, table)
    folder = Home(settings.home).latest(source, table)
    state = merged(settings, timeline, folder, before=_standing(folder), load_id=changed)
    return MergedTable(
        source=source,
        table=table,
        state=state,
        versions=tuple(version.place for version in timeline.versions),
        row_version=timeline.row_version,
        row_version_found=timeline.row_version is not None and not timeline.row_version_declared,
        deleted=sum(state.facts["deleted"].values()),
        guarded=state.facts["guarded"],
        load_id=changed,
        partial=tuple(version.version for version in timeline.versions if version.completeness == "partial"),
    )


def merged(
    settings: Settings,
    timeline: Timeline,
    folder: Path,
    *,
    before: LatestState | None = None,
    load_id: int = 0,
    under: Callable[[Timeline, frozenset[str]], Timeline] = lambda timeline, chosen: timeline,
) -> LatestState:
    """The state after all versions of a timeline, pending, to stand in `folder`; `before` is one that may be built upon.

    `under` gives the versions whose columns the state has, from the timeline and the names of those that rows were chosen from.
    """
    rules = settings.source(timeline.source)
    basis = _basis(timeline, rules.delete_guard)
    writer = LatestWriter(folder, source=timeline.source)
    outcomes: dict[str, Outcome] = {}
    with open_engine(Home(settings.home).store / "work", memory_limit=settings.memory_limit, threads=settings.threads) as engine:
        try:
            for instance, versions in timeline.instances.items():
                known = _known(before, basis, instance, versions)
                outcomes[instance] = hold_contest(engine, timeline, versions, rules.delete_guard, known)
                for version, rows in zip(versions, outcomes[instance].winners, strict=True):
                    writer.choose(version.snapshot, rows)
            return writer.finish(
                under(timeline, writer.chosen_from).union,
                facts={
                    "load_id": load_id,
                    "row_version": timeline.row_version,
                    "basis": basis,
                    "merged": {instance: [_identity(version) for version in versions] for instance, versions in timeline.instances.items()},
                    "deleted": {instance: outcome.deleted for instance, outcome in outcomes.items()},
                    "guarded": {instance: outcome.guarded for instance, outcome in outcomes.items() if outcome.guarded},
                    "merged_at": datetime.now(UTC).isoformat(),
                },
            )
        except BaseException:
            writer.discard()
            raise


def _standing(folder: Path) -> LatestState | None:
    """The state that was committed last; None when there is none or it is damaged: then all is merged anew."""
    try:
        return open_latest(folder)
    except StoredFileError:
        return None


def _basis(timeline: Timeline, guard: float) -> list[Any]:
    """What a state hangs on besides its versions: who contends by what."""
    union, row_version = timeline.union, timeline.row_version
    compared = union.key or union.column_names
    types = [type_name(union.column(name).type) for name in (*compared, *([row_version] if row_version else []))]
    return [list(union.key), row_version, types, guard]


def _identity(version: TableVersion) -> list[Any]:
    names = sorted(map(list, version.snapshot.names.items()))
    return [version.version, version.snapshot.content, version.full, version.deletes_confirmed, names]


def _known(before: LatestState | None, basis: list[Any], instance: str, versions: tuple[TableVersion, ...]) -> Outcome | None:
    """What stands of an instance, if it was made of the first of these very versions."""
    if before is None or before.facts.get("basis") != basis:
        return None
    held = before.facts["merged"].get(instance, [])
    if not held or held != [_identity(version) for version in versions[: len(held)]]:
        return None
    numbers = before.numbers()
    winners = tuple(numbers[version.version] for version in versions[: len(held)])
    return Outcome(winners, before.facts["deleted"][instance], before.facts["guarded"].get(instance, 0))
