"""Import a topic of files: what is new at a place elsewhere is fetched and taken in like a file that somebody dropped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from platform_assets.operations.import_log import ImportLog
from platform_assets.operations.register import content_hash, is_temporary, take_in
from platform_assets.settings import Settings
from platform_assets.sources.files import Place, RemoteFile
from platform_assets.sources.kinds import open_files
from platform_assets.sources.topic import Topic
from platform_assets.sources.web import NoAnswer, SourceError
from platform_assets.storage.files import read_json, room_in, temporary_sibling, write_json
from platform_assets.storage.home import Home
from platform_assets.storage.leftovers import working

_PATIENCE = 3
"""So many files that do not come however often they are asked for: then the place is down."""


def import_files(
    settings: Settings,
    log: ImportLog,
    topic: Topic,
    *,
    initialize: bool = False,
    dry_run: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Path, ...]:
    """The dumps that were fetched (of a dry run: their names). `initialize` looks at every file again.

    What was seen before is remembered in the store and may be lost: the same bytes are one version however often they come. A file is
    remembered once it lies among the dumps, so a killed import fetches it again. One that fails does not keep the others: then
    SourceError is raised when these are there.
    """
    home = Home(settings.home)
    memory = home.pull(topic.name) / "seen.json"
    seen = {} if initialize or not memory.exists() else dict(read_json(memory)["files"])
    taken: list[Path] = []
    failed: list[SourceError] = []
    with open_files(topic, environment) as place:
        if not dry_run:
            log.start({"initialize": initialize})
        for file in place.listed():
            if is_temporary(file.name):
                continue
            try:
                file = place.described(file)
                if file.mark and seen.get(file.path) == file.mark:
                    continue
                if dry_run:
                    taken.append(Path(file.name))
                elif dump := _fetched(settings, log, topic, place, file, seen.get(file.path)):
                    taken.append(home.root / dump[0])
                    seen[file.path] = dump[1]
                    write_json(memory, {"files": seen})
            except SourceError as error:
                failed.append(error)
                if sum(isinstance(one, NoAnswer) for one in failed) == _PATIENCE:
                    break
    if failed:
        raise _summed(topic, taken, failed)
    return tuple(taken)


def _fetched(
    settings: Settings, log: ImportLog, topic: Topic, place: Place, file: RemoteFile, before: str | None
) -> tuple[str, str] | None:
    """The dump's path in the home and what to remember of the file; None when its bytes are those that it had `before`."""
    home = Home(settings.home)
    folder = temporary_sibling(home.store / "work" / "fetch")
    with working(home), room_in(home.root):
        folder.mkdir(parents=True)
        try:
            came = place.fetch(file, folder / file.name, settings.source(topic.source).limits.max_dump_bytes)
            mark = file.mark or f"sha256:{came.sha256}"
            if mark == before:
                return None
            (dump,) = take_in(settings, [_apart(home, topic.source, folder / file.name, came.sha256)], topic.source)
        finally:
            shutil.rmtree(folder)
    facts = {"file": file.name, "mark": mark, "sha256": came.sha256, "request_id": came.request_id, "dump": Path(dump).name}
    log.commit("import_file", 0, came.size, facts)
    return dump, mark


def _apart(home: Home, source: str, path: Path, sha256: str) -> Path:
    """A file whose name other content has among the dumps gets a folder of its own, where it keeps its name: that may be its table's."""
    there = home.dumps / source / path.name
    if not there.exists() or content_hash(there) == sha256:
        return path
    endings = "".join(path.suffixes)
    folder = path.with_name(f"{path.name.removesuffix(endings)}.{sha256[:8]}{endings}")
    folder.mkdir()
    path.rename(folder / path.name)
    return folder


def _summed(topic: Topic, taken: list[Path], failed: list[SourceError]) -> SourceError:
    if len(failed) == 1 and not taken:
        return failed[0]
    those = " ".join(error.message for error in failed[:5])
    return SourceError(
        f"{topic.name}: {len(failed)} files failed, {len(taken)} came, which lie in dumps/{topic.source}/ (platform-assets ingest loads "
        f"them). {those}",
        topic=topic.name,
        failed=len(failed),
    )
