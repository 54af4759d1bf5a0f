"""The commands that look at dumps: take them in, or only say what is in one."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, out, print_json, print_rows
from platform_assets.cli.program import HomeOption, JsonOption, SourceOption, catalog_of, existing, settings_of

if TYPE_CHECKING:
    from platform_assets.operations.ingest import IngestReport


def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files, or folders that are one dump each. None: what is new in dumps/.")
    ] = None,
    source: SourceOption = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Take dumps in, run their assets to the end, and show what became of every table.

    Exit code: 0 all well, 1 something was rejected, recovered or partial, 2 something failed.
    """
    from platform_assets.operations.ingest import anything_to_do, one_at_a_time, report_of

    settings = settings_of(home) if paths else existing(home)
    with Progress() as progress:
        catalog = catalog_of(settings)
        with one_at_a_time(catalog, say=progress.say):
            work = anything_to_do(settings, catalog, paths or [], source, say=progress.say, found=_import_runner)
            errors: dict[str, str] = {}
            if work.versions or work.tables:
                from platform_assets.defs.runs import Runner

                with Runner(settings, progress=progress) as runner:
                    errors = runner.ingest(work, say=progress.say)
                    catalog = runner.platform.catalog  # connected anew when the server went away meanwhile
            report = report_of(catalog, work, errors)
    _print_ingest(report, as_json=json_)
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
