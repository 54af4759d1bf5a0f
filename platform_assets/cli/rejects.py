"""The commands of quarantine: `rejects` lists; `rejects show`, `discard`, `export` and `replay` deal with what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, out, print_json, print_rows, printable, shown
from platform_assets.cli.program import (
    ALL_WELL,
    FAILED,
    SOMETHING_REJECTED,
    DefaultGroup,
    HomeOption,
    JsonOption,
    catalog_of,
    existing,
    fail,
    person,
)

if TYPE_CHECKING:
    from platform_assets.operations.ingest import Work
    from platform_assets.settings import Settings

group = typer.Typer(cls=DefaultGroup, no_args_is_help=False, help="Rejected and recovered rows; alone it lists them.")
ByOption = Annotated[str | None, typer.Option("--by", help="Who says so (default: the name of this account).")]
TableArgument = Annotated[str | None, typer.Argument(help="source.table; without it all tables.")]


@group.command("list")
def list_(
    table: TableArgument = None,
    limit: Annotated[int, typer.Option(help="Rows to show; 0 for all.", min=0)] = 50,
    all_: Annotated[bool, typer.Option("--all", help="Also those that were replayed or discarded.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Rejected and recovered rows, with all their reasons, their file and line."""
    from platform_assets.operations import listings

    rows = listings.rejects(catalog_of(existing(home)), table, limit=limit + 1 if limit else None, every=all_)
    shown_rows = rows[:limit] if limit else rows
    columns = ("id", "table", "version", "file", "line", "status", "reasons", "raw")
    print_rows(shown_rows, as_json=json_, empty="No row was rejected.", columns=columns)
    if not json_ and len(shown_rows) < len(rows):
        out.print(f"the first {limit}; --limit 0 shows all")


@group.command()
def show(
    id_: Annotated[int, typer.Argument(metavar="ID", help="Its id in `rejects`.")], home: HomeOption = None, json_: JsonOption = False
) -> None:
    """Everything that is known of one rejected row."""
    from platform_assets.operations import listings

    row = listings.reject(catalog_of(existing(home)), id_)
    if row is None:
        fail(f"there is no reject {id_}: platform-assets rejects --all")
    if json_:
        print_json(row)
        return
    for name, value in row.items():
        if name not in ("reasons", "violations"):
            out.print(Text(f"{name.replace('_', ' '):20}{shown(value)}"))
    for violation in row["violations"]:
        out.print(Text(f"{violation['rule']:20}{printable(violation['message'])}"))


@group.command()
def discard(
    ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Their ids in `rejects`.")],
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept with them.")],
    by: ByOption = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Give rejected rows up for good. Who, when and why are kept, also when their version is judged again."""
    from platform_assets.storage.catalog.quarantine import discard as discard_rows

    if not why.strip():
        fail("--why is empty: say why these rows are given up.")
    done = discard_rows(catalog_of(existing(home)), ids, by=person(by), why=why)
    left = sorted(set(ids) - set(done))
    if json_:
        print_json({"discarded": done, "left": left})
    else:
        out.print(f"{len(done)} discarded" + (f"; not open, so left as they are: {', '.join(map(str, left))}" if left else ""))
    raise typer.Exit(FAILED if left else ALL_WELL)


@group.command()
def export(
    output: Annotated[Path, typer.Option("--output", help="The CSV file to write.", dir_okay=False)],
    table: TableArgument = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Write the open rejects as CSV, with their reasons: mend them in a spreadsheet, then `ingest --fixes FILE`."""
    from platform_assets.operations.fixes import export_rejects
    from platform_assets.operations.ingest import land_waiting

    settings = existing(home)
    catalog = catalog_of(settings)
    land_waiting(settings, catalog)  # a place that rows lose when they land would not be found when they come back
    rows = export_rejects(catalog, table, output.expanduser())
    if json_:
        print_json({"output": str(output), "rows": rows})
    else:
        out.print(Text(f"{rows:,} rows in {output}. Mend their cells, keep the columns that begin with _, then: ingest --fixes {output}"))


@group.command()
def replay(table: TableArgument = None, home: HomeOption = None, json_: JsonOption = False) -> None:
    """Judge again what another dictionary judged, and show what moved. Exit code 1 while rows are rejected."""
    from platform_assets.operations.ingest import land_waiting
    from platform_assets.operations.replay import due_for, verdict_counts, what_moved

    settings = existing(home)
    with Progress() as progress:
        catalog = catalog_of(settings)
        land_waiting(settings, catalog)
        work = due_for(settings, catalog, table)
        before = verdict_counts(catalog, work.versions)
        errors = _run(settings, work, progress) if work.versions else {}
    rows = what_moved(before, verdict_counts(catalog, work.versions))
    print_rows(rows, as_json=json_, empty="Every version was judged by the dictionary that is there now.")
    for problem in (*work.refused, *errors.values()):
        fail(problem)
    raise typer.Exit(SOMETHING_REJECTED if any(row["rejected"] for row in rows) else ALL_WELL)


def _run(settings: Settings, work: Work, progress: Progress) -> dict[str, str]:
    from platform_assets.defs.runs import Runner
    from platform_assets.operations.ingest import one_at_a_time

    with Runner(settings, progress=progress) as runner, one_at_a_time(runner.platform.catalog, say=progress.say):
        return runner.ingest(work, say=progress.say)
