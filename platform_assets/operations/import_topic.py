"""Import a topic: pull what is new, page by page, and land it as a dump. What becomes of the dump is what becomes of any dump.

Committed pages outlive a killed process, which goes on behind the last of them. The cursor stands in the landed dump, so it moves with
the data or not at all. Every step is a row of catalog.import_log. Until a pull has landed whole, nothing outside store/pulls has changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from platform_assets.errors import Conflict, NoSuchTable, PlatformError, StoredFileError
from platform_assets.formats.ahead import ahead
from platform_assets.formats.pull import KIND
from platform_assets.operations.import_files import import_files
from platform_assets.operations.import_log import ImportLog
from platform_assets.operations.topic_checks import TopicFinding, check_topic
from platform_assets.settings import Settings
from platform_assets.sources.kinds import open_puller
from platform_assets.sources.pull import Before, Page, Plan, PulledColumn, Puller
from platform_assets.sources.topic import Topic, load_topics
from platform_assets.sources.web import SourceError
from platform_assets.storage.catalog.access import Catalog
from platform_assets.storage.home import Home
from platform_assets.storage.pulls import Chunk, RunningPull, landed, line_hash, recent_hashes
from platform_assets.storage.rows.latest_state import open_latest
from platform_assets.storage.warehouse.protocol import session_lock
from platform_assets.versions.keys import checked_source

Progress = Callable[[str, int, int | None], None]
"""Topic, rows that came just now, rows in all if known."""


@dataclass(frozen=True)
class Imported:
    """What an import did. `dumps` is what landed, empty when nothing was new or it was a dry run.

    `since` and `cursor`: where it began and where the next one begins. `bytes` of the unpacked rows; `request_id` of the last answer.
    """

    topic: str
    mode: str
    rows: int
    pages: int
    total: int | None
    resumed: bool
    dumps: tuple[Path, ...]
    said: str
    since: Any = None
    cursor: Any = None
    bytes: int = 0
    request_id: str = ""
    checks: tuple[TopicFinding, ...] = ()

    @property
    def failed_checks(self) -> tuple[TopicFinding, ...]:
        return tuple(finding for finding in self.checks if not finding.passed)


def topics_of(settings: Settings) -> dict[str, Topic]:
    """Raises SettingsError for a topic that cannot be understood."""
    return load_topics(Home(settings.home).topics)


def topic_named(settings: Settings, name: str) -> Topic:
    """Raises NoSuchTable naming those that there are."""
    known = topics_of(settings)
    if name not in known:
        there = ", ".join(known) or f"none: a topic is one YAML file in {Home(settings.home).topics}"
        raise NoSuchTable(f"There is no topic {name!r}. There are: {there}.", topic=name)
    return known[name]


def import_topic(
    settings: Settings,
    catalog: Catalog,
    topic: Topic,
    *,
    initialize: bool = False,
    since: str | None = None,
    dry_run: bool = False,
    environment: Mapping[str, str] = os.environ,
    progress: Progress = lambda topic, rows, total: None,
) -> Imported:
    """Pulls one topic. `initialize` fetches everything anew, to stand in the place of what was there; `since` what changed from a value of
    the cursor column on.

    Raises Conflict while another import of the topic is at work, SourceError when the place fails: then what was committed stands, the
    cursor does not move, and nothing lands.
    """
    checked_source(topic.source)
    try:
        # a lock goes with its connection, which the server may notice a moment after an import has ended
        with session_lock(catalog.url, f"topic/{topic.name}", wait_seconds=1.0):
            log = ImportLog(catalog, topic)
            try:
                if topic.kind == "files":
                    return _files(settings, topic, log, initialize, dry_run, environment)
                with open_puller(topic, environment) as puller:
                    done = _Import(settings, log, topic, puller, progress).run(initialize, since, dry_run)
            except PlatformError as error:
                if not dry_run:
                    log.failed(error)
                raise
            return done if dry_run else replace(done, checks=_checked(Home(settings.home), topic))
    except Conflict:
        raise Conflict(f"Another import of the topic {topic.name} is at work; wait until it has ended.", topic=topic.name) from None


def _files(settings: Settings, topic: Topic, log: ImportLog, initialize: bool, dry_run: bool, environment: Mapping[str, str]) -> Imported:
    fetched = import_files(settings, log, topic, initialize=initialize, dry_run=dry_run, environment=environment)
    said = f"{topic.name}: {len(fetched)} new files{': ' + ', '.join(path.name for path in fetched[:10]) if fetched else ''}"
    if not dry_run:
        log.end(0, {"files": len(fetched)})
    return Imported(topic.name, "files", 0, 0, len(fetched), False, () if dry_run else fetched, said)


class _Import:
    def __init__(self, settings: Settings, log: ImportLog, topic: Topic, puller: Puller, progress: Progress) -> None:
        self._home, self._log, self._topic, self._puller, self._progress = Home(settings.home), log, topic, puller, progress
        self._running, self._guard = RunningPull(self._home.pull(topic.name)), settings.source(topic.source).delete_guard
        self._past = landed(self._home.dumps / topic.source, topic.name)
        self._again: dict[str, None] = {}

    def run(self, initialize: bool, since: str | None, dry_run: bool) -> Imported:
        whole, resumed = (None, None) if initialize or since or dry_run else (self._whole(), self._resumable())
        if whole:
            return self._landed_late(whole)
        if resumed:
            plan, chunks = resumed
        else:
            wanted, chunks = self._puller.plan(None if initialize else self._before(since)), []
            if wanted is None:
                return self._nothing(self._cursor(), dry_run=dry_run)
            anew = initialize or self._topic.target == "replace" or self._asked_otherwise()
            plan = replace(wanted, replaces=wanted.mode == "full" and (wanted.replaces or anew))
            self._refuse_a_clock_set_back(plan.moment)
            if dry_run:
                return self._told(plan)
            self._running.begin({"asked": self._topic.asks, "plan": plan.to_json()})
        facts = {"mode": plan.mode, "total": plan.total, "since": plan.since, "resumed_chunks": len(chunks)}
        self._log.start(facts, sum(chunk.rows for chunk in chunks))
        return self._ended(plan, self._fetch(plan, chunks), resumed is not None)

    def _cursor(self) -> Any:
        """Where the next pull begins, overlap apart: it moves with what lands alone."""
        return self._past[-1][1].get("cursor") if self._past else None

    def _nothing(
        self,
        cursor: Any,
        *,
        mode: str = "nothing",
        pages: int = 0,
        total: int | None = None,
        resumed: bool = False,
        dry_run: bool = False,
    ) -> Imported:
        said = f"{self._topic.name}: nothing is new"
        if not dry_run:
            self._log.end(0, {"cursor": cursor, "said": "nothing new"})
        return Imported(self._topic.name, mode, 0, pages, total, resumed, (), said, since=cursor, cursor=cursor)

    def _refuse_a_clock_set_back(self, moment: str) -> None:
        """Versions are ordered by the place's clock: a pull dated before the last one would count as older, and its rows be lost."""
        if not moment or not self._past:
            return
        path, newest = self._past[-1]
        last, now = (_moment(text) for text in (str(newest["moment"]), moment))
        if now < last.replace(microsecond=0):
            raise SourceError(
                f"{self._topic.name}: the clock of the place says {moment}, before the last pull {path.name} of {newest['moment']}. "
                "Nothing was pulled. Try again when its clock is right; if it was wrong at the last pull, remove that dump.",
                moment=moment,
            )

    def _resumable(self) -> tuple[Plan, list[Chunk]] | None:
        """A pull that was killed; None when there is none, or what is left of it is damaged or answers another question than the topic's
        file asks now: then it begins anew.
        """
        try:
            begun = self._running.plan()
            if begun is None:
                return None
            if begun["asked"] == self._topic.asks:
                return Plan.from_json(begun["plan"]), self._running.chunks()
        except (StoredFileError, TypeError, KeyError):  # TypeError, KeyError: a plan of another version of this program
            pass
        self._running.forget()
        return None

    def _whole(self) -> dict[str, Any] | None:
        whole = self._running.whole()
        return whole if whole and whole.get("asked") == self._topic.asks else None

    def _landed_late(self, manifest: Mapping[str, Any]) -> Imported:
        """A pull that was killed between its last page and its landing."""
        mode, rows, pages = manifest["mode"], manifest["rows"], len(manifest["chunks"])
        self._log.start({"mode": mode, "total": manifest["total"], "since": manifest["since"], "resumed_chunks": pages}, rows)
        target = self._free(manifest["moment"], mode)
        self._running.move(target)
        self._log.end(rows, {"cursor": manifest["cursor"], "dump": target.name, "total": manifest["total"]})
        return self._imported(manifest, manifest["chunks"], (target,), self._said(rows, pages, mode), resumed=True)

    def _asked_otherwise(self) -> bool:
        """Whether the newest pull answered another question: the topic's file says another place, other columns or another key now."""
        return bool(self._past) and self._past[-1][1].get("asked", self._topic.asks) != self._topic.asks

    def _before(self, since: str | None) -> Before | None:
        if since:
            return Before(cursor=since)
        if not self._past or self._asked_otherwise():
            return None
        newest = self._past[-1][1]
        pulls = len(self._past) + 1
        sweep = bool(self._topic.sweep_every) and pulls % self._topic.sweep_every == 0
        return Before(newest.get("cursor"), newest.get("marks") or {}, sweep, self._keys() if sweep else ())

    def _keys(self) -> Iterator[pa.Array]:
        """The values of the key's first column that the latest state has now."""
        state = open_latest(self._home.latest(self._topic.source, self._topic.table))
        column = self._past[-1][1]["key"][0]
        for batch in state.batches([column]):
            yield batch.column(0)

    def _told(self, plan: Plan) -> Imported:
        total = f"{plan.total:,} rows" if plan.total is not None else "rows whose number the place does not tell"
        since = f" since {plan.since}" if plan.since is not None else ""
        said = f"{self._topic.name}: would pull {plan.mode}{since}: {total}, {len(plan.columns)} columns"
        return Imported(self._topic.name, plan.mode, 0, 0, plan.total, False, (), said)

    def _fetch(self, plan: Plan, chunks: list[Chunk]) -> list[Chunk]:
        chunks = list(chunks)
        if chunks:
            self._progress(self._topic.name, sum(int(chunk.facts["rows_in_answer"]) for chunk in chunks), plan.total)
        seen = frozenset(self._past[-1][1].get("recent", ())) if plan.mode == "changes" and self._past else frozenset()
        with closing(ahead(self._puller.pages(plan, chunks[-1].position if chunks else None))) as coming:
            for page in coming:
                kept = self._without(page, seen) if seen else page
                began = chunks[-1].position if chunks else None
                facts = {**page.facts, "rows_in_answer": page.rows}
                if not chunks:  # an interface whose clock is known by its first page alone
                    self._refuse_a_clock_set_back(str(facts.get("moment", "")))
                chunk = self._running.add(len(chunks), kept.lines, kept.rows, page.position, page.cursor, facts)
                chunks.append(chunk)
                details = {"from": began, "to": chunk.position, "sha256": chunk.sha256, **facts}
                self._log.commit("import_chunk", chunk.rows, chunk.bytes, details)
                self._progress(self._topic.name, page.rows, plan.total)
        return chunks

    def _without(self, page: Page, seen: frozenset[str]) -> Page:
        """The page without rows that the pull before had in the same words: an overlap brings them again."""
        hashed = [(line, line_hash(line)) for line in page.lines.splitlines()]
        self._again |= dict.fromkeys(known for _, known in hashed if known in seen)
        fresh = [line for line, known in hashed if known not in seen]
        return replace(page, lines=b"".join(line + b"\n" for line in fresh), rows=len(fresh))

    def _ended(self, plan: Plan, chunks: list[Chunk], resumed: bool) -> Imported:
        rows = sum(chunk.rows for chunk in chunks)
        cursor = plan.cursor if plan.cursor is not None else _last_cursor(chunks, plan)
        if not rows and (plan.mode == "changes" or not plan.columns):
            self._running.forget()
            return self._nothing(self._cursor(), mode=plan.mode, pages=len(chunks), total=plan.total, resumed=resumed)
        moment = self._after_the_last(plan.moment or (chunks[0].facts.get("moment") if chunks else "") or datetime.now(UTC).isoformat())
        full = plan.mode == "full" and (self._topic.target == "replace" or (plan.stable and self._topic.target == "merge"))
        manifest = {
            "kind": KIND,
            "topic": self._topic.name,
            "table": self._topic.table,
            "moment": moment,
            "mode": plan.mode,
            "full": full,
            "replaces": full and plan.replaces and not self._shrunk(rows),
            "asked": self._topic.asks,
            "since": plan.since,
            "cursor": cursor,
            "total": plan.total,
            "marks": dict(plan.marks),
            "columns": [column.to_json() for column in _typed(plan.columns, chunks)],
            "key": [] if self._topic.target == "append" else list(plan.key),
            "row_version": plan.row_version,
            "recent": recent_hashes(self._running, chunks, self._again),
        }
        target = self._free(moment, plan.mode)
        self._running.land(target, manifest)
        self._log.end(rows, {"cursor": cursor, "dump": target.name, "total": plan.total})
        said = self._said(rows, len(chunks), plan.mode)
        if full and plan.replaces and not manifest["replaces"]:
            said += "; far fewer than the table has, so what they lack stays until it is confirmed: see the check deletes_guarded"
        return self._imported(manifest, [chunk.to_json() for chunk in chunks], (target,), said, resumed=resumed)

    def _imported(
        self, pull: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]], dumps: tuple[Path, ...], said: str, *, resumed: bool
    ) -> Imported:
        return Imported(
            self._topic.name,
            pull["mode"],
            sum(chunk["rows"] for chunk in chunks),
            len(chunks),
            pull["total"],
            resumed,
            dumps,
            said,
            since=pull["since"],
            cursor=pull["cursor"],
            bytes=sum(chunk["bytes"] for chunk in chunks),
            request_id=str(chunks[-1]["facts"].get("request_id", "")) if chunks else "",
        )

    def _said(self, rows: int, pages: int, mode: str) -> str:
        return f"{self._topic.name}: {rows:,} rows in {pages:,} pages ({mode})"

    def _after_the_last(self, moment: str) -> str:
        """Clocks of places tell seconds: of two pulls within one, the later is put a millisecond behind the earlier."""
        found = _moment(moment)
        if self._past:
            found = max(found, _moment(str(self._past[-1][1]["moment"])) + timedelta(milliseconds=1))
        return found.isoformat(timespec="milliseconds" if found.microsecond else "seconds")

    def _shrunk(self, rows: int) -> bool:
        """Whether a new generation has fewer rows than the table by more than the guard allows: then it replaces nothing, its keys are
        compared as those of any full dump. Keys that are all new cannot be.
        """
        try:
            before = open_latest(self._home.latest(self._topic.source, self._topic.table)).rows
        except StoredFileError:  # what was pulled has not been loaded yet, or the store is to be rebuilt
            before = next((pull["rows"] for _, pull in reversed(self._past) if pull["full"]), 0)
        return rows < before * (1 - self._guard)

    def _free(self, moment: str, mode: str) -> Path:
        name = f"{self._topic.name}-{re.sub(r'[^0-9T]', '', moment[:19])}-{mode}"
        folder = self._home.dumps / self._topic.source
        taken = sum(1 for path in folder.glob(f"{name}*")) if folder.is_dir() else 0
        return folder / (f"{name}-{taken + 1}" if taken else name)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _last_cursor(chunks: list[Chunk], plan: Plan) -> Any:
    return max((chunk.cursor for chunk in chunks if chunk.cursor is not None), default=plan.since)


def _typed(columns: tuple[PulledColumn, ...], chunks: list[Chunk]) -> Iterator[PulledColumn]:
    """Columns whose type the place does not tell get the narrowest that holds every number that came; text where one is no plain number."""
    for column in columns:
        widths = [chunk.facts.get("numbers", {}).get(column.name) for chunk in chunks] if not column.type else []
        known = [width for width in widths if width is not None]
        if column.type:
            yield column
        elif not known or any(width == "text" for width in known):
            yield replace(column, type="string")
        else:
            whole, scale = max(width[0] for width in known), max(width[1] for width in known)
            integer = "int64" if whole <= 18 else "string"
            yield replace(column, type=integer if not scale else f"decimal(38,{scale})" if whole + scale <= 38 else "string")


def _checked(home: Home, topic: Topic) -> tuple[TopicFinding, ...]:
    return check_topic(topic, [pull for _, pull in landed(home.dumps / topic.source, topic.name)]) if topic.checks.names else ()


def describe_topics(settings: Settings) -> list[dict[str, Any]]:
    """The listing of topics: what each is, its newest landed pull, and how its checks stand."""
    home, rows = Home(settings.home), []
    for topic in topics_of(settings).values():
        past = landed(home.dumps / topic.source, topic.name)
        newest = past[-1][1] if past else {}
        findings = check_topic(topic, [pull for _, pull in past]) if past else ()
        rows.append(
            {
                "topic": topic.name,
                "kind": topic.kind,
                "table": f"{topic.source}.{topic.table}",
                "target": topic.target,
                "schedule": topic.schedule,
                "pulls": len(past),
                "last_pull": newest.get("moment"),
                "cursor": newest.get("cursor"),
                "checks": ", ".join(f"{finding.name}: {'ok' if finding.passed else 'FAILED'}" for finding in findings) or None,
                "running": RunningPull(home.pull(topic.name)).unfinished,
            }
        )
    return rows
