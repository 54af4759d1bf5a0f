"""The commands for a whole home: save it into a file, make one of such a file, make again all that is derived."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from platform_assets.cli.output import Progress, err, out, print_json, print_rows
from platform_assets.cli.program import ALL_WELL, FAILED, SOMETHING_REJECTED, HomeOption, JsonOption, catalog_of, existing, root_of


def save(
    file: Annotated[Path, typer.Argument(help="Where to, as in home.tar.zst; never over a file that is there.", dir_okay=False)],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Save the home into one file: settings, dumps, and what the catalog alone knows. Exit code 1 when a dump is gone."""
    from platform_assets.operations.moving import save_home

    settings = existing(home)
    with Progress() as progress:
        done = save_home(settings, catalog_of(settings), file, progress=lambda name, size: progress(f"save {file.name}", name, 1))
    if json_:
        print_json({"file": str(done.path), "files": done.files, "bytes": done.bytes, "missing": list(done.missing)})
    else:
        out.print(Text(f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB, are in {done.path}"))
    for version in done.missing:
        err.print(Text(f"note: the dump of version {version} is gone or holds other bytes: it is not in the file"))
    raise typer.Exit(SOMETHING_REJECTED if done.missing else ALL_WELL)


def load(
    file: Annotated[Path, typer.Argument(help="What `save` wrote.", dir_okay=False)],
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Make a home of a saved one, proven file by file; never over a home that is there. Then `ingest` makes its warehouse."""
    from platform_assets.operations.moving import load_home

    root, url = root_of(home)
    with Progress() as progress:
        done = load_home(root, url, file, progress=lambda name, size: progress(f"load {file.name}", name, 1))
    if json_:
        print_json({"home": str(done.path), "files": done.files, "bytes": done.bytes})
    else:
        out.print(
            Text(f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB, are in {done.path}. To make its warehouse: platform-assets ingest")
        )


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: HomeOption = None,
    json_: JsonOption = False,
) -> None:
    """Delete all that is derived and make it again from dumps/; backups stay. Says of each table whether the same came out.

    Exit code: 0 the same, 1 something differs, 2 something failed.
    """
    from platform_assets.operations.ingest import anything_to_do, one_at_a_time
    from platform_assets.operations.rebuild import compared, forget_all, state_hashes

    settings = existing(home)
    if not yes:
        typer.confirm(f"Delete the warehouse of {settings.home} and make it again from its dumps?", abort=True, err=True)
    with Progress() as progress:
        catalog = catalog_of(settings)
        with one_at_a_time(catalog, say=progress.say):
            before = state_hashes(settings, catalog, progress=lambda name, rows: progress("read what stands", name, rows))
            forget_all(settings, catalog)
            work = anything_to_do(settings, catalog, [], None, say=progress.say)
            from platform_assets.defs.runs import Runner

            with Runner(settings, progress=progress) as runner:
                errors = runner.ingest(work, say=progress.say)
                catalog = runner.platform.catalog
            after = state_hashes(settings, catalog, progress=lambda name, rows: progress("compare", name, rows))
    rows = compared(catalog, before, after)
    print_rows(rows, as_json=json_, empty="There was nothing to make.", columns=("table", "rows", "same"))
    for problem in [*(f"{key}: {error}" for key, error in errors.items()), *work.refused]:
        err.print(Text(f"error: {problem}", style="red"))
    differs = any(row["same"] is False for row in rows)
    raise typer.Exit(FAILED if errors or work.refused else SOMETHING_REJECTED if differs else ALL_WELL)
