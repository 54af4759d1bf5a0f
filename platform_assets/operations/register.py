"""Register: what lies in dumps/ is seen, is whole, is hashed; the same content twice is one version.

The looking is pure (`scan` compares what is there with what is known), the hashing is the proof: a file that changes while it is
hashed is still growing and is left for the next look.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from platform_assets.errors import DumpGone, PlatformError, UnknownSource, UnreadableDump, UnsettledDump
from platform_assets.formats.fixes import handed_back, heading_of, moment
from platform_assets.settings import Settings
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.quarantine import Replayed, record_fixes
from platform_assets.storage.catalog.records import FileRecord, VersionRecord
from platform_assets.storage.files import fsync_file, fsync_folder, room_in, sha256_of, temporary_sibling
from platform_assets.storage.home import Home
from platform_assets.storage.leftovers import working
from platform_assets.versions.keys import checked_source, version_key

TEMPORARY_ENDINGS = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", ".swp", "~")
_ENDINGS = "sql txt csv tsv dat json jsonl ndjson avro parquet arrow feather xlsx xlsm xlsb xls ods zip tar tgz gz bz2 xz zst dump bak"
_SUFFIXES = re.compile(rf"(\.({'|'.join(_ENDINGS.split())}))+$", re.IGNORECASE)


_POSTED = re.compile(r"(api-\d{20}-[0-9a-f]{12})@([A-Za-z0-9_.-]{1,40})")
"""A batch of posted rows: its id and its instance (operations.row_batches). The source's pattern is for other people's names."""


@dataclass(frozen=True)
class FoundDump:
    """One child of `dumps/<source>/`: a file, or a folder taken as one dump. `path` is relative to the home, with slashes."""

    source: str
    path: str
    kind: Literal["file", "folder"]
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Scan:
    """What a look at dumps/ found. `new` is to be registered; `unsettled` may still be growing; `problems` are for a person."""

    new: tuple[FoundDump, ...]
    unsettled: tuple[FoundDump, ...]
    known: int
    problems: tuple[str, ...]


def is_temporary(name: str) -> bool:
    """Names under which programs write what is not finished; dot files are never dumps."""
    return name.startswith(".") or name.lower().endswith(TEMPORARY_ENDINGS)


def scan(home: Home, known: Mapping[str, FileRecord], *, settle_seconds: float, now: float | None = None) -> Scan:
    """Compares dumps/ with the catalog's files by size and time of change, which say *that* a file changed, never its order."""
    now = time.time() if now is None else now
    new: list[FoundDump] = []
    unsettled: list[FoundDump] = []
    problems: list[str] = []
    seen = 0
    for child in _children(home.dumps, problems) if home.dumps.is_dir() else ():
        if is_temporary(child.name):
            continue
        if not child.is_dir():
            problems.append(f"{child.name} lies directly in dumps/: move it into dumps/<source>/.")
            continue
        try:
            source = checked_source(child.name)
        except UnknownSource as error:
            problems.append(error.message)
            continue
        for entry in _children(child, problems):
            if is_temporary(entry.name):
                continue
            try:
                refuse_foreign(entry)
                found = _measure(home, source, entry)
            except PlatformError as error:
                problems.append(error.message)
                continue
            if found is None:
                continue
            seen_before = known.get(found.path)
            if seen_before and (seen_before.bytes, seen_before.mtime_ns) == (found.bytes, found.mtime_ns):
                seen += 1
            elif _growing(entry, found, now, settle_seconds):
                unsettled.append(found)
            else:
                new.append(found)
    return Scan(tuple(new), tuple(unsettled), seen, tuple(problems))


def _children(folder: Path, problems: list[str]) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except PermissionError as error:
        problems.append(_not_readable(folder, error).message)
        return []


def _not_readable(path: Path, error: OSError) -> UnreadableDump:
    return UnreadableDump(f"{path} cannot be read ({error.strerror}). Give this user the right to read it.", path=str(path))


def refuse_foreign(entry: Path) -> None:
    """Raises UnreadableDump for what cannot be kept as a dump: a link that leads out of its source's folder, a pipe, a device, a name
    that is no text."""
    if not entry.name.isascii() and "\\udc" in ascii(entry.name):
        raise UnreadableDump(f"{str(entry)!a} has a name that is not UTF-8, so nothing can refer to it. Rename it.", path=ascii(entry))
    if entry.is_symlink() and not entry.resolve().is_relative_to(entry.parent.resolve()):
        raise UnreadableDump(
            f"{entry} is a link that leads out of its source's folder, so its content is not kept here. "
            "Put the file itself in its place, or: platform-assets ingest FILE --source SOURCE.",
            path=str(entry),
        )
    if entry.exists() and not (entry.is_file() or entry.is_dir()):
        raise UnreadableDump(f"{entry} is neither a file nor a folder (a pipe, a socket, a device). Take it away.", path=str(entry))


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder dump in the order of their relative paths; dot files are not part of it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _measure(home: Home, source: str, entry: Path) -> FoundDump | None:
    try:
        if entry.is_dir():
            stats = [path.stat() for path in _files(entry)]
            if not stats:
                return None
        else:
            stats = [entry.stat()]
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise _not_readable(entry, error) from error
    size, changed = sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)
    return FoundDump(source, entry.relative_to(home.root).as_posix(), "folder" if entry.is_dir() else "file", size, changed)


def found_at(settings: Settings, source: str, path: Path) -> FoundDump:
    """One child of `dumps/<source>/` as a look would find it. Raises UnsettledDump when nothing is there."""
    found = _measure(Home(settings.home), source, path)
    if found is None:
        raise UnsettledDump(f"{path.name} went away while it was taken in; send it again.", path=str(path))
    return found


def _growing(entry: Path, found: FoundDump, now: float, settle_seconds: float) -> bool:
    age = now - found.mtime_ns / 1e9
    if 0 <= age < settle_seconds:
        return True
    return found.kind == "folder" and any(is_temporary(path.name) and path.is_file() for path in entry.rglob("*"))


@lru_cache(maxsize=4_096)
def _hashed(path: Path, size: int, mtime_ns: int) -> str:
    """A file that this process hashed and that was not written since is not read again: registered, it is proven a moment later."""
    return sha256_of(path)


def _file_hash(path: Path) -> str:
    stat = path.stat()
    return _hashed(path, stat.st_size, stat.st_mtime_ns)


def content_hash(path: Path) -> str:
    """sha256 of a file; of a folder: of its files' relative paths and hashes in the order of the paths."""
    if path.is_file():
        return _file_hash(path)
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_file_hash(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def name_parts(name: str, pattern: str | None) -> tuple[str, str]:
    """(instance, label) of a dump's name. Raises UnknownSource when the source has a pattern and the name does not fit it."""
    if posted := _POSTED.fullmatch(name):
        return posted[2], posted[1]
    label = _SUFFIXES.sub("", name) or name
    if not pattern:
        return "default", label
    found = re.search(pattern, name)
    if not found:
        raise UnknownSource(
            f"{name!r} does not fit the source's pattern {pattern!r}, so its instance is unknown. Rename it or change platform.yaml.",
            name=name,
        )
    groups = found.groupdict()
    return groups.get("instance") or "default", groups.get("label") or label


def is_posted(record: VersionRecord) -> bool:
    """Whether a version is a batch of posted rows, which whoever posts it loads at once."""
    return _POSTED.fullmatch(Path(record.path).name) is not None


def register(settings: Settings, catalog: Catalog, found: FoundDump) -> tuple[VersionRecord, bool]:
    """Hashes a found dump and records it. Gives the version and whether it is new.

    Raises UnsettledDump when the dump changed while it was hashed, UnknownSource when its name does not fit the source's pattern.
    """
    home = Home(settings.home)
    path = home.root / found.path
    fixes = heading_of(path)
    if fixes:
        instance, label = fixes["instance"], fixes["label"]
    else:
        instance, label = name_parts(path.name, settings.source(found.source).pattern)
    try:
        sha256 = content_hash(path)
    except FileNotFoundError as error:
        raise UnsettledDump(f"{found.path} went away while it was read; it is taken when it is back.", path=found.path) from error
    except OSError as error:
        raise _not_readable(path, error) from error
    again = _measure(home, found.source, path)
    if again != found:
        raise UnsettledDump(f"{found.path} changed while it was read; it is taken when it has come to rest.", path=found.path)
    record = VersionRecord(
        version=_free_key(catalog, found.source, label, sha256),
        source=found.source,
        instance=instance,
        label=label,
        sha256=sha256,
        path=found.path,
        bytes=found.bytes,
        kind=found.kind,
        registered_at=datetime.now(UTC),
    )
    new = catalog.register(record)
    standing = record if new else catalog.version_of(found.source, sha256)
    assert standing is not None  # register says no only to a content that stands there
    if fixes:
        places = (Replayed(table, *place) for table, place in handed_back(path))
        record_fixes(catalog, standing.version, fixes["replays"], places, by=fixes["by"], at=moment(fixes))
    catalog.record_files([FileRecord(found.path, found.bytes, found.mtime_ns, standing.version)])
    return standing, new


def _free_key(catalog: Catalog, source: str, label: str, sha256: str) -> str:
    """Eight digits of the hash, or more where another content has the same eight."""
    for digits in (8, 16, 32):
        key = version_key(source, label, sha256, digits)
        taken = catalog.version(key)
        if taken is None or taken.sha256 == sha256:
            return key
    return version_key(source, label, sha256, 64)


def located(settings: Settings, catalog: Catalog, version: VersionRecord) -> Path:
    """Where the bytes of a version are now, proven by their hash. Raises DumpGone, which no retry can mend."""
    home = Home(settings.home)
    for relative in _places(catalog, version):
        path = home.root / relative
        if path.exists() and content_hash(path) == version.sha256:
            return path
    raise DumpGone(
        f"The dump of version {version.version} was at {version.path}, but it is gone or holds other bytes now. "
        "Put the original file back; what was loaded from it stays in the warehouse.",
        version=version.version,
        path=version.path,
    )


def _places(catalog: Catalog, version: VersionRecord) -> Iterator[str]:
    """Where it was registered; only when it is not there are all files of the catalog looked through."""
    yield version.path
    yield from (file.path for file in catalog.known_files().values() if file.version == version.version)


def take_in(settings: Settings, paths: Iterable[Path], source: str | None) -> list[str]:
    """Copies files or folders into dumps/<source>/ (a folder is one dump) and gives their paths relative to the home.

    What lies in dumps/ already stays where it is. A name that is taken by other content gets eight digits of the hash; nothing is
    overwritten. Raises UnknownSource when no source is given for a path outside dumps/, FileNotFoundError for a path that is not there.
    """
    home = Home(settings.home)
    taken: list[str] = []
    for path in paths:
        path = path.expanduser().resolve()
        if not path.exists():
            raise PlatformError(f"{path} does not exist.", path=str(path))
        if path.is_relative_to(home.dumps):
            parts = path.relative_to(home.dumps).parts
            if len(parts) < 2:
                taken.extend(child.relative_to(home.root).as_posix() for child in _dumps_below(path, len(parts)))
                continue
            taken.append(Path("dumps", *parts[:2]).as_posix())
            continue
        if not source:
            raise UnknownSource(f"{path} lies outside {home.dumps}: say which source it belongs to with --source NAME.", path=str(path))
        if is_temporary(path.name):
            raise UnsettledDump(f"{path} bears a name of unfinished or hidden files, which are never taken: rename it.", path=str(path))
        with working(home), room_in(home.root):
            try:
                taken.append(_copy_in(home, path, checked_source(source)).relative_to(home.root).as_posix())
            except PermissionError as error:
                raise _not_readable(Path(error.filename or path), error) from error
    return taken


def _dumps_below(folder: Path, depth: int) -> list[Path]:
    sources = [folder] if depth == 1 else [child for child in sorted(folder.iterdir()) if child.is_dir()]
    return [child for source in sources for child in sorted(source.iterdir()) if not is_temporary(child.name)]


def _copy_in(home: Home, path: Path, source: str) -> Path:
    target = home.dumps / source / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    before = _state(path)
    if target.exists():
        digest = content_hash(path)
        if content_hash(target) == digest:
            return target
        suffixes = "".join(path.suffixes) if path.is_file() else ""
        target = target.with_name(f"{path.name.removesuffix(suffixes)}.{digest[:8]}{suffixes}")
        if target.exists():
            return target
    temporary = temporary_sibling(target)
    try:
        if path.is_dir():
            shutil.copytree(path, temporary)
            for file in _files(temporary):
                fsync_file(file)
        else:
            shutil.copyfile(path, temporary)
            fsync_file(temporary)
        if _state(path) != before:
            raise UnsettledDump(f"{path} changed while it was copied: try again when it is finished.", path=str(path))
        temporary.rename(target)
        fsync_folder(target.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)
    return target


def _state(path: Path) -> list[tuple[str, int, int]]:
    files = _files(path) if path.is_dir() else [path]
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
