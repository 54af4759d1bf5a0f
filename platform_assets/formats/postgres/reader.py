"""Dumps of PostgreSQL: recognized by content, read as a stream. Here is the door: which members are read, and the verdict on the whole.

What a script's statements do is statements'; archives become scripts in archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Finished, Member, Notice
from platform_assets.formats.postgres.archive import Listing, archives, form_of, listing, script
from platform_assets.formats.postgres.catalog import Catalog
from platform_assets.formats.postgres.evidence import Evidence
from platform_assets.formats.postgres.recognition import reason_of
from platform_assets.formats.postgres.session import Session
from platform_assets.formats.postgres.statements import SqlFile
from platform_assets.formats.postgres.tables import Tables
from platform_assets.formats.postgres.tokens import PgTokens
from platform_assets.formats.sql.dump import check_read
from platform_assets.formats.sql.text import Losses, SqlText, head_of, open_text
from platform_assets.formats.sql.tokens import STREAM_ERRORS


class PostgresDump:
    """The Format of SQL that psql would load, and of the archives that pg_restore would."""

    name = "postgres"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why this is a dump of PostgreSQL: pg_dump's heading, or forms that only PostgreSQL has. Never by file names."""
        for member in dump.members:
            head = head_of(member)
            form = form_of(head)
            reason = f"it is a {form} archive of pg_dump" if form else reason_of(head)
            if reason:
                return f"{member.name}: {reason}"
        return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """The events of the dump (formats.base).

        The dump is gone through twice: once for its statements alone, so that each table is announced with the keys and comments that
        stand behind the rows, then for the rows. After a Notice `table-restarted` the consumer drops what it had of that table.
        Tables of schema public (without one: of the first schema used) have plain names, others `schema.table`; when a dump holds
        several databases, `database.` stands before. Raises UnreadableDump when no member holds a byte that can be read,
        SettingsError for a type of platform.yaml that does not exist.

        Codes of notices: table-restarted, table-dropped, no-create-table, columns-filled, partition-rows, on-conflict, psql-command,
        large-object, not-a-statement, skipped-statement, skipped-data-statement, unreadable-definition, unknown-encoding,
        member-ignored. Codes of rows: missing-cell, extra-cell, not-a-literal, encoding-error, syntax-error, cut-row,
        row-too-long.
        """
        verdict, losses = _Verdict(), Losses()
        ignored: list[Event] = []
        scripts = list(_scripts(dump, source, ignored))
        tables = Tables(_survey([one.schema for one in scripts], source), source, dictionary)
        for one in scripts:
            for event in _member_events(one, source, tables, verdict):
                yield losses.saw(event)
        check_read(dump, verdict)
        for event in ignored:
            yield losses.saw(event)
        for event in tables.last_seen(scripts[-1].rows.name):
            yield losses.saw(event)
        yield verdict.finished(losses)


@dataclass(frozen=True)
class _Script:
    """What is read: `rows` with all of it, `schema` with what the survey needs. `listing` is an archive's table of contents."""

    rows: Member
    schema: Member
    listing: Listing | None = None


def _scripts(dump: Dump, source: SourceSettings, ignored: list[Event]) -> Iterator[_Script]:
    """The scripts and archives to read; of several members only those that look like PostgreSQL, the others are told."""
    packed, members = archives(dump)
    for archive in packed:
        contents = listing(archive, source)
        yield _Script(script(archive, source, schema_only=False), script(archive, source, schema_only=True), contents)
    for member in members:
        if len(dump.members) > 1 and source.format is None and reason_of(head_of(member)) is None:
            bears = member.name.lower().endswith((".sql", ".dump", ".backup"))
            ignored.append(
                Notice("member-ignored", f"{member.name!r} is not SQL of PostgreSQL; it was not read.", member.name, data_bearing=bears)
            )
        else:
            yield _Script(member, member)


def _opened(member: Member, source: SourceSettings) -> tuple[SqlText, Session, PgTokens, list[SqlFile]]:
    """The member's stream, a session and tokens for it, and the place for the file that its comments go to."""
    opened = open_text(member)
    files: list[SqlFile] = []
    tokens = PgTokens(opened.stream, lambda *comment: files[0].comment(*comment))
    session = Session(tokens.lexis, option=source.encoding, fixed="utf-8" if opened.recoded else None)
    return opened, session, tokens, files


def _survey(members: list[Member], source: SourceSettings) -> Catalog:
    """All definitions of the dump, as far as its streams go; what breaks is told by the reading itself."""
    tables = Tables(Catalog(), source, {})
    for member in members:
        try:
            opened, session, tokens, files = _opened(replace(member, open=member.open_first), source)
        except STREAM_ERRORS:
            continue
        try:
            file = SqlFile(tokens, member.name, session, tables, Evidence())
            file.copy_only = True
            files.append(file)
            for _ in file.events():
                pass
        finally:
            opened.close()
    return tables.now


def _member_events(one: _Script, source: SourceSettings, tables: Tables, verdict: _Verdict) -> Iterator[Event]:
    member = one.rows
    try:
        opened, session, tokens, files = _opened(member, source)
    except STREAM_ERRORS as error:
        verdict.reasons.append(f"{member.name}: it cannot be opened ({type(error).__name__}: {error})")
        return
    try:
        evidence = Evidence()
        file = SqlFile(tokens, member.name, session, tables, evidence)
        files.append(file)
        yield from file.events()
        yield from tables.flush_all()
        if one.listing is not None:
            evidence.started = evidence.started or one.listing.created
            missing = len(one.listing.tables) - (file.copied or evidence.row_headings)
            if missing > 0:
                verdict.reasons.append(
                    f"{member.name}: {missing} of {len(one.listing.tables)} tables with data in the table of contents did not come"
                )
        verdict.file(file, evidence, empty=not tokens.offset and tokens.broken is not None)
    finally:
        opened.close()


class _Verdict:
    """What was seen on the way that decides whether the dump is whole."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.files: list[Evidence] = []
        self.read_any = False

    def file(self, file: SqlFile, evidence: Evidence, *, empty: bool) -> None:
        self.read_any |= not empty and (file.statements > 0 or bool(file.tokens.offset))
        self.reasons += file.reasons
        self.reasons += [f"{file.member}: {reason}" for reason in evidence.missing()]
        self.files.append(evidence)

    def finished(self, losses: Losses) -> Finished:
        reasons = (*self.reasons, *losses.reasons())
        proven = bool(self.files) and all(evidence.proven for evidence in self.files)
        facts: dict[str, str] = {}
        for evidence in self.files:
            facts.update(evidence.all_facts())
        times = [evidence.dump_time for evidence in self.files if evidence.dump_time is not None]
        return Finished(
            "partial" if reasons else "complete" if proven else "unknown",
            reasons,
            dump_time=times[0] if times else None,
            tool="; ".join(dict.fromkeys(evidence.tool for evidence in self.files if evidence.tool)),
            facts=facts,
        )
