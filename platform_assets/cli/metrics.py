"""The command for metrics: what there is, and one of them as a table, as rows in a file, or as a chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import err, print_rows
from platform_assets.cli.program import HomeOption, JsonOption, catalog_of, existing, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMS = ("table", "csv", "json", "svg", "png", "html")


def metrics(
    name: Annotated[str | None, typer.Argument(help="One metric; without it all of them are listed.", show_default=False)] = None,
    format_: Annotated[str, typer.Option("--format", help="table, csv, json, svg, png or html.")] = "table",
    parameter: Annotated[list[str] | None, typer.Option("--parameter", "-p", help="name=value, once per parameter.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; default: standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """The metrics of the home, or the rows or the chart of one."""
    from platform_assets.operations.metric_forms import write_metric, write_metric_file
    from platform_assets.operations.metrics import asked, standing, standings

    form = "json" if json_ else format_
    if form not in FORMS:
        fail(f"--format {form} is none of {', '.join(FORMS)}.")
    settings = existing(home)
    catalog = catalog_of(settings)
    if name is None:
        if form not in ("table", "json") or parameter or output:
            fail("name the metric; without a name all are listed.")
        rows = [one.row() for one in standings(settings, catalog)]
        columns = ("metric", "state", "title", "refresh", "problem")
        print_rows(
            rows, as_json=form == "json", empty="There is no metric: one is a SQL file in metrics/ (docs/metrics.md).", columns=columns
        )
        return
    given = _given(parameter or ())
    found = standing(settings, catalog, name)
    if output is not None:
        form = output.suffix.removeprefix(".").lower() if form == "table" else form
        if form not in FORMS[1:]:
            fail(f"say with --format what goes into {output}: {', '.join(FORMS[1:])}.")
        size = write_metric_file(catalog, found, given, form, output, force=force)
        err.print(Text(f"{size:,} bytes in {output}"))
    elif form == "table":
        with asked(catalog, found, given) as answer:
            shown = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        print_rows(shown, as_json=False, empty=f"{name} has no row.", columns=answer.columns, verbatim=True)
    else:
        if form == "png" and sys.stdout.isatty():
            fail("that is nothing for a terminal: name a file with --output.")
        write_metric(catalog, found, given, form, sys.stdout.buffer)


def _given(pairs: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key in given:
            fail(f"--parameter {pair}: a parameter is given once, as name=value.")
        given[key] = value
    return given
