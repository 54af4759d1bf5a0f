"""Import a topic of files: what is new at a place elsewhere is fetched and taken in like a file that somebody dropped."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from platform_assets.operations.import_log import ImportLog
from platform_assets.operations.register import is_temporary, take_in
from platform_assets.settings import Settings
from platform_assets.sources.files import Files, new_files
from platform_assets.sources.topic import Topic
from platform_assets.storage.files import read_json, write_json
from platform_assets.storage.home import Home


def import_files(
    settings: Settings,
    log: ImportLog,
    topic: Topic,
    *,
    initialize: bool = False,
    dry_run: bool = False,
    environment: Mapping[str, str] = os.environ,
    progress: Callable[[int], None] = lambda size: None,
) -> tuple[Path, ...]:
    """The dumps that were fetched (of a dry run: their names). `initialize` looks at every file again.

    What was seen before is remembered in the store and may be lost: the same bytes are one version however often they come. A file is
    remembered once it lies among the dumps, so a killed import fetches it again.
    """
    home = Home(settings.home)
    memory = home.pull(topic.name) / "seen.json"
    seen = {} if initialize or not memory.exists() else dict(read_json(memory)["files"])
    place, taken = Files(topic, environment), []
    if not dry_run:
        log.start({"initialize": initialize})
    for file in new_files(place.listed(), seen):
        if is_temporary(file.name):
            continue
        if dry_run:
            taken.append(Path(file.name))
            continue
        folder = home.store / "work" / f"fetch-{secrets.token_hex(6)}"
        folder.mkdir(parents=True)
        try:
            place.fetch(file, folder / file.name, progress)
            taken.extend(home.root / path for path in take_in(settings, [folder / file.name], topic.source))
        finally:
            (folder / file.name).unlink(missing_ok=True)
            folder.rmdir()
        log.commit("import_file", 0, file.size or 0, {"file": file.name, "mark": file.mark, "dump": taken[-1].name})
        seen[file.name] = file.mark
        write_json(memory, {"files": seen})
    return tuple(taken)
