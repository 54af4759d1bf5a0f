"""What another dictionary would accept and reject of what is loaded, before it is applied. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.operations.contracts import usable_contract
from platform_assets.operations.governing import reading_version
from platform_assets.operations.judge_again import Judged, judged
from platform_assets.operations.lending import Lender
from platform_assets.operations.stored_version import StoredVersion, stored_version
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.rows.snapshots import Snapshot

SAMPLES = 20
Say = Callable[[str, str, int], None]


def dictionary_diff(settings: Settings, catalog: Catalog, source: str, file: Path, *, say: Say) -> list[dict[str, Any]]:
    """One row per table of every loaded version: rows rejected now, rows that would be, how many would move, samples of them by line.

    A table whose columns the file reads otherwise (another type, format, word) is `read_again`: only loading tells what becomes of it.
    Raises SettingsError for a file that cannot be understood, StoredFileError for a damaged store.
    """
    home, dictionary = Home(settings.home), usable_contract(file, [Home(settings.home).dictionary])
    reading = reading_version(settings.source(source), dictionary)

    def told(table: str, done: int) -> None:
        say("judge", table, done)

    rows: list[dict[str, Any]] = []
    for record in catalog.versions(source=source, states=("published", "held")):
        stored = stored_version(home, source, record.version)
        again = stored.facts.get("reading") != reading
        with judged(settings, stored, dictionary, lender=Lender(settings, catalog, record), progress=told) as found:
            rows += [_row(stored, snapshot, found, again) for snapshot in stored.snapshots]
    return rows


def _row(stored: StoredVersion, snapshot: Snapshot, found: Judged, again: bool) -> dict[str, Any]:
    verdict = found.verdicts[snapshot.table.name]
    before, now = snapshot.rejected_rows(), verdict.rejected_rows
    gone = frozenset(np.setdiff1d(now, before).tolist())
    reasons = ((row, broken) for row, broken in verdict.violations() if row in gone)
    samples = [{"row": row, "reasons": [one.message for one in broken]} for row, broken in islice(reasons, SAMPLES)]
    return {
        "version": stored.version,
        "table": snapshot.table.name,
        "rows": snapshot.rows,
        "rejected_before": len(before),
        "rejected": len(now),
        "would_accept": len(np.setdiff1d(before, now)),
        "would_reject": len(gone),
        "read_again": again,
        "samples": samples,
    }
