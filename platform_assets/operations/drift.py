"""Schema drift of a source: found from what is published and the order of its versions, kept in the catalog, listed for people.

Whatever arrives, wherever it belongs in the order, the changes of all its tables are found anew: schemas are compared by digest, so
that costs next to nothing. Proposals of renames read rows; a pair of versions that was compared before is not compared again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.renames import with_names
from platform_assets.operations.ordering import source_order
from platform_assets.operations.rename_proposals import Comparer, Found, Neighbour, basis_of
from platform_assets.operations.timeline import confirmed_renames
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.drift_log import (
    ChangeRecord,
    ProposalRecord,
    kept_raw,
    proposals,
    published_schemas,
    replace_drift,
    schema_history,
)
from platform_assets.versions.rename_scores import SHOWN
from platform_assets.versions.schema_changes import Step, table_steps

Row = dict[str, Any]


def record_drift(settings: Settings, catalog: Catalog, source: str) -> None:
    """Brings the catalog's schema_history and renames_proposed of a source up to date."""
    drift = _Drift(settings, catalog, source)
    history = sorted(drift.history(), key=lambda change: (change.table_name, change.version, change.number))
    known = proposals(catalog, source)
    proposed = list(drift.proposed(known))
    if history != schema_history(catalog, source) or sorted(known, key=_identity) != sorted(proposed, key=_identity):
        replace_drift(catalog, source, history, proposed)


def drift_of(settings: Settings, catalog: Catalog, name: str) -> Row:
    """The drift of a table as `drift` prints it (docs/json.md), brought up to date first. Raises NoSuchTable, SettingsError."""
    record = catalog.table(name)
    record_drift(settings, catalog, record.source)
    table = confirmed_renames(settings, record.source).table(record.table_name)
    return {
        "table": f"{record.source}.{table}",
        "changes": changes_of(settings, catalog, record.source, table),
        "renames": proposed_renames(catalog, record.source, table),
    }


def changes_of(settings: Settings, catalog: Catalog, source: str, table: str) -> list[Row]:
    """What changed in a table with each version, by instance, oldest first."""
    places = {place.version: (place.instance, place.place) for place in source_order(settings, catalog, source)}
    found = [record for record in schema_history(catalog, source, table) if record.version in places]
    found.sort(key=lambda record: (*places[record.version], record.number))
    return [{**_listed(record), "place": places[record.version][1]} for record in found]


def changes_with(catalog: Catalog, source: str, version: str) -> list[Row]:
    """What changed with one version, by table."""
    return [_listed(record) for record in schema_history(catalog, source) if record.version == version]


def _listed(record: ChangeRecord) -> Row:
    return {
        "table": record.table_name,
        "version": record.version,
        "instance": record.instance,
        "since": record.since,
        "change": record.change,
        "column": record.column_name,
        "before": record.before,
        "after": record.after,
        "widening": record.widening,
        "kept_raw": record.kept_raw,
    }


def proposed_renames(catalog: Catalog, source: str, table: str) -> list[Row]:
    """Renames that the content speaks for and that nobody confirmed, best first."""
    return [
        {
            "kind": record.kind,
            "old": record.old_name,
            "new": record.new_name,
            "version": record.version,
            "since": record.since,
            "score": record.score,
            "parts": dict(record.parts),
            "shared_rows": record.shared_rows,
            "note": record.note,
        }
        for record in proposals(catalog, source, table)
        if record.score >= SHOWN
    ]


def _identity(record: ProposalRecord) -> tuple[str, ...]:
    return record.kind, record.table_name, record.version, record.old_name


class _Drift:
    """The tables of one source along its versions, under the names of today."""

    def __init__(self, settings: Settings, catalog: Catalog, source: str) -> None:
        self.source = source
        self.renames = confirmed_renames(settings, source)
        self.published = published_schemas(catalog, source)
        self.kept_raw = kept_raw(catalog, source)
        self.comparer = Comparer(settings, source)
        self.orders: dict[str, list[str]] = {}
        for place in source_order(settings, catalog, source):
            self.orders.setdefault(place.instance, []).append(place.version)
        parts = settings.source(source).dumps == "partial"
        self.silent = {v.version for v in catalog.versions(source=source) if parts or v.completeness == "partial"}
        """Versions that lack a table without telling that it is gone: dumps that are cut, or hold parts only."""
        stored = {digest: Table.from_json(dict(schema)) for digest, schema in self.published.schemas.items()}
        self.tables: dict[str, dict[str, Table]] = {}
        """By the name of today and version: the schema as it was."""
        for (version, table), digest in self.published.digests.items():
            self.tables.setdefault(self.renames.table(table), {})[version] = stored[digest]
        self.steps = [step for name in sorted(self.tables) for step in self._steps(name)]

    def _steps(self, name: str) -> Iterator[tuple[str, Step]]:
        names = self._names(name)
        for instance, order in self.orders.items():
            telling = [version for version in order if version in self.tables[name] or version not in self.silent]
            for step in table_steps(instance, telling, self.tables[name], names):
                yield name, step

    def _names(self, name: str) -> Mapping[str, str]:
        """The table's renames; none where a version has both names of a column: who merges that table is told so."""
        names = self.renames.columns_of(name)
        clash = any(len({names.get(c, c) for c in t.column_names}) < len(t.columns) for t in self.tables[name].values())
        return {} if clash else names

    def history(self) -> Iterator[ChangeRecord]:
        for name, step in self.steps:
            cells = self.kept_raw.get((step.version, name), {})
            for number, change in enumerate(step.changes):
                yield ChangeRecord(
                    source=self.source,
                    table_name=name,
                    version=step.version,
                    number=number,
                    instance=step.instance,
                    since=step.since,
                    change=change.kind,
                    column_name=change.column,
                    before=change.before,
                    after=change.after,
                    widening=change.widening,
                    kept_raw=cells.get(change.column or "") if change.kind in ("retyped", "added") else None,
                )

    def proposed(self, known: Sequence[ProposalRecord]) -> Iterator[ProposalRecord]:
        """Renames within tables and of tables; what stands for a pair of versions in `known` is not looked for again."""
        scored: dict[tuple[str, ...], list[ProposalRecord]] = {}
        for record in known:
            scored.setdefault((record.kind, record.version, record.basis), []).append(record)
        for name, step in self.steps:
            if {"dropped", "added"} <= {change.kind for change in step.changes}:
                old, new = self._neighbour(name, step.since), self._neighbour(name, step.version)
                basis = basis_of([old], [new])
                before = scored.get(("column", step.version, basis))
                yield from before or (self._record(name, step, basis, one, "column") for one in self.comparer.columns(old, new))
        for version, gone, come in self._replaced():
            olds = [self._neighbour(name, step.since) for name, step in gone.items()]
            news = [self._neighbour(name, version) for name in come]
            basis = basis_of(olds, news)
            before = scored.get(("table", version, basis))
            yield from before or (
                self._record(one.score.old, gone[one.score.old], basis, one, "table") for one in self.comparer.tables(olds, news)
            )

    def _replaced(self) -> Iterator[tuple[str, dict[str, Step], list[str]]]:
        """Versions with which tables vanished and others appeared: the steps of those, each since the version that had it; these names."""
        found: dict[str, tuple[dict[str, Step], list[str]]] = {}
        for name, step in self.steps:
            gone, come = found.setdefault(step.version, ({}, []))
            if step.changes[0].kind == "vanished":
                gone[name] = step
            elif step.changes[0].kind == "appeared":
                come.append(name)
        for version, (gone, come) in found.items():
            if gone and come:
                yield version, gone, come

    def _record(self, table: str, step: Step, basis: str, found: Found, kind: str) -> ProposalRecord:
        return ProposalRecord(
            source=self.source,
            kind=kind,
            table_name=table,
            version=step.version,
            old_name=found.score.old,
            new_name=found.score.new,
            since=step.since,
            score=found.score.score,
            parts=dict(found.score.parts),
            shared_rows=found.shared_rows,
            note=found.note,
            basis=basis,
        )

    def _neighbour(self, name: str, version: str) -> Neighbour:
        stored, names = self.tables[name][version], self._names(name)
        content = self.published.contents.get((version, name)) or self.published.contents.get((version, stored.name), "")
        return Neighbour(
            version=version,
            stored_name=stored.name,
            table=replace(with_names(stored, names), name=name),
            content=content,
            names={names[column]: column for column in stored.column_names if column in names},
        )
