"""The commands that look at dumps: take them in, or only say what is in one."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, out, print_json, print_rows, printable, shown
from platform_assets.cli.program import HomeOption, JsonOption, SourceOption, catalog_of, existing, fail, home_is_named, person, settings_of

if TYPE_CHECKING:
    from platform_assets.operations.ingest import IngestReport
    from platform_assets.operations.inspect import Inspection
    from platform_assets.settings import Settings


def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files, or folders that are one dump each. None: what is new in dumps/.")
    ] = None,
    source: SourceOption = None,
    fixes: Annotated[
        Path | None,
        typer.Option("--fixes", help="A file of `rejects export` with mended rows: hands them back.", dir_okay=False),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who hands them back (default: the name of this account).")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Take dumps in, run their assets to the end, and show what became of every table.

    Exit code: 0 all well, 1 something was rejected, recovered or partial, 2 something failed.
    """
    if fixes is not None:
        if paths:
            fail("--fixes takes no other paths beside it.")
        paths = _handed_back(existing(home), fixes, by)
    load_paths(settings_of(home) if paths else existing(home), paths or [], source, as_json=json_)


def _handed_back(settings: Settings, file: Path, by: str | None) -> list[Path]:
    from platform_assets.operations.fixes import take_fixes
    from platform_assets.operations.ingest import land_waiting

    if not file.expanduser().exists():
        fail(f"{file} does not exist.")
    catalog = catalog_of(settings)
    land_waiting(settings, catalog)
    done = take_fixes(settings, catalog, file.expanduser(), by=person(by))
    err.print(Text(f"{done.rows:,} rows handed back, {done.unchanged:,} left as they are because nothing in them was changed"))
    return list(done.dumps)


def load_paths(settings: Settings, paths: list[Path], source: str | None, *, as_json: bool) -> NoReturn:
    """What `ingest` does, for every command that ends in it. Ends the command with its exit code."""
    from platform_assets.operations.ingest import anything_to_do, one_at_a_time, report_of

    with Progress() as progress:
        catalog = catalog_of(settings)
        with one_at_a_time(catalog, say=progress.say):
            work = anything_to_do(settings, catalog, paths, source, say=progress.say, found=_import_runner)
            errors: dict[str, str] = {}
            if work.any:
                from platform_assets.defs.runs import Runner

                with Runner(settings, progress=progress) as runner:
                    errors = runner.ingest(work, say=progress.say)
                    catalog = runner.platform.catalog  # connected anew when the server went away meanwhile
            report = report_of(catalog, work, errors)
    _print_ingest(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _import_runner() -> None:
    """Dagster takes a second to import; it comes in while the new dumps are hashed."""

    def import_both() -> None:
        importlib.import_module("platform_assets.defs.runs")
        importlib.import_module("platform_assets.defs.instance_storage")

    threading.Thread(target=import_both, daemon=True).start()


def _print_ingest(report: IngestReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    if report.rows:
        print_rows(report.rows, as_json=False, empty="", columns=report.columns)
    for line in report.lines:
        out.print(Text(line))


def inspect(
    file: Annotated[Path, typer.Argument(help="A file, an archive, or a folder that is one dump; anywhere.")],
    source: Annotated[
        str | None, typer.Option("--source", help="Whose settings and dictionary apply (default: that of its folder under dumps/).")
    ] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Say what is in a dump and what loading it would do. Loads nothing, starts no database.

    Exit code: 0 nothing is missing or rejected as far as can be told, 1 it is partial or rows would be rejected, 2 it cannot be read.
    """
    from platform_assets.operations.inspect import inspect_dump

    settings = existing(home) if home_is_named(home) or source else settings_of(home)
    with Progress() as progress:
        found = inspect_dump(settings, file, source, progress=lambda table, rows: progress(f"inspect {file.name}", table, rows))
    if json_:
        print_json(found.to_json())
    else:
        _print_inspection(found)
    raise typer.Exit(found.exit_code)


HEADING = (
    *("path", "source", "format", "format_reason", "encoding", "tool", "server_version"),
    *("dump_time", "completeness", "last_good"),
)


def _print_inspection(found: Inspection) -> None:
    said = found.to_json()
    for name in HEADING:
        out.print(Text(f"{name.replace('_', ' '):15}{shown(said[name])}"))
    for reason in said["reasons"]:
        out.print(Text(f"{'':15}{printable(reason)}"))
    for title, rows in _listings(said):
        if rows:
            out.print(Text(f"\n{title}", style="bold"))
            print_rows(rows, as_json=False, empty="")


def _listings(said: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The parts of an inspection that are lists, each under its title."""
    tables = said["tables"]
    counted = ("table", "rows_read", "accepted", "rejected", "unreadable", "recovered", "key", "judged_by")
    yield "tables", [{name: table[name] for name in counted} for table in tables]
    yield "columns", [{"table": table["table"]} | column for table in tables for column in table["columns"]]
    yield "rules that rows broke", [{"table": table["table"]} | rule for table in tables for rule in table["broken_rules"]]
    yield (
        f"rows that would be rejected or were recovered (the first ones of {_totals(tables)})",
        [
            {"table": table["table"], "file": sample["file"], "line": sample["line"]}
            | {"reasons": "; ".join(violation["message"] for violation in sample["violations"]), "raw": sample["raw"]}
            for table in tables
            for sample in table["samples"]
        ],
    )
    yield "notices (each with its first place)", said["notices"]


def _totals(tables: list[dict[str, Any]]) -> str:
    return f"{sum(table['rejected'] for table in tables):,} rejected and {sum(table['recovered'] for table in tables):,} recovered"
