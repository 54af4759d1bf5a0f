"""Ingest from the command line: what there is to do, and what became of it. The running in between is Dagster's."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_assets.errors import Conflict, PlatformError, UnsettledDump
from platform_assets.operations.ordering import stale_orders
from platform_assets.operations.register import FoundDump, Scan, register, scan, take_in
from platform_assets.operations.renaming import follow_dictionaries
from platform_assets.operations.stale_verdicts import stale_verdicts
from platform_assets.settings import Settings
from platform_assets.storage.catalog import order_log
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.posted_batches import waiting
from platform_assets.storage.catalog.quarantine import fixing_versions
from platform_assets.storage.catalog.records import DumpListing
from platform_assets.storage.home import Home
from platform_assets.storage.warehouse.protocol import session_lock

Say = Callable[[str], None]
TURN = "ingest"
WAIT_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Work:
    """Versions to run, sources whose order and tables that are stale, with what could not be registered and why."""

    versions: tuple[str, ...]
    orders: tuple[str, ...]
    tables: tuple[str, ...]
    refused: tuple[str, ...]
    unsettled: tuple[str, ...]
    known: int
    copies: tuple[str, ...]
    earlier_failures: tuple[str, ...]

    @property
    def any(self) -> bool:
        return bool(self.versions or self.orders or self.tables)


@dataclass(frozen=True)
class IngestReport:
    """What `ingest` prints: a row per dump and table, lines for a person, and the exit code."""

    columns = ("dump", "completeness", "table", "rows_read", "accepted", "rejected", "latest_rows")
    rows: list[dict[str, Any]]
    lines: list[str]
    exit_code: int
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"tables": self.rows, "messages": self.lines, "exit_code": self.exit_code, **self.facts}


@contextmanager
def one_at_a_time(catalog: Catalog, *, say: Say) -> Iterator[None]:
    """Holds other `ingest` off this home while this one works: they would do the same work twice. The sensors' runs go on beside it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(session_lock(catalog.url, TURN))
        except Conflict:
            say("another ingest is at work on this home: waiting until it has ended")
            stack.enter_context(session_lock(catalog.url, TURN, wait_seconds=WAIT_SECONDS))
        yield


def anything_to_do(
    settings: Settings,
    catalog: Catalog,
    paths: Sequence[Path],
    source: str | None,
    *,
    say: Say,
    found: Callable[[], None] = lambda: None,
) -> Work:
    """Takes paths in, looks into dumps/, registers what is new; `found` is called before the hashing when anything is.

    Costs no import of Dagster: mostly there is nothing to do.
    """
    home = Home(settings.home)
    home.dumps.mkdir(parents=True, exist_ok=True)
    asked = set(take_in(settings, paths, source))
    if landed := land_waiting(settings, catalog):
        say(f"posted rows that had been waiting landed as {len(landed)} version(s)")
    look = _look(settings, catalog, home, asked)
    refused, unsettled, copies = list(look.problems), [dump.path for dump in look.unsettled], []
    if look.new:
        found()
    for dump in look.new:
        try:
            record, new = register(settings, catalog, dump)
        except UnsettledDump:
            unsettled.append(dump.path)
            continue
        except PlatformError as error:
            refused.append(error.message)
            continue
        if new:
            say(f"registered   {record.version}   ({dump.path})")
        else:
            copies.append(f"{dump.path} holds the same bytes as version {record.version}: nothing to load.")
    refused += follow_dictionaries(settings, catalog)
    pending = {record.version for record in catalog.versions(states=("registered", "running", "parsed"))}
    stale = stale_verdicts(settings, catalog)
    refused.extend(stale.problems)
    if stale.versions:
        say(f"the dictionary changed: {len(stale.versions)} version(s) are judged again")
    standing = {file.path: file.version for file in catalog.known_files().values() if (home.root / file.path).exists()}
    failed = {record.version: record for record in catalog.versions(states=("failed",)) if record.version in standing.values()}
    again = {version for path, version in standing.items() if path in asked and version in failed}
    earlier = [f"{version} ({record.path}): {record.error}" for version, record in failed.items() if version not in again]
    return Work(
        versions=_in_turn(catalog, pending | again | set(stale.versions)),
        orders=tuple(stale_orders(settings, catalog)),
        tables=tuple(table.table_key for table in catalog.stale_tables()),
        refused=tuple(refused),
        unsettled=tuple(unsettled),
        known=look.known,
        copies=tuple(copies),
        earlier_failures=tuple(earlier),
    )


def land_waiting(settings: Settings, catalog: Catalog) -> list[str]:
    """The versions that posted rows became which had been waiting. Loading them costs imports, mostly there are none."""
    if not waiting(catalog):
        return []
    from platform_assets.operations.landing import land_all

    return land_all(settings, catalog)


def _in_turn(catalog: Catalog, versions: Collection[str]) -> tuple[str, ...]:
    """By name; rows that were handed back come behind the versions that they mend."""
    mends = set(fixing_versions(catalog))
    return tuple(sorted(versions, key=lambda version: (version in mends, version)))


def _look(settings: Settings, catalog: Catalog, home: Home, asked: set[str]) -> Scan:
    """One look; a second one after the settling time when something seems to be growing. What was asked for by name is not waited for."""
    known = catalog.known_files()
    first = scan(home, known, settle_seconds=settings.settle_seconds)
    by_name = tuple(found for found in first.unsettled if found.path in asked)
    waiting = tuple(found for found in first.unsettled if found.path not in asked)
    if waiting:
        time.sleep(settings.settle_seconds)
        second = scan(home, known, settle_seconds=settings.settle_seconds)
        still = tuple(found for found in second.unsettled if found.path not in asked)
        return Scan(second.new + _only(second.unsettled, asked), still, second.known, second.problems)
    return Scan(first.new + by_name, (), first.known, first.problems)


def _only(found: Sequence[FoundDump], asked: set[str]) -> tuple[FoundDump, ...]:
    return tuple(dump for dump in found if dump.path in asked)


def _unsettled(catalog: Catalog, work: Work, listing: Sequence[DumpListing]) -> Iterator[str]:
    """A line per source whose order was derived anew and leaves something open."""
    for source in sorted({*work.orders, *(listed.source for listed in listing)}):
        found = [one for one in order_log.findings(catalog, source) if one.open]
        if found:
            yield f"the order of {source}: {len(found)} thing(s) to settle; see: platform-assets order {source}"


def report_of(catalog: Catalog, work: Work, errors: Mapping[str, str]) -> IngestReport:
    """The closing table and the exit code: 0 all well, 1 rejected, recovered, partial or not taken yet, 2 failed."""
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    worst = 0
    listing = catalog.dump_listing(versions=work.versions)
    for listed in listing:
        rows.append(
            {
                "dump": listed.version,
                "completeness": listed.completeness or listed.state,
                "table": listed.table_name,
                "rows_read": listed.rows_read,
                "accepted": listed.accepted,
                "rejected": listed.rejected,
                "latest_rows": listed.latest_rows,
            }
        )
        if listed.rejected or listed.recovered or listed.completeness == "partial":
            worst = max(worst, 1)
        if listed.state == "held" and listed.version not in errors:
            worst = 2
            lines.append(f"held back: {listed.version}: {listed.error}. Nothing of it is in the warehouse: platform-assets rejects")
        if listed.recovered:
            lines.append(f"{listed.version}: {listed.recovered} row(s) of {listed.table_name} recovered; see: platform-assets rejects")
        partial = f"{listed.version} is partial: {'; '.join(listed.reasons)}"
        if listed.completeness == "partial" and partial not in lines:
            lines.append(partial)
    rejected = sum(int(row["rejected"] or 0) for row in rows)
    if rejected:
        lines.append(f"{rejected} row(s) rejected; each with its reasons: platform-assets rejects")
    paths = {listed.version: listed.path for listed in listing}
    lines.extend(_unsettled(catalog, work, listing))
    for key, error in errors.items():
        worst = 2
        lines.append(f"failed: {key}{f' ({paths[key]})' if key in paths else ''}: {error}")
    for refusal in work.refused:
        worst = 2
        lines.append(f"not taken: {refusal}")
    for path in work.unsettled:
        worst = max(worst, 1)
        lines.append(f"not taken yet: {path} is still growing or has an unfinished part; run ingest again when it is complete.")
    lines.extend(work.copies)
    if not work.any:
        bad = len(work.earlier_failures)
        lines.append(f"Nothing new: {work.known} dumps are known, {f'all but {bad} of them' if bad else 'all'} loaded.")
    lines.extend(f"failed earlier: {failure} (mend it, then: platform-assets ingest PATH)" for failure in work.earlier_failures)
    return IngestReport(rows, lines, worst, {"new": list(work.versions), "errors": dict(errors)})
