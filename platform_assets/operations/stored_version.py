"""A committed version as it lies in the store. Not here: how it came there (parse, judge_again)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from platform_assets.errors import StoredFileError
from platform_assets.storage.files import read_json
from platform_assets.storage.home import Home
from platform_assets.storage.rows.snapshots import Snapshot, open_snapshot


@dataclass(frozen=True)
class StoredVersion:
    """A committed version as it lies in the store: version.json and a handle per table."""

    version: str
    source: str
    instance: str
    facts: dict[str, Any]
    snapshots: tuple[Snapshot, ...]


def stored_version(home: Home, source: str, version: str) -> StoredVersion:
    """Opens a committed version. Raises StoredFileError when it was never parsed or its store is damaged."""
    folder = home.version(source, version)
    path = folder / "version.json"
    if not path.exists():
        raise StoredFileError(
            f"{path} is missing: version {version} was never parsed. Materialize parsed_snapshot for it first.", path=str(path)
        )
    facts = read_json(path)
    snapshots = tuple(open_snapshot(folder / name) for name in facts["tables"].values())
    return StoredVersion(version, source, facts["instance"], facts, snapshots)
