"""The commands that carry tables out: as files of many forms, into other stores, and two JSON documents into one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, print_rows
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing, fail
from platform_assets.errors import KeyMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platform_assets.operations.export import Asked
    from platform_assets.settings import Settings
    from platform_assets.storage.catalog.access import Catalog
    from platform_assets.storage.catalog.records import TableRecord


def export(
    name: Annotated[str, typer.Argument(help="source.table, or a source for all its tables.")],
    format_: Annotated[str, typer.Option("--format", help="json, jsonl, csv, avro, parquet, sql or kv.")] = "json",
    as_of: Annotated[str | None, typer.Option("--as-of", help="A version (key or label) or a time: the state then.")] = None,
    version: Annotated[str | None, typer.Option(help="A version (key or label): its own rows.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file, or a folder for several tables; default: standard output.")
    ] = None,
    compress: Annotated[str | None, typer.Option(help="gz or zst.")] = None,
    history: Annotated[bool, typer.Option("--history", help="With kv: every state of each key, oldest first.")] = False,
    to: Annotated[str | None, typer.Option("--to", help="redis://host:port/db: each key's newest value and its history.")] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="What the names in Redis begin with.")] = "platform",
    null: Annotated[str | None, typer.Option("--null", help="What stands for NULL in csv; default: nothing at all, unquoted.")] = None,
    origin: Annotated[bool, typer.Option("--origin", help="Also _instance, _version, _row and _raw of every row.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Export the state of a table or of a source, now or then, under the schema of that day."""
    from platform_assets.operations import export as operation
    from platform_assets.storage.exports.forms import form_named
    from platform_assets.storage.exports.target import COMPRESSIONS

    form = form_named(format_, null=null)
    if compress and compress not in COMPRESSIONS:
        fail(f"--compress {compress} is none of {', '.join(COMPRESSIONS)}.")
    if compress and form.packed:
        fail(f"{form.name} packs its rows itself: leave --compress out.")
    if version and as_of:
        fail("--version and --as-of exclude each other: a version's own rows, or the state that it made.")
    if history and form.name != "kv":
        fail("--history is for --format kv.")
    settings = existing(home)
    catalog = catalog_of(settings)
    asked = operation.Asked(form, as_of, version, origin, history, compress, force)
    records, several = operation.tables_named(catalog, name)
    if to is not None:
        _to_redis(settings, catalog, records, asked, to, prefix, as_json=json_)
        return
    left: list[str] = []
    with Progress() as progress:

        def report(table: str, rows: int) -> None:
            progress("export", table, rows)

        if several:
            if output is None:
                fail(f"{name} is a source with {len(records)} tables: name a folder with --output.")
            done, left = operation.export_to_folder(settings, catalog, records, asked, output, progress=report)
        elif output is not None:
            done = [operation.export_to_file(settings, catalog, records[0], asked, output, progress=report)]
        else:
            if json_:
                fail("standard output carries the rows: --json needs --output.")
            if sys.stdout.isatty() and (form.packed or compress):
                fail("that is nothing for a terminal: name a file with --output.")
            done = [operation.export_to_stream(settings, catalog, records[0], asked, sys.stdout.buffer, progress=report)]
    if output is not None:
        rows = [asdict(one) | {"notices": list(one.notices)} for one in done]
        print_rows(rows, as_json=json_, empty="", columns=("table", "format", "rows", "bytes", "file"))
    for line in [*(f"{one.table}: {notice}" for one in done for notice in one.notices), *left]:
        err.print(Text(f"note: {line}"))


def _to_redis(
    settings: Settings, catalog: Catalog, records: Sequence[TableRecord], asked: Asked, url: str, prefix: str, *, as_json: bool
) -> None:
    """Tables one after the other; one without a key is told and passed over where others are asked for as well."""
    from platform_assets.operations.export import export_to_redis

    rows, left = [], []
    with Progress() as progress:

        def report(table: str, keys: int) -> None:
            progress("redis", table, keys)

        for record in records:
            try:
                counts = export_to_redis(settings, catalog, record, asked, url, prefix=prefix, progress=report)
            except KeyMissing as error:
                if len(records) == 1:
                    raise
                left.append(error.message)
                continue
            rows.append({"table": f"{record.source}.{record.table_name}", **asdict(counts)})
    print_rows(rows, as_json=as_json, empty="No table has a key.")
    for line in left:
        err.print(Text(f"note: {line}"))


def combine(
    documents: Annotated[list[Path], typer.Argument(help="JSON documents of one table, as export writes them; the newest last.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; default: standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Combine JSON documents of one table into one, by the rules of the latest state."""
    from platform_assets.operations.combine import combine as combine_to_stream
    from platform_assets.operations.combine import combine_to_file

    if len(documents) < 2:
        fail("name two documents or more.")
    done = combine_to_stream(documents, sys.stdout.buffer) if output is None else combine_to_file(documents, output, force=force)
    for notice in done.notices:
        err.print(Text(f"note: {notice}"))
    if output is not None:
        err.print(Text(f"{done.rows:,} rows in {output}"))
