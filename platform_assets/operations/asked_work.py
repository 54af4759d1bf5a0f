"""Long work that is asked for over HTTP: backups, restores, topic runs. Each becomes a job of the running platform; nothing runs here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from platform_assets.errors import Conflict, NoSuchTable, RefusedQuery
from platform_assets.operations.backup import chosen_tables
from platform_assets.operations.platform_runs import EVERY_SOURCE, Job, RunningPlatform
from platform_assets.operations.restore import Target
from platform_assets.operations.table_rows import cursor_of, read_cursor
from platform_assets.settings import Settings
from platform_assets.sources.topic import load_topic, topic_files
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.catalog.api_requests import answered, standing, take_turn
from platform_assets.storage.catalog.backup_pages import backups_page
from platform_assets.storage.catalog.records import BackupRecord, TableRecord
from platform_assets.storage.home import Home
from platform_assets.storage.server.sessions import connected


def tables_to_back_up(catalog: Catalog, name: str | None) -> tuple[str, list[TableRecord]]:
    """Whose they are (* for all), and the tables of a source, one table, or all. Raises NoSuchTable when there are none."""
    found = chosen_tables(catalog, name)
    if not found:
        raise NoSuchTable("There is no table to back up yet.")
    return found[0].source if name else EVERY_SOURCE, found


def ask_backup(settings: Settings, job_id: str, name: str | None, source: str, tables: Sequence[TableRecord]) -> Job:
    """Backs the tables up, verifies and drills them. Raises PlatformDown."""
    job = Job(job_id, "backup", name or "every table", source)
    _running(settings).launch_tables(job, "back_up_tables", [record.table_key for record in tables])
    return job


def ask_restore(settings: Settings, job_id: str, name: str, source: str, target: Target, backup_id: str | None) -> Job:
    """Raises PlatformDown."""
    job = Job(job_id, "restore", name, source)
    asked = {"table": name, "beside": target.name or "", "in_place": target.in_place, "backup": backup_id or ""}
    _running(settings).launch(job, "restore_tables", config={"ops": {"restore_backups": {"config": asked}}})
    return job


def source_of_topic(settings: Settings, name: str) -> str | None:
    """Whose data the topic pulls; None when there is no such topic. Raises SettingsError when its file cannot be understood."""
    files = {path.stem: path for path in topic_files(Home(settings.home).topics)}
    return load_topic(files[name]).source if name in files else None


def ask_topic(settings: Settings, job_id: str, name: str, source: str, *, initialize: bool, since: str | None) -> Job:
    """Raises PlatformDown."""
    word = name.replace("-", "_")
    config = {"ops": {f"topics__{word}": {"config": {"initialize": initialize, "since": since or ""}}}}
    job = Job(job_id, "topic", name, source)
    _running(settings).launch(job, f"import_{word}", config=config)
    return job


def told_of(job: Job) -> dict[str, Any]:
    """The answer to who asked for it."""
    return {"job": job.id, "state": "queued", "watch": f"/v1/jobs/{job.id}"}


def ask_once(
    settings: Settings, catalog: Catalog, key_id: str, idempotency_key: str, request: str, ask: Callable[[str], Job]
) -> tuple[dict[str, Any], bool]:
    """The answer to a request that may be sent again, and whether it was given before. `request` is the hash of all that was asked.

    The job's id comes from the request: after a crash between the launch and the answer, the repeated request finds the job.
    Raises Conflict while the request is at work elsewhere, RefusedQuery when its key came with another request, PlatformDown.
    """
    with connected(catalog.url) as connection:
        if not take_turn(connection, key_id, idempotency_key):
            raise Conflict("The request of this Idempotency-Key is still at work; ask again for its answer.")
        before = standing(connection, key_id, idempotency_key)
        if before is not None and before.request != request:
            raise RefusedQuery("This Idempotency-Key came before with another request; a new request needs a new one.")
        if before is not None:
            return dict(before.answer or {}), True
        job_id = f"job-{hashlib.sha256(json.dumps([key_id, idempotency_key, request]).encode()).hexdigest()[:16]}"
        launched = job_of(settings, job_id)
        told = told_of(Job(job_id, launched["kind"], launched["what"], launched["source"]) if launched else ask(job_id))
        answered(connection, key_id, idempotency_key, request, job_id, 202, json.dumps(told))
    return told, False


def job_of(settings: Settings, job_id: str) -> dict[str, Any] | None:
    """State, steps and errors of a job; None when there is none. Raises PlatformDown."""
    return _running(settings).job(job_id)


def jobs_of(settings: Settings, *, limit: int) -> list[dict[str, Any]]:
    """The jobs of the newest `limit` runs that were asked for, the newest first. Raises PlatformDown."""
    return _running(settings).jobs(limit=limit)


def _running(settings: Settings) -> RunningPlatform:
    return RunningPlatform(Home(settings.home).store)


def list_backups(
    catalog: Catalog, *, sources: Collection[str] | None, table: str | None, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of backups, the newest first, and the cursor of the next one. Raises RefusedQuery for a cursor that is none of ours."""
    place = None
    if after is not None:
        at, *rest = read_cursor(after, 4)
        try:
            place = (datetime.fromisoformat(at or ""), *(str(part) for part in rest))
        except ValueError:
            raise RefusedQuery("`after` is no place in the list of backups.") from None
    found = backups_page(catalog, sources=sources, table=table, after=place, limit=limit + 1)  # type: ignore[arg-type]
    last = found[limit - 1] if len(found) > limit else None
    cursor = cursor_of([str(last.created_at), last.source, last.table_name, last.backup_id]) if last else None
    return [_backup(one) for one in found[:limit]], cursor


def _backup(one: BackupRecord) -> dict[str, Any]:
    return {
        "table": f"{one.source}.{one.table_name}",
        "backup": one.backup_id,
        "rows": one.rows,
        "bytes": one.bytes,
        "created_at": one.created_at,
        "proven": one.verified_ok,
        "proven_at": one.verified_at,
        "restores": one.drill_ok,
        "drilled_at": one.drill_at,
    }
