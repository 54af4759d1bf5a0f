"""Batches of rows that other programs post: judged like any dump, landed as one, in the latest state when the caller is answered.

The flow: rows are staged as a dump of the form `pull`, its rename into dumps/ is the moment from which they are kept; then the version
is loaded (load_version). A crash before the rename leaves nothing, one after it leaves a dump that a repeated request, a sensor or the
next ingest carries to the end. Not here: HTTP, and how bodies become rows (api).
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.dictionary.contract import load_dictionary
from platform_assets.dictionary.model import Table
from platform_assets.engines.duckdb import open_engine, part_of_limit
from platform_assets.errors import NoSuchTable, SettingsError
from platform_assets.formats.base import Rows
from platform_assets.formats.cast import CastBatch
from platform_assets.formats.pull import KIND, MANIFEST
from platform_assets.operations.judge import VersionJudge
from platform_assets.operations.load_version import load_version, turn
from platform_assets.operations.reading import DumpReading, opened
from platform_assets.operations.register import found_at, register
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.files import TEMPORARY, fsync_folder
from platform_assets.storage.home import Home
from platform_assets.storage.pulls import RunningPull
from platform_assets.storage.rows.rejects import RejectRecord


@dataclass(frozen=True)
class Refused:
    """What stands in the place of a row and cannot be one; `raw` is its text as it came."""

    index: int
    code: str
    message: str
    raw: str


@dataclass(frozen=True)
class PostedRows:
    """The rows of one request: each a line of JSON, an object of the table's columns; `places` are their indexes in the request."""

    lines: tuple[str, ...]
    places: tuple[int, ...]
    refused: tuple[Refused, ...] = ()

    @property
    def count(self) -> int:
        return len(self.lines) + len(self.refused)


@dataclass(frozen=True)
class BatchVerdict:
    """What became of a batch. `version` is None when nothing was kept: a dry run, or an atomic batch with a row that is wrong.

    `errors`: index of a rejected row to the rules that it broke, as Violation.to_json objects.
    """

    batch_id: str
    version: str | None
    rows: int
    errors: Mapping[int, Sequence[Mapping[str, Any]]]

    @property
    def rejected(self) -> int:
        return len(self.errors)

    @property
    def accepted(self) -> int:
        return self.rows - self.rejected


def new_batch_id() -> str:
    """Sortable by time, free of clashes."""
    return f"api-{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(6)}"


def posted_table(settings: Settings, catalog: Catalog, source: str, name: str) -> Table:
    """What rows of the table must look like: its contract's columns and rules, and the columns beyond that its dumps had; without a
    contract all that its dumps said. Raises NoSuchTable, SettingsError."""
    contract = load_dictionary(Home(settings.home).dictionary, source).get(name)
    if contract is not None and contract.renamed_to is not None:
        contract = None
    standing = next((record for record in catalog.tables(source) if record.table_name == name and record.schema), None)
    known = Table.from_json(dict(standing.schema)) if standing else None
    if contract is None or known is None:
        if contract is None and known is None:
            raise NoSuchTable(f"There is no table {name!r} in {source}.", source=source, table=name)
        return contract or known  # type: ignore[return-value]
    return contract.with_columns([*contract.columns, *(c for c in known.columns if c.name not in contract.column_names)])


def instance_of(settings: Settings, source: str, given: str | None) -> str:
    """Raises SettingsError where a source has instances and the request names none: it cannot be guessed."""
    if given is None and "(?P<instance>" in (settings.source(source).pattern or ""):
        raise SettingsError(f"The tables of {source} are kept per instance: say whose rows these are with ?instance=.")
    return given or "default"


def post_rows(
    settings: Settings,
    catalog: Catalog,
    source: str,
    table: Table,
    posted: PostedRows,
    *,
    batch_id: str,
    instance: str = "default",
    atomic: bool = False,
    dry_run: bool = False,
) -> BatchVerdict:
    """One batch to its end. `batch_id` is one of new_batch_id; a batch that landed under it before is not landed again.

    `atomic`: nothing is kept when a row is wrong. Raises FencedOut when the table is another's for longer than a minute.
    """
    target = Home(settings.home).dumps / source / f"{batch_id}@{instance}"
    with turn(catalog, f"rows/{source}.{table.name}"):
        if not target.exists():
            with _staged(settings, batch_id, table, posted) as staged:
                if atomic or dry_run:
                    errors = _judged(settings, source, staged, posted)
                    if dry_run or errors:
                        return BatchVerdict(batch_id, None, posted.count, errors)
                target.parent.mkdir(parents=True, exist_ok=True)
                staged.rename(target)
                fsync_folder(target.parent)
        record, _ = register(settings, catalog, found_at(settings, source, target))
        stored = load_version(settings, catalog, record, run_id=batch_id)
        rejects = [reject for snapshot in stored.snapshots for reject in snapshot.rejects()]
        return BatchVerdict(batch_id, record.version, posted.count, _by_index(rejects, posted))


@contextmanager
def _staged(settings: Settings, batch_id: str, table: Table, posted: PostedRows) -> Iterator[Path]:
    """The dump under a temporary name of the store; what is still there at the end is removed."""
    work = Home(settings.home).store / "work"
    running = RunningPull(work / f".{batch_id}{TEMPORARY}{secrets.token_hex(6)}")
    staged = work / f".{batch_id}{TEMPORARY}{secrets.token_hex(6)}"
    try:
        running.begin({"batch": batch_id})
        if posted.lines:
            running.add(0, "".join(f"{line}\n" for line in posted.lines).encode(), len(posted.lines), {}, None, {})
        running.land(staged, _manifest(batch_id, table, posted))
        yield staged
    finally:
        running.forget()
        shutil.rmtree(staged, ignore_errors=True)


def _manifest(batch_id: str, table: Table, posted: PostedRows) -> dict[str, Any]:
    return {
        "kind": KIND,
        "topic": None,
        "batch": batch_id,
        "table": table.name,
        "moment": datetime.now(UTC).isoformat(),
        "full": False,
        "definition": table.to_json(),
        "refused": [one.__dict__ for one in posted.refused],
    }


@dataclass
class _Rejects:
    """The sink that keeps what is wrong and nothing else."""

    found: list[RejectRecord] = field(default_factory=list)

    def begin(self, table: Table) -> None:
        """One table is all there is."""

    def restart(self, name: str) -> None:
        self.found.clear()

    def rows(self, event: Rows, cast: CastBatch) -> None:
        """They are judged on their way."""

    def reject(self, name: str, record: RejectRecord) -> None:
        self.found.append(record)


def _judged(settings: Settings, source: str, staged: Path, posted: PostedRows) -> dict[int, list[dict[str, Any]]]:
    """The verdict on a staged dump, by the same way that a landed one goes."""
    home, rejects = Home(settings.home), _Rejects()
    found = opened(staged, settings.source(source), load_dictionary(home.dictionary, source), work=home.store / "work")
    with open_engine(home.store / "work", memory_limit=part_of_limit(settings.memory_limit), threads=settings.threads) as engine:
        reading = DumpReading(found, VersionJudge(engine, found.dictionary), rejects, place=staged.name)
        reading.read()
        reading.judged()
    return _by_index(rejects.found, posted)


def _by_index(rejects: Sequence[RejectRecord], posted: PostedRows) -> dict[int, list[dict[str, Any]]]:
    errors: dict[int, list[dict[str, Any]]] = {}
    for reject in rejects:
        at = (reject.line or 1) - 1 if reject.member == MANIFEST else posted.places[(reject.row or 1) - 1]
        errors[at] = json.loads(reject.violations)
    return dict(sorted(errors.items()))
