"""Which rows stand already when rows are handed back: those of the version that they mend, and of what that one mended itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from platform_assets.errors import NotYetLoaded, StoredFileError
from platform_assets.operations.standing import Standing
from platform_assets.operations.stored_version import StoredVersion, stored_version
from platform_assets.storage.home import Home
from platform_assets.storage.rows.snapshots import Snapshot


def standing_rows(home: Home, source: str, replayed: str | None) -> Mapping[str, Standing]:
    """Per table the accepted rows of the version `replayed` and of those that it replays in turn; none when it is None.

    Raises NotYetLoaded while one of them was not parsed.
    """
    found: dict[str, list[Snapshot]] = {}
    while replayed is not None:
        version = _loaded(home, source, replayed)
        for snapshot in version.snapshots:
            found.setdefault(snapshot.table.name, []).append(snapshot)
        replayed = version.facts.get("facts", {}).get("replays")
    return {name: Standing(snapshots[-1].table, _rows(snapshots), taken=True) for name, snapshots in found.items()}


def _loaded(home: Home, source: str, version: str) -> StoredVersion:
    try:
        return stored_version(home, source, version)
    except StoredFileError as error:
        raise NotYetLoaded(
            f"These rows mend version {version}, which is not loaded. They are taken when it is: put its dump back into "
            f"dumps/{source}/, then: platform-assets ingest",
            version=version,
        ) from error


def _rows(snapshots: Sequence[Snapshot]) -> Callable[[Sequence[str]], Iterator[pa.RecordBatch]]:
    def batches(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for snapshot in snapshots:
            yield from chosen_columns(snapshot, columns, Snapshot.batches)

    return batches


def chosen_columns(
    snapshot: Snapshot, columns: Sequence[str], read: Callable[[Snapshot, Sequence[str]], Iterator[pa.RecordBatch]]
) -> Iterator[pa.RecordBatch]:
    """Batches of exactly these columns, NULL where the snapshot lacks one; `read` gets those that it has, and `_row`."""
    there = [name for name in columns if name in snapshot.table.column_names]
    for batch in read(snapshot, [*there, "_row"]):
        nulls = pa.nulls(batch.num_rows)
        arrays = [batch.column(name) if name in there else nulls for name in columns]
        yield pa.RecordBatch.from_arrays(arrays, names=list(columns))
