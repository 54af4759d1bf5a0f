"""The format of delimited text: one table per file, described by its header or by the source's dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.formats.base import Dump, Event, Member, Notice
from platform_assets.formats.containers.opening import HEAD_BYTES, ignored_notices
from platform_assets.formats.delimited.bcp_format import BadFormatFile, BcpFormat, format_beside, is_format_file, read_format, with_format
from platform_assets.formats.delimited.look import Look, look_at, table_suffix, unpacked_path
from platform_assets.formats.delimited.member import Plan, Verdict, dialect_of, read_member, terminators_of, text_head
from platform_assets.formats.delimited.shape import headed_shape, positional_shape, unique_names, unnamed_shape

_DOCUMENTS = (".md", ".pdf", ".html", ".htm", ".rst", ".log")
_DOCUMENT_NAMES = ("readme", "license", "licence", "changelog", "notice", "copying")


class Delimited:
    """Text files with a separator, one table each, under the dialect of `sources.<source>.delimited`."""

    name = "delimited"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why at least one member is delimited text, by content; None when none is."""
        for member in dump.members:
            beside = format_beside(member, dump.members)
            if beside is not None:
                return f"{member.name}: {beside.name} is its format file of bcp"
            reason = None if is_format_file(member) else look(member, source).reason
            if reason:
                return f"{member.name}: {reason}"
        return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the tables in the order of the members. Raises SettingsError for an impossible dialect, LimitExceeded,
        and UnreadableDump when no table comes about at all."""
        dialect_of(source)
        verdict = Verdict()
        for notice in ignored_notices(dump):
            yield verdict.watch(notice)
        members = []
        formats: dict[str, BcpFormat] = {}
        for member in dump.members:
            if is_format_file(member):
                continue
            refusal = None if source.format == self.name else refused(member, source)
            beside = format_beside(member, dump.members)
            if beside is not None:
                try:
                    formats[member.name], refusal = read_format(beside), None
                except BadFormatFile as error:
                    refusal = Notice("member-ignored", f"it was not read: {error}.", member.name, data_bearing=True)
            if refusal:
                yield verdict.watch(refusal)
            else:
                members.append(member)
        names = table_names([member.name for member in members])
        for member, name, table in zip(members, names, governed_names(names, dictionary), strict=True):
            if table != name:
                yield name_notice(member, name, table)
            described = formats.get(member.name)
            if described is None:
                yield from read_member(member, table, source, plan_for(table, dictionary), verdict)
            else:
                yield from read_member(member, table, with_format(source, described), described_plan(table, described, dictionary), verdict)
        yield verdict.finished(dump, self.name)


def look(member: Member, source: SourceSettings) -> Look:
    """What a member looks like; one that cannot even be opened is nothing."""
    try:
        data = text_head(member, source)
    except (EOFError, OSError) as error:
        return Look(None, f"unreadable ({error})")
    dialect, whole = dialect_of(source), len(data) < HEAD_BYTES
    terminators = terminators_of(source)
    if terminators is not None:
        translated = terminators.translated(data)
        data, dialect = (translated.text, translated.dialect) if translated else (data, dialect)
    return look_at(member.name, data, dialect, whole=whole)


def refused(member: Member, source: SourceSettings) -> Notice | None:
    """Why a member is left alone. Documents are no loss; everything else may hold rows, so the dump is partial."""
    seen = look(member, source)
    named_a_table = table_suffix(member.name) in (".csv", ".tsv", ".dat", ".txt", ".tab", ".psv")
    if seen.reason or (seen.instead == "empty" and named_a_table):
        return None
    path = PurePosixPath(member.name.lower())
    document = path.suffix in _DOCUMENTS or path.stem in _DOCUMENT_NAMES
    message = f"it was not read: {seen.instead}."
    return Notice("member-ignored", message, member.name, data_bearing=not document)


def plan_for(table: str, dictionary: Mapping[str, Table]) -> Plan:
    """The columns of a table by its header under the dictionary's types; without header by the dictionary's order."""
    schema = dictionary.get(table)
    return Plan(
        from_header=lambda header: headed_shape(header, schema or Table(table, ()), keep_missing=False),
        from_width=lambda width: positional_shape(schema) if schema else unnamed_shape(table, width),
        columns=len(schema.columns) if schema else None,
        empty=schema,
    )


def described_plan(table: str, described: BcpFormat, dictionary: Mapping[str, Table]) -> Plan:
    """The columns that a format file names, under the dictionary's types."""
    schema = dictionary.get(table) or Table(table, ())
    return Plan(
        from_header=lambda header: headed_shape(header, schema, keep_missing=False),
        from_width=lambda width: headed_shape(described.names, schema, keep_missing=False),
        columns=len(described.names),
        empty=headed_shape(described.names, schema, keep_missing=False).table,
    )


def governed_names(names: Sequence[str], dictionary: Mapping[str, Table]) -> list[str]:
    """The names as the dictionary writes them, where they differ in case alone and no other table of the dump is called so."""
    governed: list[str] = []
    for name in names:
        known = [known for known in dictionary if known.casefold() == name.casefold() and known not in (*names, *governed)]
        governed.append(known[0] if len(known) == 1 and name not in dictionary else name)
    return governed


def name_notice(member: Member, name: str, table: str) -> Notice:
    return Notice("table-case", f"{name} is taken for the dictionary's {table}: the names differ in case alone.", member.name, table=table)


def table_names(members: Sequence[str]) -> list[str]:
    """Tables are called after their files; where two would be called alike, folders come first, then the whole file name."""
    names = [_stem(name) for name in members]
    for longer in (_with_folders, lambda name: name.replace("/", ".")):
        counts = Counter(names)
        names = [longer(member) if counts[name] > 1 else name for member, name in zip(members, names, strict=True)]
    return list(unique_names(names)[0])


def _stem(name: str) -> str:
    return unpacked_path(name).stem


def _with_folders(name: str) -> str:
    return ".".join([*PurePosixPath(name).parts[:-1], _stem(name)])
