"""Files that lie elsewhere: a folder, object storage or SFTP, by fsspec. What is new there is fetched whole, byte by byte.

A file is told by its name, size and time (or its ETag): which say that it changed, never its order. What it holds is found out later.
Files over HTTP are web_files.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from platform_assets.errors import PlatformError, SettingsError
from platform_assets.sources.auth import mapping_of
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import SourceError, refuse_private

_PLACE = {"url", "pattern", "options", "options_env"}
_CHUNK = 1 << 20
_SHOWN = 1 << 10
_MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "modified", "modify", "updated", "created")
_HOSTS = ("host", "hostname", "instance", "url", "uri", "endpoint")
"""How the names of options end that hold a host or its URL."""
_CHAINS = {"target_protocol", "fo", "fs"}


@dataclass(frozen=True)
class RemoteFile:
    """One file there. `mark` changes when the file does; empty: the place tells nothing by which that could be seen."""

    path: str
    name: str
    size: int | None = None
    mark: str = ""


@dataclass(frozen=True)
class Saved:
    """A file that came: bytes, their hash, how they begin, and the id of the request where there is one."""

    size: int
    sha256: str
    beginning: bytes
    request_id: str = ""


class Place(Protocol):
    """Where files lie. All raise SourceError."""

    def listed(self) -> list[RemoteFile]:
        """The files that fit the pattern, by name; folders and hidden names are left out."""

    def described(self, file: RemoteFile) -> RemoteFile:
        """A listed file with its size and mark."""

    def fetch(self, file: RemoteFile, target: Path, most: int) -> Saved:
        """Copies one file to `target`, streamed and flushed; also refused: one of more than `most` bytes, or shorter than it should be."""


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
        options = mapping_of(topic, "options")
        for option, variable in mapping_of(topic, "options_env").items():
            if not environment.get(str(variable)):
                raise SettingsError(f"{topic.path}: options_env.{option} names {variable}, which is not set.", variable=variable)
            options[option] = environment[str(variable)]
        if ("::" in url and "://" in url) or _CHAINS & set(options):
            raise SettingsError(f"{topic.path}: from.url is one place, not a chain of file systems; archives are read as they are.")
        from fsspec.core import get_filesystem_class, url_to_fs

        with self._told():
            for host, port in _hosts(get_filesystem_class(url.partition("://")[0] if "://" in url else "file"), url, options):
                refuse_private(self._shown, host, port, topic.access)
            self._files, self._root = url_to_fs(url, **options)

    def listed(self) -> list[RemoteFile]:
        with self._told():
            self._files.invalidate_cache()  # fsspec keeps a listing for as long as a process lives
            entries: list[dict[str, Any]] = self._files.ls(self._root, detail=True)
        found = []
        for entry in entries:
            name = PurePosixPath(str(entry["name"])).name
            if entry.get("type") == "file" and fnmatch.fnmatchcase(name, self._pattern) and not name.startswith("."):
                marks = [str(entry[key]) for key in _MARKS if entry.get(key) is not None]
                mark = "|".join([*marks, str(entry.get("size"))]) if marks else ""
                found.append(RemoteFile(str(entry["name"]), name, entry.get("size"), mark))
        return sorted(found, key=lambda file: file.name)

    def described(self, file: RemoteFile) -> RemoteFile:
        return file

    def fetch(self, file: RemoteFile, target: Path, most: int) -> Saved:
        refuse_larger(file, file.size, most)
        came = saved(self._parts(file), file, target, most)
        if file.size is not None and came.size != file.size:
            raise SourceError(f"{self._shown}/{file.name}: {came.size:,} of {file.size:,} bytes came; it is fetched again next time.")
        return came

    def _parts(self, file: RemoteFile) -> Iterator[bytes]:
        with self._told(), self._files.open(file.path, "rb") as source:
            while part := source.read(_CHUNK):
                yield part

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
        if isinstance(error, Exception) and not isinstance(
            error, PlatformError
        ):  # of paramiko, botocore and others, of classes of their own
            raise SourceError(f"{self._shown}: {type(error).__name__}: {str(error)[:200]}. Look at `from` in the topic.") from None


def _hosts(kind: Any, url: str, options: Mapping[str, Any]) -> Iterator[tuple[str, int | None]]:
    """The hosts that a file system will connect to, as far as its URL and options name them. A bucket is none."""
    found = kind._get_kwargs_from_urls(url) if "://" in url else {}
    for name, value in {**found, **options}.items():
        if isinstance(value, Mapping):
            yield from _hosts(kind, "", value)
        elif isinstance(value, str) and name.endswith(_HOSTS):
            parts = urlsplit(value if "://" in value else f"//{value}")
            yield parts.hostname or "", parts.port


def saved(parts: Iterable[bytes], file: RemoteFile, target: Path, most: int) -> Saved:
    """Writes a file that comes in parts. Raises SourceError when it has more than `most` bytes."""
    digest, size, beginning = hashlib.sha256(), 0, b""
    with target.open("wb") as local:
        for part in parts:
            beginning, size = beginning or part[:_SHOWN], size + len(part)
            refuse_larger(file, size, most)
            local.write(part)
            digest.update(part)
        local.flush()
        os.fsync(local.fileno())
    return Saved(size, digest.hexdigest(), beginning)


def refuse_larger(file: RemoteFile, size: int | None, most: int) -> None:
    """Raises SourceError for more bytes than a dump of the source may have."""
    if size is not None and size > most:
        raise SourceError(f"{file.name}: the file is larger than limits.max_dump_bytes of its source ({most:,}).", file=file.name)
