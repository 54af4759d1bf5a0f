"""The commands that list and ask: dumps, their order, tables, rows, rejects, a query."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Annotated, Any

import typer
from rich.text import Text

from platform_assets.cli.output import err, out, plain, print_json, print_rows, printable, shown
from platform_assets.cli.program import ALL_WELL, SOMETHING_REJECTED, HomeOption, JsonOption, catalog_of, existing, fail

MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f"]


def dumps(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every version of every dump, with what became of it."""
    from platform_assets.operations import listings

    rows = listings.dumps(catalog_of(existing(home)))
    columns = ["version", "instance", "state", "completeness", "table", "rows_read", "accepted", "rejected", "recovered"]
    if any(row["error"] for row in rows):
        columns.append("error")
    print_rows(
        rows, as_json=json_, empty="No dump is registered yet: put one into dumps/<source>/, then: platform-assets ingest", columns=columns
    )


def tables(home: HomeOption = None, json_: JsonOption = False) -> None:
    """Every table of the warehouse: its rows now, its versions, its key."""
    from platform_assets.operations import listings

    rows = listings.tables(catalog_of(existing(home)))
    columns = ["table", "rows", "columns", "key", "versions", "open_rejects", "stale", "last_backup", "published_at"]
    if any(row["partial_versions"] for row in rows):
        columns.insert(5, "partial_versions")
    print_rows(
        rows, as_json=json_, empty="There is no table yet: put a dump into dumps/<source>/, then: platform-assets ingest", columns=columns
    )


def order(
    source: Annotated[str, typer.Argument(help="A source: the name of its folder under dumps/.")],
    believed_at: Annotated[
        datetime | None, typer.Option("--believed-at", help="The order as it was recorded at that time (UTC).", formats=MOMENTS)
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The versions of a source, oldest first: place, evidence, confidence, and all that is to be settled.

    Exit code: 0 nothing is to be settled, 1 something is (a tie, a gap in the evidence, a contradiction), 2 a declaration is wrong.
    """
    from platform_assets.operations.ordering import order_rows, remedy

    settings = existing(home)
    at = believed_at.replace(tzinfo=UTC) if believed_at else None
    rows, findings = order_rows(settings, catalog_of(settings), source, believed_at=at)
    if json_:
        print_json({"source": source, "believed_at": at, "versions": rows, "findings": findings})
    else:
        columns = ["instance", "place", "version", "moment", "evidence", "confidence", "reason", "entered_at"]
        when = f" at {at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
        shared = any(row["same_label"] for row in rows)
        print_rows(
            rows, as_json=False, empty=f"No version of {source} is in the warehouse{when}.", columns=[*columns, *["same_label"] * shared]
        )
        for finding in findings:
            out.print(Text(printable(f"{finding['kind']}: {finding['text']}")))
        if any(finding["open"] for finding in findings):
            out.print(Text(remedy(source)))
    raise typer.Exit(SOMETHING_REJECTED if any(finding["open"] for finding in findings) else ALL_WELL)


def show(
    table: Annotated[str, typer.Argument(help="source.table, or the table alone when only one source has it.")],
    limit: Annotated[int, typer.Option(help="Rows to show; 0 for all.", min=0)] = 20,
    version: Annotated[str | None, typer.Option(help="A version key: that version's own table instead of the latest state.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A version (key or label) or a time: the state then.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The first rows of a table: its latest state, its state at an earlier day, or one version's."""
    from platform_assets.operations.listings import partial_versions, relation_of
    from platform_assets.storage.warehouse.queries import read_table

    if version and as_of:
        fail("--version and --as-of exclude each other: a version's own rows, or the state that it made.")
    settings = existing(home)
    catalog = catalog_of(settings)
    if as_of:
        from platform_assets.operations.export import shown_then

        with shown_then(settings, catalog, table, as_of, limit=limit or None) as (columns, rows):
            _print_answer(columns, rows, as_json=json_)
        return
    with read_table(catalog.url, *relation_of(catalog, table, version), limit=limit or None) as answer:
        _print_answer(answer.columns, answer.rows, as_json=json_)
    for partial in partial_versions(catalog, table, version):
        err.print(Text(f"note: {partial['version']} is partial: {printable('; '.join(partial['reasons'][:3]))}"))


def sql(
    query: Annotated[str, typer.Argument(help="One query: SELECT, WITH, VALUES or TABLE.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Ask the warehouse one question. Nothing can be written this way, and no file of the server read."""
    from platform_assets.storage.warehouse.queries import read_only

    with read_only(catalog_of(existing(home)).url, query) as answer:
        _print_answer(answer.columns, answer.rows, as_json=json_)


def _print_answer(columns: Sequence[str], rows: Iterator[tuple[Any, ...]], *, as_json: bool) -> None:
    """JSON is streamed row by row; a grid needs all rows to know its widths, so it comes in pages of 1,000."""
    names = _distinct(columns)
    if as_json:
        sys.stdout.write("[")
        for number, row in enumerate(rows):
            sys.stdout.write(
                (",\n " if number else "\n ") + json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=plain)
            )
        sys.stdout.write("\n]\n")
        return
    page: list[dict[str, Any]] = []
    printed = 0
    for row in rows:
        page.append(dict(zip(names, row, strict=True)))
        if len(page) == 1_000:
            print_rows(page, as_json=False, empty="", verbatim=True)
            printed, page = printed + len(page), []
    if page or not printed:
        print_rows(page, as_json=False, empty=f"no rows ({', '.join(columns)})", verbatim=True)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Column names of an answer, told apart by a number where two are the same."""
    names: list[str] = []
    for name in columns:
        free = (f"{name}_{number}" for number in count(2) if f"{name}_{number}" not in {*names, *columns})
        names.append(next(free) if name in names else name)
    return names


def drift(
    table: Annotated[str, typer.Argument(help="source.table, or the table alone when only one source has it.")],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """What changed in a table's schema with each version, and the renames that its content speaks for."""
    from platform_assets.operations.drift import drift_of

    found = drift_of(existing(home), catalog_of(existing(home)), table)
    if json_:
        print_json(found)
        return
    columns = ["instance", "version", "change", "column", "before", "after", "widening", "kept_raw"]
    print_rows(found["changes"], as_json=False, empty=f"{found['table']} is the same in all its versions.", columns=columns)
    if found["renames"]:
        out.print("\nPossible renames; one is applied once the dictionary says renamedTo (docs/drift.md):")
        rows = [{**row, "because": ", ".join(f"{part} {shown(value)}" for part, value in row["parts"].items())} for row in found["renames"]]
        print_rows(rows, as_json=False, empty="", columns=["kind", "old", "new", "score", "because", "shared_rows", "version"])
