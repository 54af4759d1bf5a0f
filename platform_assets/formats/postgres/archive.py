"""pg_dump's archives (-Fc, -Ft, -Fd) as the script that pg_restore makes of them. Nothing is restored: pg_restore writes text only.

Custom and tar archives go through its standard input; a directory is spooled to a private folder, since pg_restore wants files. Rows that
lz4 or zstd packed are unpacked on the way (packed_archive). What it writes is counted against the limits of the source. Source of the
formats: pg_backup_archiver.c, PostgreSQL 18 manual, pg_restore.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import LimitExceeded, UnreadableDump
from platform_assets.formats.base import Dump, Member
from platform_assets.formats.containers.budget import Budget
from platform_assets.formats.postgres.packed_archive import SUFFIXES, packing_of_rows, said_unpacked, unpacked
from platform_assets.formats.postgres.programs import PACKAGE, program_folder
from platform_assets.formats.sql.text import head_of
from platform_assets.formats.sql.tokens import STREAM_ERRORS

MAGIC = b"PGDMP"
TOC = "toc.dat"
_CHUNK = 1 << 20
_SCHEMA = ("--section=pre-data", "--section=post-data")
_ENTRY = re.compile(r"^\d+; \d+ \d+ TABLE DATA (.*)$", re.MULTILINE)
_CREATED = re.compile(r"^; Archive created at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (\S+))?", re.MULTILINE)
_OUTSIDE = re.compile(rb"\x00[^\s\x00]{0,80}\.\./")
"""A string of the table of contents that would lead pg_restore to a file outside of the folder."""


@dataclass(frozen=True)
class Listing:
    """What `pg_restore -l` says: the tables with data, in the archive's order, and when the archive was made."""

    tables: tuple[str, ...]
    created: datetime | None


@dataclass(frozen=True)
class Archive:
    """One archive: `members` are the one file of it, or all files of a directory with its table of contents first."""

    name: str
    form: str
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members)


def archives(dump: Dump) -> tuple[list[Archive], list[Member]]:
    """The archives of a dump, and its other members."""
    folders = {member.name[: -len(TOC)] for member in dump.members if _is_toc(member)}
    found: list[Archive] = []
    others: list[Member] = []
    for folder in sorted(folders):
        inside = [member for member in dump.members if member.name.startswith(folder) and "/" not in member.name[len(folder) :]]
        inside.sort(key=lambda member: not member.name.endswith(TOC))
        found.append(Archive(folder.rstrip("/") or dump.name, "directory", tuple(inside)))
    taken = {member.name for archive in found for member in archive.members}
    for member in dump.members:
        form = None if member.name in taken else form_of(head_of(member))
        if form:
            found.append(Archive(member.name, form, (member,)))
        elif member.name not in taken:
            others.append(member)
    return found, others


def _is_toc(member: Member) -> bool:
    return member.name.rpartition("/")[2] == TOC and head_of(member).startswith(MAGIC)


def form_of(head: bytes) -> str | None:
    """What kind of archive begins with these bytes: custom or tar; None for anything else."""
    if head.startswith(MAGIC):
        return "custom"
    return "tar" if head[257:262] == b"ustar" and head[:100].rstrip(b"\0") == TOC.encode() else None


def listing(archive: Archive, source: SourceSettings) -> Listing:
    """Raises UnreadableDump when pg_restore cannot read the table of contents: cut, damaged, or of a newer version."""
    stream = RestoreStream(archive, source, ("-l",), rows=False)
    try:
        parts = []
        while part := stream.read(_CHUNK):
            parts.append(part)
    except STREAM_ERRORS as error:
        raise UnreadableDump(
            f"{archive.name}: the table of contents of this {archive.form} archive cannot be read ({error}). If it is cut or damaged, "
            "fetch it again; if a newer pg_dump wrote it, write it with pg_dump --format=plain, or have its own pg_restore make SQL of it.",
            dump=archive.name,
        ) from error
    finally:
        stream.close()
    text = b"".join(parts).decode("utf-8", "replace")
    created = _CREATED.search(text)
    time = datetime.strptime(created[1], "%Y-%m-%d %H:%M:%S") if created else None
    time = time.replace(tzinfo=UTC) if time is not None and created is not None and created[2] in ("UTC", "GMT") else time
    return Listing(tuple(_ENTRY.findall(text)), time)


def script(archive: Archive, source: SourceSettings, *, schema_only: bool) -> Member:
    """The archive as a member whose bytes are SQL text; with `schema_only` without the rows."""
    arguments = ("-f", "-", *(_SCHEMA if schema_only else ()))
    return Member(archive.name, archive.size, lambda: cast(BinaryIO, RestoreStream(archive, source, arguments, rows=not schema_only)))


class RestoreStream:
    """What pg_restore writes. After the last byte it raises OSError when pg_restore failed, LimitExceeded when a limit was passed.

    Without `rows`, only the table of contents of a directory is handed to it.
    """

    def __init__(self, archive: Archive, source: SourceSettings, arguments: Sequence[str], *, rows: bool) -> None:
        folder = program_folder("pg_restore")
        if folder is None:
            raise UnreadableDump(
                f"{archive.name} is an archive of pg_dump; to read it, pg_restore of the package {PACKAGE.replace('_', '-')} is needed. "
                "Install it (it is a dependency of platform-assets), or turn the archive into SQL text: pg_restore -f dump.sql.",
                dump=archive.name,
            )
        self._archive = archive
        self._budget = Budget(archive.name, source.name, source.limits)
        self._unpacked = 0
        self._folder: Path | None = None
        self._error: Exception | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        command = [str(folder / "pg_restore"), *arguments]
        if archive.form == "directory":
            try:
                self._folder, self._error = _spooled(archive, archive.members if rows else archive.members[:1])
            except BaseException:
                self._errors.close()
                raise
            command.append(str(self._folder))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if self._folder else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        )
        self._feeder = threading.Thread(target=self._feed, name="pg_restore-feed", daemon=True)
        if self._folder is None:
            self._feeder.start()

    def _feed(self) -> None:
        """Hands the archive's bytes to pg_restore, which may stop listening when it has enough."""
        pipe = self._process.stdin
        assert pipe is not None
        try:
            stream = self._archive.members[0].open()
            try:
                for data in unpacked(iter(lambda: stream.read(_CHUNK), b"")):
                    pipe.write(data)
            finally:
                stream.close()
        except BrokenPipeError:
            return
        except (*STREAM_ERRORS, ValueError, LimitExceeded) as error:
            self._error = error
        finally:
            with suppress(OSError):
                pipe.close()

    def read(self, size: int = -1) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        self._unpacked += len(data)
        self._budget.count(f"{self._archive.name} (pg_restore)", self._unpacked, self._archive.size)
        if not data and size != 0:
            self._check_end()
        return data

    def _check_end(self) -> None:
        code = self._process.wait()
        if self._feeder.is_alive():
            self._feeder.join(timeout=10)
        if isinstance(self._error, LimitExceeded):
            raise self._error
        if code or self._error is not None:
            self._errors.seek(0)
            said = self._errors.read(2000).decode("utf-8", "replace").replace("pg_restore: error: ", "").strip()
            raise OSError(" ".join(f"pg_restore: {said or code}{f'; {self._error}' if self._error else ''}".split()))

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._feeder.is_alive():
            self._feeder.join(timeout=10)
        self._errors.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _spooled(archive: Archive, members: Sequence[Member]) -> tuple[Path, Exception | None]:
    """The directory's files, but for lz4 and zstd as they are packed, in a folder that this user alone can read.

    Also what one that was unpacked died of: what came before it is there. Raises UnreadableDump, STREAM_ERRORS.
    """
    trouble: Exception | None = None
    folder = Path(tempfile.mkdtemp(prefix="platform-pg-"))
    try:
        packed = packing_of_rows(head_of(archive.members[0])) is not None
        for member in members:
            path = folder / member.name.rpartition("/")[2]
            if packed and path.suffix in SUFFIXES:
                trouble = _unpack(member, path.with_suffix("")) or trouble
            else:
                _copy((member.packed or member.open)(), path)
        contents = (folder / TOC).read_bytes()
        if packed:
            (folder / TOC).write_bytes(said_unpacked(contents))
        if _OUTSIDE.search(contents):
            raise UnreadableDump(
                f"{archive.name}: the table of contents names files outside of the archive's folder. Nothing of it was read.",
                dump=archive.name,
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, trouble


def _unpack(member: Member, path: Path) -> Exception | None:
    try:
        _copy(member.open(), path)
    except STREAM_ERRORS as error:
        return OSError(f"{member.name}: {error or type(error).__name__}")
    return None


def _copy(stream: BinaryIO, path: Path) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while data := stream.read(_CHUNK):
                file.write(data)
    finally:
        stream.close()
