"""Parents that other versions hold: what references over versions and across sources are judged by, and whether more came since.

A row whose parent is in no version waits in quarantine; its version is judged again when the parents' versions are others than those
that it was judged by. Not here: the judging (judge) and who runs it (stale_verdicts).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import ForeignKey, Table
from platform_assets.dictionary.rules import rules_of
from platform_assets.operations.judge import Verdict
from platform_assets.operations.mended import chosen_columns
from platform_assets.operations.standing import Standing
from platform_assets.operations.timeline import confirmed_renames
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import SnapshotRecord, VersionRecord
from platform_assets.storage.home import Home
from platform_assets.storage.rows.rejects import RejectRecord
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot

Parents = list[list[str]]
"""Pairs (source, table)."""


@dataclass
class Lender:
    """Lends one version the accepted rows of other versions: of its own source those of its instance, of other sources all.

    The mark of a table is taken before its rows are: what is published in between has the version judged once more.
    """

    settings: Settings
    catalog: Catalog
    version: VersionRecord
    _records: dict[tuple[str, str], list[SnapshotRecord]] = field(default_factory=dict)

    def __call__(self, key: ForeignKey) -> Standing | None:
        """The rows of the referenced table; None while no version of it is published. Raises StoredFileError, SettingsError."""
        source, name = _place(key, self.version.source)
        records = self._records_of(source, name)
        if not records:
            return None
        snapshots = [_called_today(self.settings, source, record) for record in reversed(records)]
        newest = snapshots[0].table
        seen = replace(newest, foreign_keys=tuple(_seen_from(one, source, self.version.source) for one in newest.foreign_keys))
        return Standing(seen, _rows(snapshots, Snapshot.batches), held=_rows(snapshots, _waiting_batches))

    def waits_for(self, tables: Iterable[tuple[Table, Verdict]]) -> dict[str, Any] | None:
        """What the version's waiting rows wait for, as version.json keeps it: `parents` and their `mark`. None: none waits."""
        parents: Parents = []
        for table, verdict in tables:
            rules = {rule.id for rule in rules_of(table) if rule.waits and verdict.rule_counts.get(rule.id, (0, 0))[1]}
            if rules:
                parents += [list(_place(key, self.version.source)) for key in table.foreign_keys if key.over_versions]
        if not parents:
            return None
        parents = sorted(map(list, {tuple(parent) for parent in parents}))
        return {"parents": parents, "mark": self.mark(parents)}

    def mark(self, parents: Parents) -> str:
        """Sixteen digits that change when a version of the parents comes or goes, or another number of its rows is accepted."""
        seen = [(source, name, record.version, record.accepted) for source, name in parents for record in self._records_of(source, name)]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]

    def _records_of(self, source: str, name: str) -> list[SnapshotRecord]:
        """The other published versions, oldest first."""
        if (source, name) not in self._records:
            of = {record.version: record.instance for record in self.catalog.versions(source=source)}
            own = source == self.version.source
            self._records[source, name] = sorted(
                (
                    record
                    for record in self.catalog.snapshots(source=source, table=name)
                    if record.version != self.version.version and (not own or of.get(record.version) == self.version.instance)
                ),
                key=lambda record: (record.load_id or 0, record.version),
            )
        return self._records[source, name]


def is_waiting(rules: frozenset[str], violations: str) -> bool:
    """Whether a rejected row broke nothing but references that wait; `rules` are their ids, `violations` the JSON of its reasons."""
    return bool(rules) and all(one.get("rule") in rules for one in json.loads(violations))


def waiting_rules(table: Table) -> frozenset[str]:
    return frozenset(rule.id for rule in rules_of(table) if rule.waits)


def _place(key: ForeignKey, own: str) -> tuple[str, str]:
    return (key.source, key.table.removeprefix(f"{key.source}.")) if key.source else (own, key.table)


def _seen_from(key: ForeignKey, source: str, viewer: str) -> ForeignKey:
    """A reference of a table of `source`, as one of `viewer` calls its parent."""
    parent, name = _place(key, source)
    return replace(key, source="", table=name) if parent == viewer else replace(key, source=parent, table=f"{parent}.{name}")


def _called_today(settings: Settings, source: str, record: SnapshotRecord) -> Snapshot:
    home, renames = Home(settings.home), confirmed_renames(settings, source)
    snapshot = open_snapshot(home.snapshot(source, record.version, record.schema.get("name", record.table_name)))
    return snapshot.called(renames.today(snapshot.table, place=f"version {record.version}"))


def _rows(
    snapshots: Sequence[Snapshot], read: Callable[[Snapshot, Sequence[str]], Iterator[pa.RecordBatch]]
) -> Callable[[Sequence[str]], Iterator[pa.RecordBatch]]:
    def batches(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for snapshot in snapshots:
            yield from chosen_columns(snapshot, columns, read)

    return batches


def _waiting_batches(snapshot: Snapshot, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows that would be accepted if their parents were there."""
    rules = waiting_rules(open_snapshot(snapshot.folder).table)  # reasons name rules by the names that the dump has
    if not rules or not snapshot.rejected_readable:
        return
    numbers = pa.array(np.fromiter(_numbers(snapshot.rejects(), rules), np.int64))
    for batch in snapshot.batches(columns, accepted_only=False):
        chosen = batch.filter(pc.is_in(batch.column("_row"), numbers))
        if chosen.num_rows:
            yield chosen


def _numbers(rejects: Iterable[RejectRecord], rules: frozenset[str]) -> Iterator[int]:
    return (one.row for one in rejects if one.row is not None and not one.recovered and is_waiting(rules, one.violations))
