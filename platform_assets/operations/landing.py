"""Landing: batches of posted rows become dumps, many at a time, and these are loaded. What a rebuild reads is then in dumps/.

A dump is judged as one, so batches land together only when that changes no verdict: of one table under one definition, without a key
or a unique value in common, and not where rows refer to rows of their own table. Each step can be repeated: the folder is
decided first, its rename is the landing, and rows leave the catalog in the transaction that publishes the state made of them.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from platform_assets.dictionary.model import Table
from platform_assets.formats.pull import KIND
from platform_assets.operations.load_version import load_version, turn
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


def land(settings: Settings, catalog: Catalog, source: str) -> list[str]:
    """Lands and loads all batches of a source that wait; returns the versions, oldest first.

    Raises FencedOut when another one is at it for longer than a minute, and what loading raises: what landed before stands.
    """
    versions = []
    with turn(catalog, f"landing/{source}"):
        for group in groups(waiting(catalog, source)):
            versions.append(_land(settings, catalog, group))
    return versions


def land_all(settings: Settings, catalog: Catalog) -> list[str]:
    """The same for every source that has batches waiting."""
    return [version for source in sorted({one.source for one in waiting(catalog)}) for version in land(settings, catalog, source)]


def groups(batches: Sequence[BatchRecord]) -> Iterator[list[BatchRecord]]:
    """Batches in their order, by those that land together. Those that were decided before come first, as they were decided."""
    decided: dict[str, list[BatchRecord]] = {}
    for one in batches:
        if one.folder is not None:
            decided.setdefault(one.folder, []).append(one)
    yield from decided.values()
    open_: dict[tuple[str, str], _Group] = {}
    for one in (one for one in batches if one.folder is None):
        place = one.table_name, one.instance
        group = open_.get(place)
        if group is not None and not group.takes(one):
            yield group.batches
            group = None
        if group is None:
            group = open_[place] = _Group(one)
        group.add(one)
    for group in open_.values():
        yield group.batches


class _Group:
    """Batches that were found to land together so far."""

    def __init__(self, first: BatchRecord) -> None:
        self.batches: list[BatchRecord] = []
        self._first = first
        table = Table.from_json(dict(first.definition))
        self._alone = any(key.table == table.name for key in table.foreign_keys)
        self._identities: set[bytes] = set()
        self._rows = self._bytes = 0

    def takes(self, one: BatchRecord) -> bool:
        first = self._first
        if self._alone or one.definition != first.definition:
            return False
        if self._rows + one.rows > GROUP_ROWS or self._bytes + one.size > GROUP_BYTES:
            return False
        if one.posted_at is None or first.posted_at is None or one.posted_at - first.posted_at > GROUP_SPAN:
            return False
        return self._identities.isdisjoint(_identities(one))

    def add(self, one: BatchRecord) -> None:
        self.batches.append(one)
        self._identities.update(_identities(one))
        self._rows += one.rows
        self._bytes += one.size


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
    load_version(settings, catalog, record, run_id=first.batch_id)
    return record.version


def _shifts(group: Sequence[BatchRecord]) -> list[Shift]:
    shifts, lines, places = [], 0, 0
    for one in group:
        shifts.append(Shift(one.batch_id, lines, places))
        lines += one.rows - len(one.refused)
        places += one.rows
    return shifts


def _stage(home: Home, catalog: Catalog, group: Sequence[BatchRecord], target: Path) -> None:
    """The dump under a temporary name of the store, then under its own; what is left of it at the end is removed."""
    work, first = home.store / "work", group[0]
    running = RunningPull(work / f".{first.batch_id}{TEMPORARY}{secrets.token_hex(6)}")
    staged = work / f".{first.batch_id}{TEMPORARY}{secrets.token_hex(6)}"
    try:
        running.begin({"batch": first.batch_id})
        lines = lines_of(catalog, group)
        if lines:
            running.add(0, lines, sum(one.rows - len(one.refused) for one in group), {}, None, {})
        running.land(staged, _manifest(group))
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(target)
        fsync_folder(target.parent)
    finally:
        running.forget()
        shutil.rmtree(staged, ignore_errors=True)


def _manifest(group: Sequence[BatchRecord]) -> dict[str, Any]:
    last = group[-1]
    placed = zip(group, _shifts(group), strict=True)
    refused = [{**one, "index": one["index"] + shift.places} for batch, shift in placed for one in batch.refused]
    return {
        **described(last.table_name, last.definition, last.posted_at or datetime.now(UTC)),
        "refused": refused,
        "batches": [{"batch": one.batch_id, "rows": one.rows, "rejected": one.rejected} for one in group],
    }


def described(table: str, definition: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """What pull.json says of posted rows, but for the rows themselves."""
    return {"kind": KIND, "topic": None, "table": table, "moment": moment.isoformat(), "full": False, "definition": dict(definition)}
