"""Files that lie elsewhere: a folder, object storage, SFTP or HTTP, by fsspec. What is new there is fetched whole, byte by byte.

A file is told by its name, size and time (or its ETag): which say that it changed, never its order. What it holds is found out later.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from platform_assets.errors import SettingsError
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import SourceError

_PLACE = {"url", "pattern", "options", "options_env"}
_CHUNK = 1 << 20
_MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "modified", "created", "size")


@dataclass(frozen=True)
class RemoteFile:
    """One file there. `mark` changes when the file does."""

    path: str
    name: str
    size: int | None
    mark: str


class Files:
    """One place. `from`: url (`s3://bucket/folder`, `sftp://host/folder`, a path), pattern, options and options_env of fsspec."""

    def __init__(self, topic: Topic, environment: Mapping[str, str]) -> None:
        place = topic.place
        if set(place) - _PLACE or not place.get("url"):
            wrong = ", ".join(sorted(set(place) - _PLACE)) or "url is missing"
            raise SettingsError(f"{topic.path}: `from` of a files topic: {wrong}; known are {', '.join(sorted(_PLACE))}.", topic=topic.name)
        self._topic, self._pattern = topic, str(place.get("pattern", "*"))
        url = str(place["url"])
        self._shown = url if "://" not in url else f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}{urlsplit(url).path}"
        options = dict(place.get("options") or {})
        for option, variable in (place.get("options_env") or {}).items():
            if not environment.get(str(variable)):
                raise SettingsError(f"{topic.path}: options_env.{option} names {variable}, which is not set.", variable=variable)
            options[option] = environment[str(variable)]
        from fsspec.core import url_to_fs

        with self._told():
            self._files, self._root = url_to_fs(url, **options)

    def listed(self) -> list[RemoteFile]:
        """The files that fit the pattern, by name; folders and unfinished names are left out. Raises SourceError."""
        with self._told():
            entries: list[dict[str, Any]] = self._files.ls(self._root, detail=True)
        found = []
        for entry in entries:
            name = PurePosixPath(str(entry["name"])).name
            if entry.get("type") == "file" and fnmatch.fnmatchcase(name, self._pattern) and not name.startswith("."):
                mark = "|".join(str(entry[key]) for key in _MARKS if entry.get(key) is not None)
                found.append(RemoteFile(str(entry["name"]), name, entry.get("size"), mark))
        return sorted(found, key=lambda file: file.name)

    def fetch(self, file: RemoteFile, target: Path, progress: Callable[[int], None]) -> None:
        """Copies one file to `target`, streamed and flushed. Raises SourceError; also when it is shorter than it was listed."""
        fetched = 0
        with self._told(), self._files.open(file.path, "rb") as source, target.open("wb") as local:
            while part := source.read(_CHUNK):
                local.write(part)
                fetched += len(part)
                progress(len(part))
            local.flush()
            os.fsync(local.fileno())
        if file.size is not None and fetched != file.size:
            raise SourceError(f"{self._shown}/{file.name}: {fetched:,} of {file.size:,} bytes came; it is fetched again next time.")

    def _told(self) -> _Told:
        return _Told(self._topic, self._shown)


class _Told:
    """Errors of whatever library serves the place, as ours."""

    def __init__(self, topic: Topic, shown: str) -> None:
        self._topic, self._shown = topic, shown

    def __enter__(self) -> None:
        """Nothing to open."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ImportError):
            raise SettingsError(f"{self._topic.path}: {self._shown} needs a package that is not installed: {error}") from None
        if isinstance(error, OSError | ValueError):
            raise SourceError(f"{self._shown}: {type(error).__name__}: {str(error)[:200]}. Look at `from` in the topic.") from None


def new_files(listed: list[RemoteFile], seen: Mapping[str, str]) -> Iterator[RemoteFile]:
    """Those that were not there before, or are other ones under the same name."""
    return (file for file in listed if seen.get(file.name) != file.mark)
