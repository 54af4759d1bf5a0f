"""The commands of the data dictionary: `dictionary init`, `check` and `diff`. None of them changes what is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, out, print_json, print_rows
from platform_assets.cli.program import (
    ALL_WELL,
    FAILED,
    SOMETHING_REJECTED,
    HomeOption,
    JsonOption,
    catalog_of,
    existing,
    fail,
    home_is_named,
    settings_of,
)
from platform_assets.errors import SettingsError
from platform_assets.storage.home import Home

group = typer.Typer(no_args_is_help=True, help="The data dictionary: a first draft, a check, what a change would do.")
FileArgument = Annotated[Path | None, typer.Argument(help="A contract; default: the one of the source in dictionary/.", dir_okay=False)]


@group.command()
def init(
    source: Annotated[str, typer.Argument(help="A source of which something is loaded.")],
    output: Annotated[Path | None, typer.Option("--output", help="Where to; default: dictionary/SOURCE.proposed.odcs.yaml.")] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a first contract from the dumps' own definitions and from their rows, marked as proposed."""
    from platform_assets.operations.proposal import proposed_contract
    from platform_assets.storage.files import atomic_file

    settings = existing(home)
    target = output.expanduser() if output else settings.home / "dictionary" / f"{source}.proposed.odcs.yaml"
    if target.exists():
        fail(f"{target} is there already; name another file with --output.")
    text = proposed_contract(settings, catalog_of(settings), source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as stream:
        stream.write(text.encode())
    if json_:
        print_json({"source": source, "file": str(target)})
    else:
        out.print(Text(f"{target}\nWhat it would change: platform-assets dictionary diff {source} {target}"))


@group.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Contracts; default: all in dictionary/.", dir_okay=False)] = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Read contracts as a load would, and name the first mistake of each with file and line. Exit code 2 when there is one.

    A reference to another source finds its contract in the home's dictionary/, else beside the file.
    """
    from platform_assets.dictionary.rules import rules_of
    from platform_assets.operations.contracts import usable_contract

    settings = settings_of(home) if files and not home_is_named(home) else existing(home)  # files alone may be checked without a home
    folder = Home(settings.home).dictionary
    rows: list[dict[str, Any]] = []
    for file in files or sorted(folder.glob("*.odcs.yaml")):
        try:
            tables = usable_contract(file, [folder, file.parent]).values()
            rules = sum(len(rules_of(table)) + len(table.measures) for table in tables)
            columns = sum(len(table.columns) for table in tables)
            not_run = [f"{table.name}: {text}" for table in tables if table.renamed_to is None for text in table.not_run]
            found: dict[str, Any] = {"tables": len(tables), "columns": columns, "rules": rules, "not_run": not_run, "error": None}
        except (SettingsError, OSError) as error:
            found = {"tables": None, "columns": None, "rules": None, "not_run": [], "error": str(error)}
        rows.append({"file": str(file), "ok": found["error"] is None} | found)
    columns_shown = ("file", "ok", "tables", "columns", "rules", "error")
    print_rows(rows, as_json=json_, empty="There is no contract in dictionary/.", columns=columns_shown)
    for row in () if json_ else rows:
        for text in row["not_run"]:
            err.print(Text(f"note: {row['file']}: {text}"))
    raise typer.Exit(ALL_WELL if all(row["ok"] for row in rows) else FAILED)


@group.command()
def diff(
    source: Annotated[str, typer.Argument(help="The source whose loaded versions are judged.")],
    file: FileArgument = None,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Say what a contract would accept and reject of what is loaded. Changes nothing. Exit code 1 when rows would move."""
    from platform_assets.operations.dictionary_diff import dictionary_diff

    settings = existing(home)
    path = file.expanduser() if file else settings.home / "dictionary" / f"{source}.odcs.yaml"
    if not path.exists():
        fail(f"{path} does not exist.")
    with Progress() as progress:
        rows = dictionary_diff(settings, catalog_of(settings), source, path, say=progress)
    columns = ("version", "table", "rows", "rejected_before", "rejected", "would_accept", "would_reject")
    print_rows(rows, as_json=json_, empty=f"Nothing of {source} is loaded.", columns=columns)
    if not json_:
        for row in rows:
            for sample in row["samples"]:
                out.print(Text(f"{row['version']} {row['table']} row {sample['row']}: {' '.join(sample['reasons'])}"))
        if any(row["read_again"] for row in rows):
            err.print("note: types or formats differ too: the dumps are read again, and what cannot be read so is not counted")
    raise typer.Exit(SOMETHING_REJECTED if any(row["would_accept"] or row["would_reject"] for row in rows) else ALL_WELL)
