"""The order of a source's versions: facts from the catalog, declarations from the home, brought together and kept.

Whoever needs the order asks `source_order`, which derives it anew each time; what is recorded is for people, and for what was believed
before. How the evidence decides is versions.order's business. Imports no Arrow: `platform-assets order` answers at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import PurePosixPath

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnknownSource
from platform_assets.settings import Settings, override_file
from platform_assets.storage.catalog import order_log
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.records import EvidenceRecord, FindingRecord, OrderRecord, TimeRecord
from platform_assets.storage.server.sessions import connected
from platform_assets.versions.declared import Known, declare
from platform_assets.versions.evidence import KeySet, VersionFacts, gtid_set, log_position, naive
from platform_assets.versions.findings import Finding
from platform_assets.versions.fixes import Fix, with_fixes
from platform_assets.versions.order import Ordered, Place, settle

_SEQUENCE = re.compile(r"(?P<name>.+?)=(?P<value>-?\d+)(?:, |$)")


@dataclass(frozen=True)
class RecordedOrder:
    """An order as it was recorded; `moved` are the tables whose versions changed places, and which are merged again for it."""

    ordered: Ordered
    moved: tuple[str, ...]


def source_order(settings: Settings, catalog: Catalog, source: str) -> list[Place]:
    """The places of all versions of a source that are in the warehouse, oldest first within each instance.

    That a version is being run again, or failed when it was, takes nothing out of the warehouse. Raises SettingsError for an override
    file that cannot be understood.
    """
    return list(judged_order(settings, catalog, source).places)


def judged_order(settings: Settings, catalog: Catalog, source: str) -> Ordered:
    """The same with all that a person must settle. Raises SettingsError."""
    said, file = settings.source(source), override_file(settings.home, source)
    times = order_log.times(catalog, source)
    known = [Known(one.version, one.label, PurePosixPath(one.path).name) for one in times]
    published = [one for one in times if one.published and "replays" not in one.dump]
    fixes = [Fix(one.version, one.dump["replays"], one.dump["handed_back_at"]) for one in times if one.published and "replays" in one.dump]
    facts, declarations = declare([_facts(one, said) for one in published], known, said, file)
    declarations += _stray_files(settings, order_log.sources(catalog), source)
    facts = _with_keys(facts, order_log.evidence(catalog, source, sketches=any(one.moment is None for one in facts)))
    ordered = settle(facts)
    return Ordered(with_fixes(_against(ordered.places, declarations), fixes), (*declarations, *ordered.findings))


def _stray_files(settings: Settings, known: Sequence[str], source: str) -> list[Finding]:
    """Override files that are of no source: told at the source whose name is next to theirs, at every source where none is."""
    findings = []
    for path in sorted((settings.home / "order").glob("*")):
        if path.suffix == ".yaml" and path.stem in {*known, *settings.sources}:
            continue
        near = get_close_matches(path.stem, known, 1)
        if not near or near[0] == source:
            meant = f"Did you mean order/{near[0]}.yaml?" if near else f"Sources are: {', '.join(known)}."
            findings.append(Finding("declaration", None, (), f"order/{path.name} is not read: there is no source of its name. {meant}"))
    return findings


def _against(places: Sequence[Place], declarations: Sequence[Finding]) -> tuple[Place, ...]:
    """Declarations that contradict each other are told at their versions as well."""
    told: dict[str, tuple[str, ...]] = {}
    for finding in declarations:
        if finding.kind == "contradiction":
            told |= {version: (*told.get(version, ()), finding.text) for version in finding.versions}
    return tuple(replace(one, contradictions=(*told.get(one.version, ()), *one.contradictions)) for one in places)


def _facts(one: TimeRecord, said: SourceSettings) -> VersionFacts:
    counters = {
        f"AUTO_INCREMENT of {name.removeprefix('auto_increment.')}": int(value)
        for name, value in one.dump.items()
        if name.startswith("auto_increment.") and value.isdecimal()
    }
    counters |= {f"sequence {found['name']}": int(found["value"]) for found in _SEQUENCE.finditer(one.dump.get("sequences", ""))}
    return VersionFacts(
        version=one.version,
        instance=one.instance,
        label=one.label,
        sha256=one.sha256,
        dump_time=naive(one.dump_time) if one.dump_time else None,
        row_version_max=datetime.fromisoformat(one.row_version_max) if one.row_version_max else None,
        log=log_position(one.dump.get("log_position")),
        gtid=gtid_set(one.dump.get("gtid")),
        counters=counters,
        whole=one.completeness != "partial" and said.dumps != "partial" and one.dump.get("full") != "no",
    )


def _with_keys(facts: Sequence[VersionFacts], found: Sequence[EvidenceRecord]) -> list[VersionFacts]:
    """Marks and key sets of the dumps that are whole: of the others it is not known how far their keys have grown."""
    tables: dict[str, list[EvidenceRecord]] = {}
    for one in found:
        tables.setdefault(one.version, []).append(one)
    return [
        replace(
            one,
            marks={f"{table.table_name}.{name}": value for table in tables[one.version] for name, value in table.marks.items()},
            keys={table.table_name: KeySet(table.keys, table.sketch) for table in tables[one.version] if table.keys and table.sketch},
        )
        if one.whole and one.version in tables
        else one
        for one in facts
    ]


def order_bases(settings: Settings, catalog: Catalog) -> dict[str, str]:
    """Per source with a published version, a text that changes whenever its order has to be derived anew."""
    return {source: f"{mark} {_declarations_mark(settings, source)}" for source, mark in order_log.facts_mark(catalog).items()}


def stale_orders(settings: Settings, catalog: Catalog) -> dict[str, str]:
    """The sources whose recorded order is older than their versions or declarations, with what the new one will be made from."""
    recorded = order_log.recorded_bases(catalog)
    return {source: basis for source, basis in order_bases(settings, catalog).items() if recorded.get(source) != basis}


def _declarations_mark(settings: Settings, source: str) -> str:
    """A hash of all that people say of the order. A file that cannot be understood counts as its bytes."""
    said = settings.source(source)
    path = settings.home / "order" / f"{source}.yaml"
    file = path.read_bytes() if path.exists() else b""
    names = sorted(one.name for one in path.parent.glob("*"))
    parts = (names, said.order, sorted(said.moments.items()), said.pattern, said.date_format, said.dumps)
    return hashlib.sha256(repr(parts).encode() + b"\0" + file).hexdigest()[:16]


def record_source_order(settings: Settings, catalog: Catalog, source: str) -> RecordedOrder:
    """Derives the order and keeps it, with what was believed before. Tables whose versions changed places are marked for a merge.

    Raises SettingsError for declarations that cannot be understood; then the recorded order stays as it was.
    """
    with connected(catalog.url) as connection:
        order_log.lock_order(connection, source)
        basis = order_bases(settings, catalog).get(source, "")
        ordered = judged_order(settings, catalog, source)
        records = [_record(source, place) for place in ordered.places]
        findings = [FindingRecord(one.kind, one.instance, one.versions, one.text, one.open) for one in ordered.findings]
        moved = order_log.record_order(connection, source, basis, records, findings)
    return RecordedOrder(ordered, moved)


def _record(source: str, place: Place) -> OrderRecord:
    return OrderRecord(
        source=source,
        instance=place.instance,
        version=place.version,
        place=place.place,
        evidence=place.evidence,
        confidence=place.confidence,
        ambiguous=place.ambiguous,
        moment=place.moment.isoformat(" ") if place.moment else None,
        reason=place.reason,
        ties=place.ties,
        contradictions=place.contradictions,
    )


def remedy(source: str) -> str:
    """How a person settles an order."""
    return f"Say which is older in order/{source}.yaml of the home (docs/order.md), e.g. `order: [OLDEST, ..., NEWEST]`."


Row = dict[str, object]


def order_rows(settings: Settings, catalog: Catalog, source: str, *, believed_at: datetime | None = None) -> tuple[list[Row], list[Row]]:
    """The rows of `order`: places and findings, now or as they were believed at a time (then without findings of the whole).

    Raises SettingsError, UnknownSource.
    """
    labels = {one.version: one.label for one in order_log.times(catalog, source)}
    if not labels:
        known = ", ".join(order_log.sources(catalog)) or "none yet"
        raise UnknownSource(f"No dump of a source {source!r} is registered. Sources: {known}.", source=source)
    shared: dict[tuple[str, str], list[str]] = {}
    findings: list[Row] = []
    if believed_at is not None:
        records = order_log.believed(catalog, source, believed_at)
    else:
        ordered = judged_order(settings, catalog, source)
        entered = {one.version: one.entered_at for one in catalog.order(source)}
        records = [replace(_record(source, place), entered_at=entered.get(place.version)) for place in ordered.places]
        findings = [
            {"kind": one.kind, "open": one.open, "instance": one.instance, "versions": list(one.versions), "text": one.text}
            for one in ordered.findings
        ]
    for one in records:
        shared.setdefault((one.instance, labels.get(one.version, "")), []).append(one.version)
    rows: list[Row] = [
        {
            "instance": one.instance,
            "place": one.place,
            "version": one.version,
            "label": labels.get(one.version),
            "same_label": [other for other in shared[one.instance, labels.get(one.version, "")] if other != one.version],
            "moment": one.moment,
            "evidence": one.evidence,
            "confidence": one.confidence,
            "reason": one.reason,
            "ambiguous": one.ambiguous,
            "ties": list(one.ties),
            "contradictions": list(one.contradictions),
            "entered_at": one.entered_at,
        }
        for one in records
    ]
    return rows, findings
