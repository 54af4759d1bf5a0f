"""Landing: batches of posted rows become dumps, many at a time, and these are loaded. What a rebuild reads is then in dumps/.

A dump is judged as one, so batches land together only when that changes no verdict: of the same tables under the same definitions,
without a key or a unique value in common, and, where rows refer to rows of the same dump, when none was rejected: a parent of another
batch would have let it through. What one request posted to several tables of a source lands as one dump. Each step can be repeated: the
folder is decided first, its rename is the landing, and rows leave the catalog in the transaction that publishes the state made of them.
"""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from platform_assets.dictionary.model import Table
from platform_assets.formats.pull import KIND
from platform_assets.operations.load_version import publish_once, refresh_tables, turn
from platform_assets.operations.register import found_at, register
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.posted_batches import BatchRecord, Shift, decide, landed, lines_of, waiting
from platform_assets.storage.files import TEMPORARY, fsync_folder
from platform_assets.storage.home import Home
from platform_assets.storage.pulls import RunningPull

GROUP_ROWS, GROUP_BYTES = 100_000, 64 << 20
GROUP_SPAN = timedelta(minutes=1)
"""A dump has one time; batches that are further apart may have another dump between them."""
TOGETHER = 50
"""Versions that one merge of latest state and history takes in: each costs its own work, and the state's work comes once for all."""


def land(settings: Settings, catalog: Catalog, source: str) -> list[str]:
    """Lands and loads all batches of a source that wait; returns the versions, oldest first.

    Raises FencedOut when another one is at it for longer than a minute, and what loading raises: what landed before stands.
    """
    versions: list[str] = []
    with turn(catalog, f"landing/{source}"):
        found = list(groups(waiting(catalog, source)))
        for at in range(0, len(found), TOGETHER):
            some = found[at : at + TOGETHER]
            versions += [_land(settings, catalog, group) for group in some]
            tables = {one.table_name for group in some for one in group}
            refresh_tables(settings, catalog, source, tables, run_id=some[-1][0].batch_id)
    return versions


def land_all(settings: Settings, catalog: Catalog) -> list[str]:
    """The same for every source that has batches waiting."""
    return [version for source in sorted({one.source for one in waiting(catalog)}) for version in land(settings, catalog, source)]


def groups(batches: Sequence[BatchRecord]) -> Iterator[list[BatchRecord]]:
    """Batches in their order, by those that land together. Those that were decided before come first, as they were decided."""
    decided: dict[str, list[BatchRecord]] = {}
    posted: dict[str, list[BatchRecord]] = {}
    for one in batches:
        if one.folder is not None:
            decided.setdefault(one.folder, []).append(one)
        else:
            posted.setdefault(one.request or one.batch_id, []).append(one)
    yield from decided.values()
    open_: dict[tuple[str, str], _Group] = {}
    for unit in posted.values():
        places = [(one.table_name, one.instance) for one in unit]
        met = list({id(group): group for place in places if (group := open_.get(place))}.values())
        if len(met) == 1 and met[0].takes(unit):
            met[0].add(unit)
            continue
        for group in met:  # a table's batches land in their order
            yield group.batches
            open_ = {place: one for place, one in open_.items() if one is not group}
        open_ |= dict.fromkeys(places, _Group(unit))
    for group in {id(group): group for group in open_.values()}.values():
        yield group.batches


class _Group:
    """Batches that were found to land together so far: one per table, or as many of each."""

    def __init__(self, unit: Sequence[BatchRecord]) -> None:
        self.batches: list[BatchRecord] = []
        self._first = unit[0]
        self._definitions = {one.table_name: one.definition for one in unit}
        keys = (key for one in unit for key in Table.from_json(dict(one.definition)).foreign_keys)
        self._refers = any(key.table in self._definitions for key in keys)
        self._identities: dict[str, set[bytes]] = {name: set() for name in self._definitions}
        self._rows = self._bytes = self._rejected = 0
        self.add(unit)

    def takes(self, unit: Sequence[BatchRecord]) -> bool:
        if {one.table_name: one.definition for one in unit} != self._definitions:
            return False
        if self._refers and self._rejected + sum(one.rejected for one in unit):
            return False
        rows, size = sum(one.rows for one in unit), sum(one.size for one in unit)
        if self._rows + rows > GROUP_ROWS or self._bytes + size > GROUP_BYTES:
            return False
        begun, moment = self._first.posted_at, unit[-1].posted_at
        if begun is None or moment is None or moment - begun > GROUP_SPAN:
            return False
        return all(self._identities[one.table_name].isdisjoint(_identities(one)) for one in unit)

    def add(self, unit: Sequence[BatchRecord]) -> None:
        self.batches.extend(unit)
        for one in unit:
            self._identities[one.table_name].update(_identities(one))
            self._rows += one.rows
            self._bytes += one.size
            self._rejected += one.rejected


def _identities(one: BatchRecord) -> set[bytes]:
    data = one.identities or b""
    return {data[at : at + 8] for at in range(0, len(data), 8)}


def _land(settings: Settings, catalog: Catalog, group: Sequence[BatchRecord]) -> str:
    home, first = Home(settings.home), group[0]
    folder = first.folder or f"dumps/{first.source}/{first.batch_id}@{first.instance}"
    if first.folder is None:
        decide(catalog, group, folder)
    target = home.root / folder
    if not target.exists():
        _stage(home, catalog, group, target)
    record, _ = register(settings, catalog, found_at(settings, first.source, target))
    landed(catalog, record.version, _shifts(group))
    publish_once(settings, catalog, record, run_id=first.batch_id)
    return record.version


def _shifts(group: Sequence[BatchRecord]) -> list[Shift]:
    lines, places = Counter[str](), Counter[str]()
    shifts = []
    for one in group:
        shifts.append(Shift(one.batch_id, lines[one.table_name], places[one.table_name]))
        lines[one.table_name] += one.rows - len(one.refused)
        places[one.table_name] += one.rows
    return shifts


def _stage(home: Home, catalog: Catalog, group: Sequence[BatchRecord], target: Path) -> None:
    """The dump under a temporary name of the store, then under its own; what is left of it at the end is removed."""
    work, first = home.store / "work", group[0]
    running = RunningPull(work / f".{first.batch_id}{TEMPORARY}{secrets.token_hex(6)}")
    staged = work / f".{first.batch_id}{TEMPORARY}{secrets.token_hex(6)}"
    try:
        running.begin({"batch": first.batch_id})
        number = 0
        for name, batches in _by_table(group).items():
            if lines := lines_of(catalog, batches):
                running.add(number, lines, sum(one.rows - len(one.refused) for one in batches), {}, None, {"table": name})
                number += 1
        running.land(staged, _manifest(group))
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(target)
        fsync_folder(target.parent)
    finally:
        running.forget()
        shutil.rmtree(staged, ignore_errors=True)


def _by_table(group: Sequence[BatchRecord]) -> dict[str, list[BatchRecord]]:
    tables: dict[str, list[BatchRecord]] = {}
    for one in group:
        tables.setdefault(one.table_name, []).append(one)
    return tables


def _manifest(group: Sequence[BatchRecord]) -> dict[str, Any]:
    shifts = {shift.batch_id: shift for shift in _shifts(group)}
    tables = [
        {
            "table": name,
            "definition": dict(batches[-1].definition),
            "refused": [{**one, "index": one["index"] + shifts[batch.batch_id].places} for batch in batches for one in batch.refused],
            "batches": [{"batch": one.batch_id, "rows": one.rows, "rejected": one.rejected} for one in batches],
        }
        for name, batches in _by_table(group).items()
    ]
    moment = (group[-1].posted_at or datetime.now(UTC)).isoformat()
    about = {"kind": KIND, "topic": None, "moment": moment, "full": False}
    return about | (tables[0] if len(tables) == 1 else {"tables": tables})
