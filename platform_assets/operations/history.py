"""History: the life of every row of a table over the versions of its instances, as spans in the store.

What was folded before stands as far as the versions of an instance are, in their order, those that it was folded from; a version that
comes in between drops what was derived behind it, and only later versions are folded again. The rules are those of the latest state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_assets.dictionary.types import type_name
from platform_assets.engines.duckdb import Engine, open_engine
from platform_assets.errors import StoredFileError
from platform_assets.operations.folding import Folding
from platform_assets.operations.keyed_rows import proven_unique
from platform_assets.operations.timeline import TableVersion, Timeline
from platform_assets.settings import Settings
from platform_assets.storage.home import Home
from platform_assets.storage.rows.stored_history import FoldedVersion, HistoryWriter, InstanceHistory, StoredHistory, open_history


def folded(settings: Settings, timeline: Timeline, folder: Path, *, before: StoredHistory | None = None, load_id: int = 0) -> StoredHistory:
    """The history of a timeline, pending, to stand in `folder`; `before` is one that may be built upon.

    Raises StoredFileError when a snapshot is gone or damaged.
    """
    guard = settings.source(timeline.source).delete_guard
    writer = HistoryWriter(folder, source=timeline.source)
    try:
        with ExitStack() as stack:
            engine: Engine | None = None  # opening one costs more than all else where every instance has one version
            for instance, versions in timeline.instances.items():
                identities = identities_of(timeline, versions, guard)
                if len(versions) == 1 and proven_unique(timeline, versions[0]):
                    rows = versions[0].snapshot.accepted
                    writer.whole(instance, FoldedVersion(versions[0].version, identities[0], rows, rows))
                    continue
                engine = engine or stack.enter_context(_engine(settings))
                stands = _standing(before, instance, identities)
                Folding(engine, timeline, versions, guard).run(writer.begin(instance, before, len(stands)), stands, identities)
        facts = {"load_id": load_id, "row_version": timeline.row_version, "folded_at": datetime.now(UTC).isoformat()}
        return writer.finish(timeline.union, facts=facts)
    except BaseException:
        writer.discard()
        raise


def _engine(settings: Settings) -> AbstractContextManager[Engine]:
    return open_engine(Home(settings.home).store / "work", memory_limit=settings.memory_limit, threads=settings.threads)


def standing_history(folder: Path) -> StoredHistory | None:
    """The history that was committed last; None when there is none or it is damaged: then all is folded anew."""
    try:
        found = open_history(folder)
        found.verify()
    except StoredFileError:
        return None
    return found


def identities_of(timeline: Timeline, versions: Sequence[TableVersion], guard: float) -> list[str]:
    """Per version a digest of all that its part in the history hangs on, but for the versions before it.

    Among that are key, row version and types of today: another type of one column makes another content of every row. A column that
    is only new changes nothing before it came.
    """
    union, row_version = timeline.union, timeline.row_version
    whole = [list(union.key), row_version, guard]
    types = {column.name: type_name(column.type) for column in union.columns}
    return [_digest([*whole, _identity(version), {name: types[name] for name in version.table.column_names}]) for version in versions]


def _identity(version: TableVersion) -> list[Any]:
    names = sorted(map(list, version.snapshot.names.items()))
    return [version.version, version.snapshot.content, version.full, version.deletes_confirmed, list(version.table.key), names]


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def _standing(before: StoredHistory | None, instance: str, identities: list[str]) -> tuple[FoldedVersion, ...]:
    """The versions of an instance that need not be folded again."""
    known: InstanceHistory | None = before.of(instance) if before is not None else None
    if known is None or known.whole:
        return ()
    return known.versions[: known.known(identities)]
