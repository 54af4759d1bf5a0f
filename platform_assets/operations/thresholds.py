"""How many rejected rows a version may have before it is held back whole, as the dictionary says per table."""

from __future__ import annotations

from collections.abc import Iterable

from platform_assets.operations.measuring import failed_measures
from platform_assets.storage.rows.snapshots import Snapshot


def held_back(snapshots: Iterable[Snapshot]) -> tuple[str, ...]:
    """Why a version must not be published: one sentence per threshold that was passed and per failed measure. Empty: it may."""
    snapshots = tuple(snapshots)
    return (*(sentence for snapshot in snapshots for sentence in _beyond(snapshot)), *failed_measures(snapshots))


def _beyond(snapshot: Snapshot) -> Iterable[str]:
    table, rejected = snapshot.table, snapshot.rejected
    read = snapshot.rows + snapshot.unreadable
    if table.max_errors is not None and rejected > table.max_errors:
        yield f"{table.name}: {rejected:,} rows were rejected, max_errors is {table.max_errors:,}"
    if table.max_error_ratio is not None and rejected > table.max_error_ratio * read:
        yield f"{table.name}: {rejected / read:.2%} of {read:,} rows were rejected, max_error_ratio is {table.max_error_ratio:.2%}"
