"""The format `pull`: what an import topic fetched, as it lands among the dumps: JSON lines, and `pull.json`, which says what they are.

The manifest states table, columns, key and row-version column, so that a column that is NULL in every row is there nevertheless; a
contract stands over it. Batches of rows that were posted land in the same form: their manifest states the whole table as `definition`,
and in `refused` what came in the place of rows and could not be one. Rows of several tables that were posted together are one dump with
one such entry per table in `tables`; each chunk then says in its facts whose rows it has.
Complete is a pull whose chunks are all there with the rows that the manifest counts.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from platform_assets.dictionary.model import Column, Table
from platform_assets.dictionary.source import SourceSettings
from platform_assets.dictionary.types import BINARY, type_named
from platform_assets.errors import UnreadableDump
from platform_assets.formats.base import Dump, Event, Finished, Member, Rows, TableFound, Unreadable
from platform_assets.formats.containers.opening import ignored_notices
from platform_assets.formats.delimited.member import Verdict
from platform_assets.formats.json_records.reader import JsonLines
from platform_assets.formats.members import Context, lost
from platform_assets.formats.table_archive import merged

MANIFEST = "pull.json"
KIND = "platform-assets pull"
_LARGEST_MANIFEST = 64 << 20


class Pull:
    """One pull of one topic. The verdict's facts: `full`, it holds every row there was; `replaces`, its keys are all new."""

    name = "pull"

    def recognize(self, dump: Dump, source: SourceSettings) -> str | None:
        """Why: a pull.json of ours is among the members."""
        member = _manifest_of(dump)
        if member is None:
            return None
        try:
            with member.open() as stream:
                return f"{member.name} describes a pull" if KIND.encode() in stream.read(4096) else None
        except (EOFError, OSError):
            return None

    def read(self, dump: Dump, source: SourceSettings, dictionary: Mapping[str, Table]) -> Iterator[Event]:
        """Yields the tables of the pull, mostly one. Raises UnreadableDump when its manifest cannot be understood."""
        manifest, parts = _described(dump)
        verdict = Verdict()
        for notice in ignored_notices(dump):
            yield verdict.watch(notice)
        members = {PurePosixPath(member.name).name.removesuffix(".zst"): member for member in dump.members}
        for part in parts:
            yield from self._part(part, members, source, dictionary, verdict)
        finished = verdict.finished(dump, self.name, proven=True)
        yield replace(
            finished,
            dump_time=datetime.fromisoformat(manifest["moment"]) if manifest.get("moment") else None,
            tool=f"topic {manifest['topic']}" if manifest["topic"] else "rows posted over HTTP",
            facts={**finished.facts, **{name: "yes" if manifest.get(name) else "no" for name in ("full", "replaces")}},
        )

    def _part(
        self, part: _Part, members: Mapping[str, Member], source: SourceSettings, dictionary: Mapping[str, Table], verdict: Verdict
    ) -> Iterator[Event]:
        table = part.table
        stated = merged(table, dictionary.get(table.name))
        names = [str(chunk["name"]).removesuffix(".zst") for chunk in part.chunks]
        for name, chunk in zip(names, part.chunks, strict=True):
            if name not in members:
                yield verdict.watch(lost(Member(name, 0, io.BytesIO), "chunk-missing", "it is named by pull.json and is gone.", table.name))
            elif not _proves_true(members[name], chunk["sha256"]):
                yield verdict.watch(lost(members[name], "chunk-damaged", "its hash is not the one that pull.json names.", table.name))
        if stated.columns:
            yield verdict.watch(TableFound(stated, MANIFEST))
        rows = yield from self._rows([members[name] for name in names if name in members], stated, source, verdict)
        for one in part.refused:
            yield Unreadable(table.name, MANIFEST, one["index"] + 1, None, one["raw"], one["code"], one["message"])
        if rows != part.rows:
            message = f"{rows:,} rows were read where pull.json counts {part.rows:,}."
            yield verdict.watch(lost(Member(MANIFEST, 0, io.BytesIO), "rows-missing", message, table.name))

    def _rows(self, members: Sequence[Member], stated: Table, source: SourceSettings, verdict: Verdict) -> Generator[Event, None, int]:
        """The rows of all chunks as of one member; returns how many there were."""
        whole = Member("rows.jsonl", sum(member.size for member in members), lambda: _Joined(members))  # type: ignore[arg-type, return-value]
        rows = 0
        dictionary = {stated.name: stated} if stated.columns else {}
        for event in JsonLines().read_member(whole, stated.name, Context(source, dictionary)) if members else ():
            if isinstance(event, TableFound):
                yield verdict.watch(TableFound(_whole(stated, event.table), event.member))
            elif isinstance(event, Rows):
                rows += event.batch.num_rows
                for one in with_bytes(event, stated):
                    yield verdict.watch(one)
            elif not isinstance(event, Finished):
                yield verdict.watch(event)
        return rows


def with_bytes(event: Rows, stated: Table) -> Iterator[Rows | Unreadable]:
    """The rows with the bytes of columns of bytes, which stand in JSON as base64; a row where that is none cannot be read."""
    batch, bad = event.batch, np.zeros(event.batch.num_rows, bool)
    for at, name in enumerate(batch.schema.names):
        if name in stated.column_names and stated.column(name).type == BINARY:
            texts = batch.column(at)
            decoded = pl.Series(texts).str.decode("base64", strict=False).to_arrow().cast(BINARY)
            bad |= pc.and_(pc.is_valid(texts), pc.is_null(decoded)).to_numpy(zero_copy_only=False)
            batch = batch.set_column(at, pa.field(name, BINARY), decoded)
    for index in np.flatnonzero(bad).tolist():
        raw = json.dumps({name: value for name, value in event.batch.slice(index, 1).to_pylist()[0].items() if value is not None})
        line, row = event.lines[index].as_py(), event.rows[index].as_py()
        yield Unreadable(event.table, event.member, line, row, raw, "type-error", "bytes are written as base64, and these are not")
    if bad.any():
        good = pa.array(~bad)
        yield replace(event, batch=batch.filter(good), rows=event.rows.filter(good), lines=event.lines.filter(good))
    else:
        yield replace(event, batch=batch)


def _whole(stated: Table, found: Table) -> Table:
    """What the manifest states, with the columns that only the rows have; a key that they lack is none."""
    more = [column for column in found.columns if column.name not in stated.column_names]
    table = stated.with_columns([*stated.columns, *more])
    key = table.key if set(table.key) <= set(table.column_names) else ()
    return replace(table, key=key, row_version=table.row_version if table.row_version in table.column_names else None)


def _proves_true(member: Member, sha256: str) -> bool:
    """By its bytes as they lie in the folder, where these can be had."""
    if member.packed is None:
        return True
    digest = hashlib.sha256()
    try:
        with member.packed() as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
    except (EOFError, OSError):
        return False
    return digest.hexdigest() == sha256


def _manifest_of(dump: Dump) -> Member | None:
    return next((member for member in dump.members if PurePosixPath(member.name).name == MANIFEST), None)


@dataclass(frozen=True)
class _Part:
    """What the manifest says of one table."""

    table: Table
    chunks: Sequence[Mapping[str, Any]]
    rows: int
    refused: Sequence[Mapping[str, Any]]


def _described(dump: Dump) -> tuple[dict[str, Any], list[_Part]]:
    member = _manifest_of(dump)
    try:
        if member is None:
            raise ValueError("it is not there")
        with member.open() as stream:
            manifest = json.loads(stream.read(_LARGEST_MANIFEST))
        if manifest["format_version"] != 1 or manifest["kind"] != KIND:
            raise ValueError(f"format_version {manifest['format_version']!r} is not known; this program reads 1")
        [manifest[name] for name in ("topic", "full")]
        parts = [_part_of(manifest, one) for one in manifest["tables"]] if "tables" in manifest else [_whole_pull(manifest)]
    except (ValueError, KeyError, TypeError, EOFError, OSError, pa.ArrowException) as error:
        raise UnreadableDump(
            f"{dump.name}: its {MANIFEST} cannot be understood ({error}). Import the topic again.", dump=dump.name
        ) from error
    return manifest, parts


def _whole_pull(manifest: Mapping[str, Any]) -> _Part:
    if "definition" in manifest:
        table = Table.from_json(manifest["definition"])
    else:
        columns = [Column(c["name"], type_named(c["type"]), c["native"]) for c in manifest["columns"]]
        table = Table(manifest["table"], tuple(columns), key=tuple(manifest["key"]), row_version=manifest["row_version"])
    return _Part(table, manifest["chunks"], manifest["rows"], manifest.get("refused", ()))


def _part_of(manifest: Mapping[str, Any], one: Mapping[str, Any]) -> _Part:
    chunks = [chunk for chunk in manifest["chunks"] if chunk["facts"]["table"] == one["table"]]
    return _Part(Table.from_json(one["definition"]), chunks, sum(chunk["rows"] for chunk in chunks), one["refused"])


class _Joined(io.RawIOBase):
    """The chunks' streams one after the other, one open at a time."""

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self._coming = iter(members)
        self._open: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._open is None:
                member = next(self._coming, None)
                if member is None:
                    return b""
                self._open = member.open()
            part = self._open.read(size)
            if part:
                return part
            self._open.close()
            self._open = None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        super().close()
