"""The command that says what changed between two versions, states or backups of a table."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from platform_assets.cli.output import err, out, print_rows, printable
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing, fail

if TYPE_CHECKING:
    from platform_assets.operations.diff import Diff

_FIRST = 20


def diff(
    table: Annotated[str, typer.Argument(help="source.table, or the table alone when only one source has it.")],
    a: Annotated[str, typer.Argument(help="Before: a version (key or label), a time, latest, or backup:ID.")],
    b: Annotated[str, typer.Argument(help="After: the same.")] = "latest",
    format_: Annotated[str | None, typer.Option("--format", help="csv or jsonl: the rows alone, all of them.")] = None,
    limit: Annotated[
        int | None, typer.Option(help=f"Changes whose rows are shown; 0 for all. Default: {_FIRST}, all with --json or --format.", min=0)
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What changed in a table from A to B: its schema, how many rows, and which."""
    from platform_assets.operations.diff import diff_table

    if format_ not in (None, "csv", "jsonl"):
        fail(f"--format {format_} is none of csv, jsonl.")
    if format_ and json_:
        fail("--json and --format exclude each other.")
    settings = existing(home)
    if limit is None:
        limit = 0 if json_ or format_ else _FIRST
    with diff_table(settings, catalog_of(settings), table, a, b, limit=limit or None) as found:
        if json_:
            _print_json(found)
        elif format_:
            _print_feed(found, format_)
        else:
            _print_grids(found, limit)


def _print_json(found: Diff) -> None:
    """One object; its rows are streamed."""
    from platform_assets.operations.diff import feed_lines

    head = json.dumps(found.summary(), ensure_ascii=False, indent=1)
    sys.stdout.write(head[: head.rindex("\n}")] + ',\n "rows": [')
    first = True
    for batch in found.batches:
        text = bytes(feed_lines(batch)).decode().rstrip("\n")
        sys.stdout.write(("\n  " if first else ",\n  ") + text.replace("\n", ",\n  "))
        first = False
    sys.stdout.write("\n ]\n}\n")


def _print_feed(found: Diff, form: str) -> None:
    from platform_assets.operations.diff import feed_lines
    from platform_assets.storage.exports.csv_form import csv_rows, header

    sys.stdout.flush()
    if form == "csv":
        sys.stdout.buffer.write(header(found.columns))
    for batch in found.batches:
        sys.stdout.buffer.write(csv_rows(batch) if form == "csv" else feed_lines(batch))
    err.print(Text(_counted(found)))
    for note in found.notes:
        err.print(Text(f"note: {note}"))


def _print_grids(found: Diff, limit: int) -> None:
    from platform_assets.storage.exports.cell_texts import shown_rows

    out.print(Text(f"from {printable(found.a)}\nto   {printable(found.b)}"))
    for note in found.notes:
        out.print(Text(f"note: {note}"))
    out.print()
    changes = [{"column": one.column, "change": one.kind, "before": one.before, "after": one.after} for one in found.schema]
    print_rows(changes, as_json=False, empty="The schema is the same.")
    out.print(Text(f"\n{_counted(found)}"))
    rows: list[dict[str, Any]] = []
    for batch in found.batches:
        rows += [dict(zip(batch.schema.names, row, strict=True)) for row in shown_rows(batch)]
        if len(rows) > 1_000:
            print_rows(rows, as_json=False, empty="", verbatim=True)
            rows = []
    if rows:
        out.print()
        print_rows(rows, as_json=False, empty="", verbatim=True)
    if 0 < limit < found.counts.changes:
        out.print(f"the first {limit} changes; --limit 0 shows all")


def _counted(found: Diff) -> str:
    counts = found.counts
    return (
        f"{counts.before:,} rows before, {counts.after:,} after: {counts.inserted:,} inserted, {counts.deleted:,} deleted, "
        f"{counts.updated:,} updated, {counts.unchanged:,} the same"
    )
