"""A pull while it runs and when it has landed: pages as chunks in a folder of the store, then the folder as one dump.

Each chunk is two files, its rows and its record; a chunk without a record was never committed. `pull.json`, written last, says what
was asked, what came and where the next pull begins: what a topic remembers stands in its dumps and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from platform_assets.errors import StoredFileError
from platform_assets.storage.files import atomic_file, fsync_folder, read_json, sha256_of, write_json

MANIFEST = "pull.json"
_PLAN = "plan.json"
RECENT_LINES = 20_000
"""Rows at the end of a pull that are remembered by a hash: what an overlap brings again is not landed again."""


@dataclass(frozen=True)
class Chunk:
    """One committed page. `position` and `cursor` are those behind it; sizes in bytes, `bytes` of the unpacked rows."""

    number: int
    rows: int
    bytes: int
    sha256: str
    position: Mapping[str, Any]
    cursor: Any
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"rows-{self.number:06d}.jsonl.zst"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, **self.__dict__}


class RunningPull:
    """The unfinished pull of one topic, if there is one. Not for several processes at once: the caller holds the topic's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(self) -> dict[str, Any] | None:
        """The plan of a pull that was begun; None when none was."""
        path = self.folder / _PLAN
        if not path.exists():
            return None
        plan = read_json(path)
        del plan["format_version"]
        return plan

    @property
    def unfinished(self) -> bool:
        """Whether a pull was begun that has not landed."""
        return (self.folder / _PLAN).exists() or (self.folder / MANIFEST).exists()

    def whole(self) -> dict[str, Any] | None:
        """The manifest of a pull that had all its pages and was killed before it had landed."""
        path = self.folder / MANIFEST
        return read_json(path) if path.exists() else None

    def begin(self, plan: Mapping[str, Any]) -> None:
        """A new pull; what was there before is forgotten."""
        self.forget()
        self.folder.mkdir(parents=True)
        write_json(self.folder / _PLAN, dict(plan))

    def forget(self) -> None:
        for name in (MANIFEST, _PLAN):  # first: what is killed in between must not look whole
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def chunks(self) -> list[Chunk]:
        """The committed ones in their order. Raises StoredFileError when one is damaged or missing."""
        found = []
        for number, path in enumerate(sorted(self.folder.glob("rows-*.json"))):
            data = read_json(path)
            chunk = Chunk(**{name: data[name] for name in Chunk.__dataclass_fields__})
            rows = self.folder / chunk.name
            if chunk.number != number or not rows.exists() or sha256_of(rows) != chunk.sha256:
                raise StoredFileError(f"{rows} is missing or damaged: import with --initialize, or remove {self.folder}.", path=str(rows))
            found.append(chunk)
        return found

    def add(self, number: int, lines: bytes, rows: int, position: Mapping[str, Any], cursor: Any, facts: Mapping[str, Any]) -> Chunk:
        """Commits one page: its rows first, its record last."""
        packed = _framed(lines)
        chunk = Chunk(number, rows, len(lines), hashlib.sha256(packed).hexdigest(), dict(position), cursor, dict(facts))
        with atomic_file(self.folder / chunk.name, settled=False) as file:
            file.write(packed)
        write_json(self.folder / f"rows-{number:06d}.json", chunk.to_json())
        return chunk

    def lines(self, chunk: Chunk) -> Iterator[bytes]:
        """The rows of a chunk, one JSON object each, without line ends."""
        with pa.CompressedInputStream(pa.OSFile(str(self.folder / chunk.name)), "zstd") as stream:
            yield from stream.read().splitlines()

    def land(self, target: Path, manifest: Mapping[str, Any]) -> None:
        """The folder becomes the dump `target`: records of chunks go into the manifest, which is written last."""
        chunks = self.chunks()
        write_json(
            self.folder / MANIFEST, {**manifest, "chunks": [chunk.to_json() for chunk in chunks], "rows": sum(c.rows for c in chunks)}
        )
        self.move(target)

    def move(self, target: Path) -> None:
        """What `land` does once the manifest is there; for a pull that is `whole`. What a killed write has left does not land."""
        landing = {MANIFEST, *(chunk["name"] for chunk in read_json(self.folder / MANIFEST)["chunks"])}
        for path in self.folder.iterdir():
            if path.name not in landing:
                path.unlink()
        fsync_folder(self.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.folder.rename(target)
        fsync_folder(target.parent)


def _framed(lines: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(lines)
    return sink.getvalue().to_pybytes()


def line_hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:16]


def recent_hashes(pull: RunningPull, chunks: list[Chunk], again: Iterable[str]) -> list[str]:
    """Of the last rows of a pull, and of those that it brought `again`: the next overlap brings both."""
    kept = deque(again, maxlen=RECENT_LINES)
    wanted, first = 0, len(chunks)
    while first and wanted < RECENT_LINES:
        first -= 1
        wanted += chunks[first].rows
    for chunk in chunks[first:]:
        kept.extend(line_hash(line) for line in pull.lines(chunk))
    return list(kept)


def landed(dumps: Path, topic: str) -> list[tuple[Path, dict[str, Any]]]:
    """The landed pulls of a topic among the dumps of its source, oldest first by their own moment. Damaged ones are left out."""
    found = []
    for path in dumps.glob(f"*/{MANIFEST}"):
        try:
            data = json.loads(path.read_bytes())
        except ValueError:
            continue
        if isinstance(data, dict) and data.get("topic") == topic:
            found.append((path.parent, data))
    return sorted(found, key=lambda pull: (str(pull[1].get("moment", "")), pull[0].name))
