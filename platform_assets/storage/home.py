"""Where things lie in the home folder. The only place that builds paths of the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from platform_assets.versions.keys import folder_name


@dataclass(frozen=True)
class Home:
    """The layout of DESIGN.md under `root`. Folders are made by whoever writes into them."""

    root: Path

    @property
    def dumps(self) -> Path:
        return self.root / "dumps"

    @property
    def dictionary(self) -> Path:
        return self.root / "dictionary"

    @property
    def topics(self) -> Path:
        return self.root / "topics"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    @property
    def not_derived(self) -> tuple[Path, ...]:
        """What a person put there, the truth; all else can be made from it."""
        return (self.root / "platform.yaml", self.dictionary, self.topics, self.root / "order", self.metrics, self.dumps)

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def postgres(self) -> Path:
        return self.store / "postgres"

    @property
    def dagster(self) -> Path:
        return self.store / "dagster"

    def raw(self, source: str, version: str) -> Path:
        return self.store / "raw" / folder_name(source) / f"{version}.json"

    def version(self, source: str, version: str) -> Path:
        """The folder of a version's snapshots. The version key is safe as it is: it comes from version_key."""
        return self.store / "snapshots" / folder_name(source) / version

    def snapshot(self, source: str, version: str, table: str) -> Path:
        return self.version(source, version) / folder_name(table)

    def latest(self, source: str, table: str) -> Path:
        return self.store / "latest" / folder_name(source) / folder_name(table)

    def history(self, source: str, table: str) -> Path:
        return self.store / "history" / folder_name(source) / folder_name(table)

    def backups(self, source: str, table: str) -> Path:
        return self.store / "backups" / folder_name(source) / folder_name(table)

    @property
    def loading(self) -> Path:
        """The catalog's lines of a saved home, there only until they are in the database."""
        return self.store / "loading"

    @property
    def derived(self) -> tuple[Path, ...]:
        """The folders that are made again from dumps/. Backups, unfinished pulls and Dagster's records are none of them."""
        return tuple(self.store / name for name in ("raw", "snapshots", "latest", "history", "work"))

    def pull(self, topic: str) -> Path:
        """The unfinished pull of a topic."""
        return self.store / "pulls" / folder_name(topic)
