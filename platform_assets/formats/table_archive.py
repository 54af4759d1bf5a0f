"""The format of table archives: per table a JSON schema and a delimited data file of the same name, as an application exports them.

The schema is a JSON list of columns, `[{"column_name": "id", "column_type": "int"}, ...]`. The writers of such files are loose about
trailing commas, so these are taken (and remarked); everything else must be JSON. Data columns are found by the header's names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from platform_assets.dictionary.model import Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Member, Notice, TableFound
from platform_assets.formats.containers.opening import ignored_notices
from platform_assets.formats.delimited.exact import exact_records
from platform_assets.formats.delimited.look import table_suffix, unpacked_path
from platform_assets.formats.delimited.member import Plan, Verdict, dialect_of, read_member, terminators_of, text_head
from platform_assets.formats.delimited.reader import governed_names, name_notice, plan_for, refused, table_names
from platform_assets.formats.delimited.shape import headed_shape, positional_shape, with_formats
from platform_assets.formats.json_schema import BadSchema, is_schema, read_schema

_DATA_SUFFIXES = (".dat", ".csv", ".txt")


class TableArchive:
    """Pairs `<table>.json` + `<table>.dat` (or .csv, .txt) under the dialect of `sources.<source>.delimited`."""

    name = "table-archive"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: at least one member is a JSON list of columns and there is a data file beside it."""
        for pair in pairs_of(dump.members):
            if pair.schema and pair.data and is_schema(pair.schema):
                return f"{pair.schema.name} lists the columns of {pair.data.name}"
        return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the tables in the order of their data files. Raises SettingsError for an impossible dialect, LimitExceeded, and
        UnreadableDump when no schema names a single column of its data, which is what a wrong separator looks like."""
        pairs = pairs_of(dump.members)
        _check_dialect(dump, pairs, source)
        verdict = Verdict()
        for notice in ignored_notices(dump):
            yield verdict.watch(notice)
        kept = []
        for pair in pairs:
            refusal = _refused(pair, source)
            if refusal:
                yield verdict.watch(refusal)
            else:
                kept.append(pair)
        names = table_names([pair.member.name for pair in kept])
        for pair, name, table in zip(kept, names, governed_names(names, dictionary), strict=True):
            if table != name:
                yield name_notice(pair.member, name, table)
            yield from _read_pair(pair, table, source, dictionary, verdict)
        yield verdict.finished(dump, self.name)


@dataclass(frozen=True)
class Pair:
    """A schema, a data file, or both."""

    schema: Member | None
    data: Member | None

    @property
    def member(self) -> Member:
        member = self.data or self.schema
        assert member
        return member


def pairs_of(members: Sequence[Member]) -> list[Pair]:
    """Members paired by their path without suffixes, in the order of the data files; whatever has no partner stands alone."""
    schemas: dict[str, Member] = {}
    for member in members:
        if _suffix(member) == ".json":
            schemas.setdefault(_path(member), member)
    pairs = []
    left = dict(schemas)
    for member in members:
        if _suffix(member) in _DATA_SUFFIXES:
            pairs.append(Pair(left.pop(_path(member), None), member))
        elif schemas.get(_path(member)) is not member:
            pairs.append(Pair(None, member))
    return pairs + [Pair(schema, None) for schema in left.values()]


def _path(member: Member) -> str:
    return str(unpacked_path(member.name).with_suffix(""))


def _suffix(member: Member) -> str:
    return table_suffix(member.name)


def _refused(pair: Pair, source: SourceSettings) -> Notice | None:
    """A lone file that is neither data nor schema."""
    if pair.data is None and pair.schema and not is_schema(pair.schema):
        return Notice("member-ignored", "it was not read: no list of columns, and no data beside it.", pair.schema.name, data_bearing=True)
    return refused(pair.data, source) if pair.data and not pair.schema else None


def _check_dialect(dump: Dump, pairs: Sequence[Pair], source: SourceSettings) -> None:
    """A wrong separator makes one column of everything; rather than NULL in all columns, it is said before the first event."""
    dialect = dialect_of(source)
    if not source.delimited.header or terminators_of(source) is not None:
        return
    hints = []
    for pair in pairs:
        if not pair.schema or not pair.data:
            continue
        try:
            names = read_schema(pair.schema, "", source)[0].column_names
            first = text_head(pair.data, source)
        except (BadSchema, EOFError, OSError):
            return
        record = next((record for record in exact_records(first, 0, dialect, final=True) if not record.blank), None)
        if record is None or record.problem:
            return
        header = first[record.start : record.stop].decode("utf-8", "replace")
        if {name.casefold() for name in names} & {(name or "").casefold() for name in dialect.values(header)}:
            return
        hints.append(f"{pair.data.name} begins with {header[:80]!r}")
    if hints:
        raise UnreadableDump(
            f"{dump.name}: under the separator {source.delimited.separator!r} no header names a column of its schema: "
            f"{'; '.join(hints[:3])}. "
            f"Set sources.{source.name}.delimited in platform.yaml (separator, quote, header).",
            dump=dump.name,
        )


def _read_pair(pair: Pair, table: str, source: SourceSettings, dictionary: Mapping[str, Table], verdict: Verdict) -> Iterator[Event]:
    plan = plan_for(table, dictionary)
    if pair.schema is None:
        message = "no JSON schema stands beside it: columns from the header" + (
            " and the dictionary." if table in dictionary else ", all text."
        )
        yield Notice("schema-missing", message, pair.member.name, table=table)
    else:
        try:
            schema, notices = read_schema(pair.schema, table, source)
        except BadSchema as error:
            yield Notice("schema-unreadable", f"{error}; its data are read without it.", pair.schema.name, table=table)
        else:
            yield from notices
            plan = _declared_plan(merged(schema, dictionary.get(table)))
    if pair.data:
        yield from read_member(pair.data, table, source, plan, verdict)
    elif plan.empty:
        yield verdict.watch(TableFound(with_formats(plan.empty, source.delimited.formats), pair.member.name))
        message = "a schema without data: the table has no rows here, which is no proof that it was empty."
        yield verdict.watch(Notice("data-missing", message, pair.member.name, table=table, data_bearing=True))


def _declared_plan(schema: Table) -> Plan:
    return Plan(
        from_header=lambda header: headed_shape(header, schema, keep_missing=True),
        from_width=lambda width: positional_shape(schema),
        columns=len(schema.columns),
        empty=schema,
    )


def merged(schema: Table, contract: Table | None) -> Table:
    """The dump's columns under the dictionary: what the dictionary says of a column, of the key and of rules stands over the dump's word.

    Columns that only the dictionary knows are not added: the version has the columns that it has.
    """
    if contract is None:
        return schema
    stated = {column.name: column for column in contract.columns}
    columns = tuple(
        replace(stated[column.name], native=stated[column.name].native or column.native) if column.name in stated else column
        for column in schema.columns
    )
    return replace(contract, name=schema.name, columns=columns, key=contract.key or schema.key)
